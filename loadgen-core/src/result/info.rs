//! What the result says of the scenario itself.

use super::{Model, PhaseInfo, ScenarioInfo};
use crate::{
    plan::Plan,
    scenario::{Load, Phase, Scenario},
};

/// What was asked.
pub fn of_scenario(scenario: &Scenario, plan: &Plan) -> ScenarioInfo {
    let withheld = scenario.connections.may_hold_secrets();
    let rooms = scenario.population.rooms as usize;
    ScenarioInfo {
        name: scenario.name.clone(),
        question: scenario.question.clone(),
        asks: scenario.asks.clone(),
        file: scenario.path.display().to_string(),
        sha256: scenario.hash.clone(),
        texts: match withheld {
            true => Vec::new(),
            false => scenario.texts.clone(),
        },
        texts_withheld: withheld,
        seed: scenario.seed,
        variables: scenario.variables.clone(),
        model: model(scenario),
        phases: phases(scenario, plan),
        actions: plan.actions.len(),
        users: scenario.population.users,
        rooms,
        channels: plan.conversations.len() - rooms,
        messages: plan.sends.len(),
        deliveries: plan.expected_deliveries(),
    }
}

fn phases(scenario: &Scenario, plan: &Plan) -> Vec<PhaseInfo> {
    let phases = scenario.phases.iter().zip(&plan.phases);
    phases
        .map(|(phase, planned)| PhaseInfo {
            name: planned.name.clone(),
            start: planned.start,
            end: planned.end,
            measured: planned.measured,
            model: match phase.load {
                Load::Open(_) => Model::Open,
                Load::Closed { .. } => Model::Closed,
            },
        })
        .collect()
}

fn model(scenario: &Scenario) -> Model {
    let closed = |phase: &Phase| matches!(phase.load, Load::Closed { .. });
    match (
        scenario.phases.iter().any(closed),
        scenario.phases.iter().all(closed),
    ) {
        (false, _) => Model::Open,
        (true, true) => Model::Closed,
        (true, false) => Model::Mixed,
    }
}

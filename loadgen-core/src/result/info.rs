//! What the result says of the scenario itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    model::{Kind, Nanos},
    plan::Plan,
    scenario::{Load, Phase, Scenario, ScenarioText},
};

/// What was asked: the scenario and the size of its plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioInfo {
    /// The scenario's name; result files are named after it.
    pub name: String,
    /// The question that the scenario asks, in one sentence.
    pub question: String,
    /// The limit whose number answers the question, where the scenario says which: the left side of a threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<String>,
    /// The path of the scenario file, as it was typed.
    pub file: String,
    /// SHA-256 of the file, of all that it includes and of the variables that were set, in hexadecimal.
    pub sha256: String,
    /// The text of the file and of all that it includes, the file itself first; empty in results of before version 4. What it
    /// names beside them, as a file of bodies, is part of the hash alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<ScenarioText>,
    /// The texts are left out, since what they say of connections, as a token or a header, may be a secret.
    #[serde(default, skip_serializing_if = "is_not")]
    pub texts_withheld: bool,
    /// The seed of everything that was drawn at random: with it, the file gives the same plan again.
    pub seed: u64,
    /// The variables of the file as they were set, by name.
    pub variables: BTreeMap<String, String>,
    /// Open or closed: what the latencies mean.
    pub model: Model,
    /// The phases in their order, warm-ups included.
    pub phases: Vec<PhaseInfo>,
    /// Joins, leaves, reconnects, cuts, connects and stalls in the plan.
    pub actions: usize,
    /// Users in the plan, whether they send or not.
    pub users: u32,
    /// Rooms of two in the plan; in results of before, without those of a file.
    pub rooms: usize,
    /// Channels in the plan; in results of before, with the rooms of a file.
    pub channels: usize,
    /// Messages in the plan.
    pub messages: usize,
    /// Deliveries to others in the plan.
    pub deliveries: u64,
}

impl ScenarioInfo {
    /// With rooms and channels as a result says them that was recorded before those of files were told apart: rooms were those that
    /// are drawn, and all others channels.
    #[must_use]
    pub fn counted_as(self, said: &Self, scenario: &Scenario) -> Self {
        let drawn = scenario.population.rooms as usize;
        let others = (self.rooms + self.channels).saturating_sub(drawn);
        match (said.rooms, said.channels) == (drawn, others) {
            true => Self {
                rooms: drawn,
                channels: others,
                ..self
            },
            false => self,
        }
    }

    /// Whether both ask the same, whatever was drawn at random for it: of the same texts, apart from their seed and their comments,
    /// with the same variables. Of results without texts the hashes tell.
    pub fn asks_as(&self, other: &Self) -> bool {
        self.sha256 == other.sha256
            || (!self.texts.is_empty()
                && self.variables == other.variables
                && meanings(&self.texts) == meanings(&other.texts))
    }
}

/// What the texts of a scenario say, without its seed; a text that is no TOML as it is.
fn meanings(texts: &[ScenarioText]) -> Vec<Result<toml::Table, &str>> {
    let meaning = |text: &'_ ScenarioText| text.text.parse::<toml::Table>();
    texts
        .iter()
        .map(|text| match meaning(text) {
            Ok(mut table) => {
                table.remove("seed");
                Ok(table)
            }
            Err(_) => Err(&*text.text),
        })
        .collect()
}

/// How sends follow from each other in a scenario.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Sends at planned times: latencies are charged from the plan.
    #[default]
    Open,
    /// A user's next send waits for the last one's acknowledgement: latencies are service times.
    Closed,
    /// Phases of both kinds.
    Mixed,
}

/// A phase of the schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseInfo {
    /// The phase's name in the scenario.
    pub name: String,
    /// When it begins, in nanoseconds from the schedule's start.
    pub start: Nanos,
    /// When the next one begins, in nanoseconds from the schedule's start.
    pub end: Nanos,
    /// Whether its latencies are recorded.
    pub measured: bool,
    /// How sends follow from each other in it: open or closed, never mixed.
    pub model: Model,
}

/// What was asked.
pub fn of_scenario(scenario: &Scenario, plan: &Plan) -> ScenarioInfo {
    let withheld = scenario.connections.may_hold_secrets();
    let kinds = plan.conversations.iter().map(|one| one.kind);
    let rooms = kinds.filter(|kind| *kind == Kind::Room).count();
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

/// What is seldom so is not said where it is not.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands the field on by reference"
)]
fn is_not(held: &bool) -> bool {
    !*held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_of_a_file_are_rooms_and_results_of_before_are_read_as_they_counted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rooms.csv"), "r1,ann,bob\nr2,cid,dee\n").unwrap();
        std::fs::write(folder.path().join("channels.csv"), "c1,ann,bob,cid\n").unwrap();
        let text = "version = 1\nname = \"t\"\nquestion = \"?\"\n[population]\nrooms = { file = \"rooms.csv\" }\n\
                    channels = { file = \"channels.csv\" }\n[[phases]]\nname = \"p\"\nduration = \"1s\"\nrate = \"9/s\"\n";
        let scenario = Scenario::parse(&folder.path().join("t.toml"), text).unwrap();
        let info = of_scenario(&scenario, &Plan::new(&scenario).unwrap());
        assert_eq!((info.rooms, info.channels), (2, 1));
        let said = |rooms, channels| ScenarioInfo {
            rooms,
            channels,
            ..info.clone()
        };
        for (told, counted) in [((2, 1), (2, 1)), ((0, 3), (0, 3)), ((1, 2), (2, 1))] {
            let again = info.clone().counted_as(&said(told.0, told.1), &scenario);
            assert_eq!((again.rooms, again.channels), counted);
        }
    }

    #[test]
    fn a_scenario_means_the_same_with_another_seed_and_other_comments() {
        let of = |text: &str| {
            let text = text.to_owned();
            vec![ScenarioText {
                file: String::new(),
                text,
            }]
        };
        let same = |one: &str, other: &str| meanings(&of(one)) == meanings(&of(other));
        assert!(same(
            "seed = 1 # one\n[load]\nrate = 10",
            "seed = 2\n\n[load]\nrate=10"
        ));
        assert!(!same("[load]\nrate = 10", "[load]\nrate = 20"));
        // A seed of something else is a part of it.
        assert!(!same("[load]\nseed = 1", "[load]\nseed = 2"));
        assert!(same("no toml", "no toml"));
        assert!(!same("no toml", "no toml either"));
    }
}

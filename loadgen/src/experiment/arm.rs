//! An arm: one system that one plan is measured against, told apart from the others by its name.

use std::{collections::HashSet, path::Path, sync::Arc};

use super::{Options, RunError};
use crate::{
    dial::Target,
    drive::token::Tokens,
    judge::Promises,
    model::{Delivery, RunId, Vocabulary},
    plan::Plan,
    result,
    rig::{Commanded, OwnServer, Running, RunningStore, System},
    scenario::{Scenario, Token},
};

/// One system and what it is measured with.
pub(super) struct Arm<'a> {
    /// No two arms of a run have the same.
    pub(super) name: String,
    pub(super) system: Box<dyn System + 'a>,
    /// What is asked of it.
    pub(super) scenario: Arc<Scenario>,
    pub(super) plan: Arc<Plan>,
    pub(super) delivery: Delivery,
    pub(super) part: Part,
    /// Somebody else wrote the server, so that what is said of its events may be mistaken.
    pub(super) is_foreign: bool,
    /// Tells its messages from those of other arms in a store that all share.
    pub(super) run_id: RunId,
}

/// What an arm is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// To say what the machine and the generator take.
    Floor,
    /// To be compared with.
    Baseline,
    /// To be judged: a threshold may end it.
    Subject,
}

impl Arm<'_> {
    /// The names that are spoken, by a client that asks for acknowledgements or does not.
    pub(super) fn vocabulary(&self, asks_for_acks: bool) -> Vocabulary {
        let vocabulary = self.scenario.vocabulary();
        Vocabulary {
            acknowledges_messages: vocabulary.acknowledges_messages && asks_for_acks,
            // A relay knows no ids.
            whole_contract: vocabulary.whole_contract && self.part != Part::Floor,
            ..vocabulary
        }
    }

    /// Whether its delivery mode is known: of a server of our own, and where the scenario names another than the default.
    pub(super) fn has_known_delivery(&self) -> bool {
        self.system.has_known_delivery() || self.delivery != Delivery::default()
    }

    /// When it delivers, as far as that is known.
    pub(super) fn mode(&self) -> &'static str {
        result::mode(self.delivery, self.has_known_delivery())
    }

    /// What the system owes to such a client.
    pub(super) fn promises(&self, asks_for_acks: bool) -> Promises {
        Promises::of(&self.vocabulary(asks_for_acks), self.delivery)
    }
}

/// One arm, a server that somebody else wrote: its delivery mode is its own.
pub(super) fn running<'a>(
    scenario: &Arc<Scenario>,
    plan: &Arc<Plan>,
    target: &Target,
    options: &Options,
    run_id: &RunId,
) -> Vec<Arm<'a>> {
    let connections = &scenario.connections;
    // Where a server or what stands before it lets users in alone, the first of them asks.
    let asker = Tokens::new(connections).caller(plan, 0, target, Arc::default());
    let audit = options.audit.clone();
    let documents = scenario.documents.clone();
    let running = Running::new(
        target.clone(),
        asker,
        connections.transport,
        audit,
        documents,
    );
    vec![Arm {
        name: target.shown().to_owned(),
        system: match &options.target_command {
            Some(command) => Box::new(Commanded::new(command, running)),
            None => Box::new(running),
        },
        scenario: Arc::clone(scenario),
        plan: Arc::clone(plan),
        delivery: scenario.delivery.last().copied().unwrap_or_default(),
        part: Part::Subject,
        is_foreign: true,
        run_id: run_id.clone(),
    }]
}

/// An arm for each delivery mode of the scenario, each a server of our own on one store, or another build of it; the last is
/// judged.
pub(super) fn own<'a>(
    program: Option<&Path>,
    scenario: &Arc<Scenario>,
    plan: &Arc<Plan>,
    store: &'a RunningStore,
    run_id: &RunId,
) -> Vec<Arm<'a>> {
    let description = describe(scenario, store);
    let modes = scenario.delivery.iter().enumerate();
    modes
        .map(|(index, &delivery)| Arm {
            name: delivery.name().to_owned(),
            system: Box::new(OwnServer::new(
                program,
                arguments(scenario, delivery, store),
                store,
                description.clone(),
                &scenario.connections,
            )),
            scenario: Arc::clone(scenario),
            plan: Arc::clone(plan),
            delivery,
            part: match index + 1 == scenario.delivery.len() {
                true => Part::Subject,
                false => Part::Baseline,
            },
            is_foreign: false,
            run_id: match index {
                0 => run_id.clone(),
                _ => RunId::new(rand::random()),
            },
        })
        .collect()
}

/// What `serve` is told.
fn arguments(scenario: &Scenario, delivery: Delivery, store: &RunningStore) -> Vec<String> {
    let mut arguments = vec!["--host", "127.0.0.1", "--port", "0"];
    arguments.extend(["--dialect", scenario.dialect.name()]);
    if let Token::Signed(secret) = &scenario.connections.token {
        arguments.extend(["--jwt-secret", secret]);
    }
    arguments.extend(["--delivery", delivery.name()]);
    let times = (
        scenario.save_time.to_string(),
        scenario.read_time.to_string(),
    );
    if store.is_simulation() {
        arguments.extend(["--save-time", &times.0, "--read-time", &times.1]);
    }
    arguments.into_iter().map(str::to_owned).collect()
}

fn describe(scenario: &Scenario, store: &RunningStore) -> String {
    if store.is_simulation() {
        format!(
            "in-memory simulation (save {}, read {})",
            scenario.save_time, scenario.read_time
        )
    } else {
        store.description().to_owned()
    }
}

/// Results name their arms, so that no two may be called the same.
pub(super) fn distinct(arms: &[Arm<'_>]) -> Result<(), RunError> {
    let mut names = HashSet::new();
    match arms.iter().find(|arm| !names.insert(&arm.name)) {
        None => Ok(()),
        Some(twice) => Err(RunError::NamedTwice(twice.name.clone())),
    }
}

//! A scenario from its file to its result: the arms, each measured in its turn, each judged beside its floors.

mod ab;
mod arm;
mod awaited;
mod conductor;
mod enough;
mod entrant;
mod environment;
mod error;
mod floor;
mod inquiry;
mod interrupt;
mod lookout;
mod lookup;
mod measure;
mod mistake;
mod monitors;
mod order;
mod overdue;
mod probe;
mod search;
mod session;
mod shard;
mod systems;
mod watch;
mod way;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

pub use self::{
    ab::{AbFinished, AbOptions, ab},
    entrant::{Entrant, divided},
    error::RunError,
    interrupt::Interrupt,
    probe::{Seen, probe},
    search::{SearchFinished, SearchOptions, search},
    shard::{ShardFinished, ShardOptions, WallClock, shard},
    systems::SystemChoice,
    watch::{Event, Snapshot, Watcher},
};
use self::{measure::Bench, session::Session};
use crate::{
    dial::Target,
    drive::Driver,
    judge::verdict,
    model::RunId,
    plan::Plan,
    result::{self, Report},
    rig::{StoreChoice, fault},
    scenario::Scenario,
};

/// What the user asked for, beside the scenario.
#[derive(Debug, Clone)]
pub struct Options {
    /// The store of a server that is started for the run.
    pub store: StoreChoice,
    /// The image of a MongoDB in a container.
    pub mongo_image: String,
    /// A server that is running already, or that a command starts; none of our own is started then.
    pub target: Option<Target>,
    /// Which version a running target is, where the user knows better than the target says.
    pub target_version: Option<String>,
    /// The shell's command that starts the target.
    pub target_command: Option<String>,
    /// What is started where no target is named.
    pub system: SystemChoice,
    /// The folder of the peers; `None`: that of the checkout.
    pub peers: Option<PathBuf>,
    /// The MongoDB database of a running target, to look its messages up.
    pub audit: Option<(String, String)>,
    /// The client to drive; `None`: the native one, where it can do what the scenario asks for.
    pub client: Option<Driver>,
    /// Worker threads; `None`: one for every two cores, since the server needs the others.
    pub workers: Option<usize>,
    /// Processors that worker threads are bound to, in turn; none: the system decides.
    pub cpus: Vec<usize>,
    /// Leave out of the verdict the seconds in which others had the machine.
    pub machine_check: bool,
    /// How long the same load goes against a bare relay before and after each run; `None`: not at all.
    pub floor: Option<Duration>,
    /// The command line, for the report.
    pub command: Vec<String>,
    /// What the user says of the result, by key.
    pub labels: BTreeMap<String, String>,
}

/// The result of a scenario, and whether the target could be measured to the end.
pub struct Finished {
    /// What is recorded of it, be it complete or not.
    pub report: Report,
    /// The target died in mid-run: this is why.
    pub target_died: Option<String>,
    /// What was started for the run and is still there, and why: one sentence each.
    pub not_cleaned_up: Vec<String>,
}

/// Runs a scenario against each of its arms.
///
/// # Errors
/// [`RunError`] when nothing could be measured. A target that dies in mid-run is no error: what was measured until
/// then is in the report, marked incomplete.
pub async fn run(
    scenario: &Scenario,
    options: &Options,
    interrupt: &Interrupt,
    watcher: &mut dyn Watcher,
) -> Result<Finished, RunError> {
    if scenario.events.is_some() && options.target.is_none() && options.system.saves_here() {
        return Err(RunError::NeedsTarget);
    }
    let can_be = options.target.is_none() && options.system.meets_others();
    arm::several(scenario, can_be)?;
    let scenario = Arc::new(scenario.clone());
    let plan = Arc::new(Plan::new(&scenario)?);
    let driver = Driver::choose(options.client, &scenario, &plan, options.target.as_ref())?;
    environment::allow_open_files(scenario.population.users, way::files_of_a_user(&plan))?;
    let started = now();
    let environment = environment::read();
    for sentence in verdict::unjudgeable(&scenario, &plan) {
        watcher.event(Event::Notice(format!("warning: {sentence}")));
    }
    let run_id = RunId::new(rand::random());
    let mut session = Session {
        bench: Bench {
            options,
            driver,
            interrupt,
            duty: None,
        },
        watcher,
        floor_of: None,
        resident_before: None,
    };
    let floor = session.floor(&scenario, &plan);
    let measured = match &options.target {
        Some(target) => {
            let arms = arm::running(&scenario, &plan, target, options, &run_id);
            session.measure(floor.into_iter().chain(arms)).await?
        }
        None => {
            options.system.is_there(options.peers.as_deref())?;
            let system = &options.system;
            let needs = fault::needs(&plan.faults, scenario.seed);
            let store = session.store_of(system, needs).await?;
            let measured = match arm::of(system, &scenario, &plan, options, store.as_ref(), &run_id)
            {
                Ok(arms) => session.measure(floor.into_iter().chain(arms)).await,
                Err(error) => Err(error),
            };
            let left = match store {
                Some(store) => store.stop().await.err().map(|error| error.to_string()),
                None => None,
            };
            let mut measured = measured?;
            measured.not_cleaned_up.extend(left);
            measured
        }
    };
    let subject = measured.runs.last().ok_or(RunError::Interrupted)?;
    Ok(Finished {
        report: Report {
            version: result::VERSION,
            verdict: subject.judgement.verdict,
            reasons: subject.judgement.reasons.clone(),
            scenario: result::of_scenario(&scenario, &plan),
            command: options.command.clone(),
            labels: options.labels.clone(),
            run_id: run_id.as_str().to_owned(),
            started,
            ended: now(),
            environment,
            runs: measured.runs,
            shards: Vec::new(),
            // Of what is written.
            seal: String::new(),
        },
        target_died: measured.died,
        not_cleaned_up: measured.not_cleaned_up,
    })
}

/// The time of day: RFC 3339, UTC.
pub fn now() -> String {
    humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string()
}

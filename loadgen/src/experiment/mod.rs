//! One scenario from its file to its report: store, server, users, schedule, drain, audit, verdict.

mod awaited;
mod environment;
mod floor;
mod info;
mod interrupt;
mod live;
mod lookout;
mod measure;
mod session;

use std::{sync::Arc, time::Duration};

use self::session::Session;
pub use self::{interrupt::Interrupt, lookout::Snapshot};
use crate::{
    drive::client::{ConnectError, Driver, DriverError},
    judge::verdict,
    model::body::RunId,
    plan::{Plan, PlanError},
    result,
    result::Report,
    rig::{StoreChoice, TargetError},
    scenario::Scenario,
};

/// How long the server may take to listen, and to end after its last message.
const SERVER_PATIENCE: Duration = Duration::from_secs(30);

/// What the user asked for, beside the scenario.
#[derive(Debug, Clone)]
pub struct Options {
    /// The store of a server that is started for the run.
    pub store: StoreChoice,
    /// The image of a MongoDB in a container.
    pub mongo_image: String,
    /// A server that is running already; none is started then.
    pub target: Option<String>,
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
}

/// What happens, told to whoever shows it. Measuring never waits for showing.
pub enum Event<'a> {
    /// Something to know, in one sentence.
    Notice(String),
    /// A stage of the run begins.
    Stage(&'a str),
    /// Where the run is; about four times a second while users connect and messages are sent.
    Progress(&'a Snapshot),
}

/// Whoever shows a run.
pub trait Watcher {
    /// Shows it, soon.
    fn event(&mut self, event: Event<'_>);
}

/// Why a scenario could not be run to a verdict.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The plan does not fit.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// No client can do what the scenario asks for.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The store or the server could not be had.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A user could not be connected.
    #[error("user {user} could not connect to {url}: {error}")]
    Connect {
        /// Its index.
        user: u32,
        /// The target.
        url: String,
        /// Why.
        error: ConnectError,
    },
    /// The server of this program speaks its dialects alone.
    #[error(
        "this scenario speaks another server's events: name that server with --target http://host:port"
    )]
    NeedsTarget,
    /// Not enough open files for the users.
    #[error(
        "{users} users need {needed} open files and {limit} are allowed; raise `ulimit -n` or lower `users`"
    )]
    OpenFiles {
        /// Users of the scenario.
        users: u32,
        /// Files that these need.
        needed: u64,
        /// The hard limit.
        limit: u64,
    },
    /// The machine refused a thread, a timer or a socket.
    #[error("the load generator could not work: {0}")]
    Machine(#[from] std::io::Error),
    /// The same load against a bare relay did not come through.
    #[error("{0}")]
    Floor(String),
    /// Told to stop before anything was measured.
    #[error("interrupted before anything was measured")]
    Interrupted,
}

/// The result of a scenario, and whether the target could be measured to the end.
pub struct Finished {
    /// The report.
    pub report: Report,
    /// The target died in mid-run: this is why.
    pub target_died: Option<String>,
}

/// Runs a scenario in each of its delivery modes.
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
    if scenario.events.is_some() && options.target.is_none() {
        return Err(RunError::NeedsTarget);
    }
    let plan = Arc::new(Plan::new(scenario)?);
    let driver = Driver::choose(options.client, scenario, &plan)?;
    environment::allow_open_files(scenario.population.users)?;
    let started = humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string();
    let environment = environment::read();
    for sentence in verdict::unjudgeable(scenario, &plan) {
        watcher.event(Event::Notice(format!("warning: {sentence}")));
    }
    let run_id = RunId::new(rand::random());
    let mut session = Session {
        scenario,
        options,
        plan: &plan,
        driver,
        interrupt,
        watcher,
        run_id: &run_id,
        floor: None,
        resident_before: None,
    };
    session.plan_floor();
    let (runs, target_died) = match &options.target {
        Some(url) => session.measure_running(url).await?,
        None => session.measure_own().await?,
    };
    let (verdict, reasons) = match runs.last() {
        Some(subject) => (subject.judgement.verdict, subject.judgement.reasons.clone()),
        None => return Err(RunError::Interrupted),
    };
    Ok(Finished {
        report: Report {
            version: result::VERSION,
            verdict,
            reasons,
            scenario: info::of(scenario, &plan),
            command: options.command.clone(),
            run_id: run_id.as_str().to_owned(),
            started,
            ended: humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string(),
            environment,
            runs,
        },
        target_died,
    })
}

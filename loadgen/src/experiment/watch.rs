//! What is told while a run goes on, to whoever shows it.

use std::time::Duration;

use crate::{judge::Verdict, model::Nanos};

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

/// Where a run is.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The phase, or what is waited for.
    pub phase: String,
    /// Since the start of the schedule; before it, since the first connect.
    pub elapsed: Duration,
    /// The whole schedule; `None` while users connect.
    pub total: Option<Duration>,
    /// Users connected and joined.
    pub connected: u64,
    /// Users of the scenario.
    pub users: u64,
    /// Messages sent so far.
    pub sent: u64,
    /// Messages sent per second since the last snapshot.
    pub rate: f64,
    /// Deliveries that were due some time ago and are not there; `None` where nobody can say.
    pub lost: Option<u64>,
    /// Deliveries so far over the limit that the scenario sets for them; `None` where it sets none.
    pub late: Option<u64>,
    /// What the limits say to what came so far; `None` of a run that none judge.
    pub so_far: Option<Verdict>,
    /// Of the deliveries so far, nanoseconds.
    pub p50: Option<Nanos>,
    /// Of the deliveries so far, nanoseconds.
    pub p99: Option<Nanos>,
}

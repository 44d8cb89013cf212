//! What is known of a run while it goes on, for whoever shows it.

use std::{sync::Arc, time::Duration};

use super::{Verdict, verdict::live::SoFar};
use crate::{
    model::Nanos,
    observed::{FaultSeen, MachineSecond, Samples},
};

/// What is measured next: one scenario against one system.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// The scenario's name.
    pub scenario: String,
    /// What it asks.
    pub question: String,
    /// The delivery mode, as it is told.
    pub mode: String,
    /// The same in one word, as results have it.
    pub mode_key: &'static str,
    /// The store behind the system.
    pub store: String,
    /// What it is measured for.
    pub purpose: Purpose,
    /// The limit on deliveries that its charts draw, nanoseconds.
    pub limit: Nanos,
}

/// What something is measured for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To say what the machine and the generator take.
    Floor,
    /// To be compared with.
    Baseline,
    /// To be judged.
    Subject,
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
    /// Messages so far by what became of them.
    pub messages: Messages,
    /// Messages sent per second since the last snapshot.
    pub rate: f64,
    /// First deliveries to others so far.
    pub delivered: u64,
    /// Deliveries beyond the first so far.
    pub duplicated: u64,
    /// Deliveries that were due some time ago and are not there; `None` where nobody can say.
    pub lost: Option<u64>,
    /// Deliveries so far over the limit that the scenario sets for them; `None` where it sets none.
    pub late: Option<u64>,
    /// What the limits say to what came so far; `None` of a run that none judge.
    pub so_far: Option<Verdict>,
    /// The same of each limit.
    pub limits: Vec<SoFar>,
    /// Of the deliveries so far, nanoseconds.
    pub p50: Option<Nanos>,
    /// Of the deliveries so far, nanoseconds.
    pub p99: Option<Nanos>,
    /// The measured deliveries so far, the promise's count first; `None` where nobody has shown any.
    pub deliveries: Option<Arc<Samples>>,
    /// What the machine did in each second of the schedule so far.
    pub machine: Arc<Vec<MachineSecond>>,
    /// The faults of the plan, as far as they have been.
    pub faults: Vec<FaultSeen>,
}

impl Snapshot {
    /// The names of the faults that are on.
    pub fn inside(&self) -> Vec<&str> {
        let on = self.faults.iter();
        let on = on.filter(|fault| fault.start.is_some() && fault.end.is_none());
        on.map(|fault| &*fault.name).collect()
    }
}

/// Messages so far by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Messages {
    /// Sent.
    pub sent: u64,
    /// Not sent, since the sender's connection was gone.
    pub dropped: u64,
    /// Answered with an acknowledgement.
    pub acknowledged: u64,
    /// Told to be not saved.
    pub failed: u64,
}

impl Messages {
    /// Those of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.with(other, |mine, theirs| mine + theirs)
    }

    /// Of each kind as many as either has.
    #[must_use]
    pub fn most(self, other: Self) -> Self {
        self.with(other, u64::max)
    }

    fn with(self, other: Self, both: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            sent: both(self.sent, other.sent),
            dropped: both(self.dropped, other.dropped),
            acknowledged: both(self.acknowledged, other.acknowledged),
            failed: both(self.failed, other.failed),
        }
    }
}

//! The machine's testimony, second by second: who else had the processors, and how long a thread overslept.

use std::{fmt, time::Duration};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::by_place;
use crate::model::{Nanos, histogram};

/// One second of the schedule, as the kernel counts it; fractions of all cores' time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MachineSecond {
    /// Used by anybody.
    pub busy: f64,
    /// Taken away by the hypervisor.
    pub stolen: f64,
    /// Used by processes that are neither the generator nor the server nor a database.
    pub foreign: f64,
    /// Whether something outside the run disturbed it, so that what was slow in it is no one's fault for certain.
    pub disturbed: bool,
    /// What disturbed it most; `None` where nothing did, and in older results.
    #[serde(default)]
    pub cause: Option<Cause>,
}

/// What disturbs a second.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The hypervisor gave the processors to others.
    Stolen,
    /// Processes that are no part of the run had them.
    Strangers,
}

impl Cause {
    /// All of them.
    pub const ALL: [Cause; 2] = [Cause::Stolen, Cause::Strangers];
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Stolen => "the hypervisor took processors away",
            Cause::Strangers => "other processes had processors that the run needed",
        })
    }
}

/// How much longer than asked the thread slept.
#[derive(Debug, Clone)]
pub struct Hiccups {
    /// Every oversleep, nanoseconds.
    pub all: Histogram<u64>,
    /// The longest of each second that has begun; zero where it never woke up in it.
    pub longest: Vec<Nanos>,
}

impl MachineSecond {
    /// Adds what another part saw of the same second: of two machines the worse counts.
    pub(super) fn merge(&mut self, other: MachineSecond) {
        self.busy = self.busy.max(other.busy);
        self.stolen = self.stolen.max(other.stolen);
        self.foreign = self.foreign.max(other.foreign);
        self.disturbed |= other.disturbed;
        self.cause = self.cause.max(other.cause);
    }
}

impl Default for Hiccups {
    fn default() -> Self {
        Self {
            all: histogram::empty(),
            longest: Vec::new(),
        }
    }
}

impl Hiccups {
    /// An oversleep, in the second in which it should have ended.
    pub fn add(&mut self, due: Duration, oversleep: Nanos) {
        self.all.saturating_record(oversleep);
        let second = due.as_secs() as usize;
        if self.longest.len() <= second {
            self.longest.resize(second + 1, 0);
        }
        self.longest[second] = self.longest[second].max(oversleep);
    }

    /// Adds what another part saw.
    pub(super) fn merge(&mut self, other: Hiccups) {
        // Same bounds by construction: adding can't fail.
        let _ = self.all.add(other.all);
        by_place(&mut self.longest, other.longest, |mine, theirs| {
            *mine = theirs.max(*mine);
        });
    }
}

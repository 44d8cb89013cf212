//! The machine's testimony, second by second: who else had the processors, and how long a thread overslept.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::model::clock::Nanos;

/// One second of the schedule, as the kernel counts it; fractions of all cores' time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MachineSecond {
    /// Used by anybody.
    pub busy: f64,
    /// Taken away by the hypervisor.
    pub stolen: f64,
    /// Used by processes that are neither the generator nor the server nor a database.
    pub foreign: f64,
    /// Whether the second is left out of the verdict.
    pub disturbed: bool,
}

/// How much longer than asked the thread slept.
#[derive(Debug, Clone)]
pub struct Hiccups {
    /// Every oversleep, nanoseconds.
    pub all: Histogram<u64>,
    /// The longest of each second that has begun; zero where it never woke up in it.
    pub longest: Vec<Nanos>,
}

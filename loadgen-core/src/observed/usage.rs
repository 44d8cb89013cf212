//! What processes took: CPU time and memory, in all and second by second.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::by_place;

/// What a process had taken at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Moment {
    /// From the start of the schedule.
    pub at: Duration,
    /// CPU time since the process began.
    pub cpu: Duration,
    /// Resident bytes.
    pub resident: u64,
    /// Messages that waited for the store; `None` of a process without such a queue.
    pub queue: Option<u64>,
}

/// What a process took while messages were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProcessUse {
    /// CPU time.
    pub cpu: Duration,
    /// Resident bytes at the end of the schedule.
    pub resident: u64,
    /// About every second, in the order of time.
    pub moments: Vec<Moment>,
}

/// Whose a thread is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Whose {
    /// Of the server that is measured.
    Server,
    /// Of a database on this machine.
    Store,
    /// Of this program.
    Generator,
}

impl Whose {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Whose::Server => "the server",
            Whose::Store => "the store",
            Whose::Generator => "the generator",
        }
    }
}

/// What a thread had, and what it lacked, while messages were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadUse {
    /// Whose it is.
    pub whose: Whose,
    /// The name that it gives itself.
    pub name: String,
    /// CPU time.
    pub ran: Duration,
    /// How long it was ready and had no processor.
    pub waited: Duration,
    /// How long messages were sent.
    pub passed: Duration,
}

/// What the generator took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GeneratorUse {
    /// While messages were sent.
    pub process: ProcessUse,
    /// Resident bytes before the first connection of the process.
    pub resident_before: u64,
    /// Resident bytes with everybody connected.
    pub resident_connected: u64,
    /// From the first connect until everybody had joined.
    pub connecting: Duration,
}

impl ProcessUse {
    /// Adds what another process took for another part.
    pub(super) fn merge(&mut self, other: ProcessUse) {
        self.cpu += other.cpu;
        self.resident += other.resident;
        by_place(&mut self.moments, other.moments, |mine, theirs| {
            mine.at = mine.at.min(theirs.at);
            mine.cpu += theirs.cpu;
            mine.resident += theirs.resident;
            mine.queue = mine.queue.max(theirs.queue);
        });
    }
}

impl GeneratorUse {
    /// Adds what another process took for another part.
    pub(super) fn merge(&mut self, other: GeneratorUse) {
        self.process.merge(other.process);
        self.resident_before += other.resident_before;
        self.resident_connected += other.resident_connected;
        self.connecting = self.connecting.max(other.connecting);
    }
}

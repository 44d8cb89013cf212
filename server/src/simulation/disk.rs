//! The simulated disk of the journal: what is on it outlasts the server.

use std::{sync::Arc, time::Duration};

use bson::oid::ObjectId;
use rand::{RngExt as _, rngs::StdRng};

use super::{agenda::Millis, world::Universe};
use crate::store::journal::desk::{Desk, Note};

/// What is on the disk, and how it is.
pub struct Disk {
    rng: StdRng,
    pub(super) notes: Vec<Note>,
    /// What could not be written goes with the next that can.
    owed: Vec<Note>,
    pub is_full: bool,
    pub is_slow: bool,
    /// When it last was full or slow.
    pub ailing_at: Option<Millis>,
}

impl Disk {
    pub const fn new(rng: StdRng) -> Self {
        Self {
            rng,
            notes: Vec::new(),
            owed: Vec::new(),
            is_full: false,
            is_slow: false,
            ailing_at: None,
        }
    }

    /// A new process: what an earlier one could not write is lost with it.
    pub fn begin_life(&mut self) {
        self.owed.clear();
    }

    fn delay(&mut self) -> Duration {
        let millis = if self.is_slow {
            self.rng.random_range(500..4_000)
        } else {
            self.rng.random_range(1..15)
        };
        Duration::from_millis(millis)
    }

    fn write(&mut self, unknown: Vec<Note>, settled: &[ObjectId]) -> bool {
        self.owed.extend(unknown);
        if !self.is_full {
            self.notes.append(&mut self.owed);
        }
        self.owed.retain(|note| !settled.contains(&note.id));
        if !self.is_full {
            self.notes.retain(|note| !settled.contains(&note.id));
        }
        !self.is_full
    }
}

/// Writes down what it is given, in the server's process.
pub async fn write_down(mut desk: Desk, universe: Arc<Universe>) {
    while let Some((unknown, settled)) = desk.next().await {
        let delay = universe.enter().disk.delay();
        tokio::time::sleep(delay).await;
        let ids: Vec<ObjectId> = unknown.iter().map(|note| note.id).collect();
        let is_on_disk = universe.enter().disk.write(unknown, &settled);
        if !ids.is_empty() {
            desk.written(ids, is_on_disk);
        }
    }
}

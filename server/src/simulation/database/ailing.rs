//! How the simulated database begins to ail, what that does to the commands under way, and how it is well again.

use rand::RngExt as _;

use super::{Answer, CommandId, StoreFault};
use crate::simulation::world::{Event, World};

impl World {
    /// Something begins to be wrong with the store.
    pub fn store_suffers(&mut self, number: usize, fault: StoreFault) {
        self.database.well_since = None;
        let breaks = matches!(
            fault,
            StoreFault::Killed | StoreFault::SteppedDown | StoreFault::Unreachable
        );
        if matches!(fault, StoreFault::Killed | StoreFault::SteppedDown) {
            let now = self.now;
            self.database.roll_back(now);
        }
        let is_cut_off = fault == StoreFault::Unreachable;
        self.database.faults.push((number, fault));
        if breaks {
            let ids: Vec<CommandId> = self.database.open.keys().copied().collect();
            for id in ids {
                self.break_connection(id, is_cut_off);
            }
        }
    }

    /// The connection of a command breaks. A database that lives on may execute it all the same.
    fn break_connection(&mut self, id: CommandId, lives_on: bool) {
        let runs = lives_on && self.database.rng.random_bool(0.5);
        let Some(open) = self.database.open.get_mut(&id) else {
            return;
        };
        Self::tell(open, Answer::Broken);
        if runs && !open.is_executed {
            open.is_lost_after = true;
        } else {
            self.database.open.remove(&id);
            self.database.waiting.retain(|waiting| *waiting != id);
        }
    }

    /// It is over with one of its troubles.
    pub fn store_recovers(&mut self, number: usize) {
        let now = self.now;
        self.database.faults.retain(|(active, _)| *active != number);
        if self.database.faults.is_empty() {
            self.database.well_since = Some(now);
        }
        if !self.database.suffers(&StoreFault::Frozen) {
            // Its threads wake up in any order.
            for id in std::mem::take(&mut self.database.waiting) {
                let delay = self.database.drawn(0..40);
                self.push_command(delay, Event::CommandRuns(id));
            }
        }
    }
}

//! By which rules a run is judged: those of the program that saw it, so that a result says for ever what it said.

use serde::{Deserialize, Serialize};

/// The rules of a program, by their number; the first are those of results that do not say theirs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rules(u32);

impl Rules {
    /// Those of this program.
    pub const NOW: Self = Self(3);

    /// Whether the parts of a run with faults are told by all that is known: what was told as failed keeps a second from being as
    /// usual, who connected before the schedule did so outside of its faults, and a recovery took no time that nobody saw.
    pub fn know_all_parts(self) -> bool {
        self >= Self(1)
    }

    /// Whether deliveries on one server, and those between two, count by their messages, as all deliveries do: what is slow for
    /// one recipient of a message is mostly slow for all.
    pub fn know_messages_of_nodes(self) -> bool {
        self >= Self(2)
    }

    /// Whether lost connections explain that senders miss their own copies, as they explain other lost deliveries.
    pub fn explain_missing_echoes(self) -> bool {
        self >= Self(3)
    }

    /// Whether what one of several servers was to hear of may have waited for the end of a fault.
    pub fn wait_for_what_was_broken(self) -> bool {
        self >= Self(3)
    }

    /// Whether what was under way as a fault began is inside of it, seconds without samples say nothing of a recovery, only what
    /// came before the faults says what is usual, and limits on a phase leave out what faults touched in it.
    pub fn part_what_was_under_way(self) -> bool {
        self >= Self(3)
    }
}

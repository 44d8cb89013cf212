//! The one definition of each count: what was due, what came of it, what came too often, and what never came when.

use serde::{Deserialize, Serialize};

use crate::{
    model::Nanos,
    observed::{SIZES, SizeClass, WINDOW},
};

/// The totals of a run, or of a phase: the account that every format shows (`docs/MEASUREMENT.md`, "The counts").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Totals {
    /// Messages that were due: of an open phase, all in the plan; of a closed one, those that were sent.
    pub scheduled: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages not sent: scheduled = sent + dropped.
    pub dropped: u64,
    /// Deliveries to others that were due: of sent messages, to members that were there for certain.
    pub expected: u64,
    /// Of these, how many arrived, each counted once.
    pub delivered: u64,
    /// Of these, how many never came: expected = delivered + lost, but in a run that was cut off, in which nothing is lost.
    pub lost: u64,
    /// Copies beyond the first of one message at one member, the sender among them.
    pub duplicated: u64,
    /// Senders' own copies that were due and never came.
    #[serde(default)]
    pub echo_missing: u64,
    /// Messages that somebody was told are stored: by Confirmed, or by the acknowledgement of a server that saves first.
    pub confirmed: u64,
    /// Messages that were acknowledged with success, whatever that says of the store.
    #[serde(default)]
    pub acknowledged: u64,
    /// Messages that somebody was told could not be stored, refused ones among them.
    pub failed: u64,
    /// Messages whose acknowledgement said `success: false`.
    #[serde(default)]
    pub refused: u64,
    /// Confirmed messages that were found in the store, or acknowledged ones of a server that confirms nothing; `None`
    /// where nobody could look.
    pub stored: Option<u64>,
}

impl Totals {
    /// Adds those of other messages.
    pub fn add(&mut self, other: &Totals) {
        self.scheduled += other.scheduled;
        self.sent += other.sent;
        self.dropped += other.dropped;
        self.expected += other.expected;
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.echo_missing += other.echo_missing;
        self.confirmed += other.confirmed;
        self.acknowledged += other.acknowledged;
        self.failed += other.failed;
        self.refused += other.refused;
        self.stored = self.stored.zip(other.stored).map(|(a, b)| a + b);
    }
}

/// What never came of measured phases: deliveries that were lost are over every limit, and in no histogram.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing {
    /// By the second of the schedule that they were due in.
    pub deliveries_in: Vec<u64>,
    /// By the size of their conversation, in the order of [`SIZES`].
    pub deliveries_of: [u64; SIZES.len()],
    /// Messages that some member never got, ascending.
    pub messages: Vec<u32>,
    /// These, by the second that they were due in.
    pub messages_in: Vec<u64>,
    /// Messages that somebody was told could not be stored, by the second that they were due in: nothing confirms them.
    pub failed_in: Vec<u64>,
    /// Of these, those that were not acknowledged with success either.
    pub unacknowledged_in: Vec<u64>,
    /// Of these, those that were refused and came to nobody: they were owed to nobody.
    pub turned_away_in: Vec<u64>,
}

impl Missing {
    /// A delivery of a message that was due then. Messages come in ascending order.
    pub(super) fn add(&mut self, message: u32, due: Nanos, members: usize) {
        add_in(&mut self.deliveries_in, due);
        self.deliveries_of[SizeClass::place(members)] += 1;
        if self.messages.last() != Some(&message) {
            self.messages.push(message);
            add_in(&mut self.messages_in, due);
        }
    }

    /// A message that was told as failed.
    pub(super) fn add_failed(&mut self, due: Nanos, acknowledged: bool, turned_away: bool) {
        add_in(&mut self.failed_in, due);
        if !acknowledged {
            add_in(&mut self.unacknowledged_in, due);
        }
        if turned_away {
            add_in(&mut self.turned_away_in, due);
        }
    }

    /// Whether some member never got a message.
    pub fn has(&self, message: u32) -> bool {
        self.messages.binary_search(&message).is_ok()
    }
}

fn add_in(seconds: &mut Vec<u64>, due: Nanos) {
    let second = (due / WINDOW) as usize;
    if seconds.len() <= second {
        seconds.resize(second + 1, 0);
    }
    seconds[second] += 1;
}

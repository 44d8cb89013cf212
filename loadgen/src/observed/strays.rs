//! What came and belongs to no expected (message, recipient): counted by kind, with the first few cases.

use std::collections::HashMap;

use crate::model::clock::Nanos;

/// How many examples of one kind of oddity are kept.
const EXAMPLES: usize = 10;

/// Something that came and belongs to no expected (message, recipient).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// What it is.
    pub kind: StrayKind,
    /// Who got it.
    pub user: u32,
    /// When, on the run's clock.
    pub at: Nanos,
    /// What it was, in words.
    pub what: String,
}

/// Kinds of [`Stray`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StrayKind {
    /// A message of this run, to somebody who is not a member of its conversation, or under another conversation.
    CrossDelivered,
    /// An event about a message of this run that nobody sent, or that can't be read.
    Unexpected,
    /// A Confirmed or Failed for a temporary id that this user was never given.
    OrphanedEnd,
}

/// Counts of strays with the first few of each kind.
#[derive(Debug, Clone, Default)]
pub struct Strays {
    counts: HashMap<StrayKind, u64>,
    examples: Vec<Stray>,
}

impl Strays {
    pub(crate) fn add(&mut self, stray: Stray) {
        let count = self.counts.entry(stray.kind).or_default();
        *count += 1;
        if *count <= EXAMPLES as u64 {
            self.examples.push(stray);
        }
    }

    /// Adds another worker's.
    pub fn merge(&mut self, other: Strays) {
        for (kind, count) in other.counts {
            *self.counts.entry(kind).or_default() += count;
        }
        self.examples.extend(other.examples);
    }

    /// How many of a kind.
    pub fn count(&self, kind: StrayKind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// The first few of a kind.
    pub fn examples(&self, kind: StrayKind) -> impl Iterator<Item = &Stray> {
        self.examples
            .iter()
            .filter(move |stray| stray.kind == kind)
            .take(EXAMPLES)
    }
}

/// An event that does not fit the plan.
pub(crate) struct Odd {
    pub(crate) kind: StrayKind,
    pub(crate) what: String,
}

impl Odd {
    pub(crate) fn unexpected(what: impl Into<String>) -> Self {
        Self {
            kind: StrayKind::Unexpected,
            what: what.into(),
        }
    }
}

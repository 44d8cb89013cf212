//! What came and belongs to no expected (message, recipient): counted by kind, with the first few cases.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::First;
use crate::model::Nanos;

/// Something that came and belongs to no expected (message, recipient).
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Stray {
    /// When, on the run's clock.
    pub at: Nanos,
    /// Who got it.
    pub user: u32,
    /// What it is.
    pub kind: StrayKind,
    /// What it was, in words.
    pub what: String,
}

/// Kinds of [`Stray`].
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum StrayKind {
    /// A message of this run, to somebody who is not a member of its conversation, or under another conversation.
    CrossDelivered,
    /// An event about a message of this run that nobody sent, or that can't be read.
    Unexpected,
    /// A Confirmed or Failed for a temporary id that this user was never given.
    OrphanedEnd,
}

/// Strays by their kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Strays(BTreeMap<StrayKind, First<Stray>>);

impl Strays {
    /// Counts one.
    pub fn add(&mut self, stray: Stray) {
        self.0.entry(stray.kind).or_default().add(stray);
    }

    /// Adds another part's.
    pub(super) fn merge(&mut self, other: Strays) {
        for (kind, strays) in other.0 {
            self.0.entry(kind).or_default().merge(strays);
        }
    }

    /// The first few of each kind.
    pub fn all(&self) -> impl Iterator<Item = &Stray> {
        self.0.values().flat_map(First::cases)
    }

    /// How many of a kind.
    pub fn count(&self, kind: StrayKind) -> u64 {
        self.0.get(&kind).map_or(0, First::count)
    }

    /// The first few of a kind.
    pub fn cases(&self, kind: StrayKind) -> &[Stray] {
        self.0.get(&kind).map_or(&[], First::cases)
    }
}

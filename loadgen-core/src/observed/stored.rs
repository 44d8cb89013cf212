//! What was found in the store when the messages were looked up.

use std::collections::{BTreeMap, BTreeSet};

/// Whether the store was looked up, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Lookup {
    /// Nobody could look.
    #[default]
    NotAsked,
    /// It should have been looked up and could not be.
    Failed,
    /// Its content.
    Found(Stored),
}

impl Lookup {
    /// The content, where it is known.
    pub fn found(&self) -> Option<&Stored> {
        match self {
            Lookup::Found(stored) => Some(stored),
            Lookup::NotAsked | Lookup::Failed => None,
        }
    }

    /// Adds what another part found: whoever knows more is believed.
    pub(super) fn merge(&mut self, other: Lookup) {
        match (self, other) {
            (Lookup::Found(mine), Lookup::Found(theirs)) => mine.merge(theirs),
            (Lookup::Found(_), _) | (_, Lookup::NotAsked) => {}
            (mine, theirs) => *mine = theirs,
        }
    }
}

/// The store's content: the hashes of the `_id`s under which each message of the run is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The least of each message's; 0 stands for none.
    first: Vec<u64>,
    /// All others, of messages that are there more than once.
    others: BTreeMap<u32, BTreeSet<u64>>,
}

impl Stored {
    /// An empty store, for a plan of so many messages.
    pub fn new(messages: usize) -> Self {
        Self {
            first: vec![0; messages],
            others: BTreeMap::new(),
        }
    }

    /// Notes a document of the message, by the hash of its `_id`.
    pub fn add(&mut self, message: u32, id: u64) {
        match self.first.get_mut(message as usize) {
            Some(none @ 0) => *none = id,
            Some(first) if *first == id => {}
            Some(first) => {
                let others = self.others.entry(message).or_default();
                others.insert(id.max(*first));
                *first = id.min(*first);
            }
            // A document of this run's prefix and of no planned message: the body check tells it.
            None => {}
        }
    }

    /// The hashes of the `_id`s under which a message is there, the least first.
    pub fn ids(&self, message: u32) -> impl Iterator<Item = u64> {
        let first = self.first[message as usize];
        let others = self.others.get(&message).into_iter().flatten().copied();
        (first != 0).then_some(first).into_iter().chain(others)
    }

    /// Adds what another part found.
    fn merge(&mut self, other: Stored) {
        let first = (0..).zip(other.first).filter(|(_, id)| *id != 0);
        let others = other.others.into_iter();
        let others = others.flat_map(|(message, ids)| ids.into_iter().map(move |id| (message, id)));
        for (message, id) in first.chain(others) {
            self.add(message, id);
        }
    }
}

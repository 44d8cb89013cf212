//! What was found in the store when the messages were looked up.

use std::collections::HashSet;

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

/// The store's content: the hash of the `_id` under which each message of the run is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    ids: Vec<u64>,
    twice: HashSet<u32>,
}

impl Stored {
    /// An empty store, for a plan of so many messages.
    pub fn new(messages: usize) -> Self {
        Self {
            ids: vec![0; messages],
            twice: HashSet::new(),
        }
    }

    /// Notes a document of the message, by the hash of its `_id`.
    pub fn add(&mut self, message: u32, id: u64) {
        match self.ids.get_mut(message as usize) {
            Some(none @ 0) => *none = id,
            Some(known) => {
                *known = id.min(*known);
                self.twice.insert(message);
            }
            // A document of this run's prefix and of no planned message: the body check tells it.
            None => {}
        }
    }

    /// The hash of the `_id` under which a message is there.
    pub fn id(&self, message: usize) -> Option<u64> {
        (self.ids[message] != 0).then(|| self.ids[message])
    }

    /// Whether a message is there more than once.
    pub fn is_twice(&self, message: u32) -> bool {
        self.twice.contains(&message)
    }

    /// Adds what another part found.
    fn merge(&mut self, other: Stored) {
        self.twice.extend(other.twice);
        for (message, id) in (0..).zip(other.ids) {
            if id != 0 {
                self.add(message, id);
            }
        }
    }
}

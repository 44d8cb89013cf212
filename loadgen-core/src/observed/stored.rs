//! What was found in the store when the messages were looked up.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    pack::{pack, unpack},
    record::{RecordError, own},
};
use crate::{
    model::named::named,
    plan::{Part, Plan},
};

named! {
    /// What of a stored message is not as it was sent.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    pub enum Differs;
    /// The same in words.
    pub words: &'static str;

    /// Its text.
    Body => "stored with another body",
    /// Whose it is.
    Sender => "stored under another sender",
    /// Where it was said.
    Conversation => "stored in another conversation",
    /// It is among those of the other kind of conversation.
    Collection => "stored in the collection of another kind of conversation",
}

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

    /// Adds what another part found. Where one could not look, nothing is known of the whole: its messages would be taken for
    /// ones that are not there.
    pub(super) fn merge(&mut self, other: Lookup) {
        match (self, other) {
            (Lookup::Found(mine), Lookup::Found(theirs)) => mine.merge(theirs),
            (Lookup::Failed, _) | (_, Lookup::NotAsked) => {}
            (mine, theirs) => *mine = theirs,
        }
    }
}

/// [`Lookup`] as it is written, of the messages of one part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StoredRecord {
    /// Nobody could look.
    #[default]
    NotAsked,
    /// It should have been looked up and could not be.
    Failed,
    /// What was found.
    Found {
        /// Of each message in the order of the plan, the least hash of the `_id`s under which it is there, or 0: packed.
        first: String,
        /// The others, of messages that are there more than once.
        others: BTreeMap<u32, BTreeSet<u64>>,
        /// By message and hash, what is there and not as it was sent; not in older ones.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        differs: BTreeMap<u32, Differences>,
    },
}

/// By the hash of its `_id`, what of a document is not as it was sent.
type Differences = BTreeMap<u64, BTreeSet<Differs>>;

impl StoredRecord {
    pub(super) fn of(lookup: &Lookup, plan: &Plan, part: &Part) -> Self {
        match lookup {
            Lookup::NotAsked => StoredRecord::NotAsked,
            Lookup::Failed => StoredRecord::Failed,
            Lookup::Found(stored) => {
                let own: Vec<usize> = own(plan, part).map(|own| own.message as usize).collect();
                let first: Vec<u64> = own.iter().map(|message| stored.first[*message]).collect();
                let is_own = |message: &u32| own.binary_search(&(*message as usize)).is_ok();
                StoredRecord::Found {
                    first: pack(&first),
                    others: of_own(&stored.others, is_own),
                    differs: of_own(&stored.differs, is_own),
                }
            }
        }
    }

    pub(super) fn restored(self, plan: &Plan, part: &Part) -> Result<Lookup, RecordError> {
        let (first, others, differs) = match self {
            StoredRecord::NotAsked => return Ok(Lookup::NotAsked),
            StoredRecord::Failed => return Ok(Lookup::Failed),
            StoredRecord::Found {
                first,
                others,
                differs,
            } => (first, others, differs),
        };
        let own: Vec<u32> = own(plan, part).map(|own| own.message).collect();
        let packed = |source| RecordError::Packed {
            what: "what is stored",
            source,
        };
        let first = unpack(&first, own.len()).map_err(packed)?;
        let mut told = others.keys().chain(differs.keys());
        if told.any(|message| own.binary_search(message).is_err()) {
            return Err(RecordError::Misfit("the stored messages"));
        }
        let mut stored = Stored::new(plan.sends.len());
        let others = others.into_iter();
        let others = others.flat_map(|(message, ids)| ids.into_iter().map(move |id| (message, id)));
        let first = own.into_iter().zip(first).filter(|(_, id)| *id != 0);
        for (message, id) in first.chain(others) {
            stored.add(message, id);
        }
        stored.differs = differs;
        Ok(Lookup::Found(stored))
    }
}

fn of_own<T: Clone>(all: &BTreeMap<u32, T>, is_own: impl Fn(&u32) -> bool) -> BTreeMap<u32, T> {
    let own = all.iter().filter(|(message, _)| is_own(message));
    own.map(|(message, of)| (*message, of.clone())).collect()
}

/// The store's content: the hashes of the `_id`s under which each message of the run is there, and what is not as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The least of each message's; 0 stands for none.
    first: Vec<u64>,
    /// All others, of messages that are there more than once.
    others: BTreeMap<u32, BTreeSet<u64>>,
    /// Of messages with a document that is not as it was sent.
    differs: BTreeMap<u32, Differences>,
}

impl Stored {
    /// An empty store, for a plan of so many messages.
    pub fn new(messages: usize) -> Self {
        Self {
            first: vec![0; messages],
            others: BTreeMap::new(),
            differs: BTreeMap::new(),
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

    /// Notes what of a document of the message is not as it was sent.
    pub fn differs(&mut self, message: u32, id: u64, what: Differs) {
        if (message as usize) < self.first.len() {
            let ids = self.differs.entry(message).or_default();
            ids.entry(id).or_default().insert(what);
        }
    }

    /// What of the document of the message under that `_id` is not as it was sent.
    pub fn differences(&self, message: u32, id: u64) -> impl Iterator<Item = Differs> {
        let ids = self.differs.get(&message);
        let differs = ids.and_then(|ids| ids.get(&id));
        differs.into_iter().flatten().copied()
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
        for (message, ids) in other.differs {
            let mine = self.differs.entry(message).or_default();
            for (id, differs) in ids {
                mine.entry(id).or_default().extend(differs);
            }
        }
    }
}

//! The store without a database: keeps messages in memory and takes as long as a database would.

use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::Entry},
    fmt,
    ops::Bound,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bson::oid::ObjectId;
use parking_lot::Mutex;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{InsertError, MessageStore, StoreError, StoreInfo, document::as_stored};
use crate::message::{Conversation, Kind, Message};

/// Durations between two bounds, each as likely as any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationRange {
    min: Duration,
    max: Duration,
}

impl DurationRange {
    /// No time at all.
    pub const ZERO: Self = Self {
        min: Duration::ZERO,
        max: Duration::ZERO,
    };

    /// Both bounds are part of it; they may come in either order.
    #[must_use]
    pub fn new(a: Duration, b: Duration) -> Self {
        Self {
            min: a.min(b),
            max: a.max(b),
        }
    }

    fn sample(self, rng: &Mutex<StdRng>) -> Duration {
        if self.min == self.max {
            self.min
        } else {
            rng.lock().random_range(self.min..=self.max)
        }
    }
}

impl fmt::Display for DurationRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.min))?;
        if self.min != self.max {
            write!(f, "-{}", humantime::format_duration(self.max))?;
        }
        Ok(())
    }
}

/// `50ms-200ms`, or one duration for both bounds: `100ms`, `0s`.
impl FromStr for DurationRange {
    type Err = DurationRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = |part: &str| {
            humantime::parse_duration(part.trim()).map_err(|_| DurationRangeError(text.to_owned()))
        };
        let (min, max) = text.split_once('-').unwrap_or((text, text));
        let (min, max) = (parse(min)?, parse(max)?);
        if min > max {
            return Err(DurationRangeError(text.to_owned()));
        }
        Ok(Self { min, max })
    }
}

/// A text that is no [`DurationRange`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no range of durations: expected one like 50ms-200ms, or a single duration like 100ms or 0s"
)]
pub struct DurationRangeError(String);

/// How long the simulated database takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryConfig {
    /// For one insert command, however many messages it holds; also for a delete.
    pub save_time: DurationRange,
    /// For one read.
    pub read_time: DurationRange,
    /// Makes the times repeatable; `None` draws a seed.
    pub seed: Option<u64>,
}

/// What the seed reports for its database: saves of 50 to 200 ms, reads of 20 to 50 ms.
impl Default for MemoryConfig {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            save_time: DurationRange::new(ms(50), ms(200)),
            read_time: DurationRange::new(ms(20), ms(50)),
            seed: None,
        }
    }
}

impl MemoryConfig {
    /// A store that takes no time.
    #[must_use]
    pub const fn instant() -> Self {
        Self {
            save_time: DurationRange::ZERO,
            read_time: DurationRange::ZERO,
            seed: None,
        }
    }
}

/// Keeps every message until the process ends: nothing bounds it, and nothing in it is durable.
#[derive(Debug)]
pub struct MemoryStore {
    config: MemoryConfig,
    rng: Mutex<StdRng>,
    documents: Mutex<Documents>,
}

/// Conversation, sender and `clientMsgId`: the unique index of the database.
type Key = (Conversation, String, String);

#[derive(Debug, Default)]
struct Documents {
    by_id: BTreeMap<(ObjectId, Kind), Arc<Message>>,
    by_client_msg_id: HashMap<Key, Arc<Message>>,
    kept: HashSet<(ObjectId, Kind)>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(config: MemoryConfig) -> Self {
        let rng = StdRng::seed_from_u64(config.seed.unwrap_or_else(rand::random));
        Self {
            config,
            rng: Mutex::new(rng),
            documents: Mutex::default(),
        }
    }

    /// Everything that is stored, in the order of the ids.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Message>> {
        self.after(None, usize::MAX)
    }

    /// At most so many messages after one of them, or the first ones, in the order of the ids.
    #[must_use]
    pub fn after(&self, last: Option<(ObjectId, Kind)>, at_most: usize) -> Vec<Arc<Message>> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let documents = self.documents.lock();
        let rest = documents.by_id.range((from, Bound::Unbounded));
        rest.take(at_most)
            .map(|(_, message)| Arc::clone(message))
            .collect()
    }

    /// How many messages are stored.
    #[must_use]
    pub fn len(&self) -> usize {
        self.documents.lock().by_id.len()
    }

    /// Whether nothing is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    async fn take(&self, time: DurationRange) {
        let time = time.sample(&self.rng);
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
    }
}

#[async_trait]
impl MessageStore for MemoryStore {
    fn info(&self) -> StoreInfo {
        let MemoryConfig {
            save_time,
            read_time,
            ..
        } = self.config;
        StoreInfo {
            name: "memory".to_owned(),
            detail: format!("simulated, save {save_time}, read {read_time}"),
            durability: "none: gone when the process ends".to_owned(),
        }
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Enough that a message hardly ever waits for a slot and takes the simulated time, not a
    /// multiple of it.
    fn concurrency(&self) -> usize {
        1_024
    }

    /// Stores at the end of the simulated time, all at once: an insert that is given up has stored
    /// nothing.
    async fn insert_many(&self, batch: &[Arc<Message>]) -> Vec<Result<(), InsertError>> {
        self.take(self.config.save_time).await;
        let mut documents = self.documents.lock();
        batch
            .iter()
            .map(|message| documents.insert(&as_stored(message)))
            .collect()
    }

    async fn get(&self, kind: Kind, id: ObjectId) -> Result<Option<Message>, StoreError> {
        self.take(self.config.read_time).await;
        Ok(self
            .documents
            .lock()
            .by_id
            .get(&(id, kind))
            .map(|message| (**message).clone()))
    }

    async fn fence(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn keep(&self, kind: Kind, ids: &[ObjectId]) -> Result<Vec<ObjectId>, StoreError> {
        self.take(self.config.save_time).await;
        let mut documents = self.documents.lock();
        let mut there = ids.to_vec();
        there.retain(|id| documents.by_id.contains_key(&(*id, kind)));
        documents.kept.extend(there.iter().map(|id| (*id, kind)));
        Ok(there)
    }

    async fn delete_many(&self, kind: Kind, ids: &[ObjectId]) -> Result<u64, StoreError> {
        self.take(self.config.save_time).await;
        let mut documents = self.documents.lock();
        Ok(ids.iter().filter(|id| documents.delete(kind, **id)).count() as u64)
    }
}

impl Documents {
    fn insert(&mut self, message: &Arc<Message>) -> Result<(), InsertError> {
        let place = (message.id, message.conversation.kind);
        if self.by_id.contains_key(&place) {
            return Ok(());
        }
        if let Some(key) = key(message) {
            match self.by_client_msg_id.entry(key) {
                Entry::Vacant(entry) => drop(entry.insert(message.clone())),
                Entry::Occupied(first) => {
                    let first = Message::clone(first.get());
                    return Err(InsertError::DuplicateClientMsgId(Box::new(first)));
                }
            }
        }
        self.by_id.insert(place, message.clone());
        Ok(())
    }

    fn delete(&mut self, kind: Kind, id: ObjectId) -> bool {
        if self.kept.contains(&(id, kind)) {
            return false;
        }
        let Some(message) = self.by_id.remove(&(id, kind)) else {
            return false;
        };
        if let Some(key) = key(&message) {
            self.by_client_msg_id.remove(&key);
        }
        true
    }
}

fn key(message: &Message) -> Option<Key> {
    let client_msg_id = message.client_msg_id.clone()?;
    Some((
        message.conversation.clone(),
        message.sender_id.clone(),
        client_msg_id,
    ))
}

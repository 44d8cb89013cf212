//! The simulated database with faults that are imposed and lifted while it serves: what tests of the whole system break.
//!
//! It is only there when the server was told so at its start: see `--store-faults`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bson::oid::ObjectId;
use tokio::sync::watch;

use super::{InsertError, MessageStore, StoreError, StoreInfo, memory::MemoryStore};
use crate::message::{Kind, Message};

/// What is wrong with the database. Of the inserts it is a share; of what is frozen or down, everything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// Inserts take so much longer.
    Slow(Duration),
    /// Inserts fail, and have certainly stored nothing.
    Failing {
        /// The number of the error, as it is logged.
        code: i32,
    },
    /// The connection breaks before an insert is executed: whether it was, nobody knows.
    Disconnecting,
    /// Inserts are executed, and their answer is lost.
    ReplyLost,
    /// Nothing is answered; what came meanwhile is executed when it goes on, whether or not anybody still waits for it.
    Frozen,
    /// Nobody can connect; what it holds is kept.
    Down,
}

/// A fault in force.
#[derive(Debug)]
struct Imposed {
    fault: Fault,
    /// Of the inserts: from 0 to 1.
    share: f64,
    /// Requests that it has met.
    met: AtomicU64,
}

impl Imposed {
    /// Whether it meets the request that asks, which counts then.
    fn meets(&self) -> bool {
        let meets = rand::random_bool(self.share);
        self.met.fetch_add(meets.into(), Relaxed);
        meets
    }
}

type InForce = BTreeMap<String, Arc<Imposed>>;

/// The faults in force, by the names that they were given.
#[derive(Debug, Default)]
pub struct Faults {
    in_force: watch::Sender<InForce>,
}

impl Faults {
    /// Imposes a fault on a share of the inserts, from 0 to 1, in place of any other of that name.
    pub fn impose(&self, name: String, fault: Fault, share: f64) {
        let share = if share.is_finite() {
            share.clamp(0.0, 1.0)
        } else {
            1.0
        };
        let imposed = Imposed {
            fault,
            share,
            met: AtomicU64::new(0),
        };
        self.in_force
            .send_modify(|in_force| drop(in_force.insert(name, Arc::new(imposed))));
    }

    /// How many requests a fault has met so far; `None`: there is none of that name.
    #[must_use]
    pub fn met(&self, name: &str) -> Option<u64> {
        let in_force = self.in_force.borrow();
        in_force.get(name).map(|one| one.met.load(Relaxed))
    }

    /// Lifts a fault, and says how many requests it has met; `None`: there is none of that name.
    pub fn lift(&self, name: &str) -> Option<u64> {
        let mut met = None;
        self.in_force.send_modify(|in_force| {
            met = in_force.remove(name).map(|one| one.met.load(Relaxed));
        });
        met
    }

    fn now(&self) -> Vec<Arc<Imposed>> {
        self.in_force.borrow().values().cloned().collect()
    }

    /// Waits for as long as it is frozen.
    async fn thawed(&self) {
        let mut in_force = self.in_force.subscribe();
        let is_frozen = |one: &Arc<Imposed>| one.fault == Fault::Frozen;
        // The sender lives as long as this.
        let _thawed = in_force
            .wait_for(|in_force| !in_force.values().any(is_frozen))
            .await;
    }

    /// Whether a fault meets every request, which counts then.
    fn meets_all(&self, fault: Fault) -> bool {
        let now = self.now();
        let mut alike = now.iter().filter(|one| one.fault == fault);
        alike.any(|one| one.meets())
    }
}

/// The simulated database, as the faults leave it.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<MemoryStore>,
    faults: Arc<Faults>,
    /// Inserts that were received while it was frozen and are not executed yet.
    received: Arc<watch::Sender<usize>>,
}

impl FaultyStore {
    /// Over a simulated database.
    #[must_use]
    pub fn new(inner: Arc<MemoryStore>, faults: Arc<Faults>) -> Self {
        Self {
            inner,
            faults,
            received: Arc::default(),
        }
    }

    /// Passes a request on that changes nothing, once it can be answered.
    async fn reached(&self) -> Result<(), StoreError> {
        if self.faults.meets_all(Fault::Frozen) {
            self.faults.thawed().await;
        }
        match self.faults.meets_all(Fault::Down) {
            true => Err(StoreError(DOWN.to_owned())),
            false => Ok(()),
        }
    }

    /// What was received is executed, even if whoever sent it has given it up by then.
    async fn insert_after_thaw(&self, batch: &[Arc<Message>]) -> Vec<Result<(), InsertError>> {
        let received = Received::new(&self.received);
        let (inner, faults, batch) = (
            Arc::clone(&self.inner),
            Arc::clone(&self.faults),
            batch.to_vec(),
        );
        let count = batch.len();
        let executed = tokio::spawn(async move {
            faults.thawed().await;
            let results = inner.insert_many(&batch).await;
            drop(received);
            results
        });
        let unknown = |_| vec![Err(InsertError::Unknown("it was not executed".to_owned())); count];
        executed.await.unwrap_or_else(unknown)
    }
}

const DOWN: &str = "the simulated database is down";

/// Counts for as long as it lives.
struct Received(Arc<watch::Sender<usize>>);

impl Received {
    fn new(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(Arc::clone(count))
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[async_trait]
impl MessageStore for FaultyStore {
    fn info(&self) -> StoreInfo {
        self.inner.info()
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        self.inner.prepare().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.reached().await
    }

    fn concurrency(&self) -> usize {
        self.inner.concurrency()
    }

    async fn insert_many(&self, batch: &[Arc<Message>]) -> Vec<Result<(), InsertError>> {
        let all = |error: InsertError| vec![Err(error); batch.len()];
        if self.faults.meets_all(Fault::Frozen) {
            return self.insert_after_thaw(batch).await;
        }
        if self.faults.meets_all(Fault::Down) {
            return all(InsertError::Unavailable(DOWN.to_owned()));
        }
        let mut reply_lost = false;
        for one in self.faults.now() {
            match one.fault {
                Fault::Slow(time) if one.meets() => tokio::time::sleep(time).await,
                Fault::Failing { code } if one.meets() => {
                    let why = format!("simulated (code {code})");
                    return all(InsertError::Unavailable(why));
                }
                Fault::Disconnecting if one.meets() => {
                    let why = "connection: simulated end".to_owned();
                    return all(InsertError::Unknown(why));
                }
                Fault::ReplyLost if !reply_lost => reply_lost = one.meets(),
                _ => {}
            }
        }
        let results = self.inner.insert_many(batch).await;
        match reply_lost {
            true => all(InsertError::Unknown(
                "connection: simulated loss of the reply".to_owned(),
            )),
            false => results,
        }
    }

    async fn get(&self, kind: Kind, id: ObjectId) -> Result<Option<Message>, StoreError> {
        self.reached().await?;
        self.inner.get(kind, id).await
    }

    /// What was received while it was frozen is executed by then.
    async fn fence(&self) -> Result<(), StoreError> {
        self.reached().await?;
        let mut received = self.received.subscribe();
        // The sender lives as long as this.
        let _executed = received.wait_for(|count| *count == 0).await;
        Ok(())
    }

    async fn keep(&self, kind: Kind, ids: &[ObjectId]) -> Result<Vec<ObjectId>, StoreError> {
        self.reached().await?;
        self.inner.keep(kind, ids).await
    }

    async fn delete_many(&self, kind: Kind, ids: &[ObjectId]) -> Result<u64, StoreError> {
        self.reached().await?;
        self.inner.delete_many(kind, ids).await
    }
}

//! A store that does what the test says.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use async_trait::async_trait;
use bson::oid::ObjectId;
use parking_lot::Mutex;
use server::{
    message::{Kind, Message},
    store::{
        InsertError, MessageStore, StoreError, StoreInfo,
        memory::{MemoryConfig, MemoryStore},
    },
};
use tokio::sync::watch;

/// Holds inserts until told to go on, and rejects them if told so.
pub struct Obedient {
    pub inner: MemoryStore,
    open: watch::Sender<bool>,
    pub rejects: AtomicBool,
    pub unreachable: AtomicBool,
    /// Names its first message as the first of every other, as a database with another index might.
    pub confused: AtomicBool,
    held: watch::Sender<HashSet<String>>,
    rejected: Mutex<HashSet<String>>,
}

impl Obedient {
    pub fn closed() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStore::new(MemoryConfig::instant()),
            open: watch::Sender::new(false),
            rejects: false.into(),
            unreachable: false.into(),
            confused: false.into(),
            held: watch::Sender::default(),
            rejected: Mutex::default(),
        })
    }

    pub fn opened() -> Arc<Self> {
        let store = Self::closed();
        store.open();
        store
    }

    /// Lets all inserts go on, also those that come later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Holds messages with this body.
    pub fn hold(&self, body: &str) {
        self.held.send_modify(|held| _ = held.insert(body.into()));
    }

    /// Lets them go on.
    pub fn release(&self, body: &str) {
        self.held.send_modify(|held| _ = held.remove(body));
    }

    /// Rejects messages with this body.
    pub fn reject(&self, body: &str) {
        self.rejected.lock().insert(body.into());
    }

    async fn answer(&self) -> Result<(), StoreError> {
        if self.unreachable.load(SeqCst) {
            Err(StoreError("connection refused".into()))
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl MessageStore for Obedient {
    fn info(&self) -> StoreInfo {
        StoreInfo {
            name: "obedient".into(),
            detail: "for tests".into(),
            durability: "none".into(),
        }
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        self.answer().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.answer().await
    }

    fn concurrency(&self) -> usize {
        4
    }

    async fn insert_many(&self, batch: &[Arc<Message>]) -> Vec<Result<(), InsertError>> {
        let _ = self.open.subscribe().wait_for(|open| *open).await;
        let mut results = Vec::new();
        for message in batch {
            let _ = self
                .held
                .subscribe()
                .wait_for(|held| !held.contains(&message.body))
                .await;
            if self.rejects.load(SeqCst) || self.rejected.lock().contains(&message.body) {
                results.push(Err(InsertError::Rejected("no".into())));
            } else if self.confused.load(SeqCst)
                && let Some(first) = self.inner.all().first()
            {
                let first = Message::clone(first);
                results.push(Err(InsertError::DuplicateClientMsgId(Box::new(first))));
            } else {
                results.extend(self.inner.insert_many(std::slice::from_ref(message)).await);
            }
        }
        results
    }

    async fn get(&self, kind: Kind, id: ObjectId) -> Result<Option<Message>, StoreError> {
        self.answer().await?;
        self.inner.get(kind, id).await
    }

    async fn fence(&self) -> Result<(), StoreError> {
        self.answer().await
    }

    async fn keep(&self, kind: Kind, ids: &[ObjectId]) -> Result<Vec<ObjectId>, StoreError> {
        self.inner.keep(kind, ids).await
    }

    async fn delete_many(&self, kind: Kind, ids: &[ObjectId]) -> Result<u64, StoreError> {
        self.inner.delete_many(kind, ids).await
    }
}

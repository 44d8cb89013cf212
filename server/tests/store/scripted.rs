//! A store that fails as it is told: the database of the fault tests, on tokio's clock.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use bson::oid::ObjectId;
use server::{
    message::{Kind, Message},
    store::{
        InsertError, MessageStore, StoreError, StoreInfo,
        memory::{MemoryConfig, MemoryStore},
    },
};
use tokio::sync::watch;

/// What becomes of one message of an insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Stored, and the answer says so.
    Stored,
    /// Not stored, and the answer says so: worth another attempt.
    Unavailable,
    /// Not stored, and the answer says so: never will be.
    Rejected,
    /// The answer says that nobody knows; it lands so long after the call, or never.
    Unknown { lands: Option<Duration> },
}

/// How one call of `insert_many` goes.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// When it answers; `None`: it never does.
    pub answers: Option<Duration>,
    /// What becomes of the messages, over and over if there are more of them.
    pub fates: Vec<Fate>,
    /// Instead of answering, it panics.
    pub panics: bool,
    /// It answers for so many fewer messages than it was given.
    pub short_by: usize,
}

impl Attempt {
    pub fn after(answers: Duration, fate: Fate) -> Self {
        Self {
            answers: Some(answers),
            fates: vec![fate],
            panics: false,
            short_by: 0,
        }
    }

    pub fn at_once(fates: impl Into<Vec<Fate>>) -> Self {
        Self {
            answers: Some(Duration::ZERO),
            fates: fates.into(),
            panics: false,
            short_by: 0,
        }
    }

    /// Never answers.
    pub fn silent(lands: Option<Duration>) -> Self {
        Self {
            answers: None,
            fates: vec![Fate::Unknown { lands }],
            panics: false,
            short_by: 0,
        }
    }

    pub fn panicking(lands: Option<Duration>) -> Self {
        let fates = vec![Fate::Unknown { lands }];
        Self {
            answers: Some(Duration::ZERO),
            fates,
            panics: true,
            short_by: 0,
        }
    }
}

/// Follows its script; when that is over, does the last thing for ever or is well.
pub struct ScriptedStore {
    pub documents: Arc<MemoryStore>,
    script: Mutex<VecDeque<Attempt>>,
    for_ever: Mutex<Option<Attempt>>,
    /// Inserts that may still land.
    under_way: watch::Sender<usize>,
    /// So many fences, and after them so many deletes, fail; a panic is one way of failing.
    pub failing_fences: AtomicU32,
    pub failing_keeps: AtomicU32,
    /// So many times, what is to be kept has been deleted just before.
    pub keeps_too_late: AtomicU32,
    pub panicking_fences: AtomicU32,
    pub failing_deletes: AtomicU32,
    /// A fence that proves nothing, to see that the tests would notice.
    pub fence_lies: AtomicBool,
}

impl ScriptedStore {
    pub fn new(script: impl IntoIterator<Item = Attempt>) -> Arc<Self> {
        Arc::new(Self {
            documents: Arc::new(MemoryStore::new(MemoryConfig::instant())),
            script: Mutex::new(script.into_iter().collect()),
            for_ever: Mutex::default(),
            under_way: watch::Sender::new(0),
            failing_fences: AtomicU32::default(),
            failing_keeps: AtomicU32::default(),
            keeps_too_late: AtomicU32::default(),
            panicking_fences: AtomicU32::default(),
            failing_deletes: AtomicU32::default(),
            fence_lies: AtomicBool::default(),
        })
    }

    pub fn always(attempt: Attempt) -> Arc<Self> {
        let store = Self::new([]);
        store.then_always(Some(attempt));
        store
    }

    /// What it does when the script is over; `None`: it is well.
    pub fn then_always(&self, attempt: Option<Attempt>) {
        *self.for_ever.lock().unwrap() = attempt;
    }

    pub fn holds(&self, message: &Message) -> bool {
        self.documents
            .all()
            .iter()
            .any(|stored| stored.id == message.id)
    }

    fn next(&self) -> Attempt {
        let scripted = self.script.lock().unwrap().pop_front();
        let for_ever = || self.for_ever.lock().unwrap().clone();
        scripted
            .or_else(for_ever)
            .unwrap_or_else(|| Attempt::at_once([Fate::Stored]))
    }

    fn land(&self, message: Arc<Message>, after: Duration) {
        let (documents, under_way) = (self.documents.clone(), self.under_way.clone());
        under_way.send_modify(|count| *count += 1);
        // On its own: giving up the call does not stop a database.
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            documents.insert_many(&[message]).await;
            under_way.send_modify(|count| *count -= 1);
        });
    }
}

fn one_less(counter: &AtomicU32) -> bool {
    counter
        .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1))
        .is_ok()
}

#[async_trait]
impl MessageStore for ScriptedStore {
    fn info(&self) -> StoreInfo {
        self.documents.info()
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn concurrency(&self) -> usize {
        3
    }

    async fn insert_many(&self, batch: &[Arc<Message>]) -> Vec<Result<(), InsertError>> {
        let attempt = self.next();
        let fates: Vec<Fate> = attempt
            .fates
            .iter()
            .copied()
            .cycle()
            .take(batch.len())
            .collect();
        for (message, fate) in batch.iter().zip(&fates) {
            if let Fate::Unknown { lands: Some(after) } = fate {
                self.land(message.clone(), *after);
            }
        }
        match attempt.answers {
            Some(after) => tokio::time::sleep(after).await,
            None => std::future::pending().await,
        }
        assert!(
            !attempt.panics,
            "a scripted panic, which belongs to the test"
        );
        let mut results = Vec::new();
        for (message, fate) in batch.iter().zip(&fates) {
            results.push(match fate {
                Fate::Stored => self
                    .documents
                    .insert_many(std::slice::from_ref(message))
                    .await
                    .remove(0),
                Fate::Unavailable => Err(InsertError::Unavailable("scripted".to_owned())),
                Fate::Rejected => Err(InsertError::Rejected("scripted".to_owned())),
                Fate::Unknown { .. } => Err(InsertError::Unknown("scripted".to_owned())),
            });
        }
        results.truncate(batch.len().saturating_sub(attempt.short_by));
        results
    }

    async fn get(&self, kind: Kind, id: ObjectId) -> Result<Option<Message>, StoreError> {
        self.documents.get(kind, id).await
    }

    async fn fence(&self) -> Result<(), StoreError> {
        assert!(
            !one_less(&self.panicking_fences),
            "a scripted panic, which belongs to the test"
        );
        if one_less(&self.failing_fences) {
            return Err(StoreError("scripted: still down".to_owned()));
        }
        if !self.fence_lies.load(SeqCst) {
            let mut under_way = self.under_way.subscribe();
            under_way.wait_for(|count| *count == 0).await.unwrap();
        }
        Ok(())
    }

    async fn keep(&self, kind: Kind, ids: &[ObjectId]) -> Result<Vec<ObjectId>, StoreError> {
        if one_less(&self.failing_keeps) {
            return Err(StoreError("scripted: not now".to_owned()));
        }
        if one_less(&self.keeps_too_late) {
            self.documents.delete_many(kind, ids).await?;
        }
        self.documents.keep(kind, ids).await
    }

    async fn delete_many(&self, kind: Kind, ids: &[ObjectId]) -> Result<u64, StoreError> {
        if one_less(&self.failing_deletes) {
            return Err(StoreError("scripted: went down again".to_owned()));
        }
        self.documents.delete_many(kind, ids).await
    }
}

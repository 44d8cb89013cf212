//! The contract of a message store: what the delivery path may ask of a database.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bson::oid::ObjectId;

use crate::message::{Kind, Message};

pub mod document;
pub mod faulty;
mod group_commit;
pub mod journal;
pub mod memory;
pub mod mongo;
pub mod queue;
mod settle;
pub mod writer;

pub(crate) use group_commit::later;

/// What a store is and how durable a confirmed write in it is, for `/health` and for reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreInfo {
    /// `mongodb` or `memory`.
    pub name: String,
    /// The version of the database, or the simulated save time.
    pub detail: String,
    /// The write concern, or that nothing is durable.
    pub durability: String,
}

/// Who inserts, and where: what a later process must know to settle what this one leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The name under which the store knows the connections of this process: letters, digits and
    /// hyphens.
    pub session: String,
    /// The database, so that nothing is settled in another one; no blanks and no credentials.
    pub place: String,
}

/// A request that the store could not answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// Why one message of a batch was not confirmed by the store.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InsertError {
    /// This attempt certainly did not put it into the store, and no other will: the store refuses
    /// what it is.
    #[error("rejected: {0}")]
    Rejected(String),
    /// This attempt certainly did not put it into the store, but a later one may: the store was not
    /// to be had.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Nobody knows whether it is in the store: the connection broke before the answer.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// The same sender already has a message in this conversation with this `clientMsgId`: this is
    /// it.
    #[error("a message with this clientMsgId exists")]
    DuplicateClientMsgId(Box<Message>),
}

/// A database for messages. Every implementation passes the same conformance suite.
#[async_trait]
pub trait MessageStore: Send + Sync + 'static {
    /// What it is and how durable.
    fn info(&self) -> StoreInfo;

    /// Creates collections and indexes. Called once, before the server listens.
    async fn prepare(&self) -> Result<(), StoreError>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// How many inserts at once it serves well: the limit of batches in flight, unless one is
    /// configured.
    fn concurrency(&self) -> usize;

    /// Inserts each message under its own `_id`; the results are in the order of the batch.
    /// Inserting a message that is there already under the same `_id` is success. The caller may
    /// give up by dropping the future; whether the messages are stored is then unknown.
    async fn insert_many(&self, batch: &[Arc<Message>]) -> Vec<Result<(), InsertError>>;

    /// Reads one message.
    async fn get(&self, kind: Kind, id: ObjectId) -> Result<Option<Message>, StoreError>;

    /// Returns once no insert that was given up or ended as unknown before this call can still
    /// land.
    ///
    /// Without it, deleting what an unknown insert may have written proves nothing: a database that
    /// was frozen or cut off executes the insert it received before the delete, or after it, as its
    /// threads happen to wake up.
    async fn fence(&self) -> Result<(), StoreError>;

    /// Who inserts, and where; `None` when nothing outlasts the process.
    fn origin(&self) -> Option<Origin> {
        None
    }

    /// Returns once no insert of earlier processes that had these sessions can still land. They have
    /// ended, but what they sent may still wait in the sockets of a database that was frozen.
    async fn fence_sessions(&self, _sessions: &[String]) -> Result<(), StoreError> {
        self.fence().await
    }

    /// Keeps the messages that are there from every later [`MessageStore::delete_many`], of whichever
    /// process, as durably as it inserts, and says which they are.
    ///
    /// A repetition is confirmed by what is there only after this: another process, one that was
    /// killed too, may have told the first as failed, and its delete may still be on its way.
    async fn keep(&self, kind: Kind, ids: &[ObjectId]) -> Result<Vec<ObjectId>, StoreError>;

    /// Deletes the messages that are there and not kept, as durably as it inserts, and says how many
    /// there were. Others are no error.
    async fn delete_many(&self, kind: Kind, ids: &[ObjectId]) -> Result<u64, StoreError>;
}

/// How a save ended, told once for each message that was queued.
#[derive(Debug, Clone, PartialEq)]
pub enum SaveOutcome {
    /// In the store under its `_id`.
    Saved {
        /// From queueing to the store's answer.
        took: Duration,
    },
    /// The sender had already stored this `clientMsgId` in this conversation; nothing new was
    /// written.
    AlreadySaved(Box<Message>),
    /// Not in the store, or about to be removed from it.
    Failed {
        /// One of the few names in [`queue::FailureReason`], in plain words; the details are in the
        /// log.
        reason: String,
    },
}

//! The contract of a message store: what the delivery path may ask of a database.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bson::oid::ObjectId;

use crate::message::{Kind, Message};

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

/// A request that the store could not answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// Why one message of a batch was not confirmed by the store.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InsertError {
    /// It is certainly not in the store.
    #[error("rejected: {0}")]
    Rejected(String),
    /// Nobody knows whether it is in the store: the connection broke before the answer.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// The same sender already has a message with this `clientMsgId`: this is it.
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

    /// Inserts each message under its own `_id`; the results are in the order of the batch.
    /// Inserting a message that is there already under the same `_id` is success.
    async fn insert_many(&self, batch: &[Arc<Message>]) -> Vec<Result<(), InsertError>>;

    /// Reads one message.
    async fn get(&self, kind: Kind, id: ObjectId) -> Result<Option<Message>, StoreError>;

    /// Deletes the messages that are there; those that are not are no error.
    async fn delete_many(&self, kind: Kind, ids: &[ObjectId]) -> Result<(), StoreError>;
}

/// How a save ended, told once for each message that was queued.
#[derive(Debug, Clone, PartialEq)]
pub enum SaveOutcome {
    /// In the store under its `_id`.
    Saved {
        /// From queueing to the store's answer.
        took: Duration,
    },
    /// The sender had already stored this `clientMsgId`; nothing new was written.
    AlreadySaved(Box<Message>),
    /// Not in the store, or about to be removed from it.
    Failed {
        /// In plain words, counted under this name.
        reason: String,
    },
}

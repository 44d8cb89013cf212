//! What a run saw: the ledger, the samples, who was where, and what came and belongs nowhere.

pub mod ledger;
pub mod machine;
pub mod presence;
pub mod recorder;
pub mod strays;

use std::{collections::HashSet, time::Duration};

use server::telemetry::log::escaped;

use crate::model::clock::Nanos;

/// A connection that nobody here closed, and that ended.
#[derive(Debug, Clone)]
pub struct Broken {
    /// Whose.
    pub user: u32,
    /// When, on the run's clock.
    pub at: Nanos,
    /// Why.
    pub why: Closed,
}

/// Why a connection ended that nobody here closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The TCP connection ended or broke.
    #[error("the connection ended: {0}")]
    Transport(String),
    /// The server said goodbye, in Socket.IO, Engine.IO or WebSocket.
    #[error("the server closed the connection: {}", escaped(.0))]
    ByServer(String),
    /// The server stopped its heartbeats.
    #[error("no heartbeat from the server for {} ms", .0.as_millis())]
    Silent(Duration),
    /// What came is not the protocol.
    #[error("protocol violation: {}", escaped(.0))]
    Protocol(String),
    /// A user who came, or came back, in mid-run could not connect.
    #[error("could not connect: {}", escaped(.0))]
    NotConnected(String),
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
            Some(_) => drop(self.twice.insert(message)),
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
}

//! Connections that broke, and why.

use std::time::Duration;

use printable::escaped;

use crate::model::Nanos;

/// A connection that nobody here closed, and that ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Broken {
    /// When, on the run's clock.
    pub at: Nanos,
    /// Whose.
    pub user: u32,
    /// What ended it.
    pub why: Closed,
}

/// Why a connection ended that nobody here closed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
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
    /// What came is not the protocol, so that it was closed here.
    #[error("closed by this program, since what came is against the protocol: {}", escaped(.0))]
    Protocol(String),
    /// The server did not read what was sent to it, so that it was closed here: so many bytes may wait.
    #[error("closed by this program, since the server let more than {0} bytes of it wait")]
    Overfull(usize),
    /// A user who came, or came back, in mid-run could not connect.
    #[error("could not connect: {}", escaped(.0))]
    NotConnected(String),
    /// A user asked in mid-run to join or to leave, and was not told that it had.
    #[error("{}", escaped(.0))]
    NotJoined(String),
}

//! Connections that ended and should not have, and by whose doing.

use std::time::Duration;

use printable::escaped;
use serde::{Deserialize, Serialize};

use super::First;
use crate::model::Nanos;

/// A connection that ended, though its user had not meant it to.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Broken {
    /// When, on the run's clock.
    pub at: Nanos,
    /// Whose.
    pub user: u32,
    /// What ended it.
    pub why: Closed,
}

/// Why a connection ended though its user had not meant it to.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    thiserror::Error,
)]
#[serde(rename_all = "kebab-case")]
pub enum Closed {
    /// The TCP connection ended or broke.
    #[error("the connection ended: {0}")]
    Transport(String),
    /// The server said goodbye, in Socket.IO, Engine.IO or WebSocket.
    #[error("the server closed the connection: {}", escaped(.0))]
    ByServer(String),
    /// The server stopped its heartbeats, so that it was closed here.
    #[error("closed by this program, since no heartbeat came from the server for {} ms", .0.as_millis())]
    Silent(Duration),
    /// A request was not answered in time, so that it was closed here.
    #[error("closed by this program, since a request was not answered within {} ms", .0.as_millis())]
    Unanswered(Duration),
    /// What came is not the protocol, so that it was closed here.
    #[error("closed by this program, since what came is against the protocol: {}", escaped(.0))]
    Protocol(String),
    /// What came is more than is read here, however legal, so that it was closed here.
    #[error("closed by this program, whose limit was exceeded: {}", escaped(.0))]
    Limit(String),
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

impl Closed {
    /// Whether it was closed here: what was to come from then on was not waited for, whoever is to blame.
    pub const fn is_hung_up(&self) -> bool {
        matches!(
            self,
            Closed::Silent(_)
                | Closed::Unanswered(_)
                | Closed::Protocol(_)
                | Closed::Limit(_)
                | Closed::Overfull(_)
        )
    }
}

/// Connections that ended, apart by what that says of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Breaks {
    /// The server or the network ended them, or the server was not there any more.
    pub lost: First<Broken>,
    /// What came over them was against the protocol.
    pub violated: First<Broken>,
    /// More came than this program reads, which is no fault of the server's.
    pub limited: First<Broken>,
    /// What the plan broke ended them.
    pub excused: First<Broken>,
}

impl Breaks {
    /// Counts one.
    pub fn add(&mut self, broken: Broken) {
        match broken.why {
            Closed::Protocol(_) => self.violated.add(broken),
            Closed::Limit(_) => self.limited.add(broken),
            _ => self.lost.add(broken),
        }
    }

    /// Adds those of another part.
    pub fn merge(&mut self, other: Self) {
        self.lost.merge(other.lost);
        self.violated.merge(other.violated);
        self.limited.merge(other.limited);
        self.excused.merge(other.excused);
    }
}

//! What makes one chat of several servers: streams that all of them append to and read, and who is logged in on which.
//!
//! A [`Bus`] knows nothing of messages: it carries bytes, in one order for each stream, and keeps leases. What the bytes
//! mean and what is done when they are lost is `cluster`'s. The same conformance suite runs against every bus.

pub mod memory;
pub mod redis;

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::message::{Conversation, Kind};

/// Streams that the conversations share: a node reads only those of the conversations that its users are in.
pub const PARTITIONS: usize = 64;
/// Entries that a stream keeps at least, for whoever is behind or was away.
pub const KEPT_ENTRIES: usize = 4096;
/// How long what is said of a conversation or a login is kept without being said again: what a killed node leaves.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(3 * 3600);

/// One life of one server: two servers never have the same, also where somebody gives both one `--node-id`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// The next life of the node that people call `id`.
    #[must_use]
    pub fn of(id: &str) -> Self {
        Self(format!("{id}.{:016x}", rand::random::<u64>()).into())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What people call it.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.rsplit_once('.').map_or(&*self.0, |(id, _)| id)
    }
}

impl From<&str> for NodeName {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for NodeName {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<NodeName> for String {
    fn from(NodeName(text): NodeName) -> Self {
        text.as_ref().to_owned()
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something that has one order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Stream {
    /// What is said in some of the conversations; below [`PARTITIONS`].
    Partition(u8),
    /// What one node is told.
    Inbox(NodeName),
}

/// Which partition a conversation is in: the same in every process.
#[must_use]
pub fn partition(Conversation { kind, id }: &Conversation) -> u8 {
    // FNV-1a: short, and written down, unlike the standard library's.
    let first = match kind {
        Kind::Room => b'r',
        Kind::Channel => b'c',
    };
    let hash = std::iter::once(first)
        .chain(id.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    // The low bits of FNV depend on the low bits alone.
    ((hash >> 32 ^ hash) % PARTITIONS as u64) as u8
}

/// A place in a stream; `0-0` is its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub u64, pub u64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl FromStr for Position {
    type Err = BusError;

    fn from_str(text: &str) -> Result<Self, BusError> {
        text.split_once('-')
            .and_then(|(a, b)| Some(Self(a.parse().ok()?, b.parse().ok()?)))
            .ok_or_else(|| BusError::Unreachable(format!("it says that `{text}` is a position")))
    }
}

/// One life of a bus: in another one it may have forgotten what it had taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life(pub Arc<str>);

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// From which stream.
    pub stream: Stream,
    /// Where it is there.
    pub position: Position,
    /// What it says.
    pub bytes: Bytes,
}

/// One login of a user, on one of the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Where the user is logged in.
    pub node: NodeName,
    /// The public id of the socket, which is what [`crate::socket_manager::SocketId`] holds.
    pub socket: u64,
    /// When, in milliseconds of the node's clock.
    pub stamp: i64,
}

/// Somebody says that a user is logged in here.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The user.
    pub user: Arc<str>,
    /// The login.
    pub login: Login,
    /// It is new, so it wins. One that is said again, after the bus was away, wins only over an older one.
    pub fresh: bool,
    /// What the other node is told in its inbox if this one replaces a login there: between the two the number of that
    /// login's socket, in decimal digits. It may have a newer one by then, which this is not about.
    pub notice: [Bytes; 2],
}

/// What became of a [`Claim`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// This is the user's login now, in the place of a live one on another node if there was any. That node is told.
    Won {
        /// The other one.
        replaced: Option<Login>,
    },
    /// The user has logged in elsewhere later than that.
    Lost {
        /// There.
        to: Login,
    },
}

/// What a node hears when it says that it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// Its lease had run out, or the bus has forgotten it: what it had said of its users has to be said again.
    pub lapsed: bool,
    /// All nodes whose lease runs, and what each says of itself.
    pub nodes: Vec<(NodeName, Bytes)>,
}

/// Why a bus did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// It has begun another life than the one that was named, and nothing was done.
    #[error("the bus has been restarted")]
    Reborn(Life),
    /// It does not answer, or not in time: what was asked for may have been done.
    #[error("the bus does not answer: {0}")]
    Unreachable(String),
}

/// Streams and leases that several servers share.
#[async_trait]
pub trait Bus: fmt::Debug + Send + Sync {
    /// What it is, for people, without any password.
    fn describe(&self) -> String;

    /// Its life.
    ///
    /// # Errors
    /// It does not answer.
    async fn life(&self) -> Result<Life, BusError>;

    /// Appends all of these in this order, or at least the first ones. What is appended in the life that is named stays
    /// for as long as that lasts, but for what [`KEPT_ENTRIES`] later ones have pushed out.
    ///
    /// # Errors
    /// It has another life, or does not answer; then some of them may be in it.
    async fn append(&self, life: &Life, entries: &[(Stream, Bytes)]) -> Result<(), BusError>;

    /// Where these streams end now.
    ///
    /// # Errors
    /// It does not answer.
    async fn ends(&self, streams: &[Stream]) -> Result<Vec<Position>, BusError>;

    /// All that comes after these positions, each stream in its order; waits for the first entry, but not longer than `wait`.
    /// Whoever reads on and on has read at each moment, of all these streams together, what was appended until some other
    /// moment. One reader at a time.
    ///
    /// # Errors
    /// It has another life, or does not answer.
    async fn read(
        &self,
        life: &Life,
        from: &[(Stream, Position)],
        wait: Duration,
    ) -> Result<Vec<Entry>, BusError>;

    /// A node says that it lives and how it is, for as long as `lease`.
    ///
    /// # Errors
    /// It does not answer.
    async fn beat(&self, node: &NodeName, says: Bytes, lease: Duration) -> Result<Beat, BusError>;

    /// A node says that it goes: its lease ends, and its inbox.
    ///
    /// # Errors
    /// It does not answer.
    async fn part(&self, node: &NodeName) -> Result<(), BusError>;

    /// Says where users are logged in; the answers are in the order of the claims.
    ///
    /// # Errors
    /// It does not answer; then some of the claims may hold.
    async fn claim(&self, claims: &[Claim]) -> Result<Vec<Claimed>, BusError>;

    /// Says that these logins are over. One that was replaced changes nothing.
    ///
    /// # Errors
    /// It does not answer.
    async fn release(&self, logins: &[(Arc<str>, Login)]) -> Result<(), BusError>;

    /// Says how many users a node has in these conversations; hears how many the other nodes that live have there.
    ///
    /// # Errors
    /// It does not answer.
    async fn count(
        &self,
        node: &NodeName,
        counts: &[(Arc<Conversation>, usize)],
    ) -> Result<Vec<usize>, BusError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_spread_over_the_partitions_and_stay_where_they_are() {
        let room = |id: String| Conversation {
            kind: Kind::Room,
            id,
        };
        let mut counts = [0_usize; PARTITIONS];
        for i in 0..6400 {
            counts[usize::from(partition(&room(format!("room-{i}"))))] += 1;
        }
        assert!(counts.iter().all(|n| (50..150).contains(n)), "{counts:?}");
        // Written down, because servers of two versions may share a bus.
        assert_eq!(partition(&room("507f1f77bcf86cd799439011".to_owned())), 24);
    }

    #[test]
    fn a_position_is_read_as_it_is_written() {
        let position = Position(1_760_000_000_000, 7);
        assert_eq!(position.to_string().parse::<Position>(), Ok(position));
        assert!("7".parse::<Position>().is_err());
        assert!(Position(2, 0) > Position(1, 9));
    }

    #[test]
    fn two_lives_of_a_node_differ_and_are_called_the_same() {
        let (one, two) = (NodeName::of("a.b"), NodeName::of("a.b"));
        assert_ne!(one, two);
        assert_eq!((one.id(), two.id()), ("a.b", "a.b"));
    }
}

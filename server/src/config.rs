//! Everything the server needs to know before it starts.

mod flags;

use std::{
    convert::Infallible, fmt, net::SocketAddr, num::NonZeroU32, path::PathBuf, str::FromStr,
    time::Duration,
};

use axum::http::HeaderValue;

pub use self::flags::{Args, FlagsError, StoreChoice, StoreChoiceError};
use crate::{
    bus::memory::MemoryBus,
    protocol::Dialect,
    store::{memory::MemoryConfig, mongo::MongoConfig, writer::WriterConfig},
};

/// When members get a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryMode {
    /// At once, and confirmed or failed after the save.
    #[default]
    Optimistic,
    /// The system before: save, read back, then deliver.
    PersistFirst,
}

/// Which promise of order holds among the users of several servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BusMode {
    /// Members on the sender's server wait for no bus. Each sender's messages are in one order everywhere.
    #[default]
    LocalFirst,
    /// All members of a conversation see one order, and wait one exchange with the bus for it.
    Ordered,
}

/// What makes one chat of several servers.
#[derive(Debug, Clone)]
pub enum BusChoice {
    /// The chat of this name in the Redis at this URL.
    Redis(Secret, String),
    /// What all servers of one process share.
    Memory(MemoryBus),
}

/// One server among several.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// What joins them.
    pub bus: BusChoice,
    /// What people call this one.
    pub node_id: String,
    /// Which order they promise; the same on all of them.
    pub mode: BusMode,
}

/// Who may read the debug pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum DebugPages {
    /// Nobody: there are none.
    Off,
    /// Programs on this machine.
    #[default]
    Loopback,
    /// Programs on this machine, and whoever sends the token.
    Anywhere,
}

/// Everything the server needs to know before it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub address: SocketAddr,
    /// Which store, and how it is reached.
    pub store: StoreConfig,
    /// Names of outbound events.
    pub dialect: Dialect,
    /// When members get a message.
    pub delivery: DeliveryMode,
    /// Key that tokens are verified with, if they are.
    pub jwt_secret: Option<Secret>,
    /// Queue, batches and deadline of the saves.
    pub writer: WriterConfig,
    /// The file of the journal, if there is one.
    pub journal: Option<PathBuf>,
    /// From the signal to stop to the end of [`crate::Server::run`] at the latest.
    pub drain_deadline: Duration,
    /// What one client may ask for and hold.
    pub limits: Limits,
    /// Origins that browsers may connect from; empty for any.
    pub origins: Vec<HeaderValue>,
    /// Who may read the debug pages.
    pub debug_access: DebugAccess,
    /// How often a client is asked whether it is there.
    pub ping_interval: Duration,
    /// How long a client may take to answer that.
    pub ping_timeout: Duration,
    /// How long sent data may stay unacknowledged.
    pub tcp_user_timeout: Duration,
    /// How long an Engine.IO session may stay without a login, from its beginning or from a logout.
    pub login_within: Duration,
    /// How much longer each message keeps the thread busy: for tests that must find a slower server.
    pub busy_work: Duration,
    /// Whether the simulated database can be told to fail, over HTTP from this machine: for tests of the whole system.
    pub store_faults: bool,
    /// The other servers that are one chat with this one, if there are any.
    pub cluster: Option<ClusterConfig>,
}

/// Which store, and how it is reached.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// A simulated database in this process.
    Memory(MemoryConfig),
    /// A MongoDB, by its connection string.
    MongoDb(MongoConfig),
}

/// Who may read the debug pages, and with which token.
#[derive(Debug, Clone, Default)]
pub struct DebugAccess {
    /// From where.
    pub pages: DebugPages,
    /// What who is not on this machine must send.
    pub token: Option<Secret>,
}

/// A text that must not get into logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

/// What one client may ask for and hold.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest body in bytes.
    pub max_body: usize,
    /// Packets that may wait for one socket.
    pub send_buffer: usize,
    /// Bytes that may wait for one socket.
    pub send_buffer_bytes: usize,
    /// Bytes that may wait for all sockets together.
    pub send_memory: usize,
    /// Rooms and channels that one user may be in.
    pub rooms_per_user: usize,
    /// Events a second from one socket.
    pub events_per_second: Option<NonZeroU32>,
    /// Connections from one address.
    pub connections_per_address: Option<NonZeroU32>,
}

/// How long an Engine.IO session may stay without a login.
const LOGIN_WITHIN: Duration = Duration::from_secs(10);

/// The largest packet in bytes, on every transport, as in the Node.js server.
pub const MAX_PAYLOAD: usize = 1_000_000;

impl Config {
    /// The defaults of the command line on a free port, whatever the environment says: where tests start from.
    #[must_use]
    pub fn on_a_free_port() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            store: StoreConfig::Memory(MemoryConfig::default()),
            dialect: Dialect::default(),
            delivery: DeliveryMode::default(),
            jwt_secret: None,
            writer: WriterConfig::default(),
            journal: None,
            drain_deadline: Duration::from_secs(15),
            limits: Limits {
                max_body: 65_536,
                send_buffer: 2048,
                send_buffer_bytes: 33_554_432,
                send_memory: 268_435_456,
                rooms_per_user: 1000,
                events_per_second: None,
                connections_per_address: None,
            },
            origins: Vec::new(),
            debug_access: DebugAccess::default(),
            ping_interval: Duration::from_secs(10),
            ping_timeout: Duration::from_secs(8),
            tcp_user_timeout: Duration::from_secs(10),
            login_within: LOGIN_WITHIN,
            busy_work: Duration::ZERO,
            store_faults: false,
            cluster: None,
        }
    }
}

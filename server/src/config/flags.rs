//! The command line's flags ([`Args`]), and what [`Config`] they make.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use axum::http::HeaderValue;

use super::{
    BusChoice, BusMode, ClusterConfig, Config, DebugAccess, DebugPages, DeliveryMode, LOGIN_WITHIN,
    Limits, MAX_PAYLOAD, Secret, StoreConfig,
};
use crate::{
    bus::redis::RedisBus,
    protocol::Dialect,
    store::{
        memory::{DurationRange, MemoryConfig},
        mongo::{MongoConfig, WriteConcernSetting},
        writer::WriterConfig,
    },
};

/// The flags of the server, each also a variable of the environment where one is named.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Port to listen on; 0 picks a free one.
    #[arg(long, env = "PORT", default_value_t = 3000)]
    pub port: u16,
    /// Where messages are saved: `memory` simulates a database, `mongodb://…` is one.
    #[arg(
        long,
        env = "MONGODB_URI",
        default_value = "memory",
        hide_env_values = true
    )]
    pub store: StoreChoice,
    /// MongoDB database; without it the one that the URI names, or `chat`.
    #[arg(long)]
    pub database: Option<String>,
    /// When MongoDB counts a write as done: `majority` or a number of servers, then `+journal` or nothing.
    #[arg(long, default_value = "majority+journal")]
    pub write_concern: WriteConcernSetting,
    /// Connections to MongoDB at most.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(4..=1000))]
    pub pool_size: u32,
    /// File that remembers which messages were told as failed while MongoDB didn't answer, for the next start to settle.
    #[arg(long, value_name = "PATH")]
    pub journal: Option<PathBuf>,
    /// Moves messages that an earlier version stored in `message2s` to `message2` before it listens.
    #[arg(long)]
    pub migrate: bool,
    /// How long a save takes in the memory store: one duration, or a range.
    #[arg(long, default_value = "50ms-200ms")]
    pub save_time: DurationRange,
    /// How long a read takes in the memory store: one duration, or a range.
    #[arg(long, default_value = "20ms-50ms")]
    pub read_time: DurationRange,
    /// Names of the events that the server sends.
    #[arg(long, value_enum, default_value_t)]
    pub dialect: Dialect,
    /// When members get a message.
    #[arg(long, value_enum, default_value_t)]
    pub delivery: DeliveryMode,
    /// Verifies tokens (HS256). Without it any token is accepted and is the user id.
    #[arg(long, env = "JWT_SECRET_KEY", hide_env_values = true)]
    pub jwt_secret: Option<Secret>,
    /// Messages without an end that may wait for the store; one more fails at once.
    #[arg(long, default_value_t = 32_768, value_parser = parse_count)]
    pub queue_capacity: usize,
    /// Messages in one insert at most.
    #[arg(long, default_value_t = 500, value_parser = parse_count)]
    pub batch_max: usize,
    /// How long the first message of an insert waits for others; shorter than `--save-deadline`.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    pub batch_wait: Duration,
    /// From queueing a save to Confirmed or Failed at the latest.
    #[arg(long, default_value = "10s", value_parser = parse_positive)]
    pub save_deadline: Duration,
    /// From the signal to stop to the end of the process at the latest.
    #[arg(long, default_value = "15s", value_parser = humantime::parse_duration)]
    pub drain_deadline: Duration,
    /// Packets that may wait for one client; a client that is further behind is disconnected.
    #[arg(long, default_value_t = 2048, value_parser = parse_send_buffer)]
    pub send_buffer: usize,
    /// Bytes that may wait for one client; a client that is further behind is disconnected.
    #[arg(long, default_value_t = 33_554_432, value_parser = parse_send_buffer_bytes)]
    pub send_buffer_bytes: usize,
    /// Bytes that may wait for all clients together; above that, those who hold more than an equal share are
    /// disconnected.
    #[arg(long, default_value_t = 268_435_456, value_parser = parse_send_buffer_bytes)]
    pub send_memory: usize,
    /// Longest message body in bytes.
    #[arg(long, default_value_t = 65_536, value_parser = parse_max_body)]
    pub max_body: usize,
    /// Rooms and channels that one user may be in.
    #[arg(long, default_value_t = 1000, value_parser = parse_count)]
    pub rooms_per_user: usize,
    /// Events a second that one socket may send, with a burst of the same number. No limit without it.
    #[arg(long)]
    pub events_per_second: Option<NonZeroU32>,
    /// Connections that one address may hold. No limit without it.
    #[arg(long)]
    pub connections_per_address: Option<NonZeroU32>,
    /// Origin that browsers may connect from; repeat it for more. Any origin without it.
    #[arg(long = "origin", value_name = "ORIGIN", value_parser = parse_origin)]
    pub origins: Vec<HeaderValue>,
    /// Who may read /debug/…, which shows users: they are tokens where there is no secret.
    #[arg(long, value_enum, default_value_t)]
    pub debug_pages: DebugPages,
    /// Opens the debug pages to whoever sends `Authorization: Bearer <token>`, as far as `--debug-pages` allows.
    #[arg(
        long,
        env = "DEBUG_TOKEN",
        hide_env_values = true,
        required_if_eq("debug_pages", "anywhere")
    )]
    pub debug_token: Option<Secret>,
    /// How often a client is asked whether it is there.
    #[arg(long, default_value = "10s", value_parser = parse_positive)]
    pub ping_interval: Duration,
    /// How long a client may take to answer that.
    #[arg(long, default_value = "8s", value_parser = parse_positive)]
    pub ping_timeout: Duration,
    /// How long sent data may stay unacknowledged, or a peer refuse to read, before the connection is dead.
    #[arg(long, default_value = "10s", value_parser = parse_positive)]
    pub tcp_user_timeout: Duration,
    /// Threads of the server. One serves most and leaves the other cores to the database and the load.
    #[arg(long, default_value_t = 1, value_parser = parse_threads)]
    pub threads: usize,
    /// Redis by which several servers are one chat, like redis://127.0.0.1:6379.
    #[arg(
        long,
        env = "BUS_URL",
        hide_env_values = true,
        value_name = "URL",
        value_parser = parse_bus
    )]
    pub bus: Option<Secret>,
    /// Which chat on the bus this server is of: servers of another one are strangers.
    #[arg(long, value_name = "NAME", default_value = "chat", value_parser = parse_name)]
    pub bus_chat: String,
    /// What this server is called among those of its chat.
    #[arg(long, env = "NODE_ID", value_name = "NAME", default_value = "node", value_parser = parse_name)]
    pub node_id: String,
    /// Which order of messages the servers on the bus promise; the same on all of them.
    #[arg(long, value_enum, default_value_t)]
    pub bus_mode: BusMode,
    /// Makes every message cost so much more of the server's thread: for tests that must find a slower server.
    #[arg(long, hide = true, default_value = "0s", value_parser = humantime::parse_duration)]
    pub busy_work: Duration,
    /// Starts a server at each of these ports instead of one, all in this process, as one chat without a Redis: for the load
    /// generator, where there is none.
    #[arg(long, hide = true, value_delimiter = ',', conflicts_with = "bus")]
    pub twin_ports: Vec<u16>,
    /// Opens /debug/store-faults, which tells the memory store to fail: for tests of the whole system.
    #[arg(long, hide = true)]
    pub store_faults: bool,
    /// What to log to stderr: a level, and other levels for parts of the program, as in `info,server::store=debug`.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub log: String,
}

impl Args {
    /// Holds the flags against each other.
    ///
    /// # Errors
    /// Two of them can't both be meant.
    pub fn check(&self) -> Result<(), FlagsError> {
        if self.batch_wait >= self.save_deadline {
            return Err(FlagsError::WaitsUntilItFails);
        }
        Ok(())
    }
}

/// Flags that are right each, and can't work together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FlagsError {
    /// A batch that does not fill goes when its first message has failed.
    #[error(
        "--batch-wait must be shorter than --save-deadline, or messages fail while they wait for others"
    )]
    WaitsUntilItFails,
}

/// Where messages are saved.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreChoice {
    /// In this process, as slowly as a database would.
    Memory,
    /// In the MongoDB at this URI.
    MongoDb(String),
}

/// Shows no password.
impl fmt::Debug for StoreChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::MongoDb(_) => f.write_str("mongodb://…"),
        }
    }
}

/// A text that names no store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `memory`, `mongodb://…` or `mongodb+srv://…`")]
pub struct StoreChoiceError;

impl FromStr for StoreChoice {
    type Err = StoreChoiceError;

    fn from_str(text: &str) -> Result<Self, StoreChoiceError> {
        if text == "memory" {
            Ok(Self::Memory)
        } else if text.starts_with("mongodb://") || text.starts_with("mongodb+srv://") {
            Ok(Self::MongoDb(text.to_owned()))
        } else {
            Err(StoreChoiceError)
        }
    }
}

impl From<Args> for Config {
    fn from(args: Args) -> Self {
        let store = match args.store {
            StoreChoice::Memory => StoreConfig::Memory(MemoryConfig {
                save_time: args.save_time,
                read_time: args.read_time,
                seed: None,
            }),
            StoreChoice::MongoDb(uri) => StoreConfig::MongoDb(MongoConfig {
                database: args.database,
                write_concern: args.write_concern,
                pool_size: args.pool_size,
                migrate: args.migrate,
                ..MongoConfig::new(uri)
            }),
        };
        Self {
            address: SocketAddr::new(args.host, args.port),
            store,
            dialect: args.dialect,
            delivery: args.delivery,
            // An empty variable of the environment is no secret.
            jwt_secret: args.jwt_secret.filter(|secret| !secret.0.is_empty()),
            writer: WriterConfig {
                capacity: args.queue_capacity,
                batch_max: args.batch_max,
                batch_wait: args.batch_wait,
                deadline: args.save_deadline,
                ..WriterConfig::default()
            },
            journal: args.journal,
            drain_deadline: args.drain_deadline,
            limits: Limits {
                max_body: args.max_body,
                send_buffer: args.send_buffer,
                send_buffer_bytes: args.send_buffer_bytes,
                send_memory: args.send_memory,
                rooms_per_user: args.rooms_per_user,
                events_per_second: args.events_per_second,
                connections_per_address: args.connections_per_address,
            },
            origins: args.origins,
            debug_access: DebugAccess {
                pages: args.debug_pages,
                token: args.debug_token.filter(|token| !token.0.is_empty()),
            },
            ping_interval: args.ping_interval,
            ping_timeout: args.ping_timeout,
            tcp_user_timeout: args.tcp_user_timeout,
            login_within: LOGIN_WITHIN,
            busy_work: args.busy_work,
            store_faults: args.store_faults,
            // An empty variable of the environment is no bus.
            cluster: args
                .bus
                .filter(|url| !url.0.is_empty())
                .map(|url| ClusterConfig {
                    bus: BusChoice::Redis(url, args.bus_chat),
                    node_id: args.node_id,
                    mode: args.bus_mode,
                }),
        }
    }
}

fn parse_origin(text: &str) -> Result<HeaderValue, String> {
    if text == "*" {
        return Err("leave the flag out to allow any origin".to_owned());
    }
    let wrong = || "expected an origin like https://chat.example.org".to_owned();
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .ok_or_else(wrong)?;
    if host.is_empty() || host.contains('/') {
        return Err(wrong());
    }
    HeaderValue::from_str(text).map_err(|_| wrong())
}

/// The kernel takes timeouts up to 24 days, and so do timers of JavaScript, which add the ping's interval and timeout.
const LONGEST: Duration = Duration::from_secs(10 * 24 * 3600);

fn parse_positive(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration > LONGEST => Err("expected at most 10days".to_owned()),
        Ok(duration) if duration >= Duration::from_millis(1) => Ok(duration),
        Ok(_) => Err("expected at least 1ms".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("expected a number from 1".to_owned()),
    }
}

/// What is longer than a packet can't arrive.
fn parse_max_body(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes) if (1..=MAX_PAYLOAD).contains(&bytes) => Ok(bytes),
        _ => Err("expected a number of bytes from 1 to 1000000".to_owned()),
    }
}

fn parse_send_buffer(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(packets) if (16..=1_000_000).contains(&packets) => Ok(packets),
        _ => Err("expected a number of packets from 16 to 1000000".to_owned()),
    }
}

fn parse_send_buffer_bytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes) if bytes >= MAX_PAYLOAD => Ok(bytes),
        _ => Err("expected a number of bytes from 1000000".to_owned()),
    }
}

fn parse_bus(text: &str) -> Result<Secret, String> {
    let url = Secret(text.to_owned());
    if !text.is_empty() {
        RedisBus::new(&url, "").map_err(|error| error.to_string())?;
    }
    Ok(url)
}

fn parse_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if (1..=64).contains(&text.len()) && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 64 letters, digits, `-`, `_` or `.`".to_owned())
    }
}

fn parse_threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads) if (1..=256).contains(&threads) => Ok(threads),
        _ => Err("expected a number from 1 to 256".to_owned()),
    }
}

#[cfg(test)]
mod tests;

//! Start, watch and stop what is measured: the server as a process of its own, and the store behind it.
//!
//! Whatever is started here is ended here: by `stop()`, by drop (so also while a panic unwinds), and, if this process
//! is killed, by the [`guard`].

mod audit;
mod bus;
mod container;
mod daemon;
mod docker;
mod error;
mod exit;
pub mod fault;
pub mod floor;
mod greeting;
mod group;
pub mod guard;
mod held;
mod leftover;
pub mod machine;
mod mongo;
mod mongod;
mod peer;
mod probe;
mod process;
pub mod proxy;
mod queue;
mod replicas;
mod resources;
mod status;
mod store;
mod system;
mod vigil;

pub use audit::{Audit, Compared, StoredMessage};
pub use bus::{Bus, BusKind};
pub use error::{TargetError, UnknownStore};
pub use exit::ServerExit;
pub use greeting::{Greeting, greeting};
pub use mongo::check_uri;
pub use peer::Peer;
pub use probe::probe;
pub use process::RunningServer;
pub use queue::QueueSampler;
pub use resources::{Processes, ResourceSample, ResourceSampler, Usage, usage_of, usage_of_all};
pub use status::{Late, Present, ServerTimes, durability, lists_messages, present, server_times};
pub use store::{RunningStore, StoreChoice, StoreNeeds};
pub use system::{
    Breakable, Chat, Commanded, Death, End, Ending, OwnServer, Running, SeveralServers, System,
};

//! Drives the users: connections of a client, and the worker threads that send and receive over them.

pub mod client;
pub mod crew;
pub mod token;
pub mod worker;

pub use self::client::{Client, ConnectError, Connection, Driver};

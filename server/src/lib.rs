//! A stateful Socket.IO chat server with optimistic delivery: the system under test.

pub mod auth;
pub mod bodies;
pub mod bus;
pub mod chat;
pub mod cluster;
pub mod config;
pub mod courier;
pub mod delivery;
pub mod door;
pub mod front;
pub mod handlers;
pub mod http;
pub mod idempotency;
pub mod inspection;
pub mod limits;
pub mod line;
pub mod lines;
pub mod listener;
pub mod message;
pub mod outbox;
pub mod outgoing;
pub mod pace;
pub mod packet;
pub mod portions;
pub mod process;
pub mod protocol;
pub mod provenance;
mod server;
pub mod session;
pub mod socket_manager;
pub mod store;
pub mod stream;
pub mod telemetry;
pub mod transport;
pub mod wire;

#[cfg(test)]
mod simulation;

pub use server::{EXIT_UNTOLD, Error, Server, Stopped, Untold, serve};

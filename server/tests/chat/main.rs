//! The whole server over real sockets.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod auth;
mod bodies;
mod channels;
mod client;
mod cluster;
mod corpus;
mod dialects;
mod documents;
mod floods;
mod hostile;
mod http;
mod ids;
mod killed;
mod lives;
mod log;
mod mongo;
mod oddities;
mod order;
mod outbox;
mod pages;
mod polling;
mod repeats;
mod rooms;
mod running;
mod slow;
mod stopping;
mod store;

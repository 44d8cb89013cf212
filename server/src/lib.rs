//! A stateful Socket.IO chat server with optimistic delivery: the system under test.

pub mod message;
pub mod store;

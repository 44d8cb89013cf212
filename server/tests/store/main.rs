//! The message store as the rest of the server meets it: every implementation, the queue and the
//! writer, and what becomes of messages when the database fails. One binary, because linking the
//! driver takes longer than the tests.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what is meant"
)]

#[path = "../support/messages.rs"]
mod messages;
#[path = "../support/mongodb.rs"]
mod mongodb_server;

mod conformance;
mod drain;
mod faults;
mod faulty;
mod history;
mod mongodb_faults;
mod properties;
mod queue;
mod scripted;

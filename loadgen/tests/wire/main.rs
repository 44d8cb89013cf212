//! What servers may say, and what they may not, each sentence of the protocol against the native client.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not the functions that they call"
)]

mod greetings;
mod hostile;
mod peer;
mod polls;
mod says;
mod secure;
mod user;

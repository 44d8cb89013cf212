//! A connected chat user, as the worker drives it: what every client driver must offer and report.

mod driver;
pub mod native;
#[cfg(feature = "rust-socketio")]
pub mod rust_socketio;

use std::time::Duration;

use server::telemetry::log::escaped;

pub use self::driver::{Connection, Driver, DriverError, Incoming};

use crate::{dial::DialError, model::Nanos, observed::Closed};

/// What a driver tells its owner, synchronously and in the order of receipt.
///
/// `stamp` is taken when the bytes came off the socket, before any parsing.
pub trait Observer {
    /// An event; `payload` is the JSON text of its arguments, without the brackets. `false`: nobody has read it as JSON,
    /// and it may be none.
    fn event(&self, user: u32, stamp: Nanos, name: &str, payload: &str) -> bool;
    /// The acknowledgement of an emit that asked for one; `payload` and what comes back as for [`Observer::event`].
    fn ack(&self, user: u32, stamp: Nanos, id: u64, payload: &str) -> bool;
    /// Something legal that is not for this user: counted under these words.
    fn ignored(&self, user: u32, what: &str);
    /// The connection is gone; since `stamp` nothing was heard. Told once, and not after [`Client::close`].
    fn closed(&self, user: u32, stamp: Nanos, why: Closed);
}

/// One user's connection.
pub trait Client {
    /// Hands an event to the connection without waiting: `payload` is the JSON text of its argument.
    fn emit(&self, event: &str, payload: &str, ack: Option<u64>);
    /// Says goodbye and closes; nothing is observed afterwards.
    fn close(&self);
}

/// Why a user could not be connected.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nothing listens there, or something is in the way: the network, TLS, a server that is none of WebSocket.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// It answers, but is no Socket.IO server of protocol version 5.
    #[error("not a Socket.IO v5 server: {}", escaped(.0))]
    NotSocketIo(String),
    /// The server refused the user (`connect_error`), as it does with a bad token.
    #[error("the server refused the connection: {}", escaped(.0))]
    Refused(String),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_server_stay_in_their_line() {
        let words = "no\n\u{1b}[2Jforged".to_owned();
        let said = [
            Closed::ByServer(words.clone()).to_string(),
            Closed::Protocol(words.clone()).to_string(),
            Closed::NotConnected(words.clone()).to_string(),
            ConnectError::Refused(words.clone()).to_string(),
            ConnectError::NotSocketIo(words).to_string(),
        ];
        for said in said {
            assert!(said.ends_with(": no\\n\\u{1b}[2Jforged"), "{said:?}");
        }
    }
}

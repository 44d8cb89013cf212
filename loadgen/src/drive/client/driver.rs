//! Which client a worker drives, behind one door.

use std::{rc::Rc, time::Duration};

use serde::{Deserialize, Serialize};

#[cfg(feature = "rust-socketio")]
use super::rust_socketio;
use super::{
    Observer,
    native::{self, Endpoint, Shared},
};
use crate::{
    drive::{Client, ConnectError},
    model::Delivery,
    plan::{Deed, Plan},
    scenario::{Scenario, Transport},
};

/// A client driver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Driver {
    /// This program's own: WebSocket only, cheap enough to measure with.
    #[default]
    Native,
    /// The `rust_socketio` crate: every transport; for cross-checks.
    RustSocketio,
}

/// Why a driver can't do what a scenario asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// Built without the library.
    #[error(
        "the rust_socketio client is not part of this build; build it with `cargo build --release --features rust-socketio` (needs OpenSSL's headers: libssl-dev and pkg-config)"
    )]
    NotBuilt,
    /// Native, and no WebSocket.
    #[error("the native client speaks WebSocket only; leave --client away for {}", .0.name())]
    WebsocketOnly(Transport),
    /// What only the native client can do.
    #[error(
        "the rust_socketio client can't cut a TCP connection or stop reading, and this scenario does (`cuts`, `stalls`)"
    )]
    NoFaults,
    /// What only an acknowledgement says.
    #[error(
        "the rust_socketio client asks for no acknowledgements of messages, and with persist-first delivery nothing else says that a message is stored"
    )]
    NoAcks,
}

impl Driver {
    /// The driver of a scenario: the one that was asked for, or else the native one where it can.
    ///
    /// # Errors
    /// [`DriverError`]: it can't do what the scenario asks for, or is not part of this build.
    pub fn choose(
        asked: Option<Driver>,
        scenario: &Scenario,
        plan: &Plan,
    ) -> Result<Driver, DriverError> {
        let transport = scenario.connections.transport;
        let driver = match (asked, transport) {
            (Some(Driver::Native), Transport::Polling | Transport::Upgraded) => {
                return Err(DriverError::WebsocketOnly(transport));
            }
            (Some(asked), _) => asked,
            (None, Transport::Websocket) => Driver::Native,
            (None, Transport::Polling | Transport::Upgraded) => Driver::RustSocketio,
        };
        let faults = plan
            .actions
            .iter()
            .any(|action| matches!(action.deed, Deed::Cut | Deed::StopReading));
        match driver {
            Driver::RustSocketio if !cfg!(feature = "rust-socketio") => Err(DriverError::NotBuilt),
            Driver::RustSocketio if faults => Err(DriverError::NoFaults),
            Driver::RustSocketio if scenario.delivery.contains(&Delivery::PersistFirst) => {
                Err(DriverError::NoAcks)
            }
            driver => Ok(driver),
        }
    }

    /// Whether it can ask for an acknowledgement of each message.
    pub const fn asks_for_acks(self) -> bool {
        matches!(self, Driver::Native)
    }

    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Driver::Native => "native",
            Driver::RustSocketio => "rust_socketio",
        }
    }
}

/// A connected user of either driver.
#[derive(Clone)]
pub enum Connection {
    /// Of the native one.
    Native(Rc<native::Connection>),
    /// Of the library.
    #[cfg(feature = "rust-socketio")]
    RustSocketio(Rc<rust_socketio::Connection>),
}

/// The half of a connection that [`Connection::run`] consumes.
pub enum Incoming {
    /// Of the native driver.
    Native(native::Incoming),
    /// Of the library.
    #[cfg(feature = "rust-socketio")]
    RustSocketio(rust_socketio::Incoming),
}

impl Connection {
    /// Connects a user, greets with `auth` (a JSON object) and waits for the server's CONNECT.
    ///
    /// # Errors
    /// [`ConnectError`]: nothing listens, no Socket.IO server, refused, or no answer within `patience`.
    pub async fn open(
        driver: Driver,
        user: u32,
        endpoint: &Endpoint,
        auth: &str,
        transport: Transport,
        shared: Rc<Shared>,
        patience: Duration,
    ) -> Result<(Self, Incoming), ConnectError> {
        match driver {
            Driver::Native => {
                let opened = native::Connection::open(user, endpoint, auth, shared, patience);
                let (connection, incoming) = opened.await?;
                Ok((Self::Native(connection), Incoming::Native(incoming)))
            }
            #[cfg(feature = "rust-socketio")]
            Driver::RustSocketio => {
                let clock = shared.clock();
                let opened = rust_socketio::Connection::open(
                    user, endpoint, auth, transport, clock, patience,
                );
                let (connection, incoming) = opened.await?;
                Ok((
                    Self::RustSocketio(connection),
                    Incoming::RustSocketio(incoming),
                ))
            }
            #[cfg(not(feature = "rust-socketio"))]
            Driver::RustSocketio => {
                let _ = transport;
                Err(ConnectError::NotSocketIo(DriverError::NotBuilt.to_string()))
            }
        }
    }

    /// Hands everything to the observer until the connection ends.
    pub async fn run(self, incoming: Incoming, observer: impl Observer) {
        match (self, incoming) {
            (Self::Native(connection), Incoming::Native(incoming)) => {
                connection.run(incoming, observer).await;
            }
            #[cfg(feature = "rust-socketio")]
            (Self::RustSocketio(connection), Incoming::RustSocketio(incoming)) => {
                connection.run(incoming, observer).await;
            }
            // Both halves come from one `open`.
            #[cfg(feature = "rust-socketio")]
            _ => {}
        }
    }

    /// For what only the native one does, as [`Driver::choose`] makes sure, or needs: the library looks after heartbeats
    /// itself.
    pub fn native(&self) -> Option<&native::Connection> {
        match self {
            Self::Native(connection) => Some(connection),
            #[cfg(feature = "rust-socketio")]
            Self::RustSocketio(_) => None,
        }
    }
}

impl Client for Connection {
    fn emit(&self, event: &str, payload: &str, ack: Option<u64>) {
        match self {
            Self::Native(connection) => connection.emit(event, payload, ack),
            #[cfg(feature = "rust-socketio")]
            Self::RustSocketio(connection) => connection.emit(event, payload, ack),
        }
    }

    fn close(&self) {
        match self {
            Self::Native(connection) => connection.close(),
            #[cfg(feature = "rust-socketio")]
            Self::RustSocketio(connection) => connection.close(),
        }
    }
}

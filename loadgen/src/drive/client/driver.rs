//! Which client a worker drives, behind one door.

use std::{rc::Rc, time::Duration};

use serde::{Deserialize, Serialize};

#[cfg(feature = "rust-socketio")]
use super::rust_socketio;
use super::{
    Observer,
    native::{self, Shared},
};
use crate::{
    dial::{Caller, Endpoint, Target},
    drive::{Client, ConnectError},
    model::{Delivery, Nanos},
    plan::{Deed, Plan},
    scenario::{Scenario, Transport},
};

/// A client driver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Driver {
    /// This program's own: every transport, cheap enough to measure with.
    #[default]
    Native,
    /// The `rust_socketio` crate, for cross-checks.
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
    /// What only the native client can do.
    #[error(
        "the rust_socketio client can't cut a TCP connection or stop reading, and this scenario does (`cuts`, `stalls`, `[[faults]]`)"
    )]
    NoFaults,
    /// What only an acknowledgement says.
    #[error(
        "the rust_socketio client asks for no acknowledgements of messages, and with persist-first delivery nothing else says that a message is stored"
    )]
    NoAcks,
    /// What of a target only the native client can be told.
    #[error(
        "the rust_socketio client can't be told {0}: leave it out, or measure with the native client"
    )]
    Untold(&'static str),
}

impl Driver {
    /// The driver of a scenario: the one that was asked for, or else the native one.
    ///
    /// # Errors
    /// [`DriverError`]: it can't do what the scenario asks for, or is not part of this build.
    pub fn choose(
        asked: Option<Driver>,
        scenario: &Scenario,
        plan: &Plan,
        target: Option<&Target>,
    ) -> Result<Driver, DriverError> {
        let driver = asked.unwrap_or_default();
        let mut actions = plan.actions.iter();
        let mut broken = plan.faults.iter();
        let faults = actions.any(|action| matches!(action.deed, Deed::Cut | Deed::StopReading))
            || broken.any(|fault| fault.damage.ends_connections());
        let untold = target.and_then(Target::only_for_native);
        match (driver, untold) {
            (Driver::Native, _) => Ok(driver),
            (_, Some(what)) => Err(DriverError::Untold(what)),
            _ if !cfg!(feature = "rust-socketio") => Err(DriverError::NotBuilt),
            _ if faults => Err(DriverError::NoFaults),
            _ if scenario.delivery.contains(&Delivery::PersistFirst) => Err(DriverError::NoAcks),
            _ => Ok(driver),
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
    /// Of the native one, over a WebSocket.
    Native(Rc<native::Connection>),
    /// Of the native one, over polling.
    Polling(Rc<native::Polling>),
    /// Of the library.
    #[cfg(feature = "rust-socketio")]
    RustSocketio(Rc<rust_socketio::Connection>),
}

/// The half of a connection that [`Connection::run`] consumes.
pub enum Incoming {
    /// Of the native driver, over a WebSocket.
    Native(native::Incoming),
    /// Of the native driver, over polling.
    Polling(native::Polled),
    /// Of the library.
    #[cfg(feature = "rust-socketio")]
    RustSocketio(rust_socketio::Incoming),
}

impl Connection {
    /// Connects a user, says what it has to say in the CONNECT, and waits for the server's.
    ///
    /// # Errors
    /// [`ConnectError`]: nothing listens, no Socket.IO server, refused, or no answer within `patience`.
    pub async fn open(
        driver: Driver,
        endpoint: &Endpoint,
        caller: Caller,
        transport: Transport,
        shared: Rc<Shared>,
        patience: Duration,
    ) -> Result<(Self, Incoming), ConnectError> {
        match driver {
            Driver::Native => {
                let opened = Self::open_native(endpoint, caller, transport, shared);
                tokio::time::timeout(patience, opened)
                    .await
                    .unwrap_or(Err(ConnectError::TimedOut(patience)))
            }
            #[cfg(feature = "rust-socketio")]
            Driver::RustSocketio => {
                let clock = shared.clock();
                let opened =
                    rust_socketio::Connection::open(endpoint, &caller, transport, clock, patience);
                let (connection, incoming) = opened.await?;
                Ok((
                    Self::RustSocketio(connection),
                    Incoming::RustSocketio(incoming),
                ))
            }
            #[cfg(not(feature = "rust-socketio"))]
            Driver::RustSocketio => {
                Err(ConnectError::NotSocketIo(DriverError::NotBuilt.to_string()))
            }
        }
    }

    async fn open_native(
        endpoint: &Endpoint,
        caller: Caller,
        transport: Transport,
        shared: Rc<Shared>,
    ) -> Result<(Self, Incoming), ConnectError> {
        let (connection, incoming) = match transport {
            Transport::Websocket => native::Connection::open(endpoint, &caller, shared).await?,
            Transport::Upgraded => native::open_upgraded(endpoint, caller, shared).await?,
            Transport::Polling => {
                let (polling, polled) = native::Polling::open(endpoint, caller, &shared).await?;
                return Ok((Self::Polling(polling), Incoming::Polling(polled)));
            }
        };
        Ok((Self::Native(connection), Incoming::Native(incoming)))
    }

    /// Hands everything to the observer until the connection ends.
    pub async fn run(self, incoming: Incoming, observer: impl Observer) {
        match (self, incoming) {
            (Self::Native(connection), Incoming::Native(incoming)) => {
                connection.run(incoming, observer).await;
            }
            (Self::Polling(polling), Incoming::Polling(polled)) => {
                polling.run(polled, observer).await;
            }
            #[cfg(feature = "rust-socketio")]
            (Self::RustSocketio(connection), Incoming::RustSocketio(incoming)) => {
                connection.run(incoming, observer).await;
            }
            // Both halves come from one `open`.
            _ => {}
        }
    }

    /// Ends the connection if the server's heartbeat is overdue at `now`: to be called now and then. The library looks
    /// after that itself.
    pub fn check_heartbeat(&self, now: Nanos, observer: &impl Observer) {
        match self {
            Self::Native(native) => native.check_heartbeat(now, observer),
            Self::Polling(polling) => polling.check_heartbeat(now, observer),
            #[cfg(feature = "rust-socketio")]
            Self::RustSocketio(_) => {}
        }
    }

    /// Cuts the TCP connection without a goodbye (native only, see [`Driver::choose`]).
    pub fn cut(&self) {
        match self {
            Self::Native(native) => native.cut(),
            Self::Polling(polling) => polling.cut(),
            #[cfg(feature = "rust-socketio")]
            Self::RustSocketio(_) => {}
        }
    }

    /// Stops reading (native only, see [`Driver::choose`]).
    pub fn pause(&self) {
        match self {
            Self::Native(native) => native.pause(),
            Self::Polling(polling) => polling.pause(),
            #[cfg(feature = "rust-socketio")]
            Self::RustSocketio(_) => {}
        }
    }

    /// Reads again (native only, see [`Driver::choose`]).
    pub fn resume(&self) {
        match self {
            Self::Native(native) => native.resume(),
            Self::Polling(polling) => polling.resume(),
            #[cfg(feature = "rust-socketio")]
            Self::RustSocketio(_) => {}
        }
    }
}

impl Client for Connection {
    fn emit(&self, event: &str, payload: &str, ack: Option<u64>) {
        match self {
            Self::Native(connection) => connection.emit(event, payload, ack),
            Self::Polling(polling) => polling.emit(event, payload, ack),
            #[cfg(feature = "rust-socketio")]
            Self::RustSocketio(connection) => connection.emit(event, payload, ack),
        }
    }

    fn close(&self) {
        match self {
            Self::Native(connection) => connection.close(),
            Self::Polling(polling) => polling.close(),
            #[cfg(feature = "rust-socketio")]
            Self::RustSocketio(connection) => connection.close(),
        }
    }
}

//! One login: what the server keeps for a Socket.IO socket, and how a packet gets to it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde_json::value::RawValue;
use socketioxide::{SendError, SocketError, extract::SocketRef};
use tokio::sync::oneshot;

use crate::{
    limits::{AddressSlot, TokenBucket},
    listener::Connection,
    socket_manager::{SocketId, User},
};

/// How long a cut-off client with a session of its own, and no connection to end, is asked again to leave.
const RETRY_DISCONNECT: Duration = Duration::from_millis(250);
/// How long the farewell may take to be written before the connection ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// One login, from the handshake to the disconnect.
#[derive(Debug)]
pub struct Session {
    /// The public id of its socket.
    pub id: SocketId,
    /// Who logged in.
    pub user: Arc<User>,
    /// The TCP connection, where the session has one of its own: a WebSocket from the start.
    connection: Option<Arc<Connection>>,
    life: Mutex<Life>,
    cut_off: AtomicBool,
    bucket: Option<Mutex<TokenBucket>>,
    /// Ends when the message before has been delivered: the order of one sender in `persist-first`.
    previous: Mutex<Option<oneshot::Receiver<()>>>,
    /// Frees its place under the limit per address.
    _slot: Option<AddressSlot>,
}

/// Where a login is in its life. It is known to the socket manager while it is `Live`, and only then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Let in; the client has not been told yet.
    New,
    /// Connected.
    Live,
    /// Disconnected.
    Gone,
}

impl Session {
    /// A login that was just let in.
    #[must_use]
    pub fn new(
        user: Arc<User>,
        connection: Option<Arc<Connection>>,
        bucket: Option<TokenBucket>,
        slot: Option<AddressSlot>,
    ) -> Self {
        Self {
            id: SocketId(rand::random()),
            user,
            connection,
            life: Mutex::new(Life::New),
            cut_off: AtomicBool::new(false),
            bucket: bucket.map(Mutex::new),
            previous: Mutex::new(None),
            _slot: slot,
        }
    }

    /// Its life, locked: so a login and a disconnect at the same moment leave nothing behind.
    pub fn life(&self) -> parking_lot::MutexGuard<'_, Life> {
        self.life.lock()
    }

    /// Whether one more event is within the limit.
    #[must_use]
    pub fn may_send(&self) -> bool {
        self.bucket
            .as_ref()
            .is_none_or(|bucket| bucket.lock().take(Instant::now()))
    }

    /// Takes a place in this sender's order of deliveries.
    #[must_use]
    pub fn queue_up(&self) -> Turn {
        let (done, next) = oneshot::channel();
        Turn {
            previous: self.previous.lock().replace(next),
            _done: done,
        }
    }
}

/// A place in one sender's order. Dropping it lets the next one go.
#[derive(Debug)]
pub struct Turn {
    previous: Option<oneshot::Receiver<()>>,
    _done: oneshot::Sender<()>,
}

impl Turn {
    /// Waits until everything before has been delivered or given up.
    pub async fn come(&mut self) {
        if let Some(previous) = self.previous.take() {
            // It is dropped, never sent: an error is the signal.
            let _done = previous.await;
        }
    }
}

/// Somebody who gets packets: the login and its socket.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// The login.
    pub session: Arc<Session>,
    /// The socket.
    pub socket: SocketRef,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The connection has it.
    Queued,
    /// The client has gone, or is being cut off.
    Gone,
    /// The client's send buffer is full: the packet is lost, and the client must not stay.
    Overflow,
}

impl Recipient {
    /// Hands an event to the socket's connection. Never waits.
    #[must_use]
    pub fn emit(&self, event: &str, payload: &RawValue) -> Sent {
        if self.session.cut_off.load(Ordering::Relaxed) {
            // What comes after a gap must not be delivered either.
            return Sent::Gone;
        }
        sent(self.socket.emit(event, payload))
    }

    /// Marks the login as cut off; true for the first who does.
    #[must_use]
    pub fn mark_cut_off(&self) -> bool {
        !self.session.cut_off.swap(true, Ordering::Relaxed)
    }

    /// Ends a client whose buffer is full, as fast as its transport allows.
    pub fn kill(&self) {
        if let Some(connection) = &self.session.connection {
            connection.kill();
            return;
        }
        // A polling session has no connection of its own, and one that was upgraded has another than it began with.
        // It can be told as soon as there is room for the farewell; if there never is, its heartbeat, which needs
        // room too, or the TCP timeout ends it.
        let socket = self.socket.clone();
        tokio::spawn(async move {
            while socket.connected() && socket.clone().disconnect().is_err() {
                tokio::time::sleep(RETRY_DISCONNECT).await;
            }
        });
    }

    /// Ends a client that is to read what it was told before.
    pub async fn dismiss(self) {
        if self.socket.connected() && self.socket.clone().disconnect().is_err() {
            self.kill();
            return;
        }
        tokio::time::sleep(FAREWELL).await;
        if let Some(connection) = &self.session.connection {
            connection.kill();
        }
    }
}

/// What a result of the library says about a packet.
#[must_use]
pub fn sent(result: Result<(), SendError>) -> Sent {
    match result {
        Ok(()) => Sent::Queued,
        Err(SendError::Socket(SocketError::InternalChannelFull)) => Sent::Overflow,
        // Our payloads always encode.
        Err(SendError::Socket(SocketError::Closed) | SendError::Serialize(_)) => Sent::Gone,
    }
}

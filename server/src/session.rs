//! One login: what the server keeps for a Socket.IO socket, and how a packet gets to it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::value::RawValue;
use socketioxide::extract::SocketRef;
use tokio::{sync::oneshot, time::Instant};

use crate::{
    limits::AddressSlot,
    line::Line,
    pace::{Flood, Pace},
    packet::{Asked, Shared, sent},
    socket_manager::{SocketId, User},
};

/// How long a client may take to read what waits for it before its farewell, and then its farewell.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(20);

/// How long a client that sends too much is not listened to, at once.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Repetitions of messages on their way that one login may wait for.
const REPETITIONS: usize = 256;

/// One login, from the handshake to the disconnect.
#[derive(Debug)]
pub struct Session {
    /// The public id of its socket.
    pub id: SocketId,
    /// Who logged in.
    pub user: Arc<User>,
    /// The Engine.IO session that it is on; none in a bench.
    line: Option<Arc<Line>>,
    life: Mutex<Life>,
    cut_off: AtomicBool,
    pace: Option<Mutex<Pace>>,
    /// Ends when the message before has been delivered: the order of one sender in `persist-first`.
    previous: Mutex<Option<oneshot::Receiver<()>>>,
    /// Its repetitions of messages that are still on their way.
    repetitions: AtomicUsize,
    /// Its joins that wait for the bus.
    joins: AtomicUsize,
    /// Its place under the limit per address, until it ends: what was delivered may keep the rest of it for much longer.
    place: Mutex<Option<AddressSlot>>,
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
        line: Option<Arc<Line>>,
        pace: Option<Pace>,
        place: Option<AddressSlot>,
    ) -> Self {
        Self {
            id: SocketId(rand::random()),
            user,
            line,
            life: Mutex::new(Life::New),
            cut_off: AtomicBool::new(false),
            pace: pace.map(Mutex::new),
            previous: Mutex::new(None),
            repetitions: AtomicUsize::new(0),
            joins: AtomicUsize::new(0),
            place: Mutex::new(place),
        }
    }

    /// Its life, locked: so a login and a disconnect at the same moment leave nothing behind.
    pub fn life(&self) -> parking_lot::MutexGuard<'_, Life> {
        self.life.lock()
    }

    /// Frees its place under the limit per address: it has ended.
    pub fn free_place(&self) {
        drop(self.place.lock().take());
    }

    /// Takes one more event within the limit.
    ///
    /// # Errors
    /// It is over the limit. Nothing is read from it for a while if it sends on.
    pub fn take_event(&self) -> Result<(), Flood> {
        let Some(pace) = &self.pace else {
            return Ok(());
        };
        let line = self.line.as_ref();
        let traffic = line.map(|line| line.traffic()).unwrap_or_default();
        pace.lock()
            .take(Instant::now(), traffic)
            .inspect_err(|flood| {
                if let Some(line) = line {
                    line.pause(flood.wait, LONGEST_PAUSE);
                }
            })
    }

    /// The Engine.IO session that it is on.
    #[must_use]
    pub const fn line(&self) -> Option<&Arc<Line>> {
        self.line.as_ref()
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

    /// Lets a repetition wait for a message that is still on its way; not where as many wait as may.
    #[must_use]
    pub fn wait_for_first(self: &Arc<Self>) -> Option<Waiting> {
        self.wait(|session| &session.repetitions, REPETITIONS)
    }

    /// Lets a join wait for the bus; not where `most` wait already.
    #[must_use]
    pub fn wait_for_bus(self: &Arc<Self>, most: usize) -> Option<Waiting> {
        self.wait(|session| &session.joins, most)
    }

    fn wait(self: &Arc<Self>, of: fn(&Self) -> &AtomicUsize, most: usize) -> Option<Waiting> {
        let take = |waiting| (waiting < most).then_some(waiting + 1);
        of(self)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .ok()?;
        Some(Waiting {
            session: Arc::clone(self),
            of,
        })
    }
}

/// An event of a login that waits, in a task of its own. Dropping it makes room for another.
#[derive(Debug)]
pub struct Waiting {
    session: Arc<Session>,
    /// The count that it is in.
    of: fn(&Session) -> &AtomicUsize,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        (self.of)(&self.session).fetch_sub(1, Ordering::Relaxed);
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
    pub fn emit(&self, event: &'static str, payload: &Shared<'_>) -> Sent {
        if self.session.cut_off.load(Ordering::Relaxed) {
            // What comes after a gap must not be delivered either.
            return Sent::Gone;
        }
        match &self.session.line {
            Some(line) => line.push_event(&self.socket, event, payload),
            None => sent(self.socket.emit(event, payload.raw())),
        }
    }

    /// Answers an event that wants an answer. Never waits.
    #[must_use]
    pub fn answer(&self, asked: Asked, payload: Box<RawValue>) -> Sent {
        if self.session.cut_off.load(Ordering::Relaxed) || *self.session.life() == Life::Gone {
            // The library sends an answer also after a logout: to whoever has logged in since, on the same connection.
            return Sent::Gone;
        }
        match &self.session.line {
            Some(line) => line.push_ack(&self.socket, asked, payload),
            None => sent(asked.sender.send(&*payload)),
        }
    }

    /// Marks the login as cut off; true for the first who does.
    #[must_use]
    pub fn mark_cut_off(&self) -> bool {
        !self.session.cut_off.swap(true, Ordering::Relaxed)
    }

    /// Ends a client that must not stay, as fast as its transport allows: a WebSocket at once, and one that polls is
    /// told with its next poll.
    pub fn kill(&self) {
        let Some(line) = &self.session.line else {
            return;
        };
        line.forget_packets();
        if line.is_websocket() || self.socket.clone().disconnect().is_err() {
            line.cut();
        }
    }

    /// Ends a client that is to read what it was told before.
    pub async fn dismiss(self) {
        if let Some(line) = &self.session.line {
            // What waits was sent before the farewell, and must not come after it.
            let drained = async {
                while self.socket.connected() && line.progress().1 > 0 {
                    tokio::time::sleep(LOOK).await;
                }
            };
            if tokio::time::timeout(FAREWELL, drained).await.is_err() {
                self.kill();
                return;
            }
        }
        if self.socket.connected() && self.socket.clone().disconnect().is_err() {
            self.kill();
            return;
        }
        tokio::time::sleep(FAREWELL).await;
        // Somebody may have logged in on the same connection since.
        if let Some(line) = &self.session.line
            && !line.has_login()
        {
            line.cut();
        }
    }
}

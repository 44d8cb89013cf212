//! One Engine.IO session as we see it: the way out of it, who is logged in on it, and the connection that carries it.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use socketioxide::extract::SocketRef;
use tokio::time::Instant;

use crate::{
    lines::Lines,
    listener::Connection,
    outbox::{Offer, Outbox},
    outgoing::Opening,
    pace::Traffic,
    packet::{Asked, Packet, Shared, sent},
    session::{Life, Sent, Session},
};

/// How long the library gets to say why a connection has ended, before its logins are ended without a reason.
const REASON_WITHIN: Duration = Duration::from_millis(100);
/// Bytes of names of namespaces that one session may ask for: the library repeats each in its answer.
const FOREIGN_NAMESPACES: usize = 16 * 1024;

/// An Engine.IO session. The request that began it owns it, and so does what carries it; when it is dropped, the
/// library has forgotten the session.
pub struct Line {
    id: u64,
    lines: Arc<Lines>,
    state: Mutex<State>,
    way: Mutex<Way>,
    /// Nothing is read from it before.
    paused_until: Mutex<Option<Instant>>,
    /// What came, if anybody wants to know.
    traffic: Mutex<Option<Traffic>>,
    posting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    sid: Option<Box<str>>,
    /// The WebSocket that carries it, or will as soon as its upgrade is done.
    socket: Option<Weak<Connection>>,
    login: Option<Login>,
    asked_foreign: usize,
    has_ended: bool,
}

struct Login {
    session: Arc<Session>,
    socket: SocketRef,
    end: Box<dyn FnOnce() + Send>,
    /// The library did not know it when it was asked last.
    is_missing: bool,
}

/// What waits for the client, and where what does not wait goes.
struct Way {
    outbox: Outbox<Packet>,
    /// How many packets of those in flight the library has. Ours must not overtake them.
    in_library: usize,
    /// The WebSocket that carries it, or will as soon as its upgrade is done.
    socket: Weak<Connection>,
}

impl Way {
    /// The connection, if packets may go to it beside the library.
    fn beside(&self) -> Option<Arc<Connection>> {
        if self.in_library > 0 {
            return None;
        }
        self.socket
            .upgrade()
            .filter(|connection| connection.is_open())
    }

    /// Notes what became of a packet that was handed on.
    fn note(&mut self, sent: Sent, bytes: usize, through_library: bool) -> Sent {
        if sent == Sent::Queued {
            self.outbox.handed(bytes);
            self.in_library += usize::from(through_library);
        }
        sent
    }

    /// Hands an event on.
    fn emit(&mut self, socket: &SocketRef, name: &'static str, payload: &Shared<'_>) -> Sent {
        let bytes = payload.raw().get().len();
        match self.beside() {
            Some(connection) => {
                let sent = hand(&connection, socket, || payload.frame(name));
                self.note(sent, bytes, false)
            }
            None => self.note(sent(socket.emit(name, payload.raw())), bytes, true),
        }
    }

    /// Hands a packet on.
    fn send(&mut self, packet: Packet, bytes: usize) -> Sent {
        match self.beside() {
            Some(connection) => {
                let sent = hand(&connection, packet.socket(), || packet.frame());
                self.note(sent, bytes, false)
            }
            None => self.note(packet.send(), bytes, true),
        }
    }
}

/// Hands a packet to the connection, unless the login has ended that it is for.
fn hand(connection: &Arc<Connection>, socket: &SocketRef, frame: impl FnOnce() -> Bytes) -> Sent {
    if !socket.connected() {
        return Sent::Gone;
    }
    connection.hand(frame());
    Sent::Queued
}

impl Line {
    /// A session that was just asked for. [`Lines::open`] makes them known.
    pub(crate) fn new(id: u64, lines: Arc<Lines>) -> Self {
        let outbox = Outbox::new(lines.bounds(), Arc::clone(lines.memory()));
        Self {
            id,
            lines,
            state: Mutex::default(),
            way: Mutex::new(Way {
                outbox,
                in_library: 0,
                socket: Weak::new(),
            }),
            paused_until: Mutex::new(None),
            traffic: Mutex::new(None),
            posting: tokio::sync::Mutex::new(()),
        }
    }

    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn set_sid(&self, sid: &str) {
        self.state.lock().sid = Some(sid.into());
    }

    /// From now on this WebSocket carries it. False if another one does. `opening` is what the library writes on it once
    /// packets may go beside it.
    #[must_use]
    pub fn attach(self: &Arc<Self>, connection: &Arc<Connection>, opening: Opening) -> bool {
        let mut state = self.state.lock();
        let taken = state.has_ended || state.socket.is_some();
        if !taken {
            state.socket = Some(Arc::downgrade(connection));
            self.way.lock().socket = Arc::downgrade(connection);
            connection.carry(Arc::clone(self), opening);
        }
        !taken
    }

    /// Whether a WebSocket carries it, or is about to.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        self.state.lock().socket.is_some()
    }

    /// Somebody logged in on it; `end` is called when it ends before they log out. False if it has ended already.
    #[must_use]
    pub fn log_in(
        &self,
        session: &Arc<Session>,
        socket: &SocketRef,
        end: impl FnOnce() + Send + 'static,
    ) -> bool {
        let login = Login {
            session: Arc::clone(session),
            socket: socket.clone(),
            end: Box::new(end),
            is_missing: false,
        };
        let replaced = {
            let mut state = self.state.lock();
            if state.has_ended {
                return false;
            }
            if let Some(connection) = state.socket.as_ref().and_then(Weak::upgrade) {
                connection.await_login();
            }
            state.login.replace(login)
        };
        // The library lets one in at a time, so there is none. If there were, it would stay for ever.
        if let Some(replaced) = replaced {
            (replaced.end)();
        }
        self.lines.is_known(self.id);
        true
    }

    /// Somebody logged out, or was not let in after all. Without a login it may not stay for long.
    pub fn log_out(&self, session: &Session) {
        let (login, has_ended) = {
            let mut state = self.state.lock();
            let login = state
                .login
                .take_if(|login| std::ptr::eq(&*login.session, session));
            (login, state.has_ended)
        };
        if login.is_some() && !has_ended {
            self.lines.is_strange(self.id);
        }
    }

    /// Whether anybody is logged in on it.
    #[must_use]
    pub fn has_login(&self) -> bool {
        self.state.lock().login.is_some()
    }

    /// Whether anybody is there to take what was sent: a login that has begun and not ended.
    #[must_use]
    pub fn is_live(&self) -> bool {
        let session = {
            let state = self.state.lock();
            state.login.as_ref().map(|login| Arc::clone(&login.session))
        };
        session.is_some_and(|session| *session.life() == Life::Live)
    }

    /// Whether the library has forgotten its login, asked for the second time.
    pub(crate) fn is_forgotten(
        &self,
        known: impl FnOnce(&SocketRef, &Arc<Session>) -> bool,
    ) -> bool {
        let Some((socket, session)) = self
            .state
            .lock()
            .login
            .as_ref()
            .map(|login| (login.socket.clone(), Arc::clone(&login.session)))
        else {
            return false;
        };
        let is_missing = !known(&socket, &session);
        match &mut self.state.lock().login {
            Some(login) if Arc::ptr_eq(&login.session, &session) => {
                std::mem::replace(&mut login.is_missing, is_missing) && is_missing
            }
            _ => false,
        }
    }

    /// Ends it at once, whatever waits in it. What becomes of it: [`Self::connection_ended`] for a WebSocket, and for
    /// polling the library is told that the client has closed it.
    pub fn cut(&self) {
        self.close_outbox();
        let (socket, sid) = {
            let state = self.state.lock();
            (state.socket.clone(), state.sid.clone())
        };
        match (socket.and_then(|socket| socket.upgrade()), sid) {
            (Some(connection), _) => connection.kill(),
            (None, Some(sid)) => self.lines.close(sid),
            (None, None) => {}
        }
    }

    /// Forgets what waits, for a login that must not stay, and counts it.
    pub fn forget_packets(&self) {
        let lost = self.way.lock().outbox.clear();
        self.lines.count_lost(lost);
    }

    fn close_outbox(&self) {
        let lost = self.way.lock().outbox.close();
        self.lines.count_lost(lost);
    }

    /// The WebSocket that carried it is gone, and so is everybody on it: at once where the library says why, and
    /// otherwise a moment later.
    pub(crate) fn connection_ended(self: Arc<Self>) {
        {
            let mut state = self.state.lock();
            state.has_ended = true;
            state.socket = None;
        }
        self.lines.is_known(self.id);
        self.close_outbox();
        if !self.has_login() {
            return;
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    tokio::time::sleep(REASON_WITHIN).await;
                    self.end();
                });
            }
            Err(_) => self.end(),
        }
    }

    /// Ends its login, for which nobody else did.
    pub(crate) fn end(&self) {
        let login = {
            let mut state = self.state.lock();
            state.has_ended = true;
            state.login.take()
        };
        if let Some(login) = login {
            (login.end)();
        }
    }

    /// Hands an event to the client, or keeps it until there is room. Never waits.
    #[must_use]
    pub fn push_event(&self, socket: &SocketRef, name: &'static str, payload: &Shared<'_>) -> Sent {
        let bytes = payload.raw().get().len();
        let mut way = self.way.lock();
        match way.outbox.offer(bytes) {
            Offer::Now => way.emit(socket, name, payload),
            Offer::Later => {
                let packet = Packet::Event {
                    socket: socket.clone(),
                    name,
                    payload: payload.copy(),
                };
                way.outbox.wait(packet, bytes);
                Sent::Queued
            }
            refused => self.refused(refused),
        }
    }

    /// Answers an event of this socket, or keeps the answer until there is room. Never waits.
    #[must_use]
    pub fn push_ack(&self, socket: &SocketRef, asked: Asked, payload: Box<RawValue>) -> Sent {
        let bytes = payload.get().len();
        let packet = Packet::Ack {
            socket: socket.clone(),
            asked,
            payload,
        };
        let mut way = self.way.lock();
        match way.outbox.offer(bytes) {
            Offer::Now => way.send(packet, bytes),
            Offer::Later => {
                way.outbox.wait(packet, bytes);
                Sent::Queued
            }
            refused => self.refused(refused),
        }
    }

    fn refused(&self, offer: Offer) -> Sent {
        match offer {
            Offer::Closed => Sent::Gone,
            Offer::MemoryFull => {
                self.lines.memory_is_full();
                Sent::Overflow
            }
            _ => Sent::Overflow,
        }
    }

    /// The library's connection has taken so many packets: there is room for others.
    pub fn taken(&self, packets: usize) {
        self.taken_of_both(packets, 0);
    }

    /// The connection has taken so many packets of the library, and so many that went beside it.
    pub(crate) fn taken_of_both(&self, of_library: usize, ours: usize) {
        if of_library + ours == 0 {
            return;
        }
        let (mut lost, mut is_full) = (0, false);
        {
            let mut way = self.way.lock();
            way.in_library = way.in_library.saturating_sub(of_library);
            way.outbox.taken(of_library + ours);
            while let Some((packet, bytes)) = way.outbox.pop() {
                let sent = way.send(packet, bytes);
                lost += usize::from(sent != Sent::Queued);
                is_full |= sent == Sent::Overflow;
            }
        }
        self.lines.count_lost(lost);
        // The library's own packets have filled its buffer, which takes a client that means it.
        if is_full {
            self.cut();
        }
    }

    /// How many packets it has taken since its beginning, and how many it has not.
    pub(crate) fn progress(&self) -> (u64, usize) {
        let way = self.way.lock();
        (way.outbox.taken_so_far(), way.outbox.untaken())
    }

    /// Asks for another namespace than ours, with a packet of so many bytes. False if that was too often.
    #[must_use]
    pub fn may_ask_foreign(&self, bytes: usize) -> bool {
        let mut state = self.state.lock();
        state.asked_foreign = state.asked_foreign.saturating_add(bytes);
        state.asked_foreign <= FOREIGN_NAMESPACES
    }

    /// From now on what comes is counted.
    pub fn count_traffic(&self) {
        self.traffic.lock().get_or_insert_default();
    }

    /// So many bytes were read; `waiting` says how many wait to be.
    pub fn received(&self, read: usize, waiting: impl FnOnce() -> u64) {
        if let Some(traffic) = &mut *self.traffic.lock() {
            traffic.read += read as u64;
            traffic.arrived = traffic.arrived.max(traffic.read + waiting());
        }
    }

    /// What has come since it is counted.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic.lock().unwrap_or_default()
    }

    /// Lets nothing be read from it for `time` more, and for `longest` in all.
    pub fn pause(&self, time: Duration, longest: Duration) {
        let now = Instant::now();
        let mut paused = self.paused_until.lock();
        let from = paused.map_or(now, |until| until.max(now));
        *paused = Some((from + time).min(now + longest));
    }

    /// Until when nothing is to be read from it.
    #[must_use]
    pub fn paused_until(&self) -> Option<Instant> {
        let mut paused = self.paused_until.lock();
        if paused.is_some_and(|until| until <= Instant::now()) {
            *paused = None;
        }
        *paused
    }

    /// Waits until no other request brings packets.
    pub async fn posting(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.posting.lock().await
    }

    /// Waits until something may be read from it.
    pub async fn until_readable(&self) {
        while let Some(until) = self.paused_until() {
            tokio::time::sleep_until(until).await;
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let sid = self.state.get_mut().sid.take();
        self.lines.forget(self.id, sid);
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not its `sid`, which is a session key.
        f.debug_struct("Line")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

//! All Engine.IO sessions: found by their `sid`, bounded without a login, swept when they were forgotten.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use socketioxide::{SocketIo, socket::Sid};
use tokio::{sync::mpsc::UnboundedSender, time::Instant};

use crate::{
    line::Line,
    outbox::{Bounds, SendMemory},
    session::Session,
    telemetry::Telemetry,
};

/// Sessions without a login at most: each costs some kilobytes, and a join storm of some thousands comes at once.
const STRANGERS: usize = 16_384;
/// How often those are looked for that have been without a login for too long.
const SWEEP: Duration = Duration::from_secs(1);
/// Sweeps from one comparison with what the library knows to the next.
const SWEEPS_TO_COMPARE: u32 = 10;
/// The library closes those that never logged in, more politely. It goes first.
const LIBRARY_FIRST: Duration = Duration::from_secs(1);
/// How often it is looked whether everybody has taken what waited.
const LOOK: Duration = Duration::from_millis(2);

/// All Engine.IO sessions of one server.
pub struct Lines {
    bounds: Bounds,
    memory: Arc<SendMemory>,
    login_within: Duration,
    telemetry: Arc<Telemetry>,
    /// Polling sessions for [`crate::front::Front::close_sessions`]. Each is sent once, so what waits in it is bounded
    /// as they are.
    closing: UnboundedSender<Box<str>>,
    known: Mutex<Known>,
    next_id: AtomicU64,
    told_memory: AtomicBool,
}

#[derive(Default)]
struct Known {
    all: HashMap<u64, Weak<Line>>,
    by_sid: HashMap<Box<str>, u64>,
    /// Those without a login, and since when.
    strangers: HashMap<u64, Instant>,
}

/// Sessions that have not taken yet what was sent before some moment, each with how much that was.
#[derive(Debug)]
pub struct Behind(Vec<(Arc<Line>, u64)>);

impl Behind {
    /// Waits until all have taken it.
    pub async fn caught_up(&mut self) {
        loop {
            self.0.retain(|(line, mark)| missing(line, *mark) > 0);
            if self.0.is_empty() {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Cuts off those who still have not: how many they are, and how many packets they miss.
    #[must_use]
    pub fn cut(self) -> (usize, usize) {
        let (mut clients, mut packets) = (0, 0);
        for (line, mark) in self.0 {
            let missing = missing(&line, mark);
            if missing > 0 {
                clients += 1;
                packets += missing;
                line.cut();
            }
        }
        (clients, packets)
    }
}

/// What has not been taken of the packets before a mark. Nothing, if the client has gone or has logged out: what the library
/// holds of a session that nobody polls any more is nobody's loss.
fn missing(line: &Line, mark: u64) -> usize {
    if !line.is_live() {
        return 0;
    }
    let (taken, untaken) = line.progress();
    usize::try_from(mark.saturating_sub(taken)).map_or(untaken, |missing| missing.min(untaken))
}

impl Lines {
    /// No session yet. `closing` gets the `sid` of each polling session that is to be closed.
    #[must_use]
    pub fn new(
        bounds: Bounds,
        memory: usize,
        login_within: Duration,
        telemetry: Arc<Telemetry>,
        closing: UnboundedSender<Box<str>>,
    ) -> Self {
        Self {
            bounds,
            memory: Arc::new(SendMemory::new(memory)),
            login_within,
            telemetry,
            closing,
            known: Mutex::default(),
            next_id: AtomicU64::new(0),
            told_memory: AtomicBool::new(false),
        }
    }

    pub(crate) const fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// What waits in all of them.
    #[must_use]
    pub const fn memory(&self) -> &Arc<SendMemory> {
        &self.memory
    }

    /// A new session, if there are not too many without a login.
    #[must_use]
    pub fn open(self: &Arc<Self>) -> Option<Arc<Line>> {
        let id = self.next_id.fetch_add(1, Relaxed);
        let mut known = self.known.lock();
        if known.strangers.len() >= STRANGERS {
            return None;
        }
        let line = Arc::new(Line::new(id, Arc::clone(self)));
        known.all.insert(id, Arc::downgrade(&line));
        known.strangers.insert(id, Instant::now());
        Some(line)
    }

    /// From now on it is found by this `sid`.
    pub fn name(&self, line: &Line, sid: &str) {
        line.set_sid(sid);
        self.known.lock().by_sid.insert(sid.into(), line.id());
    }

    /// The session with this `sid`, if it is one that began with polling.
    #[must_use]
    pub fn find(&self, sid: &str) -> Option<Arc<Line>> {
        let known = self.known.lock();
        known.all.get(known.by_sid.get(sid)?)?.upgrade()
    }

    /// Somebody is logged in on it, or it has ended: it is not waited for.
    pub(crate) fn is_known(&self, id: u64) {
        self.known.lock().strangers.remove(&id);
    }

    /// Nobody is logged in on it any more.
    pub(crate) fn is_strange(&self, id: u64) {
        self.known.lock().strangers.insert(id, Instant::now());
    }

    pub(crate) fn forget(&self, id: u64, sid: Option<Box<str>>) {
        let mut known = self.known.lock();
        known.all.remove(&id);
        known.strangers.remove(&id);
        if let Some(sid) = sid {
            known.by_sid.remove(&sid);
        }
    }

    /// Has a polling session closed.
    pub(crate) fn close(&self, sid: Box<str>) {
        // Nobody receives once the server is gone, and with it all sessions.
        let _gone = self.closing.send(sid);
    }

    pub(crate) fn count_lost(&self, packets: usize) {
        if packets > 0 {
            self.telemetry.dropped.add(packets as u64);
        }
    }

    pub(crate) fn memory_is_full(&self) {
        self.telemetry.send_memory_full.increment();
        if !self.told_memory.swap(true, Relaxed) {
            tracing::warn!(
                "[Delivery] {} bytes wait for clients, as many as may (--send-memory): those who hold most are \
                 disconnected. This is said once",
                self.memory.held()
            );
        }
    }

    /// Ends sessions that nobody else ends, for as long as it is polled.
    pub async fn sweep(&self, io: &SocketIo) {
        let mut ticks = tokio::time::interval(SWEEP);
        for sweep in 0_u32.. {
            ticks.tick().await;
            self.end_strangers(self.login_within + LIBRARY_FIRST);
            if sweep % SWEEPS_TO_COMPARE == 0 {
                self.end_forgotten(io);
            }
        }
    }

    /// Cuts off those that have been without a login for so long.
    pub fn end_strangers(&self, time: Duration) {
        let overdue: Vec<Arc<Line>> = {
            let known = self.known.lock();
            let overdue = known
                .strangers
                .iter()
                .filter(|(_, since)| since.elapsed() >= time);
            overdue
                .filter_map(|(id, _)| known.all.get(id)?.upgrade())
                .collect()
        };
        for line in overdue {
            self.is_known(line.id());
            self.telemetry.cut.increment("no_login");
            line.cut();
        }
    }

    /// Ends logins that the library does not know. Its callbacks and the connections' ends should have done so.
    fn end_forgotten(&self, io: &SocketIo) {
        for line in self.all() {
            if line.is_forgotten(|socket, session| knows(io, socket.id, session)) {
                self.telemetry.cut.increment("forgotten");
                tracing::warn!("[SocketManager] A login had ended unnoticed, and was removed");
                line.end();
            }
        }
    }

    /// Who has not taken yet what they were sent before now.
    #[must_use]
    pub fn behind(&self) -> Behind {
        let behind = self.all().into_iter().filter_map(|line| {
            let (taken, untaken) = line.progress();
            (untaken > 0).then_some((line, taken + untaken as u64))
        });
        Behind(behind.collect())
    }

    fn all(&self) -> Vec<Arc<Line>> {
        let known = self.known.lock();
        known.all.values().filter_map(Weak::upgrade).collect()
    }
}

/// Whether the library knows this login. One that is being closed is not asked: it has no namespace any more, would panic,
/// and ends all logins anyway.
fn knows(io: &SocketIo, socket: Sid, session: &Arc<Session>) -> bool {
    let Some(chat) = io.of("/") else {
        return true;
    };
    chat.get_socket(socket)
        .and_then(|known| known.extensions.get::<Arc<Session>>())
        .is_some_and(|known| Arc::ptr_eq(&known, session))
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket_manager::User;

    #[tokio::test]
    async fn a_library_that_is_closed_has_forgotten_nobody() {
        let (_, io) = SocketIo::new_layer();
        io.ns("/", async || {});
        let session = Arc::new(Session::new(
            Arc::new(User::unnamed("ann")),
            None,
            None,
            None,
        ));
        assert!(!knows(&io, Sid::new(), &session));
        io.close().await;
        assert!(knows(&io, Sid::new(), &session));
    }
}

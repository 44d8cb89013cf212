//! What a worker is given, what it is told meanwhile, and how far it says it is.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{heard::Heard, request::JoinError, whereabouts::Whereabouts};
use crate::{
    dial::Endpoint,
    drive::{ConnectError, Driver, token::Tokens},
    judge::Promises,
    model::{BodyText, Clock, Nanos, RunId, Vocabulary},
    observed::{Layout, Ledger, Samples},
    plan::{Plan, Share},
    scenario::Transport,
};

/// All that a worker must know.
#[derive(Clone)]
pub struct Job {
    /// Which worker this is.
    pub worker: usize,
    /// The users that it drives.
    pub share: Share,
    /// The processor that its thread is bound to, if it is to be.
    pub cpu: Option<usize>,
    /// What is to be done.
    pub plan: Arc<Plan>,
    /// Where it is noted.
    pub ledger: Arc<Ledger>,
    /// What others may see of it meanwhile.
    pub progress: Arc<Progress>,
    /// The run's clock.
    pub clock: Clock,
    /// Whose messages these are.
    pub run: RunId,
    /// The client that it drives.
    pub driver: Driver,
    /// Over which transport.
    pub transport: Transport,
    /// Where the server is.
    pub endpoint: Endpoint,
    /// Which of several servers each user is on.
    pub whereabouts: Arc<Whereabouts>,
    /// The names that it speaks.
    pub vocabulary: Arc<Vocabulary>,
    /// What the server owes for each message.
    pub promises: Promises,
    /// What users say to be let in.
    pub tokens: Arc<Tokens>,
    /// What bodies are made of.
    pub text: BodyText,
    /// What the recorders keep apart.
    pub layout: Arc<Layout>,
    /// New connections per second of this worker; `None`: as fast as they are accepted.
    pub connect_rate: Option<f64>,
}

/// Whether ends of connections are what the plan's faults make of them, and not the server's fault; of each of several servers by
/// itself, since who is on another one has nothing to be excused.
pub struct Excuse(Box<[OfServer]>);

#[derive(Default)]
struct OfServer {
    /// On the run's clock; [`Nanos::MAX`] as long as a fault lasts, 0 before the first.
    until: AtomicU64,
    /// Since when nothing may have come through that was sent, on the run's clock; [`Nanos::MAX`]: all of it did.
    deaf_since: AtomicU64,
}

impl Excuse {
    /// Of so many servers, none of which is broken yet.
    pub fn of(servers: u16) -> Self {
        Self((0..servers).map(|_| OfServer::default()).collect())
    }

    /// A fault begins that ends connections to these servers, or makes others end them; before that, it may let nothing through.
    pub fn begin(&self, server: Option<u16>, now: Nanos, deaf: bool) {
        let since = if deaf { now } else { Nanos::MAX };
        for one in self.hit(server) {
            // What an earlier fault swallowed is missed on connections that end by the later one, too.
            let earlier = match now < one.until.load(Relaxed) {
                true => one.deaf_since.load(Relaxed),
                false => Nanos::MAX,
            };
            one.deaf_since.store(since.min(earlier), Relaxed);
            one.until.store(Nanos::MAX, Relaxed);
        }
    }

    /// Such a fault of these servers is over; what it began shows until then. `on`: what the faults break that are still on.
    pub fn end(&self, server: Option<u16>, on: &[Option<u16>], until: Nanos) {
        for (number, one) in (0..).zip(&self.0) {
            if hits(server, number) && !on.iter().any(|&other| hits(other, number)) {
                one.until.store(until, Relaxed);
            }
        }
    }

    /// Whether it excuses what happens then to who is on that server; `None`: on any.
    pub fn covers(&self, server: Option<u16>, at: Nanos) -> bool {
        self.hit(server).any(|one| at < one.until.load(Relaxed))
    }

    /// Since when a connection to that server that ends now may have let nothing through.
    pub fn deaf_since(&self, server: u16) -> Option<Nanos> {
        let since = self.hit(Some(server)).next()?.deaf_since.load(Relaxed);
        (since != Nanos::MAX).then_some(since)
    }

    /// One, or all of them.
    fn hit(&self, server: Option<u16>) -> impl Iterator<Item = &OfServer> {
        let servers = (0_u16..).zip(&self.0);
        servers
            .filter(move |(number, _)| hits(server, *number))
            .map(|(_, one)| one)
    }
}

/// Whether the server of that number is the one that is meant; `None`: all of them are.
fn hits(server: Option<u16>, number: u16) -> bool {
    server.is_none_or(|server| server == number)
}

impl Default for Excuse {
    fn default() -> Self {
        Self::of(1)
    }
}

/// Counts of a run that goes on.
#[derive(Default)]
pub struct Progress {
    /// Users who are connected now.
    pub connected: AtomicU64,
    /// Messages sent.
    pub sent: AtomicU64,
    /// Messages that could not be sent, since the sender's connection was gone.
    pub dropped: AtomicU64,
    /// First deliveries, the sender's own copies too.
    pub received: AtomicU64,
    /// First deliveries to others.
    pub delivered: AtomicU64,
    /// First ends (Confirmed or Failed) of a message at a user.
    pub ended: AtomicU64,
    /// Acknowledged messages.
    pub acked: AtomicU64,
    /// Messages whose acknowledgement can't come any more, since their sender's connection is gone.
    pub abandoned: AtomicU64,
    /// Connections that the server or the network ended.
    pub closed: AtomicU64,
    /// Deliveries beyond the first of the same message to the same user.
    pub duplicated: AtomicU64,
    /// Messages that the server told their sender it could not save.
    pub failed: AtomicU64,
    /// What users who read have set about beside sending and not finished: comings, goings, attempts to come back.
    pub deeds: AtomicU64,
    /// Whether connections may end now.
    pub excuse: Excuse,
    /// By fault of the plan: clients that did what it has them do.
    pub struck: Vec<AtomicU64>,
    /// Of each worker, what the layout says is watched, as it was half a second ago at most.
    pub live: Vec<Mutex<Vec<Samples>>>,
    /// Of each worker, what it has heard, as of the same time.
    pub heard: Vec<Mutex<Heard>>,
}

/// What a worker is told to do.
#[derive(Debug, Clone, Copy)]
pub enum Command {
    /// Send on schedule, which begins at this time of the run's clock.
    Start(Nanos),
    /// Close all connections and report.
    Finish,
}

/// How far a worker has come.
pub enum Milestone {
    /// All its users are connected and have joined.
    Ready,
    /// A user can't be connected: the run is over.
    CannotConnect {
        /// The index of the user.
        user: u32,
        /// What the attempt ended with.
        error: ConnectError,
    },
    /// A user is connected and could not join: the run is over.
    CannotJoin {
        /// Its index.
        user: u32,
        /// Why.
        error: JoinError,
    },
    /// Its part of the schedule is sent.
    Sent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_fault_swallowed_is_missed_as_long_as_it_shows() {
        let excuse = Excuse::of(2);
        excuse.begin(Some(0), 15, true);
        // Another one begins before the first is over, and one that swallows nothing.
        excuse.begin(None, 22, true);
        excuse.begin(None, 23, false);
        assert_eq!(excuse.deaf_since(0), Some(15));
        assert_eq!(excuse.deaf_since(1), Some(22));
        excuse.end(None, &[], 37);
        // When nothing shows any more of them, a new one begins anew.
        excuse.begin(None, 37, true);
        assert_eq!(excuse.deaf_since(0), Some(37));
        excuse.end(None, &[], 47);
        excuse.begin(None, 50, false);
        assert_eq!(excuse.deaf_since(0), None);
    }
}

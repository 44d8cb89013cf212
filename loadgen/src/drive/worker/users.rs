//! The users of one worker: who they are, what runs for each of them, and what all of them saw.

mod connecting;
mod deeds;
mod hearing;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    sync::{Mutex, Notify},
    task::{JoinError, JoinSet},
    time::MissedTickBehavior,
};

use super::{Job, cpu::Cpu, dialogue::Dialogue, receipt::Receipts, request::Requests};
use crate::{
    dial::Jar,
    drive::{Client, Connection, client::native::Shared},
    model::{Metric, Nanos, nanos},
    observed::{
        Breaks, Broken, Closed, Entry, Ignored, Observed, Recorded, Refusals, Step, Strays, WINDOW,
    },
    plan::Place,
};

/// How long one user may take to be connected, and to have joined.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// The greatest acknowledgement id that a server with signed 32-bit numbers keeps.
const MOST_ID: u64 = i32::MAX as u64;
/// How often heartbeats are checked and progress is published.
const HOUSEKEEPING: Duration = Duration::from_millis(500);
/// How long all connections together may take to end after their goodbyes.
const GOODBYES: Duration = Duration::from_secs(2);
/// The users of one worker.
pub(super) struct Users {
    pub(super) job: Job,
    dialogue: Rc<Dialogue>,
    shared: Rc<Shared>,
    receipts: RefCell<Option<Receipts>>,
    users: Vec<User>,
    /// What reads each connection until it ends.
    readers: RefCell<JoinSet<()>>,
    /// What users do beside sending.
    deeds: RefCell<JoinSet<()>>,
    /// One of these panicked, and nobody knows what its user would have seen.
    panicked: Cell<bool>,
    next_request: Cell<u64>,
    /// Whether any join was answered so far.
    pub(super) any_answered: Cell<bool>,
    /// Whether an event answers joins, so that events are looked at for it.
    hears_joins: bool,
    log: RefCell<Vec<Entry>>,
    pub(super) broken: RefCell<Breaks>,
    ignored: RefCell<Ignored>,
    cpu: Cpu,
}

pub(super) struct User {
    connection: RefCell<Option<Connection>>,
    /// What it was given by the server and by what stands before it, to be shown again.
    jar: Arc<Jar>,
    /// When it was connected last, on the run's clock.
    connected_at: Cell<Nanos>,
    /// Comings and goings of one user wait for each other.
    pub(super) turn: Mutex<()>,
    /// Whether it belongs to each of its places, connected or not.
    member_of: RefCell<Vec<bool>>,
    pub(super) requests: RefCell<Requests>,
    pub(super) answered: Notify,
    stalled: Cell<Stalled>,
    /// How much it has set about and not finished.
    deeds: Cell<u64>,
    /// Since when it tries to connect in mid-run, on the run's clock.
    connecting: Cell<Option<Nanos>>,
    /// Until when it may fail to come back, from the schedule's start, since a fault of clients struck it; 0: nothing did.
    struck: Cell<Nanos>,
}

/// Whether a user reads what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stalled {
    Never,
    Since(Nanos),
    /// From, to.
    Was(Nanos, Nanos),
}

impl Stalled {
    const fn reads(self) -> bool {
        !matches!(self, Stalled::Since(_))
    }
}

impl User {
    fn new(places: &[Place]) -> Self {
        Self {
            connection: RefCell::default(),
            jar: Arc::default(),
            connected_at: Cell::new(0),
            turn: Mutex::default(),
            member_of: RefCell::new(places.iter().map(|place| place.joined).collect()),
            requests: RefCell::default(),
            answered: Notify::default(),
            stalled: Cell::new(Stalled::Never),
            deeds: Cell::default(),
            connecting: Cell::default(),
            struck: Cell::default(),
        }
    }
}

impl Users {
    pub(super) fn new(job: Job, dialogue: Rc<Dialogue>) -> Self {
        let own = job.share.users(job.plan.users.len());
        Self {
            dialogue,
            shared: Shared::new(job.clock),
            receipts: RefCell::new(Some(Receipts::new(&job))),
            users: own
                .map(|user| User::new(&job.plan.places[user as usize]))
                .collect(),
            readers: RefCell::default(),
            deeds: RefCell::default(),
            panicked: Cell::default(),
            next_request: Cell::new(job.plan.sends.len() as u64),
            any_answered: Cell::default(),
            hears_joins: [&job.vocabulary.room, &job.vocabulary.channel]
                .iter()
                .any(|names| names.joined.is_some()),
            log: RefCell::default(),
            broken: RefCell::default(),
            ignored: RefCell::default(),
            cpu: Cpu::default(),
            job,
        }
    }

    pub(super) fn user(&self, user: u32) -> &User {
        &self.users[self.job.share.place(user)]
    }

    pub(super) fn connection(&self, user: u32) -> Option<Connection> {
        self.user(user).connection.borrow().clone()
    }

    /// Whether a user is connected and belongs to a conversation, as far as it has said itself.
    pub(super) fn can_send(&self, user: u32, conversation: u32) -> bool {
        let state = self.user(user);
        let place = self.job.plan.place(user, conversation);
        state.connection.borrow().is_some()
            && !self.is_stalled(user)
            && place.is_some_and(|place| state.member_of.borrow()[place])
    }

    pub(super) fn with_receipts<T>(&self, each: impl FnOnce(&Receipts) -> T) -> Option<T> {
        self.receipts.borrow().as_ref().map(each)
    }

    pub(super) fn note(&self, user: u32, at: Nanos, step: Step) {
        let entry = Entry { user, at, step };
        self.with_receipts(|receipts| receipts.moved(&entry));
        self.log.borrow_mut().push(entry);
    }

    /// Reads a connection until it ends.
    fn read(&self, reader: impl Future<Output = ()> + 'static) {
        self.begin(&self.readers, reader);
    }

    fn begin(&self, tasks: &RefCell<JoinSet<()>>, task: impl Future<Output = ()> + 'static) {
        self.reap(tasks);
        tasks.borrow_mut().spawn_local(task);
    }

    /// Forgets the tasks that have ended.
    fn reap(&self, tasks: &RefCell<JoinSet<()>>) {
        let mut tasks = tasks.borrow_mut();
        while let Some(ended) = tasks.try_join_next() {
            self.weigh(&ended);
        }
    }

    fn weigh(&self, ended: &Result<(), JoinError>) {
        if ended.as_ref().is_err_and(|error| error.is_panic()) {
            self.panicked.set(true);
        }
    }

    /// Whether anything that was done for a user has panicked.
    pub(super) fn has_panicked(&self) -> bool {
        self.reap(&self.readers);
        self.reap(&self.deeds);
        self.panicked.get()
    }

    /// Acknowledgement ids from here on belong to joins and leaves; those below are message numbers.
    fn first_request(&self) -> u64 {
        self.job.plan.sends.len() as u64
    }

    /// An id for a join or a leave: servers keep 31 bits of it, and none but this user's open requests have one.
    pub(super) fn request_id(&self) -> u64 {
        let id = self.next_request.get();
        let next = match id < MOST_ID {
            true => id + 1,
            false => self.first_request(),
        };
        self.next_request.set(next);
        id
    }

    /// The server has answered a sender's message: in a closed phase its sender thinks of the next one.
    fn reply_to(&self, message: u32, stamp: Nanos) {
        if let Some(at) = self.with_receipts(|receipts| receipts.since_start(stamp)) {
            self.dialogue.acknowledged(message, at);
        }
    }

    fn record(&self, metric: Metric, since: Nanos) {
        let now = self.job.clock.now();
        self.with_receipts(|receipts| receipts.recorder().record(metric, since, now));
    }

    /// A connection is no more, by the doing of this program.
    pub(super) fn gone(&self, user: u32, at: Nanos) {
        self.note(user, at, Step::Gone);
        self.unanswered(user);
    }

    /// A connection is no more, whoever ended it: what its user waited for can't come.
    fn unanswered(&self, user: u32) {
        self.job.progress.connected.fetch_sub(1, Relaxed);
        let now = self.job.clock.now();
        let since_start = self.with_receipts(|receipts| {
            receipts.gone(user);
            receipts.since_start(now)
        });
        if let Some(at) = since_start {
            self.dialogue.gone(user, at);
        }
    }

    /// When a user was connected last, on the run's clock.
    pub(super) fn connected_at(&self, user: u32) -> Nanos {
        self.user(user).connected_at.get()
    }

    /// Counts what is legal and nobody's here.
    pub(super) fn ignore(&self, what: &str) {
        self.ignored.borrow_mut().add(what);
    }

    pub(super) fn tell_broken(&self, user: u32, why: Closed) {
        self.job.progress.closed.fetch_add(1, Relaxed);
        let at = self.job.clock.now();
        self.broken.borrow_mut().add(Broken { at, user, why });
    }

    /// Ends connections whose server is silent, and shows others how far this worker is. It ends when a task has panicked.
    pub(super) async fn housekeeping(self: Rc<Self>) {
        let mut ticks = tokio::time::interval(HOUSEKEEPING);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = self.job.clock.now();
        loop {
            ticks.tick().await;
            if self.has_panicked() {
                return;
            }
            let now = self.job.clock.now();
            // Who was held up itself may not have read yet what the server said meanwhile.
            let in_time = now.saturating_sub(last) < 2 * nanos(HOUSEKEEPING);
            last = now;
            let users = self.users.iter().filter(|_| in_time);
            for user in users {
                let connection = user.connection.borrow().clone();
                if let Some(connection) = connection {
                    connection.check_heartbeat(now, &self);
                }
            }
            self.with_receipts(|receipts| {
                // Measuring never waits for showing: when the reader is there, this turn is skipped.
                if let Some(mine) = self.job.progress.live.get(self.job.worker)
                    && let Ok(mut shown) = mine.try_lock()
                {
                    receipts.recorder().publish(&mut shown);
                }
                if let Some(mine) = self.job.progress.heard.get(self.job.worker)
                    && let Ok(mut shown) = mine.try_lock()
                {
                    receipts.show(&mut shown);
                }
            });
        }
    }

    /// Notes the CPU time of this thread by second of the schedule.
    pub(super) async fn watch_cpu(self: Rc<Self>, start: Nanos) {
        self.cpu.watch(self.job.clock, start).await;
    }

    /// Closes every connection, lets the goodbyes go out, and waits a little for the servers' own.
    pub(super) async fn close_all(&self) {
        for user in &self.users {
            if let Some(connection) = user.connection.take() {
                connection.close();
            }
            tokio::task::yield_now().await;
        }
        let mut readers = self.readers.take();
        let gone = async {
            while let Some(ended) = readers.join_next().await {
                self.weigh(&ended);
            }
        };
        // What is still open then ends with this thread.
        let _ = tokio::time::timeout(GOODBYES, gone).await;
    }

    /// What this worker's users saw.
    pub(super) fn finish(&self) -> Observed {
        let (recorded, strays, refusals) = match self.receipts.take() {
            Some(receipts) => {
                let (recorder, strays, refusals) = receipts.finish();
                (recorder.finish(), strays, refusals)
            }
            None => (
                Recorded::empty(Arc::clone(&self.job.layout)),
                Strays::default(),
                Refusals::default(),
            ),
        };
        let mut cpu = self.cpu.take();
        // It goes on counting while the run drains.
        cpu.truncate(self.job.plan.end().div_ceil(WINDOW) as usize);
        Observed {
            strays,
            refusals,
            presence: self.log.take(),
            broken: self.broken.take(),
            ignored: self.ignored.take(),
            threads: BTreeMap::from([(self.job.share.thread(), cpu)]),
            ..Observed::of(recorded, Arc::clone(&self.job.ledger))
        }
    }
}

//! One simulated world: everything around the server, and what happens in it next.

use std::{
    fmt,
    sync::Arc,
    task::{Poll, Waker},
};

use parking_lot::{Mutex, MutexGuard};
use rand::{SeedableRng as _, rngs::StdRng};
use tokio::time::Instant;

use super::{
    agenda::{Agenda, Lane, Millis, mix},
    database::{CommandId, Database},
    device::{Device, Login, LoginId, Membership},
    disk::Disk,
    faults::{self, Planned},
    ledger::{Ledger, Promise},
    network::{Chunk, ConnectionId, End, Network},
    setup::Setup,
    trace::Trace,
};
use crate::message::Kind;

/// Where people talk.
pub const CONVERSATIONS: [(&str, Kind); 3] = [
    ("r0", Kind::Room),
    ("r1", Kind::Room),
    ("c0", Kind::Channel),
];
/// The users of the devices: one has two, which take turns.
const USERS: [usize; 5] = [0, 1, 2, 3, 0];
/// How long everything may take to end after the last fault: the longest deadline, and settling.
const CALM: Millis = 22_000;
/// How long after everybody has gone the server must have noticed: its heartbeat.
const NOTICED: Millis = 22_000;

/// What happens.
pub enum Event {
    Dialled(ConnectionId),
    ToServer(ConnectionId, Vec<u8>, Vec<u32>),
    ToClient(ConnectionId, Chunk),
    EndedToServer(ConnectionId, End),
    EndedToClient(ConnectionId, End),
    ReadsAgain(ConnectionId),
    UserTimeout(ConnectionId),
    Dials(usize),
    Listens(usize, ConnectionId),
    Acts(usize, LoginId),
    CommandArrives(CommandId),
    CommandRuns(CommandId),
    CommandAnswers(CommandId),
    FaultBegins(usize),
    FaultEnds(usize),
    Watch(u32),
    /// Nobody sends any more, and nothing is wrong any more.
    Quiet,
    /// Everybody goes.
    Leave,
    /// Everybody has gone.
    End,
}

/// What is done to the server's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Kill(Millis),
    Drain(Millis),
    Freeze(Millis),
    /// Whether all has ended that must have.
    CheckEnds,
    /// Whether nothing is left, and then it is told to stop.
    Finish,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub promise: Promise,
    pub how: String,
}

/// A life of the server that is over.
#[derive(Debug, Clone, Copy)]
pub struct PastLife {
    pub ended_at: Millis,
    /// Whether it may have left something in the store that it had told as failed.
    pub has_left: bool,
}

pub struct World {
    pub seed: u64,
    pub now: Millis,
    clock: Option<(Instant, Millis)>,
    is_frozen: bool,
    last_thaw: Option<Millis>,
    agenda: Agenda<Event>,
    driver: Option<Waker>,
    is_stirred: bool,
    pub setup: Setup,
    pub plan: Vec<Planned>,
    pub network: Network,
    pub devices: Vec<Device>,
    pub logins: Vec<Login>,
    pub database: Database,
    pub disk: Disk,
    pub ledger: Ledger,
    pub trace: Trace,
    pub order: Option<Order>,
    pub life: u32,
    pub past_lives: Vec<PastLife>,
    pub is_serving: bool,
    /// When the server was told to stop.
    pub draining_since: Option<Millis>,
    pub is_quiet: bool,
    pub is_over: bool,
    pub broken: Option<Broken>,
}

/// The world, shared with the server's ends of it.
pub struct Universe {
    world: Mutex<World>,
    pub rng: Mutex<StdRng>,
}

impl Universe {
    pub fn new(seed: u64, length: Millis) -> Arc<Self> {
        let rng = |label: u64| StdRng::seed_from_u64(mix(&[seed, label]));
        let setup = Setup::draw(&mut rng(1));
        let devices: Vec<Device> = USERS
            .iter()
            .enumerate()
            .map(|(number, user)| Device::new(seed, number, *user, setup.gap))
            .collect();
        let plan = faults::draw(&mut rng(2), devices.len(), 1_000, length);
        let mut agenda = Agenda::new(seed);
        for (number, planned) in plan.iter().enumerate() {
            agenda.push(planned.at, Lane::Plan, Event::FaultBegins(number));
        }
        for number in 0..devices.len() {
            // The second device of a user comes later.
            let at = if number == USERS.len() - 1 { 7_000 } else { 0 };
            agenda.push(at, Lane::Device(number), Event::Dials(number));
        }
        agenda.push(length, Lane::Plan, Event::Quiet);
        agenda.push(length + CALM, Lane::Plan, Event::Leave);
        agenda.push(length + CALM + NOTICED, Lane::Plan, Event::End);
        let world = World {
            seed,
            now: 0,
            clock: None,
            is_frozen: false,
            last_thaw: None,
            agenda,
            driver: None,
            is_stirred: false,
            database: Database::new(rng(3), setup.is_durable),
            disk: Disk::new(rng(4)),
            setup,
            plan,
            network: Network::default(),
            devices,
            logins: Vec::new(),
            ledger: Ledger::default(),
            trace: Trace::default(),
            order: None,
            life: 0,
            past_lives: Vec::new(),
            is_serving: false,
            draining_since: None,
            is_quiet: false,
            is_over: false,
            broken: None,
        };
        Arc::new(Self {
            world: Mutex::new(world),
            rng: Mutex::new(rng(5)),
        })
    }

    /// The world as it is now.
    pub fn enter(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock();
        if let Some((began, base)) = world.clock
            && !world.is_frozen
        {
            world.now = base + began.elapsed().as_millis() as Millis;
        }
        world
    }

    /// The clock of a server's runtime is the world's from now on.
    pub fn begin_clock(&self) {
        let mut world = self.world.lock();
        world.clock = Some((Instant::now(), world.now));
    }

    /// The world goes on without a server. To be called while its runtime is still there, which has the time.
    pub fn end_clock(&self) {
        let mut world = self.enter();
        world.clock = None;
        world.is_frozen = false;
    }

    /// The server's process is stopped, or goes on.
    pub fn freeze(&self, is_frozen: bool) {
        let mut world = self.world.lock();
        world.is_frozen = is_frozen;
        world.last_thaw = Some(world.now);
    }

    /// Does what is due next until then, without a server; says whether there was something.
    pub fn step_alone(&self, until: Millis) -> bool {
        let mut world = self.world.lock();
        match world.agenda.next_at() {
            Some(at) if at <= until => {
                world.now = world.now.max(at);
                world.step();
                true
            }
            _ => {
                world.now = world.now.max(until);
                false
            }
        }
    }

    /// Resolves when something was added that may come before what was next.
    pub async fn stirred(&self) {
        std::future::poll_fn(|context| {
            let mut world = self.world.lock();
            if std::mem::take(&mut world.is_stirred) {
                return Poll::Ready(());
            }
            world.driver = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl World {
    pub fn push(&mut self, at: Millis, lane: Lane, event: Event) {
        let is_next = self.agenda.next_at().is_none_or(|next| at < next);
        self.agenda.push(at.max(self.now), lane, event);
        if is_next {
            self.is_stirred = true;
            if let Some(driver) = self.driver.take() {
                driver.wake();
            }
        }
    }

    /// How long until something happens.
    pub fn until_next(&self) -> Option<Millis> {
        Some(self.agenda.next_at()?.saturating_sub(self.now))
    }

    /// Does the next thing that is due; says whether there was one.
    pub fn step(&mut self) -> bool {
        let Some(event) = self.agenda.pop(self.now) else {
            return false;
        };
        match event {
            Event::Dialled(id) => self.dialled(id),
            Event::ToServer(id, bytes, completes) => {
                self.arrives_at_server(id, &bytes);
                completes
                    .into_iter()
                    .for_each(|number| self.note_received(number));
            }
            Event::ToClient(id, chunk) => {
                if let Some(chunk) = self.arrives_at_client(id, chunk) {
                    self.device_reads(id, &chunk);
                }
            }
            Event::EndedToServer(id, end) => self.ended_to_server(id, end),
            Event::EndedToClient(id, end) => {
                if self.ended_to_client(id, end) {
                    self.connection_is_lost(id);
                }
            }
            Event::ReadsAgain(id) => {
                let (chunks, end) = self.reads_again(id);
                chunks.iter().for_each(|chunk| self.device_reads(id, chunk));
                if end.is_some() {
                    self.connection_is_lost(id);
                }
            }
            Event::UserTimeout(id) => self.user_timeout(id),
            Event::Dials(number) => self.device_dials(number),
            Event::Listens(number, id) => self.device_listens(number, id),
            Event::Acts(number, login) => self.device_acts(number, login),
            Event::CommandArrives(id) => self.command_arrives(id),
            Event::CommandRuns(id) => self.command_runs(id),
            Event::CommandAnswers(id) => self.command_answers(id),
            Event::FaultBegins(number) => self.fault_begins(number),
            Event::FaultEnds(number) => self.fault_ends(number),
            Event::Watch(number) => self.hold_ended(number),
            Event::Quiet => self.is_quiet = true,
            Event::Leave => self.order = Some(Order::CheckEnds),
            Event::End => self.order = Some(Order::Finish),
        }
        true
    }

    fn connection_is_lost(&mut self, id: ConnectionId) {
        let known = self.network.connections.get(&id);
        if let Some(number) = known.map(|known| known.device)
            && self.devices[number].is_on(id)
        {
            self.device_leaves(number, End::Fin, None);
        }
    }

    pub fn note(&mut self, event: fmt::Arguments<'_>) {
        let now = self.now;
        self.trace.note(now, event);
    }

    /// The first broken promise counts; what follows may follow from it.
    pub fn break_promise(&mut self, promise: Promise, how: String) {
        self.note(format_args!("BROKEN: {promise:?}: {how}"));
        self.broken.get_or_insert(Broken { promise, how });
    }

    /// Has an attempt looked at later.
    pub fn watch(&mut self, number: u32, after: Millis) {
        let at = self.now + after;
        self.push(at, Lane::Watch, Event::Watch(number));
    }

    /// Logins that are in a conversation, without a doubt.
    pub fn certain_members(&self, conversation: usize) -> Vec<LoginId> {
        let devices = self.devices.iter().filter(|device| {
            device.members[conversation] == Membership::In && !device.is_superseded
        });
        devices.filter_map(|device| device.login).collect()
    }

    /// Whether this login may be sent something of a conversation.
    pub fn may_be_member(&self, login: LoginId, conversation: usize) -> bool {
        self.devices.iter().any(|device| {
            device.hears_as == Some(login) && device.members[conversation] != Membership::Out
        })
    }

    /// Whether nobody has ended this login.
    pub fn is_open(&self, login: LoginId) -> bool {
        let mut devices = self.devices.iter();
        devices.any(|device| device.login == Some(login))
    }

    pub fn is_superseded(&self, login: LoginId) -> bool {
        let mut devices = self.devices.iter();
        let device = devices.find(|device| device.login == Some(login));
        device.is_none_or(|device| device.is_superseded)
    }

    pub fn user_of(&self, device: usize) -> usize {
        self.devices[device].user
    }

    /// Whether a client has taken everything since then, and nothing was in its way.
    pub fn keeps_up(&self, login: LoginId, since: Millis) -> bool {
        let connection = self
            .network
            .connections
            .get(&self.logins[login as usize].connection);
        connection.is_some_and(|connection| connection.has_kept_up_since(since, self.now))
    }

    pub fn was_frozen_since(&self, since: Millis) -> bool {
        self.is_frozen || self.last_thaw.is_some_and(|at| at >= since)
    }

    /// Whether a message that failed then, in this life, may still be in the store.
    pub fn may_be_left_behind(&self, life: u32, failed_at: Millis) -> bool {
        let past = self.past_lives.get(life as usize);
        let Some(past) = past.filter(|past| past.has_left) else {
            return false;
        };
        let was_ailing = self.disk.is_full
            || self.disk.is_slow
            || self
                .disk
                .ailing_at
                .is_some_and(|at| at + 5_000 >= failed_at);
        !self.setup.has_journal || (was_ailing && past.ended_at >= failed_at.saturating_sub(5_000))
    }
}

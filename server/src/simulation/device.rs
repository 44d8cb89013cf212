//! The people of the simulated world: devices that log in, lose their connections, and come again.

use std::collections::HashMap;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{
    agenda::{Lane, Millis, mix},
    frames::{self, FrameReader, Item},
    network::{Chunk, ConnectionId, End},
    polling::Polling,
    world::{CONVERSATIONS, Event, World},
};

/// After so long without a word from the server a client gives its connection up, as the official one does.
const HEARD_WITHIN: Millis = 18_000;
/// How often it looks.
const LOOKS: Millis = 3_000;
/// How many of a hundred connections poll.
const POLLING: u32 = 25;

/// A login: a connection may have several, one after the other.
pub type LoginId = u32;

/// What is known of a login.
#[derive(Debug, Clone, Copy)]
pub struct Login {
    pub connection: ConnectionId,
    pub is_polling: bool,
}

/// A message as its sender knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draft {
    pub conversation: usize,
    /// Its `clientMsgId`, if it has one.
    pub name: Option<u32>,
}

/// What an acknowledgement is for.
#[derive(Debug, Clone, Copy)]
pub enum Asked {
    Join(usize),
    Leave(usize),
    Send(u32, Draft),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    Out,
    Joining,
    In,
    Leaving,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Offline,
    Connecting,
    LoggedIn,
}

/// One device of one user.
pub struct Device {
    pub user: usize,
    pub rng: StdRng,
    /// The mean time between two things that it does.
    gap: Millis,
    pub stage: Stage,
    pub connection: Option<ConnectionId>,
    /// Its login, until it ends it.
    pub login: Option<LoginId>,
    /// The login to which belongs what it hears: until the next one begins.
    pub hears_as: Option<LoginId>,
    /// Another device of its user has logged in since.
    pub is_superseded: bool,
    reader: FrameReader,
    /// If it polls, and has no WebSocket.
    pub polling: Option<Polling>,
    pub members: [Membership; CONVERSATIONS.len()],
    pub asked: HashMap<u64, Asked>,
    pub next_ask: u64,
    pub next_name: u32,
    /// Sent, and not known to be stored.
    pub owed: Vec<Draft>,
    /// Known to be stored.
    pub done: Vec<Draft>,
    failures: u32,
    heard_at: Millis,
}

impl Device {
    pub fn new(seed: u64, number: usize, user: usize, gap: Millis) -> Self {
        Self {
            user,
            rng: StdRng::seed_from_u64(mix(&[seed, 0x64_6576, number as u64])),
            gap,
            stage: Stage::Offline,
            connection: None,
            login: None,
            hears_as: None,
            is_superseded: false,
            reader: FrameReader::default(),
            polling: None,
            members: [Membership::Out; CONVERSATIONS.len()],
            asked: HashMap::new(),
            next_ask: 0,
            next_name: number as u32 * 1_000_000,
            owed: Vec::new(),
            done: Vec::new(),
            failures: 0,
            heard_at: 0,
        }
    }

    /// Whether this connection is one of those that it has now.
    pub fn is_on(&self, id: ConnectionId) -> bool {
        let posts_on = self.polling.as_ref().map(|polling| polling.posts_on);
        self.connection == Some(id) || posts_on == Some(id)
    }

    /// The time until it does something again.
    pub fn pause(&mut self) -> Millis {
        let draw: f64 = self.rng.random();
        1 + (-(1.0 - draw).ln() * self.gap as f64) as Millis
    }

    pub fn joined(&self) -> Vec<usize> {
        let all = 0..CONVERSATIONS.len();
        all.filter(|c| self.members[*c] == Membership::In).collect()
    }
}

impl World {
    /// It asks for a connection, and right away for a WebSocket, or begins to poll.
    pub fn device_dials(&mut self, number: usize) {
        if self.is_over || self.devices[number].stage != Stage::Offline {
            return;
        }
        let window = self.setup.window;
        let id = self.dial(number, window);
        let now = self.now;
        let device = &mut self.devices[number];
        device.stage = Stage::Connecting;
        device.connection = Some(id);
        device.is_superseded = false;
        device.reader = FrameReader::default();
        device.heard_at = now;
        self.ledger.counts.reconnects += 1;
        self.note(format_args!("device {number} opens connection {id}"));
        if self.devices[number].rng.random_range(0..100) < POLLING {
            self.polling_begins(number, id);
        } else {
            self.client_sends(id, frames::upgrade_request(), Vec::new());
        }
        self.push_device(LOOKS, number, Event::Listens(number, id));
    }

    /// Whether the server has been heard lately.
    pub fn device_listens(&mut self, number: usize, id: ConnectionId) {
        let device = &self.devices[number];
        if device.connection != Some(id) {
            return;
        }
        if device.heard_at + HEARD_WITHIN < self.now {
            self.device_leaves(number, End::Reset, None);
        } else {
            self.push_device(LOOKS, number, Event::Listens(number, id));
        }
    }

    pub fn push_device(&mut self, delay: Millis, number: usize, event: Event) {
        let at = self.now + delay;
        self.push(at, Lane::Device(number), event);
    }

    /// It ends its connection, and comes again after some time.
    pub fn device_leaves(&mut self, number: usize, end: End, after: Option<Millis>) {
        if let Some(id) = self.devices[number].connection {
            self.close_client_side(id, end);
            if let Some(polling) = self.devices[number].polling.take() {
                self.close_client_side(polling.posts_on, end);
            }
            self.device_is_gone(number, after);
        }
    }

    /// It has no connection any more.
    fn device_is_gone(&mut self, number: usize, after: Option<Millis>) {
        let device = &mut self.devices[number];
        let id = device.connection.take();
        device.stage = Stage::Offline;
        device.login = None;
        device.hears_as = None;
        device.failures = (device.failures + 1).min(5);
        // As the official client does: doubled, with some jitter.
        let longest = 100 << device.failures;
        let backoff = device.rng.random_range(longest / 2..longest);
        self.note(format_args!("device {number} has lost connection {id:?}"));
        self.push_device(after.unwrap_or(backoff), number, Event::Dials(number));
    }

    /// Bytes came to a connection.
    pub fn device_reads(&mut self, id: ConnectionId, chunk: &Chunk) {
        let Some(number) = self.network.connections.get(&id).map(|known| known.device) else {
            return;
        };
        self.devices[number].heard_at = self.now;
        if self.devices[number].polling.is_some() {
            return self.polling_reads(number, id, chunk);
        }
        if self.devices[number].connection == Some(id) {
            self.devices[number].reader.take(&chunk.bytes);
        }
        while self.devices[number].connection == Some(id)
            && let Some(item) = self.devices[number].reader.next()
        {
            match item {
                Item::Status(101) => {}
                Item::Text(text) => self.device_hears(number, &text, chunk.written_at),
                Item::Status(_) | Item::Close => self.device_leaves(number, End::Fin, None),
            }
        }
    }

    pub fn device_hears(&mut self, number: usize, text: &str, written_at: Millis) {
        let (kind, rest) = text.split_at(text.len().min(2));
        match kind {
            "2" => self.device_says(number, "3", Vec::new()),
            "40" => self.device_is_in(number),
            "41" | "44" | "1" => self.device_leaves(number, End::Fin, None),
            "42" => self.device_gets(number, rest, written_at),
            "43" => self.device_is_answered(number, rest, written_at),
            _ if kind.starts_with('0') => {
                let hello = self.device_introduces_itself(number);
                self.device_says(number, &hello, Vec::new());
            }
            _ => {}
        }
    }

    /// The packet by which it logs in. Whoever else is logged in as its user is not any more.
    fn device_introduces_itself(&mut self, number: usize) -> String {
        let user = self.devices[number].user;
        for other in &mut self.devices {
            other.is_superseded |= other.user == user;
        }
        self.devices[number].is_superseded = false;
        format!("40{{\"token\":\"u{user}\"}}")
    }

    /// It logs out, and in again over the same connection, in one segment.
    pub fn device_logs_in_again(&mut self, number: usize) {
        let hello = self.device_introduces_itself(number);
        let device = &mut self.devices[number];
        device.stage = Stage::Connecting;
        device.login = None;
        let Some(id) = device.connection else { return };
        self.note(format_args!(
            "device {number} logs out and in again on {id}"
        ));
        if self.devices[number].polling.is_some() {
            let packets = ["41".to_owned(), hello].map(|packet| (packet, Vec::new()));
            return self.polling_says(number, packets);
        }
        let bytes = [frames::text("41"), frames::text(&hello)].concat();
        self.client_sends(id, bytes, Vec::new());
    }

    pub fn device_says(&mut self, number: usize, text: &str, completes: Vec<u32>) {
        if self.devices[number].polling.is_some() {
            self.polling_says(number, [(text.to_owned(), completes)]);
        } else if let Some(id) = self.devices[number].connection {
            self.client_sends(id, frames::text(text), completes);
        }
    }

    fn device_is_in(&mut self, number: usize) {
        let Some(connection) = self.devices[number].connection else {
            return;
        };
        let login = self.logins.len() as LoginId;
        let is_polling = self.devices[number].polling.is_some();
        self.logins.push(Login {
            connection,
            is_polling,
        });
        self.note(format_args!(
            "device {number} is logged in as {login} on {connection}"
        ));
        let device = &mut self.devices[number];
        device.stage = Stage::LoggedIn;
        device.login = Some(login);
        device.hears_as = Some(login);
        device.members = [Membership::Out; CONVERSATIONS.len()];
        device.asked.clear();
        device.failures = 0;
        for conversation in 0..CONVERSATIONS.len() {
            if self.devices[number].rng.random_bool(0.9) {
                self.device_asks_in(number, conversation);
            }
        }
        let pause = self.devices[number].pause();
        self.push_device(pause, number, Event::Acts(number, login));
    }
}

//! The people of the simulated world: devices that log in, join, send, repeat themselves, go and come again.

use std::collections::HashMap;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{
    agenda::{Lane, Millis, mix},
    frames::{self, FrameReader, Item},
    network::{Chunk, ConnectionId, End},
    world::{CONVERSATIONS, Event, World},
};
use crate::message::Kind;

/// After so long without a word from the server a client gives its connection up, as the official one does.
const HEARD_WITHIN: Millis = 18_000;
/// How often it looks.
const LOOKS: Millis = 3_000;
/// Messages that a device may send once more.
const REMEMBERED: usize = 6;

/// A login: a connection may have several, one after the other.
pub type LoginId = u32;

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
    pub members: [Membership; CONVERSATIONS.len()],
    pub asked: HashMap<u64, Asked>,
    next_ask: u64,
    next_name: u32,
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

    /// The time until it does something again.
    fn pause(&mut self) -> Millis {
        let draw: f64 = self.rng.random();
        1 + (-(1.0 - draw).ln() * self.gap as f64) as Millis
    }

    fn joined(&self) -> Vec<usize> {
        let all = 0..CONVERSATIONS.len();
        all.filter(|c| self.members[*c] == Membership::In).collect()
    }
}

impl World {
    /// It asks for a connection, and right away for a WebSocket.
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
        self.client_sends(id, frames::upgrade_request(), Vec::new());
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

    fn push_device(&mut self, delay: Millis, number: usize, event: Event) {
        let at = self.now + delay;
        self.push(at, Lane::Device(number), event);
    }

    /// It ends its connection, and comes again after some time.
    pub fn device_leaves(&mut self, number: usize, end: End, after: Option<Millis>) {
        if let Some(id) = self.devices[number].connection {
            self.close_client_side(id, end);
            self.device_is_gone(number, after);
        }
    }

    /// It has no connection any more.
    pub fn device_is_gone(&mut self, number: usize, after: Option<Millis>) {
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

    fn device_hears(&mut self, number: usize, text: &str, written_at: Millis) {
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
    fn device_logs_in_again(&mut self, number: usize) {
        let hello = self.device_introduces_itself(number);
        let device = &mut self.devices[number];
        device.stage = Stage::Connecting;
        device.login = None;
        let Some(id) = device.connection else { return };
        let bytes = [frames::text("41"), frames::text(&hello)].concat();
        self.note(format_args!(
            "device {number} logs out and in again on {id}"
        ));
        self.client_sends(id, bytes, Vec::new());
    }

    fn device_says(&mut self, number: usize, text: &str, completes: Vec<u32>) {
        if let Some(id) = self.devices[number].connection {
            self.client_sends(id, frames::text(text), completes);
        }
    }

    fn device_is_in(&mut self, number: usize) {
        let Some(connection) = self.devices[number].connection else {
            return;
        };
        let login = self.logins.len() as LoginId;
        self.logins.push(connection);
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

    fn device_asks(&mut self, number: usize, event: &str, payload: &str, asked: Asked) {
        let device = &mut self.devices[number];
        let ask = device.next_ask;
        device.next_ask += 1;
        device.asked.insert(ask, asked);
        let completes = match asked {
            Asked::Send(attempt, _) => vec![attempt],
            _ => Vec::new(),
        };
        self.device_says(
            number,
            &format!("42{ask}[\"{event}\",{payload}]"),
            completes,
        );
    }

    pub fn device_asks_in(&mut self, number: usize, conversation: usize) {
        let (id, kind) = CONVERSATIONS[conversation];
        self.devices[number].members[conversation] = Membership::Joining;
        let (event, field) = match kind {
            Kind::Room => ("joinRoom", "roomId"),
            Kind::Channel => ("JOIN_CHANNEL", "channelId"),
        };
        let payload = format!("{{\"{field}\":\"{id}\"}}");
        self.device_asks(number, event, &payload, Asked::Join(conversation));
    }

    fn device_asks_out(&mut self, number: usize, conversation: usize) {
        let (id, kind) = CONVERSATIONS[conversation];
        self.devices[number].members[conversation] = Membership::Leaving;
        let (event, field) = match kind {
            Kind::Room => ("leaveRoom", "roomId"),
            Kind::Channel => ("leaveChannel", "channelId"),
        };
        let payload = format!("{{\"{field}\":\"{id}\"}}");
        self.device_asks(number, event, &payload, Asked::Leave(conversation));
    }

    pub fn device_sends(&mut self, number: usize, draft: Draft) {
        let Some(login) = self.devices[number].login else {
            return;
        };
        let attempt = self.note_sent(number, login, draft.conversation, draft.name);
        let device = &mut self.devices[number];
        if draft.name.is_some() && !device.owed.contains(&draft) && !device.done.contains(&draft) {
            device.owed.push(draft);
            if device.owed.len() > REMEMBERED {
                device.owed.remove(0);
            }
        }
        let (id, kind) = CONVERSATIONS[draft.conversation];
        let (event, field) = match kind {
            Kind::Room => ("roomMessage", "roomId"),
            Kind::Channel => ("NEW_MESSAGE_EVENT", "channelId"),
        };
        let name = draft.name;
        let name = name.map_or_else(String::new, |name| format!(",\"clientMsgId\":\"{name}\""));
        let payload = format!("{{\"{field}\":\"{id}\",\"body\":\"{attempt}\"{name}}}");
        self.device_asks(number, event, &payload, Asked::Send(attempt, draft));
    }

    /// It does something, as people do.
    pub fn device_acts(&mut self, number: usize, login: LoginId) {
        let device = &mut self.devices[number];
        if self.is_quiet || device.login != Some(login) {
            return;
        }
        let pause = device.pause();
        match device.rng.random_range(0..100) {
            0..68 => self.device_writes(number, 1),
            68..76 => self.device_repeats(number),
            76..84 => self.device_moves(number),
            84..94 => {
                let count = self.devices[number].rng.random_range(2..9);
                self.device_writes(number, count);
            }
            94..96 => self.device_logs_in_again(number),
            96..98 => {
                let after = self.devices[number].rng.random_range(50..3_000);
                self.device_says(number, "41", Vec::new());
                self.device_leaves(number, End::Fin, Some(after));
            }
            _ => self.device_leaves(number, End::Reset, Some(1)),
        }
        self.push_device(pause, number, Event::Acts(number, login));
    }

    fn device_writes(&mut self, number: usize, count: u32) {
        let device = &mut self.devices[number];
        let joined = device.joined();
        if joined.is_empty() {
            return;
        }
        let conversation = joined[device.rng.random_range(0..joined.len())];
        for _ in 0..count {
            let device = &mut self.devices[number];
            device.next_name += 1;
            let name = device.rng.random_bool(0.7).then_some(device.next_name);
            self.device_sends(number, Draft { conversation, name });
        }
    }

    /// It says something once more that it has said before, known to be stored or not.
    fn device_repeats(&mut self, number: usize) {
        let device = &mut self.devices[number];
        let drafts: Vec<Draft> = device.owed.iter().chain(&device.done).copied().collect();
        if !drafts.is_empty() {
            let draft = drafts[device.rng.random_range(0..drafts.len())];
            self.ledger.counts.repeated += 1;
            self.device_sends(number, draft);
        }
    }

    fn device_moves(&mut self, number: usize) {
        let device = &mut self.devices[number];
        let conversation = device.rng.random_range(0..CONVERSATIONS.len());
        match device.members[conversation] {
            Membership::Out => self.device_asks_in(number, conversation),
            Membership::In => {
                self.device_asks_out(number, conversation);
                if self.devices[number].rng.random_bool(0.3) {
                    // Too late: it has asked to leave.
                    let draft = Draft {
                        conversation,
                        name: None,
                    };
                    self.device_sends(number, draft);
                }
            }
            Membership::Joining | Membership::Leaving => {}
        }
    }
}

//! The simulated network between devices and the server: each connection keeps its order, and nothing else does.

use std::{
    collections::{HashMap, VecDeque},
    io,
    task::Waker,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{
    agenda::{Lane, Millis, mix},
    world::{Event, World},
};

pub type ConnectionId = u32;

/// How long sent data may stay unacknowledged before the server's side gives the connection up.
pub const USER_TIMEOUT: Millis = 10_000;

/// How one side learns that the other has ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// In its order, behind what was sent.
    Fin,
    /// At once, with whatever was still to come.
    Reset,
}

/// Bytes that came to a client.
pub struct Chunk {
    pub bytes: Vec<u8>,
    pub written_at: Millis,
}

/// One connection.
pub struct Connection {
    pub device: usize,
    rng: StdRng,
    base_latency: Millis,
    /// Bytes that the server may have on their way, the client's window included.
    window: usize,
    pub server: ServerSide,
    pub client: ClientSide,
    /// Until when nothing arrives in either direction.
    stalled_until: Millis,
    /// From now on everything that is sent is swallowed.
    is_black_hole: bool,
    last_to_server: Millis,
    last_to_client: Millis,
}

/// What the server's kernel knows of a connection.
#[derive(Default)]
pub struct ServerSide {
    pub input: VecDeque<u8>,
    pub ended: Option<End>,
    pub reader: Option<Waker>,
    pub writer: Option<Waker>,
    untaken: usize,
    untaken_since: Millis,
    /// When a write last found no room, or found some again.
    pub blocked_at: Option<Millis>,
    is_blocked: bool,
    is_closed: bool,
}

/// What the client's kernel knows of a connection.
#[derive(Default)]
pub struct ClientSide {
    pub is_closed: bool,
    pub reads_from: Millis,
    unread: VecDeque<Chunk>,
    unread_end: Option<End>,
    /// When it last did not read, or nothing came through.
    pub slow_at: Option<Millis>,
}

impl ServerSide {
    /// Bytes that were written and that the client has not taken; none once the connection is reset.
    pub fn unacknowledged(&self) -> u64 {
        match self.ended {
            Some(End::Reset) => 0,
            Some(End::Fin) | None => self.untaken as u64,
        }
    }
}

#[derive(Default)]
pub struct Network {
    pub connections: HashMap<ConnectionId, Connection>,
    next_id: ConnectionId,
    /// Connections that the server has not accepted yet.
    pub backlog: VecDeque<ConnectionId>,
    pub acceptor: Option<Waker>,
    /// Whether the server's port is open.
    pub is_listening: bool,
    /// So much longer everything takes.
    pub extra_latency: Millis,
}

impl Connection {
    fn wake_both(&mut self) {
        let wakers = [self.server.reader.take(), self.server.writer.take()];
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Whether the client takes what it is sent, and has since then.
    pub fn has_kept_up_since(&self, since: Millis, now: Millis) -> bool {
        let after = |at: Option<Millis>| at.is_some_and(|at| at >= since);
        !(self.server.is_blocked
            || after(self.server.blocked_at)
            || after(self.client.slow_at)
            || self.is_black_hole
            || self.stalled_until > since
            || self.client.reads_from > now)
    }

    /// How long a piece takes that is sent now.
    fn arrival(&mut self, now: Millis, extra: Millis, to_client: bool) -> Millis {
        let jitter = self.rng.random_range(0..=1 + extra);
        let last = if to_client {
            &mut self.last_to_client
        } else {
            &mut self.last_to_server
        };
        let at = (now + self.base_latency + jitter)
            .max(self.stalled_until)
            .max(*last);
        *last = at;
        at
    }
}

impl World {
    /// A device asks for a connection.
    pub fn dial(&mut self, device: usize, window: usize) -> ConnectionId {
        let id = self.network.next_id;
        self.network.next_id += 1;
        let mut rng = StdRng::seed_from_u64(mix(&[self.seed, 0x6e65_7477, u64::from(id)]));
        let base_latency = rng.random_range(0..4);
        let connection = Connection {
            device,
            rng,
            base_latency,
            window,
            server: ServerSide::default(),
            client: ClientSide::default(),
            stalled_until: 0,
            is_black_hole: false,
            last_to_server: 0,
            last_to_client: 0,
        };
        self.network.connections.insert(id, connection);
        let at = self.arrival(id, false);
        self.push(at, Lane::ToServer(id), Event::Dialled(id));
        id
    }

    /// The request has come to the server's port.
    pub fn dialled(&mut self, id: ConnectionId) {
        if self.network.is_listening {
            self.network.backlog.push_back(id);
            if let Some(waker) = self.network.acceptor.take() {
                waker.wake();
            }
        } else {
            self.close_server_side(id, End::Reset);
        }
    }

    /// A client sends bytes; `completes` are the attempts whose last byte is among them.
    pub fn client_sends(&mut self, id: ConnectionId, bytes: Vec<u8>, completes: Vec<u32>) {
        let Some(connection) = self.network.connections.get_mut(&id) else {
            return;
        };
        if connection.client.is_closed || connection.is_black_hole {
            return;
        }
        // Sometimes a segment ends in mid-frame.
        let split = match connection.rng.random_range(0..8) {
            0 => connection.rng.random_range(0..bytes.len()),
            _ => 0,
        };
        let (first, rest) = bytes.split_at(split);
        for (part, completes) in [(first, Vec::new()), (rest, completes)] {
            if !part.is_empty() {
                let at = self.arrival(id, false);
                let event = Event::ToServer(id, part.to_vec(), completes);
                self.push(at, Lane::ToServer(id), event);
            }
        }
    }

    /// Bytes have come to the server's kernel.
    pub fn arrives_at_server(&mut self, id: ConnectionId, bytes: &[u8]) {
        if let Some(connection) = self.network.connections.get_mut(&id)
            && connection.server.ended.is_none()
            && !connection.server.is_closed
        {
            connection.server.input.extend(bytes);
            if let Some(waker) = connection.server.reader.take() {
                waker.wake();
            }
        }
    }

    /// The server learns that the client has ended the connection.
    pub fn ended_to_server(&mut self, id: ConnectionId, end: End) {
        if let Some(connection) = self.network.connections.get_mut(&id) {
            if end == End::Reset || connection.server.ended.is_none() {
                connection.server.ended = Some(end);
            }
            connection.wake_both();
        }
    }

    /// The server writes; so many bytes are taken, none if there is no room.
    pub fn server_writes(&mut self, id: ConnectionId, bytes: &[u8]) -> io::Result<usize> {
        let now = self.now;
        let Some(connection) = self.network.connections.get_mut(&id) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        if connection.server.ended == Some(End::Reset) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let server = &mut connection.server;
        let taken = bytes.len().min(connection.window - server.untaken);
        let is_blocked = taken < bytes.len();
        if std::mem::replace(&mut server.is_blocked, is_blocked) || is_blocked {
            server.blocked_at = Some(now);
        }
        if taken == 0 {
            return Ok(0);
        }
        if server.untaken == 0 {
            server.untaken_since = now;
            let at = now + USER_TIMEOUT;
            self.push(at, Lane::ToServer(id), Event::UserTimeout(id));
        }
        let Some(connection) = self.network.connections.get_mut(&id) else {
            return Ok(0);
        };
        connection.server.untaken += taken;
        if !connection.is_black_hole {
            let chunk = Chunk {
                bytes: bytes[..taken].to_vec(),
                written_at: now,
            };
            let at = self.arrival(id, true);
            self.push(at, Lane::ToClient(id), Event::ToClient(id, chunk));
        }
        Ok(taken)
    }

    /// Bytes have come to the client's kernel: those that it reads now.
    pub fn arrives_at_client(&mut self, id: ConnectionId, chunk: Chunk) -> Option<Chunk> {
        let now = self.now;
        let connection = self.network.connections.get_mut(&id)?;
        if connection.client.is_closed {
            // As a kernel does with bytes for a socket that is not there.
            self.ended_to_server(id, End::Reset);
            return None;
        }
        if connection.client.reads_from > now || !connection.client.unread.is_empty() {
            connection.client.slow_at = Some(now);
            connection.client.unread.push_back(chunk);
            return None;
        }
        self.taken(id, chunk.bytes.len());
        Some(chunk)
    }

    /// The client reads again: what came meanwhile, and how it ended, if it did.
    pub fn reads_again(&mut self, id: ConnectionId) -> (Vec<Chunk>, Option<End>) {
        let now = self.now;
        let Some(connection) = self.network.connections.get_mut(&id) else {
            return (Vec::new(), None);
        };
        if connection.client.reads_from > now {
            return (Vec::new(), None);
        }
        connection.client.slow_at = Some(now);
        let chunks: Vec<Chunk> = connection.client.unread.drain(..).collect();
        let end = connection.client.unread_end.take();
        self.taken(id, chunks.iter().map(|chunk| chunk.bytes.len()).sum());
        (chunks, end)
    }

    /// Whether the client learns at once that the server has ended the connection; else when it reads again.
    pub fn ended_to_client(&mut self, id: ConnectionId, end: End) -> bool {
        let now = self.now;
        let Some(connection) = self.network.connections.get_mut(&id) else {
            return false;
        };
        if end == End::Fin && (connection.client.reads_from > now) {
            connection.client.unread_end = Some(end);
            return false;
        }
        !connection.client.is_closed
    }

    fn taken(&mut self, id: ConnectionId, bytes: usize) {
        let now = self.now;
        if let Some(connection) = self.network.connections.get_mut(&id) {
            connection.server.untaken -= bytes.min(connection.server.untaken);
            connection.server.untaken_since = now;
            if let Some(waker) = connection.server.writer.take() {
                waker.wake();
            }
        }
    }

    /// The server's kernel gives up a connection whose peer has taken nothing for too long.
    pub fn user_timeout(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.network.connections.get_mut(&id) else {
            return;
        };
        if connection.server.untaken == 0 || connection.server.is_closed {
            return;
        }
        let due = connection.server.untaken_since + USER_TIMEOUT;
        if due <= now {
            self.ended_to_server(id, End::Reset);
        } else {
            self.push(due, Lane::ToServer(id), Event::UserTimeout(id));
        }
    }

    /// The server's side is closed: the kernel tells the client, in order or with a reset.
    pub fn close_server_side(&mut self, id: ConnectionId, end: End) {
        let Some(connection) = self.network.connections.get_mut(&id) else {
            return;
        };
        if std::mem::replace(&mut connection.server.is_closed, true) || connection.is_black_hole {
            return;
        }
        let at = self.arrival(id, true);
        self.push(at, Lane::ToClient(id), Event::EndedToClient(id, end));
    }

    /// The client closes its side.
    pub fn close_client_side(&mut self, id: ConnectionId, end: End) {
        let Some(connection) = self.network.connections.get_mut(&id) else {
            return;
        };
        if std::mem::replace(&mut connection.client.is_closed, true) || connection.is_black_hole {
            return;
        }
        let at = self.arrival(id, false);
        self.push(at, Lane::ToServer(id), Event::EndedToServer(id, end));
    }

    /// The network cuts a connection: both sides are told at once.
    pub fn cut(&mut self, id: ConnectionId) {
        let now = self.now;
        self.push(
            now,
            Lane::ToServer(id),
            Event::EndedToServer(id, End::Reset),
        );
        self.push(
            now,
            Lane::ToClient(id),
            Event::EndedToClient(id, End::Reset),
        );
    }

    /// Nothing gets through from now on, and nobody is told.
    pub fn swallow(&mut self, id: ConnectionId) {
        if let Some(connection) = self.network.connections.get_mut(&id) {
            connection.is_black_hole = true;
        }
    }

    /// Nothing gets through for a while.
    pub fn stall(&mut self, id: ConnectionId, until: Millis) {
        let now = self.now;
        if let Some(connection) = self.network.connections.get_mut(&id) {
            connection.stalled_until = until;
            connection.client.slow_at = Some(now);
        }
    }

    fn arrival(&mut self, id: ConnectionId, to_client: bool) -> Millis {
        let (now, extra) = (self.now, self.network.extra_latency);
        self.network
            .connections
            .get_mut(&id)
            .map_or(now, |connection| connection.arrival(now, extra, to_client))
    }
}

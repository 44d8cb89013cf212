//! One user's connection: connects, hands packets to the observer as they come, writes without waiting.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use rand::RngExt;
use serde::Deserialize;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{
    frame::{self, Decoder, Frame},
    handshake::Endpoint,
    packet::{self, Open, Packet},
};
use crate::{
    drive::{Client, ConnectError, client::Observer},
    model::{Clock, Nanos},
    observed::Closed,
};

/// What is read at once, for all connections of a worker: none has a read buffer of its own.
const READ_BYTES: usize = 64 << 10;

/// What all connections of one worker thread share.
pub struct Shared {
    clock: Clock,
    input: RefCell<Box<[u8]>>,
    packet: RefCell<Vec<u8>>,
    frame: RefCell<Vec<u8>>,
}

impl Shared {
    /// Buffers for one worker thread.
    pub fn new(clock: Clock) -> Rc<Self> {
        Rc::new(Self {
            clock,
            input: RefCell::new(vec![0; READ_BYTES].into_boxed_slice()),
            packet: RefCell::default(),
            frame: RefCell::default(),
        })
    }
}

/// A connected user. Reading happens in [`Connection::run`].
pub struct Connection {
    me: Weak<Self>,
    user: u32,
    shared: Rc<Shared>,
    write: OwnedWriteHalf,
    /// What the kernel did not take yet; a task flushes it while it is not empty.
    unsent: RefCell<Vec<u8>>,
    closing: Cell<bool>,
    reading: Cell<Reading>,
    /// Whoever reads, so that a change of `reading` is noticed.
    reader: RefCell<Option<Waker>>,
    heartbeat: Cell<Duration>,
    last_ping: Cell<Nanos>,
}

/// What the reading side does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    On,
    Paused,
    Over,
}

/// The half of a connection that [`Connection::run`] consumes.
pub struct Incoming {
    read: OwnedReadHalf,
    decoder: Decoder,
    /// What came right behind the CONNECT, with its stamp: events of a second login do.
    early: Vec<(Nanos, String)>,
}

impl Shared {
    /// The run's clock.
    pub fn clock(&self) -> Clock {
        self.clock
    }
}

impl Connection {
    /// Opens the WebSocket, greets with `auth` (a JSON object) and waits for the server's CONNECT.
    ///
    /// # Errors
    /// [`ConnectError`]: nothing listens, no Socket.IO server, refused, or no answer within `patience`.
    pub async fn open(
        user: u32,
        endpoint: &Endpoint,
        auth: &str,
        shared: Rc<Shared>,
        patience: Duration,
    ) -> Result<(Rc<Self>, Incoming), ConnectError> {
        tokio::time::timeout(patience, Self::greet(user, endpoint, auth, shared))
            .await
            .unwrap_or(Err(ConnectError::TimedOut(patience)))
    }

    async fn greet(
        user: u32,
        endpoint: &Endpoint,
        auth: &str,
        shared: Rc<Shared>,
    ) -> Result<(Rc<Self>, Incoming), ConnectError> {
        let (stream, early) = endpoint.open(user).await?;
        let (read, write) = stream.into_split();
        let now = shared.clock.now();
        let connection = Rc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            user,
            shared,
            write,
            unsent: RefCell::default(),
            closing: Cell::new(false),
            reading: Cell::new(Reading::On),
            reader: RefCell::default(),
            heartbeat: Cell::new(Duration::MAX),
            last_ping: Cell::new(now),
        });
        let mut incoming = Incoming {
            read,
            decoder: Decoder::default(),
            early: Vec::new(),
        };
        let mut progress = Greeting::default();
        incoming
            .decoder
            .feed(&early, |frame| progress.frame(&connection, now, frame))
            .map_err(ConnectError::NotSocketIo)?;
        loop {
            if let Some(refusal) = progress.failed.take() {
                return Err(refusal);
            }
            if let Some(heartbeat) = progress.opened.take() {
                connection.heartbeat.set(heartbeat);
                connection.write_packet(format!("40{auth}").as_bytes());
            }
            if progress.connected {
                incoming.early = progress.early;
                return Ok((connection, incoming));
            }
            let bytes = incoming
                .read(&connection, |stamp, frame| {
                    progress.frame(&connection, stamp, frame);
                })
                .await
                .map_err(|closed| ConnectError::NotSocketIo(closed.to_string()))?;
            if bytes == 0 {
                return Err(ConnectError::NotSocketIo(
                    "it closed the connection before the Socket.IO CONNECT".into(),
                ));
            }
        }
    }

    /// Reads until the connection ends and hands everything to the observer.
    pub async fn run(self: Rc<Self>, mut incoming: Incoming, observer: impl Observer) {
        let early = std::mem::take(&mut incoming.early);
        let mut ended = early
            .iter()
            .find_map(|(stamp, text)| self.on_frame(*stamp, Frame::Text(text), &observer));
        let why = loop {
            let read = incoming
                .read(&self, |stamp, frame| {
                    if ended.is_none() {
                        ended = self.on_frame(stamp, frame, &observer);
                    }
                })
                .await;
            // After the own goodbye the rest is read and forgotten until the server closes too: a socket that is closed
            // with unread data in it resets the connection, and the goodbye might be lost with it.
            match (read, ended.take()) {
                (_, Some(why)) | (Err(why), None) => break why,
                (Ok(0), None) => break Closed::Transport("by the other side".into()),
                (Ok(_), None) => {}
            }
        };
        if !self.closing.replace(true) {
            observer.closed(self.user, self.shared.clock.now(), why);
        }
    }

    fn on_frame(&self, stamp: Nanos, frame: Frame<'_>, observer: &impl Observer) -> Option<Closed> {
        if self.closing.get() {
            return None;
        }
        let text = match frame {
            Frame::Text(text) => text,
            Frame::Ping(payload) => {
                let mut out = self.shared.frame.borrow_mut();
                out.clear();
                frame::write_pong(&mut out, payload, mask());
                self.write(&out);
                return None;
            }
            Frame::Close(code) => {
                return Some(Closed::ByServer(match code {
                    Some(code) => format!("WebSocket close {code}"),
                    None => "WebSocket close".into(),
                }));
            }
        };
        match packet::parse(text) {
            Ok(Packet::Event { name, payload }) => observer.event(self.user, stamp, name, payload),
            Ok(Packet::Ack { id, payload }) => observer.ack(self.user, stamp, id, payload),
            Ok(Packet::Ping(payload)) => {
                self.last_ping.set(stamp);
                self.write_packet(format!("3{payload}").as_bytes());
            }
            Ok(Packet::Disconnect) => return Some(Closed::ByServer("Socket.IO DISCONNECT".into())),
            Ok(Packet::Close) => return Some(Closed::ByServer("Engine.IO close".into())),
            Ok(Packet::Open(_) | Packet::Connect | Packet::ConnectError(_)) => {
                return Some(Closed::Protocol("a second handshake".into()));
            }
            Err(message) => return Some(Closed::Protocol(message)),
        }
        None
    }

    /// Ends the connection if the server's heartbeat is overdue at `now`: to be called now and then.
    pub fn check_heartbeat(&self, now: Nanos, observer: &impl Observer) {
        let silent = Duration::from_nanos(now.saturating_sub(self.last_ping.get()));
        let listens = self.reading.get() == Reading::On;
        if listens && silent > self.heartbeat.get() && !self.closing.replace(true) {
            observer.closed(self.user, now, Closed::Silent(silent));
        }
    }

    /// Stops reading: what comes waits in the kernel, and then at the server.
    pub fn pause(&self) {
        self.read_from_now_on(Reading::Paused);
    }

    /// Reads again, from where it stopped.
    pub fn resume(&self) {
        // The server's heartbeats waited with everything else.
        self.last_ping.set(self.shared.clock.now());
        self.read_from_now_on(Reading::On);
    }

    /// Cuts the TCP connection without a goodbye: with no time to linger, the kernel sends a reset.
    pub fn cut(&self) {
        self.closing.set(true);
        let stream: &TcpStream = self.write.as_ref();
        // Without it the server would see an end instead of a reset, no more.
        let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        self.unsent.borrow_mut().clear();
        self.read_from_now_on(Reading::Over);
    }

    fn read_from_now_on(&self, reading: Reading) {
        self.reading.set(reading);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn expect_wake(&self, cx: &Context<'_>) {
        let mut reader = self.reader.borrow_mut();
        match &*reader {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => *reader = Some(cx.waker().clone()),
        }
    }

    fn write_packet(&self, packet: &[u8]) {
        let mut out = self.shared.frame.borrow_mut();
        out.clear();
        frame::write_text(&mut out, packet, mask());
        self.write(&out);
    }

    /// Writes at once what the kernel takes and leaves the rest to a task.
    fn write(&self, bytes: &[u8]) {
        let mut unsent = self.unsent.borrow_mut();
        let idle = unsent.is_empty();
        // A broken connection takes nothing here, and shows when it is read.
        let taken = if idle {
            self.write.try_write(bytes).unwrap_or(0)
        } else {
            0
        };
        unsent.extend_from_slice(&bytes[taken..]);
        if idle
            && !unsent.is_empty()
            && let Some(me) = self.me.upgrade()
        {
            tokio::task::spawn_local(async move { me.flush().await });
        }
    }

    /// Hands the kernel what it did not take at once.
    async fn flush(&self) {
        while !self.unsent.borrow().is_empty() {
            if self.write.writable().await.is_err() {
                return;
            }
            let mut unsent = self.unsent.borrow_mut();
            match self.write.try_write(&unsent) {
                Ok(taken) => drop(unsent.drain(..taken)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                // The reading side sees the broken connection and reports it.
                Err(_) => unsent.clear(),
            }
        }
    }
}

impl Client for Connection {
    fn emit(&self, event: &str, payload: &str, ack: Option<u64>) {
        let mut packet = self.shared.packet.borrow_mut();
        packet.clear();
        packet::write_event(&mut packet, event, payload, ack);
        self.write_packet(&packet);
    }

    fn close(&self) {
        if self.closing.replace(true) {
            return;
        }
        self.write_packet(b"41");
        let mut out = self.shared.frame.borrow_mut();
        out.clear();
        frame::write_close(&mut out, mask());
        self.write(&out);
    }
}

impl Incoming {
    /// Reads once into the worker's buffer and decodes there; returns how many bytes came.
    async fn read(
        &mut self,
        connection: &Connection,
        mut each: impl FnMut(Nanos, Frame<'_>),
    ) -> Result<usize, Closed> {
        let shared = &connection.shared;
        poll_fn(|cx| {
            match connection.reading.get() {
                Reading::On => {}
                Reading::Paused => {
                    connection.expect_wake(cx);
                    return Poll::Pending;
                }
                Reading::Over => {
                    return Poll::Ready(Err(Closed::Transport("cut by its own user".into())));
                }
            }
            // Borrowed within one poll only: no other connection can read meanwhile.
            let mut input = shared.input.borrow_mut();
            let mut buffer = ReadBuf::new(&mut input);
            match Pin::new(&mut self.read).poll_read(cx, &mut buffer) {
                Poll::Pending => {
                    connection.expect_wake(cx);
                    Poll::Pending
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(Closed::Transport(error.to_string()))),
                Poll::Ready(Ok(())) => {
                    let stamp = shared.clock.now();
                    let fed = self
                        .decoder
                        .feed(buffer.filled(), |frame| each(stamp, frame));
                    Poll::Ready(match fed {
                        Ok(()) => Ok(buffer.filled().len()),
                        Err(violation) => Err(Closed::Protocol(violation)),
                    })
                }
            }
        })
        .await
    }
}

/// What has come of the two handshakes, Engine.IO's and Socket.IO's.
#[derive(Default)]
struct Greeting {
    opened: Option<Duration>,
    connected: bool,
    failed: Option<ConnectError>,
    early: Vec<(Nanos, String)>,
}

impl Greeting {
    fn frame(&mut self, connection: &Connection, stamp: Nanos, frame: Frame<'_>) {
        let Frame::Text(text) = frame else {
            self.failed = Some(ConnectError::NotSocketIo(
                "it closed the WebSocket before the Socket.IO CONNECT".into(),
            ));
            return;
        };
        if self.connected {
            self.early.push((stamp, text.to_owned()));
            return;
        }
        match packet::parse(text) {
            Ok(Packet::Open(json)) => match serde_json::from_str::<Open>(json) {
                Ok(open) => {
                    self.opened = Some(Duration::from_millis(
                        open.ping_interval.saturating_add(open.ping_timeout),
                    ));
                }
                Err(error) => {
                    self.failed = Some(ConnectError::NotSocketIo(format!(
                        "its Engine.IO handshake can't be read: {error}"
                    )));
                }
            },
            // A ping can come before the CONNECT.
            Ok(Packet::Ping(payload)) => connection.write_packet(format!("3{payload}").as_bytes()),
            Ok(Packet::Connect) => self.connected = true,
            Ok(Packet::ConnectError(json)) => {
                self.failed = Some(ConnectError::Refused(refusal(json)));
            }
            Ok(packet) => {
                self.failed = Some(ConnectError::NotSocketIo(format!(
                    "{packet:?} before the CONNECT"
                )));
            }
            Err(message) => self.failed = Some(ConnectError::NotSocketIo(message)),
        }
    }
}

fn refusal(json: &str) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    serde_json::from_str(json).map_or_else(|_| json.to_owned(), |refusal: Refusal| refusal.message)
}

/// A new mask for each frame (RFC 6455, 5.3).
fn mask() -> [u8; 4] {
    rand::rng().random()
}

//! One user's WebSocket: connects, hands packets to the observer as they come, writes without waiting.

mod incoming;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Waker},
    time::Duration,
};

use rand::RngExt;

pub use self::incoming::Incoming;
use super::{
    frame::{self, Decoder, Frame},
    greeting::{Early, Greeting},
    packet,
    pipe::Pipe,
    session::{Session, Step},
};
use crate::{
    dial::{self, Caller, Endpoint, Stream},
    drive::{Client, ConnectError, client::Observer},
    model::{Clock, Nanos},
    observed::Closed,
};

/// What is read at once, for all connections of a worker: none has a read buffer of its own.
const READ_BYTES: usize = 64 << 10;
/// Whoever reads so much at once, or so often in a row, lets the others have a turn.
const TURN_BYTES: usize = READ_BYTES / 4;
const TURN_READS: u32 = 16;

/// What all connections of one worker thread share.
pub struct Shared {
    clock: Clock,
    input: RefCell<Box<[u8]>>,
    /// What was decrypted; empty as long as there is no TLS.
    plain: RefCell<Vec<u8>>,
    packet: RefCell<Vec<u8>>,
    frame: RefCell<Vec<u8>>,
}

impl Shared {
    /// Buffers for one worker thread.
    pub fn new(clock: Clock) -> Rc<Self> {
        Rc::new(Self {
            clock,
            input: RefCell::new(vec![0; READ_BYTES].into_boxed_slice()),
            plain: RefCell::default(),
            packet: RefCell::default(),
            frame: RefCell::default(),
        })
    }

    /// The run's clock.
    pub fn clock(&self) -> Clock {
        self.clock
    }
}

/// A connected user. Reading happens in [`Connection::run`].
pub struct Connection {
    user: u32,
    shared: Rc<Shared>,
    session: Session,
    pipe: Rc<Pipe>,
    closing: Cell<bool>,
    reading: Cell<Reading>,
    /// Whoever reads, so that a change of `reading` is noticed.
    reader: RefCell<Option<Waker>>,
    heartbeat: Cell<Duration>,
    last_ping: Cell<Nanos>,
    /// When the last packet came that was understood.
    heard: Cell<Nanos>,
}

/// What the reading side does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    On,
    Paused,
    Over,
}

/// Answers that one read asks for. Of several heartbeats at once the last is answered (RFC 6455, 5.5.3): a flood of them
/// must not become one of answers.
#[derive(Default)]
struct Owed {
    pong: Option<String>,
    frame_pong: Option<Vec<u8>>,
}

impl Connection {
    /// Opens the WebSocket, greets and waits for the server's CONNECT.
    ///
    /// # Errors
    /// [`ConnectError`]: nothing listens, no Socket.IO server, or refused.
    pub async fn open(
        endpoint: &Endpoint,
        caller: &Caller,
        shared: Rc<Shared>,
    ) -> Result<(Rc<Self>, Incoming), ConnectError> {
        let (stream, first) = dial::upgrade(endpoint, caller, "").await?;
        let (connection, mut incoming) = Self::over(stream, first, caller, shared);
        let mut greeting = Greeting::new(&caller.namespace);
        let mut greeted = false;
        while !greeting.connected {
            let (mut failed, mut ended) = (None, None);
            let read = incoming.greeted(&connection, |stamp, frame| match frame {
                _ if failed.is_some() || ended.is_some() => {}
                Frame::Close(code, reason) if greeting.connected => {
                    ended = Some(Closed::ByServer(farewell(code, reason)));
                }
                frame => failed = connection.greet(&mut greeting, stamp, frame).err(),
            });
            let read = read.await;
            if let Some(failed) = failed {
                return Err(failed);
            }
            // What ends a connection behind the CONNECT ends one that was there.
            match greeting.connected {
                true => incoming.ended = ended.or(incoming.ended.take()),
                false => read?,
            }
            if greeting.open.is_some() && !greeted && !greeting.connected {
                greeted = true;
                let connect = packet::write("40", &caller.namespace, &caller.auth);
                connection.write_packet(connect.as_bytes());
            }
        }
        connection.heartbeat.set(greeting.heartbeat());
        incoming.early = greeting.early;
        Ok((connection, incoming))
    }

    /// Over a WebSocket on which nothing was read yet but `first`.
    pub(super) fn over(
        stream: Stream,
        first: Vec<u8>,
        caller: &Caller,
        shared: Rc<Shared>,
    ) -> (Rc<Self>, Incoming) {
        let (tcp, tls) = dial::into_parts(stream);
        let (pipe, read) = Pipe::over(tcp, tls);
        let now = shared.clock.now();
        let connection = Rc::new(Self {
            user: caller.user,
            shared,
            session: Session::new(caller.user, &caller.namespace),
            pipe,
            closing: Cell::new(false),
            reading: Cell::new(Reading::On),
            reader: RefCell::default(),
            heartbeat: Cell::new(Duration::MAX),
            last_ping: Cell::new(now),
            heard: Cell::new(now),
        });
        let incoming = Incoming {
            read,
            decoder: Decoder::default(),
            first: Some(first),
            early: Vec::new(),
            ended: None,
        };
        (connection, incoming)
    }

    fn greet(
        &self,
        greeting: &mut Greeting<'_>,
        stamp: Nanos,
        frame: Frame<'_>,
    ) -> Result<(), ConnectError> {
        match frame {
            Frame::Text(text) => {
                if let Some(pong) = greeting.text(stamp, text)? {
                    self.last_ping.set(stamp);
                    self.write_packet(format!("3{pong}").as_bytes());
                }
            }
            Frame::Binary(_) => greeting.binary(stamp)?,
            Frame::Ping(payload) => self.write_frame_pong(payload),
            Frame::Close(code, reason) => {
                return Err(ConnectError::NotSocketIo(format!(
                    "it closed the WebSocket before the Socket.IO CONNECT ({}); it may speak another encoding than JSON, as with socket.io-msgpack-parser",
                    farewell(code, reason)
                )));
            }
        }
        Ok(())
    }

    /// An upgraded connection takes its session over, with what came before the upgrade.
    pub(super) fn adopt(&self, incoming: &mut Incoming, heartbeat: Duration, early: Vec<Early>) {
        self.heartbeat.set(heartbeat);
        self.last_ping.set(self.shared.clock.now());
        incoming.early = early;
    }

    /// Reads until the connection ends and hands everything to the observer.
    pub async fn run(self: Rc<Self>, mut incoming: Incoming, observer: impl Observer) {
        let why = self.read_on(&mut incoming, &observer).await;
        if why.is_hung_up() {
            self.hang_up(match why {
                Closed::Protocol(_) => frame::PROTOCOL_ERROR,
                Closed::Limit(_) => frame::TOO_BIG,
                _ => frame::NORMAL,
            });
        }
        if !self.closing.replace(true) {
            let at = match why {
                // What came behind what can't be read was not heard.
                Closed::Protocol(_) | Closed::Limit(_) => self.heard.get(),
                _ => self.shared.clock.now(),
            };
            observer.closed(self.user, at, why);
        }
    }

    async fn read_on(&self, incoming: &mut Incoming, observer: &impl Observer) -> Closed {
        let mut owed = Owed::default();
        let mut ended = None;
        for early in std::mem::take(&mut incoming.early) {
            let step = match &early {
                Early::Text(stamp, text) => self.session.text(*stamp, text, observer),
                Early::Binary(stamp) => self.session.binary(*stamp, observer),
            };
            ended = ended.or(self.take(step, &mut owed));
        }
        ended = ended.or(incoming.ended.take());
        let mut in_a_row = 0;
        loop {
            self.settle(&mut owed);
            if let Some(why) = ended.take().or_else(|| self.pipe.overfull()) {
                return why;
            }
            let waited = Cell::new(false);
            let read = incoming
                .read(self, &waited, |stamp, frame| {
                    if ended.is_none() {
                        ended = self.on_frame(stamp, frame, observer, &mut owed);
                    }
                })
                .await;
            // After the own goodbye the rest is read and forgotten until the server closes too: a socket that is closed
            // with unread data in it resets the connection, and the goodbye might be lost with it.
            let bytes = match (read, ended.take()) {
                (_, Some(why)) | (Err(why), None) => return why,
                (Ok(0), None) => return Closed::Transport("by the other side".into()),
                (Ok(bytes), None) => bytes,
            };
            in_a_row = if waited.get() { 0 } else { in_a_row + 1 };
            if bytes >= TURN_BYTES || in_a_row >= TURN_READS {
                in_a_row = 0;
                self.settle(&mut owed);
                tokio::task::yield_now().await;
            }
        }
    }

    fn on_frame(
        &self,
        stamp: Nanos,
        frame: Frame<'_>,
        observer: &impl Observer,
        owed: &mut Owed,
    ) -> Option<Closed> {
        if self.closing.get() {
            return None;
        }
        let step = match frame {
            Frame::Text(text) => self.session.text(stamp, text, observer),
            Frame::Binary(_) => self.session.binary(stamp, observer),
            Frame::Ping(payload) => {
                owed.frame_pong = Some(payload.to_vec());
                return None;
            }
            Frame::Close(code, reason) => {
                return Some(Closed::ByServer(farewell(code, reason)));
            }
        };
        if matches!(step, Step::Pong(_)) {
            self.last_ping.set(stamp);
        }
        let ended = self.take(step, owed);
        if ended.is_none() {
            self.heard.set(stamp);
        }
        ended
    }

    fn take(&self, step: Step, owed: &mut Owed) -> Option<Closed> {
        match step {
            Step::Done => {}
            Step::Pong(payload) => owed.pong = Some(payload),
            Step::Reply(packet) => self.write_packet(packet.as_bytes()),
            Step::End(why) => return Some(why),
        }
        None
    }

    /// Answers what the last read asked for.
    fn settle(&self, owed: &mut Owed) {
        if let Some(payload) = owed.pong.take() {
            self.write_packet(format!("3{payload}").as_bytes());
        }
        if let Some(payload) = owed.frame_pong.take() {
            self.write_frame_pong(&payload);
        }
    }

    /// Ends the connection if the server's heartbeat is overdue at `now`: to be called now and then.
    pub fn check_heartbeat(&self, now: Nanos, observer: &impl Observer) {
        let silent = Duration::from_nanos(now.saturating_sub(self.last_ping.get()));
        let listens = self.reading.get() == Reading::On;
        if listens && silent > self.heartbeat.get() && !self.closing.replace(true) {
            observer.closed(self.user, now, Closed::Silent(silent));
            self.hang_up(frame::NORMAL);
        }
    }

    /// Ends the connection and says why, as far as the server reads that at once.
    fn hang_up(&self, status: u16) {
        self.write_close(status);
        self.pipe.abandon();
        self.read_from_now_on(Reading::Over);
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
        self.pipe.cut();
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

    pub(super) fn write_packet(&self, packet: &[u8]) {
        self.write_frame(|out| frame::write_text(out, packet, mask()));
    }

    fn write_frame_pong(&self, payload: &[u8]) {
        self.write_frame(|out| frame::write_pong(out, payload, mask()));
    }

    fn write_close(&self, status: u16) {
        self.write_frame(|out| frame::write_close(out, status, mask()));
    }

    fn write_frame(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut out = self.shared.frame.borrow_mut();
        out.clear();
        write(&mut out);
        self.pipe.write(&out);
        if self.pipe.overfull().is_some() {
            self.wake_reader();
        }
    }

    /// The reading side ends the connection.
    fn wake_reader(&self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Client for Connection {
    fn emit(&self, event: &str, payload: &str, ack: Option<u64>) {
        let mut packet = self.shared.packet.borrow_mut();
        packet.clear();
        packet::write_event(&mut packet, self.session.namespace(), event, payload, ack);
        self.write_packet(&packet);
    }

    fn close(&self) {
        if self.closing.replace(true) {
            return;
        }
        self.write_packet(packet::write("41", self.session.namespace(), "").as_bytes());
        self.write_close(frame::NORMAL);
        // Who had stopped reading waits for the server's goodbye all the same.
        if self.reading.get() == Reading::Paused {
            self.read_from_now_on(Reading::On);
        }
    }
}

/// How a server closes a WebSocket, in words.
fn farewell(code: Option<u16>, reason: &str) -> String {
    match (code, reason) {
        (None, _) => "WebSocket close".into(),
        (Some(code), "") => format!("WebSocket close {code}"),
        (Some(code), reason) => format!("WebSocket close {code}, {reason:?}"),
    }
}

/// A new mask for each frame (RFC 6455, 5.3).
fn mask() -> [u8; 4] {
    rand::rng().random()
}

//! One user's session over HTTP long polling: one request waits for what comes, another posts what is said.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::future::{self, Either};
use hyper::{Method, StatusCode};
use tokio::{sync::Notify, task::yield_now, time::timeout};

use super::{
    connection::{Reading, Shared},
    greeting::{Early, Greeting},
    lane::{Answered, Lane, SEPARATOR},
    packet::{self, Open},
    session::{Session, Step},
};
use crate::{
    dial::{self, Caller, DialError, Endpoint},
    drive::{Client, ConnectError, client::Observer},
    model::{Clock, Nanos},
    observed::Closed,
};

/// What may wait to be posted, in bytes: a server that lets more wait ends the session.
const MOST_UNSENT: usize = 4 << 20;
/// What one request may post where the server does not say.
const USUAL_PAYLOAD: u64 = 1_000_000;
/// Whoever hears so many packets of one answer lets the others have a turn.
const TURN_PACKETS: usize = 1_000;
/// How long a server may take to answer a post, if its heartbeat is no slower.
const POSTED: Duration = Duration::from_secs(20);
/// What a poll was answered with by a server that has ended the session and has nothing more to say.
pub(super) const EMPTY: &str = "an empty answer to a poll, which ends the session";
/// How long a goodbye may take to be posted, and the poll that waits to be answered.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connected user. Reading and posting happen in [`Polling::run`].
pub struct Polling {
    caller: Caller,
    clock: Clock,
    session: Session,
    /// The request target of the session.
    place: String,
    most_posted: usize,
    outbox: RefCell<Outbox>,
    /// Something waits to be posted, or there is nothing more to post.
    written: Notify,
    closing: Cell<bool>,
    reading: Cell<Reading>,
    /// `reading` is another.
    changed: Notify,
    heartbeat: Duration,
    last_ping: Cell<Nanos>,
    /// When the last packet came that was understood.
    heard: Cell<Nanos>,
}

#[derive(Default)]
struct Outbox {
    packets: VecDeque<String>,
    bytes: usize,
    overfull: bool,
}

/// The half of a session that [`Polling::run`] consumes.
pub struct Polled {
    pub(super) polls: Lane,
    pub(super) posts: Lane,
    pub(super) early: Vec<Early>,
    pub(super) open: Open,
}

/// A packet of an answer.
pub(super) enum Piece<'a> {
    /// A text.
    Text(&'a str),
    /// A binary message.
    Binary,
}

impl Polling {
    /// Opens a session, greets and waits for the server's CONNECT.
    ///
    /// # Errors
    /// [`ConnectError`]: nothing listens, no Socket.IO server, or refused.
    pub async fn open(
        endpoint: &Endpoint,
        caller: Caller,
        shared: &Shared,
    ) -> Result<(Rc<Self>, Polled), ConnectError> {
        let clock = shared.clock();
        let (mut polls, mut posts) = (Lane::new(endpoint, clock), Lane::new(endpoint, clock));
        let mut greeting = Greeting::new(&caller.namespace);
        let first = caller.engine_io("polling", "");
        let answer = polls
            .ask(&caller, Method::GET, &first, String::new())
            .await?;
        greet(&mut greeting, &answer)?;
        let Some(open) = &greeting.open else {
            let what = format!(
                "no Engine.IO handshake but {:?}",
                packet::beginning(&answer.body)
            );
            return Err(ConnectError::NotSocketIo(what));
        };
        let place = caller.engine_io("polling", &format!("&sid={}", open.sid));
        let most_posted = open.max_payload.unwrap_or(USUAL_PAYLOAD);
        let connect = packet::write("40", &caller.namespace, &caller.auth);
        let posted = posts.ask(&caller, Method::POST, &place, connect).await?;
        taken(&posted).map_err(|closed| ConnectError::NotSocketIo(closed.to_string()))?;
        let mut last_ping = clock.now();
        while !greeting.connected {
            let answer = polls
                .ask(&caller, Method::GET, &place, String::new())
                .await?;
            if let Some(pong) = greet(&mut greeting, &answer)? {
                last_ping = answer.stamp;
                let pong = format!("3{pong}");
                posts.ask(&caller, Method::POST, &place, pong).await?;
            }
        }
        let heartbeat = greeting.heartbeat();
        let (open, early) = (greeting.open.take(), std::mem::take(&mut greeting.early));
        let polling = Rc::new(Self {
            clock,
            session: Session::new(caller.user, &caller.namespace),
            caller,
            place,
            most_posted: usize::try_from(most_posted).unwrap_or(usize::MAX),
            outbox: RefCell::default(),
            written: Notify::new(),
            closing: Cell::new(false),
            reading: Cell::new(Reading::On),
            changed: Notify::new(),
            heartbeat,
            last_ping: Cell::new(last_ping),
            heard: Cell::new(clock.now()),
        });
        let open = open.ok_or_else(|| ConnectError::NotSocketIo("no handshake".into()))?;
        let polled = Polled {
            polls,
            posts,
            early,
            open,
        };
        Ok((polling, polled))
    }

    /// Who asks.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The request target of the session.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// How long the server may be silent.
    pub(super) fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    /// Polls and posts until the session ends, and hands everything to the observer.
    pub async fn run(self: Rc<Self>, polled: Polled, observer: impl Observer) {
        let Polled {
            polls,
            posts,
            early,
            ..
        } = polled;
        let polls = std::pin::pin!(self.poll_on(polls, early, &observer));
        let posts = std::pin::pin!(self.post_on(posts));
        let (why, other) = match future::select(polls, posts).await {
            Either::Left((why, other)) => (why, Either::Left(other)),
            Either::Right((why, other)) => (why, Either::Right(other)),
        };
        let said_goodbye = match self.closing.get() {
            true => self.reading.get() != Reading::Over,
            false => {
                let hung_up = why.is_hung_up();
                if hung_up {
                    self.close();
                }
                self.closing.set(true);
                let at = match why {
                    // What came behind what can't be read was not heard.
                    Closed::Protocol(_) | Closed::Limit(_) => self.heard.get(),
                    _ => self.clock.now(),
                };
                observer.closed(self.caller.user, at, why);
                hung_up
            }
        };
        if said_goodbye {
            // A server that does not answer either in time has both connections closed.
            let _ = timeout(GOODBYE, other).await;
        }
    }

    async fn poll_on(
        &self,
        mut polls: Lane,
        early: Vec<Early>,
        observer: &impl Observer,
    ) -> Closed {
        for early in early {
            let step = match &early {
                Early::Text(stamp, text) => self.session.text(*stamp, text, observer),
                Early::Binary(stamp) => self.session.binary(*stamp, observer),
            };
            if let Some(why) = self.take(self.clock.now(), step) {
                return why;
            }
        }
        loop {
            while self.reading.get() == Reading::Paused {
                self.changed.notified().await;
            }
            let polled = polls.ask(&self.caller, Method::GET, &self.place, String::new());
            let answer = tokio::select! {
                answer = polled => answer,
                () = self.over() => return Closed::Transport("cut by its own user".into()),
            };
            let heard = match answer {
                Ok(answer) => self.hear(answer, observer).await,
                Err(error) => Err(unanswered(error)),
            };
            if let Err(why) = heard {
                return why;
            }
            // After the own goodbye the session is no more.
            if self.closing.get() {
                return goodbye();
            }
            yield_now().await;
        }
    }

    /// Resolves when nothing more is to be read.
    async fn over(&self) {
        while self.reading.get() != Reading::Over {
            self.changed.notified().await;
        }
    }

    async fn hear(&self, answer: Answered, observer: &impl Observer) -> Result<(), Closed> {
        if self.closing.get() {
            return Ok(());
        }
        taken(&answer)?;
        if answer.body.is_empty() {
            return Err(Closed::ByServer(EMPTY.into()));
        }
        let mut pong = None;
        for (nth, piece) in pieces(&answer.body).enumerate() {
            if nth % TURN_PACKETS == TURN_PACKETS - 1 {
                yield_now().await;
            }
            let step = match piece.map_err(Closed::Protocol)? {
                Piece::Text(text) => self.session.text(answer.stamp, text, observer),
                Piece::Binary => self.session.binary(answer.stamp, observer),
            };
            match step {
                // Of several heartbeats at once the last is answered.
                step @ Step::Pong(_) => pong = Some(step),
                step => self.take(answer.stamp, step).map_or(Ok(()), Err)?,
            }
            self.heard.set(answer.stamp);
        }
        if let Some(pong) = pong {
            self.take(answer.stamp, pong).map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    fn take(&self, stamp: Nanos, step: Step) -> Option<Closed> {
        match step {
            Step::Done => {}
            Step::Pong(payload) => {
                self.last_ping.set(stamp);
                self.post(format!("3{payload}"));
            }
            Step::Reply(packet) => self.post(packet),
            Step::End(why) => return Some(why),
        }
        None
    }

    fn post(&self, packet: String) {
        let mut outbox = self.outbox.borrow_mut();
        outbox.bytes += packet.len();
        if outbox.bytes > MOST_UNSENT {
            outbox.overfull = true;
            outbox.packets.clear();
        } else {
            outbox.packets.push_back(packet);
        }
        self.written.notify_one();
    }

    async fn post_on(&self, mut posts: Lane) -> Closed {
        let patience = self.heartbeat.max(POSTED);
        loop {
            if self.outbox.borrow().overfull {
                return Closed::Overfull(MOST_UNSENT);
            }
            let body = self.next_body();
            if body.is_empty() {
                if self.closing.get() {
                    return goodbye();
                }
                self.written.notified().await;
                continue;
            }
            let posted = posts.ask(&self.caller, Method::POST, &self.place, body);
            let posted = tokio::select! {
                posted = timeout(patience, posted) => posted,
                () = self.over() => return Closed::Transport("cut by its own user".into()),
            };
            let taken = posted
                .map_err(|_| Closed::Unanswered(patience))
                .and_then(|posted| posted.map_err(unanswered))
                .and_then(|answer| taken(&answer));
            if let Err(why) = taken {
                return why;
            }
        }
    }

    /// As much of what waits as one request may post, and one packet at least.
    fn next_body(&self) -> String {
        let mut outbox = self.outbox.borrow_mut();
        let mut body = String::new();
        while let Some(packet) = outbox.packets.front() {
            if !body.is_empty() && body.len() + 1 + packet.len() > self.most_posted {
                break;
            }
            if !body.is_empty() {
                body.push(SEPARATOR);
            }
            body.push_str(packet);
            outbox.bytes = outbox.bytes.saturating_sub(packet.len());
            outbox.packets.pop_front();
        }
        body
    }

    /// Ends the session if the server's heartbeat is overdue at `now`: to be called now and then.
    pub fn check_heartbeat(&self, now: Nanos, observer: &impl Observer) {
        let silent = Duration::from_nanos(now.saturating_sub(self.last_ping.get()));
        let listens = self.reading.get() == Reading::On;
        if listens && silent > self.heartbeat && !self.closing.replace(true) {
            observer.closed(self.caller.user, now, Closed::Silent(silent));
            self.read_from_now_on(Reading::Over);
        }
    }

    /// Polls no more: what comes waits at the server.
    pub fn pause(&self) {
        self.read_from_now_on(Reading::Paused);
    }

    /// Polls again.
    pub fn resume(&self) {
        self.last_ping.set(self.clock.now());
        self.read_from_now_on(Reading::On);
    }

    /// Ends both requests without a goodbye.
    pub fn cut(&self) {
        self.closing.set(true);
        self.read_from_now_on(Reading::Over);
    }

    fn read_from_now_on(&self, reading: Reading) {
        self.reading.set(reading);
        self.changed.notify_waiters();
    }
}

impl Client for Polling {
    fn emit(&self, event: &str, payload: &str, ack: Option<u64>) {
        let mut packet = Vec::with_capacity(event.len() + payload.len() + 16);
        packet::write_event(&mut packet, self.session.namespace(), event, payload, ack);
        // What is emitted was text.
        self.post(String::from_utf8(packet).unwrap_or_default());
    }

    fn close(&self) {
        if self.closing.get() {
            return;
        }
        self.post(packet::write("41", self.session.namespace(), ""));
        // Engine.IO's own goodbye ends the session, and with it the poll that waits.
        self.post("1".to_owned());
        self.closing.set(true);
        self.written.notify_one();
        if self.reading.get() == Reading::Paused {
            self.read_from_now_on(Reading::On);
        }
    }
}

/// What ends a session that its own user has ended.
fn goodbye() -> Closed {
    Closed::Transport("closed by its own user".into())
}

/// What a request ended with that was not answered.
fn unanswered(error: DialError) -> Closed {
    match error {
        DialError::TooLong(what) => Closed::Limit(what),
        error @ (DialError::NotHttp(_) | DialError::NoText(_)) => {
            Closed::Protocol(error.to_string())
        }
        error => Closed::Transport(error.to_string()),
    }
}

/// What an answer says while the greeting is under way; the payload of a pong, if it asks for one.
fn greet(greeting: &mut Greeting<'_>, answer: &Answered) -> Result<Option<String>, ConnectError> {
    let not_socket_io = ConnectError::NotSocketIo;
    if answer.status != StatusCode::OK {
        let hint = match answer.body.contains("Transport unknown") {
            true => "; it speaks no polling: transport = \"websocket\"".to_owned(),
            false => dial::hint(answer.status.as_u16(), answer.location.as_deref()),
        };
        return Err(not_socket_io(format!(
            "it answered HTTP {} with {:?}{hint}",
            answer.status,
            packet::beginning(&answer.body)
        )));
    }
    if answer.body.is_empty() {
        return Err(not_socket_io(EMPTY.into()));
    }
    let mut pong = None;
    for piece in pieces(&answer.body) {
        match piece.map_err(not_socket_io)? {
            Piece::Text(text) => pong = greeting.text(answer.stamp, text)?.or(pong),
            Piece::Binary => greeting.binary(answer.stamp)?,
        }
    }
    Ok(pong)
}

/// The packets of an answer.
pub(super) fn pieces(body: &str) -> impl Iterator<Item = Result<Piece<'_>, String>> {
    body.split(SEPARATOR).map(|packet| {
        if let Some(encoded) = packet.strip_prefix('b') {
            return match STANDARD.decode(encoded) {
                Ok(_) => Ok(Piece::Binary),
                Err(error) => Err(format!("a binary packet that is no Base64: {error}")),
            };
        }
        // Engine.IO 3 prefixes each packet with its length: `96:0{"sid":…`.
        match packet.split_once(':') {
            Some((length, rest))
                if rest.starts_with("0{") && length.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                Err("it speaks Engine.IO v3 (Socket.IO 2)".to_owned())
            }
            _ => Ok(Piece::Text(packet)),
        }
    })
}

/// Whether the server took what was asked or posted.
fn taken(answer: &Answered) -> Result<(), Closed> {
    match answer.status {
        StatusCode::OK => Ok(()),
        status => Err(Closed::ByServer(format!(
            "HTTP {status} with {:?}",
            packet::beginning(&answer.body)
        ))),
    }
}

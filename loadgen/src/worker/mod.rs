//! One worker thread: connects its users, sends on schedule, and lets [`receipt`] note what comes back.

mod job;
mod receipt;
mod timer;

use std::{
    cell::RefCell,
    io,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};

use futures::{StreamExt, stream};
use tokio::{
    runtime,
    sync::{Notify, mpsc},
    task::LocalSet,
};

pub use self::{
    job::{Broken, Command, Job, Outcome, Progress, Report},
    receipt::{Stray, StrayKind, Strays, hash},
};
use self::{receipt::Receipts, timer::Timer};
use crate::{
    body::{self},
    client::{
        Client, Closed, ConnectError, Observer,
        native::{Connection, Shared},
    },
    clock::Nanos,
    metric::Metric,
    recorder::Recorded,
};

/// Connects under way at once in one worker: enough to keep a server busy, few enough for its accept queue.
const CONNECTING: usize = 64;
/// How long one user may take to be connected, and to have joined.
const PATIENCE: Duration = Duration::from_secs(20);
/// Sends in a row before the readers get a turn, when the schedule has fallen behind.
const SENDS_IN_A_ROW: usize = 16;
/// How often heartbeats are checked and progress is published.
const HOUSEKEEPING: Duration = Duration::from_millis(500);
/// How many broken connections are told in full.
const EXAMPLES: usize = 10;
/// Acknowledgement ids from here on belong to joins; below it they are message numbers.
const JOIN_ACKS: u64 = 1 << 40;

/// A running worker thread.
pub struct Worker {
    commands: mpsc::Sender<Command>,
    thread: thread::JoinHandle<io::Result<Outcome>>,
}

impl Worker {
    /// Starts the thread; it connects its users at once.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(job: Job, reports: mpsc::Sender<Report>) -> io::Result<Self> {
        let (commands, inbox) = mpsc::channel(4);
        let thread = thread::Builder::new()
            .name(format!("worker-{}", job.worker))
            .spawn(move || {
                let runtime = runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                LocalSet::new().block_on(&runtime, run(job, inbox, reports))
            })?;
        Ok(Self { commands, thread })
    }

    /// Tells the worker what to do next. A worker that has ended needs no telling.
    pub async fn tell(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }

    /// Waits for the worker's outcome, after [`Command::Finish`].
    ///
    /// # Errors
    /// What kept it from working, a panic included.
    pub async fn outcome(self) -> io::Result<Outcome> {
        tokio::task::spawn_blocking(move || self.thread.join())
            .await
            .map_err(io::Error::other)?
            .map_err(|_| io::Error::other("a worker thread panicked"))?
    }
}

async fn run(
    job: Job,
    mut inbox: mpsc::Receiver<Command>,
    reports: mpsc::Sender<Report>,
) -> io::Result<Outcome> {
    let users = Rc::new(Users::new(job));
    let housekeeping = tokio::task::spawn_local(Rc::clone(&users).housekeeping());
    let connected = tokio::select! {
        connected = Rc::clone(&users).connect_all() => connected,
        // The runner gives up, or is gone, before everybody is there.
        _ = inbox.recv() => return Ok(users.finish()),
    };
    // The runner listens as long as workers run, so a report that can't be handed over has no reader left.
    let _ = match connected {
        Ok(()) => reports.send(Report::Ready).await,
        Err((user, error)) => reports.send(Report::CannotConnect { user, error }).await,
    };
    let mut sending = None;
    while let Some(Command::Start(at)) = inbox.recv().await {
        let (users, reports) = (Rc::clone(&users), reports.clone());
        sending = Some(tokio::task::spawn_local(async move {
            users.send_all(at).await?;
            let _ = reports.send(Report::Sent).await;
            Ok::<_, io::Error>(())
        }));
    }
    housekeeping.abort();
    if let Some(sending) = sending {
        sending.abort();
        if let Ok(sent) = sending.await {
            sent?;
        }
    }
    users.close_all().await;
    Ok(users.finish())
}

/// The users of one worker.
struct Users {
    job: Job,
    shared: Rc<Shared>,
    receipts: RefCell<Option<Receipts>>,
    users: Vec<User>,
    broken: RefCell<Vec<Broken>>,
}

#[derive(Default)]
struct User {
    connection: RefCell<Option<Rc<Connection>>>,
    joining: RefCell<Joining>,
    joined: Notify,
}

/// Joins that were asked for and not yet answered.
#[derive(Default)]
struct Joining {
    asked: Vec<(u64, Nanos)>,
    refused: Option<String>,
}

impl Users {
    fn new(job: Job) -> Self {
        let own = job
            .plan
            .users
            .len()
            .saturating_sub(job.worker)
            .div_ceil(job.workers);
        Self {
            shared: Shared::new(job.clock),
            receipts: RefCell::new(Some(Receipts::new(&job))),
            users: std::iter::repeat_with(User::default).take(own).collect(),
            broken: RefCell::default(),
            job,
        }
    }

    fn user(&self, user: u32) -> &User {
        &self.users[user as usize / self.job.workers]
    }

    fn with_receipts(&self, each: impl FnOnce(&Receipts)) {
        if let Some(receipts) = &*self.receipts.borrow() {
            each(receipts);
        }
    }

    async fn connect_all(self: Rc<Self>) -> Result<(), (u32, ConnectError)> {
        let began = tokio::time::Instant::now();
        let own = (self.job.worker..self.job.plan.users.len()).step_by(self.job.workers);
        let mut connecting = stream::iter(own.enumerate())
            .map(|(index, user)| {
                let (me, user) = (Rc::clone(&self), user as u32);
                async move {
                    if let Some(rate) = me.job.connect_rate {
                        let due = began + Duration::from_secs_f64(index as f64 / rate);
                        tokio::time::sleep_until(due).await;
                    }
                    me.connect(user).await.map_err(|error| (user, error))
                }
            })
            .buffer_unordered(CONNECTING);
        while let Some(connected) = connecting.next().await {
            connected?;
            self.job.progress.connected.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    async fn connect(self: Rc<Self>, user: u32) -> Result<(), ConnectError> {
        // Without a configured secret the token is the user's id (docs/SOCKET_EVENTS.md, handshake).
        let auth = format!("{{\"token\":\"{}\"}}", self.job.plan.users[user as usize]);
        let asked = self.job.clock.now();
        let (connection, incoming) = Connection::open(
            user,
            &self.job.endpoint,
            &auth,
            Rc::clone(&self.shared),
            PATIENCE,
        )
        .await?;
        self.record(Metric::Connect, asked);
        self.user(user)
            .connection
            .replace(Some(Rc::clone(&connection)));
        tokio::task::spawn_local(Rc::clone(&connection).run(incoming, Rc::clone(&self)));
        self.join_all(user, &connection).await
    }

    async fn join_all(&self, user: u32, connection: &Connection) -> Result<(), ConnectError> {
        let state = self.user(user);
        for (index, place) in self.job.plan.places[user as usize].iter().enumerate() {
            let conversation = &self.job.plan.conversations[place.conversation as usize];
            let names = self.job.vocabulary.names(conversation.kind);
            let ack = JOIN_ACKS + index as u64;
            state
                .joining
                .borrow_mut()
                .asked
                .push((ack, self.job.clock.now()));
            let payload = format!("{{\"{}\":\"{}\"}}", names.id_field, conversation.id);
            connection.emit(&names.join, &payload, Some(ack));
        }
        let all_answered = async {
            while !state.joining.borrow().asked.is_empty() {
                state.joined.notified().await;
            }
        };
        if tokio::time::timeout(PATIENCE, all_answered).await.is_err() {
            return Err(ConnectError::TimedOut(PATIENCE));
        }
        match state.joining.borrow_mut().refused.take() {
            Some(refusal) => Err(ConnectError::Refused(refusal)),
            None => Ok(()),
        }
    }

    fn join_answered(&self, user: u32, stamp: Nanos, ack: u64, payload: &str) {
        let state = self.user(user);
        let mut joining = state.joining.borrow_mut();
        let Some(place) = joining.asked.iter().position(|(id, _)| *id == ack) else {
            return;
        };
        let (_, asked) = joining.asked.swap_remove(place);
        if payload.contains("\"success\":true") {
            self.with_receipts(|receipts| receipts.recorder().record(Metric::Join, asked, stamp));
        } else {
            joining.refused = Some(format!("a join was answered with {payload}"));
        }
        if joining.asked.is_empty() {
            state.joined.notify_one();
        }
    }

    fn record(&self, metric: Metric, since: Nanos) {
        let now = self.job.clock.now();
        self.with_receipts(|receipts| receipts.recorder().record(metric, since, now));
    }

    /// Sends this worker's part of the plan, each message at its own time and none in advance.
    async fn send_all(&self, start: Nanos) -> io::Result<()> {
        self.with_receipts(|receipts| receipts.begin(start));
        let timer = Timer::new()?;
        let mut text = Text::default();
        let mut in_a_row = 0;
        let plan = Arc::clone(&self.job.plan);
        for (message, send) in plan.sends.iter().enumerate() {
            if send.sender as usize % self.job.workers != self.job.worker {
                continue;
            }
            let due = start + send.at;
            loop {
                let early = due.saturating_sub(self.job.clock.now());
                if early == 0 {
                    break;
                }
                in_a_row = 0;
                timer.wait(Duration::from_nanos(early)).await?;
            }
            in_a_row += 1;
            if in_a_row > SENDS_IN_A_ROW {
                in_a_row = 0;
                tokio::task::yield_now().await;
            }
            self.send(message as u32, start, &mut text);
        }
        Ok(())
    }

    fn send(&self, message: u32, start: Nanos, text: &mut Text) {
        let plan = &self.job.plan;
        let send = &plan.sends[message as usize];
        let connection = self.user(send.sender).connection.borrow();
        let Some(connection) = &*connection else {
            self.job.progress.dropped.fetch_add(1, Relaxed);
            return;
        };
        let conversation = plan.conversation_of(send);
        let names = self.job.vocabulary.names(conversation.kind);
        text.write(
            &names.id_field,
            &conversation.id,
            &plan.users[send.sender as usize],
            |body| body::write(body, &self.job.run, message, send.bytes as usize),
        );
        let intended = start + send.at;
        let now = self.job.clock.now();
        let kept = self.job.ledger.sent(message, now - intended);
        connection.emit(&names.send, &text.payload, Some(message.into()));
        self.job.progress.sent.fetch_add(1, Relaxed);
        self.with_receipts(|receipts| {
            let mut recorder = receipts.recorder();
            recorder.clamped += u64::from(!kept);
            if receipts.measured(send) {
                recorder.record(Metric::SendLateness, intended, now);
            }
        });
    }

    /// Ends connections whose server is silent, and shows others how far this worker is.
    async fn housekeeping(self: Rc<Self>) {
        let mut ticks = tokio::time::interval(HOUSEKEEPING);
        loop {
            ticks.tick().await;
            let now = self.job.clock.now();
            for user in &self.users {
                let connection = user.connection.borrow().clone();
                if let Some(connection) = connection {
                    connection.check_heartbeat(now, &*self);
                }
            }
            self.with_receipts(|receipts| {
                // Measuring never waits for showing: when the reader is there, this turn is skipped.
                if let Ok(mut shown) = self.job.progress.deliveries.try_lock()
                    && let Some(mine) = shown.get_mut(self.job.worker)
                {
                    mine.clone_from(receipts.recorder().deliveries());
                }
            });
        }
    }

    /// Closes every connection and lets the goodbyes go out.
    async fn close_all(&self) {
        for user in &self.users {
            if let Some(connection) = user.connection.take() {
                connection.close();
            }
            tokio::task::yield_now().await;
        }
    }

    fn finish(&self) -> Outcome {
        let (recorded, strays) = match self.receipts.take() {
            Some(receipts) => {
                let (recorder, strays) = receipts.finish();
                (recorder.finish(), strays)
            }
            None => (Recorded::empty(self.job.limits.clone()), Strays::default()),
        };
        Outcome {
            recorded,
            strays,
            broken: self.broken.take(),
        }
    }
}

impl Observer for Users {
    fn event(&self, user: u32, stamp: Nanos, name: &str, payload: &str) {
        self.with_receipts(|receipts| receipts.event(user, stamp, name, payload));
    }

    fn ack(&self, user: u32, stamp: Nanos, id: u64, payload: &str) {
        match u32::try_from(id) {
            Ok(message) => {
                self.with_receipts(|receipts| receipts.message_ack(user, stamp, message, payload));
            }
            Err(_) => self.join_answered(user, stamp, id, payload),
        }
    }

    fn closed(&self, user: u32, stamp: Nanos, why: Closed) {
        let state = self.user(user);
        state.connection.replace(None);
        self.job.progress.closed.fetch_add(1, Relaxed);
        let mut broken = self.broken.borrow_mut();
        if broken.len() < EXAMPLES {
            broken.push(Broken {
                user,
                at: stamp,
                why: why.clone(),
            });
        }
        let mut joining = state.joining.borrow_mut();
        if !joining.asked.is_empty() {
            joining.asked.clear();
            joining.refused = Some(why.to_string());
            state.joined.notify_one();
        }
    }
}

/// The JSON of a message to be sent, in memory that is used again.
#[derive(Default)]
struct Text {
    body: String,
    payload: String,
}

impl Text {
    fn write(
        &mut self,
        id_field: &str,
        conversation: &str,
        sender: &str,
        body: impl FnOnce(&mut String),
    ) {
        self.body.clear();
        body(&mut self.body);
        let mut json = std::mem::take(&mut self.payload).into_bytes();
        json.clear();
        for part in [
            "{\"",
            id_field,
            "\":\"",
            conversation,
            "\",\"senderId\":\"",
            sender,
            "\",\"body\":",
        ] {
            json.extend_from_slice(part.as_bytes());
        }
        // Neither a string's JSON nor writing to a vector can fail, and JSON is UTF-8.
        let _ = serde_json::to_writer(&mut json, &self.body);
        json.push(b'}');
        self.payload = String::from_utf8(json).unwrap_or_default();
    }
}

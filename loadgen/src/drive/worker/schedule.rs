//! One worker's part of the schedule: each message and each coming or going at its own time, and none in advance.

use std::{
    borrow::Cow,
    io,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{dialogue::Dialogue, timer::Timer, users::Users};
use crate::{
    drive::Client,
    model::{Blank, Form, Nanos, body},
};

/// Sends in a row before the readers get a turn, when the schedule has fallen behind.
const SENDS_IN_A_ROW: usize = 16;

/// Does what is planned for this worker's users, from `start` on.
pub(super) async fn perform(
    users: Rc<Users>,
    dialogue: Rc<Dialogue>,
    timer: Rc<Timer>,
    start: Nanos,
) -> io::Result<()> {
    users.with_receipts(|receipts| receipts.begin(start));
    let plan = Arc::clone(&users.job.plan);
    let share = users.job.share.clone();
    let mut sends = share
        .sends(&plan)
        .filter(|(_, send)| !plan.phase_of(send).closed)
        .map(|(message, send)| (send.at, message))
        .peekable();
    let mut actions = share.actions(&plan).peekable();
    let mut sender = Sender {
        users: &users,
        text: Text::default(),
    };
    let mut in_a_row = 0;
    loop {
        // What is due at one moment: first who comes and goes, then who sends.
        let next = [
            actions.peek().map(|action| (action.at, Next::Action)),
            sends.peek().map(|(at, _)| (*at, Next::Send)),
            dialogue.next().map(|at| (at, Next::Reply)),
        ];
        let next = next.into_iter().flatten().min();
        let Some(at) = next.map(|(at, _)| at).or(dialogue.end()) else {
            return Ok(());
        };
        let early = (start + at).saturating_sub(users.job.clock.now());
        if early > 0 {
            in_a_row = 0;
            tokio::select! {
                waited = timer.wait(Duration::from_nanos(early)) => waited?,
                // An acknowledgement may make something due earlier.
                () = dialogue.changed.notified() => {}
            }
            continue;
        }
        match next {
            Some((_, Next::Action)) => {
                if let Some(action) = actions.next() {
                    users.follow(action);
                }
            }
            Some((at, Next::Send)) => {
                if let Some((_, message)) = sends.next() {
                    sender.send(message, start + at);
                }
            }
            Some((at, Next::Reply)) => {
                if let Some(message) = dialogue.take()
                    && !sender.reply(message, start + at)
                {
                    dialogue.acknowledged(message, at);
                }
            }
            // The last closed phase is over, whoever still waits for an acknowledgement.
            None => return Ok(()),
        }
        in_a_row += 1;
        if in_a_row > SENDS_IN_A_ROW {
            in_a_row = 0;
            tokio::task::yield_now().await;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Action,
    Send,
    Reply,
}

/// Sends messages.
struct Sender<'a> {
    users: &'a Users,
    text: Text,
}

impl Sender<'_> {
    /// Sends a message of a closed phase; `false`: its user is away, or out of that conversation, and thinks of something
    /// else.
    fn reply(&mut self, message: u32, due: Nanos) -> bool {
        let send = &self.users.job.plan.sends[message as usize];
        let can = self.users.can_send(send.sender, send.conversation);
        if can {
            self.send(message, due);
        }
        can
    }

    /// Sends a message that is due at `due` on the run's clock.
    fn send(&mut self, message: u32, due: Nanos) {
        let job = &self.users.job;
        let send = &job.plan.sends[message as usize];
        let Some(connection) = self.users.connection(send.sender) else {
            job.progress.dropped.fetch_add(1, Relaxed);
            self.users
                .with_receipts(|receipts| receipts.scheduled(send, due, None));
            return;
        };
        let conversation = job.plan.conversation_of(send);
        let names = job.vocabulary.names(conversation.kind);
        let form = &job.vocabulary.shapes(conversation.kind).send;
        self.text.write(
            form,
            |body| body::write(body, &job.run, message, send.bytes as usize, &job.text),
            |blank| match blank {
                Blank::Conversation => conversation.id.as_str().into(),
                Blank::Message => format!("{}-{message:08x}", job.run.as_str()).into(),
                Blank::Index => send.sender.to_string().into(),
                Blank::Id | Blank::Body | Blank::Token => {
                    job.plan.users[send.sender as usize].as_str().into()
                }
            },
        );
        let now = job.clock.now();
        job.ledger.sent(message, now);
        let ack = job.vocabulary.acknowledges_messages;
        connection.emit(
            &names.send,
            self.text.payload(),
            ack.then_some(message.into()),
        );
        job.progress.sent.fetch_add(1, Relaxed);
        self.users.with_receipts(|receipts| {
            receipts.sent(send.sender);
            receipts.scheduled(send, due, Some(now));
        });
    }
}

/// The JSON of a message to be sent, in memory that is used again.
#[derive(Default)]
struct Text {
    body: String,
    payload: Vec<u8>,
}

impl Text {
    /// Writes the body, and the payload around it with what the other blanks stand for.
    fn write<'a>(
        &mut self,
        form: &Form,
        body: impl FnOnce(&mut String),
        of: impl Fn(Blank) -> Cow<'a, str>,
    ) {
        self.body.clear();
        body(&mut self.body);
        self.payload.clear();
        let body = self.body.as_str();
        form.fill(&mut self.payload, |blank| match blank {
            Blank::Body => Cow::Borrowed(body),
            other => of(other),
        });
    }

    /// JSON is UTF-8.
    fn payload(&self) -> &str {
        std::str::from_utf8(&self.payload).unwrap_or_default()
    }
}

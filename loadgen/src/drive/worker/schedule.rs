//! One worker's part of the schedule: each message and each coming or going at its own time, and none in advance.

use std::{
    io,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{dialogue::Dialogue, timer::Timer, users::Users};
use crate::{
    drive::Client,
    model::{Nanos, body},
};

/// Sends in a row before the readers get a turn, when the schedule has fallen behind.
const SENDS_IN_A_ROW: usize = 16;

/// Does what is planned for this worker's users, from `start` on.
pub(super) async fn perform(
    users: Rc<Users>,
    dialogue: Rc<Dialogue>,
    start: Nanos,
) -> io::Result<()> {
    users.with_receipts(|receipts| receipts.begin(start));
    let plan = Arc::clone(&users.job.plan);
    let share = users.job.share;
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
    let timer = Timer::new()?;
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
                    tokio::task::spawn_local(Rc::clone(&users).act(action.user, action.deed));
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
        let fields = &job.vocabulary.fields;
        self.text.begin();
        self.text.field(&names.id_field, &conversation.id);
        if !fields.sender.is_empty() {
            self.text
                .field(&fields.sender, &job.plan.users[send.sender as usize]);
        }
        self.text.body(&fields.sent_body, |body| {
            body::write(body, &job.run, message, send.bytes as usize, &job.text);
        });
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
    payload: String,
}

impl Text {
    fn begin(&mut self) {
        self.payload.clear();
        self.payload.push('{');
    }

    /// Neither part needs escaping: ids and names of fields are plain.
    fn field(&mut self, name: &str, value: &str) {
        for part in ["\"", name, "\":\"", value, "\","] {
            self.payload.push_str(part);
        }
    }

    fn body(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        self.body.clear();
        write(&mut self.body);
        for part in ["\"", name, "\":"] {
            self.payload.push_str(part);
        }
        let mut json = std::mem::take(&mut self.payload).into_bytes();
        // Neither a string's JSON nor writing to a vector can fail, and JSON is UTF-8.
        let _ = serde_json::to_writer(&mut json, &self.body);
        json.push(b'}');
        self.payload = String::from_utf8(json).unwrap_or_default();
    }

    fn payload(&self) -> &str {
        &self.payload
    }
}

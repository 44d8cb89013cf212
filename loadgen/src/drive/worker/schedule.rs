//! One worker's part of the schedule: each message and each coming or going at its own time, and none in advance.

use std::{
    cell::RefCell,
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    io,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::sync::Notify;

use super::{timer::Timer, users::Users};
use crate::{
    drive::client::Client,
    model::{body, clock::Nanos},
    plan::{Plan, Share},
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
                if let Some(message) = dialogue.take() {
                    let send = &plan.sends[message as usize];
                    if users.can_send(send.sender, send.conversation) {
                        sender.send(message, start + at);
                    } else {
                        // Away, or out of that conversation: it thinks of something else.
                        dialogue.acknowledged(message, at);
                    }
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

/// The users of closed phases: who thinks until when, and who waits for an acknowledgement.
pub(super) struct Dialogue {
    plan: Arc<Plan>,
    share: Share,
    state: RefCell<Turns>,
    changed: Notify,
}

#[derive(Default)]
struct Turns {
    /// By user of this worker: the messages that it can still send, in order.
    queues: Vec<VecDeque<u32>>,
    /// Users of this worker who think, by when they will have thought, from the schedule's start.
    thinking: BinaryHeap<Reverse<(Nanos, usize)>>,
    /// How many wait for an acknowledgement.
    waiting: usize,
}

impl Dialogue {
    /// For the users of a share.
    pub(super) fn new(plan: &Arc<Plan>, share: Share) -> Rc<Self> {
        let mut turns = Turns::default();
        if plan.phases.iter().any(|phase| phase.closed) {
            turns.queues = vec![VecDeque::new(); share.places(plan.users.len())];
            for (message, send) in share.sends(plan) {
                if plan.phase_of(send).closed {
                    turns.queues[share.place(send.sender)].push_back(message);
                }
            }
            for user in 0..turns.queues.len() {
                turns.think(plan, user, None);
            }
        }
        Rc::new(Self {
            plan: Arc::clone(plan),
            share,
            state: RefCell::new(turns),
            changed: Notify::new(),
        })
    }

    /// When the next user will have thought.
    fn next(&self) -> Option<Nanos> {
        let turns = self.state.borrow();
        turns.thinking.peek().map(|Reverse((at, _))| *at)
    }

    /// The end of the last closed phase, while somebody still waits.
    fn end(&self) -> Option<Nanos> {
        let closed = self.plan.phases.iter().rev().find(|phase| phase.closed)?;
        (self.state.borrow().waiting > 0).then_some(closed.end)
    }

    /// The message of the user who has thought longest.
    fn take(&self) -> Option<u32> {
        let mut turns = self.state.borrow_mut();
        let Reverse((_, user)) = turns.thinking.pop()?;
        let message = turns.queues[user].pop_front()?;
        turns.waiting += 1;
        Some(message)
    }

    /// A message was acknowledged, so long after the schedule's start: its sender thinks, then sends again.
    pub(super) fn acknowledged(&self, message: u32, at: Nanos) {
        let send = &self.plan.sends[message as usize];
        if !self.plan.phase_of(send).closed {
            return;
        }
        let mut turns = self.state.borrow_mut();
        let user = self.share.place(send.sender);
        turns.waiting = turns.waiting.saturating_sub(1);
        turns.think(&self.plan, user, Some((message, at)));
        drop(turns);
        self.changed.notify_one();
    }
}

impl Turns {
    /// The pause that the plan has between two messages of a phase; the first one of a phase has a time of its own.
    fn think(&mut self, plan: &Plan, user: usize, after: Option<(u32, Nanos)>) {
        let Some(next) = self.queues[user].front() else {
            return;
        };
        let next = &plan.sends[*next as usize];
        let at = match after {
            Some((last, acknowledged)) if plan.sends[last as usize].phase == next.phase => {
                acknowledged + (next.at - plan.sends[last as usize].at)
            }
            Some((_, acknowledged)) => next.at.max(acknowledged),
            None => next.at,
        };
        if at < plan.phase_of(next).end {
            self.thinking.push(Reverse((at, user)));
        } else {
            // Too late for its phase: on to the user's next one, if there is one.
            self.skip_phase(plan, user);
        }
    }

    fn skip_phase(&mut self, plan: &Plan, user: usize) {
        let phase = |message: &u32| plan.sends[*message as usize].phase;
        let Some(over) = self.queues[user].front().map(phase) else {
            return;
        };
        while self.queues[user].front().map(phase) == Some(over) {
            self.queues[user].pop_front();
        }
        self.think(plan, user, None);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::{Load, Scenario};

    /// Two users who think for half a second each time, for three seconds.
    fn closed_plan() -> Arc<Plan> {
        let text = "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = { users = 2, rooms = 1 }\n\
             [[phases]]\nname = \"talk\"\nduration = \"3s\"\nrate = \"1/s\"\n";
        let mut scenario = Scenario::parse(Path::new("t.toml"), text).unwrap();
        scenario.phases[0].load = Load::Closed {
            think_time: "500ms".parse().unwrap(),
        };
        Arc::new(Plan::new(&scenario).unwrap())
    }

    #[test]
    fn the_next_message_waits_for_the_last_ones_acknowledgement() {
        let plan = closed_plan();
        let dialogue = Dialogue::new(&plan, Share::WHOLE);
        let first = dialogue.take().unwrap();
        let other = dialogue.take().unwrap();
        assert_ne!(
            plan.sends[first as usize].sender,
            plan.sends[other as usize].sender
        );
        assert_eq!(dialogue.next(), None);
        assert_eq!(dialogue.end(), Some(3_000_000_000));
        dialogue.acknowledged(first, 900_000_000);
        assert_eq!(dialogue.next(), Some(1_400_000_000));
        let next = dialogue.take().unwrap();
        assert_eq!(
            plan.sends[next as usize].sender,
            plan.sends[first as usize].sender
        );
    }

    #[test]
    fn what_is_not_reached_by_the_phases_end_is_not_sent() {
        let plan = closed_plan();
        let dialogue = Dialogue::new(&plan, Share::WHOLE);
        let first = dialogue.take().unwrap();
        let other = dialogue.take().unwrap();
        dialogue.acknowledged(first, 2_900_000_000);
        dialogue.acknowledged(other, 2_900_000_000);
        assert_eq!((dialogue.next(), dialogue.end()), (None, None));
        assert_eq!(dialogue.take(), None);
    }
}

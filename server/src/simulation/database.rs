//! The simulated database: what it holds, what it does with each command, and how it fails.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
    sync::Arc,
};

use bson::oid::ObjectId;
use rand::{RngExt as _, rngs::StdRng};
use tokio::sync::oneshot;

use super::{
    agenda::{Lane, Millis},
    ledger::Promise,
    world::{Event, World},
};
use crate::{
    message::{Conversation, Kind, Message},
    store::InsertError,
};

mod ailing;

pub type CommandId = u64;

/// How long a save takes while all is well.
pub const SAVE_TIME: Range<Millis> = 1..30;
/// What is younger than this may be lost with a machine, unless it was acknowledged and acknowledged is durable.
const LOSES: Millis = 200;

/// What a store can suffer.
#[derive(Debug, Clone, PartialEq)]
pub enum StoreFault {
    /// Commands take so long.
    Slow(Range<Millis>),
    /// So many of a hundred documents are refused with a code that another attempt may not get.
    Unavailable(u32),
    /// So many of a hundred documents are refused for what they are.
    Rejected(u32),
    /// Written, and the write concern was not reached.
    WriteConcern,
    /// The connection is closed in mid-command: executed or not.
    ClosedMidCommand,
    /// Executed, and the reply never comes.
    ReplyLost,
    /// Commands wait in their sockets.
    Frozen,
    /// The process is killed, and started again at the end.
    Killed,
    /// The primary steps down; another one is there at the end.
    SteppedDown,
    /// Nothing gets to it, and what is on its way gets no reply.
    Unreachable,
}

/// What is asked of it.
pub enum Command {
    Insert(Vec<Arc<Message>>),
    Get(Kind, ObjectId),
    Keep(Kind, Vec<ObjectId>),
    Delete(Kind, Vec<ObjectId>),
    /// Whether inserts of this life, or of those before it, may still land that nobody waits for.
    Look {
        of_earlier: bool,
    },
}

/// What it answers.
#[derive(Debug, Clone)]
pub enum Answer {
    Inserted(Vec<Result<(), InsertError>>),
    Found(Option<Message>),
    Kept(Vec<ObjectId>),
    Deleted(u64),
    MayLand(bool),
    /// It did not execute it.
    Refused,
    /// The connection broke.
    Broken,
}

struct Open {
    life: u32,
    command: Command,
    answer: Option<oneshot::Sender<Answer>>,
    result: Option<Answer>,
    /// Nobody waits for it any more.
    is_given_up: bool,
    /// It has come to the database.
    is_executed: bool,
    is_lost_after: bool,
}

struct Stored {
    message: Arc<Message>,
    at: Millis,
    /// The answer that it is there has been given.
    is_acknowledged: bool,
    /// From every delete.
    kept: Option<Keep>,
}

/// Since when a message is kept, and whether the answer that it is has been given.
struct Keep {
    at: Millis,
    is_acknowledged: bool,
}

type Key = (Conversation, String, String);

/// The database and everything on its way to it.
pub struct Database {
    rng: StdRng,
    /// Whether what is confirmed is safe from the death of one machine.
    pub is_durable: bool,
    pub faults: Vec<(usize, StoreFault)>,
    /// Since when nothing is wrong with it.
    pub well_since: Option<Millis>,
    open: BTreeMap<CommandId, Open>,
    next_id: CommandId,
    waiting: Vec<CommandId>,
    documents: BTreeMap<ObjectId, Stored>,
    keys: HashMap<Key, ObjectId>,
    /// Acknowledged, and lost all the same, as its durability allows.
    pub rolled_back: BTreeSet<ObjectId>,
}

fn key(message: &Message) -> Option<Key> {
    let id = message.client_msg_id.clone()?;
    Some((message.conversation.clone(), message.sender_id.clone(), id))
}

impl Database {
    pub fn new(rng: StdRng, is_durable: bool) -> Self {
        Self {
            rng,
            is_durable,
            faults: Vec::new(),
            well_since: Some(0),
            open: BTreeMap::new(),
            next_id: 0,
            waiting: Vec::new(),
            documents: BTreeMap::new(),
            keys: HashMap::new(),
            rolled_back: BTreeSet::new(),
        }
    }

    pub fn holds(&self, id: ObjectId) -> bool {
        self.documents.contains_key(&id)
    }

    fn may_delete(&self, id: ObjectId) -> bool {
        let stored = self.documents.get(&id);
        stored.is_some_and(|stored| stored.kept.is_none())
    }

    pub fn find(&self, id: ObjectId) -> Option<(&Arc<Message>, Millis)> {
        let stored = self.documents.get(&id)?;
        Some((&stored.message, stored.at))
    }

    pub fn messages(&self) -> impl Iterator<Item = &Arc<Message>> {
        self.documents.values().map(|stored| &stored.message)
    }

    /// Whether nothing is on its way to it.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    fn suffers(&self, fault: &StoreFault) -> bool {
        self.faults.iter().any(|(_, active)| active == fault)
    }

    fn is_down(&self) -> bool {
        self.suffers(&StoreFault::Killed)
            || self.suffers(&StoreFault::SteppedDown)
            || self.suffers(&StoreFault::Unreachable)
    }

    fn insert(&mut self, message: &Arc<Message>, now: Millis) -> Result<(), InsertError> {
        if self.documents.contains_key(&message.id) {
            return Ok(());
        }
        if let Some(key) = key(message) {
            if let Some(first) = self.keys.get(&key).and_then(|id| self.documents.get(id)) {
                let first = Message::clone(&first.message);
                return Err(InsertError::DuplicateClientMsgId(Box::new(first)));
            }
            self.keys.insert(key, message.id);
        }
        let stored = Stored {
            message: Arc::clone(message),
            at: now,
            is_acknowledged: false,
            kept: None,
        };
        self.documents.insert(message.id, stored);
        Ok(())
    }

    fn keep(&mut self, id: ObjectId, now: Millis) -> bool {
        let Some(stored) = self.documents.get_mut(&id) else {
            return false;
        };
        stored.kept.get_or_insert(Keep {
            at: now,
            is_acknowledged: false,
        });
        true
    }

    fn remove(&mut self, id: ObjectId) -> bool {
        let Some(stored) = self.documents.remove(&id) else {
            return false;
        };
        if let Some(key) = key(&stored.message) {
            self.keys.remove(&key);
        }
        true
    }

    /// The machine that had the last writes is gone, and some of them with it.
    fn roll_back(&mut self, now: Millis) {
        let ids: Vec<ObjectId> = self.documents.keys().copied().collect();
        for id in ids {
            let Some(stored) = self.documents.get(&id) else {
                continue;
            };
            let is_safe = self.is_durable;
            let may_go = |at: Millis, acknowledged| at + LOSES >= now && !(acknowledged && is_safe);
            let acknowledged = stored.is_acknowledged;
            if may_go(stored.at, acknowledged) && self.rng.random_bool(0.5) {
                self.remove(id);
                if acknowledged {
                    self.rolled_back.insert(id);
                }
            } else if let Some(kept) = &stored.kept
                && may_go(kept.at, kept.is_acknowledged)
                && self.rng.random_bool(0.5)
            {
                // The message is older than that, and stays.
                if kept.is_acknowledged {
                    self.rolled_back.insert(id);
                }
                if let Some(stored) = self.documents.get_mut(&id) {
                    stored.kept = None;
                }
            }
        }
    }

    fn drawn(&mut self, range: Range<Millis>) -> Millis {
        self.rng.random_range(range)
    }
}

impl World {
    /// The server sends a command; the answer comes through the channel, or its end is a broken connection.
    pub fn command(&mut self, command: Command) -> (CommandId, oneshot::Receiver<Answer>) {
        let id = self.database.next_id;
        self.database.next_id += 1;
        let (answer, receiver) = oneshot::channel();
        let open = Open {
            life: self.life,
            command,
            answer: Some(answer),
            result: None,
            is_given_up: false,
            is_executed: false,
            is_lost_after: false,
        };
        self.database.open.insert(id, open);
        let delay = self.database.drawn(1..3);
        self.push_command(delay, Event::CommandArrives(id));
        (id, receiver)
    }

    /// Nobody waits for the answer any more.
    pub fn give_up(&mut self, id: CommandId) {
        if let Some(open) = self.database.open.get_mut(&id) {
            open.is_given_up = true;
            if open.is_executed && open.result.is_none() {
                self.database.open.remove(&id);
            }
        }
    }

    fn push_command(&mut self, delay: Millis, event: Event) {
        let (Event::CommandArrives(id) | Event::CommandRuns(id) | Event::CommandAnswers(id)) =
            event
        else {
            return;
        };
        let at = self.now + delay;
        self.push(at, Lane::Command(id), event);
    }

    /// A command has come to the database.
    pub fn command_arrives(&mut self, id: CommandId) {
        let database = &mut self.database;
        if database.is_down() {
            let delay = database.drawn(1..2_000);
            return self.answer_after(delay, id, Answer::Refused);
        }
        if database.suffers(&StoreFault::Frozen) {
            database.waiting.push(id);
            return;
        }
        let mut time = database.drawn(SAVE_TIME);
        let slow = database.faults.iter().find_map(|(_, fault)| match fault {
            StoreFault::Slow(range) => Some(range.clone()),
            _ => None,
        });
        if let Some(range) = slow {
            time = database.drawn(range);
        }
        if database.suffers(&StoreFault::ClosedMidCommand) {
            if database.rng.random_bool(0.5)
                && let Some(open) = database.open.get_mut(&id)
            {
                // Executed a moment later, when nobody hears of it.
                open.is_lost_after = true;
                Self::tell(open, Answer::Broken);
                return self.push_command(time, Event::CommandRuns(id));
            }
            return self.answer_after(1, id, Answer::Broken);
        }
        self.push_command(time, Event::CommandRuns(id));
    }

    /// The database executes a command.
    pub fn command_runs(&mut self, id: CommandId) {
        if self.database.suffers(&StoreFault::Frozen) {
            self.database.waiting.push(id);
            return;
        }
        let Some(mut open) = self.database.open.remove(&id) else {
            return;
        };
        let answer = self.execute(&open);
        open.is_executed = true;
        if open.is_lost_after {
            return;
        }
        let is_write = !matches!(open.command, Command::Get(..) | Command::Look { .. });
        if is_write && self.database.suffers(&StoreFault::ReplyLost) {
            // Whoever waits finds out by a timeout.
            open.is_lost_after = true;
            self.database.open.insert(id, open);
            return;
        }
        let answer = match answer {
            Answer::Inserted(_) | Answer::Kept(_)
                if self.database.suffers(&StoreFault::WriteConcern) =>
            {
                Answer::Broken
            }
            answer => answer,
        };
        open.result = Some(answer);
        self.database.open.insert(id, open);
        let delay = self.database.drawn(1..3);
        self.push_command(delay, Event::CommandAnswers(id));
    }

    fn execute(&mut self, open: &Open) -> Answer {
        let now = self.now;
        match &open.command {
            Command::Insert(batch) => {
                let results = batch
                    .iter()
                    .map(|message| self.insert_one(message))
                    .collect();
                Answer::Inserted(results)
            }
            Command::Get(_, message) => {
                let found = self.database.documents.get(message);
                let found = found.map(|stored| Message::clone(&stored.message));
                Answer::Found(found)
            }
            Command::Keep(_, ids) => {
                let mut ids = ids.clone();
                ids.retain(|message| self.database.keep(*message, now));
                Answer::Kept(ids)
            }
            Command::Delete(_, ids) => {
                let mut deleted = 0;
                for message in ids {
                    if self.database.may_delete(*message) {
                        self.before_delete(*message);
                        deleted += u64::from(self.database.remove(*message));
                    }
                }
                self.trace.note(
                    now,
                    format_args!("the store deletes {deleted} of {}", ids.len()),
                );
                Answer::Deleted(deleted)
            }
            Command::Look { of_earlier } => {
                let life = open.life;
                let may_land = |other: &Open| {
                    matches!(other.command, Command::Insert(_))
                        && !other.is_executed
                        && if *of_earlier {
                            other.life < life
                        } else {
                            other.life == life && (other.is_given_up || other.is_lost_after)
                        }
                };
                Answer::MayLand(self.database.open.values().any(may_land))
            }
        }
    }

    fn insert_one(&mut self, message: &Arc<Message>) -> Result<(), InsertError> {
        let draw = self.database.rng.random_range(0..100);
        for (_, fault) in &self.database.faults {
            match fault {
                StoreFault::Unavailable(share) if draw < *share => {
                    return Err(InsertError::Unavailable("simulated".to_owned()));
                }
                StoreFault::Rejected(share) if draw < *share => {
                    return Err(InsertError::Rejected("simulated".to_owned()));
                }
                _ => {}
            }
        }
        let now = self.now;
        self.database.insert(message, now)
    }

    /// What was confirmed must never be deleted, unless the machine that knew so has died and nothing was durable.
    fn before_delete(&mut self, id: ObjectId) {
        if self.ledger.is_confirmed(id) && !self.database.rolled_back.contains(&id) {
            let body = self
                .database
                .find(id)
                .map(|(message, _)| message.body.clone());
            self.break_promise(
                Promise::ConfirmedIsStored,
                format!("the server deletes a message that it has confirmed: {body:?}"),
            );
        }
    }

    /// The answer is given, and what it says of the store is durable from now on.
    pub fn command_answers(&mut self, id: CommandId) {
        let Some(mut open) = self.database.open.remove(&id) else {
            return;
        };
        let Some(answer) = open.result.take() else {
            return;
        };
        if let (Command::Insert(batch), Answer::Inserted(results)) = (&open.command, &answer) {
            for (message, result) in batch.iter().zip(results) {
                let id = match result {
                    Ok(()) => message.id,
                    Err(InsertError::DuplicateClientMsgId(first)) => first.id,
                    Err(_) => continue,
                };
                if let Some(stored) = self.database.documents.get_mut(&id) {
                    stored.is_acknowledged = true;
                }
            }
        }
        if let Answer::Kept(ids) = &answer {
            for id in ids {
                let stored = self.database.documents.get_mut(id);
                if let Some(kept) = stored.and_then(|stored| stored.kept.as_mut()) {
                    kept.is_acknowledged = true;
                }
            }
        }
        Self::tell(&mut open, answer);
    }

    fn answer_after(&mut self, delay: Millis, id: CommandId, answer: Answer) {
        if let Some(open) = self.database.open.get_mut(&id) {
            // It will not be executed any more.
            open.is_executed = true;
            open.result = Some(answer);
            self.push_command(delay, Event::CommandAnswers(id));
        }
    }

    fn tell(open: &mut Open, answer: Answer) {
        if let Some(sender) = open.answer.take() {
            // Whoever asked may have given up.
            let _given_up = sender.send(answer);
        }
    }
}

//! Who has sent, got and been told what, held against the promises at every step.

use std::collections::{HashMap, HashSet};

use bson::oid::ObjectId;

use super::{
    agenda::Millis,
    device::LoginId,
    order::Orders,
    world::{CONVERSATIONS, World},
};

/// From queueing to the latest end, the journal's wait included; and what the way there and back takes.
pub const END_WITHIN: Millis = 14_000;
/// A store that has been well for so long owes nothing to what was before; nor does a server that has not been frozen.
const RESTED: Millis = 6_500;
/// The same of a repetition: what it repeats is open until the slowest command has been executed, and it waits for that.
const SETTLED: Millis = 9_500;
/// Within this time a store that is well confirms.
const CONFIRMS_WITHIN: Millis = 1_000;

/// What the server promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// The optimistic message goes out before anything else is waited for.
    EmitFirst,
    /// Exactly one end, the same for all.
    OneEnd,
    /// Confirmed means that the document is in the store.
    ConfirmedIsStored,
    /// Failed means that it is not, once the store has answered again.
    FailedIsGone,
    /// A sender's order, one order for all members, and no end before its message.
    Order,
    /// A message reaches the members of its conversation and nobody else.
    NoCrosstalk,
    /// When everybody has gone, nothing is left.
    CleanState,
    /// Who was sent something gets it, and whoever asks is answered.
    NothingSilent,
    /// A store that is well keeps nobody waiting.
    InTime,
    /// The server does not panic, and stops when it is told to.
    Alive,
}

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Confirmed(ObjectId),
    Failed,
}

/// One sending of a message: the same message may be sent again.
pub struct Attempt {
    pub device: usize,
    pub login: LoginId,
    pub conversation: usize,
    pub client_msg: Option<u32>,
    pub sent_at: Millis,
    /// When its last byte came to the server, and in which of its lives.
    pub received: Option<(Millis, u32)>,
    temp_id: Option<String>,
    pub outcome: Option<(Outcome, Millis)>,
    /// Logins that must get it.
    expected: Vec<LoginId>,
    /// Logins that have it, and whether they have its end.
    got: HashMap<LoginId, bool>,
    is_answered: bool,
    is_refused: bool,
}

#[derive(Default)]
pub struct Ledger {
    pub attempts: Vec<Attempt>,
    by_temp_id: HashMap<String, u32>,
    confirmed: HashSet<ObjectId>,
    orders: Orders,
    /// Messages by their sender's name for them, and the `_id` that was told.
    told: HashMap<(usize, usize, u32), ObjectId>,
    pub counts: Counts,
}

/// What a simulation has seen, so that one that sees nothing is found out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub sent: u64,
    pub delivered: u64,
    pub confirmed: u64,
    pub failed: u64,
    pub repeated: u64,
    pub lives: u64,
    pub reconnects: u64,
}

impl Ledger {
    pub fn is_confirmed(&self, id: ObjectId) -> bool {
        self.confirmed.contains(&id)
    }
}

impl World {
    /// A device sends a message; the answer is its number, which is its body.
    pub fn note_sent(
        &mut self,
        device: usize,
        login: LoginId,
        conversation: usize,
        client_msg: Option<u32>,
    ) -> u32 {
        let number = self.ledger.attempts.len() as u32;
        self.ledger.counts.sent += 1;
        self.ledger.attempts.push(Attempt {
            device,
            login,
            conversation,
            client_msg,
            sent_at: self.now,
            received: None,
            temp_id: None,
            outcome: None,
            expected: Vec::new(),
            got: HashMap::new(),
            is_answered: false,
            is_refused: false,
        });
        self.note(format_args!(
            "device {device} sends {number} to {} as {client_msg:?} on {login}",
            CONVERSATIONS[conversation].0
        ));
        number
    }

    /// Its last byte has come to the server: who is in the conversation now must get it.
    pub fn note_received(&mut self, number: u32) {
        let attempt = &self.ledger.attempts[number as usize];
        let expected = self.certain_members(attempt.conversation);
        let received = Some((self.now, self.life));
        let attempt = &mut self.ledger.attempts[number as usize];
        attempt.received = received;
        attempt.expected = expected;
        self.watch(number, END_WITHIN);
    }

    /// A message came to a login.
    pub fn note_delivery(
        &mut self,
        login: LoginId,
        number: u32,
        temp_id: &str,
        conversation: usize,
        written_at: Millis,
    ) {
        self.ledger.counts.delivered += 1;
        self.note(format_args!("login {login} gets {number}"));
        if !self.may_be_member(login, conversation) {
            self.break_promise(
                Promise::NoCrosstalk,
                format!("login {login} is not in the conversation of {number}"),
            );
        }
        let Some(attempt) = self.ledger.attempts.get_mut(number as usize) else {
            return self.break_promise(Promise::NoCrosstalk, format!("nobody has sent {number}"));
        };
        if attempt.conversation != conversation {
            self.break_promise(
                Promise::NoCrosstalk,
                format!("{number} was sent to another conversation"),
            );
            return;
        }
        let sender = attempt.login;
        let known = attempt.temp_id.get_or_insert_with(|| temp_id.to_owned());
        if known != temp_id {
            self.break_promise(
                Promise::OneEnd,
                format!("{number} is delivered under two temporary ids"),
            );
            return;
        }
        self.ledger.by_temp_id.insert(temp_id.to_owned(), number);
        let attempt = &mut self.ledger.attempts[number as usize];
        if attempt.got.insert(login, false).is_some() {
            self.break_promise(
                Promise::NothingSilent,
                format!("login {login} gets {number} twice"),
            );
        }
        self.hold_in_order(login, conversation, number, 0);
        if !self.ledger.orders.is_senders_next(login, sender, number) {
            self.break_promise(
                Promise::Order,
                format!("{number} comes to login {login} after a later one of its sender"),
            );
        }
        self.hold_emit_first(login, number, written_at);
    }

    fn hold_in_order(&mut self, login: LoginId, conversation: usize, number: u32, phase: u32) {
        let item = number * 2 + phase;
        if let Some(other) = self.ledger.orders.conflicts(conversation, login, item) {
            self.break_promise(
                Promise::Order,
                format!(
                    "logins {login} and {other} see different orders around {number} ({})",
                    ["the message", "its end"][phase as usize]
                ),
            );
        }
    }

    /// What a client that keeps up is delivered must have been written at the moment at which it was received.
    fn hold_emit_first(&mut self, login: LoginId, number: u32, written_at: Millis) {
        let Some((received_at, _)) = self.ledger.attempts[number as usize].received else {
            return;
        };
        if written_at > received_at
            && self.setup.events_per_second.is_none()
            && !self.logins[login as usize].is_polling
            && self.keeps_up(login, received_at)
            && !self.was_frozen_since(received_at)
        {
            let late = written_at - received_at;
            self.break_promise(
                Promise::EmitFirst,
                format!("{number} is written to login {login} {late} ms after its receipt"),
            );
        }
    }

    /// A message's end came to a login.
    pub fn note_end(
        &mut self,
        login: LoginId,
        temp_id: &str,
        outcome: Outcome,
        written_at: Millis,
    ) {
        let number = self.ledger.by_temp_id.get(temp_id).copied();
        let had = number.and_then(|number| {
            let attempt = &mut self.ledger.attempts[number as usize];
            attempt
                .got
                .get_mut(&login)
                .map(|has_end| std::mem::replace(has_end, true))
        });
        let (Some(number), Some(had)) = (number, had) else {
            return self.break_promise(
                Promise::Order,
                format!("login {login} gets the end of {number:?} and had no message"),
            );
        };
        let word = match outcome {
            Outcome::Confirmed(_) => "confirmed",
            Outcome::Failed => "failed",
        };
        self.note(format_args!(
            "login {login} is told that {number} has {word}"
        ));
        if had {
            return self.break_promise(
                Promise::OneEnd,
                format!("{number} ends twice for login {login}, now as {word}"),
            );
        }
        let conversation = self.ledger.attempts[number as usize].conversation;
        self.hold_in_order(login, conversation, number, 1);
        self.settle_outcome(number, outcome, written_at);
        self.hold_in_time(login, number, outcome, written_at);
    }

    /// All who are told of an attempt must be told the same, and it must be true.
    fn settle_outcome(&mut self, number: u32, outcome: Outcome, written_at: Millis) {
        let attempt = &mut self.ledger.attempts[number as usize];
        let is_first = attempt.outcome.is_none();
        let (known, _) = *attempt.outcome.get_or_insert((outcome, written_at));
        if known != outcome {
            self.break_promise(
                Promise::OneEnd,
                format!("{number} ends as {known:?} for some and as {outcome:?} for others"),
            );
        }
        match outcome {
            Outcome::Failed if is_first => self.ledger.counts.failed += 1,
            Outcome::Failed => {}
            Outcome::Confirmed(id) => {
                self.ledger.counts.confirmed += u64::from(is_first);
                self.hold_confirmed(number, id, written_at);
            }
        }
    }

    fn hold_confirmed(&mut self, number: u32, id: ObjectId, written_at: Millis) {
        let attempt = &self.ledger.attempts[number as usize];
        let (device, conversation, client_msg) =
            (attempt.device, attempt.conversation, attempt.client_msg);
        if self.database.rolled_back.contains(&id) {
            // Its store is one that may lose what it has acknowledged.
            return;
        }
        let problem = match self.database.find(id) {
            None => Some("it is not there".to_owned()),
            Some((_, at)) if at > written_at => {
                Some(format!("it came there {} ms later", at - written_at))
            }
            Some((stored, _)) => {
                let is_itself = stored.body == number.to_string();
                let name = client_msg.map(|name| name.to_string());
                let is_repeated = name.is_some() && stored.client_msg_id == name;
                let is_here = stored.conversation.id == CONVERSATIONS[conversation].0;
                (!is_here || !(is_itself || is_repeated))
                    .then(|| format!("that is another message, {:?}", stored.body))
            }
        };
        if let Some(problem) = problem {
            return self.break_promise(
                Promise::ConfirmedIsStored,
                format!("{number} is told as confirmed, and {problem}"),
            );
        }
        self.ledger.confirmed.insert(id);
        if let Some(name) = client_msg {
            let user = self.user_of(device);
            let told = self
                .ledger
                .told
                .entry((user, conversation, name))
                .or_insert(id);
            if *told != id && !self.database.rolled_back.contains(told) {
                self.break_promise(
                    Promise::OneEnd,
                    format!("{number} repeats a message that was confirmed under another `_id`"),
                );
            }
        }
    }

    /// With a store that is well, and has been for long enough, a message is confirmed, and soon.
    fn hold_in_time(&mut self, login: LoginId, number: u32, outcome: Outcome, written_at: Millis) {
        let Some((received_at, _)) = self.ledger.attempts[number as usize].received else {
            return;
        };
        let rest = if self.is_repetition(number) {
            SETTLED
        } else {
            RESTED
        };
        let is_rested = self
            .database
            .well_since
            .is_some_and(|since| since + rest <= received_at);
        if !is_rested
            || self.setup.events_per_second.is_some()
            || self.logins[login as usize].is_polling
            // What waited for it comes at once, before what comes then.
            || self.was_frozen_since(received_at.saturating_sub(rest))
            || self.draining_since.is_some()
            || !self.keeps_up(login, received_at)
        {
            return;
        }
        let took = written_at - received_at;
        if outcome == Outcome::Failed && !self.setup.has_small_queue {
            self.break_promise(
                Promise::InTime,
                format!("{number} failed after {took} ms, and the store was well all the time"),
            );
        } else if took > CONFIRMS_WITHIN {
            self.break_promise(
                Promise::InTime,
                format!("{number} ended after {took} ms, and the store was well all the time"),
            );
        }
    }

    fn is_repetition(&self, number: u32) -> bool {
        let (earlier, later) = self.ledger.attempts.split_at(number as usize);
        let name = |attempt: &Attempt| (attempt.device, attempt.conversation, attempt.client_msg);
        later[0].client_msg.is_some() && earlier.iter().any(|one| name(one) == name(&later[0]))
    }

    /// The sender is answered.
    pub fn note_answer(&mut self, number: u32, outcome: Result<Outcome, ()>, written_at: Millis) {
        let attempt = &mut self.ledger.attempts[number as usize];
        if std::mem::replace(&mut attempt.is_answered, true) {
            return self.break_promise(
                Promise::NothingSilent,
                format!("{number} is answered twice"),
            );
        }
        match outcome {
            Ok(outcome) => {
                self.note(format_args!("{number} is answered"));
                self.settle_outcome(number, outcome, written_at);
            }
            Err(()) => {
                attempt.is_refused = true;
                let was_delivered = attempt.temp_id.is_some();
                self.note(format_args!("{number} is refused"));
                if was_delivered {
                    self.break_promise(
                        Promise::NothingSilent,
                        format!("{number} is refused, and was delivered"),
                    );
                }
            }
        }
    }

    /// The time by which it must have ended, if the server lives and its recipients keep up.
    pub fn hold_ended(&mut self, number: u32) {
        let attempt = &self.ledger.attempts[number as usize];
        let Some((at, life)) = attempt.received else {
            return;
        };
        if life != self.life
            || !self.is_serving
            || self.setup.events_per_second.is_some()
            || self.was_frozen_since(at)
        {
            return;
        }
        let (sender, is_answered) = (attempt.login, attempt.is_answered);
        if !is_answered && self.is_open(sender) && self.keeps_up(sender, at) {
            self.break_promise(Promise::NothingSilent, format!("{number} is not answered"));
        }
        let attempt = &self.ledger.attempts[number as usize];
        let unended = attempt.got.iter().filter(|(_, has_end)| !**has_end);
        let mut unended: Vec<LoginId> = unended.map(|(id, _)| *id).collect();
        unended.sort_unstable();
        let missing: Vec<LoginId> = if attempt.temp_id.is_some() {
            let expected = attempt.expected.iter().copied();
            expected
                .filter(|id| !attempt.got.contains_key(id))
                .collect()
        } else {
            Vec::new()
        };
        for id in unended {
            if self.is_open(id) && self.keeps_up(id, at) {
                self.break_promise(
                    Promise::OneEnd,
                    format!("{number} has no end for login {id}"),
                );
            }
        }
        for id in missing {
            if self.is_open(id) && self.keeps_up(id, at) && !self.is_superseded(id) {
                self.break_promise(
                    Promise::NothingSilent,
                    format!("login {id} was in the conversation and did not get {number}"),
                );
            }
        }
    }

    /// What has failed must not be in the store, once nothing is left to settle.
    pub fn hold_failed_gone(&mut self) {
        let stored: Vec<u32> = self
            .database
            .messages()
            .filter_map(|message| message.body.parse().ok())
            .collect();
        for number in stored {
            let Some(attempt) = self.ledger.attempts.get(number as usize) else {
                continue;
            };
            let Some((Outcome::Failed, at)) = attempt.outcome else {
                continue;
            };
            let life = attempt.received.map_or(0, |(_, life)| life);
            if !self.may_be_left_behind(life, at) {
                self.break_promise(
                    Promise::FailedIsGone,
                    format!("{number} was told as failed, and is in the store"),
                );
            }
        }
    }
}

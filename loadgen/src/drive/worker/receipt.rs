//! What one worker's users receive: every event is matched with the plan and noted in ledger and recorder.

#[cfg(test)]
mod allocations;
#[cfg(test)]
mod unsent;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use super::{
    Job,
    heard::{self, Heard},
    payload::{self, Body, Misfit, Payload},
};
use crate::{
    model::{Answer, Answers, Kind, Meaning, Metric, Nanos, Paths, body},
    observed::{DeliverySample, Recorder, Stray, StrayKind, Strays, presence::END_OWED},
    plan::Send,
};

/// The books of one worker.
pub struct Receipts {
    job: Job,
    /// Whether payloads are read by the paths of an event map.
    mapped: bool,
    /// Whether acknowledgements say yes as the system's own do.
    own_answers: bool,
    /// What every body of this run begins with.
    prefix: String,
    /// What came so far.
    heard: RefCell<Heard>,
    /// When the schedule began, on the run's clock.
    start: Cell<Nanos>,
    recorder: RefCell<Recorder>,
    strays: RefCell<Strays>,
    /// Messages by temporary id, as long as local users wait for their end: Failed says no more than that id.
    open: RefCell<HashMap<u64, Open>>,
    /// When a (message, user) was delivered, until its end.
    delivered: RefCell<HashMap<(u32, u32), Nanos>>,
    expected_body: RefCell<String>,
    expected_json: RefCell<Vec<u8>>,
    /// By user of this worker.
    members: RefCell<Vec<Member>>,
}

/// What the books know of a user's comings and goings; times on the run's clock.
#[derive(Clone, Copy, Default)]
struct Member {
    /// Events so far: the order of arrival on its socket.
    arrivals: u32,
    /// Messages sent and not acknowledged on the connection that is in use.
    unanswered: u32,
    /// When it last joined anything in mid-run.
    came: Nanos,
    /// What was sent before is late by its own doing, since it did not read.
    reads_since: Nanos,
}

/// A temporary id in use.
struct Open {
    message: u32,
    waiting: u32,
}

impl Receipts {
    pub(super) fn new(job: &Job) -> Self {
        Self {
            start: Cell::new(0),
            recorder: RefCell::new(Recorder::new(Arc::clone(&job.layout))),
            strays: RefCell::default(),
            members: RefCell::new(vec![
                Member::default();
                job.share.places(job.plan.users.len())
            ]),
            open: RefCell::default(),
            delivered: RefCell::default(),
            expected_body: RefCell::default(),
            expected_json: RefCell::default(),
            mapped: job.vocabulary.is_mapped(),
            own_answers: job.vocabulary.answers == Answers::own(),
            prefix: job.run.body_prefix(),
            heard: RefCell::default(),
            job: job.clone(),
        }
    }

    pub(super) fn begin(&self, start: Nanos) {
        self.start.set(start);
        self.recorder().begin(start);
    }

    pub(super) fn recorder(&self) -> std::cell::RefMut<'_, Recorder> {
        self.recorder.borrow_mut()
    }

    pub(super) fn finish(self) -> (Recorder, Strays) {
        (self.recorder.into_inner(), self.strays.into_inner())
    }

    /// So long after the schedule's start.
    pub(super) fn since_start(&self, at: Nanos) -> Nanos {
        at.saturating_sub(self.start.get())
    }

    /// When a message that was sent then was meant to be sent, on the run's clock. In a closed phase that is when it was
    /// sent: the plan has only the earliest possible time.
    fn intended(&self, send: &Send, sent: Nanos) -> Nanos {
        if self.job.plan.phase_of(send).closed {
            sent
        } else {
            self.start.get() + send.at
        }
    }

    fn member<T>(&self, user: u32, change: impl FnOnce(&mut Member) -> T) -> T {
        change(&mut self.members.borrow_mut()[self.job.share.place(user)])
    }

    /// A user sent a message.
    pub(super) fn sent(&self, user: u32) {
        self.member(user, |member| member.unanswered += 1);
    }

    /// A user joined something.
    pub(super) fn came(&self, user: u32, at: Nanos) {
        self.member(user, |member| member.came = at);
    }

    /// A user's connection is gone, and with it the acknowledgements that were still to come.
    pub(super) fn gone(&self, user: u32) {
        let unanswered = self.member(user, |member| std::mem::take(&mut member.unanswered));
        self.job
            .progress
            .abandoned
            .fetch_add(unanswered.into(), Relaxed);
    }

    /// A user reads again: deliveries of what was sent until then are late by its own doing.
    pub(super) fn reads_again(&self, user: u32, until: Nanos) {
        self.member(user, |member| member.reads_since = until);
    }

    pub(super) fn measured(&self, send: &Send) -> bool {
        self.job.plan.phase_of(send).measured
    }

    /// A message was due, and was sent or dropped.
    pub(super) fn scheduled(&self, send: &Send, due: Nanos, sent: Option<Nanos>) {
        if !self.measured(send) {
            return;
        }
        let mut recorder = self.recorder();
        recorder.record_send(due, sent);
        if let Some(sent) = sent {
            recorder.record_in(send.phase, Metric::SendLateness, due, sent);
        }
    }

    /// An event came.
    pub(super) fn event(&self, user: u32, stamp: Nanos, name: &str, payload: &str) -> Made {
        let parsing = self.job.clock.now();
        self.recorder().record(Metric::ReceiveWait, stamp, parsing);
        let Some((kind, meaning)) = self.job.vocabulary.meaning(name) else {
            self.unknown(user, name, payload);
            return Made::Unknown;
        };
        let read = || {
            let map = self.map(kind, meaning, name);
            Payload::parse(map, kind, payload)
        };
        let understood = match meaning {
            Meaning::Received => read().and_then(|read| self.received(user, stamp, kind, &read)),
            Meaning::Confirmed => {
                let confirmed = read().and_then(|read| self.confirmed(user, stamp, kind, &read));
                confirmed.map(|()| None)
            }
            Meaning::Failed => {
                let failed = read().and_then(|read| self.failed(user, stamp, kind, &read));
                failed.map(|()| None)
            }
        };
        match understood {
            Ok(Some(message)) => Made::Answer(message),
            Ok(None) => Made::Understood,
            Err(misfit) => {
                if misfit.unreadable && meaning == Meaning::Received {
                    self.unreadable(user, kind, name, &misfit.what, payload);
                }
                let what = format!("{name}: {}", misfit.what);
                self.strays.borrow_mut().add(Stray {
                    kind: misfit.kind,
                    user,
                    at: stamp,
                    what,
                });
                Made::Unread
            }
        }
    }

    /// The paths by which an event is read, where a map has them.
    fn map(&self, kind: Kind, meaning: Meaning, name: &str) -> Option<&Paths> {
        let vocabulary = &self.job.vocabulary;
        let own = vocabulary.names(kind).sent.as_deref() == Some(name);
        let paths = || vocabulary.shapes(kind).paths(meaning, own);
        self.mapped.then(paths)
    }

    /// An event came whose name nobody knows.
    fn unknown(&self, user: u32, name: &str, payload: &str) {
        let mut heard = self.heard.borrow_mut();
        match self.part_of(user, payload) {
            Some((kind, own)) => heard.part_mut(kind, own).unknown(name),
            None => heard.stranger(name),
        }
    }

    /// An event came that should be a message, and is not where the map says.
    fn unreadable(&self, user: u32, kind: Kind, name: &str, why: &str, payload: &str) {
        let (kind, own) = self.part_of(user, payload).unwrap_or((kind, false));
        let mut heard = self.heard.borrow_mut();
        let part = heard.part_mut(kind, own);
        part.unreadable(name, why, &self.prefix, payload);
    }

    /// In what kind of conversation a message of this run is that is somewhere in a payload, and whether this user sent it.
    fn part_of(&self, user: u32, payload: &str) -> Option<(Kind, bool)> {
        let message = heard::message_in(payload, &self.prefix)?;
        let send = self.job.plan.sends.get(message as usize)?;
        Some((
            self.job.plan.conversation_of(send).kind,
            send.sender == user,
        ))
    }

    /// What came so far.
    pub(super) fn show(&self, shown: &mut Heard) {
        shown.clone_from(&self.heard.borrow());
    }

    fn received(
        &self,
        user: u32,
        stamp: Nanos,
        kind: Kind,
        payload: &Payload<'_>,
    ) -> Result<Option<u32>, Misfit> {
        let (message, send, slot) = self.locate(user, kind, payload)?;
        let Some(sent) = self.job.ledger.sent_at(message) else {
            return Err(Misfit::unexpected(format!(
                "message {message}, which was not sent yet"
            )));
        };
        let changed = self.changed(message, &send, &payload.body()?);
        let arrival = self.next_arrival(user);
        if !self.job.ledger.delivered(slot, arrival, changed) {
            self.job.progress.duplicated.fetch_add(1, Relaxed);
            return Ok(None);
        }
        let after = stamp.saturating_sub(sent);
        self.job.ledger.received_after(message, after);
        match payload.id() {
            Some(id) if self.job.ends => self.wait_for_end(user, stamp, message, id),
            Some(id) => self.job.ledger.note_id(slot, hash(id)),
            None => {}
        }
        self.job.progress.received.fetch_add(1, Relaxed);
        let own = send.sender == user;
        if !own {
            self.job.progress.delivered.fetch_add(1, Relaxed);
        }
        self.heard.borrow_mut().part_mut(kind, own).understood += 1;
        if self.measured(&send) {
            self.record_receipt(user, stamp, message, &send, sent);
        }
        let answers = own && !self.job.vocabulary.acknowledges_messages;
        Ok(answers.then_some(message))
    }

    /// Whether what was sent then comes late to a user by its own doing.
    fn did_not_read(&self, user: u32, sent: Nanos) -> bool {
        sent < self.member(user, |member| member.reads_since)
    }

    fn record_receipt(&self, user: u32, stamp: Nanos, message: u32, send: &Send, sent: Nanos) {
        let intended = self.intended(send, sent);
        let own = send.sender == user;
        let mut recorder = self.recorder();
        if self.did_not_read(user, sent) {
            recorder.unread += u64::from(!own);
        } else if own {
            recorder.record_in(send.phase, Metric::Echo, intended, stamp);
        } else {
            recorder.record_delivery(DeliverySample {
                intended,
                received: stamp,
                phase: send.phase,
                members: self.job.plan.conversation_of(send).members.len(),
            });
            let kept = self
                .job
                .ledger
                .latency(message, stamp.saturating_sub(intended));
            recorder.clamped += u64::from(!kept);
            recorder.record_in(send.phase, Metric::DeliveryAsSent, sent, stamp);
        }
    }

    fn wait_for_end(&self, user: u32, stamp: Nanos, message: u32, temp_id: &str) {
        self.delivered.borrow_mut().insert((message, user), stamp);
        let mut open = self.open.borrow_mut();
        let waiting = open.entry(hash(temp_id)).or_insert(Open {
            message,
            waiting: 0,
        });
        waiting.waiting += 1;
    }

    fn confirmed(
        &self,
        user: u32,
        stamp: Nanos,
        kind: Kind,
        payload: &Payload<'_>,
    ) -> Result<(), Misfit> {
        let (message, send, slot) = self.locate(user, kind, payload)?;
        if self.job.ledger.sent_at(message).is_none() {
            return Err(Misfit::unexpected(format!(
                "message {message}, which was not sent yet"
            )));
        }
        let temp_id = payload.temp_id().map(hash);
        let known = temp_id.and_then(|id| self.message_under(id));
        // Where a server has no temporary ids, the body says which message it is.
        let named = self
            .map(kind, Meaning::Confirmed, "")
            .is_none_or(|paths| paths.temp_id.is_some());
        self.next_arrival(user);
        let id = payload
            .id()
            .ok_or_else(|| Misfit::unexpected("a confirmation without an id"))?;
        let first_end = self.job.ledger.confirmed(slot, hash(id));
        if first_end {
            self.ended(user, stamp, message, &send, temp_id, true);
        }
        if self.changed(message, &send, &payload.body()?) {
            self.job.ledger.changed(slot);
        }
        match known {
            // After the end a temporary id is forgotten, and before the delivery it is unknown: the ledger tells
            // these as a double end and as an early one.
            None if first_end && self.job.ledger.slot(slot).deliveries() > 0 && named => {
                let id = payload.temp_id().unwrap_or("(none)");
                Err(Misfit::orphaned(format!(
                    "message {message} under tempId {id:?}, which nobody was given"
                )))
            }
            Some(other) if other != message => Err(Misfit::orphaned(format!(
                "message {message} under the tempId of message {other}"
            ))),
            _ => Ok(()),
        }
    }

    fn failed(
        &self,
        user: u32,
        stamp: Nanos,
        kind: Kind,
        payload: &Payload<'_>,
    ) -> Result<(), Misfit> {
        let Some(temp_id) = payload.temp_id() else {
            let (message, send, slot) = self
                .locate(user, kind, payload)
                .map_err(|_| Misfit::unexpected("a failure without a temporary id"))?;
            self.next_arrival(user);
            if self.job.ledger.failed(slot) {
                self.ended(user, stamp, message, &send, None, false);
            }
            return Ok(());
        };
        let Some(message) = self.message_under(hash(temp_id)) else {
            // Whoever has just come may hear the end of what was said before.
            let came = self.member(user, |member| member.came);
            if came > 0 && stamp < came + END_OWED {
                return Ok(());
            }
            return Err(Misfit::orphaned(format!("unknown tempId {temp_id:?}")));
        };
        let send = self.job.plan.sends[message as usize];
        let slot = self.job.plan.slot(&send, user);
        let slot = slot.ok_or_else(|| {
            Misfit::orphaned(format!("message {message} of another conversation"))
        })?;
        self.next_arrival(user);
        if self.job.ledger.failed(slot) {
            self.ended(user, stamp, message, &send, Some(hash(temp_id)), false);
        }
        Ok(())
    }

    fn ended(
        &self,
        user: u32,
        stamp: Nanos,
        message: u32,
        send: &Send,
        temp_id: Option<u64>,
        confirmed: bool,
    ) {
        self.job.progress.ended.fetch_add(1, Relaxed);
        let delivered = self.delivered.borrow_mut().remove(&(message, user));
        if delivered.is_some()
            && let Some(temp_id) = temp_id
        {
            self.forget_one(temp_id);
        }
        if !confirmed {
            let own = send.sender == user;
            self.job.progress.failed.fetch_add(u64::from(own), Relaxed);
        }
        let sent = self.job.ledger.sent_at(message).unwrap_or_default();
        if !confirmed || !self.measured(send) || self.did_not_read(user, sent) {
            return;
        }
        if send.sender == user {
            let intended = self.intended(send, sent);
            self.recorder()
                .record_in(send.phase, Metric::Confirm, intended, stamp);
        } else if let Some(delivered) = delivered {
            self.recorder()
                .record_in(send.phase, Metric::ConfirmAfterDelivery, delivered, stamp);
        }
    }

    /// The acknowledgement of a message came. `true` for the first one.
    pub(super) fn message_ack(&self, user: u32, stamp: Nanos, message: u32, payload: &str) -> bool {
        // One that was not sent yet has no time to be measured from.
        let own = self.job.plan.sends.get(message as usize);
        let own =
            own.filter(|send| send.sender == user && self.job.ledger.sent_at(message).is_some());
        let Some(slot) = own.and_then(|send| self.job.plan.slot(send, user)) else {
            self.odd_ack(user, stamp, message);
            return false;
        };
        let send = self.job.plan.sends[message as usize];
        let answer = payload::answer(&self.job.vocabulary.answers, self.own_answers, payload);
        let accepted = answer == Answer::Done;
        let mut heard = self.heard.borrow_mut();
        match answer {
            Answer::Done | Answer::Refused => heard.clear_answers += 1,
            Answer::Unclear => heard.unclear_answer(payload),
        }
        drop(heard);
        let first = self.job.ledger.acked(slot, accepted);
        if first {
            self.job.progress.acked.fetch_add(1, Relaxed);
            self.member(user, |member| {
                member.unanswered = member.unanswered.saturating_sub(1);
            });
            let sent = self.job.ledger.sent_at(message).unwrap_or_default();
            if accepted && self.measured(&send) && !self.did_not_read(user, sent) {
                let intended = self.intended(&send, sent);
                self.recorder()
                    .record_in(send.phase, Metric::Ack, intended, stamp);
            }
        }
        first
    }

    fn odd_ack(&self, user: u32, stamp: Nanos, message: u32) {
        self.strays.borrow_mut().add(Stray {
            kind: StrayKind::Unexpected,
            user,
            at: stamp,
            what: format!("an acknowledgement of message {message}, which this user has not sent"),
        });
    }

    /// Which message of the plan an event is about, and this user's slot of it.
    fn locate(
        &self,
        user: u32,
        kind: Kind,
        payload: &Payload<'_>,
    ) -> Result<(u32, Send, usize), Misfit> {
        let body = payload.body()?;
        let message = body.message(&self.job.run).ok_or_else(|| {
            Misfit::unreadable(format!(
                "a body that nobody sent: {:?}",
                body.text().chars().take(60).collect::<String>()
            ))
        })?;
        let send = *self.job.plan.sends.get(message as usize).ok_or_else(|| {
            Misfit::unexpected(format!("message {message}, which is not planned"))
        })?;
        let conversation = self.job.plan.conversation_of(&send);
        let named = payload.conversation();
        let cross = |what: String| Misfit {
            kind: StrayKind::CrossDelivered,
            what,
            unreadable: named.is_none(),
        };
        if conversation.kind != kind || !payload.is_in(&conversation.id) {
            return Err(cross(format!(
                "message {message} under the conversation {:?}",
                named.unwrap_or("(none)")
            )));
        }
        let slot = self.job.plan.slot(&send, user);
        let slot =
            slot.ok_or_else(|| cross(format!("message {message}, to a user who is no member")))?;
        Ok((message, send, slot))
    }

    fn changed(&self, message: u32, send: &Send, body: &Body<'_>) -> bool {
        let mut expected = self.expected_body.borrow_mut();
        expected.clear();
        let bytes = send.bytes as usize;
        body::write(&mut expected, &self.job.run, message, bytes, &self.job.text);
        !body.is(&expected, &mut self.expected_json.borrow_mut())
    }

    /// Which message a temporary id stands for, as long as some local user waits for its end.
    fn message_under(&self, temp_id: u64) -> Option<u32> {
        self.open.borrow().get(&temp_id).map(|open| open.message)
    }

    /// One local user waits no longer for the end of a temporary id.
    fn forget_one(&self, temp_id: u64) {
        let mut open = self.open.borrow_mut();
        if let Some(entry) = open.get_mut(&temp_id) {
            entry.waiting -= 1;
            if entry.waiting == 0 {
                open.remove(&temp_id);
            }
        }
    }

    fn next_arrival(&self, user: u32) -> u32 {
        self.member(user, |member| {
            member.arrivals += 1;
            member.arrivals
        })
    }
}

/// What was made of an event.
pub(super) enum Made {
    /// It was understood.
    Understood,
    /// It was understood, and answers the message of that number: a sender's own copy, where nothing is acknowledged.
    Answer(u32),
    /// Its name is known, and what it says fits nothing.
    Unread,
    /// Nobody knows its name.
    Unknown,
}

/// A hash of an id.
pub fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

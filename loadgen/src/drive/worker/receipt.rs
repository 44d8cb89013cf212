//! What one worker's users receive: every event is matched with the plan and noted in ledger and recorder.

mod acknowledged;
#[cfg(test)]
pub(super) mod allocations;
mod ends;
mod reading;
#[cfg(test)]
mod unsent;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use self::ends::Open;
use super::{
    Job,
    heard::Heard,
    payload::{Body, Misfit, Payload},
};
use crate::{
    model::{Answers, Meaning, Metric, Nanos, body},
    observed::{
        DeliverySample, Entry, Recorder, Refusals, Stray, StrayKind, Strays,
        presence::{self, Presence, Standing},
    },
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
    /// The bytes of the shortest message that is planned.
    shortest_body: usize,
    /// What came so far.
    heard: RefCell<Heard>,
    /// When the schedule began, on the run's clock.
    start: Cell<Nanos>,
    recorder: RefCell<Recorder>,
    strays: RefCell<Strays>,
    refusals: RefCell<Refusals>,
    /// Who of this worker's users is where.
    presence: RefCell<Presence>,
    /// Messages by temporary id, as long as local users wait for their end: Failed says no more than that id.
    open: RefCell<HashMap<u64, Open>>,
    /// When a (message, user) was delivered under a temporary id, until its end; `None` to one who was no member.
    delivered: RefCell<HashMap<(u32, u32), Option<Nanos>>>,
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

impl Receipts {
    pub(super) fn new(job: &Job) -> Self {
        Self {
            start: Cell::new(0),
            recorder: RefCell::new(Recorder::new(Arc::clone(&job.layout))),
            strays: RefCell::default(),
            refusals: RefCell::default(),
            presence: RefCell::new(
                Presence::at_the_start(&job.plan, &job.share)
                    .on_several(job.promises.may_be_several(&job.plan))
                    .held_up(&job.plan),
            ),
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
            shortest_body: reading::shortest_body(job),
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

    pub(super) fn finish(self) -> (Recorder, Strays, Refusals) {
        (
            self.recorder.into_inner(),
            self.strays.into_inner(),
            self.refusals.into_inner(),
        )
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

    /// A user's next step.
    pub(super) fn moved(&self, entry: &Entry) {
        self.presence.borrow_mut().note(&self.job.plan, entry);
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
            self.unknown(user, stamp, name, payload);
            return Made::Unknown;
        };
        let read = || match self.mapped {
            true => self.mapped(user, name, payload),
            false => Payload::parse(None, payload),
        };
        let understood = match meaning {
            Meaning::Received => read().and_then(|read| {
                let answered = self.received(user, stamp, name, &read)?;
                self.senders_place(user, payload, &read);
                Ok(answered)
            }),
            Meaning::Confirmed => {
                let confirmed = read().and_then(|read| self.confirmed(user, stamp, name, &read));
                confirmed.map(|()| None)
            }
            Meaning::Failed => {
                let failed = read().and_then(|read| self.failed(user, stamp, name, &read));
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

    /// What came so far.
    pub(super) fn show(&self, shown: &mut Heard) {
        shown.clone_from(&self.heard.borrow());
    }

    fn received(
        &self,
        user: u32,
        stamp: Nanos,
        name: &str,
        payload: &Payload<'_>,
    ) -> Result<Option<u32>, Misfit> {
        let (message, send, slot, sent) = self.locate(user, payload)?;
        let changed = self.changed(message, &send, &payload.body()?);
        self.fits(user, &send, slot, name, Meaning::Received);
        if self.is_from(payload, &send) != Some(true) {
            self.job.ledger.wrong_sender(slot);
        }
        let arrival = self.next_arrival(user);
        if !self.job.ledger.delivered(slot, arrival, changed) {
            self.job.progress.duplicated.fetch_add(1, Relaxed);
            return Ok(None);
        }
        self.sign(message, sent, stamp);
        let member = !self.was_out(user, message, &send, sent);
        let kind = self.job.plan.conversation_of(&send).kind;
        match payload.id() {
            Some(id) if self.job.promises.in_a(kind).ends => {
                self.wait_for_end(user, member.then_some(stamp), message, id);
            }
            Some(id) if self.job.promises.final_ids => self.job.ledger.note_id(slot, hash(id)),
            _ => {}
        }
        self.job.progress.received.fetch_add(1, Relaxed);
        let own = send.sender == user;
        if !own {
            self.job.progress.delivered.fetch_add(1, Relaxed);
        }
        self.heard.borrow_mut().part_mut(kind, own).understood += 1;
        if member && self.measured(&send) {
            self.record_receipt(user, stamp, message, &send, sent);
        }
        if payload.id().is_none() && self.job.vocabulary.whole_contract {
            let what = format!("message {message} without an id");
            return Err(Misfit::unexpected(what));
        }
        let answers = own && !self.job.vocabulary.acknowledges_messages;
        Ok(answers.then_some(message))
    }

    /// Something came that proves that the server has handled a message.
    fn sign(&self, message: u32, sent: Nanos, stamp: Nanos) {
        self.job
            .ledger
            .sign_after(message, stamp.saturating_sub(sent));
    }

    /// Notes an event that is not for this user's part in the message, or not for its kind of conversation.
    fn fits(&self, user: u32, send: &Send, slot: usize, name: &str, meaning: Meaning) {
        let kind = self.job.plan.conversation_of(send).kind;
        let names = self.job.vocabulary.names(kind);
        if !names.tells(name, meaning, send.sender == user) {
            self.job.ledger.wrong_event(slot);
        }
    }

    /// Whether a payload names the sender of a message, where the contract or the map says that it does; `None`: it names nobody.
    fn is_from(&self, payload: &Payload<'_>, send: &Send) -> Option<bool> {
        match self.job.vocabulary.whole_contract || payload.has_mapped_sender() {
            true => payload.is_from(&self.job.plan.users[send.sender as usize]),
            false => Some(true),
        }
    }

    /// Whether a user was no member any more, or not yet, when the server handled a message: that it came is a finding and
    /// no sample.
    fn was_out(&self, user: u32, message: u32, send: &Send, sent: Nanos) -> bool {
        let presence = self.presence.borrow();
        if presence.is_constant() {
            return false;
        }
        let handled_by = presence::handled_by(sent, self.job.ledger.first_sign(message), true);
        let place = self.job.plan.place(user, send.conversation);
        place.is_none_or(|place| {
            let at = (sent, handled_by);
            presence.standing(user, place as u32, at, self.start.get()) == Standing::Out
        })
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
            let way = self.job.whereabouts.metric(send.sender, sent, user);
            if let Some(metric) = way {
                recorder.record_in(send.phase, metric, intended, stamp);
            }
            let kept = self
                .job
                .ledger
                .latency(message, stamp.saturating_sub(intended));
            recorder.clamped += u64::from(!kept);
            recorder.record_in(send.phase, Metric::DeliveryAsSent, sent, stamp);
        }
    }

    /// Which message of the plan an event is about, this user's slot of it, and when it was sent.
    fn locate(
        &self,
        user: u32,
        payload: &Payload<'_>,
    ) -> Result<(u32, Send, usize, Nanos), Misfit> {
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
        let named = payload.conversation(conversation.kind);
        let cross = |what: String| Misfit {
            kind: StrayKind::CrossDelivered,
            what,
            unreadable: named.is_none(),
        };
        if !payload.is_in(conversation.kind, &conversation.id) {
            return Err(cross(format!(
                "message {message} under the conversation {:?}",
                named.unwrap_or("(none)")
            )));
        }
        let slot = self.job.plan.slot(&send, user);
        let slot =
            slot.ok_or_else(|| cross(format!("message {message}, to a user who is no member")))?;
        let sent = self.job.ledger.sent_at(message).ok_or_else(|| {
            Misfit::unexpected(format!("message {message}, which was not sent yet"))
        })?;
        Ok((message, send, slot, sent))
    }

    fn changed(&self, message: u32, send: &Send, body: &Body<'_>) -> bool {
        let mut expected = self.expected_body.borrow_mut();
        expected.clear();
        let bytes = send.bytes as usize;
        body::write(&mut expected, &self.job.run, message, bytes, &self.job.text);
        !body.is(&expected, &mut self.expected_json.borrow_mut())
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

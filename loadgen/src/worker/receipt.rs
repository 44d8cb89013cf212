//! What one worker's users receive: every event is matched with the plan and noted in ledger and recorder.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use serde::Deserialize;

use super::{Job, Progress};
use crate::{
    body,
    clock::Nanos,
    ledger::Ledger,
    metric::Metric,
    plan::{Kind, Plan, Send},
    recorder::Recorder,
    vocabulary::Meaning,
};

/// How many examples of one kind of oddity are kept.
const EXAMPLES: usize = 10;

/// Something that came and belongs to no expected (message, recipient).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// What it is.
    pub kind: StrayKind,
    /// Who got it.
    pub user: u32,
    /// When, on the run's clock.
    pub at: Nanos,
    /// What it was, in words.
    pub what: String,
}

/// Kinds of [`Stray`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StrayKind {
    /// A message of this run, to somebody who is not a member of its conversation, or under another conversation.
    CrossDelivered,
    /// An event about a message of this run that nobody sent, or that can't be read.
    Unexpected,
    /// A Confirmed or Failed for a temporary id that this user was never given.
    OrphanedEnd,
}

/// Counts of strays with the first few of each kind.
#[derive(Debug, Clone, Default)]
pub struct Strays {
    counts: HashMap<StrayKind, u64>,
    examples: Vec<Stray>,
}

impl Strays {
    fn add(&mut self, stray: Stray) {
        let count = self.counts.entry(stray.kind).or_default();
        *count += 1;
        if *count <= EXAMPLES as u64 {
            self.examples.push(stray);
        }
    }

    /// Adds another worker's.
    pub fn merge(&mut self, other: Strays) {
        for (kind, count) in other.counts {
            *self.counts.entry(kind).or_default() += count;
        }
        self.examples.extend(other.examples);
    }

    /// How many of a kind.
    pub fn count(&self, kind: StrayKind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// The first few of a kind.
    pub fn examples(&self, kind: StrayKind) -> impl Iterator<Item = &Stray> {
        self.examples
            .iter()
            .filter(move |stray| stray.kind == kind)
            .take(EXAMPLES)
    }
}

/// A message event, as much of it as is checked.
#[derive(Deserialize)]
struct MessagePayload<'a> {
    #[serde(borrow, rename = "_id")]
    id: Cow<'a, str>,
    #[serde(borrow)]
    body: Cow<'a, str>,
    #[serde(borrow, default, rename = "tempId")]
    temp_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "roomId")]
    room: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "channelId")]
    channel: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct FailedPayload<'a> {
    #[serde(borrow, rename = "tempId")]
    temp_id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct AckPayload {
    success: bool,
}

/// The books of one worker.
pub struct Receipts {
    plan: Arc<Plan>,
    ledger: Arc<Ledger>,
    progress: Arc<Progress>,
    job: Job,
    /// When the schedule began, on the run's clock.
    start: Cell<Nanos>,
    recorder: RefCell<Recorder>,
    strays: RefCell<Strays>,
    /// Events so far of each user: the order of arrival on its socket.
    arrivals: RefCell<Vec<u32>>,
    /// Messages by temporary id, as long as local users wait for their end: Failed says no more than that id.
    open: RefCell<HashMap<u64, Open>>,
    /// When a (message, user) was delivered, until its end.
    delivered: RefCell<HashMap<(u32, u32), Nanos>>,
    expected_body: RefCell<String>,
}

/// A temporary id in use.
struct Open {
    message: u32,
    waiting: u32,
}

impl Receipts {
    pub(super) fn new(job: &Job) -> Self {
        Self {
            plan: Arc::clone(&job.plan),
            ledger: Arc::clone(&job.ledger),
            progress: Arc::clone(&job.progress),
            start: Cell::new(0),
            recorder: RefCell::new(Recorder::new(job.limits.clone())),
            strays: RefCell::default(),
            arrivals: RefCell::new(vec![0; job.plan.users.len().div_ceil(job.workers)]),
            open: RefCell::default(),
            delivered: RefCell::default(),
            expected_body: RefCell::default(),
            job: job.clone(),
        }
    }

    pub(super) fn begin(&self, start: Nanos) {
        self.start.set(start);
    }

    pub(super) fn recorder(&self) -> std::cell::RefMut<'_, Recorder> {
        self.recorder.borrow_mut()
    }

    pub(super) fn finish(self) -> (Recorder, Strays) {
        (self.recorder.into_inner(), self.strays.into_inner())
    }

    /// When a message was meant to be sent, on the run's clock.
    pub(super) fn intended(&self, send: &Send) -> Nanos {
        self.start.get() + send.at
    }

    pub(super) fn measured(&self, send: &Send) -> bool {
        self.plan.phases[send.phase as usize].measured
    }

    /// An event came.
    pub(super) fn event(&self, user: u32, stamp: Nanos, name: &str, payload: &str) {
        let parsing = self.job.clock.now();
        self.recorder().record(Metric::ReceiveWait, stamp, parsing);
        let Some((kind, meaning)) = self.job.vocabulary.meaning(name) else {
            return;
        };
        let understood = match meaning {
            Meaning::Received => self.received(user, stamp, kind, payload),
            Meaning::Confirmed => self.confirmed(user, stamp, kind, payload),
            Meaning::Failed => self.failed(user, stamp, payload),
        };
        if let Err(odd) = understood {
            let what = format!("{name}: {}", odd.what);
            self.strays.borrow_mut().add(Stray {
                kind: odd.kind,
                user,
                at: stamp,
                what,
            });
        }
    }

    fn received(&self, user: u32, stamp: Nanos, kind: Kind, payload: &str) -> Result<(), Odd> {
        let payload = parse::<MessagePayload<'_>>(payload)?;
        let (message, send, slot) = self.locate(user, kind, &payload)?;
        let Some(lateness) = self.ledger.lateness(message) else {
            return Err(Odd::unexpected(format!(
                "message {message}, which was not sent yet"
            )));
        };
        let changed = self.changed(message, &send, &payload.body);
        let arrival = self.next_arrival(user);
        if !self.ledger.delivered(slot, arrival, changed) {
            return Ok(());
        }
        if payload.id.starts_with("temp_") {
            self.wait_for_end(user, stamp, message, &payload.id);
        } else {
            self.ledger.note_id(message, hash(&payload.id));
        }
        self.progress.received.fetch_add(1, Relaxed);
        let own = send.sender == user;
        if !own {
            self.progress.delivered.fetch_add(1, Relaxed);
        }
        if self.measured(&send) {
            let intended = self.intended(&send);
            let mut recorder = self.recorder();
            if own {
                recorder.record(Metric::Echo, intended, stamp);
            } else {
                recorder.record_delivery(intended, self.start.get(), stamp);
                let kept = self.ledger.latency(message, stamp.saturating_sub(intended));
                recorder.clamped += u64::from(!kept);
                recorder.record(Metric::DeliveryAsSent, intended + lateness, stamp);
            }
        }
        Ok(())
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

    fn confirmed(&self, user: u32, stamp: Nanos, kind: Kind, payload: &str) -> Result<(), Odd> {
        let payload = parse::<MessagePayload<'_>>(payload)?;
        let (message, send, slot) = self.locate(user, kind, &payload)?;
        let temp_id = payload.temp_id.as_deref().map(hash);
        let known = temp_id.and_then(|id| self.message_under(id));
        self.next_arrival(user);
        let first_end = self.ledger.confirmed(message, slot, hash(&payload.id));
        if first_end {
            self.ended(user, stamp, message, &send, temp_id, true);
        }
        if self.changed(message, &send, &payload.body) {
            self.ledger.changed(slot);
        }
        match known {
            // After the end a temporary id is forgotten, and before the delivery it is unknown: the ledger tells
            // these as a double end and as an early one.
            None if first_end && self.ledger.slot(slot).deliveries() > 0 => Err(Odd {
                kind: StrayKind::OrphanedEnd,
                what: format!(
                    "message {message} under tempId {:?}, which nobody was given",
                    payload.temp_id.as_deref().unwrap_or("(none)")
                ),
            }),
            Some(other) if other != message => Err(Odd {
                kind: StrayKind::OrphanedEnd,
                what: format!("message {message} under the tempId of message {other}"),
            }),
            _ => Ok(()),
        }
    }

    fn failed(&self, user: u32, stamp: Nanos, payload: &str) -> Result<(), Odd> {
        let payload = parse::<FailedPayload<'_>>(payload)?;
        let orphan = |what: String| Odd {
            kind: StrayKind::OrphanedEnd,
            what,
        };
        let temp_id = hash(&payload.temp_id);
        let message = self
            .message_under(temp_id)
            .ok_or_else(|| orphan(format!("unknown tempId {:?}", payload.temp_id)))?;
        let send = self.plan.sends[message as usize];
        let slot = self
            .plan
            .slot(&send, user)
            .ok_or_else(|| orphan(format!("message {message} of another conversation")))?;
        self.next_arrival(user);
        if self.ledger.failed(slot) {
            self.ended(user, stamp, message, &send, Some(temp_id), false);
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
        self.progress.ended.fetch_add(1, Relaxed);
        let delivered = self.delivered.borrow_mut().remove(&(message, user));
        if delivered.is_some()
            && let Some(temp_id) = temp_id
        {
            self.forget_one(temp_id);
        }
        if !confirmed || !self.measured(send) {
            return;
        }
        if send.sender == user {
            self.recorder()
                .record(Metric::Confirm, self.intended(send), stamp);
        } else if let Some(delivered) = delivered {
            self.recorder()
                .record(Metric::ConfirmAfterDelivery, delivered, stamp);
        }
    }

    /// The acknowledgement of a message came.
    pub(super) fn message_ack(&self, user: u32, stamp: Nanos, message: u32, payload: &str) {
        let Some(send) = self.plan.sends.get(message as usize).copied() else {
            return self.odd_ack(user, stamp, message);
        };
        let Some(slot) = self.plan.slot(&send, user).filter(|_| send.sender == user) else {
            return self.odd_ack(user, stamp, message);
        };
        let accepted = serde_json::from_str::<AckPayload>(payload).is_ok_and(|ack| ack.success);
        if self.ledger.acked(slot, accepted) {
            self.progress.acked.fetch_add(1, Relaxed);
            if accepted && self.measured(&send) {
                self.recorder()
                    .record(Metric::Ack, self.intended(&send), stamp);
            }
        }
    }

    fn odd_ack(&self, user: u32, stamp: Nanos, message: u32) {
        self.strays.borrow_mut().add(Stray {
            kind: StrayKind::Unexpected,
            user,
            at: stamp,
            what: format!("an acknowledgement of message {message}, which this user did not send"),
        });
    }

    /// Which message of the plan an event is about, and this user's slot of it.
    fn locate(
        &self,
        user: u32,
        kind: Kind,
        payload: &MessagePayload<'_>,
    ) -> Result<(u32, Send, usize), Odd> {
        let message = body::message_of(&self.job.run, &payload.body).ok_or_else(|| {
            Odd::unexpected(format!(
                "a body that nobody sent: {:?}",
                payload.body.chars().take(60).collect::<String>()
            ))
        })?;
        let send =
            *self.plan.sends.get(message as usize).ok_or_else(|| {
                Odd::unexpected(format!("message {message}, which is not planned"))
            })?;
        let conversation = self.plan.conversation_of(&send);
        let named = match kind {
            Kind::Room => payload.room.as_deref(),
            Kind::Channel => payload.channel.as_deref(),
        };
        let cross = |what: String| Odd {
            kind: StrayKind::CrossDelivered,
            what,
        };
        if conversation.kind != kind || named != Some(conversation.id.as_str()) {
            return Err(cross(format!(
                "message {message} under the conversation {:?}",
                named.unwrap_or("(none)")
            )));
        }
        let slot = self
            .plan
            .slot(&send, user)
            .ok_or_else(|| cross(format!("message {message}, to a user who is no member")))?;
        Ok((message, send, slot))
    }

    fn changed(&self, message: u32, send: &Send, body: &str) -> bool {
        let mut expected = self.expected_body.borrow_mut();
        expected.clear();
        body::write(&mut expected, &self.job.run, message, send.bytes as usize);
        *expected != body
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
        let mut arrivals = self.arrivals.borrow_mut();
        let arrival = &mut arrivals[user as usize / self.job.workers];
        *arrival += 1;
        *arrival
    }
}

/// An event that does not fit the plan.
struct Odd {
    kind: StrayKind,
    what: String,
}

impl Odd {
    fn unexpected(what: String) -> Self {
        Self {
            kind: StrayKind::Unexpected,
            what,
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(payload: &'a str) -> Result<T, Odd> {
    serde_json::from_str(payload)
        .map_err(|error| Odd::unexpected(format!("its payload can't be read: {error}")))
}

/// A hash that is never zero, which in the ledger means "none".
pub fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish().max(1)
}

//! The writer's task: gathers messages into batches, tries each until its deadline, and gives it
//! its one outcome.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bson::oid::ObjectId;
use futures::FutureExt as _;
use tokio::{
    sync::{mpsc, oneshot},
    task::{self, AbortHandle, JoinError, JoinSet},
    time::Instant,
};

use super::{
    InsertError, MessageStore,
    document::as_stored,
    journal::{Answers, Entry, Journal},
    queue::{Counters, FailureReason, Ticket},
    settle::Settler,
    writer::WriterConfig,
};
#[cfg(test)]
use crate::simulation::planted;
use crate::{message::Kind, portions::in_portions};

mod dispatch;
mod failing;
mod keeping;

use keeping::{Keeping, Kept, Repetition};

/// Tickets taken from the queue at once.
const INTAKE: usize = 1_024;
/// The wake-up when nothing is due; any event comes before it.
const IDLE: Duration = Duration::from_secs(3_600);

/// When to stop: no message waits for its outcome beyond `cut`, and nothing at all goes on beyond
/// `end`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    pub(super) cut: Instant,
    pub(super) end: Instant,
}

/// A message that is waiting, in flight, or between two attempts; or that has ended while still in
/// flight.
struct Job {
    ticket: Ticket,
    attempts: u32,
    /// An attempt ended with nobody knowing whether it stored the message.
    unknown: bool,
    flight: Option<task::Id>,
    retry_at: Option<Instant>,
    /// It has failed, and is told so once the journal has it.
    condemned: Option<FailureReason>,
    /// The journal was given it.
    journaled: bool,
}

impl Job {
    /// Whether it is settled how it ends, told or not.
    fn is_decided(&self) -> bool {
        self.ticket.has_ended() || self.condemned.is_some()
    }
}

/// A batch in flight.
struct Flight {
    ids: Vec<ObjectId>,
    /// Those without an outcome; when none is left, the flight is given up.
    open: usize,
    handle: AbortHandle,
}

type Landed = Result<(task::Id, Vec<Result<(), InsertError>>), JoinError>;

/// Everything that the task owns. It alone decides; attempts and settling run in tasks of their
/// own, so that a store that blocks or panics holds up nothing but itself.
pub(super) struct GroupCommit {
    store: Arc<dyn MessageStore>,
    config: WriterConfig,
    slots: usize,
    counters: Arc<Counters>,
    jobs: HashMap<ObjectId, Job>,
    /// Not attempted yet, oldest first. May name jobs that have ended.
    fresh: VecDeque<ObjectId>,
    /// Every job's deadline, oldest first. May name jobs that have ended.
    expiry: VecDeque<(Instant, ObjectId)>,
    /// Jobs between two attempts, by the time of the next.
    retries: BTreeSet<(Instant, ObjectId)>,
    flights: HashMap<task::Id, Flight>,
    attempts: JoinSet<Vec<Result<(), InsertError>>>,
    /// What is there already, and is to be kept before a repetition is confirmed by it.
    keeping: Keeping,
    settler: Settler,
    journal: Option<Entry>,
    /// What the journal says; closed where there is none.
    written: Answers,
    /// Until when the journal may keep a failure from being told, oldest first. May name jobs that
    /// are gone.
    condemned: VecDeque<(Instant, ObjectId)>,
    inbox_open: bool,
    stop: Option<Stop>,
}

impl GroupCommit {
    pub(super) fn new(
        store: Arc<dyn MessageStore>,
        config: WriterConfig,
        counters: Arc<Counters>,
        journal: Option<Journal>,
    ) -> Self {
        let (journal, written, earlier) = match journal.map(Journal::into_parts) {
            Some((entry, written, earlier)) => (Some(entry), written, earlier),
            None => (None, mpsc::unbounded_channel().1, Vec::new()),
        };
        Self {
            slots: config
                .max_in_flight
                .unwrap_or_else(|| store.concurrency())
                .max(1),
            settler: Settler::new(store.clone(), counters.clone(), journal.clone(), earlier),
            journal,
            written,
            condemned: VecDeque::new(),
            store,
            config,
            counters,
            jobs: HashMap::new(),
            fresh: VecDeque::new(),
            expiry: VecDeque::new(),
            retries: BTreeSet::new(),
            flights: HashMap::new(),
            attempts: JoinSet::new(),
            keeping: Keeping::default(),
            inbox_open: true,
            stop: None,
        }
    }

    /// Works until everything has ended and nothing more can come, or until the end of a drain and of what the journal
    /// is still writing down; returns what could not be settled.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Ticket>,
        stop: oneshot::Receiver<Stop>,
    ) -> Vec<(Kind, ObjectId)> {
        let mut arrived = Vec::with_capacity(INTAKE);
        let mut stop = stop.fuse();
        loop {
            let now = Instant::now();
            self.expire(now);
            self.dispatch(now);
            self.settler.start_if_due(now);
            if self.is_done(now) {
                return self.unsettled();
            }
            let wake = self.next_wake(now);
            tokio::select! {
                // In one order, so that the same happens again from the same seed. Each branch but the inbox is
                // bounded by what was begun, so none keeps another waiting.
                biased;
                Ok(stop) = &mut stop => {
                    self.counters.stopped.store(true, Relaxed);
                    inbox.close();
                    self.stop = Some(stop);
                }
                Some(written) = self.written.recv() => self.take_written(written),
                Some(landed) = self.attempts.join_next_with_id() => self.land(landed).await,
                Some(kept) = self.keeping.next() => self.take_kept(kept).await,
                Some(settled) = self.settler.next() => self.settler.finish(settled),
                count = inbox.recv_many(&mut arrived, INTAKE), if self.inbox_open => {
                    self.inbox_open = count > 0;
                    arrived.drain(..).for_each(|ticket| self.accept(ticket));
                }
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    fn accept(&mut self, mut ticket: Ticket) {
        let id = ticket.message.id;
        if self.jobs.contains_key(&id) || self.settler.contains(&id) {
            // Two tickets under one `_id` could not be told apart in the store. The server makes
            // ids, so this is a bug.
            tracing::error!(%id, "a message was queued while another is being saved under the same _id");
            ticket.failed(FailureReason::Rejected);
            return;
        }
        let deadline = later(ticket.queued_at, self.config.deadline);
        self.expiry.push_back((deadline, id));
        self.fresh.push_back(id);
        let job = Job {
            ticket,
            attempts: 0,
            unknown: false,
            flight: None,
            retry_at: None,
            condemned: None,
            journaled: false,
        };
        self.jobs.insert(id, job);
    }

    /// Takes in the results of a batch.
    async fn land(&mut self, landed: Landed) {
        let (flight, results) = match landed {
            Ok((flight, results)) => (flight, results),
            Err(error) => (
                error.id(),
                vec![Err(InsertError::Unknown(error.to_string())); self.aboard(error.id())],
            ),
        };
        let Some(Flight { ids, open, .. }) = self.flights.remove(&flight) else {
            return;
        };
        // One that was given up has been told about as failed.
        if open > 0 {
            log_first_error(&results);
        }
        for id in &ids {
            if let Some(job) = self.jobs.get_mut(id) {
                job.flight = None;
            }
        }
        // The saved ones first: a duplicate in the same batch may be a duplicate of one of them.
        let (saved, others): (Vec<_>, Vec<_>) = ids
            .into_iter()
            .zip(results)
            .partition(|(_, result)| result.is_ok());
        let results = saved.into_iter().chain(others);
        in_portions(results, |(id, result)| self.take_result(id, result)).await;
        self.keeping.begin(&self.store, self.config.attempt_timeout);
    }

    fn aboard(&self, flight: task::Id) -> usize {
        self.flights
            .get(&flight)
            .map_or(0, |flight| flight.ids.len())
    }

    fn take_result(&mut self, id: ObjectId, result: Result<(), InsertError>) {
        let is_open =
            |first: &ObjectId| self.jobs.contains_key(first) || self.settler.contains(first);
        let first_is_open =
            matches!(&result, Err(InsertError::DuplicateClientMsgId(first)) if is_open(&first.id));
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if job.is_decided() {
            // It has failed meanwhile, so whatever came of this attempt must go.
            job.unknown |= matches!(result, Ok(()) | Err(InsertError::Unknown(_)));
            if job.ticket.has_ended() {
                self.remove(id);
            }
            return;
        }
        match result {
            Ok(()) => {
                job.ticket.saved();
                // An earlier attempt that lands late finds the same `_id` there and changes
                // nothing.
                self.jobs.remove(&id);
            }
            Err(InsertError::Rejected(_)) => self.fail(id, FailureReason::Rejected),
            Err(InsertError::Unavailable(_)) => self.retry(id),
            Err(InsertError::Unknown(_)) => {
                job.unknown = true;
                self.retry(id);
            }
            // The message that is there has no outcome yet, or is about to be deleted. Naming it as the saved
            // one could turn out untrue, so this one waits for what becomes of it.
            Err(InsertError::DuplicateClientMsgId(_)) if first_is_open => self.retry(id),
            Err(InsertError::DuplicateClientMsgId(existing)) => {
                if existing.is_repeated_by(&as_stored(&job.ticket.message)) {
                    let first = existing;
                    self.keeping.add(Repetition { id, first });
                } else {
                    // Telling it as this one would show one conversation what was said in another.
                    tracing::error!(%id, existing = %existing.id, "the store named another message as this one");
                    self.fail(id, FailureReason::Rejected);
                }
            }
        }
    }

    /// Confirms what repeats a message that is there to stay. What is gone meanwhile, or could not be kept, is tried
    /// again.
    async fn take_kept(&mut self, kept: Vec<Kept>) {
        in_portions(kept, |(Repetition { id, first }, is_kept)| {
            let Some(job) = self.jobs.get_mut(&id).filter(|job| !job.is_decided()) else {
                return;
            };
            if is_kept {
                job.ticket.already_saved(first);
                self.remove(id);
            } else {
                self.retry(id);
            }
        })
        .await;
    }

    /// Puts a message back for its next attempt. Its deadline is watched apart.
    fn retry(&mut self, id: ObjectId) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        #[cfg(test)]
        planted::note_retry(id);
        let doubled = self
            .config
            .backoff_min
            .saturating_mul(1 << (job.attempts - 1).min(16));
        let due = later(Instant::now(), doubled.min(self.config.backoff_max));
        job.retry_at = Some(due);
        self.retries.insert((due, id));
    }

    /// Forgets a message that has ended and is not in flight; what it may have left in the store
    /// will be settled.
    fn remove(&mut self, id: ObjectId) {
        let Some(job) = self.jobs.remove(&id) else {
            return;
        };
        if let Some(due) = job.retry_at {
            self.retries.remove(&(due, id));
        }
        if job.unknown {
            self.settler.add(id, job.ticket.message.conversation.kind);
        } else if job.journaled
            && let Some(journal) = &self.journal
        {
            // The last attempt turned out not to have stored it.
            journal.settle(vec![id]);
        }
    }

    fn is_done(&self, now: Instant) -> bool {
        let idle = !self.inbox_open && self.jobs.is_empty() && self.settler.is_empty();
        // A process that stood still until after its end has given the journal something only now. That wait has an end
        // of its own.
        let waits_for_journal = || self.jobs.values().any(|job| job.condemned.is_some());
        idle || self.stop.is_some_and(|stop| stop.end <= now) && !waits_for_journal()
    }

    fn next_wake(&mut self, now: Instant) -> Instant {
        let slot_free = self.flights.len() < self.slots;
        let fresh = if slot_free { self.fresh_due(now) } else { None };
        let retry = self
            .retries
            .first()
            .map(|(due, _)| *due)
            .filter(|_| slot_free);
        let expiry = self.expiry.front().map(|(deadline, _)| *deadline);
        // After the cut everything has ended but what is still in the air, and that is waited for
        // until the end.
        let stop = self
            .stop
            .map(|stop| if stop.cut > now { stop.cut } else { stop.end })
            .filter(|stop| *stop > now);
        let condemned = self.condemned.front().map(|(deadline, _)| *deadline);
        #[cfg(test)]
        let (fresh, retry) = if planted::has(planted::Bug::LostWakeUp) {
            (None, None)
        } else {
            (fresh, retry)
        };
        [fresh, retry, expiry, condemned, self.settler.due(), stop]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(now + IDLE)
    }

    /// What nobody knows about at the end: what is to be settled, and what is still in the air.
    fn unsettled(&self) -> Vec<(Kind, ObjectId)> {
        let in_the_air = self
            .jobs
            .iter()
            .filter(|(_, job)| job.unknown || job.flight.is_some());
        let in_the_air = in_the_air.map(|(id, job)| (job.ticket.message.conversation.kind, *id));
        self.settler.unsettled().chain(in_the_air).collect()
    }
}

/// The sum; of a configured duration beyond what an `Instant` can hold, some day that never comes.
pub(crate) fn later(instant: Instant, by: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3_600);
    instant.checked_add(by).unwrap_or_else(|| instant + NEVER)
}

fn log_first_error(results: &[Result<(), InsertError>]) {
    let real = |result: &Result<(), InsertError>| match result {
        Ok(()) | Err(InsertError::DuplicateClientMsgId(_)) => None,
        Err(error) => Some(error.clone()),
    };
    let failed = results
        .iter()
        .filter(|result| real(result).is_some())
        .count();
    if let Some(error) = results.iter().find_map(real) {
        tracing::warn!(failed, of = results.len(), %error, "an attempt to save did not succeed");
    }
}

//! Which messages fail, when, and when they are told so: those that may be stored only once the journal has them.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use bson::oid::ObjectId;
use tokio::time::Instant;

use super::{GroupCommit, later};
use crate::store::{journal::Written, queue::FailureReason};

/// How long a failure may wait for the journal. A disk that hangs must not keep it from being told.
const JOURNAL_WITHIN: Duration = Duration::from_secs(2);

impl GroupCommit {
    /// Fails what has reached its deadline.
    pub(super) fn expire(&mut self, now: Instant) {
        if self.stop.is_some_and(|stop| stop.cut <= now) {
            // Every job is among them.
            let ids: Vec<ObjectId> = self.expiry.iter().map(|(_, id)| *id).collect();
            ids.into_iter()
                .for_each(|id| self.fail(id, FailureReason::Stopped));
            self.expiry.clear();
        }
        while let Some(&(deadline, id)) = self.expiry.front() {
            let Some(job) = self.jobs.get(&id) else {
                self.expiry.pop_front();
                continue;
            };
            if deadline > now {
                break;
            }
            let begun = job.unknown || job.flight.is_some();
            let reason = if begun {
                FailureReason::Unknown
            } else {
                FailureReason::Unavailable
            };
            self.fail(id, reason);
            self.expiry.pop_front();
        }
        while let Some(&(deadline, id)) = self.condemned.front()
            && deadline <= now
        {
            self.tell_condemned(id, false);
            self.condemned.pop_front();
        }
    }

    /// Fails a message, once, and tells so: at once if it is certainly not in the store, else when the
    /// journal has it. If it is in flight, it stays known until it has landed.
    pub(super) fn fail(&mut self, id: ObjectId, reason: FailureReason) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if job.is_decided() {
            return;
        }
        if let Some(due) = job.retry_at.take() {
            self.retries.remove(&(due, id));
        }
        let flight = job.flight;
        match &self.journal {
            Some(journal) if job.unknown || flight.is_some() => {
                job.condemned = Some(reason);
                job.journaled = true;
                journal.record(id, job.ticket.message.conversation.kind);
                let deadline = later(Instant::now(), JOURNAL_WITHIN);
                self.condemned.push_back((deadline, id));
            }
            _ => {
                job.ticket.failed(reason);
                if flight.is_none() {
                    self.remove(id);
                }
            }
        }
        if let Some(flight) = flight.and_then(|flight| self.flights.get_mut(&flight)) {
            flight.open -= 1;
            if flight.open == 0 {
                flight.handle.abort();
            }
        }
    }

    /// Tells what waited for the journal.
    pub(super) fn take_written(&mut self, written: Written) {
        for id in written.ids {
            self.tell_condemned(id, written.is_on_disk);
        }
    }

    fn tell_condemned(&mut self, id: ObjectId, is_on_disk: bool) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let Some(reason) = job.condemned.take() else {
            return;
        };
        if !is_on_disk {
            self.counters.unjournaled.fetch_add(1, Relaxed);
        }
        job.ticket.failed(reason);
        if job.flight.is_none() {
            self.remove(id);
        }
    }
}

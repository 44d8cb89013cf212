//! Which messages go off together, and when.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bson::oid::ObjectId;
use tokio::time::Instant;

use super::{Flight, GroupCommit, later};
#[cfg(test)]
use crate::simulation::planted;
use crate::{message::Message, store::InsertError};

impl GroupCommit {
    /// Sends batches off while there is a slot and something is due.
    pub(super) fn dispatch(&mut self, now: Instant) {
        while self.flights.len() < self.slots {
            let batch = self.next_batch(now);
            if batch.is_empty() {
                break;
            }
            self.launch(batch);
        }
    }

    /// What should go now: attempts that are due once more first, they are the oldest; then new
    /// messages.
    fn next_batch(&mut self, now: Instant) -> Vec<ObjectId> {
        let batch_max = self.config.batch_max.max(1);
        let mut batch = Vec::new();
        while batch.len() < batch_max
            && let Some(&(due, id)) = self.retries.first()
            && due <= now
        {
            self.retries.pop_first();
            batch.push(id);
        }
        // A batch that goes anyway takes along what waits for company.
        if !batch.is_empty() || self.fresh_due(now).is_some_and(|due| due <= now) {
            while batch.len() < batch_max
                && let Some(id) = self.fresh.pop_front()
            {
                if self.jobs.contains_key(&id) {
                    batch.push(id);
                }
            }
        }
        batch
    }

    /// When the new messages should go, a slot being free.
    pub(super) fn fresh_due(&mut self, now: Instant) -> Option<Instant> {
        while self
            .fresh
            .front()
            .is_some_and(|id| !self.jobs.contains_key(id))
        {
            self.fresh.pop_front();
        }
        let oldest = self.jobs.get(self.fresh.front()?)?;
        let no_wait = self.fresh.len() >= self.config.batch_max || self.stop.is_some();
        Some(if no_wait {
            now
        } else {
            later(oldest.ticket.queued_at, self.config.batch_wait)
        })
    }

    fn launch(&mut self, ids: Vec<ObjectId>) {
        let messages: Vec<Arc<Message>> = ids
            .iter()
            .filter_map(|id| self.jobs.get(id))
            .map(|job| job.ticket.message.clone())
            .collect();
        self.counters.batches.fetch_add(1, Relaxed);
        self.counters
            .batched
            .fetch_add(messages.len() as u64, Relaxed);
        let store = self.store.clone();
        let limit = self.config.attempt_timeout;
        let handle = self.attempts.spawn(async move {
            let insert = store.insert_many(&messages);
            let mut results = tokio::time::timeout(limit, insert)
                .await
                .unwrap_or_else(|_| vec![Err(no_answer(limit)); messages.len()]);
            // A store that answers for fewer messages than it was given has not answered for the
            // others.
            results.resize_with(messages.len(), || {
                Err(InsertError::Unknown("no result".to_owned()))
            });
            results
        });
        for id in &ids {
            if let Some(job) = self.jobs.get_mut(id) {
                if job.attempts > 0 {
                    self.counters.retries.fetch_add(1, Relaxed);
                }
                job.attempts += 1;
                job.retry_at = None;
                job.flight = Some(handle.id());
                #[cfg(test)]
                if planted::has(planted::Bug::ConfirmBeforeStore) {
                    job.ticket.saved();
                }
            }
        }
        let open = ids.len();
        self.flights
            .insert(handle.id(), Flight { ids, open, handle });
    }
}

fn no_answer(limit: Duration) -> InsertError {
    InsertError::Unknown(format!("no answer within {limit:?}"))
}

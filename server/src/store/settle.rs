//! Settling: makes sure that what was told as failed is not in the store, once the store answers
//! again.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bson::oid::ObjectId;
use tokio::{
    task::{JoinError, JoinSet},
    time::Instant,
};

use super::{
    MessageStore, StoreError,
    journal::{Entry, Unknown},
    queue::Counters,
};
use crate::message::Kind;

/// A round that takes longer is begun anew.
const ROUND_LIMIT: Duration = Duration::from_secs(60);
/// The wait after the first round that failed; it doubles up to `WAIT_MAX`.
const WAIT_MIN: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Ids in one delete command.
const CHUNK: usize = 1_000;

pub(super) type Settled = Result<Result<u64, StoreError>, JoinError>;

/// The messages to settle, and the one round that is settling some of them.
///
/// Unbounded, because forgetting one would break the promise; but only messages that were handed to
/// the store get here, 16 bytes each, and a store that is known to be down is handed none.
pub(super) struct Settler {
    store: Arc<dyn MessageStore>,
    counters: Arc<Counters>,
    journal: Option<Entry>,
    /// Of processes before this one, whose inserts may still land.
    sessions: Vec<String>,
    pending: HashMap<ObjectId, Kind>,
    in_round: HashMap<ObjectId, Kind>,
    round: JoinSet<Result<u64, StoreError>>,
    due: Instant,
    failures: u32,
}

impl Settler {
    /// Begins with what processes before this one have left in the journal.
    pub(super) fn new(
        store: Arc<dyn MessageStore>,
        counters: Arc<Counters>,
        journal: Option<Entry>,
        earlier: Vec<Unknown>,
    ) -> Self {
        let mut sessions: Vec<String> = earlier
            .iter()
            .map(|message| message.origin.session.clone())
            .collect();
        sessions.sort_unstable();
        sessions.dedup();
        let pending: HashMap<ObjectId, Kind> = earlier
            .into_iter()
            .map(|message| (message.id, message.kind))
            .collect();
        counters.unsettled.store(pending.len(), Relaxed);
        Self {
            store,
            counters,
            journal,
            sessions,
            pending,
            in_round: HashMap::new(),
            round: JoinSet::new(),
            due: Instant::now(),
            failures: 0,
        }
    }

    /// Takes a message whose attempts have all ended or been given up.
    pub(super) fn add(&mut self, id: ObjectId, kind: Kind) {
        self.pending.insert(id, kind);
        self.counters.unsettled.store(self.len(), Relaxed);
    }

    pub(super) fn contains(&self, id: &ObjectId) -> bool {
        self.pending.contains_key(id) || self.in_round.contains_key(id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everything that is not settled yet.
    pub(super) fn unsettled(&self) -> impl Iterator<Item = (Kind, ObjectId)> {
        self.pending
            .iter()
            .chain(&self.in_round)
            .map(|(id, kind)| (*kind, *id))
    }

    /// When the next round may begin, if there is anything for it.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.pending.is_empty() && self.round.is_empty()).then_some(self.due)
    }

    /// Begins a round when one is due.
    pub(super) fn start_if_due(&mut self, now: Instant) {
        if self.due().is_none_or(|due| due > now) {
            return;
        }
        self.in_round = std::mem::take(&mut self.pending);
        let round = settle(
            self.store.clone(),
            self.sessions.clone(),
            self.in_round.clone(),
        );
        self.round.spawn(async move {
            let late = |_| {
                Err(StoreError(format!(
                    "not settled within {} s",
                    ROUND_LIMIT.as_secs()
                )))
            };
            tokio::time::timeout(ROUND_LIMIT, round)
                .await
                .unwrap_or_else(late)
        });
    }

    /// The end of the current round; `None` at once when there is none. Give it to
    /// [`Settler::finish`].
    pub(super) async fn next(&mut self) -> Option<Settled> {
        self.round.join_next().await
    }

    /// Takes in the end of a round.
    pub(super) fn finish(&mut self, settled: Settled) {
        // A store that panics is a store that did not answer.
        match settled.unwrap_or_else(|panic| Err(StoreError(panic.to_string()))) {
            Ok(deleted) => {
                let count = self.in_round.len();
                tracing::info!(
                    count,
                    deleted,
                    "settled messages that had been told as failed"
                );
                self.counters.settled.fetch_add(count as u64, Relaxed);
                self.counters.settled_deleted.fetch_add(deleted, Relaxed);
                let ids = self.in_round.drain().map(|(id, _)| id).collect();
                if let Some(journal) = &self.journal {
                    journal.settle(ids);
                }
                self.sessions.clear();
                self.failures = 0;
                self.due = Instant::now();
            }
            Err(error) => {
                let wait = WAIT_MIN
                    .saturating_mul(1 << self.failures.min(10))
                    .min(WAIT_MAX);
                tracing::warn!(count = self.in_round.len(), %error, ?wait, "could not settle yet");
                self.pending.extend(self.in_round.drain());
                self.failures += 1;
                self.due = Instant::now() + wait;
            }
        }
        self.counters.unsettled.store(self.len(), Relaxed);
    }

    fn len(&self) -> usize {
        self.pending.len() + self.in_round.len()
    }
}

/// Deleting and counting what was deleted is reading back and deleting in one step, with nothing in
/// between. The fence comes first, or an insert that is still on its way would land behind the
/// delete.
async fn settle(
    store: Arc<dyn MessageStore>,
    sessions: Vec<String>,
    messages: HashMap<ObjectId, Kind>,
) -> Result<u64, StoreError> {
    store.fence().await?;
    if !sessions.is_empty() {
        store.fence_sessions(&sessions).await?;
    }
    let mut deleted = 0;
    for kind in [Kind::Room, Kind::Channel] {
        let of_kind = |(id, k): (&ObjectId, &Kind)| (*k == kind).then_some(*id);
        let ids: Vec<ObjectId> = messages.iter().filter_map(of_kind).collect();
        for chunk in ids.chunks(CHUNK) {
            deleted += store.delete_many(kind, chunk).await?;
        }
    }
    Ok(deleted)
}

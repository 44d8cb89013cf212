//! Keeps what is there already before a repetition is confirmed by it: whoever inserted it may have told it as failed, and
//! be about to delete it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use bson::oid::ObjectId;
use tokio::task::{self, JoinSet};

use crate::{
    message::{Kind, Message},
    store::{MessageStore, StoreError},
};

/// A message that waits, and the one that its sender had stored before.
pub(super) struct Repetition {
    pub(super) id: ObjectId,
    pub(super) first: Box<Message>,
}

/// And whether the first is there to stay.
pub(super) type Kept = (Repetition, bool);

/// The repetitions whose first is to be kept, and the requests under way.
#[derive(Default)]
pub(super) struct Keeping {
    waiting: Vec<Repetition>,
    asked: HashMap<task::Id, Vec<Repetition>>,
    requests: JoinSet<Result<Vec<ObjectId>, StoreError>>,
}

impl Keeping {
    /// Takes a repetition for the next requests.
    pub(super) fn add(&mut self, repetition: Repetition) {
        self.waiting.push(repetition);
    }

    /// Asks the store for all that wait: one request for each kind, which is given up after the limit.
    pub(super) fn begin(&mut self, store: &Arc<dyn MessageStore>, limit: Duration) {
        let (rooms, channels) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|one| one.first.conversation.kind == Kind::Room);
        for (kind, repetitions) in [(Kind::Room, rooms), (Kind::Channel, channels)] {
            if repetitions.is_empty() {
                continue;
            }
            // Two may repeat the same one, which a store counts once.
            let firsts: HashSet<ObjectId> = repetitions.iter().map(|one| one.first.id).collect();
            let store = Arc::clone(store);
            let request = self.requests.spawn(async move {
                let mut firsts: Vec<ObjectId> = firsts.into_iter().collect();
                firsts.sort_unstable();
                let late = |_| Err(StoreError(format!("no answer within {limit:?}")));
                tokio::time::timeout(limit, store.keep(kind, &firsts))
                    .await
                    .unwrap_or_else(late)
            });
            self.asked.insert(request.id(), repetitions);
        }
    }

    /// How a request ended; `None` at once when there is none. A store that panics has kept nothing.
    pub(super) async fn next(&mut self) -> Option<Vec<Kept>> {
        let (request, answer) = match self.requests.join_next_with_id().await? {
            Ok((request, answer)) => (request, answer),
            Err(panic) => (panic.id(), Err(StoreError(panic.to_string()))),
        };
        let kept: HashSet<ObjectId> = match answer {
            Ok(kept) => kept.into_iter().collect(),
            Err(error) => {
                tracing::warn!(%error, "what was repeated could not be kept yet");
                HashSet::new()
            }
        };
        let asked = self.asked.remove(&request).unwrap_or_default();
        let judged = |one: Repetition| {
            let is_kept = kept.contains(&one.first.id);
            (one, is_kept)
        };
        Some(asked.into_iter().map(judged).collect())
    }
}

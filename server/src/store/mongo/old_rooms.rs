//! Messages of rooms that an earlier version of this server stored under another name.

use std::{collections::HashMap, time::Duration};

use bson::{
    Bson, doc,
    oid::ObjectId,
    raw::{RawDocument, RawDocumentBuf},
};
use futures::TryStreamExt as _;
use mongodb::{
    Collection, Database,
    error::{Error, ErrorKind},
};

use super::{
    super::{
        StoreError,
        document::{collection_name, from_document},
    },
    failure,
};
use crate::message::Kind;

/// The name of before. The system of today has no such collection, and reads none.
const OLD: &str = "message2s";
/// Documents, and bytes of them, that are moved at once.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// How long the database may take for one step of it.
const STEP_LIMIT: Duration = Duration::from_secs(60);

/// What became of the documents.
#[derive(Debug, Default)]
struct Moved {
    moved: u64,
    /// Documents that stay where they are, and why the first of them does.
    left: u64,
    why: Option<String>,
}

/// Says that there are such documents, or moves them if asked to.
pub(super) async fn tell_or_move(database: &Database, is_asked: bool) -> Result<(), StoreError> {
    let old = database.collection::<RawDocumentBuf>(OLD);
    let new = collection_name(Kind::Room);
    let count = step(old.estimated_document_count()).await?;
    // The estimate comes from the collection's own books, which a crash may leave wrong.
    if count == 0 && step(old.find_one(doc! {})).await?.is_none() {
        return Ok(());
    }
    if !is_asked {
        tracing::warn!(
            "about {count} messages of rooms lie in `{OLD}`, where an earlier version stored them and nothing looks for \
             them: start once with --migrate to move them to `{new}`"
        );
        return Ok(());
    }
    tracing::info!("moving about {count} messages from `{OLD}` to `{new}`");
    let Moved { moved, left, why } = move_all(&old, &database.collection(new)).await?;
    tracing::info!("moved {moved} messages from `{OLD}` to `{new}`");
    if let Some(why) = why {
        tracing::warn!("left {left} documents in `{OLD}`; the first of them: {why}");
    }
    Ok(())
}

/// Moves batch by batch, in the order of the ids. Each batch is in the new place, as durably as a message, before it
/// leaves the old one; whoever is stopped in between finds it in both and goes on from there.
async fn move_all(
    old: &Collection<RawDocumentBuf>,
    new: &Collection<RawDocumentBuf>,
) -> Result<Moved, StoreError> {
    let mut all = step(old.find(doc! {}).sort(doc! { "_id": 1 })).await?;
    let mut so_far = Moved::default();
    let (mut batch, mut bytes) = (Vec::new(), 0);
    loop {
        let next = step(all.try_next()).await?;
        let is_last = next.is_none();
        if let Some(document) = next {
            match from_document(Kind::Room, &document) {
                Ok(_) => {
                    bytes += document.as_bytes().len();
                    batch.push(document);
                }
                Err(what) => so_far.leave(1, || {
                    format!("{} is no message: {what}", id_text(&document))
                }),
            }
        }
        if batch.len() >= BATCH || bytes >= BATCH_BYTES || (is_last && !batch.is_empty()) {
            move_batch(old, new, std::mem::take(&mut batch), &mut so_far).await?;
            bytes = 0;
            tracing::debug!("moved {} messages so far", so_far.moved);
        }
        if is_last {
            return Ok(so_far);
        }
    }
}

async fn move_batch(
    old: &Collection<RawDocumentBuf>,
    new: &Collection<RawDocumentBuf>,
    batch: Vec<RawDocumentBuf>,
    so_far: &mut Moved,
) -> Result<(), StoreError> {
    let refused = refused(step_kind(new.insert_many(&batch).ordered(false)).await)?;
    let mut arrived = Vec::with_capacity(batch.len());
    let mut doubtful = Vec::new();
    for (index, document) in batch.iter().enumerate() {
        match (refused.get(&index), document.get_object_id("_id")) {
            (None, Ok(id)) => arrived.push(id),
            (Some(_), Ok(id)) => doubtful.push((index, id)),
            (_, Err(_)) => {}
        }
    }
    let ids: Vec<ObjectId> = doubtful.iter().map(|(_, id)| *id).collect();
    let there = if ids.is_empty() {
        HashMap::new()
    } else {
        by_id(new, &ids).await?
    };
    for (index, id) in doubtful {
        let message = |document: &RawDocument| from_document(Kind::Room, document).ok();
        // There already, from a move that was stopped: it may have been marked as read since.
        let is_the_same = there
            .get(&id)
            .is_some_and(|other| message(other) == message(&batch[index]));
        if is_the_same {
            arrived.push(id);
        } else {
            so_far.leave(1, || format!("{id}: {}", refused[&index]));
        }
    }
    let gone = step(old.delete_many(doc! { "_id": { "$in": &arrived } })).await?;
    // Fewer than arrived, where another server is moving them too.
    so_far.moved += gone.deleted_count;
    Ok(())
}

impl Moved {
    fn leave(&mut self, count: u64, why: impl FnOnce() -> String) {
        self.left += count;
        self.why.get_or_insert_with(why);
    }
}

/// The documents that were not inserted, by their places, and why.
fn refused<T>(inserted: Result<T, Error>) -> Result<HashMap<usize, String>, StoreError> {
    let Err(error) = inserted else {
        return Ok(HashMap::new());
    };
    match &*error.kind {
        ErrorKind::InsertMany(failed) if failed.write_concern_error.is_none() => Ok(failed
            .write_errors
            .iter()
            .flatten()
            .map(|error| (error.index, error.message.clone()))
            .collect()),
        _ => Err(cannot(&error)),
    }
}

async fn by_id(
    new: &Collection<RawDocumentBuf>,
    ids: &[ObjectId],
) -> Result<HashMap<ObjectId, RawDocumentBuf>, StoreError> {
    let found = async {
        let found = new.find(doc! { "_id": { "$in": ids } }).await?;
        found.try_collect::<Vec<RawDocumentBuf>>().await
    };
    let found = step(found).await?;
    let with_id = |document: RawDocumentBuf| Some((document.get_object_id("_id").ok()?, document));
    Ok(found.into_iter().filter_map(with_id).collect())
}

fn id_text(document: &RawDocument) -> String {
    let id = document.get("_id").ok().flatten().map(Bson::try_from);
    match id {
        Some(Ok(id)) => id.to_string(),
        _ => "a document without `_id`".to_owned(),
    }
}

async fn step<T>(command: impl IntoFuture<Output = Result<T, Error>>) -> Result<T, StoreError> {
    step_kind(command).await.map_err(|error| cannot(&error))
}

/// The answer of one step, if it comes in time.
async fn step_kind<T>(command: impl IntoFuture<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(STEP_LIMIT, command.into_future()).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::custom(format!("no answer within {STEP_LIMIT:?}"))),
    }
}

fn cannot(error: &Error) -> StoreError {
    let StoreError(detail) = failure::of_store(error);
    StoreError(format!(
        "the messages of rooms in `{OLD}` can't be looked after: {detail}; none is lost, start again to go on"
    ))
}

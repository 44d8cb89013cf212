//! The store on MongoDB.

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use bson::{Document, doc, oid::ObjectId, raw::RawDocumentBuf};
use futures::TryStreamExt as _;
use mongodb::{
    error::{Error, ErrorKind, InsertManyError},
    options::{ClientOptions, ReadPreference, ServerMonitoringMode},
};

use super::{
    InsertError, MessageStore, Origin, StoreError, StoreInfo,
    document::{self, conversation_field},
};
use crate::message::{Kind, Message};

mod config;
mod failure;
mod generation;
mod indexes;
mod old_rooms;

pub use config::{AcknowledgedBy, MongoConfig, WriteConcernError, WriteConcernSetting};
use generation::{Generation, Generations};

/// The database where neither the configuration nor the URI names one.
const DEFAULT_DATABASE: &str = "chat";
/// So often it is asked who it is before it counts as down: a process that has just begun on a busy machine may have heard
/// from nobody by the end of the first time.
const FIRST_TRIES: u32 = 3;
/// The largest document that MongoDB takes, less what the driver may add.
const DOCUMENT_MAX: usize = 16 * 1024 * 1024 - 1024;
/// Bytes of documents in one command: well below the 48 MB of a wire message, so that one
/// `insert_many` is one command.
const COMMAND_MAX: usize = 32 * 1024 * 1024;

type Results = Vec<Result<(), InsertError>>;

/// Messages in the collections of the system of today, in a genuine MongoDB.
pub struct MongoStore {
    generations: Generations,
    hosts: String,
    config: MongoConfig,
    /// Known once [`MessageStore::prepare`] has spoken to the server.
    server: OnceLock<String>,
}

impl MongoStore {
    /// Reads the URI and sets up the connections, without waiting for any: whether the server is
    /// there is seen by [`MessageStore::prepare`].
    ///
    /// # Errors
    ///
    /// When the URI is malformed, or its DNS records can't be resolved.
    pub async fn new(config: MongoConfig) -> Result<Self, StoreError> {
        let unusable = |error: Error| StoreError(format!("the MongoDB URI can't be used: {error}"));
        let mut options = ClientOptions::parse(&config.uri).await.map_err(unusable)?;
        options.write_concern = Some(config.driver_write_concern());
        // What is read here decides what people are told, and which connections still write: of the
        // primary as it is now. Others' levels are refused for `$currentOp`, and a secondary may be
        // behind and has other connections.
        options.read_concern = None;
        options.selection_criteria = Some(ReadPreference::Primary.into());
        options.max_pool_size = Some(config.pool_size.max(4));
        options
            .server_selection_timeout
            .get_or_insert(config.connect_timeout);
        options
            .connect_timeout
            .get_or_insert(config.connect_timeout);
        // The writer retries, and knows what is unknown; a second layer would only hide it.
        options.retry_writes = Some(false);
        // A streaming monitor's connection outlives its client by up to ten seconds on the server,
        // and a fence would wait for it. Failing commands report a server that is down faster than
        // either.
        options.server_monitoring_mode = Some(ServerMonitoringMode::Poll);

        let mut hosts: Vec<String> = options.hosts.iter().map(ToString::to_string).collect();
        hosts.sort_unstable();
        let database = config
            .database
            .clone()
            .or_else(|| options.default_database.clone());
        let database = database.as_deref().unwrap_or(DEFAULT_DATABASE);
        let generations =
            Generations::new(options, database, config.answer_timeout).map_err(unusable)?;
        Ok(Self {
            generations,
            hosts: hosts.join(","),
            config,
            server: OnceLock::new(),
        })
    }

    /// The name of the database.
    #[must_use]
    pub fn database(&self) -> String {
        self.generations.current().database().name().to_owned()
    }

    /// Which server it is, asked as often as a start asks.
    async fn reached(&self) -> Result<String, StoreError> {
        for _ in 1..FIRST_TRIES {
            if let Ok(server) = self.describe_server().await {
                return Ok(server);
            }
        }
        self.describe_server().await
    }

    async fn describe_server(&self) -> Result<String, StoreError> {
        let generation = self.generations.current();
        let database = generation.database();
        let build = self
            .answer(database.run_command(doc! { "buildInfo": 1 }))
            .await?;
        let hello = self
            .answer(database.run_command(doc! { "hello": 1 }))
            .await?;
        let version = build.get_str("version").unwrap_or("of unknown version");
        let topology = match (hello.get_str("setName"), hello.get_str("msg")) {
            (Ok(name), _) => format!("replica set {name}"),
            (_, Ok("isdbgrid")) => "sharded".to_owned(),
            _ => "standalone".to_owned(),
        };
        Ok(format!("{version}, {topology}"))
    }

    async fn answer<T>(
        &self,
        command: impl IntoFuture<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        failure::answer_within(self.config.answer_timeout, command.into_future()).await
    }
}

#[async_trait]
impl MessageStore for MongoStore {
    fn info(&self) -> StoreInfo {
        StoreInfo {
            name: "mongodb".to_owned(),
            detail: self
                .server
                .get()
                .cloned()
                .unwrap_or_else(|| format!("at {}", self.hosts)),
            durability: self.config.write_concern.to_string(),
        }
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        let hosts = &self.hosts;
        let server = self.reached().await.map_err(|StoreError(detail)| {
            StoreError(format!("MongoDB at {hosts} can't be used: {detail}"))
        })?;
        let generation = self.generations.current();
        let at_hosts = |StoreError(what)| StoreError(format!("MongoDB at {hosts}: {what}"));
        for kind in [Kind::Room, Kind::Channel] {
            indexes::ensure(generation.collection(kind), kind)
                .await
                .map_err(at_hosts)?;
        }
        old_rooms::tell_or_move(generation.database(), self.config.migrate)
            .await
            .map_err(at_hosts)?;
        // Asked a second time it is the same server, or one as good.
        let _known = self.server.set(server);
        Ok(())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let generation = self.generations.current();
        self.answer(generation.database().run_command(doc! { "ping": 1 }))
            .await
            .map(drop)
    }

    /// A batch may need a connection for rooms and one for channels; two are left for reads and for
    /// settling.
    fn concurrency(&self) -> usize {
        (self.config.pool_size.max(4) as usize - 2) / 2
    }

    async fn insert_many(&self, batch: &[Arc<Message>]) -> Results {
        let generation = self.generations.current();
        let inserting = generation.inserting();
        let mut results = vec![Ok(()); batch.len()];
        let (rooms, channels) = futures::join!(
            insert_kind(&generation, Kind::Room, batch),
            insert_kind(&generation, Kind::Channel, batch),
        );
        for (index, result) in rooms.into_iter().chain(channels) {
            results[index] = result;
        }
        if !results
            .iter()
            .any(|result| matches!(result, Err(InsertError::Unknown(_))))
        {
            inserting.ended_known();
        }
        results
    }

    async fn get(&self, kind: Kind, id: ObjectId) -> Result<Option<Message>, StoreError> {
        let generation = self.generations.current();
        let found = self
            .answer(generation.collection(kind).find_one(doc! { "_id": id }))
            .await?;
        let read = |document: RawDocumentBuf| document::from_document(kind, &document);
        found.map(read).transpose().map_err(|what| {
            StoreError(format!(
                "the document {id} in `{}` is no message: {what}",
                document::collection_name(kind)
            ))
        })
    }

    async fn fence(&self) -> Result<(), StoreError> {
        self.generations.fence().await
    }

    fn origin(&self) -> Option<Origin> {
        Some(Origin {
            session: self.generations.session().to_owned(),
            // A socket's path may have a blank, which parts the words of the journal.
            place: format!("{}/{}", self.hosts, self.database())
                .replace(char::is_whitespace, "%20"),
        })
    }

    async fn fence_sessions(&self, sessions: &[String]) -> Result<(), StoreError> {
        self.generations.fence_sessions(sessions).await
    }

    async fn keep(&self, kind: Kind, ids: &[ObjectId]) -> Result<Vec<ObjectId>, StoreError> {
        let generation = self.generations.current();
        let keep = generation.collection(kind).update_many(
            doc! { "_id": { "$in": ids } },
            doc! { "$set": { document::KEPT: true } },
        );
        if self.answer(keep).await?.matched_count == ids.len() as u64 {
            return Ok(ids.to_vec());
        }
        let kept = doc! { "_id": { "$in": ids }, document::KEPT: true };
        let kept = self.answer(stored_ids(&generation, kind, kept)).await?;
        Ok(kept.into_iter().collect())
    }

    async fn delete_many(&self, kind: Kind, ids: &[ObjectId]) -> Result<u64, StoreError> {
        let generation = self.generations.current();
        let delete = generation
            .collection(kind)
            .delete_many(doc! { "_id": { "$in": ids }, document::KEPT: { "$ne": true } });
        Ok(self.answer(delete).await?.deleted_count)
    }
}

/// Inserts those of one kind; the results are by their index in the whole batch.
async fn insert_kind(
    generation: &Generation,
    kind: Kind,
    batch: &[Arc<Message>],
) -> Vec<(usize, Result<(), InsertError>)> {
    let mut results = Vec::new();
    let mut command = Command::default();
    for (index, message) in batch.iter().enumerate() {
        if message.conversation.kind != kind {
            continue;
        }
        let document = document::to_document(message);
        let size = document.as_bytes().len();
        if size > DOCUMENT_MAX {
            results.push((
                index,
                Err(InsertError::Rejected(format!(
                    "{size} bytes are too much for a document"
                ))),
            ));
            continue;
        }
        if command.size + size > COMMAND_MAX {
            results.extend(
                std::mem::take(&mut command)
                    .execute(generation, kind, batch)
                    .await,
            );
        }
        command.size += size;
        command.indexes.push(index);
        command.documents.push(document);
    }
    results.extend(command.execute(generation, kind, batch).await);
    results
}

/// One insert command.
#[derive(Default)]
struct Command {
    documents: Vec<RawDocumentBuf>,
    /// Their places in the batch.
    indexes: Vec<usize>,
    size: usize,
}

impl Command {
    async fn execute(
        self,
        generation: &Generation,
        kind: Kind,
        batch: &[Arc<Message>],
    ) -> Vec<(usize, Result<(), InsertError>)> {
        if self.documents.is_empty() {
            return Vec::new();
        }
        let inserted = generation
            .collection(kind)
            .insert_many(self.documents)
            .ordered(false)
            .await;
        let results = match inserted.map_err(|error| *error.kind) {
            Ok(_) => vec![Ok(()); self.indexes.len()],
            Err(ErrorKind::InsertMany(error)) => {
                let messages: Vec<&Message> =
                    self.indexes.iter().map(|index| &*batch[*index]).collect();
                one_by_one(generation, kind, &messages, error).await
            }
            Err(kind) => vec![Err(failure::of_batch(&kind.into())); self.indexes.len()],
        };
        self.indexes.into_iter().zip(results).collect()
    }
}

/// The results of a command of which a part was not inserted, or not durably.
async fn one_by_one(
    generation: &Generation,
    kind: Kind,
    messages: &[&Message],
    error: InsertManyError,
) -> Results {
    let mut results: Results = vec![Ok(()); messages.len()];
    let mut duplicates = Vec::new();
    for write_error in error.write_errors.iter().flatten() {
        if write_error.code == failure::DUPLICATE_KEY {
            duplicates.push(write_error.index);
        } else if let Some(result) = results.get_mut(write_error.index) {
            *result = Err(failure::of_document(write_error));
        }
    }
    for (index, result) in explain_duplicates(generation, kind, messages, duplicates).await {
        results[index] = result;
    }
    // The server waits for the write concern on behalf of duplicates too, so this is about what
    // they are duplicates of as well: there now, but it may be gone after a crash.
    if let Some(error) = &error.write_concern_error {
        let unknown = || {
            InsertError::Unknown(format!(
                "write concern: {} (code {})",
                error.message, error.code
            ))
        };
        results
            .iter_mut()
            .filter(|result| result.is_ok())
            .for_each(|result| *result = Err(unknown()));
    }
    results
}

/// Whether a duplicate is one of its own `_id`, which is an earlier attempt that succeeded, or of
/// its `clientMsgId`.
///
/// It asks the database what is there; the text of the error names the index, but is not meant to
/// be read by programs.
async fn explain_duplicates(
    generation: &Generation,
    kind: Kind,
    messages: &[&Message],
    duplicates: Vec<usize>,
) -> Vec<(usize, Result<(), InsertError>)> {
    let duplicates: Vec<(usize, &Message)> = duplicates
        .into_iter()
        .filter_map(|index| Some((index, *messages.get(index)?)))
        .collect();
    if duplicates.is_empty() {
        return Vec::new();
    }
    let ids: Vec<ObjectId> = duplicates.iter().map(|(_, message)| message.id).collect();
    let stored = match stored_ids(generation, kind, doc! { "_id": { "$in": ids } }).await {
        Ok(stored) => stored,
        Err(error) => {
            let unknown = InsertError::Unknown(failure::of_store(&error).0);
            return duplicates
                .into_iter()
                .map(|(index, _)| (index, Err(unknown.clone())))
                .collect();
        }
    };
    let mut results = Vec::with_capacity(duplicates.len());
    for (index, message) in duplicates {
        let result = if stored.contains(&message.id) {
            Ok(())
        } else {
            find_first(generation, kind, message).await
        };
        results.push((index, result));
    }
    results
}

async fn stored_ids(
    generation: &Generation,
    kind: Kind,
    those: Document,
) -> Result<HashSet<ObjectId>, Error> {
    let collection = generation.collection(kind).clone_with_type::<Document>();
    let found = collection.find(those).projection(doc! { "_id": 1 }).await?;
    let found: Vec<Document> = found.try_collect().await?;
    Ok(found
        .iter()
        .filter_map(|document| document.get_object_id("_id").ok())
        .collect())
}

/// The message that its sender stored first in this conversation under the same `clientMsgId`.
async fn find_first(
    generation: &Generation,
    kind: Kind,
    message: &Message,
) -> Result<(), InsertError> {
    let own = document::to_document(message);
    let same = |name: &str| own.get(name).ok().flatten().map(bson::raw::RawBson::from);
    let conversation = conversation_field(kind);
    let (Some(sender), Some(client_msg_id), Some(conversation_id)) = (
        same("senderId"),
        same("clientMsgId"),
        same(conversation.as_str()),
    ) else {
        return Err(InsertError::Rejected(
            "it is a duplicate in an index that is not ours".to_owned(),
        ));
    };
    let mut filter = bson::rawdoc! { "senderId": sender, "clientMsgId": client_msg_id };
    let anywhere = filter.clone();
    filter.append(conversation, conversation_id);
    let unknown = |error: Error| InsertError::Unknown(failure::of_store(&error).0);
    let find = async |filter: RawDocumentBuf| {
        let filter = Document::try_from(filter)?;
        generation.collection(kind).find_one(filter).await
    };
    match find(filter).await.map_err(unknown)? {
        None if find(anywhere).await.map_err(unknown)?.is_some() => {
            // Never to be told as this message: it was said to somebody else.
            Err(InsertError::Rejected(
                "an index of an earlier version makes its clientMsgId unique across conversations; \
                 a start of this server replaces it"
                    .to_owned(),
            ))
        }
        None => Err(InsertError::Unavailable(
            "what it was a duplicate of has gone meanwhile".to_owned(),
        )),
        Some(first) => match document::from_document(kind, &first) {
            Ok(first) if first.id == message.id => Ok(()),
            Ok(first) => Err(InsertError::DuplicateClientMsgId(Box::new(first))),
            Err(what) => Err(InsertError::Rejected(format!(
                "the first with this clientMsgId is no message: {what}"
            ))),
        },
    }
}

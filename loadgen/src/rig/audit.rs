//! Reads back what was stored, so that every confirmed message can be looked up.

use std::time::Duration;

use bson::{Bson, Document, doc, oid::ObjectId};
use futures::TryStreamExt;
use http_body_util::BodyExt;
use mongodb::Database;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use super::{
    error::TargetError,
    mongo,
    status::{LISTING, listing},
};
use crate::{
    dial::Endpoint,
    model::Kind,
    scenario::{Documents, IdType},
};

/// The system's collections of rooms and of channels.
const COLLECTIONS: [(&str, Kind); 2] = [("message2", Kind::Room), ("messages", Kind::Channel)];

/// Where the system's documents have the id of the sender.
const SENDER: &str = "senderId";

/// Where they have the id of the conversation: one of these, by its kind.
const CONVERSATION: [&str; 2] = ["roomId", "channelId"];

/// No line of the in-memory store's listing is longer: a body of 64 KiB by default, escaped.
const LINE_LIMIT: usize = 16 * 1024 * 1024;

/// A listing that stands still for so long does not go on.
const SILENCE: Duration = Duration::from_secs(10);

/// Where stored messages can be looked up.
#[derive(Debug, Clone)]
pub struct Audit(Source);

#[derive(Debug, Clone)]
enum Source {
    Mongo {
        uri: String,
        database: String,
        documents: Documents,
    },
    Memory {
        servers: Vec<Endpoint>,
    },
}

/// One stored message, as far as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its id, as clients are told it.
    pub id: String,
    /// Its text.
    pub body: String,
    /// Its sender's id as clients have it; `None` where it does not say.
    pub sender_id: Option<String>,
    /// The id of its conversation likewise.
    pub conversation: Option<String>,
    /// Of which kind of conversation it is, by its collection; `None` where that is none of the system's own.
    pub kind: Option<Kind>,
}

/// What of stored messages is known to be what was sent, beside their text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    /// [`StoredMessage::sender_id`].
    pub sender: bool,
    /// [`StoredMessage::conversation`].
    pub conversation: bool,
    /// [`StoredMessage::kind`].
    pub kind: bool,
}

impl Audit {
    /// Looks into a database of a MongoDB for such documents.
    #[must_use]
    pub fn mongo(uri: &str, database: &str, documents: Documents) -> Audit {
        Audit(Source::Mongo {
            uri: uri.to_owned(),
            database: database.to_owned(),
            documents,
        })
    }

    /// Asks a server with an in-memory store for it: `GET <server>/debug/messages`.
    #[must_use]
    pub fn memory(server: &Endpoint) -> Audit {
        Audit::memories(vec![server.clone()])
    }

    /// Asks several servers, each with an in-memory store of its own.
    #[must_use]
    pub(super) fn memories(servers: Vec<Endpoint>) -> Audit {
        Audit(Source::Memory { servers })
    }

    /// What can be compared of a server that promises the system's whole contract, or only what it was said to do: then, what
    /// was said of its documents.
    #[must_use]
    pub fn compares(&self, whole_contract: bool) -> Compared {
        let named = |of: fn(&Documents) -> bool| match &self.0 {
            Source::Mongo { documents, .. } => of(documents),
            Source::Memory { .. } => false,
        };
        Compared {
            sender: whole_contract || named(|documents| documents.sender.is_some()),
            conversation: whole_contract || named(|documents| documents.conversation.is_some()),
            kind: whole_contract,
        }
    }

    /// Visits every stored message, of rooms and of channels, whose body starts with `body_prefix`, in no order.
    ///
    /// # Errors
    /// [`TargetError::Audit`] if the store cannot be read to its end, holds something that is no message, or has no such
    /// collection.
    pub async fn visit(
        &self,
        body_prefix: &str,
        visit: &mut dyn FnMut(StoredMessage),
    ) -> Result<(), TargetError> {
        let (place, visited) = match &self.0 {
            Source::Mongo {
                uri,
                database,
                documents,
            } => (
                format!("database {database} at {}", mongo::redacted(uri)),
                visit_mongo(uri, database, documents, body_prefix, visit).await,
            ),
            Source::Memory { servers } => {
                let (mut place, mut visited) = (String::new(), Ok(()));
                for server in servers {
                    place = format!("{}{LISTING}", server.target().origin());
                    visited = visit_memory(server, body_prefix, visit).await;
                    if visited.is_err() {
                        break;
                    }
                }
                (place, visited)
            }
        };
        visited.map_err(|reason| TargetError::Audit { place, reason })
    }
}

async fn visit_mongo(
    uri: &str,
    database: &str,
    documents: &Documents,
    body_prefix: &str,
    visit: &mut dyn FnMut(StoredMessage),
) -> Result<(), String> {
    let driver = |error: mongodb::error::Error| mongo::in_one_line(&error);
    let (client, _) = mongo::client(uri, mongo::PATIENCE)
        .await
        .map_err(|error| error.to_string())?;
    let database = client.database(database);
    for name in collections(&database, documents).await? {
        let collection = database.collection::<Document>(&name);
        let filter = doc! { &documents.body: { "$regex": starts_with(body_prefix) } };
        let found = collection
            .find(filter)
            .projection(compared(documents))
            .batch_size(10_000);
        let mut found = found.await.map_err(driver)?;
        // Which of the collections that were named is for what, nobody says.
        let kind = kind_of(&name).filter(|_| documents.collections.is_none());
        while let Some(document) = found.try_next().await.map_err(driver)? {
            let message = stored(&document, documents)
                .map_err(|why| format!("{name} holds what is no message, {why}: {document}"))?;
            visit(StoredMessage { kind, ..message });
        }
    }
    Ok(())
}

/// The fields that are compared.
fn compared(documents: &Documents) -> Document {
    let Documents {
        body,
        id,
        sender,
        conversation,
        ..
    } = documents;
    let sender = sender.as_deref().unwrap_or(SENDER);
    let conversation = conversation.as_deref();
    let conversation = conversation.map_or_else(|| CONVERSATION.to_vec(), |field| vec![field]);
    let fields = [body.as_str(), id, sender].into_iter().chain(conversation);
    fields
        .map(|field| (field.to_owned(), Bson::Int32(1)))
        .collect()
}

/// Which of the system's own collections this is.
fn kind_of(collection: &str) -> Option<Kind> {
    let mut own = COLLECTIONS.into_iter();
    own.find_map(|(name, kind)| (name == collection).then_some(kind))
}

/// The collections that are looked at: those that were named, or those of the system.
///
/// # Errors
/// If one is not there: its messages would seem to be lost.
async fn collections(database: &Database, documents: &Documents) -> Result<Vec<String>, String> {
    let named = documents.collections.as_deref();
    let own = || COLLECTIONS.map(|(name, _)| name.to_owned()).to_vec();
    let wanted = named.map_or_else(own, <[String]>::to_vec);
    // Who may not list the collections may still read them.
    let Ok(there) = database.list_collection_names().await else {
        return Ok(wanted);
    };
    let is_missing = |name: &&String| !there.contains(name);
    let missing: Vec<&str> = wanted
        .iter()
        .filter(is_missing)
        .map(|name| &**name)
        .collect();
    // A run that has only rooms, or only channels, leaves the other one out.
    if missing.is_empty() || named.is_none() && missing.len() < wanted.len() {
        return Ok(wanted);
    }
    Err(format!(
        "there is no collection {}, but {}; [server.store] says where the messages are",
        missing.join(", "),
        match there.is_empty() {
            true => "none at all".to_owned(),
            false => there.join(", "),
        },
    ))
}

/// What a document says of a message.
///
/// # Errors
/// Why it is none, in words.
fn stored(document: &Document, documents: &Documents) -> Result<StoredMessage, String> {
    let Documents {
        body,
        id,
        id_type,
        sender,
        conversation,
        ..
    } = documents;
    let found = at(document, id);
    let id = found.and_then(|found| id_text(found, *id_type));
    let text = |field: &str| at(document, field).and_then(said);
    let conversation = match conversation {
        Some(field) => text(field),
        None => CONVERSATION.into_iter().find_map(text),
    };
    Ok(StoredMessage {
        id: id.ok_or_else(|| format!("its {} is no {}", documents.id, id_type.name()))?,
        body: match at(document, body) {
            Some(Bson::String(body)) => body.clone(),
            _ => return Err(format!("its {body} is no text")),
        },
        sender_id: text(sender.as_deref().unwrap_or(SENDER)),
        conversation,
        kind: None,
    })
}

/// An id of whatever type, as whoever sent it has it.
fn said(id: &Bson) -> Option<String> {
    let mut types = [IdType::Text, IdType::ObjectId, IdType::Number, IdType::Uuid].into_iter();
    types.find_map(|id_type| id_text(id, id_type))
}

/// An id as clients are told it.
fn id_text(id: &Bson, id_type: IdType) -> Option<String> {
    match (id_type, id) {
        (IdType::ObjectId, Bson::ObjectId(id)) => Some(id.to_hex()),
        (IdType::Text, Bson::String(id)) => Some(id.clone()),
        (IdType::Number, Bson::Int32(id)) => Some(id.to_string()),
        (IdType::Number, Bson::Int64(id)) => Some(id.to_string()),
        (IdType::Number, Bson::Double(id)) if id.fract() == 0.0 => Some(id.to_string()),
        (IdType::Uuid, Bson::Binary(id)) => id.to_uuid().ok().map(|id| id.to_string()),
        _ => None,
    }
}

/// The value at a path of fields with dots between them.
fn at<'a>(document: &'a Document, path: &str) -> Option<&'a Bson> {
    let (fields, last) = match path.rsplit_once('.') {
        None => return document.get(path),
        Some(split) => split,
    };
    let mut fields = fields.split('.');
    let inner = fields.try_fold(document, |document, field| {
        document.get_document(field).ok()
    });
    inner?.get(last)
}

/// A regular expression for strings that start with `prefix`, taken literally.
fn starts_with(prefix: &str) -> String {
    let mut pattern = String::from("^");
    for character in prefix.chars() {
        if character.is_ascii() && !character.is_ascii_alphanumeric() {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

async fn visit_memory(
    server: &Endpoint,
    body_prefix: &str,
    visit: &mut dyn FnMut(StoredMessage),
) -> Result<(), String> {
    let late = |_| format!("nothing came for {SILENCE:?}");
    let response = timeout(SILENCE, listing(server, body_prefix))
        .await
        .map_err(late)?
        .map_err(|none| none.to_string())?;
    if !response.status().is_success() {
        return Err(format!(
            "HTTP {}; only a server with an in-memory store lists its messages",
            response.status()
        ));
    }
    let mut body = response.into_body();
    let mut rest: Vec<u8> = Vec::new();
    while let Some(frame) = timeout(SILENCE, body.frame()).await.map_err(late)? {
        let frame = frame.map_err(|error| format!("the listing broke off: {error}"))?;
        rest.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        let whole = rest
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |last| last + 1);
        for line in rest[..whole]
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let message = listed(line)?;
            if message.body.starts_with(body_prefix) {
                visit(message);
            }
        }
        rest.drain(..whole);
        if rest.len() > LINE_LIMIT {
            return Err(format!("a line of more than {LINE_LIMIT} bytes"));
        }
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err("the listing ends in the middle of a line".to_owned())
    }
}

fn listed(line: &[u8]) -> Result<StoredMessage, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Line {
        #[serde(rename = "_id")]
        id: ObjectId,
        sender_id: String,
        body: String,
        // Not said by every server.
        #[serde(default)]
        collection: Value,
        #[serde(default)]
        room_id: Value,
        #[serde(default)]
        channel_id: Value,
    }
    let line: Line = serde_json::from_slice(line)
        .map_err(|error| format!("no message: {} ({error})", String::from_utf8_lossy(line)))?;
    let text = |value: Value| match value {
        Value::String(text) => Some(text),
        _ => None,
    };
    Ok(StoredMessage {
        id: line.id.to_hex(),
        body: line.body,
        sender_id: Some(line.sender_id),
        conversation: text(line.room_id).or_else(|| text(line.channel_id)),
        kind: line.collection.as_str().and_then(kind_of),
    })
}

#[cfg(test)]
mod tests;

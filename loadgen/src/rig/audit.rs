//! Reads back what was stored, so that every confirmed message can be looked up.

use std::time::Duration;

use bson::{Bson, Document, doc, oid::ObjectId};
use futures::TryStreamExt;
use http_body_util::BodyExt;
use hyper::Method;
use serde::Deserialize;
use tokio::time::timeout;

use super::{error::TargetError, mongo, status::LISTING};
use crate::dial::{self, Endpoint};

/// The collections of rooms and of channels.
const COLLECTIONS: [&str; 2] = ["message2", "messages"];

/// No line of the in-memory store's listing is longer: a body of 64 KiB by default, escaped.
const LINE_LIMIT: usize = 16 * 1024 * 1024;

/// A listing that stands still for so long does not go on.
const SILENCE: Duration = Duration::from_secs(10);

/// Where stored messages can be looked up.
#[derive(Debug, Clone)]
pub struct Audit(Source);

#[derive(Debug, Clone)]
enum Source {
    Mongo { uri: String, database: String },
    Memory { server: Endpoint },
}

/// One stored message, as far as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its `_id`.
    pub id: [u8; 12],
    /// Its text.
    pub body: String,
    /// Its sender: a string, or the 24 hex digits of an ObjectId.
    pub sender_id: String,
}

impl Audit {
    /// Looks into a database of a MongoDB.
    #[must_use]
    pub fn mongo(uri: &str, database: &str) -> Audit {
        Audit(Source::Mongo {
            uri: uri.to_owned(),
            database: database.to_owned(),
        })
    }

    /// Asks a server with an in-memory store for it: `GET <server>/debug/messages`.
    #[must_use]
    pub fn memory(server: &Endpoint) -> Audit {
        Audit(Source::Memory {
            server: server.clone(),
        })
    }

    /// Visits every stored message, of rooms and of channels, whose body starts with `body_prefix`, in no order.
    ///
    /// # Errors
    /// [`TargetError::Audit`] if the store cannot be read to its end, or holds something that is no message.
    pub async fn visit(
        &self,
        body_prefix: &str,
        visit: &mut dyn FnMut(StoredMessage),
    ) -> Result<(), TargetError> {
        let (place, visited) = match &self.0 {
            Source::Mongo { uri, database } => (
                format!("database {database} at {}", mongo::redacted(uri)),
                visit_mongo(uri, database, body_prefix, visit).await,
            ),
            Source::Memory { server } => (
                format!("{}{LISTING}", server.target().origin()),
                visit_memory(server, body_prefix, visit).await,
            ),
        };
        visited.map_err(|reason| TargetError::Audit { place, reason })
    }
}

async fn visit_mongo(
    uri: &str,
    database: &str,
    body_prefix: &str,
    visit: &mut dyn FnMut(StoredMessage),
) -> Result<(), String> {
    let driver = |error: mongodb::error::Error| mongo::in_one_line(&error);
    let (client, _) = mongo::client(uri, mongo::PATIENCE)
        .await
        .map_err(|error| error.to_string())?;
    for name in COLLECTIONS {
        let collection = client.database(database).collection::<Document>(name);
        let filter = doc! { "body": { "$regex": starts_with(body_prefix) } };
        let found = collection
            .find(filter)
            .projection(doc! { "body": 1, "senderId": 1 })
            .batch_size(10_000);
        let mut found = found.await.map_err(driver)?;
        while let Some(document) = found.try_next().await.map_err(driver)? {
            let message = stored(&document)
                .ok_or_else(|| format!("{name} holds what is no message: {document}"))?;
            visit(message);
        }
    }
    Ok(())
}

fn stored(document: &Document) -> Option<StoredMessage> {
    let sender_id = match document.get("senderId")? {
        Bson::String(id) => id.clone(),
        Bson::ObjectId(id) => id.to_hex(),
        _ => return None,
    };
    let id = document.get_object_id("_id").ok()?.bytes();
    Some(StoredMessage {
        id,
        body: document.get_str("body").ok()?.to_owned(),
        sender_id,
    })
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
    let asked = dial::ask(server, Method::GET, LISTING, "");
    let response = timeout(SILENCE, asked)
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
    }
    let line: Line = serde_json::from_slice(line)
        .map_err(|error| format!("no message: {} ({error})", String::from_utf8_lossy(line)))?;
    Ok(StoredMessage {
        id: line.id.bytes(),
        body: line.body,
        sender_id: line.sender_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_taken_literally() {
        assert_eq!(starts_with("r1.*\\ é"), "^r1\\.\\*\\\\\\ é");
        assert_eq!(starts_with(""), "^");
    }

    #[test]
    fn a_listed_line_is_a_message_or_an_error() {
        let line = br#"{"_id":"507f1f77bcf86cd799439011","collection":"messages","senderId":"u1","body":"hi","createdAt":"x"}"#;
        let message = listed(line).unwrap();
        assert_eq!(
            (message.body.as_str(), message.sender_id.as_str()),
            ("hi", "u1")
        );
        assert_eq!(message.id[..2], [0x50, 0x7f]);
        assert!(listed(br#"{"_id":"507f","senderId":"u1","body":"hi"}"#).is_err());
    }

    #[test]
    fn senders_are_strings_or_object_ids() {
        let id = ObjectId::new();
        let message = stored(&doc! { "_id": id, "senderId": id, "body": "x" }).unwrap();
        assert_eq!(message.sender_id, id.to_hex());
        assert_eq!(
            stored(&doc! { "_id": id, "senderId": "u", "body": "x" })
                .unwrap()
                .sender_id,
            "u"
        );
        assert_eq!(
            stored(&doc! { "_id": "not ours", "senderId": "u", "body": "x" }),
            None
        );
        assert_eq!(
            stored(&doc! { "_id": id, "senderId": 1, "body": "x" }),
            None
        );
    }
}

//! Where messages are saved: a MongoDB, or a simulation of one that takes its time and keeps all in memory.
//!
//! `MONGODB_URI` and `MONGODB_DATABASE` name the database; without, it is simulated. `SAVE_TIME` is how long the simulation
//! takes, in milliseconds, as in 50-200: every time between both is as likely as any other.

use std::{error::Error, ops::RangeInclusive, time::Duration};

use bson::{Bson, DateTime, Document, doc, oid::ObjectId};
use mongodb::{
    Client, Database,
    options::{DatabaseOptions, WriteConcern},
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{kind::Kind, named};

/// What is saved of a message.
pub struct Message {
    pub conversation: String,
    pub sender: String,
    pub body: String,
    pub image: Option<String>,
    pub workspace: Option<String>,
    pub client_msg_id: Option<String>,
    pub at: DateTime,
}

pub enum Store {
    Mongo(Database),
    Simulation {
        /// In milliseconds.
        save_time: RangeInclusive<f64>,
        messages: Mutex<Vec<Value>>,
    },
}

impl Store {
    /// The one that the environment names.
    pub async fn open() -> Result<Self, Box<dyn Error>> {
        let Some(uri) = named("MONGODB_URI") else {
            return Ok(Store::Simulation {
                save_time: times(named("SAVE_TIME").as_deref().unwrap_or("50-200"))?,
                messages: Mutex::default(),
            });
        };
        // As durable as the server of this project has it.
        let concern = WriteConcern::builder()
            .w(mongodb::options::Acknowledgment::Majority)
            .journal(true)
            .build();
        let options = DatabaseOptions::builder().write_concern(concern).build();
        let client = Client::with_uri_str(uri).await?;
        let database =
            client.database_with_options(&named("MONGODB_DATABASE").unwrap_or_default(), options);
        Ok(Store::Mongo(database))
    }

    pub const fn durability(&self) -> &'static str {
        match self {
            Store::Mongo(_) => "w: majority, j: true",
            Store::Simulation { .. } => "none: gone with the process",
        }
    }

    pub async fn save(
        &self,
        kind: &Kind,
        message: &Message,
    ) -> Result<ObjectId, mongodb::error::Error> {
        let id = ObjectId::new();
        match self {
            Store::Mongo(database) => {
                let document = stored(id, kind, message);
                database
                    .collection::<Document>(kind.collection)
                    .insert_one(document)
                    .await?;
            }
            Store::Simulation {
                save_time,
                messages,
            } => {
                let takes = rand::random_range(save_time.clone());
                tokio::time::sleep(Duration::from_secs_f64(takes / 1e3)).await;
                messages.lock().push(json!({
                    "_id": id.to_hex(),
                    "collection": kind.collection,
                    kind.id: message.conversation,
                    "senderId": message.sender,
                    "body": message.body,
                    "createdAt": message.at.try_to_rfc3339_string().unwrap_or_default(),
                }));
            }
        }
        Ok(id)
    }

    /// What a simulation has of messages whose body begins so, each as a line of JSON; a database can be asked itself.
    pub fn list(&self, beginning: &str) -> Option<String> {
        let Store::Simulation { messages, .. } = self else {
            return None;
        };
        let begins = |message: &&Value| {
            let body = message["body"].as_str();
            body.is_some_and(|body| body.starts_with(beginning))
        };
        let messages = messages.lock();
        let lines = messages.iter().filter(begins);
        Some(lines.map(|message| format!("{message}\n")).collect())
    }
}

fn stored(id: ObjectId, kind: &Kind, message: &Message) -> Document {
    let mut document = doc! {
        "_id": id,
        kind.id: identified(&message.conversation),
        "senderId": identified(&message.sender),
        "body": &message.body,
        "status": "unread",
        "createdAt": message.at,
        "updatedAt": message.at,
    };
    if let Some(workspace) = &message.workspace {
        document.insert("workspaceId", identified(workspace));
    }
    if let Some(image) = &message.image {
        document.insert("image", image);
    }
    if let Some(id) = &message.client_msg_id {
        document.insert("clientMsgId", id);
    }
    document
}

/// Ids of 24 hexadecimal digits are `ObjectId`s; others are texts.
fn identified(id: &str) -> Bson {
    ObjectId::parse_str(id).map_or_else(|_| Bson::from(id), Bson::from)
}

fn times(text: &str) -> Result<RangeInclusive<f64>, String> {
    let wrong = || format!("SAVE_TIME={text}: expected milliseconds, as in 50-200");
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let number = |part: &str| part.parse::<f64>().map_err(|_| wrong());
    let (low, high) = (number(low)?, number(high)?);
    match low >= 0.0 && high >= low {
        true => Ok(low..=high),
        false => Err(wrong()),
    }
}

//! Messages to test with.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::Arc;

use bson::{DateTime, oid::ObjectId};
use server::message::{Conversation, Kind, Message};

/// A message with a fresh `_id` and every optional field empty.
pub fn message(kind: Kind, sender: &str) -> Message {
    Message {
        id: ObjectId::new(),
        conversation: Conversation {
            kind,
            id: "lobby".to_owned(),
        },
        workspace_id: None,
        sender_id: sender.to_owned(),
        body: "Hello!".to_owned(),
        image: None,
        image_key: None,
        client_msg_id: None,
        // MongoDB keeps milliseconds, and so does `DateTime`.
        created_at: DateTime::now(),
    }
}

/// The same, ready to be queued.
pub fn room_message() -> Arc<Message> {
    Arc::new(message(Kind::Room, "alice"))
}

/// A message that its sender can send again.
pub fn with_client_msg_id(kind: Kind, sender: &str, client_msg_id: &str) -> Arc<Message> {
    Arc::new(Message {
        client_msg_id: Some(client_msg_id.to_owned()),
        ..message(kind, sender)
    })
}

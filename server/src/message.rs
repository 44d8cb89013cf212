//! The chat message and the conversation it belongs to, as every part of the server sees them.

use bson::{DateTime, oid::ObjectId};

/// Which of the two vocabularies a conversation speaks: one mechanism, two names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A one-to-one room (`roomMessage`, collection `message2s`).
    Room,
    /// A group channel (`NEW_MESSAGE_EVENT`, collection `messages`).
    Channel,
}

/// Where a message goes: a room or a channel, by its id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Conversation {
    /// Whether it is a room of two or a channel.
    pub kind: Kind,
    /// The client's id of it: a string of 1 to 128 bytes.
    pub id: String,
}

/// A message under its final `_id`, which the server makes before the save begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The `_id` under which it is stored and confirmed.
    pub id: ObjectId,
    /// The room or channel it was sent to.
    pub conversation: Conversation,
    /// The workspace of a channel, where the client gave one.
    pub workspace_id: Option<String>,
    /// The user who sent it.
    pub sender_id: String,
    /// The text as the sender wrote it.
    pub body: String,
    /// An image reference, as the client gave it.
    pub image: Option<String>,
    /// `<filename with blanks as _>-<timeStamp>` when both were given.
    pub image_key: Option<String>,
    /// The client's idempotency key, unique per sender.
    pub client_msg_id: Option<String>,
    /// When the server received it; also its `updatedAt`.
    pub created_at: DateTime,
}

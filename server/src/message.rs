//! The chat message and the conversation it belongs to, as every part of the server sees them.

use bson::{DateTime, oid::ObjectId};

/// Which of the two vocabularies a conversation speaks: one mechanism, two names.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A one-to-one room (`roomMessage`, collection `message2`).
    Room,
    /// A group channel (`NEW_MESSAGE_EVENT`, collection `messages`).
    Channel,
}

/// Where a message goes: a room or a channel, by its id.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Conversation {
    /// Whether it is a room of two or a channel.
    pub kind: Kind,
    /// The client's id of it, in its [`canonical_id`] form: a string of 1 to 128 bytes.
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
    /// The client's idempotency key: the same sender, conversation and key are the same message.
    pub client_msg_id: Option<String>,
    /// When the server received it; also its `updatedAt`.
    pub created_at: DateTime,
}

impl Message {
    /// Bytes of memory that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let optional = [
            &self.workspace_id,
            &self.image,
            &self.image_key,
            &self.client_msg_id,
        ];
        let optional: usize = optional.into_iter().flatten().map(String::len).sum();
        let always = self.conversation.id.len() + self.sender_id.len() + self.body.len();
        size_of::<Self>() + always + optional
    }

    /// Whether `other` is this message sent again: by the same sender, to the same conversation, under the same
    /// `clientMsgId`. What it says doesn't count.
    #[must_use]
    pub fn is_repeated_by(&self, other: &Self) -> bool {
        self.client_msg_id.is_some()
            && self.client_msg_id == other.client_msg_id
            && self.sender_id == other.sender_id
            && self.conversation == other.conversation
    }
}

/// The ObjectId that an id of 24 hex digits is.
#[must_use]
pub fn object_id(id: &str) -> Option<ObjectId> {
    (id.len() == 24)
        .then(|| ObjectId::parse_str(id).ok())
        .flatten()
}

/// The one form of an id of a room, channel, workspace or user. 24 hex digits are an ObjectId and are written as MongoDB
/// writes it, in lower case; any other id is what it is. Were it not so, `507F…` and `507f…` would be two rooms here
/// and one in the database.
#[must_use]
pub fn canonical_id(mut id: String) -> String {
    if object_id(&id).is_some() {
        id.make_ascii_lowercase();
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_24_hex_digits_change_their_case() {
        let canonical = |id: &str| canonical_id(id.to_owned());
        assert_eq!(
            canonical("507F1f77BCF86cd799439011"),
            "507f1f77bcf86cd799439011"
        );
        for itself in [
            "",
            "ALICE",
            "507F1F77BCF86CD79943901",
            "507F1F77BCF86CD7994390111",
            "507F1F77BCF86CD79943901G",
            " 507F1F77BCF86CD79943901",
            "+07F1F77BCF86CD799439011",
            "ÄÄÄÄÄÄÄÄÄÄÄÄ",
        ] {
            assert_eq!(canonical(itself), itself);
        }
    }
}

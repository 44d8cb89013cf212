//! What the server says: messages, ends and acknowledgements, each encoded once for all who get it.

use std::time::Duration;

use bson::DateTime;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    message::{Kind, Message},
    socket_manager::User,
};

/// Encoded JSON that many sockets are sent.
pub type Encoded = Box<RawValue>;

/// Which of a message's lives is told.
#[derive(Debug, Clone, Copy)]
pub enum Phase<'a> {
    /// Delivered under its temporary id, before the save.
    Optimistic {
        /// The temporary id.
        temp_id: &'a str,
    },
    /// Stored; clients replace the temporary id.
    Confirmed {
        /// The temporary id it was delivered under.
        temp_id: &'a str,
    },
    /// Stored before anybody got it (`persist-first`): there never was a temporary id.
    Persisted,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageJson<'a> {
    #[serde(rename = "_id")]
    id: &'a str,
    body: &'a str,
    image: Option<&'a str>,
    image_key: Option<&'a str>,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_id: Option<&'a str>,
    sender_id: SenderJson<'a>,
    created_at: &'a str,
    updated_at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_msg_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temp_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_optimistic: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_confirmed: Option<bool>,
}

#[derive(Serialize)]
struct SenderJson<'a> {
    #[serde(rename = "_id")]
    id: &'a str,
    username: &'a str,
    email: Option<&'a str>,
    avatar: Option<&'a str>,
}

/// A message as its recipients get it.
///
/// # Errors
/// Never in practice: strings, numbers and nulls always have a JSON text.
pub fn message(message: &Message, sender: &User, phase: Phase<'_>) -> serde_json::Result<Encoded> {
    let hex = message.id.to_hex();
    let (id, temp_id, is_optimistic, is_confirmed) = match phase {
        Phase::Optimistic { temp_id } => (temp_id, None, Some(true), None),
        Phase::Confirmed { temp_id } => (hex.as_str(), Some(temp_id), None, Some(true)),
        Phase::Persisted => (hex.as_str(), None, None, None),
    };
    let created_at = iso(message.created_at);
    let conversation_id = Some(message.conversation.id.as_str());
    let (room_id, channel_id) = match message.conversation.kind {
        Kind::Room => (conversation_id, None),
        Kind::Channel => (None, conversation_id),
    };
    to_raw_value(&MessageJson {
        id,
        body: &message.body,
        image: message.image.as_deref(),
        image_key: message.image_key.as_deref(),
        status: "unread",
        room_id,
        channel_id,
        workspace_id: message.workspace_id.as_deref(),
        sender_id: SenderJson {
            id: &sender.id,
            username: sender.username.as_deref().unwrap_or(&sender.id),
            email: sender.email.as_deref(),
            avatar: sender.avatar.as_deref(),
        },
        created_at: &created_at,
        updated_at: &created_at,
        client_msg_id: message.client_msg_id.as_deref(),
        temp_id,
        is_optimistic,
        is_confirmed,
    })
}

/// What clients are told about a message that is not stored.
pub const FAILED_TO_SAVE: &str = "Failed to save message";

/// The end of a message that is not stored.
///
/// # Errors
/// Never in practice.
pub fn failed(temp_id: &str, client_msg_id: Option<&str>) -> serde_json::Result<Encoded> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct FailedJson<'a> {
        temp_id: &'a str,
        error: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_msg_id: Option<&'a str>,
    }
    to_raw_value(&FailedJson {
        temp_id,
        error: FAILED_TO_SAVE,
        client_msg_id,
    })
}

/// An acknowledgement: `{ success, message }` with data, timing or an error where there are any.
#[derive(Serialize)]
pub struct Ack<'a, T: Serialize = ()> {
    /// Whether it was carried out.
    pub success: bool,
    /// In words.
    pub message: &'a str,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<T>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
}

impl<'a> Ack<'a> {
    /// An acknowledgement that says no.
    #[must_use]
    pub const fn refused(message: &'a str) -> Self {
        Self {
            success: false,
            message,
            data: None,
            timing: None,
            error: None,
        }
    }

    /// The acknowledgement of a message that is not stored.
    #[must_use]
    pub const fn not_saved(reason: &'a str) -> Self {
        Self {
            success: false,
            message: FAILED_TO_SAVE,
            data: None,
            timing: None,
            error: Some(reason),
        }
    }
}

impl<'a, T: Serialize> Ack<'a, T> {
    /// An acknowledgement that says yes.
    #[must_use]
    pub const fn done(message: &'a str, data: T) -> Self {
        Self {
            success: true,
            message,
            data: Some(data),
            timing: None,
            error: None,
        }
    }
}

/// The acknowledgement of a stored message.
#[must_use]
pub const fn created(kind: Kind) -> &'static str {
    match kind {
        Kind::Room => "Successfully created message in the room",
        Kind::Channel => "Successfully created message",
    }
}

/// Milliseconds since the server received the event.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// Until the last recipient's connection had the message.
    pub emit_time: f64,
    /// Until the store had confirmed it.
    pub db_time: f64,
}

impl Timing {
    /// From durations since receipt.
    #[must_use]
    pub fn new(emit: Duration, db: Duration) -> Self {
        Self {
            emit_time: millis(emit),
            db_time: millis(db),
        }
    }
}

/// The `data` of a join's or leave's acknowledgement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MembershipData<'a> {
    /// The room's id, if it is a room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_id: Option<&'a str>,
    /// The channel's id, if it is a channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<&'a str>,
    /// How many connected users are in it, the new one too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected_users: Option<usize>,
    /// Whether the user was in it before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub already_joined: Option<bool>,
}

/// Milliseconds with three decimals, as acknowledgements and log lines show them.
#[must_use]
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// `2025-10-09T03:49:24.000Z`, as JavaScript's `toISOString`. What another program stored may be of any time: what is
/// before 1970 or after 9999 is shown as the nearest time between.
#[must_use]
pub fn iso(time: DateTime) -> String {
    const LAST: i64 = 253_402_300_799_999;
    let shown = DateTime::from_millis(time.timestamp_millis().clamp(0, LAST));
    humantime::format_rfc3339_millis(shown.to_system_time()).to_string()
}

#[cfg(test)]
mod tests {
    use bson::oid::ObjectId;
    use serde_json::{Value, json};

    use super::*;
    use crate::message::Conversation;

    fn sample(kind: Kind) -> Message {
        Message {
            id: ObjectId::parse_str("507f1f77bcf86cd799439099").unwrap(),
            conversation: Conversation {
                kind,
                id: "507f1f77bcf86cd799439011".into(),
            },
            workspace_id: (kind == Kind::Channel).then(|| "w1".into()),
            sender_id: "u1".into(),
            body: "Hello!".into(),
            image: None,
            image_key: None,
            client_msg_id: None,
            created_at: DateTime::from_millis(1_759_981_764_000),
        }
    }

    fn sender() -> User {
        User {
            email: Some("a@b.c".into()),
            ..User::unnamed("u1")
        }
    }

    fn json_of(encoded: serde_json::Result<Encoded>) -> Value {
        serde_json::from_str(encoded.unwrap().get()).unwrap()
    }

    #[test]
    fn an_optimistic_message_is_what_the_contract_shows() {
        let encoded = message(
            &sample(Kind::Room),
            &sender(),
            Phase::Optimistic {
                temp_id: "temp_1_k3x9a1b2c",
            },
        );
        assert_eq!(
            json_of(encoded),
            json!({
                "_id": "temp_1_k3x9a1b2c", "body": "Hello!", "image": null, "imageKey": null, "status": "unread",
                "roomId": "507f1f77bcf86cd799439011",
                "senderId": { "_id": "u1", "username": "u1", "email": "a@b.c", "avatar": null },
                "createdAt": "2025-10-09T03:49:24.000Z", "updatedAt": "2025-10-09T03:49:24.000Z",
                "isOptimistic": true
            })
        );
    }

    #[test]
    fn a_confirmed_message_has_both_ids_and_is_not_optimistic() {
        let mut stored = sample(Kind::Channel);
        stored.client_msg_id = Some("c1".into());
        let encoded = json_of(message(
            &stored,
            &sender(),
            Phase::Confirmed {
                temp_id: "temp_1_x",
            },
        ));
        assert_eq!(encoded["_id"], "507f1f77bcf86cd799439099");
        assert_eq!(encoded["tempId"], "temp_1_x");
        assert_eq!(encoded["isConfirmed"], true);
        assert_eq!(encoded["clientMsgId"], "c1");
        assert_eq!(encoded["channelId"], "507f1f77bcf86cd799439011");
        assert_eq!(encoded["workspaceId"], "w1");
        assert!(encoded.get("isOptimistic").is_none() && encoded.get("roomId").is_none());
    }

    #[test]
    fn a_persisted_message_never_had_a_temporary_id() {
        let encoded = json_of(message(&sample(Kind::Room), &sender(), Phase::Persisted));
        assert_eq!(encoded["_id"], "507f1f77bcf86cd799439099");
        for absent in ["tempId", "isConfirmed", "isOptimistic"] {
            assert!(encoded.get(absent).is_none(), "{absent}");
        }
    }

    #[test]
    fn acknowledgements_leave_out_what_they_do_not_have() {
        let refused = serde_json::to_value(Ack::refused("body is required")).unwrap();
        assert_eq!(
            refused,
            json!({ "success": false, "message": "body is required" })
        );
        let joined = serde_json::to_value(Ack::done(
            "Successfully joined the room",
            MembershipData {
                room_id: Some("r"),
                connected_users: Some(2),
                already_joined: Some(false),
                ..Default::default()
            },
        ))
        .unwrap();
        assert_eq!(
            joined,
            json!({
                "success": true, "message": "Successfully joined the room",
                "data": { "roomId": "r", "connectedUsers": 2, "alreadyJoined": false }
            })
        );
        assert_eq!(
            json_of(failed("temp_1_x", None)),
            json!({ "tempId": "temp_1_x", "error": "Failed to save message" })
        );
    }

    #[test]
    fn a_time_that_the_text_has_no_place_for_is_the_nearest_that_it_has() {
        let shown = |millis| iso(DateTime::from_millis(millis));
        assert_eq!(shown(1_759_981_764_000), "2025-10-09T03:49:24.000Z");
        for before in [-1, i64::MIN] {
            assert_eq!(shown(before), "1970-01-01T00:00:00.000Z");
        }
        for after in [253_402_300_800_000, i64::MAX] {
            assert_eq!(shown(after), "9999-12-31T23:59:59.999Z");
        }
    }

    #[test]
    fn times_keep_a_fraction() {
        assert_eq!(millis(Duration::from_micros(120)), 0.12);
        assert_eq!(millis(Duration::from_nanos(87_000_499)), 87.0);
    }
}

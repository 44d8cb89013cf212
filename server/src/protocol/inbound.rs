//! What clients may say: payloads read without trusting their types, then checked into requests.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::Refusal;
use crate::message::{Conversation, Kind, canonical_id};

/// Longest id in bytes.
pub const MAX_ID: usize = 128;
/// Longest file name or time stamp in bytes.
const MAX_NAME: usize = 255;

/// One field as the client sent it. Reading it never fails: an operator object where a string belongs is `Wrong`,
/// and refused by the check that knows what belongs there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Field {
    /// Not there, or null.
    #[default]
    Absent,
    /// A string.
    Text(String),
    /// An integer, as its decimal text.
    Integer(String),
    /// Anything else.
    Wrong,
}

/// The union of all payloads: one JSON object with any of these fields, unknown ones ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payload {
    room_id: Field,
    channel_id: Field,
    workspace_id: Field,
    sender_id: Field,
    body: Field,
    image: Field,
    filename: Field,
    time_stamp: Field,
    client_msg_id: Field,
}

/// A message that is well-formed; who may send it where is not decided yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Where to.
    pub conversation: Conversation,
    /// The workspace of a channel.
    pub workspace_id: Option<String>,
    /// Whom the client calls the sender.
    pub sender_id: Option<String>,
    /// The text.
    pub body: String,
    /// An image reference.
    pub image: Option<String>,
    /// `<filename with blanks as _>-<timeStamp>` when both were given.
    pub image_key: Option<String>,
    /// The client's idempotency key.
    pub client_msg_id: Option<String>,
}

impl Payload {
    /// Reads the id of the room or channel.
    ///
    /// # Errors
    /// It is missing, no string or integer, or too long.
    pub fn conversation(&mut self, kind: Kind) -> Result<Conversation, Refusal> {
        let field = match kind {
            Kind::Room => &mut self.room_id,
            Kind::Channel => &mut self.channel_id,
        };
        let id = std::mem::take(field)
            .id(kind.id_field())?
            .ok_or(Refusal::Missing(kind.id_field()))?;
        Ok(Conversation { kind, id })
    }

    /// Reads a whole message whose body has at most `max_body` bytes.
    ///
    /// # Errors
    /// The first field that is missing or wrong.
    pub fn message(mut self, kind: Kind, max_body: usize) -> Result<NewMessage, Refusal> {
        let conversation = self.conversation(kind)?;
        let body = self
            .body
            .text("body", max_body)?
            .ok_or(Refusal::Missing("body"))?;
        let sender_id = self
            .sender_id
            .id("senderId")
            .map_err(|_| Refusal::InvalidSender)?;
        let workspace_id = match kind {
            Kind::Room => None,
            Kind::Channel => self.workspace_id.id("workspaceId")?,
        };
        let image = self.image.text("image", max_body)?;
        let filename = self.filename.text("filename", MAX_NAME)?;
        let time_stamp = self.time_stamp.key("timeStamp")?;
        let image_key = filename.zip(time_stamp).map(|(filename, time_stamp)| {
            format!(
                "{}-{time_stamp}",
                filename.replace(char::is_whitespace, "_")
            )
        });
        let client_msg_id = self.client_msg_id.key("clientMsgId")?;
        Ok(NewMessage {
            conversation,
            workspace_id,
            sender_id,
            body,
            image,
            image_key,
            client_msg_id,
        })
    }
}

impl Field {
    /// The id of a room, channel, workspace or user, in its [`canonical_id`] form: a string of 1 to [`MAX_ID`] bytes,
    /// or an integer; an empty one counts as absent.
    pub(crate) fn id(self, name: &'static str) -> Result<Option<String>, Refusal> {
        Ok(self.key(name)?.map(canonical_id))
    }

    /// The same as the client wrote it: nothing but the client knows what it is.
    fn key(self, name: &'static str) -> Result<Option<String>, Refusal> {
        match self {
            Self::Absent => Ok(None),
            Self::Text(text) | Self::Integer(text) if text.len() <= MAX_ID => {
                Ok(Some(text).filter(|t| !t.is_empty()))
            }
            _ => Err(Refusal::Invalid {
                field: name,
                expected: format!("a string of 1 to {MAX_ID} bytes").into(),
            }),
        }
    }

    /// A string of at most `max` bytes; an empty one counts as absent.
    pub(crate) fn text(self, name: &'static str, max: usize) -> Result<Option<String>, Refusal> {
        match self {
            Self::Absent => Ok(None),
            Self::Text(text) if text.len() <= max => Ok(Some(text).filter(|t| !t.is_empty())),
            _ => Err(Refusal::Invalid {
                field: name,
                expected: format!("a string of at most {max} bytes").into(),
            }),
        }
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PayloadVisitor)
    }
}

/// Takes an object and nothing else: a derived implementation would take an array as the fields in order.
struct PayloadVisitor;

impl<'de> Visitor<'de> for PayloadVisitor {
    type Value = Payload;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Payload, A::Error> {
        let mut payload = Payload::default();
        while let Some(key) = map.next_key::<Key>()? {
            let field = match key {
                Key::RoomId => &mut payload.room_id,
                Key::ChannelId => &mut payload.channel_id,
                Key::WorkspaceId => &mut payload.workspace_id,
                Key::SenderId => &mut payload.sender_id,
                Key::Body => &mut payload.body,
                Key::Image => &mut payload.image,
                Key::Filename => &mut payload.filename,
                Key::TimeStamp => &mut payload.time_stamp,
                Key::ClientMsgId => &mut payload.client_msg_id,
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            // Of two fields with one name the last counts, as in JavaScript.
            *field = map.next_value()?;
        }
        Ok(payload)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Key {
    RoomId,
    ChannelId,
    WorkspaceId,
    SenderId,
    Body,
    Image,
    Filename,
    TimeStamp,
    ClientMsgId,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Field, E> {
        Ok(Field::Text(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Field, E> {
        Ok(Field::Text(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Field, E> {
        Ok(Field::Integer(value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Field, E> {
        Ok(Field::Integer(value.to_string()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Field, E> {
        Ok(Field::Absent)
    }

    fn visit_none<E: de::Error>(self) -> Result<Field, E> {
        Ok(Field::Absent)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Field, E> {
        Ok(Field::Wrong)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Field, E> {
        Ok(Field::Wrong)
    }

    fn visit_bytes<E: de::Error>(self, _: &[u8]) -> Result<Field, E> {
        Ok(Field::Wrong)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Wrong)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Wrong)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn message(kind: Kind, payload: Value) -> Result<NewMessage, String> {
        let payload: Payload = serde_json::from_value(payload).map_err(|e| e.to_string())?;
        payload
            .message(kind, 16)
            .map_err(|refusal| refusal.message().into_owned())
    }

    #[test]
    fn a_whole_message_is_read() {
        let read = message(
            Kind::Channel,
            json!({
                "channelId": 42, "workspaceId": "w", "senderId": "u", "body": "Hello!", "image": "i.png",
                "filename": "my holiday photo.png", "timeStamp": 1_760_000_000_000_u64, "clientMsgId": "c1",
                "roomId": "elsewhere", "somethingNew": {"a": [1]}
            }),
        );
        assert_eq!(
            read.unwrap(),
            NewMessage {
                conversation: Conversation {
                    kind: Kind::Channel,
                    id: "42".into()
                },
                workspace_id: Some("w".into()),
                sender_id: Some("u".into()),
                body: "Hello!".into(),
                image: Some("i.png".into()),
                image_key: Some("my_holiday_photo.png-1760000000000".into()),
                client_msg_id: Some("c1".into()),
            }
        );
    }

    #[test]
    fn an_object_id_is_read_in_lower_case_and_nothing_else_is() {
        let upper = |last: u8| format!("507F1F77BCF86CD7994390{last:02}");
        let read = message(
            Kind::Channel,
            json!({
                "channelId": upper(1), "workspaceId": upper(2), "senderId": upper(3), "body": "ABCDEF",
                "filename": "A.PNG", "timeStamp": upper(4), "clientMsgId": upper(5)
            }),
        )
        .unwrap();
        let lower = |last| upper(last).to_lowercase();
        assert_eq!(read.conversation.id, lower(1));
        assert_eq!(read.workspace_id, Some(lower(2)));
        assert_eq!(read.sender_id, Some(lower(3)));
        assert_eq!(read.body, "ABCDEF");
        assert_eq!(read.image_key, Some(format!("A.PNG-{}", upper(4))));
        assert_eq!(read.client_msg_id, Some(upper(5)));
    }

    #[test]
    fn an_image_key_needs_both_its_halves() {
        for half in [json!({"filename": "a.png"}), json!({"timeStamp": 1})] {
            let mut payload = json!({"roomId": "r", "body": "x"});
            payload
                .as_object_mut()
                .unwrap()
                .extend(half.as_object().unwrap().clone());
            assert_eq!(message(Kind::Room, payload).unwrap().image_key, None);
        }
    }

    #[test]
    fn each_wrong_payload_is_told_what_is_wrong() {
        let long_id = "x".repeat(129);
        let cases = [
            (json!({"body": "x"}), "roomId is required"),
            (json!({"roomId": "", "body": "x"}), "roomId is required"),
            (json!({"roomId": null, "body": "x"}), "roomId is required"),
            (
                json!({"roomId": {"$ne": null}, "body": "x"}),
                "Invalid roomId: expected a string of 1 to 128 bytes",
            ),
            (
                json!({"roomId": ["a", "b"], "body": "x"}),
                "Invalid roomId: expected a string of 1 to 128 bytes",
            ),
            (
                json!({"roomId": long_id, "body": "x"}),
                "Invalid roomId: expected a string of 1 to 128 bytes",
            ),
            (
                json!({"roomId": 1.5, "body": "x"}),
                "Invalid roomId: expected a string of 1 to 128 bytes",
            ),
            (
                json!({"roomId": true, "body": "x"}),
                "Invalid roomId: expected a string of 1 to 128 bytes",
            ),
            (json!({"roomId": "r"}), "body is required"),
            (json!({"roomId": "r", "body": ""}), "body is required"),
            (
                json!({"roomId": "r", "body": 5}),
                "Invalid body: expected a string of at most 16 bytes",
            ),
            (
                json!({"roomId": "r", "body": {"$gt": ""}}),
                "Invalid body: expected a string of at most 16 bytes",
            ),
            (
                json!({"roomId": "r", "body": "12345678901234567"}),
                "Invalid body: expected a string of at most 16 bytes",
            ),
            (
                json!({"roomId": "r", "body": "x", "senderId": {"$ne": 1}}),
                "Invalid senderId",
            ),
            (
                json!({"roomId": "r", "body": "x", "image": []}),
                "Invalid image: expected a string of at most 16 bytes",
            ),
            (
                json!({"roomId": "r", "body": "x", "clientMsgId": {}}),
                "Invalid clientMsgId: expected a string of 1 to 128 bytes",
            ),
        ];
        for (payload, expected) in cases {
            assert_eq!(
                message(Kind::Room, payload.clone()).unwrap_err(),
                expected,
                "{payload}"
            );
        }
    }

    #[test]
    fn only_an_object_is_a_payload() {
        for payload in [json!("r"), json!(["r"]), json!(1), json!(null), json!(true)] {
            assert!(
                serde_json::from_value::<Payload>(payload.clone()).is_err(),
                "{payload}"
            );
        }
    }

    #[test]
    fn of_two_fields_with_one_name_the_last_counts() {
        let mut payload: Payload =
            serde_json::from_str(r#"{"roomId":{"a":1},"roomId":"r"}"#).unwrap();
        assert_eq!(payload.conversation(Kind::Room).unwrap().id, "r");
    }
}

//! What a server's event says of a message: read at once where its fields are the system's own, by their paths where
//! a scenario maps another server's.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use super::strays::Odd;
use crate::{
    plan::Kind,
    vocabulary::{Fields, Vocabulary},
};

/// A message event, as much of it as is checked.
#[derive(Deserialize, Default)]
pub(super) struct Payload<'a> {
    #[serde(borrow, default, rename = "_id")]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    body: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "tempId")]
    temp_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "roomId")]
    room: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "channelId")]
    channel: Option<Cow<'a, str>>,
    #[serde(skip)]
    conversation: Option<Cow<'a, str>>,
}

impl<'a> Payload<'a> {
    /// Reads the payload of an event about a conversation of that kind; `mapped`: by the vocabulary's own paths.
    pub(super) fn parse(
        vocabulary: &Vocabulary,
        mapped: bool,
        kind: Kind,
        payload: &'a str,
    ) -> Result<Self, Odd> {
        let parsed = match mapped {
            true => {
                let conversation = &vocabulary.names(kind).id_field;
                Self::mapped(&vocabulary.fields, conversation, payload)
            }
            false => serde_json::from_str::<Self>(payload).map(|mut payload| {
                payload.conversation = match kind {
                    Kind::Room => payload.room.take(),
                    Kind::Channel => payload.channel.take(),
                };
                payload
            }),
        };
        parsed.map_err(|error| Odd::unexpected(format!("its payload can't be read: {error}")))
    }

    fn mapped(
        fields: &Fields,
        conversation: &str,
        payload: &str,
    ) -> Result<Self, serde_json::Error> {
        let value: Value = serde_json::from_str(payload)?;
        let text = |path: &str| at(&value, path).map(Cow::Owned);
        Ok(Self {
            id: text(&fields.id),
            body: text(&fields.body),
            temp_id: text(&fields.temp_id),
            conversation: text(conversation),
            ..Self::default()
        })
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(super) fn body(&self) -> Result<&str, Odd> {
        self.body
            .as_deref()
            .ok_or_else(|| Odd::unexpected("a message without a body"))
    }

    pub(super) fn temp_id(&self) -> Option<&str> {
        self.temp_id.as_deref()
    }

    pub(super) fn conversation(&self) -> Option<&str> {
        self.conversation.as_deref()
    }
}

/// The text or the number at a path of fields with dots between them.
fn at(value: &Value, path: &str) -> Option<String> {
    let found = path
        .split('.')
        .try_fold(value, |value, field| value.get(field))?;
    match found {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Dialect;

    #[test]
    fn the_systems_own_payload_is_read() {
        let vocabulary = Vocabulary::of(Dialect::Readme);
        let json =
            r#"{"_id":"temp_1","body":"a\n b","roomId":"r","tempId":null,"senderId":{"_id":"x"}}"#;
        let payload = Payload::parse(&vocabulary, false, Kind::Room, json)
            .ok()
            .unwrap();
        assert_eq!(payload.id(), Some("temp_1"));
        assert_eq!(payload.body().ok(), Some("a\n b"));
        assert_eq!(payload.conversation(), Some("r"));
        assert_eq!(payload.temp_id(), None);
        let channel = Payload::parse(&vocabulary, false, Kind::Channel, json)
            .ok()
            .unwrap();
        assert_eq!(channel.conversation(), None);
    }

    #[test]
    fn another_servers_payload_is_read_by_its_paths() {
        let mut vocabulary = Vocabulary::of(Dialect::Readme);
        vocabulary.fields = Fields {
            id: "message.id".into(),
            body: "message.text".into(),
            ..Fields::default()
        };
        vocabulary.room.id_field = "room".into();
        let json = r#"{"room":"lobby","message":{"id":7,"text":"hi"}}"#;
        let payload = Payload::parse(&vocabulary, vocabulary.is_mapped(), Kind::Room, json)
            .ok()
            .unwrap();
        assert_eq!(payload.id(), Some("7"));
        assert_eq!(payload.body().ok(), Some("hi"));
        assert_eq!(payload.conversation(), Some("lobby"));
    }

    #[test]
    fn what_is_no_json_is_unexpected() {
        let vocabulary = Vocabulary::of(Dialect::Readme);
        assert!(Payload::parse(&vocabulary, false, Kind::Room, "{").is_err());
        let empty = Payload::parse(&vocabulary, false, Kind::Room, "{}")
            .ok()
            .unwrap();
        assert!(empty.body().is_err());
    }
}

//! What a server's event says of a message: read at once where its fields are the system's own, by their paths where
//! a scenario maps another server's.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{
    model::{Fields, Kind, RunId, Vocabulary, body},
    observed::StrayKind,
};

/// Whether an acknowledgement says that what was asked for is done.
pub(super) fn succeeded(acknowledgement: &str) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        success: bool,
    }
    // What a server says behind its first argument is its own affair.
    let mut arguments = serde_json::Deserializer::from_str(acknowledgement).into_iter::<Answer>();
    arguments
        .next()
        .is_some_and(|answer| answer.is_ok_and(|answer| answer.success))
}

/// A message event, as much of it as is checked.
#[derive(Deserialize, Default)]
pub(super) struct Payload<'a> {
    #[serde(borrow, default, rename = "_id")]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    /// The body that was found by its path.
    #[serde(skip)]
    mapped_body: Option<String>,
    #[serde(borrow, default, rename = "tempId")]
    temp_id: Option<Text<'a>>,
    #[serde(borrow, default, rename = "roomId")]
    room: Option<Text<'a>>,
    #[serde(borrow, default, rename = "channelId")]
    channel: Option<Text<'a>>,
    #[serde(skip)]
    conversation: Option<Text<'a>>,
}

/// A text that stays where it was received, unless it has escapes. Around the `Cow`, since serde borrows for a field that
/// is one, and not for one that is an `Option` of it.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Payload<'a> {
    /// Reads the payload of an event about a conversation of that kind; `mapped`: by the vocabulary's own paths.
    pub(super) fn parse(
        vocabulary: &Vocabulary,
        mapped: bool,
        kind: Kind,
        payload: &'a str,
    ) -> Result<Self, Misfit> {
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
        parsed.map_err(|error| Misfit::unexpected(format!("its payload can't be read: {error}")))
    }

    fn mapped(
        fields: &Fields,
        conversation: &str,
        payload: &str,
    ) -> Result<Self, serde_json::Error> {
        let value: Value = serde_json::from_str(payload)?;
        let text = |path: &str| at(&value, path).map(|text| Text(Cow::Owned(text)));
        Ok(Self {
            id: text(&fields.id),
            mapped_body: at(&value, &fields.body),
            temp_id: text(&fields.temp_id),
            conversation: text(conversation),
            ..Self::default()
        })
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_ref().map(Text::as_str)
    }

    pub(super) fn body(&self) -> Result<Body<'_>, Misfit> {
        let json = self.body.map(RawValue::get);
        match (json, &self.mapped_body) {
            (Some(json), _) if json.starts_with('"') => Ok(Body::Json(json)),
            (Some(_), _) => Err(Misfit::unexpected("a message whose body is no text")),
            (None, Some(text)) => Ok(Body::Text(text)),
            (None, None) => Err(Misfit::unexpected("a message without a body")),
        }
    }

    pub(super) fn temp_id(&self) -> Option<&str> {
        self.temp_id.as_ref().map(Text::as_str)
    }

    pub(super) fn conversation(&self) -> Option<&str> {
        self.conversation.as_ref().map(Text::as_str)
    }
}

impl Text<'_> {
    fn as_str(&self) -> &str {
        &self.0
    }
}

/// A message's text.
pub(super) enum Body<'a> {
    /// As JSON has it, with its quotes and escapes.
    Json(&'a str),
    Text(&'a str),
}

impl Body<'_> {
    /// Which message of this run it belongs to. Nobody escapes what a body begins with, and who does is understood too.
    pub(super) fn message(&self, run: &RunId) -> Option<u32> {
        match self {
            Body::Json(json) => {
                body::message_of(run, &json[1..]).or_else(|| body::message_of(run, &self.text()))
            }
            Body::Text(text) => body::message_of(run, text),
        }
    }

    /// Whether it is this text. One with escapes is compared as JSON first, since most servers write the same JSON: to take
    /// out its escapes would need memory for each message.
    pub(super) fn is(&self, text: &str, json: &mut Vec<u8>) -> bool {
        json.clear();
        match self {
            Body::Text(own) => *own == text,
            Body::Json(own) if !own.contains('\\') => own[1..own.len() - 1] == *text,
            Body::Json(own) => {
                let same =
                    serde_json::to_writer(&mut *json, text).is_ok() && *json == own.as_bytes();
                same || self.text() == text
            }
        }
    }

    /// Without quotes and escapes. What no text can have, half of a surrogate pair, leaves nothing.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Body::Json(json) => Cow::Owned(serde_json::from_str(json).unwrap_or_default()),
            Body::Text(text) => Cow::Borrowed(text),
        }
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

/// What came and does not fit the plan.
pub(super) struct Misfit {
    pub(super) kind: StrayKind,
    pub(super) what: String,
}

impl Misfit {
    pub(super) fn unexpected(what: impl Into<String>) -> Self {
        let (kind, what) = (StrayKind::Unexpected, what.into());
        Self { kind, what }
    }

    pub(super) fn orphaned(what: String) -> Self {
        let kind = StrayKind::OrphanedEnd;
        Self { kind, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BodyText, Dialect};

    #[test]
    fn the_systems_own_payload_is_read() {
        let vocabulary = Vocabulary::of(Dialect::Readme);
        let json =
            r#"{"_id":"temp_1","body":"a\n b","roomId":"r","tempId":null,"senderId":{"_id":"x"}}"#;
        let payload = Payload::parse(&vocabulary, false, Kind::Room, json)
            .ok()
            .unwrap();
        assert_eq!(payload.id(), Some("temp_1"));
        assert_eq!(payload.body().ok().unwrap().text(), "a\n b");
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
        assert_eq!(payload.body().ok().unwrap().text(), "hi");
        assert_eq!(payload.conversation(), Some("lobby"));
    }

    #[test]
    fn an_acknowledgement_succeeds_however_its_json_is_written() {
        for success in [
            r#"{"success":true}"#,
            r#"{ "at": 7, "success" : true }"#,
            r#"{"success":true},"more""#,
        ] {
            assert!(succeeded(success), "{success}");
        }
        for failure in [
            r#"{"success":false}"#,
            r#"{"ok":true}"#,
            "",
            "true",
            r#""success":true"#,
        ] {
            assert!(!succeeded(failure), "{failure}");
        }
    }

    #[test]
    fn what_is_no_json_is_unexpected() {
        let vocabulary = Vocabulary::of(Dialect::Readme);
        assert!(Payload::parse(&vocabulary, false, Kind::Room, "{").is_err());
        let empty = Payload::parse(&vocabulary, false, Kind::Room, "{}")
            .ok()
            .unwrap();
        assert!(empty.body().is_err());
        let number = Payload::parse(&vocabulary, false, Kind::Room, "{\"body\":7}");
        assert!(number.ok().unwrap().body().is_err());
    }
    #[test]
    fn a_body_is_the_same_text_however_its_json_is_written() {
        let run = RunId::new(7);
        let mut text = String::new();
        body::write(&mut text, &run, 9, 120, &BodyText::Mixed);
        assert!(text.contains('"') && text.contains('\\') && !text.is_ascii());
        let plain = serde_json::to_string(&text).unwrap();
        let escaped: String = plain
            .chars()
            .flat_map(|c| match u16::try_from(u32::from(c)) {
                Ok(unit) if !c.is_ascii() => format!("\\u{unit:04x}").chars().collect(),
                _ => vec![c],
            })
            .collect();
        let wholly: String = text
            .encode_utf16()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect();
        for json in [plain, escaped, format!("\"{wholly}\"")] {
            let payload = format!("{{\"body\":{json}}}");
            let vocabulary = Vocabulary::of(Dialect::Readme);
            let payload = Payload::parse(&vocabulary, false, Kind::Room, &payload);
            let payload = payload.ok().unwrap();
            let body = payload.body().ok().unwrap();
            assert_eq!(body.message(&run), Some(9), "{json}");
            assert!(body.is(&text, &mut Vec::new()), "{json}");
            assert!(!body.is(&text.replace("quoted", "qouted"), &mut Vec::new()));
            assert!(!body.is(&text[..text.len() - 1], &mut Vec::new()));
        }
    }

    #[test]
    fn what_is_no_text_is_not_the_text() {
        for json in ["\"\\ud800\"", "\"\\u12\""] {
            assert!(!Body::Json(json).is("x", &mut Vec::new()), "{json}");
            assert_eq!(Body::Json(json).message(&RunId::new(7)), None);
        }
    }
}

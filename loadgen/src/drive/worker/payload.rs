//! What a server's event says of a message: read at once where its fields are the system's own, by their paths where
//! a scenario maps another server's.

use std::borrow::Cow;

use serde::{Deserialize, de::Error as _};
use serde_json::{Value, value::RawValue};

use crate::{
    drive::client::native::is_json,
    model::{Answer, Answers, Kind, Path, Paths, RunId, body, path},
    observed::StrayKind,
};

/// What an acknowledgement says.
pub(super) struct Acknowledgement<'a> {
    /// Whether what was asked for is done.
    pub(super) answer: Answer,
    /// The JSON of what came of it, where the system's own servers say that.
    data: Option<&'a str>,
}

/// Reads an acknowledgement; `own`: as the system's own servers say it, which is read without a detour.
pub(super) fn answer<'a>(
    answers: &Answers,
    own: bool,
    acknowledgement: &'a str,
) -> Acknowledgement<'a> {
    #[derive(Deserialize)]
    struct Own<'a> {
        success: bool,
        #[serde(borrow, default)]
        data: Option<&'a RawValue>,
    }
    if own {
        return match first::<Own<'_>>(acknowledgement) {
            Ok(Own { success, data }) => Acknowledgement {
                answer: match success {
                    true => Answer::Done,
                    false => Answer::Refused,
                },
                data: data.map(RawValue::get),
            },
            Err(_) => Acknowledgement::only(Answer::Unclear),
        };
    }
    Acknowledgement::only(match path::arguments(acknowledgement) {
        Ok(said) => answers.read(&said),
        Err(_) => Answer::Unclear,
    })
}

impl<'a> Acknowledgement<'a> {
    const fn only(answer: Answer) -> Self {
        Self { answer, data: None }
    }

    /// The id under which it says that the message is saved.
    pub(super) fn saved_id(&self) -> Option<Cow<'a, str>> {
        #[derive(Deserialize)]
        struct Saved<'a> {
            #[serde(borrow, rename = "_id")]
            id: Text<'a>,
        }
        let saved: Saved<'a> = serde_json::from_str(self.data?).ok()?;
        Some(saved.id.0).filter(|id| !id.is_empty())
    }
}

/// In which words an acknowledgement refuses: its message, else its error, else all of it.
pub(super) fn words(acknowledgement: &str) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow, default)]
        message: Option<Text<'a>>,
        #[serde(borrow, default)]
        error: Option<Text<'a>>,
    }
    let mut arguments =
        serde_json::Deserializer::from_str(acknowledgement).into_iter::<Answer<'_>>();
    let said = arguments.next().and_then(Result::ok);
    let said = said.and_then(|said| said.message.or(said.error));
    said.map_or(Cow::Borrowed(acknowledgement), |Text(words)| words)
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
    /// The conversation that was found by its path.
    #[serde(skip)]
    conversation: Option<Text<'a>>,
    /// The sender, as its id or as an object with it; where a map has it, nobody says.
    #[serde(borrow, default, rename = "senderId")]
    sender: Option<&'a RawValue>,
    /// The map says that it names no conversation.
    #[serde(skip)]
    names_none: bool,
    /// What stands where the map has the sender; the outer `None`: the map has it nowhere.
    #[serde(skip)]
    mapped_sender: Option<Option<String>>,
}

/// A text that stays where it was received, unless it has escapes. Around the `Cow`, since serde borrows for a field that
/// is one, and not for one that is an `Option` of it.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Payload<'a> {
    /// Reads the payload of an event: by the paths of an event map, or as the system's own.
    pub(super) fn parse(map: Option<&Paths>, payload: &'a str) -> Result<Self, Misfit> {
        match map {
            Some(paths) => Ok(Self::mapped(paths, &arguments(payload)?)),
            None => first::<Self>(payload).map_err(unread),
        }
    }

    /// Takes what is checked out of an event's arguments.
    pub(super) fn mapped(paths: &Paths, arguments: &[Value]) -> Self {
        let at = |path: &Option<Path>| path.as_ref()?.text(arguments);
        let text = |path: &Option<Path>| at(path).map(|text| Text(Cow::Owned(text)));
        let sender = paths.from.as_ref();
        Self {
            id: text(&paths.id),
            mapped_body: at(&paths.body),
            temp_id: text(&paths.temp_id),
            conversation: text(&paths.conversation),
            names_none: paths.conversation.is_none(),
            mapped_sender: sender.map(|path| path.text(arguments)),
            ..Self::default()
        }
    }

    /// The message's id, where it has one.
    pub(super) fn id(&self) -> Option<&str> {
        self.id
            .as_ref()
            .map(Text::as_str)
            .filter(|id| !id.is_empty())
    }

    pub(super) fn body(&self) -> Result<Body<'_>, Misfit> {
        let json = self.body.map(RawValue::get);
        match (json, &self.mapped_body) {
            (Some(json), _) if json.starts_with('"') => Ok(Body::Json(json)),
            (Some(_), _) => Err(Misfit::unreadable("a message whose body is no text")),
            (None, Some(text)) => Ok(Body::Text(text)),
            (None, None) => Err(Misfit::unreadable("a message without a body")),
        }
    }

    pub(super) fn temp_id(&self) -> Option<&str> {
        self.temp_id.as_ref().map(Text::as_str)
    }

    /// The id of the conversation, of that kind, that it says it is in.
    pub(super) fn conversation(&self, kind: Kind) -> Option<&str> {
        let own = match kind {
            Kind::Room => &self.room,
            Kind::Channel => &self.channel,
        };
        self.conversation
            .as_ref()
            .or(own.as_ref())
            .map(Text::as_str)
    }

    /// Whether it belongs to the conversation of this kind and id, as far as such events say.
    pub(super) fn is_in(&self, kind: Kind, conversation: &str) -> bool {
        self.names_none || self.conversation(kind) == Some(conversation)
    }

    /// Whether it names this user as its sender; `None` where it names nobody.
    pub(super) fn is_from(&self, user: &str) -> Option<bool> {
        match &self.mapped_sender {
            Some(said) => said.as_ref().map(|said| is_id(said, user)),
            None => names(self.sender?.get(), user),
        }
    }

    /// Whether it names one of these users where the map says that it names its sender.
    pub(super) fn names_any(&self, users: &[String]) -> bool {
        let said = self.mapped_sender.as_ref().and_then(Option::as_ref);
        said.is_some_and(|said| users.iter().any(|user| is_id(said, user)))
    }

    /// Whether the map says where it names its sender.
    pub(super) fn has_mapped_sender(&self) -> bool {
        self.mapped_sender.is_some()
    }
}

/// The arguments of an event.
pub(super) fn arguments(payload: &str) -> Result<Vec<Value>, Misfit> {
    path::arguments(payload).map_err(unread)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "an error is handed on as it comes"
)]
fn unread(error: serde_json::Error) -> Misfit {
    Misfit::unreadable(format!("its payload can't be read: {error}"))
}

/// Whether JSON is a user's id, or an object that holds it; `None` where there is neither.
fn names(json: &str, user: &str) -> Option<bool> {
    #[derive(Deserialize)]
    struct Sender<'a> {
        #[serde(borrow, default, rename = "_id")]
        id: Option<&'a RawValue>,
    }
    if json.starts_with('{') {
        let sender: Sender<'_> = serde_json::from_str(json).ok()?;
        return sender.id.map(|id| is_text(id.get(), user));
    }
    Some(is_text(json, user))
}

/// Whether JSON is an id, as a text or as a number.
fn is_text(json: &str, id: &str) -> bool {
    match json
        .strip_prefix('"')
        .and_then(|json| json.strip_suffix('"'))
    {
        Some(text) if !text.contains('\\') => is_id(text, id),
        Some(_) => serde_json::from_str::<String>(json).is_ok_and(|text| is_id(&text, id)),
        None => json == id,
    }
}

/// Whether two texts are one id: the digits of an ObjectId, and of a UUID, are the same in either case.
pub fn is_id(text: &str, id: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    let digits = |id: &str| matches!(id.len(), 24 | 36) && id.bytes().all(is_digit);
    text == id || digits(id) && text.eq_ignore_ascii_case(id)
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

/// The first of some arguments; what is said behind it is the server's own affair, as long as it is JSON.
fn first<'a, T: Deserialize<'a>>(arguments: &'a str) -> Result<T, serde_json::Error> {
    let mut values = serde_json::Deserializer::from_str(arguments).into_iter();
    let first = values
        .next()
        .unwrap_or_else(|| Err(serde_json::Error::custom("nothing")))?;
    let behind = &arguments[values.byte_offset()..];
    let is_last = behind.bytes().all(|byte| b" \t\n\r".contains(&byte));
    match is_last || is_json(arguments) {
        true => Ok(first),
        false => Err(serde_json::Error::custom("what follows it is no JSON")),
    }
}

/// What came and does not fit the plan.
pub(super) struct Misfit {
    pub(super) kind: StrayKind,
    pub(super) what: String,
    /// It may be a mistake of the event map.
    pub(super) unreadable: bool,
}

impl Misfit {
    pub(super) fn unexpected(what: impl Into<String>) -> Self {
        Self {
            kind: StrayKind::Unexpected,
            what: what.into(),
            unreadable: false,
        }
    }

    pub(super) fn orphaned(what: String) -> Self {
        Self {
            kind: StrayKind::OrphanedEnd,
            ..Self::unexpected(what)
        }
    }

    /// What is wanted is not where it is looked for.
    pub(super) fn unreadable(what: impl Into<String>) -> Self {
        Self {
            unreadable: true,
            ..Self::unexpected(what)
        }
    }
}

#[cfg(test)]
mod tests;

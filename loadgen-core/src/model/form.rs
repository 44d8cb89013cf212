//! The JSON of what clients send, with blanks for what each user and each message has of its own.

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// What a blank stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blank {
    /// The id of the conversation.
    Conversation,
    /// The text of the message.
    Body,
    /// A text that no other message has.
    Message,
    /// The id of the user who sends it.
    Id,
    /// The number of that user, from 0.
    Index,
    /// What that user shows when it logs in.
    Token,
}

impl Blank {
    /// Blanks of a join and of a leave.
    pub const OF_JOINS: [Blank; 4] = [Blank::Conversation, Blank::Id, Blank::Index, Blank::Token];
    /// Blanks of a message.
    pub const OF_MESSAGES: [Blank; 5] = [
        Blank::Conversation,
        Blank::Body,
        Blank::Message,
        Blank::Id,
        Blank::Index,
    ];

    const fn name(self) -> &'static str {
        match self {
            Blank::Conversation => "conversation",
            Blank::Body => "body",
            Blank::Message => "message",
            Blank::Id => "id",
            Blank::Index => "index",
            Blank::Token => "token",
        }
    }
}

/// The arguments of an event as JSON, without the brackets around them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Written(String),
    /// A whole text, quotes and all.
    Whole(Blank),
    /// A part of a text.
    Part(Blank),
}

impl Form {
    /// Reads what a file says, with blanks of these: JSON, several arguments with commas between them.
    ///
    /// # Errors
    /// A blank that stands for nothing or outside of quotes, or what is no JSON; and what would be right.
    pub fn parse(text: &str, blanks: &[Blank]) -> Result<Self, String> {
        let mut pieces = Vec::new();
        // The same with any text in the blanks.
        let mut example = String::new();
        let mut rest = text;
        while let Some((before, name, after)) = next_name(rest) {
            let known = blanks.iter().find(|blank| blank.name() == name);
            let blank = *known.ok_or_else(|| refusal(name, blanks))?;
            example.push_str(before);
            if !is_inside_of_quotes(&example) {
                return Err(format!(
                    "{{{name}}} stands in quotes, as a text does: \"{{{name}}}\""
                ));
            }
            // Its own opening quote, and no escaped one inside of a text.
            let opened = example
                .strip_suffix('"')
                .is_some_and(|outside| !is_inside_of_quotes(outside));
            example.push('x');
            rest = after;
            let whole = before
                .strip_suffix('"')
                .filter(|_| opened)
                .zip(after.strip_prefix('"'));
            match whole {
                Some((before, after)) => {
                    pieces.push(Piece::Written(before.to_owned()));
                    pieces.push(Piece::Whole(blank));
                    example.push('"');
                    rest = after;
                }
                None => {
                    pieces.push(Piece::Written(before.to_owned()));
                    pieces.push(Piece::Part(blank));
                }
            }
        }
        example.push_str(rest);
        pieces.push(Piece::Written(rest.to_owned()));
        pieces.retain(|piece| !matches!(piece, Piece::Written(text) if text.is_empty()));
        let read: Result<Vec<IgnoredAny>, _> = serde_json::from_str(&format!("[{example}]"));
        match read {
            Ok(_) => Ok(Self(pieces)),
            Err(error) => Err(format!(
                "this is no JSON ({error}): write the event's arguments, as in '{{\"to\":\"{{conversation}}\",\"v\":2}}'"
            )),
        }
    }

    /// An object of these fields.
    pub fn object(fields: &[(&str, Blank)]) -> Self {
        let mut pieces = Vec::new();
        for (index, (field, blank)) in fields.iter().enumerate() {
            let begin = if index == 0 { "{" } else { "," };
            // Serializing a text can't fail.
            let field = serde_json::to_string(field).unwrap_or_default();
            pieces.push(Piece::Written(format!("{begin}{field}:")));
            pieces.push(Piece::Whole(*blank));
        }
        pieces.push(Piece::Written(
            if fields.is_empty() { "{}" } else { "}" }.to_owned(),
        ));
        Self(pieces)
    }

    /// Whether a blank is there, as a whole text of its own.
    pub fn has_whole(&self, blank: Blank) -> bool {
        self.0.contains(&Piece::Whole(blank))
    }

    /// Writes the JSON, with what each blank stands for.
    pub fn fill<'a>(&self, out: &mut Vec<u8>, of: impl Fn(Blank) -> Cow<'a, str>) {
        for piece in &self.0 {
            match piece {
                Piece::Written(text) => out.extend_from_slice(text.as_bytes()),
                // Neither a string's JSON nor writing to a vector can fail.
                Piece::Whole(blank) => {
                    let _ = serde_json::to_writer(&mut *out, &*of(*blank));
                }
                Piece::Part(blank) => {
                    let start = out.len();
                    let _ = serde_json::to_writer(&mut *out, &*of(*blank));
                    out.pop();
                    out.remove(start);
                }
            }
        }
    }
}

/// The text before the next name in braces, the name, and the text behind it.
fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices('{').find_map(|(at, _)| {
        let (name, after) = text[at + 1..].split_once('}')?;
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let word = !name.is_empty() && name.chars().all(is_word);
        word.then(|| (&text[..at], name, after))
    })
}

/// Whether the end of this JSON is inside of a text.
fn is_inside_of_quotes(json: &str) -> bool {
    let mut inside = false;
    let mut escaped = false;
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            _ => {}
        }
    }
    inside
}

fn refusal(name: &str, blanks: &[Blank]) -> String {
    let mut names = blanks.iter().map(|blank| format!("{{{}}}", blank.name()));
    let last = names.next_back().unwrap_or_default();
    let others: Vec<String> = names.collect();
    format!(
        "{{{name}}} is nothing here: there are {} and {last}",
        others.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn filled(text: &str) -> Result<Value, String> {
        let form = Form::parse(text, &Blank::OF_MESSAGES)?;
        let mut out = Vec::new();
        form.fill(&mut out, |blank| match blank {
            Blank::Conversation => "r\"1".into(),
            Blank::Body => "hi, \\ü\n".into(),
            other => other.name().into(),
        });
        let text = String::from_utf8(out).unwrap();
        Ok(serde_json::from_str(&format!("[{text}]")).unwrap())
    }

    #[test]
    fn each_shape_of_a_payload_can_be_sent() {
        for (text, arguments) in [
            (
                r#"{"to":"{conversation}","text":"{body}","v":2}"#,
                json!([{ "to": "r\"1", "text": "hi, \\ü\n", "v": 2 }]),
            ),
            (r#""{body}""#, json!(["hi, \\ü\n"])),
            (
                r#""{conversation}", "{body}""#,
                json!(["r\"1", "hi, \\ü\n"]),
            ),
            (
                r#"{ "m": [{"t": "{body}"}], "who": "user-{id}/{index}", "n": null }"#,
                json!([{ "m": [{ "t": "hi, \\ü\n" }], "who": "user-id/index", "n": null }]),
            ),
            (
                r#""a \" {message}", "{body}""#,
                json!(["a \" message", "hi, \\ü\n"]),
            ),
            ("", json!([])),
        ] {
            assert_eq!(filled(text), Ok(arguments), "{text}");
        }
        let ids = [("roomId", Blank::Conversation), ("a\"b", Blank::Id)];
        let mut out = Vec::new();
        Form::object(&ids).fill(&mut out, |_| "x".into());
        assert_eq!(out, br#"{"roomId":"x","a\"b":"x"}"#);
    }

    #[test]
    fn each_mistake_says_what_would_be_right() {
        for (text, what) in [
            (
                r#"{"to":"{nobody}"}"#,
                "there are {conversation}, {body}, {message}, {id} and {index}",
            ),
            (r#"{"to":{conversation}}"#, "\"{conversation}\""),
            (r#"{"to":"{conversation}""#, "no JSON"),
            (r#"{to:"{conversation}"}"#, "no JSON"),
            (r#""{token}""#, "{token} is nothing here"),
        ] {
            let error = filled(text).unwrap_err();
            assert!(error.contains(what), "{text}: {error}");
        }
    }

    #[test]
    fn a_body_is_told_from_one_among_other_text() {
        let has = |text: &str| {
            Form::parse(text, &Blank::OF_MESSAGES)
                .unwrap()
                .has_whole(Blank::Body)
        };
        assert!(has(r#"{"text":"{body}"}"#));
        assert!(!has(r#"{"text":"> {body}"}"#));
        assert!(!has(r#"{"text":"\"{body}\""}"#));
        assert!(!has(r#""\"{body}""#));
        assert!(!has(r#"{"text":"none"}"#));
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_makes_it_panic(text in "[{}\"a-z:, \\\\]{0,30}|\\PC{0,20}") {
            let _ = filled(&text);
        }

        #[test]
        fn whatever_a_blank_stands_for_it_stays_json(value in "\\PC*", whole: bool) {
            let text = if whole { r#"{"a":"{id}"}"# } else { r#"{"a":"{id}."}"# };
            let mut out = Vec::new();
            Form::parse(text, &Blank::OF_MESSAGES).unwrap().fill(&mut out, |_| value.as_str().into());
            let expected = if whole { value.clone() } else { format!("{value}.") };
            prop_assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), json!({ "a": expected }));
        }
    }
}

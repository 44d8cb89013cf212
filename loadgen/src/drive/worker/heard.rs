//! What came of a run's messages, as far as it was understood: so that a mistake in the event map is told within seconds.

use std::collections::{BTreeMap, BTreeSet};

use super::payload::is_id;
use crate::model::{Kind, Path, body, path};
use serde_json::Value;

/// Of events with unknown names, as many names are told apart.
const MOST_NAMES: usize = 32;
/// A name or an answer of a server is kept up to this length.
const MOST_BYTES: usize = 200;

/// What came since the schedule began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// By kind of conversation and whether it was the sender's own copy.
    parts: [[Part; 2]; 2],
    /// Events of unknown names that came after the first message, in which no message of this run was found, and which are
    /// long enough to have one in them.
    pub strangers: BTreeMap<String, u64>,
    /// Names of unknown events that came before the schedule began.
    early: BTreeSet<String>,
    /// Acknowledgements of messages that said yes or no.
    pub clear_answers: u64,
    /// Those that said yes.
    pub agreed_to: u64,
    /// Those that said yes with an id where the map has it.
    pub answers_with_id: u64,
    /// Those that said yes without, and the first of them.
    pub without_id: Option<(u64, String)>,
    /// Those that said neither, and the first of them.
    pub unclear: Option<(u64, String)>,
}

/// What came of the messages of one kind of conversation, to one who sent them or to the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Deliveries that were understood.
    pub understood: u64,
    /// Events of a name that the map does not know, with a message of this run in them.
    pub unknown: BTreeMap<String, u64>,
    /// Events of a known name that could not be read.
    pub unreadable: Option<Unreadable>,
    /// Deliveries that named their sender where the map says.
    pub named: u64,
    /// Deliveries that did not, nor another user, and where in the first of them the sender's id was found.
    pub named_elsewhere: Option<(u64, Path)>,
}

/// Events that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// How many.
    pub count: u64,
    /// The name of the first.
    pub event: String,
    /// Why.
    pub why: String,
    /// Where in it a message of this run was found.
    pub text_at: Option<Path>,
}

impl Heard {
    /// What came in one kind of conversation; `own`: to the senders themselves.
    pub fn part(&self, kind: Kind, own: bool) -> &Part {
        &self.parts[index(kind)][usize::from(own)]
    }

    /// What came in one kind of conversation; `own`: to the senders themselves.
    pub fn part_mut(&mut self, kind: Kind, own: bool) -> &mut Part {
        &mut self.parts[index(kind)][usize::from(own)]
    }

    /// An event of an unknown name came that has nothing to do with this run's messages.
    pub fn stranger(&mut self, event: &str) {
        count(&mut self.strangers, event, 1);
    }

    /// An event of an unknown name came before the schedule began: it tells of something else.
    pub fn early(&mut self, event: &str) {
        if self.early.len() < MOST_NAMES {
            self.early.insert(beginning(event).to_owned());
        }
    }

    /// Of the events without a message of this run, those that may tell of one that is coded.
    pub fn since_the_first_message(&self) -> impl Iterator<Item = (&str, u64)> {
        let late = self.strangers.iter();
        let late = late.filter(|(event, _)| !self.early.contains(*event));
        late.map(|(event, times)| (event.as_str(), *times))
    }

    /// A message was acknowledged with yes, and without an id where the map has it.
    pub fn answer_without_id(&mut self, answer: &str) {
        quote(&mut self.without_id, 1, answer);
    }

    /// A message was acknowledged with neither yes nor no.
    pub fn unclear_answer(&mut self, answer: &str) {
        quote(&mut self.unclear, 1, answer);
    }

    /// Adds what another worker heard.
    pub fn merge(&mut self, other: &Self) {
        let parts = self.parts.iter_mut().flatten();
        for (mine, theirs) in parts.zip(other.parts.iter().flatten()) {
            mine.merge(theirs);
        }
        for (event, times) in &other.strangers {
            count(&mut self.strangers, event, *times);
        }
        for event in &other.early {
            self.early(event);
        }
        self.clear_answers += other.clear_answers;
        self.agreed_to += other.agreed_to;
        self.answers_with_id += other.answers_with_id;
        for (mine, theirs) in [
            (&mut self.unclear, &other.unclear),
            (&mut self.without_id, &other.without_id),
        ] {
            if let Some((times, first)) = theirs {
                quote(mine, *times, first);
            }
        }
    }
}

impl Part {
    /// An event came whose name the map does not know, with a message of this run in it.
    pub fn unknown(&mut self, event: &str) {
        count(&mut self.unknown, event, 1);
    }

    /// An event of a known name came that can't be read.
    pub fn unreadable(&mut self, event: &str, why: &str, prefix: &str, payload: &str) {
        let unreadable = self.unreadable.get_or_insert_with(|| Unreadable {
            count: 0,
            event: event.to_owned(),
            why: beginning(why).to_owned(),
            text_at: path::arguments(payload)
                .ok()
                .and_then(|arguments| text_at(&arguments, prefix)),
        });
        unreadable.count += 1;
    }

    /// A delivery came that did not name its sender where the map says, but there.
    pub fn named_elsewhere(&mut self, place: Option<Path>) {
        match (&mut self.named_elsewhere, place) {
            (Some((times, _)), Some(_)) => *times += 1,
            (none @ None, Some(place)) => *none = Some((1, place)),
            (_, None) => {}
        }
    }

    fn merge(&mut self, other: &Self) {
        self.understood += other.understood;
        self.named += other.named;
        match (&mut self.named_elsewhere, &other.named_elsewhere) {
            (Some((mine, _)), Some((theirs, _))) => *mine += theirs,
            (mine @ None, theirs) => mine.clone_from(theirs),
            (Some(_), None) => {}
        }
        for (event, times) in &other.unknown {
            count(&mut self.unknown, event, *times);
        }
        match (&mut self.unreadable, &other.unreadable) {
            (Some(mine), Some(theirs)) => mine.count += theirs.count,
            (mine @ None, theirs) => mine.clone_from(theirs),
            (Some(_), None) => {}
        }
    }
}

/// The path to the first text that begins so.
pub fn text_at(arguments: &[Value], prefix: &str) -> Option<Path> {
    Path::to(arguments, |value| {
        value.as_str().is_some_and(|text| text.starts_with(prefix))
    })
}

/// Where in an event's payload a user's id stands.
pub(super) fn id_at(payload: &str, user: &str) -> Option<Path> {
    let arguments = path::arguments(payload).ok()?;
    Path::to(&arguments, |value| match value {
        Value::String(text) => is_id(text, user),
        Value::Number(number) => number.to_string() == user,
        _ => false,
    })
}

/// The length of the longest text in a payload, in bytes of JSON.
pub(super) fn longest_text(payload: &str) -> usize {
    let mut longest = 0;
    let mut start = None;
    let mut escaped = false;
    for (at, byte) in payload.bytes().enumerate() {
        match (byte, start) {
            _ if escaped => escaped = false,
            (b'\\', Some(_)) => escaped = true,
            (b'"', None) => start = Some(at + 1),
            (b'"', Some(from)) => {
                longest = longest.max(at - from);
                start = None;
            }
            _ => {}
        }
    }
    longest
}

/// The number of the first message of a run in a payload, however it is wrapped.
pub fn message_in(payload: &str, prefix: &str) -> Option<u32> {
    let (_, digits) = payload.split_once(prefix)?;
    body::number(digits)
}

fn count(names: &mut BTreeMap<String, u64>, event: &str, times: u64) {
    let event = beginning(event);
    if let Some(count) = names.get_mut(event) {
        *count += times;
    } else if names.len() < MOST_NAMES {
        names.insert(event.to_owned(), times);
    }
}

/// So many more such answers, of which the first is kept.
fn quote(kept: &mut Option<(u64, String)>, times: u64, answer: &str) {
    let (count, _) = kept.get_or_insert_with(|| (0, beginning(answer).to_owned()));
    *count += times;
}

fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(MOST_BYTES)]
}

const fn index(kind: Kind) -> usize {
    match kind {
        Kind::Room => 0,
        Kind::Channel => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_run_add_up() {
        let mut one = Heard::default();
        one.part_mut(Kind::Room, true).unknown("x");
        one.stranger("typing");
        one.unclear_answer("\"ok\"");
        let mut other = one.clone();
        other.part_mut(Kind::Room, true).unknown("y");
        other.part_mut(Kind::Channel, false).understood = 3;
        let reading = other.part_mut(Kind::Room, false);
        reading.unreadable("said", "no body", "lg1:7:", r#"{"m":["lg1:7:0"]}"#);
        let mut whole = one.clone();
        whole.merge(&other);
        other.merge(&one);
        assert_eq!(whole, other);
        assert_eq!(whole.part(Kind::Room, true).unknown["x"], 2);
        assert_eq!(whole.strangers["typing"], 2);
        assert_eq!(whole.unclear, Some((2, "\"ok\"".to_owned())));
        let unreadable = whole.part(Kind::Room, false).unreadable.as_ref().unwrap();
        let at = unreadable.text_at.as_ref().map(ToString::to_string);
        assert_eq!(at.as_deref(), Some("m.0"));
    }

    #[test]
    fn a_flood_of_names_is_bounded() {
        let mut heard = Heard::default();
        for number in 0..1_000 {
            heard.stranger(&format!("{number}{}", "x".repeat(10_000)));
        }
        assert!(heard.strangers.len() <= MOST_NAMES);
        assert!(heard.strangers.keys().all(|name| name.len() <= MOST_BYTES));
    }

    #[test]
    fn a_message_is_found_however_it_is_wrapped() {
        for payload in [
            r#"{"text":"lg1:0000002a:00000007:hi"}"#,
            r#""{\"text\":\"lg1:0000002a:00000007:hi\"}""#,
            r#"["> lg1:0000002a:00000007:"]"#,
        ] {
            assert_eq!(message_in(payload, "lg1:0000002a:"), Some(7), "{payload}");
        }
        assert_eq!(message_in("{}", "lg1:0000002a:"), None);
    }

    #[test]
    fn the_longest_text_is_measured_and_an_id_is_found() {
        for (payload, bytes) in [
            ("", 0),
            ("{\"a\":[1,2],\"bc\":\"xyz\"}", 3),
            (r#"["a\"b",{"k":"12"}]"#, 4),
            (r#"{"long-key":7}"#, 8),
            ("\"open", 0),
        ] {
            assert_eq!(longest_text(payload), bytes, "{payload}");
        }
        let at = |payload, user| id_at(payload, user).map(|path| path.to_string());
        let payload = r#"{"m":{"by":["x",7]}},"507F1F77BCF86CD799439011""#;
        assert_eq!(at(payload, "7").as_deref(), Some("m.by.1"));
        let id = "507f1f77bcf86cd799439011";
        assert_eq!(at(payload, id).as_deref(), Some("1"));
        assert_eq!(at(payload, "m"), None);
    }
}

//! Mistakes in what was agreed with a server, found in what came of a run's first messages: they are told within seconds,
//! and nobody is blamed for them.

use std::collections::BTreeMap;

use server::telemetry::log::escaped;

use crate::{
    drive::worker::{Heard, Part, Unreadable},
    judge::Promises,
    model::{Dialect, Kind, Meaning, Vocabulary},
};

/// Deliveries to others after which a sender's own copy would have come.
const ENOUGH: u64 = 3;

/// What was agreed with a server.
pub(super) struct Agreed {
    pub(super) vocabulary: Vocabulary,
    /// The dialect, where no map of its own says the names.
    pub(super) dialect: Option<Dialect>,
    pub(super) promises: Promises,
}

impl Agreed {
    /// What is wrong with it, in one sentence, where what came tells; `sent`: messages so far, `ended`: ends of these.
    pub(super) fn mistake(&self, heard: &Heard, sent: u64, ended: u64) -> Option<String> {
        let kinds = [Kind::Room, Kind::Channel];
        kinds
            .into_iter()
            .find_map(|kind| self.not_understood(kind, false, heard.part(kind, false)))
            .or_else(|| self.strangers(heard, sent, ended))
            .or_else(|| kinds.into_iter().find_map(|kind| self.echo(kind, heard)))
            .or_else(|| {
                let senders = kinds.into_iter().find_map(|kind| self.sender(kind, heard));
                senders.or_else(|| without_id(heard))
            })
            .or_else(|| {
                kinds
                    .into_iter()
                    .find_map(|kind| self.end(kind, heard, ended))
            })
            .or_else(|| self.answer(heard))
    }

    /// Of one kind of conversation nothing was understood that came to the others, or to the senders.
    fn not_understood(&self, kind: Kind, own: bool, part: &Part) -> Option<String> {
        if part.understood > 0 {
            return None;
        }
        let key = if own { "sent" } else { "received" };
        match (most(&part.unknown), &part.unreadable) {
            (Some((event, times)), _) => Some(self.unknown(kind, key, event, times)),
            (None, Some(unreadable)) => Some(self.unreadable(kind, unreadable)),
            (None, None) => None,
        }
    }

    fn unknown(&self, kind: Kind, key: &str, event: &str, times: u64) -> String {
        format!(
            "received {times} `{}`, which the map doesn't know; try {}",
            escaped(event),
            self.right(kind, key, event)
        )
    }

    /// What would know an event.
    fn right(&self, kind: Kind, key: &str, event: &str) -> String {
        let other = match self.dialect {
            Some(Dialect::Readme) => Some(Dialect::Reference),
            Some(Dialect::Reference) => Some(Dialect::Readme),
            None => None,
        };
        let knows = |dialect: &Dialect| {
            let meaning = Vocabulary::of(*dialect).meaning(event);
            meaning.is_some_and(|(_, meaning)| meaning == Meaning::Received)
        };
        match other.filter(knows) {
            Some(dialect) => format!("`--dialect {}`", dialect.name()),
            None => format!(
                "`{key} = {:?}` in [server.events.{}]",
                escaped(event),
                name(kind)
            ),
        }
    }

    fn unreadable(&self, kind: Kind, unreadable: &Unreadable) -> String {
        let Unreadable {
            count,
            event,
            why,
            text_at,
        } = unreadable;
        let paths = self.vocabulary.shapes(kind).paths(Meaning::Received, false);
        let right = match text_at {
            Some(path) if paths.body.as_ref() != Some(path) => format!(
                "the text is at `{path}`: try `fields.body = \"{path}\"` in [server.events]"
            ),
            _ => {
                "`loadgen probe` shows what is in them, and `fields` in [server.events] says where"
                    .to_owned()
            }
        };
        format!(
            "received {count} `{}` and could read none of them ({}); {right}",
            escaped(event),
            escaped(why)
        )
    }

    /// Nothing was understood, and as many events of a name came that have nothing of this run's in them, and may have it
    /// coded. A server that was understood otherwise has its messages in words that can be read, and one that refuses them
    /// all has none to deliver: what it sends beside is no delivery.
    fn strangers(&self, heard: &Heard, sent: u64, ended: u64) -> Option<String> {
        let refused = heard.clear_answers > 0 && heard.agreed_to == 0;
        if ended > 0 || self.promises.acks && refused {
            return None;
        }
        let kinds = [Kind::Room, Kind::Channel];
        let silent = kinds
            .into_iter()
            .all(|kind| [true, false].map(|own| heard.part(kind, own).understood) == [0, 0]);
        let strangers = heard.since_the_first_message();
        let (event, times) = strangers.max_by_key(|(_, times)| *times)?;
        (silent && sent > 0 && 2 * times >= sent).then(|| {
            format!(
                "received {times} `{}`, which the map doesn't know, and no message; is it `received` in [server.events], and where is its text?",
                escaped(event)
            )
        })
    }

    /// No delivery named its sender where the map says, and all had the sender's id elsewhere.
    fn sender(&self, kind: Kind, heard: &Heard) -> Option<String> {
        [false, true].into_iter().find_map(|own| {
            let part = heard.part(kind, own);
            let (times, place) = part.named_elsewhere.as_ref()?;
            let paths = self.vocabulary.shapes(kind).paths(Meaning::Received, own);
            let looked_at = paths.from.as_ref()?;
            (part.named == 0 && *times >= part.understood).then(|| {
                format!(
                    "{times} deliveries came, and none names its sender at `{looked_at}`; its id is at `{place}`: try `fields.from = \"{place}\"` in [server.events]"
                )
            })
        })
    }

    /// Own copies are missing, and they alone.
    fn echo(&self, kind: Kind, heard: &Heard) -> Option<String> {
        if !self.promises.echo || heard.part(kind, false).understood == 0 {
            return None;
        }
        if let Some(mistake) = self.not_understood(kind, true, heard.part(kind, true)) {
            return Some(mistake);
        }
        let kinds = [Kind::Room, Kind::Channel];
        let sum = |own: bool| {
            let parts = kinds.map(|kind| heard.part(kind, own).understood);
            parts.into_iter().sum::<u64>()
        };
        let (own, others) = (sum(true), sum(false));
        // A dialect has its copies by contract: there they are missing, and not unwanted.
        (self.dialect.is_none() && own == 0 && others >= ENOUGH).then(|| {
            format!(
                "{others} deliveries came, and no sender got its own message back: this server doesn't echo: `echoes = false` in [server.events]"
            )
        })
    }

    /// No message ended, and about as many events came that would be its end.
    fn end(&self, kind: Kind, heard: &Heard, ended: u64) -> Option<String> {
        if !self.promises.in_a(kind).ends || ended > 0 {
            return None;
        }
        let part = heard.part(kind, false);
        let (event, times) = most(&part.unknown)?;
        let many = 2 * times >= part.understood;
        many.then(|| self.unknown(kind, "confirmed", event, times))
    }

    /// Messages are acknowledged in words that nobody agreed on.
    fn answer(&self, heard: &Heard) -> Option<String> {
        let (times, words) = heard.unclear.as_ref()?;
        let wanted = self.dialect.is_none() && self.promises.acks && heard.clear_answers == 0;
        let said = match words.as_str() {
            "" => "nothing".into(),
            words => escaped(words),
        };
        wanted.then(|| {
            format!(
                "{times} messages were acknowledged with {said}, which says neither yes nor no: say with `answers = \"any\"`, `answers = \"error-first\"` or `fields.success` in [server.events] how this server says yes"
            )
        })
    }
}

/// Messages are acknowledged, and none with an id where the map has it.
fn without_id(heard: &Heard) -> Option<String> {
    let (times, words) = heard.without_id.as_ref()?;
    (heard.answers_with_id == 0).then(|| {
        format!(
            "{times} messages were acknowledged, and none with an id where `fields.acknowledged` in [server.events] says; the first with {}",
            escaped(words)
        )
    })
}

/// The event that came most often.
fn most(events: &BTreeMap<String, u64>) -> Option<(&str, u64)> {
    let most = events.iter().max_by_key(|(_, times)| **times);
    most.map(|(event, times)| (event.as_str(), *times))
}

const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Room => "room",
        Kind::Channel => "channel",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Delivery;

    fn agreed(dialect: Dialect, is_map: bool) -> Agreed {
        let vocabulary = Vocabulary::of(dialect);
        Agreed {
            promises: Promises::of(&vocabulary, Delivery::Optimistic),
            vocabulary,
            dialect: (!is_map).then_some(dialect),
        }
    }

    fn told(agreed: &Agreed, heard: &Heard) -> String {
        agreed.mistake(heard, 40, 0).unwrap_or_default()
    }

    #[test]
    fn events_of_an_unknown_name_are_named_with_what_would_know_them() {
        let mut heard = Heard::default();
        for _ in 0..57 {
            let others = heard.part_mut(Kind::Channel, false);
            others.unknown("NEW_MESSAGE_RECEIVED_EVENT");
        }
        heard.part_mut(Kind::Channel, false).unknown("other");
        assert_eq!(
            told(&agreed(Dialect::Reference, false), &heard),
            "received 57 `NEW_MESSAGE_RECEIVED_EVENT`, which the map doesn't know; try `--dialect readme`"
        );
        assert_eq!(
            told(&agreed(Dialect::Reference, true), &heard),
            "received 57 `NEW_MESSAGE_RECEIVED_EVENT`, which the map doesn't know; try `received = \"NEW_MESSAGE_RECEIVED_EVENT\"` in [server.events.channel]"
        );
        // One delivery that is understood says that the map is right.
        heard.part_mut(Kind::Channel, false).understood = 1;
        heard.part_mut(Kind::Channel, true).understood = 1;
        let agreed = agreed(Dialect::Reference, false);
        assert_eq!(agreed.mistake(&heard, 40, 1), None);
    }

    #[test]
    fn a_senders_copy_by_another_event_is_told_from_none() {
        let mut heard = Heard::default();
        heard.part_mut(Kind::Room, false).understood = 9;
        assert_eq!(agreed(Dialect::Readme, false).mistake(&heard, 40, 1), None);
        let map = agreed(Dialect::Readme, true);
        assert!(told(&map, &heard).contains("this server doesn't echo: `echoes = false`"));
        heard.part_mut(Kind::Room, true).unknown("roomMessageSent");
        assert!(told(&map, &heard).contains("`sent = \"roomMessageSent\"`"));
        assert!(told(&agreed(Dialect::Readme, false), &heard).contains("`--dialect reference`"));
        heard.part_mut(Kind::Room, true).understood = 1;
        assert_eq!(map.mistake(&heard, 40, 1), None);
    }

    #[test]
    fn what_can_not_be_read_is_said_with_where_the_text_is() {
        let mut heard = Heard::default();
        let others = heard.part_mut(Kind::Room, false);
        let why = "a message without a body";
        others.unreadable("said", why, "lg1:7:", r#"{"msg":{"text":"lg1:7:1"}}"#);
        let map = agreed(Dialect::Readme, true);
        assert_eq!(
            told(&map, &heard),
            "received 1 `said` and could read none of them (a message without a body); the text is at `msg.text`: try `fields.body = \"msg.text\"` in [server.events]"
        );
        let mut heard = Heard::default();
        let others = heard.part_mut(Kind::Room, false);
        others.unreadable("said", why, "lg1:7:", r#"{"coded":"bGcx"}"#);
        assert!(told(&map, &heard).contains("`loadgen probe`"));
    }

    #[test]
    fn strangers_count_where_there_are_as_many_as_messages() {
        let map = agreed(Dialect::Readme, true);
        let mut heard = Heard::default();
        for _ in 0..20 {
            heard.stranger("crypted");
        }
        assert!(told(&map, &heard).contains("received 20 `crypted`"));
        assert_eq!(map.mistake(&heard, 41, 0), None);
        assert_eq!(map.mistake(&Heard::default(), 41, 0), None);
    }

    #[test]
    fn ends_by_an_unknown_event_and_answers_in_other_words_are_told() {
        let map = agreed(Dialect::Readme, true);
        let mut heard = Heard::default();
        for own in [true, false] {
            heard.part_mut(Kind::Room, own).understood = 9;
        }
        assert_eq!(map.mistake(&heard, 40, 0), None);
        for _ in 0..9 {
            heard.part_mut(Kind::Room, false).unknown("stored");
        }
        assert!(told(&map, &heard).contains("`confirmed = \"stored\"`"));
        assert_eq!(map.mistake(&heard, 40, 1), None);
        heard.unclear_answer("\"ok\"");
        let said = map.mistake(&heard, 40, 1).unwrap_or_default();
        assert!(said.contains("acknowledged with \"ok\""), "{said}");
        heard.clear_answers = 1;
        assert_eq!(map.mistake(&heard, 40, 1), None);
    }

    #[test]
    fn the_words_of_a_server_stay_in_their_line() {
        let mut heard = Heard::default();
        heard.part_mut(Kind::Room, false).unknown("a\n\u{1b}[2J");
        assert!(!told(&agreed(Dialect::Readme, true), &heard).contains(['\n', '\u{1b}']));
    }
}

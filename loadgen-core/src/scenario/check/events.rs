//! Checks of another server's own event names: every kind of conversation has them, and none means two things.

use super::Checker;
use crate::{
    model::{Answers, Kind, Names, Vocabulary},
    scenario::{
        Located, Population,
        event_map::{FileAnswers, FileEvents, FileNames},
        written::Placed,
    },
};

/// A kind of conversation's key in the event map, and the field that no server is asked for.
const ROOM: (&str, &str) = ("room", "roomId");
const CHANNEL: (&str, &str) = ("channel", "channelId");

impl Checker<'_> {
    pub(super) fn events(
        &self,
        events: Placed<FileEvents>,
        population: &Population,
    ) -> Result<Vocabulary, Located> {
        self.complete(&events, population)?;
        let events = events.value;
        self.distinct(&events)?;
        self.no_echo(&events)?;
        self.sent_fields_are_of_use(&events)?;
        self.acknowledgements_are_of_use(&events)?;
        self.told_apart(&events)?;
        let answers = self.answers(&events)?;
        let FileEvents {
            room,
            channel,
            fields,
            ..
        } = events;
        Ok(Vocabulary {
            room_shapes: self.shapes(ROOM, room.as_ref(), &fields)?,
            channel_shapes: self.shapes(CHANNEL, channel.as_ref(), &fields)?,
            room: names(room),
            channel: names(channel),
            acknowledges_joins: events.acknowledges_joins,
            acknowledges_messages: events.acknowledges_messages,
            answers,
            echoes: events.echoes,
            one_order: true,
            whole_contract: false,
        })
    }

    /// Conversations that there are have events.
    fn complete(
        &self,
        events: &Placed<FileEvents>,
        population: &Population,
    ) -> Result<(), Located> {
        let FileEvents { room, channel, .. } = &events.value;
        let kinds = [
            ("room", population.has(Kind::Room), room.is_some()),
            ("channel", population.has(Kind::Channel), channel.is_some()),
        ];
        kinds.into_iter().try_for_each(|(kind, has, there)| {
            self.demand(
                there || !has,
                &events.span,
                format!(
                    "the population has {kind}s, and [server.events.{kind}] is missing: {{ join, send, received, id_field }} and what else there is"
                ),
            )
        })
    }

    /// How an acknowledgement says yes, which two keys can say.
    fn answers(&self, events: &FileEvents) -> Result<Answers, Located> {
        let success = &events.fields.success;
        let answers = match (&events.answers, &events.answers_success) {
            (Some(_), Some(older)) => {
                return Err(self.wrong(
                    &older.span,
                    "`answers` says it already: leave `answers_success`, the older key, out",
                ));
            }
            (Some(answers), None) => answers.value,
            (None, Some(older)) if !older.value => FileAnswers::Any,
            (None, _) => FileAnswers::Success,
        };
        match (answers, success) {
            (FileAnswers::Success, None) => Ok(Answers::own()),
            (FileAnswers::Success, Some(path)) => {
                let path = path
                    .value
                    .parse()
                    .map_err(|error| self.wrong(&path.span, format!("{error}")))?;
                Ok(Answers::Success(path))
            }
            (_, Some(path)) => Err(self.wrong(
                &path.span,
                "`success` is looked for with `answers = \"success\"` alone: leave one of the two out",
            )),
            (FileAnswers::ErrorFirst, None) => Ok(Answers::ErrorFirst),
            (FileAnswers::Any, None) => Ok(Answers::Any),
        }
    }

    /// Without an echo there is no event for it.
    fn no_echo(&self, events: &FileEvents) -> Result<(), Located> {
        let sent = [&events.room, &events.channel]
            .into_iter()
            .flatten()
            .find_map(|names| names.value.sent.as_ref());
        match sent {
            Some(sent) if !events.echoes => Err(self.wrong(
                &sent.span,
                "`sent` is the sender's own copy, and `echoes = false` says that there is none: leave one of the two out",
            )),
            _ => Ok(()),
        }
    }

    /// Nothing is looked for in acknowledgements that never come.
    fn acknowledgements_are_of_use(&self, events: &FileEvents) -> Result<(), Located> {
        let kinds = [&events.room, &events.channel].into_iter().flatten();
        let of_kinds = kinds.filter_map(|names| names.value.fields.as_ref()?.acknowledged.as_ref());
        match of_kinds.chain(&events.fields.acknowledged).next() {
            Some(paths) if !events.acknowledges_messages => Err(self.wrong(
                &paths.span,
                "`acknowledges_messages = false` says that no message is acknowledged: leave one of the two out",
            )),
            _ => Ok(()),
        }
    }

    /// A server must see which of a join and a leave an event is.
    fn told_apart(&self, events: &FileEvents) -> Result<(), Located> {
        let mut kinds = [&events.room, &events.channel].into_iter().flatten();
        let same = kinds.find_map(|names| {
            let names = &names.value;
            let text = |text: &Option<Placed<String>>| text.as_ref().map(|text| text.value.clone());
            let payload = text(&names.leave_payload).or_else(|| text(&names.join_payload));
            let leave = names.leave.as_ref()?;
            let alike = text(&names.join).as_ref() == Some(&leave.value)
                && payload == text(&names.join_payload);
            alike.then_some(leave)
        });
        match same {
            Some(leave) => Err(self.wrong(
                &leave.span,
                format!(
                    "{:?} is the event of `join` already, with the same payload: say with `leave_payload` how the server tells them apart",
                    leave.value
                ),
            )),
            None => Ok(()),
        }
    }

    /// An event from the server must mean one thing, and every event has a name.
    fn distinct(&self, events: &FileEvents) -> Result<(), Located> {
        let kinds = || [&events.room, &events.channel].into_iter().flatten();
        let all: Vec<(&str, &Placed<String>)> = kinds()
            .flat_map(|names| {
                let names = &names.value;
                [
                    ("received", Some(&names.received)),
                    // A sender's own copy is a message too.
                    ("received", names.sent.as_ref()),
                    ("confirmed", names.confirmed.as_ref()),
                    ("failed", names.failed.as_ref()),
                    ("joined", names.joined.as_ref()),
                ]
            })
            .filter_map(|(meaning, name)| Some((meaning, name?)))
            .collect();
        for (index, (meaning, name)) in all.iter().enumerate() {
            let twice = all[..index]
                .iter()
                .find(|(other, earlier)| earlier.value == name.value && other != meaning);
            if let Some((other, _)) = twice {
                return Err(self.wrong(
                    &name.span,
                    format!(
                        "{:?} is the event of `{other}` already: one event can't mean two things",
                        name.value
                    ),
                ));
            }
        }
        let from_clients = kinds().flat_map(|names| {
            let FileNames {
                join, leave, send, ..
            } = &names.value;
            [join.as_ref(), leave.as_ref(), Some(send)]
        });
        let nameless = "an event has a name; leave out what there is not";
        all.into_iter()
            .map(|(_, name)| name)
            .chain(from_clients.flatten())
            .try_for_each(|name| self.demand(!name.value.is_empty(), &name.span, nameless))
    }
}

/// Names that no event has stand for a kind of conversation that there is not.
fn names(names: Option<Placed<FileNames>>) -> Names {
    let Some(names) = names else {
        return Names::default();
    };
    let names = names.value;
    let optional = |name: Option<Placed<String>>| name.map(|name| name.value);
    Names {
        join: optional(names.join),
        joined: optional(names.joined),
        leave: optional(names.leave),
        send: names.send.value,
        received: names.received.value,
        sent: optional(names.sent),
        confirmed: optional(names.confirmed),
        failed: optional(names.failed),
    }
}

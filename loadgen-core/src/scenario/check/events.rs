//! Checks of another server's own event names: every kind of conversation has them, and none means two things.

use super::Checker;
use crate::{
    model::{Fields, Names, Vocabulary},
    scenario::{
        Located, Population,
        file::{FileEvents, FileFields},
        written::Placed,
    },
};

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
        // Names that no event has stand for a kind of conversation that there is not.
        let names = |names: Option<Placed<Names<_>>>| {
            let names = names.map(|names| names.value.map(|name: Placed<String>| name.value));
            names.unwrap_or_default()
        };
        Ok(Vocabulary {
            room: names(events.room),
            channel: names(events.channel),
            fields: self.fields(events.fields)?,
            acknowledges_joins: events.acknowledges_joins,
            acknowledges_messages: events.acknowledges_messages,
            answers_success: events.answers_success,
            echoes: events.echoes,
        })
    }

    /// Conversations that there are have events.
    fn complete(
        &self,
        events: &Placed<FileEvents>,
        population: &Population,
    ) -> Result<(), Located> {
        let FileEvents { room, channel, .. } = &events.value;
        let channels = population.channels.iter().any(|group| group.count > 0);
        let kinds = [
            ("room", population.rooms > 0, room.is_some()),
            ("channel", channels, channel.is_some()),
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

    /// What clients send has plain fields, and the body has a name everywhere.
    fn fields(&self, fields: FileFields) -> Result<Fields, Located> {
        let sent = [
            ("sent_body", fields.sent_body.as_ref()),
            ("sender", Some(&fields.sender)),
        ];
        for (key, field) in sent {
            if let Some(field) = field.filter(|field| field.value.contains('.')) {
                let path = format!("`{key}` is a plain field, no path: clients send it");
                return Err(self.wrong(&field.span, path));
            }
        }
        for body in [Some(&fields.body), fields.sent_body.as_ref()] {
            let nameless = "the body has a name: the text says which message it is";
            if let Some(body) = body.filter(|body| body.value.is_empty()) {
                return Err(self.wrong(&body.span, nameless));
            }
        }
        let last_field = || fields.body.value.rsplit('.').next().map(str::to_owned);
        let sent_body = fields.sent_body.map(|field| field.value);
        Ok(Fields {
            id: fields.id,
            sent_body: sent_body.or_else(last_field).unwrap_or_default(),
            body: fields.body.value,
            temp_id: fields.temp_id,
            sender: fields.sender.value,
        })
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

    /// An event from the server must mean one thing.
    fn distinct(&self, events: &FileEvents) -> Result<(), Located> {
        let all: Vec<(&str, &Placed<String>)> = [&events.room, &events.channel]
            .into_iter()
            .flatten()
            .flat_map(|names| {
                let names = &names.value;
                [
                    ("received", Some(&names.received)),
                    // A sender's own copy is a message too.
                    ("received", names.sent.as_ref()),
                    ("confirmed", names.confirmed.as_ref()),
                    ("failed", names.failed.as_ref()),
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
        let nameless = "an event has a name; leave out what there is not";
        all.iter()
            .try_for_each(|(_, name)| self.demand(!name.value.is_empty(), &name.span, nameless))
    }
}

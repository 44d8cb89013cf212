//! Checks of what is sent to another server, and of where in what it sends things are.

use super::Checker;
use crate::{
    model::{Blank, Form, Path, Paths, Shapes},
    scenario::{
        Located,
        event_map::{FileEventPaths, FileEvents, FileFields, FileNames, FilePaths},
        written::Placed,
    },
};

impl Checker<'_> {
    /// The shapes of one kind of conversation; of one that there is not, the system's own.
    pub(super) fn shapes(
        &self,
        (kind, own_field): (&str, &str),
        names: Option<&Placed<FileNames>>,
        fields: &FileFields,
    ) -> Result<Shapes, Located> {
        let Some(names) = names else {
            return Ok(Shapes::of(own_field));
        };
        let paths = self.paths(names, fields)?;
        let (names, span) = (&names.value, &names.span);
        let id_field = names.id_field.as_ref().map(|field| field.value.as_str());
        let named = || {
            id_field.ok_or_else(|| {
                self.wrong(
                    span,
                    format!(
                        "[server.events.{kind}] has no `id_field`: say where the conversation's id is, or give all of `send_payload`, `join_payload` and `fields.conversation`"
                    ),
                )
            })
        };
        let join = match &names.join_payload {
            Some(form) => self.form(form, &Blank::OF_JOINS)?,
            None if names.join.is_none()
                && (names.leave.is_none() || names.leave_payload.is_some()) =>
            {
                Form::default()
            }
            None => Form::object(&[(named()?, Blank::Conversation)]),
        };
        let leave = match &names.leave_payload {
            Some(form) => self.form(form, &Blank::OF_JOINS)?,
            None => join.clone(),
        };
        self.is_of_use(names)?;
        let send = match &names.send_payload {
            Some(form) => self.message(form)?,
            None => Form::object(&self.sent_fields(named()?, fields, &paths)?),
        };
        Ok(Shapes {
            join,
            leave,
            send,
            ..paths
        })
    }

    /// What is sent without a name to send it by would never be.
    fn is_of_use(&self, names: &FileNames) -> Result<(), Located> {
        let pairs = [
            ("join_payload", &names.join_payload, "join", &names.join),
            ("leave_payload", &names.leave_payload, "leave", &names.leave),
        ];
        match pairs
            .into_iter()
            .find_map(|(key, payload, event, name)| match (payload, name) {
                (Some(payload), None) => Some((key, payload, event)),
                _ => None,
            }) {
            Some((key, payload, event)) => Err(self.wrong(
                &payload.span,
                format!("`{key}` is sent by the event `{event}`, and there is none: name it"),
            )),
            None => Ok(()),
        }
    }

    fn form(&self, form: &Placed<String>, blanks: &[Blank]) -> Result<Form, Located> {
        Form::parse(&form.value, blanks).map_err(|message| self.wrong(&form.span, message))
    }

    /// A message holds its text, whole: it says which message it is.
    fn message(&self, form: &Placed<String>) -> Result<Form, Located> {
        let read = self.form(form, &Blank::OF_MESSAGES)?;
        if !read.has_whole(Blank::Body) {
            return Err(self.wrong(
                &form.span,
                "a text of it is \"{body}\" and nothing else: that says which message it is",
            ));
        }
        Ok(read)
    }

    /// Fields of what is sent that no kind of conversation sends.
    pub(super) fn sent_fields_are_of_use(&self, events: &FileEvents) -> Result<(), Located> {
        let mut kinds = [&events.room, &events.channel].into_iter().flatten();
        if kinds.any(|names| names.value.send_payload.is_none()) {
            return Ok(());
        }
        let FileFields {
            sent_body, sender, ..
        } = &events.fields;
        let mut written = [("sent_body", sent_body), ("sender", sender)].into_iter();
        match written.find_map(|(key, field)| Some((key, field.as_ref()?))) {
            Some((key, field)) if !field.value.is_empty() => Err(self.wrong(
                &field.span,
                format!("`send_payload` says all that is sent: leave `{key}` out"),
            )),
            _ => Ok(()),
        }
    }

    /// What clients send has plain fields, and the body has a name everywhere.
    fn sent_fields<'a>(
        &self,
        id_field: &'a str,
        fields: &'a FileFields,
        paths: &'a Shapes,
    ) -> Result<Vec<(&'a str, Blank)>, Located> {
        for (key, field) in [("sent_body", &fields.sent_body), ("sender", &fields.sender)] {
            if let Some(field) = field.as_ref().filter(|field| field.value.contains('.')) {
                return Err(self.wrong(
                    &field.span,
                    format!(
                        "`{key}` is a plain field, no path: clients send it; `send_payload` can say any shape"
                    ),
                ));
            }
        }
        let body = match &fields.sent_body {
            Some(field) if field.value.is_empty() => return Err(self.nameless_body(field)),
            Some(field) => field.value.as_str(),
            None => {
                let last = paths.received.body.as_ref().and_then(Path::last_field);
                last.ok_or_else(|| {
                    let body = fields.body.as_ref();
                    let received = fields.received.as_ref().and_then(|own| own.body.as_ref());
                    let span = received.or(body).map_or(0..0, |body| body.span.clone());
                    self.wrong(
                        &span,
                        "this names no field: say with `sent_body` or `send_payload` where clients put the text",
                    )
                })?
            }
        };
        let sender = fields.sender.as_ref();
        let sender = sender.map_or("senderId", |field| field.value.as_str());
        let mut sent = vec![(id_field, Blank::Conversation)];
        if !sender.is_empty() {
            sent.push((sender, Blank::Id));
        }
        sent.push((body, Blank::Body));
        Ok(sent)
    }

    fn nameless_body(&self, body: &Placed<String>) -> Located {
        self.wrong(
            &body.span,
            "the body has a name: the text says which message it is",
        )
    }

    /// Where in each event things are: as the event of this kind says, else as the event says, else as the map says, else
    /// as the system's own have it.
    fn paths(&self, names: &Placed<FileNames>, fields: &FileFields) -> Result<Shapes, Located> {
        let names = &names.value;
        let id_field = names.id_field.as_ref();
        let general = FilePaths {
            id: fields.id.clone(),
            body: fields.body.clone(),
            temp_id: fields.temp_id.clone(),
            conversation: fields.conversation.clone(),
            from: fields.from.clone(),
        };
        let nowhere = FileEventPaths::default();
        let own = names.fields.as_ref().unwrap_or(&nowhere);
        let written = |of_kind: &[&Option<FilePaths>]| {
            let paths = of_kind.iter().filter_map(|paths| paths.as_ref());
            let event = paths.fold(FilePaths::default(), |all, paths| all.or(paths));
            event.or(&general)
        };
        let read = |paths: FilePaths| self.event_paths(paths, id_field);
        let FileFields {
            received,
            sent,
            confirmed,
            failed,
            joined,
            acknowledged,
            ..
        } = fields;
        let of_received = written(&[&own.received, received]);
        let of_sent = written(&[&own.sent, sent, &own.received, received]);
        let joined = read(written(&[&own.joined, joined]))?;
        Ok(Shapes {
            received: read(of_received)?,
            sent: read(of_sent)?,
            confirmed: read(written(&[&own.confirmed, confirmed]))?,
            failed: read(written(&[&own.failed, failed]))?,
            joined: joined.conversation,
            acknowledged: self.acknowledged_id([&own.acknowledged, acknowledged])?,
            ..Shapes::of("")
        })
    }

    /// Where in an acknowledgement the message's id is, as the first of these says that says anything.
    fn acknowledged_id(
        &self,
        written: [&Option<Placed<FilePaths>>; 2],
    ) -> Result<Option<Path>, Located> {
        let Some(Placed { value, span }) = written.into_iter().flatten().next() else {
            return Ok(None);
        };
        let FilePaths {
            id,
            body,
            temp_id,
            conversation,
            from,
        } = value;
        if let Some(other) = [body, temp_id, conversation, from]
            .into_iter()
            .flatten()
            .next()
        {
            let what = "in an acknowledgement `id` alone is looked for: leave this out";
            return Err(self.wrong(&other.span, what));
        }
        match id {
            None => Err(self.wrong(
                span,
                "say where the message's id is, as in { id = \"1.data._id\" }",
            )),
            Some(id) if id.value.is_empty() => Ok(None),
            Some(id) => self.place(id).map(Some),
        }
    }

    fn place(&self, path: &Placed<String>) -> Result<Path, Located> {
        let read = path.value.parse();
        read.map_err(|error| self.wrong(&path.span, format!("{error}")))
    }

    fn event_paths(
        &self,
        written: FilePaths,
        id_field: Option<&Placed<String>>,
    ) -> Result<Paths, Located> {
        if let Some(body) = written.body.as_ref().filter(|body| body.value.is_empty()) {
            return Err(self.nameless_body(body));
        }
        let default = |name: &str| Some(Path::new(0, vec![name.to_owned()]));
        let path = |path: Option<Placed<String>>, own: Option<Path>| match path {
            None => Ok(own),
            Some(path) if path.value.is_empty() => Ok(None),
            Some(path) => self.place(&path).map(Some),
        };
        Ok(Paths {
            id: path(written.id, default("_id"))?,
            body: path(written.body, default("body"))?,
            temp_id: path(written.temp_id, default("tempId"))?,
            conversation: path(written.conversation.or_else(|| id_field.cloned()), None)?,
            from: path(written.from, None)?,
        })
    }
}

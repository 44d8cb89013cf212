//! What is sent and where in what is received things stand, event by event, in one kind of conversation.

use serde_json::Value;

use super::{Blank, Form, Meaning, Path};

/// The shapes of all events about one kind of conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shapes {
    /// What is sent to join.
    pub join: Form,
    /// What is sent to leave.
    pub leave: Form,
    /// What is sent as a message.
    pub send: Form,
    /// Of a message that came.
    pub received: Paths,
    /// Of the sender's own copy, where it comes by another event.
    pub sent: Paths,
    /// Of a confirmation.
    pub confirmed: Paths,
    /// Of a failure.
    pub failed: Paths,
    /// The conversation, in the event that tells a user that it has joined; `None`: it does not say which.
    pub joined: Option<Path>,
    /// The message's id, in the acknowledgement of a message; `None`: it has none, or none that is compared.
    pub acknowledged: Option<Path>,
}

/// Where in an event things stand; `None`: nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paths {
    /// The message's id.
    pub id: Option<Path>,
    /// The text.
    pub body: Option<Path>,
    /// The temporary id, in a confirmation or a failure.
    pub temp_id: Option<Path>,
    /// The id of the conversation.
    pub conversation: Option<Path>,
    /// The id of the sender; `None`: nowhere, and not compared.
    pub from: Option<Path>,
}

impl Shapes {
    /// Of an object with the conversation's id in this field, and everything else where the system's own events have it.
    pub fn of(id_field: &str) -> Self {
        let field = |name: &str| Some(Path::new(0, vec![name.to_owned()]));
        let paths = Paths {
            id: field("_id"),
            body: field("body"),
            temp_id: field("tempId"),
            conversation: field(id_field),
            from: None,
        };
        let conversation = [(id_field, Blank::Conversation)];
        Self {
            join: Form::object(&conversation),
            leave: Form::object(&conversation),
            send: Form::object(&[
                (id_field, Blank::Conversation),
                ("senderId", Blank::Id),
                ("body", Blank::Body),
            ]),
            received: paths.clone(),
            sent: paths.clone(),
            confirmed: paths.clone(),
            failed: paths,
            joined: field(id_field),
            acknowledged: None,
        }
    }

    /// Whether what comes has its parts where they are in the other.
    pub fn is_read_as(&self, other: &Self) -> bool {
        let read = |shapes: &Self| {
            let Self {
                received,
                sent,
                confirmed,
                failed,
                ..
            } = shapes;
            [received, sent, confirmed, failed].map(Clone::clone)
        };
        read(self) == read(other)
    }

    /// Where things stand in an event of this meaning; `own`: in the one for the sender alone.
    pub fn paths(&self, meaning: Meaning, own: bool) -> &Paths {
        match meaning {
            Meaning::Received if own => &self.sent,
            Meaning::Received => &self.received,
            Meaning::Confirmed => &self.confirmed,
            Meaning::Failed => &self.failed,
        }
    }
}

/// How an acknowledgement says that what was asked for is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answers {
    /// By being there.
    Any,
    /// As Node's callbacks have it: the first argument is an error, and nothing where there is none.
    ErrorFirst,
    /// By `true` at a path.
    Success(Path),
}

/// What an acknowledgement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// It is refused.
    Refused,
    /// Neither: what would say it is not there.
    Unclear,
}

impl Answers {
    /// The system's own: `{ success: true }`.
    pub fn own() -> Self {
        Answers::Success(Path::new(0, vec!["success".to_owned()]))
    }

    /// What an acknowledgement of these arguments says.
    pub fn read(&self, arguments: &[Value]) -> Answer {
        match self {
            Answers::Any => Answer::Done,
            Answers::ErrorFirst => match arguments.first() {
                None | Some(Value::Null | Value::Bool(false)) => Answer::Done,
                Some(_) => Answer::Refused,
            },
            Answers::Success(path) => match path.find(arguments) {
                Some(Value::Bool(true)) => Answer::Done,
                Some(Value::Bool(false)) => Answer::Refused,
                _ => Answer::Unclear,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::path::arguments;

    #[test]
    fn an_acknowledgement_says_yes_no_or_nothing() {
        let own = Answers::own();
        let deep = Answers::Success("1.status.ok".parse().unwrap());
        for (answers, payload, answer) in [
            (&own, r#"{"success":true}"#, Answer::Done),
            (&own, r#"{ "at":7,"success" : true },"more""#, Answer::Done),
            (&own, r#"{"success":false}"#, Answer::Refused),
            (&own, r#""ok""#, Answer::Unclear),
            (&own, "true", Answer::Unclear),
            (&own, "", Answer::Unclear),
            (&own, r#"null,{"success":true}"#, Answer::Unclear),
            (&Answers::Any, "", Answer::Done),
            (&Answers::Any, r#"{"success":false}"#, Answer::Done),
            (&Answers::ErrorFirst, "", Answer::Done),
            (&Answers::ErrorFirst, r#"null,{"id":1}"#, Answer::Done),
            (&Answers::ErrorFirst, r#"false,{"id":1}"#, Answer::Done),
            (&Answers::ErrorFirst, r#""no room""#, Answer::Refused),
            (&Answers::ErrorFirst, r#"{"message":"no"}"#, Answer::Refused),
            (&deep, r#"0,{"status":{"ok":true}}"#, Answer::Done),
            (&deep, r#"0,{"status":{"ok":1}}"#, Answer::Unclear),
        ] {
            let read = answers.read(&arguments(payload).unwrap());
            assert_eq!(read, answer, "{answers:?}: {payload}");
        }
    }
}

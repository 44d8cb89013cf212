//! The names of the events that are sent and expected: written from the contract, independently of the server's code.

use crate::{plan::Kind, scenario::Dialect};

/// The names of one dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    room: Names,
    channel: Names,
}

/// The names of one kind of conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Client to server: join.
    pub join: String,
    /// Client to server: send a message.
    pub send: String,
    /// Server to client: the message is here.
    pub received: String,
    /// Server to the sender, where it gets another event than the others.
    pub sent: Option<String>,
    /// Server to client: the message is stored.
    pub confirmed: String,
    /// Server to client: the message could not be stored.
    pub failed: String,
    /// The field of a payload that holds the conversation's id.
    pub id_field: String,
}

/// What an event from the server means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A message, or the sender's own copy of it.
    Received,
    /// A message is stored.
    Confirmed,
    /// A message could not be stored.
    Failed,
}

impl Vocabulary {
    /// The names of a dialect.
    pub fn of(dialect: Dialect) -> Self {
        let readme = dialect == Dialect::Readme;
        let either = |documented: &str, running: &str| {
            String::from(if readme { documented } else { running })
        };
        Self {
            room: Names {
                join: "joinRoom".into(),
                send: "roomMessage".into(),
                received: "roomMessageRecieved".into(),
                sent: (!readme).then(|| "roomMessageSent".into()),
                confirmed: "roomMessageConfirmed".into(),
                failed: "roomMessageFailed".into(),
                id_field: "roomId".into(),
            },
            channel: Names {
                join: either("JOIN_CHANNEL", "JoinChannel"),
                send: either("NEW_MESSAGE_EVENT", "NewMessage"),
                received: either("NEW_MESSAGE_RECEIVED_EVENT", "NewMessageReceived"),
                sent: (!readme).then(|| "channelMessageSent".into()),
                confirmed: "channelMessageConfirmed".into(),
                failed: "channelMessageFailed".into(),
                id_field: "channelId".into(),
            },
        }
    }

    /// The names for one kind of conversation.
    pub fn names(&self, kind: Kind) -> &Names {
        match kind {
            Kind::Room => &self.room,
            Kind::Channel => &self.channel,
        }
    }

    /// What an event of this name means; `None` for an event that says nothing about messages.
    pub fn meaning(&self, event: &str) -> Option<(Kind, Meaning)> {
        [Kind::Room, Kind::Channel]
            .into_iter()
            .find_map(|kind| Some((kind, self.names(kind).meaning(event)?)))
    }
}

impl Names {
    fn meaning(&self, event: &str) -> Option<Meaning> {
        if event == self.received || Some(event) == self.sent.as_deref() {
            Some(Meaning::Received)
        } else if event == self.confirmed {
            Some(Meaning::Confirmed)
        } else if event == self.failed {
            Some(Meaning::Failed)
        } else {
            None
        }
    }
}

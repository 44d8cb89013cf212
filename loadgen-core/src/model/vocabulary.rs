//! The names of the events that are sent and expected: written from the contract, independently of the server's code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::named::named;

/// All names that a server speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// For rooms of two.
    pub room: Names,
    /// For channels.
    pub channel: Names,
    /// Where in a payload things are.
    pub fields: Fields,
    /// Whether a join (and a leave) is acknowledged; if not, it counts as done when it is sent.
    pub acknowledges_joins: bool,
    /// Whether a message is acknowledged to its sender.
    pub acknowledges_messages: bool,
    /// Whether an acknowledgement says `success: true` or `false`; if not, any acknowledgement is a success.
    pub answers_success: bool,
    /// Whether the sender gets a copy of its own message, by `received` or by `sent`.
    pub echoes: bool,
}

/// Where in a payload things are: a field, or a path of fields with dots (`message.text`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// The message's id, in what the server sends; may be missing.
    pub id: String,
    /// The text, in what the server sends.
    pub body: String,
    /// The text, in what clients send; a plain field, no path.
    pub sent_body: String,
    /// The temporary id, in a confirmation or a failure.
    pub temp_id: String,
    /// The sender, in what clients send; empty: not sent.
    pub sender: String,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            id: "_id".into(),
            body: "body".into(),
            sent_body: "body".into(),
            temp_id: "tempId".into(),
            sender: "senderId".into(),
        }
    }
}

/// The events of one kind of conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Names<T = String> {
    /// Client to server: join.
    pub join: T,
    /// Client to server: leave. Without it nobody can leave.
    pub leave: Option<T>,
    /// Client to server: send a message.
    pub send: T,
    /// Server to client: the message is here.
    pub received: T,
    /// Server to the sender, where it gets another event than the others.
    pub sent: Option<T>,
    /// Server to client: the message is stored. Without it nobody is told.
    pub confirmed: Option<T>,
    /// Server to client: the message could not be stored. Without it nobody is told.
    pub failed: Option<T>,
    /// The field of a payload that holds the conversation's id.
    pub id_field: T,
}

named! {
    /// The names that a server speaks (`docs/SOCKET_EVENTS.md`).
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[derive(JsonSchema, clap::ValueEnum)]
    #[serde(rename_all = "kebab-case")]
    pub enum Dialect;
    /// Its name on the command line and in files.
    pub name: &'static str;

    /// As the documentation of the system writes them; the sender gets the delivery too.
    #[default]
    Readme => "readme",
    /// As the running service has them; the sender gets a `…Sent` event instead.
    Reference => "reference",
}

/// Room of two or channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A room of two.
    Room,
    /// A channel of any size.
    Channel,
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
                leave: Some("leaveRoom".into()),
                send: "roomMessage".into(),
                received: "roomMessageRecieved".into(),
                sent: (!readme).then(|| "roomMessageSent".into()),
                confirmed: Some("roomMessageConfirmed".into()),
                failed: Some("roomMessageFailed".into()),
                id_field: "roomId".into(),
            },
            channel: Names {
                join: either("JOIN_CHANNEL", "JoinChannel"),
                leave: Some(either("leaveChannel", "LeaveChannel")),
                send: either("NEW_MESSAGE_EVENT", "NewMessage"),
                received: either("NEW_MESSAGE_RECEIVED_EVENT", "NewMessageReceived"),
                sent: (!readme).then(|| "channelMessageSent".into()),
                confirmed: Some("channelMessageConfirmed".into()),
                failed: Some("channelMessageFailed".into()),
                id_field: "channelId".into(),
            },
            fields: Fields::default(),
            acknowledges_joins: true,
            acknowledges_messages: true,
            answers_success: true,
            echoes: true,
        }
    }

    /// Whether payloads have their parts elsewhere than the system's own have.
    pub fn is_mapped(&self) -> bool {
        self.fields != Fields::default()
            || self.room.id_field != "roomId"
            || self.channel.id_field != "channelId"
    }

    /// Whether each message ends in Confirmed or Failed.
    pub fn has_ends(&self) -> bool {
        self.room.confirmed.is_some() || self.channel.confirmed.is_some()
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

impl<T> Names<T> {
    /// The same names as something else.
    pub fn map<U>(self, each: impl Fn(T) -> U) -> Names<U> {
        Names {
            join: each(self.join),
            leave: self.leave.map(&each),
            send: each(self.send),
            received: each(self.received),
            sent: self.sent.map(&each),
            confirmed: self.confirmed.map(&each),
            failed: self.failed.map(&each),
            id_field: each(self.id_field),
        }
    }
}

impl Names {
    fn meaning(&self, event: &str) -> Option<Meaning> {
        if event == self.received || Some(event) == self.sent.as_deref() {
            Some(Meaning::Received)
        } else if Some(event) == self.confirmed.as_deref() {
            Some(Meaning::Confirmed)
        } else if Some(event) == self.failed.as_deref() {
            Some(Meaning::Failed)
        } else {
            None
        }
    }
}

named! {
    /// When a message is delivered.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[derive(JsonSchema, clap::ValueEnum)]
    #[serde(rename_all = "kebab-case")]
    pub enum Delivery;
    /// Its name on the command line and in files.
    pub name: &'static str;

    /// At once under a temporary id, saved in the background, then confirmed or failed.
    #[default]
    Optimistic => "optimistic",
    /// Saved and read back first: the system before.
    PersistFirst => "persist-first",
}

impl Delivery {
    /// The first of these that was there before. The runs of one scenario are told apart by their delivery.
    pub fn repeated(modes: &[Delivery]) -> Option<Delivery> {
        let again = modes.iter().enumerate();
        again
            .map(|(index, mode)| (&modes[..index], *mode))
            .find_map(|(before, mode)| before.contains(&mode).then_some(mode))
    }
}

//! The names of the events that are sent and expected: written from the contract, independently of the server's code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answers, Paths, Shapes, named::named};

/// All names that a server speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// For rooms of two.
    pub room: Names,
    /// For channels.
    pub channel: Names,
    /// What is sent to rooms of two, and where in what comes things are.
    pub room_shapes: Shapes,
    /// The same of channels.
    pub channel_shapes: Shapes,
    /// Whether a join (and a leave) is acknowledged; if not, it counts as done when it is sent.
    pub acknowledges_joins: bool,
    /// Whether a message is acknowledged to its sender.
    pub acknowledges_messages: bool,
    /// How an acknowledgement says yes.
    pub answers: Answers,
    /// Whether the sender gets a copy of its own message, by `received` or by `sent`.
    pub echoes: bool,
    /// Whether all members of a conversation see its messages in one order. Where several processes deliver, nobody may
    /// promise that; what one sender sends is in order all the same.
    pub one_order: bool,
    /// Whether it promises all that the system's contract says, as a dialect does, and not only what its names say: every
    /// message has an id and its sender's, and an acknowledgement comes after the save.
    pub whole_contract: bool,
}

/// The names of one kind of conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Client to server: join; `None`: the server puts its users into their conversations by itself.
    pub join: Option<String>,
    /// Server to client: the join is done; `None`: an acknowledgement says so, or nothing does.
    pub joined: Option<String>,
    /// Client to server: leave; `None`: nobody can.
    pub leave: Option<String>,
    /// Client to server: send a message.
    pub send: String,
    /// Server to client: the message is here.
    pub received: String,
    /// Server to the sender, where it gets another event than the others.
    pub sent: Option<String>,
    /// Server to client: the message is stored; `None`: nobody is told.
    pub confirmed: Option<String>,
    /// Server to client: the message could not be stored; `None`: nobody is told.
    pub failed: Option<String>,
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
                join: Some("joinRoom".into()),
                joined: None,
                leave: Some("leaveRoom".into()),
                send: "roomMessage".into(),
                received: "roomMessageRecieved".into(),
                sent: (!readme).then(|| "roomMessageSent".into()),
                confirmed: Some("roomMessageConfirmed".into()),
                failed: Some("roomMessageFailed".into()),
            },
            channel: Names {
                join: Some(either("JOIN_CHANNEL", "JoinChannel")),
                joined: None,
                leave: Some(either("leaveChannel", "LeaveChannel")),
                send: either("NEW_MESSAGE_EVENT", "NewMessage"),
                received: either("NEW_MESSAGE_RECEIVED_EVENT", "NewMessageReceived"),
                sent: (!readme).then(|| "channelMessageSent".into()),
                confirmed: Some("channelMessageConfirmed".into()),
                failed: Some("channelMessageFailed".into()),
            },
            room_shapes: Shapes::of("roomId"),
            channel_shapes: Shapes::of("channelId"),
            acknowledges_joins: true,
            acknowledges_messages: true,
            answers: Answers::own(),
            echoes: true,
            one_order: true,
            whole_contract: true,
        }
    }

    /// Whether payloads have their parts elsewhere than the system's own have.
    pub fn is_mapped(&self) -> bool {
        let own = Self::of(Dialect::Readme);
        !self.room_shapes.is_read_as(&own.room_shapes)
            || !self.channel_shapes.is_read_as(&own.channel_shapes)
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

    /// What is sent to one kind of conversation, and where in what comes things are.
    pub fn shapes(&self, kind: Kind) -> &Shapes {
        match kind {
            Kind::Room => &self.room_shapes,
            Kind::Channel => &self.channel_shapes,
        }
    }

    /// Whether a join is answered, by an acknowledgement or by an event.
    pub fn answers_joins(&self, kind: Kind) -> bool {
        let names = self.names(kind);
        names.joined.is_some() || self.acknowledges_joins && names.join.is_some()
    }

    /// What an event of this name means; `None` for an event that says nothing about messages. Of the kinds of conversation
    /// that share the name it is the first: [`Vocabulary::readings`] has all.
    pub fn meaning(&self, event: &str) -> Option<(Kind, Meaning)> {
        [Kind::Room, Kind::Channel]
            .into_iter()
            .find_map(|kind| Some((kind, self.names(kind).meaning(event)?)))
    }

    /// All that an event of this name can be: rooms and channels may share it, and a sender's own copy may have the name of
    /// the others'. The message itself says which it is.
    pub fn readings<'a>(&'a self, event: &'a str) -> impl Iterator<Item = Reading<'a>> {
        [Kind::Room, Kind::Channel]
            .into_iter()
            .flat_map(move |kind| {
                let names = self.names(kind);
                let meaning = names.meaning(event);
                let own = names.sent.as_deref() == Some(event);
                let others = event == names.received || !own;
                let read = move |meaning, own| Reading {
                    kind,
                    own: (meaning == Meaning::Received && names.sent.is_some()).then_some(own),
                    paths: self.shapes(kind).paths(meaning, own),
                };
                let by = [others.then_some(false), own.then_some(true)];
                let by = by.into_iter().flatten();
                meaning
                    .into_iter()
                    .flat_map(move |meaning| by.clone().map(move |own| read(meaning, own)))
            })
    }
}

/// One of the things that an event can be.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// Of messages in such a conversation.
    pub kind: Kind,
    /// Whether it is for the sender alone, or for all others; `None`: for all of them.
    pub own: Option<bool>,
    /// Where in it things stand.
    pub paths: &'a Paths,
}

impl Names {
    /// Whether this is the event that tells a member that; `own`: of the message that it sent itself.
    pub fn tells(&self, event: &str, meaning: Meaning, own: bool) -> bool {
        let name = match (meaning, &self.sent) {
            (Meaning::Received, Some(sent)) if own => Some(sent),
            (Meaning::Received, _) => Some(&self.received),
            (Meaning::Confirmed, _) => self.confirmed.as_ref(),
            (Meaning::Failed, _) => self.failed.as_ref(),
        };
        name.is_some_and(|name| name == event)
    }

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

named! {
    /// Which order several servers promise that are one chat.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[derive(JsonSchema, clap::ValueEnum)]
    #[serde(rename_all = "kebab-case")]
    pub enum BusMode;
    /// Its name on the command line and in files.
    pub name: &'static str;

    /// Members on the sender's server wait for nothing; each sender's messages are in one order everywhere.
    #[default]
    LocalFirst => "local-first",
    /// All members of a conversation see one order.
    Ordered => "ordered",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_events_name_fits_the_kind_of_conversation_and_the_receivers_role() {
        let reference = Vocabulary::of(Dialect::Reference);
        let (room, channel) = (&reference.room, &reference.channel);
        assert!(room.tells("roomMessageSent", Meaning::Received, true));
        assert!(!room.tells("roomMessageSent", Meaning::Received, false));
        assert!(!room.tells("roomMessageRecieved", Meaning::Received, true));
        assert!(channel.tells("NewMessageReceived", Meaning::Received, false));
        assert!(!channel.tells("roomMessageFailed", Meaning::Failed, false));
        let readme = Vocabulary::of(Dialect::Readme);
        for own in [true, false] {
            assert!(
                readme
                    .room
                    .tells("roomMessageRecieved", Meaning::Received, own)
            );
            assert!(!readme.room.tells("roomMessageSent", Meaning::Received, own));
        }
    }
}

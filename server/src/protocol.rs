//! The vocabulary of the wire: dialects, event names, and what a client is told when it is refused.

pub mod inbound;
pub mod outbound;

use std::borrow::Cow;

use crate::message::Kind;

/// Which names the server speaks outbound. Inbound it understands both, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// The documentation's names; the sender gets the optimistic delivery like everybody else.
    #[default]
    Readme,
    /// The running service's names; the sender gets `roomMessageSent` or `channelMessageSent` instead.
    Reference,
}

/// What a client can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Request {
    /// Enter a conversation.
    Join(Kind),
    /// Leave a conversation.
    Leave(Kind),
    /// Send a message to a conversation.
    Send(Kind),
}

/// Every inbound event name of both dialects and what it asks for.
pub const INBOUND: [(&str, Request); 9] = [
    ("joinRoom", Request::Join(Kind::Room)),
    ("leaveRoom", Request::Leave(Kind::Room)),
    ("roomMessage", Request::Send(Kind::Room)),
    ("JOIN_CHANNEL", Request::Join(Kind::Channel)),
    ("JoinChannel", Request::Join(Kind::Channel)),
    ("leaveChannel", Request::Leave(Kind::Channel)),
    ("LeaveChannel", Request::Leave(Kind::Channel)),
    ("NEW_MESSAGE_EVENT", Request::Send(Kind::Channel)),
    ("NewMessage", Request::Send(Kind::Channel)),
];

/// To the new socket after a second login.
pub const RECONNECTED: &str = "reconnected";
/// To the old socket after a second login.
pub const LOGGED_IN_ELSEWHERE: &str = "accountLoggedInElsewhere";
/// To the new socket after a second login, naming the old one.
pub const ALREADY_LOGGED_IN: &str = "accountAlreadyLoggedIn";

/// To the members of a room or channel: messages of users on other servers may be missing there, so read them from
/// where they are stored.
pub const MISSED: &str = "messagesMissed";

impl Dialect {
    /// The event that delivers a message to the members.
    #[must_use]
    pub const fn received(self, kind: Kind) -> &'static str {
        match (kind, self) {
            (Kind::Room, _) => "roomMessageRecieved",
            (Kind::Channel, Self::Readme) => "NEW_MESSAGE_RECEIVED_EVENT",
            (Kind::Channel, Self::Reference) => "NewMessageReceived",
        }
    }

    /// The event by which the sender gets the message at once, where that is not the delivery itself.
    #[must_use]
    pub const fn sent(self, kind: Kind) -> Option<&'static str> {
        match (self, kind) {
            (Self::Readme, _) => None,
            (Self::Reference, Kind::Room) => Some("roomMessageSent"),
            (Self::Reference, Kind::Channel) => Some("channelMessageSent"),
        }
    }
}

impl Kind {
    /// `room` or `channel`.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::Channel => "channel",
        }
    }

    /// The payload field with the conversation's id.
    #[must_use]
    pub const fn id_field(self) -> &'static str {
        match self {
            Self::Room => "roomId",
            Self::Channel => "channelId",
        }
    }

    /// The event that says a message is stored.
    #[must_use]
    pub const fn confirmed(self) -> &'static str {
        match self {
            Self::Room => "roomMessageConfirmed",
            Self::Channel => "channelMessageConfirmed",
        }
    }

    /// The event that says a message is not stored.
    #[must_use]
    pub const fn failed(self) -> &'static str {
        match self {
            Self::Room => "roomMessageFailed",
            Self::Channel => "channelMessageFailed",
        }
    }

    /// How the log lines about a message begin.
    #[must_use]
    pub const fn log_tag(self) -> &'static str {
        match self {
            Self::Room => "[RoomMessage]",
            Self::Channel => "[ChannelMessage]",
        }
    }
}

/// Why a client's event was not carried out. Shown to the client and counted by [`Refusal::name`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The payload is no JSON object.
    NotAnObject(Kind),
    /// A required field is missing or empty.
    Missing(&'static str),
    /// A field has the wrong type or size.
    Invalid {
        /// The name of the field that has the wrong type or size.
        field: &'static str,
        /// What would be right.
        expected: Cow<'static, str>,
    },
    /// The sender named is not the user of the token.
    InvalidSender,
    /// The login is not complete, or is over.
    NotConnected,
    /// Joining first is mandatory.
    NotJoined(Kind),
    /// The user is in as many conversations as one user may be.
    TooManyConversations,
    /// More events than this socket may send.
    TooManyEvents,
    /// The user has logged in again with another socket.
    LoggedInElsewhere,
    /// The server has been told to stop.
    ShuttingDown,
    /// One order for the users of all servers is promised, and what gives it does not answer.
    NoOrder,
    /// No such event in either dialect.
    UnknownEvent,
}

impl Refusal {
    /// The name under which it is counted.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotAnObject(_) => "not_an_object",
            Self::Missing(_) => "missing_field",
            Self::Invalid { .. } => "invalid_field",
            Self::InvalidSender => "invalid_sender",
            Self::NotConnected => "not_connected",
            Self::NotJoined(_) => "not_joined",
            Self::TooManyConversations => "too_many_conversations",
            Self::TooManyEvents => "too_many_events",
            Self::LoggedInElsewhere => "logged_in_elsewhere",
            Self::ShuttingDown => "shutting_down",
            Self::NoOrder => "no_order",
            Self::UnknownEvent => "unknown_event",
        }
    }

    /// What the client is told.
    #[must_use]
    pub fn message(&self) -> Cow<'static, str> {
        match self {
            Self::NotAnObject(kind) => format!(
                "Invalid data format. Expected JSON object with {}",
                kind.id_field()
            )
            .into(),
            Self::Missing(field) => format!("{field} is required").into(),
            Self::Invalid { field, expected } => {
                format!("Invalid {field}: expected {expected}").into()
            }
            Self::InvalidSender => "Invalid senderId".into(),
            Self::NotConnected => "Not connected".into(),
            Self::NotJoined(kind) => format!("Join the {} before sending", kind.noun()).into(),
            Self::TooManyConversations => "Too many rooms joined".into(),
            Self::TooManyEvents => "Too many events".into(),
            Self::LoggedInElsewhere => "Account logged in elsewhere".into(),
            Self::ShuttingDown => "Server is shutting down".into(),
            Self::NoOrder => "Other servers can't be reached".into(),
            Self::UnknownEvent => "Unknown event".into(),
        }
    }
}

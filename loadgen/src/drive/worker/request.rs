//! Joins and leaves as they are asked for, and why one was not granted.

use std::time::Duration;

use server::telemetry::log::escaped;

use crate::{
    drive::ConnectError,
    model::{Kind, Nanos},
};

/// Of what a server answers, as much is quoted.
const QUOTED: usize = 200;

/// Joins and leaves that were asked for and not yet answered.
#[derive(Default)]
pub(super) struct Requests {
    pub(super) open: Vec<Request>,
    pub(super) refused: Option<JoinError>,
}

#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) asked: Nanos,
    pub(super) what: Asked,
    pub(super) kind: Kind,
    pub(super) answered: AnsweredBy,
    /// Before the schedule, when everybody who will be there is awaited: nobody needs to know since when.
    pub(super) logged: bool,
}

/// What says that a join or a leave is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnsweredBy {
    /// The acknowledgement of this id.
    Ack(u64),
    /// The event that the map names.
    Event,
    /// Nothing: it is done some time later.
    Nothing,
}

#[derive(Clone, Copy)]
pub(super) enum Asked {
    Join(u32),
    Leave(u32),
}

impl Asked {
    pub(super) const fn place(self) -> u32 {
        let (Asked::Join(place) | Asked::Leave(place)) = self;
        place
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Asked::Join(_) => "join",
            Asked::Leave(_) => "leave",
        }
    }
}

/// Why a user that is connected has not joined, or not left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// Nothing said that it is done.
    #[error(
        "its {what} (`{event}`) was not answered within {} s: does the server know that event, and {}", .patience.as_secs(), missing(.by)
    )]
    Silent {
        /// "join" or "leave".
        what: &'static str,
        /// The event by which it was asked for; empty where the server joins its users itself.
        event: String,
        /// The event that would have answered, where an event does.
        by: Option<String>,
        /// How long it was waited for.
        patience: Duration,
    },
    /// The server said no.
    #[error("its {what} (`{event}`) was refused: {}", escaped(.answer))]
    Refused {
        /// "join" or "leave".
        what: &'static str,
        /// The event by which it was asked for.
        event: String,
        /// What the server answered.
        answer: String,
    },
    /// The server answered, and neither yes nor no.
    #[error(
        "its {what} (`{event}`) was answered with {}, which says neither yes nor no: say with `answers = \"any\"`, `answers = \"error-first\"` or `fields.success` in [server.events] how this server says yes", escaped(.answer)
    )]
    Unclear {
        /// "join" or "leave".
        what: &'static str,
        /// The event by which it was asked for.
        event: String,
        /// What the server answered.
        answer: String,
    },
    /// The connection ended meanwhile.
    #[error("its connection ended while it joined: {0}")]
    Gone(String),
}

impl JoinError {
    /// An answer that is no yes.
    pub(super) fn answered(what: Asked, event: &str, answer: &str, refused: bool) -> Self {
        let (what, event) = (what.name(), event.to_owned());
        let answer = match answer {
            "" => "nothing".to_owned(),
            answer => answer[..answer.floor_char_boundary(QUOTED)].to_owned(),
        };
        match refused {
            true => JoinError::Refused {
                what,
                event,
                answer,
            },
            false => JoinError::Unclear {
                what,
                event,
                answer,
            },
        }
    }

    /// Whether it may be the event map's mistake and not the server's.
    pub const fn may_be_the_map(&self) -> bool {
        matches!(self, JoinError::Silent { .. } | JoinError::Unclear { .. })
    }
}

/// What would be right where nothing answered a join.
fn missing(by: &Option<String>) -> String {
    match by {
        Some(event) => format!("does it answer it by `{event}` (`joined` in [server.events])?"),
        None => "does it acknowledge it? If not: `acknowledges_joins = false` in [server.events]"
            .to_owned(),
    }
}

/// Why a user is not where it should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotThere {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Join(#[from] JoinError),
}

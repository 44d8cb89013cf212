//! The state as people read it, a bounded piece at a time: in `/debug/sockets?verbose` and in the log.

use std::{fmt, ops::Bound, str::FromStr, sync::Arc};

use super::{SocketId, SocketManager, Stats, User};
use crate::message::{Conversation, Kind};

/// Names in one slice, and in one line of it, at most: what bounds the time that the state is locked for it.
pub const SLICE_NAMES: usize = 1000;
/// Bytes of names in one line at most.
const LINE_TEXT: usize = 64 * 1024;

/// A place in the list of all users by id, then all rooms, then all channels. As text: `user:<id>`, `room:<id>` or
/// `channel:<id>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// At this user.
    User(String),
    /// At this room or channel.
    Conversation(Conversation),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Conversation(Conversation { kind, id }) => write!(f, "{}:{id}", kind.noun()),
        }
    }
}

/// A text that is no [`Place`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `user:`, `room:` or `channel:` and an id")]
pub struct PlaceError;

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let (noun, id) = text.split_once(':').ok_or(PlaceError)?;
        let id = id.to_owned();
        match noun {
            "user" => Ok(Self::User(id)),
            "room" | "channel" => {
                let kind = if noun == "room" {
                    Kind::Room
                } else {
                    Kind::Channel
                };
                Ok(Self::Conversation(Conversation { kind, id }))
            }
            _ => Err(PlaceError),
        }
    }
}

/// One user or one conversation, as cheaply as it can be taken out of the locked state.
#[derive(Debug, Clone)]
pub struct Entry(Inner);

#[derive(Debug, Clone)]
enum Inner {
    User {
        user: Arc<User>,
        socket_id: SocketId,
        conversations: Vec<Arc<Conversation>>,
        more: usize,
    },
    Conversation {
        conversation: Arc<Conversation>,
        users: Vec<Arc<str>>,
        more: usize,
    },
}

/// One line for people to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A connected user.
    User(UserLine),
    /// A room or channel.
    Room(RoomLine),
}

/// One connected user.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserLine {
    /// The user id.
    pub user_id: String,
    /// The name from the token, if it had one.
    pub username: Option<String>,
    /// The live socket's public id.
    pub socket_id: String,
    /// Ids of the rooms the user is in.
    pub rooms: Vec<String>,
    /// Ids of the channels the user is in.
    pub channels: Vec<String>,
    /// Rooms and channels that are not named, so that the line stays short.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
}

/// One room or channel.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RoomLine {
    /// `room` or `channel`.
    pub kind: &'static str,
    /// The id of the room or channel.
    pub id: String,
    /// The ids of its connected users.
    pub users: Vec<String>,
    /// Users that are not named, so that the line stays short.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl<H: Clone> SocketManager<H> {
    /// The next entries after a place, or the first ones: at least one if there is any, and no more than
    /// [`SLICE_NAMES`] with the names in them, but for the last one. So it takes a bounded time, however much there is.
    #[must_use]
    pub fn slice(&self, after: Option<&Place>) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut names = 0;
        let users = match after {
            None => Some(Bound::Unbounded),
            Some(Place::User(id)) => Some(Bound::Excluded(id.as_str())),
            Some(Place::Conversation(_)) => None,
        };
        let users = users.map(|from| self.user_order.range::<str, _>((from, Bound::Unbounded)));
        let from = match after {
            Some(Place::Conversation(conversation)) => Bound::Excluded(conversation),
            _ => Bound::Unbounded,
        };
        let conversations = self
            .conversation_order
            .range::<Conversation, _>((from, Bound::Unbounded));
        let all = users
            .into_iter()
            .flatten()
            .filter_map(|id| self.user_entry(id))
            .chain(conversations.filter_map(|conversation| self.room_entry(conversation)));
        for entry in all {
            names += entry.cost();
            entries.push(entry);
            if names >= SLICE_NAMES {
                break;
            }
        }
        entries
    }

    /// The whole state as text, one line a user and one line a room.
    #[must_use]
    pub fn print_state(&self) -> String {
        let mut text = self.stats().to_string();
        let mut slice = self.slice(None);
        while let Some(last) = slice.last().map(Entry::place) {
            for entry in slice {
                text.push_str(&format!("\n  {}", Line::from(entry)));
            }
            slice = self.slice(Some(&last));
        }
        text
    }

    fn user_entry(&self, id: &Arc<str>) -> Option<Entry> {
        let state = self.users.get(id)?;
        let conversations: Vec<_> = (state.conversations.iter().take(SLICE_NAMES))
            .map(Arc::clone)
            .collect();
        Some(Entry(Inner::User {
            user: Arc::clone(&state.user),
            socket_id: state.socket_id,
            more: state.conversations.len() - conversations.len(),
            conversations,
        }))
    }

    fn room_entry(&self, conversation: &Arc<Conversation>) -> Option<Entry> {
        let members = self.conversations.get(conversation)?;
        let users: Vec<_> = (members.users.iter().take(SLICE_NAMES))
            .map(Arc::clone)
            .collect();
        Some(Entry(Inner::Conversation {
            conversation: Arc::clone(conversation),
            more: members.users.len() - users.len(),
            users,
        }))
    }
}

impl Entry {
    /// Where it is in the list.
    #[must_use]
    pub fn place(&self) -> Place {
        match &self.0 {
            Inner::User { user, .. } => Place::User(user.id.to_string()),
            Inner::Conversation { conversation, .. } => {
                Place::Conversation(Conversation::clone(conversation))
            }
        }
    }

    /// Names in it, its own too: what it costs to take it out of the state.
    #[must_use]
    pub fn cost(&self) -> usize {
        let listed = match &self.0 {
            Inner::User { conversations, .. } => conversations.len(),
            Inner::Conversation { users, .. } => users.len(),
        };
        1 + listed
    }
}

/// Copies and sorts the names: to be done when the state is no longer locked.
impl From<Entry> for Line {
    fn from(entry: Entry) -> Self {
        match entry.0 {
            Inner::User {
                user,
                socket_id,
                mut conversations,
                more,
            } => {
                conversations.sort_unstable();
                let named = conversations.iter().map(|c| c.id.as_str());
                let fits = fitting(named, user.id.len());
                let names = |kind| {
                    let of_kind = conversations[..fits].iter().filter(|c| c.kind == kind);
                    of_kind.map(|c| c.id.clone()).collect()
                };
                Self::User(UserLine {
                    user_id: user.id.to_string(),
                    username: user.username.clone(),
                    socket_id: socket_id.to_string(),
                    rooms: names(Kind::Room),
                    channels: names(Kind::Channel),
                    more: more + conversations.len() - fits,
                })
            }
            Inner::Conversation {
                conversation,
                mut users,
                more,
            } => {
                users.sort_unstable();
                let fits = fitting(users.iter().map(|id| &**id), 0);
                Self::Room(RoomLine {
                    kind: conversation.kind.noun(),
                    id: conversation.id.clone(),
                    users: users[..fits].iter().map(ToString::to_string).collect(),
                    more: more + users.len() - fits,
                })
            }
        }
    }
}

/// How many of these names fit into a line that has so many bytes already.
fn fitting<'a>(names: impl Iterator<Item = &'a str>, mut text: usize) -> usize {
    names
        .take_while(|name| {
            text += name.len();
            text <= LINE_TEXT
        })
        .count()
}

impl Line {
    /// About as many bytes as it takes in JSON.
    #[must_use]
    pub fn size(&self) -> usize {
        let of = |names: &[String]| names.iter().map(|name| name.len() + 3).sum::<usize>();
        let rest = match self {
            Self::User(UserLine {
                user_id,
                username,
                rooms,
                channels,
                ..
            }) => {
                user_id.len() + username.as_ref().map_or(0, String::len) + of(rooms) + of(channels)
            }
            Self::Room(RoomLine { id, users, .. }) => id.len() + of(users),
        };
        rest + 100
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = match self {
            Self::User(UserLine {
                user_id,
                socket_id,
                rooms,
                channels,
                more,
                ..
            }) => {
                write!(
                    f,
                    "user {user_id} on socket {socket_id}: rooms {rooms:?}, channels {channels:?}"
                )?;
                *more
            }
            Self::Room(RoomLine {
                kind,
                id,
                users,
                more,
            }) => {
                write!(f, "{kind} {id}: {} users {users:?}", users.len() + more)?;
                *more
            }
        };
        if more > 0 {
            write!(f, " and {more} more")?;
        }
        Ok(())
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            total_users,
            total_rooms,
            total_sockets,
        } = self;
        write!(
            f,
            "[SocketManager] {total_users} users, {total_rooms} rooms, {total_sockets} sockets"
        )
    }
}

//! The state as people read it: in `/debug/sockets?verbose` and in the log.

use std::{collections::HashSet, fmt::Write as _, sync::Arc};

use super::{SocketManager, Stats};
use crate::message::{Conversation, Kind};

/// All users and rooms, for people to read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct State {
    /// By user id.
    pub users: Vec<UserLine>,
    /// By kind and id.
    pub rooms: Vec<RoomLine>,
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
}

/// One room or channel.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RoomLine {
    /// `room` or `channel`.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// The ids of its connected users.
    pub users: Vec<String>,
}

impl<H: Clone> SocketManager<H> {
    /// All users and rooms, sorted: what `/debug/sockets?verbose` answers and [`Self::print_state`] prints.
    #[must_use]
    pub fn state(&self) -> State {
        let mut users: Vec<UserLine> = self
            .users
            .values()
            .map(|state| UserLine {
                user_id: state.user.id.to_string(),
                username: state.user.username.clone(),
                socket_id: state.socket_id.to_string(),
                rooms: names(&state.conversations, Kind::Room),
                channels: names(&state.conversations, Kind::Channel),
            })
            .collect();
        users.sort_by(|a, b| a.user_id.cmp(&b.user_id));
        let mut rooms: Vec<RoomLine> = self
            .conversations
            .iter()
            .map(|(conversation, members)| {
                let mut users: Vec<String> =
                    members.users.iter().map(ToString::to_string).collect();
                users.sort();
                RoomLine {
                    kind: conversation.kind.noun(),
                    id: conversation.id.clone(),
                    users,
                }
            })
            .collect();
        rooms.sort_by(|a, b| (a.kind, &a.id).cmp(&(b.kind, &b.id)));
        State { users, rooms }
    }

    /// The whole state as text, one line a user and one line a room.
    #[must_use]
    pub fn print_state(&self) -> String {
        let Stats {
            total_users,
            total_rooms,
            total_sockets,
        } = self.stats();
        let State { users, rooms } = self.state();
        let mut text = format!(
            "[SocketManager] {total_users} users, {total_rooms} rooms, {total_sockets} sockets"
        );
        for UserLine {
            user_id,
            socket_id,
            rooms,
            channels,
            ..
        } in users
        {
            // Writing to a String can't fail.
            let _ = write!(
                text,
                "\n  user {user_id} on socket {socket_id}: rooms {rooms:?}, channels {channels:?}"
            );
        }
        for RoomLine { kind, id, users } in rooms {
            let _ = write!(text, "\n  {kind} {id}: {} users {users:?}", users.len());
        }
        text
    }
}

fn names(conversations: &HashSet<Arc<Conversation>>, kind: Kind) -> Vec<String> {
    let mut names: Vec<String> = conversations
        .iter()
        .filter(|conversation| conversation.kind == kind)
        .map(|c| c.id.clone())
        .collect();
    names.sort();
    names
}

//! Who is connected and who is in which room: the state in memory that makes delivery need no database.
//!
//! Pure: no I/O, no clock, no runtime and no lock. `H` is whatever the owner reaches a socket with; it is kept and
//! handed out, never used here.

mod state;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    sync::Arc,
};

pub use self::state::{Entry, Line, Place, PlaceError, RoomLine, SLICE_NAMES, UserLine};
use crate::message::Conversation;

/// What clients and operators may see of a socket. Never the Engine.IO session id, which is a session key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub u64);

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A person as the token describes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user id: what `senderId` names.
    pub id: Arc<str>,
    /// Falls back to the id where the token has none.
    pub username: Option<String>,
    /// An e-mail address, where the token has one.
    pub email: Option<String>,
    /// A picture, where the token has one.
    pub avatar: Option<String>,
}

impl User {
    /// A user of whom nothing but the id is known.
    #[must_use]
    pub fn unnamed(id: impl Into<Arc<str>>) -> Self {
        Self {
            id: id.into(),
            username: None,
            email: None,
            avatar: None,
        }
    }
}

/// One connected user of a conversation.
#[derive(Debug, Clone)]
pub struct Member<H> {
    /// The user who is connected.
    pub user: Arc<User>,
    /// Their one live socket.
    pub socket_id: SocketId,
    /// How the owner of this manager reaches that socket.
    pub handle: H,
}

/// The login that a newer one replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superseded<H> {
    /// The socket that was live until now.
    pub socket_id: SocketId,
    /// How to reach it.
    pub handle: H,
    /// The conversations that the new socket takes over, sorted.
    pub conversations: Vec<Arc<Conversation>>,
}

/// Why somebody could not join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The user has no live socket.
    #[error("not connected")]
    NotConnected,
    /// The user is in as many conversations as one user may be.
    #[error("too many conversations")]
    TooMany,
}

/// The answer to a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    /// Whether the user was in it before.
    pub already: bool,
    /// How many connected users are in it now.
    pub connected_users: usize,
}

/// Counts of everything in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Users with a connected socket.
    pub total_users: usize,
    /// Rooms and channels with at least one connected user.
    pub total_rooms: usize,
    /// Connected sockets; more than users while a replaced login has not gone yet.
    pub total_sockets: usize,
}

/// What has changed since it was last asked: whose login, and which conversations' members. How it is now, the manager
/// knows.
#[derive(Debug, Default)]
pub struct Changes {
    /// Users who came, went, or logged in again.
    pub users: HashSet<Arc<str>>,
    /// Conversations that somebody joined or left.
    pub conversations: HashSet<Arc<Conversation>>,
}

/// The state: users, the conversations they are in, and the sockets they are reached through.
#[derive(Debug)]
pub struct SocketManager<H> {
    users: HashMap<Arc<str>, UserState<H>>,
    conversations: HashMap<Arc<Conversation>, Members<H>>,
    sockets: HashMap<SocketId, Arc<str>>,
    /// The users once more by id, and the conversations: so that a part of them can be shown without a look at all.
    user_order: BTreeSet<Arc<str>>,
    conversation_order: BTreeSet<Arc<Conversation>>,
    conversations_per_user: usize,
    /// Kept only where somebody asks for it.
    changes: Option<Changes>,
}

#[derive(Debug)]
struct UserState<H> {
    user: Arc<User>,
    socket_id: SocketId,
    handle: H,
    conversations: HashSet<Arc<Conversation>>,
}

#[derive(Debug)]
struct Members<H> {
    users: HashSet<Arc<str>>,
    /// What a message is delivered to: made once after a change, then shared by every message until the next one.
    snapshot: Option<Arc<[Member<H>]>>,
}

impl<H> Default for Members<H> {
    fn default() -> Self {
        Self {
            users: HashSet::new(),
            snapshot: None,
        }
    }
}

impl<H: Clone> SocketManager<H> {
    /// An empty state in which no user may be in more than `conversations_per_user` rooms and channels.
    #[must_use]
    pub fn new(conversations_per_user: usize) -> Self {
        Self {
            users: HashMap::new(),
            conversations: HashMap::new(),
            sockets: HashMap::new(),
            user_order: BTreeSet::new(),
            conversation_order: BTreeSet::new(),
            conversations_per_user,
            changes: None,
        }
    }

    /// From now on notes what changes, for [`Self::take_changes`].
    pub fn watch(&mut self) {
        self.changes.get_or_insert_default();
    }

    /// What has changed since the last time; `None` where nobody watches.
    pub fn take_changes(&mut self) -> Option<Changes> {
        self.changes.as_mut().map(std::mem::take)
    }

    /// Makes `socket_id` the live socket of `user`. An earlier login keeps its conversations, which now reach the
    /// new socket, and is handed back.
    pub fn add_user(
        &mut self,
        socket_id: SocketId,
        user: Arc<User>,
        handle: H,
    ) -> Option<Superseded<H>> {
        self.sockets.insert(socket_id, Arc::clone(&user.id));
        self.note_user(&user.id);
        let Some(state) = self.users.get_mut(&user.id) else {
            let id = Arc::clone(&user.id);
            self.user_order.insert(Arc::clone(&id));
            self.users.insert(
                id,
                UserState {
                    user,
                    socket_id,
                    handle,
                    conversations: HashSet::new(),
                },
            );
            return None;
        };
        state.user = user;
        let superseded = Superseded {
            socket_id: std::mem::replace(&mut state.socket_id, socket_id),
            handle: std::mem::replace(&mut state.handle, handle),
            conversations: sorted(&state.conversations),
        };
        for conversation in &superseded.conversations {
            if let Some(members) = self.conversations.get_mut(conversation) {
                members.snapshot = None;
            }
        }
        Some(superseded)
    }

    /// Forgets a socket. If it was the live one of its user, the user leaves every conversation and is gone: the
    /// answer is who. A replaced login takes nobody with it.
    pub fn remove_user(&mut self, socket_id: SocketId) -> Option<Arc<User>> {
        let user_id = self.sockets.remove(&socket_id)?;
        if self.users.get(&user_id)?.socket_id != socket_id {
            return None;
        }
        Some(self.forget_user(&user_id)?.user)
    }

    /// The live login of a user is taken over by another server: the user leaves every conversation and is gone, and the
    /// login is handed back. Its socket stays until it is removed, as that of any replaced login.
    pub fn hand_over(&mut self, user_id: &str) -> Option<Superseded<H>> {
        let state = self.forget_user(user_id)?;
        Some(Superseded {
            socket_id: state.socket_id,
            handle: state.handle,
            conversations: sorted(&state.conversations),
        })
    }

    /// Puts a connected user into a conversation.
    ///
    /// # Errors
    /// The user has no live socket, or is in too many conversations.
    pub fn join_room(
        &mut self,
        user_id: &str,
        conversation: &Conversation,
    ) -> Result<Joined, JoinError> {
        let state = self.users.get_mut(user_id).ok_or(JoinError::NotConnected)?;
        let already = state.conversations.contains(conversation);
        if !already {
            if state.conversations.len() >= self.conversations_per_user {
                return Err(JoinError::TooMany);
            }
            let key = match self.conversations.get_key_value(conversation) {
                Some((key, _)) => Arc::clone(key),
                None => {
                    let key = Arc::new(conversation.clone());
                    self.conversation_order.insert(Arc::clone(&key));
                    key
                }
            };
            state.conversations.insert(Arc::clone(&key));
            if let Some(changes) = &mut self.changes {
                changes.conversations.insert(Arc::clone(&key));
            }
            let members = self.conversations.entry(key).or_default();
            members.users.insert(Arc::clone(&state.user.id));
            members.snapshot = None;
        }
        Ok(Joined {
            already,
            connected_users: self.count_in_room(conversation),
        })
    }

    /// Takes a user out of a conversation; says whether they were in it.
    pub fn leave_room(&mut self, user_id: &str, conversation: &Conversation) -> bool {
        let was_in = self
            .users
            .get_mut(user_id)
            .is_some_and(|state| state.conversations.remove(conversation));
        if was_in {
            self.remove_member(conversation, user_id);
        }
        was_in
    }

    /// Every connected user of a conversation, each once. Cheap between two changes of the membership: the same
    /// list is shared.
    pub fn users_in_room(&mut self, conversation: &Conversation) -> Arc<[Member<H>]> {
        let Some(members) = self.conversations.get_mut(conversation) else {
            return Arc::new([]);
        };
        let users = &self.users;
        Arc::clone(members.snapshot.get_or_insert_with(|| {
            members
                .users
                .iter()
                .filter_map(|id| users.get(id))
                .map(|state| Member {
                    user: Arc::clone(&state.user),
                    socket_id: state.socket_id,
                    handle: state.handle.clone(),
                })
                .collect()
        }))
    }

    /// How many connected users are in a conversation.
    #[must_use]
    pub fn count_in_room(&self, conversation: &Conversation) -> usize {
        self.conversations
            .get(conversation)
            .map_or(0, |members| members.users.len())
    }

    /// Whether a connected user is in a conversation.
    #[must_use]
    pub fn is_user_in_room(&self, user_id: &str, conversation: &Conversation) -> bool {
        self.users
            .get(user_id)
            .is_some_and(|state| state.conversations.contains(conversation))
    }

    /// The live socket of a user, and how it is reached.
    #[must_use]
    pub fn live(&self, user_id: &str) -> Option<(SocketId, &H)> {
        let state = self.users.get(user_id)?;
        Some((state.socket_id, &state.handle))
    }

    /// All conversations with a connected user.
    #[must_use]
    pub fn conversations(&self) -> Vec<Arc<Conversation>> {
        self.conversation_order.iter().cloned().collect()
    }

    /// Whether `socket_id` is the live socket of its user, and not a replaced login.
    #[must_use]
    pub fn is_live(&self, user_id: &str, socket_id: SocketId) -> bool {
        self.users
            .get(user_id)
            .is_some_and(|state| state.socket_id == socket_id)
    }

    /// Counts of everything in memory.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            total_users: self.users.len(),
            total_rooms: self.conversations.len(),
            total_sockets: self.sockets.len(),
        }
    }

    fn forget_user(&mut self, user_id: &str) -> Option<UserState<H>> {
        let state = self.users.remove(user_id)?;
        self.user_order.remove(user_id);
        for conversation in &state.conversations {
            self.remove_member(conversation, user_id);
        }
        self.note_user(&state.user.id);
        Some(state)
    }

    fn note_user(&mut self, user_id: &Arc<str>) {
        if let Some(changes) = &mut self.changes {
            changes.users.insert(Arc::clone(user_id));
        }
    }

    fn remove_member(&mut self, conversation: &Conversation, user_id: &str) {
        if let Some(changes) = &mut self.changes
            && let Some((key, _)) = self.conversations.get_key_value(conversation)
        {
            changes.conversations.insert(Arc::clone(key));
        }
        if let Some(members) = self.conversations.get_mut(conversation) {
            members.users.remove(user_id);
            members.snapshot = None;
            if members.users.is_empty() {
                self.conversations.remove(conversation);
                self.conversation_order.remove(conversation);
            }
        }
    }
}

fn sorted(conversations: &HashSet<Arc<Conversation>>) -> Vec<Arc<Conversation>> {
    let mut sorted: Vec<_> = conversations.iter().cloned().collect();
    sorted.sort();
    sorted
}

#[cfg(test)]
mod tests;

//! Joining and leaving rooms and channels.

use super::{call::Call, message::Pending};
use crate::{
    message::{Conversation, Kind},
    protocol::{
        Refusal,
        inbound::Payload,
        outbound::{Ack, MembershipData},
    },
    session::Waiting,
    socket_manager::{JoinError, Joined},
};

/// A join that users of other servers are told of.
pub struct JoinEverywhere {
    call: Call,
    conversation: Conversation,
    joined: Joined,
    _waiting: Waiting,
}

/// `joinRoom`, `JOIN_CHANNEL`, `JoinChannel`. Nothing is pending afterwards but where there are other servers.
pub fn join(call: Call, kind: Kind, payload: Option<Payload>) -> Option<Pending> {
    match try_join(&call, kind, payload) {
        Ok((conversation, joined)) if call.chat.cluster.is_some() => {
            // Nobody has more to join than that: the others wait for the same. Where so many wait, this one does not.
            let most = call.chat.limits.rooms_per_user;
            let Some(waiting) = call.session().wait_for_bus(most) else {
                if let Some(cluster) = &call.chat.cluster {
                    cluster.answer_early(&conversation);
                }
                answer(call, &conversation, joined);
                return None;
            };
            let join = JoinEverywhere {
                call,
                conversation,
                joined,
                _waiting: waiting,
            };
            return Some(Pending::Join(Box::new(join)));
        }
        Ok((conversation, joined)) => answer(call, &conversation, joined),
        Err(refusal) => call.refuse(&refusal),
    }
    None
}

impl JoinEverywhere {
    /// Answers when what users of other servers say reaches who has joined.
    pub async fn finish(self) {
        let Self {
            call,
            conversation,
            mut joined,
            _waiting,
        } = self;
        if let Some(cluster) = &call.chat.cluster {
            joined.connected_users += cluster.joined(&call.chat, &conversation).await;
        }
        answer(call, &conversation, joined);
    }
}

/// Answers somebody who has joined.
fn answer(call: Call, conversation: &Conversation, joined: Joined) {
    let noun = conversation.kind.noun();
    let message = if joined.already {
        format!("Already in the {noun}")
    } else {
        format!("Successfully joined the {noun}")
    };
    let data = MembershipData {
        connected_users: Some(joined.connected_users),
        already_joined: Some(joined.already),
        ..id_of(conversation)
    };
    call.reply(&Ack::done(&message, data));
}

/// `leaveRoom`, `leaveChannel`, `LeaveChannel`. Nothing is pending afterwards.
pub fn leave(call: Call, kind: Kind, payload: Option<Payload>) -> Option<Pending> {
    match try_leave(&call, kind, payload) {
        Ok(conversation) => {
            let message = format!("Successfully left the {}", kind.noun());
            call.reply(&Ack::done(&message, id_of(&conversation)));
        }
        Err(refusal) => call.refuse(&refusal),
    }
    None
}

fn try_join(
    call: &Call,
    kind: Kind,
    payload: Option<Payload>,
) -> Result<(Conversation, Joined), Refusal> {
    call.begin()?;
    let conversation = payload
        .ok_or(Refusal::NotAnObject(kind))?
        .conversation(kind)?;
    let session = call.session();
    // The turn ends before the answer is sent: what is delivered after the join is in the socket's queue after it too,
    // or before the answer, but never missing.
    let _turn = call.chat.delivery.sequencer().turn(&conversation);
    let mut users = call.chat.users.lock();
    if !users.is_live(&session.user.id, session.id) {
        return Err(Refusal::LoggedInElsewhere);
    }
    let joined = users
        .join_room(&session.user.id, &conversation)
        .map_err(|error| match error {
            JoinError::NotConnected => Refusal::LoggedInElsewhere,
            JoinError::TooMany => Refusal::TooManyConversations,
        })?;
    let Conversation { id, .. } = &conversation;
    tracing::debug!(
        "{} User {} is in {} {id} with {} users",
        if kind == Kind::Room {
            "[JoinRoom]"
        } else {
            "[JoinChannel]"
        },
        session.user.id,
        kind.noun(),
        joined.connected_users,
    );
    Ok((conversation, joined))
}

fn try_leave(call: &Call, kind: Kind, payload: Option<Payload>) -> Result<Conversation, Refusal> {
    call.begin()?;
    let conversation = payload
        .ok_or(Refusal::NotAnObject(kind))?
        .conversation(kind)?;
    let session = call.session();
    let _turn = call.chat.delivery.sequencer().turn(&conversation);
    let mut users = call.chat.users.lock();
    if !users.is_live(&session.user.id, session.id) {
        return Err(Refusal::LoggedInElsewhere);
    }
    // Leaving a room that one is not in is done already.
    users.leave_room(&session.user.id, &conversation);
    tracing::debug!(
        "{} User {} left {} {}",
        if kind == Kind::Room {
            "[LeaveRoom]"
        } else {
            "[LeaveChannel]"
        },
        session.user.id,
        kind.noun(),
        conversation.id,
    );
    Ok(conversation)
}

fn id_of(Conversation { kind, id }: &Conversation) -> MembershipData<'_> {
    match kind {
        Kind::Room => MembershipData {
            room_id: Some(id),
            ..MembershipData::default()
        },
        Kind::Channel => MembershipData {
            channel_id: Some(id),
            ..MembershipData::default()
        },
    }
}

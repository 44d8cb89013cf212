//! The repetition of a message that is still on its way: it is answered when the first one has ended.

use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{call::Call, message::Pending};
use crate::{
    idempotency::Earlier,
    message::Conversation,
    protocol::{Refusal, outbound::Ack},
    session::Waiting,
};

/// A repetition of a message that is still on its way.
pub struct Repeat {
    call: Call,
    conversation: Conversation,
    earlier: Earlier,
    _waiting: Waiting,
    /// Keeps the drain waiting.
    _in_flight: TaskTrackerToken,
}

/// Lets a repetition wait, or refuses it where as many of this login wait already as may: each is a task until the first
/// message ends, which takes as long as the store may.
pub fn of_pending(
    call: Call,
    conversation: Conversation,
    earlier: Earlier,
    in_flight: TaskTrackerToken,
) -> Option<Pending> {
    let Some(waiting) = call.session().wait_for_first() else {
        call.refuse(&Refusal::TooManyEvents);
        return None;
    };
    call.chat.telemetry.repeated.increment();
    Some(Pending::Repeat(Box::new(Repeat {
        call,
        conversation,
        earlier,
        _waiting: waiting,
        _in_flight: in_flight,
    })))
}

impl Repeat {
    /// Answers with what the first one was answered.
    pub async fn finish(self) {
        let Self {
            call,
            conversation,
            earlier,
            _waiting,
            _in_flight,
        } = self;
        let ack = earlier.await;
        match check_member(&call, &conversation).map(|()| ack) {
            Ok(Ok(ack)) => call.reply(&*ack),
            Ok(Err(_)) => call.reply(&Ack::not_saved("no outcome")),
            Err(refusal) => call.refuse(&refusal),
        }
    }
}

/// Whether whoever repeats a message may still be told of it. What is told is what was said first, maybe by somebody
/// else whose name the caller gave, so it is for members only, at the moment of the telling.
///
/// # Errors
/// The caller is no member.
pub fn check_member(call: &Call, conversation: &Conversation) -> Result<(), Refusal> {
    let user_id = &call.session().user.id;
    let users = call.chat.users.lock();
    if users.is_user_in_room(user_id, conversation) {
        Ok(())
    } else {
        Err(Refusal::NotJoined(conversation.kind))
    }
}

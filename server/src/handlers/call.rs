//! One event of one client: what it needs to be carried out, and the ways to answer it.

use std::{convert::Infallible, sync::Arc};

use serde::Serialize;
use serde_json::value::to_raw_value;
use socketioxide::{
    adapter::Adapter,
    extract::{AckSender, SocketRef},
    handler::{FromMessageParts, Value},
    socket::Socket,
};

use super::connection;
use crate::{
    chat::Chat,
    packet::Asked,
    protocol::{Refusal, outbound::Ack},
    session::{Recipient, Session},
};

/// The number under which the client wants an answer, if it wants one: an [`AckSender`] does not say.
#[derive(Debug, Clone, Copy)]
pub struct AckId(Option<i64>);

impl<A: Adapter> FromMessageParts<A> for AckId {
    type Error = Infallible;

    fn from_message_parts(
        _: &Arc<Socket<A>>,
        _: &mut Value,
        ack_id: &Option<i64>,
    ) -> Result<Self, Infallible> {
        Ok(Self(*ack_id))
    }
}

/// An event that wants an answer.
pub struct Call {
    /// The chat it is about.
    pub chat: Arc<Chat>,
    /// Who sent it, and from which socket.
    pub caller: Recipient,
    /// None where no answer is wanted.
    asked: Option<Asked>,
}

impl Call {
    /// An event that just came.
    #[must_use]
    pub fn new(
        chat: Arc<Chat>,
        session: Arc<Session>,
        socket: SocketRef,
        AckId(id): AckId,
        sender: AckSender,
    ) -> Self {
        Self {
            chat,
            caller: Recipient { session, socket },
            asked: id.map(|id| Asked { id, sender }),
        }
    }

    /// Who sent it.
    #[must_use]
    pub fn session(&self) -> &Arc<Session> {
        &self.caller.session
    }

    /// To be called before anything else.
    ///
    /// # Errors
    /// The socket sends more events than it may.
    pub fn begin(&self) -> Result<(), Refusal> {
        // The first event may come before the library has run the connect handler.
        connection::go_live(&self.chat, &self.caller)?;
        self.session().take_event().map_err(|flood| {
            if flood.must_go {
                self.chat.delivery.end_flood(&self.caller);
            }
            Refusal::TooManyEvents
        })
    }

    /// Answers, if the client wants an answer.
    pub fn reply<T: Serialize + ?Sized>(self, answer: &T) {
        let Some(asked) = self.asked else { return };
        match to_raw_value(answer) {
            Ok(answer) => {
                let sent = self.caller.answer(asked, answer);
                self.chat.delivery.account(&self.caller, sent);
            }
            Err(error) => tracing::error!("cannot encode an answer: {error}"),
        }
    }

    /// Answers that it was not carried out, and counts why.
    pub fn refuse(self, refusal: &Refusal) {
        self.chat.telemetry.refused.increment(refusal.name());
        let message = refusal.message();
        tracing::debug!(
            "[SocketManager] Refused user {}: {message}",
            self.session().user.id
        );
        self.reply(&Ack::refused(&message));
    }
}

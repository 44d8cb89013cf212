//! One event of one client: what it needs to be carried out, and the ways to answer it.

use std::sync::Arc;

use serde::Serialize;
use socketioxide::extract::{AckSender, SocketRef};

use super::connection;
use crate::{
    chat::Chat,
    protocol::{Refusal, outbound::Ack},
    session::{Recipient, Session, sent},
};

/// An event that wants an answer.
pub struct Call {
    /// The chat it is about.
    pub chat: Arc<Chat>,
    /// Who sent it, and from which socket.
    pub caller: Recipient,
    ack: AckSender,
}

impl Call {
    /// An event that just came.
    #[must_use]
    pub fn new(chat: Arc<Chat>, session: Arc<Session>, socket: SocketRef, ack: AckSender) -> Self {
        Self {
            chat,
            caller: Recipient { session, socket },
            ack,
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
        if self.session().may_send() {
            Ok(())
        } else {
            Err(Refusal::TooManyEvents)
        }
    }

    /// Answers, if the client wants an answer.
    pub fn reply<T: Serialize + ?Sized>(self, answer: &T) {
        let sent = sent(self.ack.send(answer));
        self.chat.delivery.account(&self.caller, sent);
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

//! The routing table: which event goes to which handler.

pub mod call;
pub mod connection;
pub mod membership;
pub mod message;

use std::sync::Arc;

use socketioxide::{
    adapter::LocalAdapter,
    extract::{AckSender, SocketRef, TryData},
    handler::{FromMessageParts, MessageHandler, Value},
    socket::Socket,
};

use self::call::{AckId, Call};
use crate::{
    chat::Chat,
    protocol::{INBOUND, Refusal, Request, inbound::Payload},
    session::Session,
};

/// Gives a socket its handlers. Must be done before the client is told that it is connected: its first event would
/// be lost without a trace.
///
/// They run in the socket's read loop, one event after the other; only what a message waits for is spawned. So all that
/// has to be in order is done before.
pub fn route(chat: &Arc<Chat>, session: &Arc<Session>, socket: &SocketRef) {
    for (index, (event, request)) in INBOUND.into_iter().enumerate() {
        let handler = Handler {
            chat: Arc::clone(chat),
            session: Arc::clone(session),
            index,
            request,
        };
        socket.on(event, handler);
    }

    let (chat, session) = (Arc::clone(chat), Arc::clone(session));
    socket.on_fallback(move |socket: SocketRef, id: AckId, ack: AckSender| {
        let call = Call::new(chat, session, socket, id, ack);
        let refusal = call.begin().err().unwrap_or(Refusal::UnknownEvent);
        call.refuse(&refusal);
        std::future::ready(())
    });
}

/// Handles one event of one socket.
///
/// The library's own handlers are closures that are copied and whose future is spawned for every event, also where there is
/// nothing to wait for.
struct Handler {
    chat: Arc<Chat>,
    session: Arc<Session>,
    /// The event's place in [`INBOUND`].
    index: usize,
    request: Request,
}

/// Which implementation of the trait it is.
struct InPlace;

impl MessageHandler<LocalAdapter, InPlace> for Handler {
    fn call(&self, socket: Arc<Socket<LocalAdapter>>, mut value: Value, ack_id: Option<i64>) {
        self.chat.telemetry.event(self.index);
        let Ok(TryData(payload)) =
            TryData::<Payload>::from_message_parts(&socket, &mut value, &ack_id);
        let Ok(sender) = AckSender::from_message_parts(&socket, &mut value, &ack_id);
        let Ok(id) = AckId::from_message_parts(&socket, &mut value, &ack_id);
        let Ok(socket) = SocketRef::from_message_parts(&socket, &mut value, &ack_id);
        let (chat, session) = (Arc::clone(&self.chat), Arc::clone(&self.session));
        let call = Call::new(chat, session, socket, id, sender);
        let pending = match self.request {
            Request::Join(kind) => membership::join(call, kind, payload.ok()),
            Request::Leave(kind) => membership::leave(call, kind, payload.ok()),
            Request::Send(kind) => message::send(call, kind, payload.ok()),
        };
        if let Some(pending) = pending {
            tokio::spawn(pending.finish());
        }
    }
}

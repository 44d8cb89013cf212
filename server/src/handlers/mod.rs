//! The routing table: which event goes to which handler.

pub mod call;
pub mod connection;
pub mod membership;
pub mod message;
pub mod repeat;

use std::sync::Arc;

use socketioxide::{
    adapter::LocalAdapter,
    extract::{AckSender, Event, SocketRef, TryData},
    handler::{FromMessageParts, MessageHandler, Value},
    socket::Socket,
};

use self::call::{AckId, Call};
use crate::{
    chat::Chat,
    protocol::{INBOUND, Refusal, Request, inbound::Payload},
    session::Session,
};

/// Gives a socket its handler. Must be done before the client is told that it is connected: its first event would
/// be lost without a trace.
///
/// It runs in the socket's read loop, one event after the other; only what a message waits for is spawned. So all that
/// has to be in order is done before.
pub fn route(chat: &Arc<Chat>, session: &Arc<Session>, socket: &SocketRef) {
    socket.on_fallback(Handler {
        chat: Arc::clone(chat),
        session: Arc::clone(session),
    });
}

/// Handles the events of one socket.
///
/// The library's own handlers are closures, one for each event and socket, that are copied and whose future is spawned for
/// every event, also where there is nothing to wait for.
struct Handler {
    chat: Arc<Chat>,
    session: Arc<Session>,
}

/// Which implementation of the trait it is.
struct InPlace;

impl MessageHandler<LocalAdapter, InPlace> for Handler {
    fn call(&self, socket: Arc<Socket<LocalAdapter>>, mut value: Value, ack_id: Option<i64>) {
        let Ok(sender) = AckSender::from_message_parts(&socket, &mut value, &ack_id);
        let Ok(id) = AckId::from_message_parts(&socket, &mut value, &ack_id);
        let Ok(caller) = SocketRef::from_message_parts(&socket, &mut value, &ack_id);
        let (chat, session) = (Arc::clone(&self.chat), Arc::clone(&self.session));
        let call = Call::new(chat, session, caller, id, sender);
        let Some(index) = index_of(&socket, &mut value) else {
            let refusal = call.begin().err().unwrap_or(Refusal::UnknownEvent);
            return call.refuse(&refusal);
        };
        self.chat.telemetry.event(index);
        let Ok(TryData(payload)) =
            TryData::<Payload>::from_message_parts(&socket, &mut value, &ack_id);
        let pending = match INBOUND[index].1 {
            Request::Join(kind) => membership::join(call, kind, payload.ok()),
            Request::Leave(kind) => membership::leave(call, kind, payload.ok()),
            Request::Send(kind) => message::send(call, kind, payload.ok()),
        };
        if let Some(pending) = pending {
            tokio::spawn(pending.finish());
        }
    }
}

/// The place of an event in [`INBOUND`], if it is there.
fn index_of(socket: &Arc<Socket<LocalAdapter>>, value: &mut Value) -> Option<usize> {
    let place = |name: &str| INBOUND.iter().position(|(event, _)| *event == name);
    // As every client writes it. What is between the quotes is the name, unless something in it is escaped.
    if let Value::Str(text, _) = value
        && let Some((name, _)) = text
            .strip_prefix("[\"")
            .and_then(|rest| rest.split_once('"'))
        && !name.contains('\\')
    {
        return place(name);
    }
    let Event(name) = Event::from_message_parts(socket, value, &None).ok()?;
    place(&name)
}

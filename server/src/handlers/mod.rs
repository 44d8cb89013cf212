//! The routing table: which event goes to which handler.

pub mod call;
pub mod connection;
pub mod membership;
pub mod message;

use std::sync::Arc;

use socketioxide::extract::{AckSender, SocketRef, TryData};

use self::call::{Call, WantsAnswer};
use crate::{
    chat::Chat,
    protocol::{INBOUND, Refusal, Request, inbound::Payload},
    session::Session,
};

/// Gives a socket its handlers. Must be done before the client is told that it is connected: its first event would
/// be lost without a trace.
///
/// The closures run in the socket's read loop, one event after the other; only what they return is spawned. So all
/// that has to be in order is done before they return.
pub fn route(chat: &Arc<Chat>, session: &Arc<Session>, socket: &SocketRef) {
    for (index, (event, request)) in INBOUND.into_iter().enumerate() {
        let (chat, session) = (Arc::clone(chat), Arc::clone(session));
        let handler = move |socket: SocketRef,
                            TryData(payload): TryData<Payload>,
                            wants: WantsAnswer,
                            ack: AckSender| {
            chat.telemetry.event(index);
            let call = Call::new(chat, session, socket, wants, ack);
            let pending = match request {
                Request::Join(kind) => membership::join(call, kind, payload.ok()),
                Request::Leave(kind) => membership::leave(call, kind, payload.ok()),
                Request::Send(kind) => message::send(call, kind, payload.ok()),
            };
            async move {
                if let Some(pending) = pending {
                    pending.finish().await;
                }
            }
        };
        socket.on(event, handler);
    }

    let (chat, session) = (Arc::clone(chat), Arc::clone(session));
    socket.on_fallback(
        move |socket: SocketRef, wants: WantsAnswer, ack: AckSender| {
            let call = Call::new(chat, session, socket, wants, ack);
            let refusal = call.begin().err().unwrap_or(Refusal::UnknownEvent);
            call.refuse(&refusal);
            std::future::ready(())
        },
    );
}

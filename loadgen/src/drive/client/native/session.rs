//! What a connected user makes of Socket.IO packets, over whichever transport they come.

use std::cell::RefCell;

use super::packet::{self, Ack, Event, Packet};
use crate::{drive::client::Observer, model::Nanos, observed::Closed};

/// Binary attachments that one packet may have.
const MOST_ATTACHMENTS: u32 = 10_000;

/// One user's Socket.IO session.
pub struct Session {
    user: u32,
    namespace: String,
    /// A packet whose attachments have not all come.
    announced: RefCell<Option<Announced>>,
}

struct Announced {
    packet: String,
    missing: u32,
}

/// What is to be done about a packet.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Done,
    /// It was a heartbeat: answer with a pong of this payload.
    Pong(String),
    /// Answer with this packet.
    Reply(String),
    /// The connection is over.
    End(Closed),
}

impl Session {
    /// Of a user in a namespace.
    pub fn new(user: u32, namespace: &str) -> Self {
        Self {
            user,
            namespace: namespace.to_owned(),
            announced: RefCell::default(),
        }
    }

    /// The namespace that is spoken in.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A packet came.
    pub fn text(&self, stamp: Nanos, text: &str, observer: &impl Observer) -> Step {
        let packet = match packet::parse(text) {
            Ok(packet) => packet,
            Err(violation) => return Step::End(Closed::Protocol(violation)),
        };
        if text.starts_with('4') && self.announced.borrow().is_some() {
            return violation("a packet between another one and its attachments", text);
        }
        match packet {
            Packet::Event(event) if event.attachments == 0 => {
                self.event(stamp, &event, text, observer)
            }
            Packet::Ack(ack) if ack.attachments == 0 => self.ack(stamp, &ack, text, observer),
            Packet::Event(Event { attachments, .. }) | Packet::Ack(Ack { attachments, .. }) => {
                if attachments > MOST_ATTACHMENTS {
                    return Step::End(Closed::Limit(format!(
                        "{attachments} attachments, and {MOST_ATTACHMENTS} are the most that this program waits for"
                    )));
                }
                self.announced.replace(Some(Announced {
                    packet: text.to_owned(),
                    missing: attachments,
                }));
                Step::Done
            }
            Packet::Ping(payload) => Step::Pong(payload.to_owned()),
            Packet::Pong(_) | Packet::Noop => Step::Done,
            Packet::Close => Step::End(Closed::ByServer("Engine.IO close".into())),
            Packet::Disconnect { namespace } if namespace == self.namespace => {
                Step::End(Closed::ByServer("Socket.IO DISCONNECT".into()))
            }
            Packet::Connect { namespace, .. } | Packet::ConnectError { namespace, .. }
                if namespace == self.namespace =>
            {
                violation("a second handshake", text)
            }
            Packet::Open(_) => violation("a second handshake", text),
            Packet::Disconnect { namespace }
            | Packet::Connect { namespace, .. }
            | Packet::ConnectError { namespace, .. } => {
                observer.ignored(self.user, &format!("a packet of namespace {namespace}"));
                Step::Done
            }
        }
    }

    /// A binary message came.
    pub fn binary(&self, stamp: Nanos, observer: &impl Observer) -> Step {
        let mut announced = self.announced.borrow_mut();
        let Some(waiting) = announced.as_mut() else {
            return Step::End(Closed::Protocol(
                "a binary message that no packet announced; it may speak another encoding, as of socket.io-msgpack-parser"
                    .into(),
            ));
        };
        waiting.missing -= 1;
        if waiting.missing > 0 {
            return Step::Done;
        }
        let packet = announced
            .take()
            .map(|whole| whole.packet)
            .unwrap_or_default();
        drop(announced);
        match packet::parse(&packet) {
            Ok(Packet::Event(event)) => self.event(stamp, &event, &packet, observer),
            Ok(Packet::Ack(ack)) => self.ack(stamp, &ack, &packet, observer),
            // It was one of the two when it was announced.
            _ => Step::Done,
        }
    }

    fn event(&self, stamp: Nanos, event: &Event<'_>, text: &str, observer: &impl Observer) -> Step {
        let ours = event.namespace == self.namespace;
        if ours {
            let read = observer.event(self.user, stamp, &event.name, event.payload);
            // The usual event is read as JSON by who understands it; what nobody understood is read here.
            if !read && !event.checked && !is_json(event.payload) {
                return violation("an event that is no JSON", text);
            }
        } else {
            let what = format!("{} of namespace {}", event.name, event.namespace);
            observer.ignored(self.user, &what);
        }
        match event.id {
            // Some servers repeat an event until it is acknowledged.
            Some(id) if ours => {
                Step::Reply(packet::write("43", event.namespace, &format!("{id}[]")))
            }
            _ => Step::Done,
        }
    }

    fn ack(&self, stamp: Nanos, ack: &Ack<'_>, text: &str, observer: &impl Observer) -> Step {
        if ack.namespace == self.namespace {
            let read = observer.ack(self.user, stamp, ack.id, ack.payload);
            if !read && !ack.checked && !is_json(ack.payload) {
                return violation("an acknowledgement that is no JSON", text);
            }
        } else {
            let what = format!("an acknowledgement of namespace {}", ack.namespace);
            observer.ignored(self.user, &what);
        }
        Step::Done
    }
}

/// Whether the arguments are JSON, or there are none.
fn is_json(payload: &str) -> bool {
    payload.is_empty() || packet::is_json(payload)
}

fn violation(what: &str, text: &str) -> Step {
    Step::End(Closed::Protocol(format!(
        "{what}: {:?}",
        packet::beginning(text)
    )))
}

//! Packets for clients: an event that many get, an answer that one gets, and both as the frames of a WebSocket.

use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    sync::Arc,
};

use bytes::{BufMut as _, Bytes, BytesMut};
use serde_json::value::RawValue;
use socketioxide::{
    SendError, SocketError,
    extract::{AckSender, SocketRef},
};

use crate::session::Sent;

/// The head of a whole text frame.
const TEXT: u8 = 0x81;
/// The longest head of a frame: two bytes and a length of eight.
const LONGEST_HEAD: usize = 10;
/// Digits of the largest id, and a sign.
const LONGEST_ID: usize = 20;
/// An Engine.IO message with an event of the one namespace, or with an acknowledgement.
const EVENT: &[u8] = b"42";
const ACKNOWLEDGEMENT: &[u8] = b"43";

/// An event's payload for many. Its frame is made once for each name, and a copy of the payload only if it has to wait
/// somewhere.
pub struct Shared<'a> {
    raw: &'a RawValue,
    made: RefCell<Made>,
}

#[derive(Default)]
struct Made {
    copy: Option<Arc<RawValue>>,
    /// There are two names at most: for the sender, and for the others.
    frames: [Option<(&'static str, Bytes)>; 2],
}

impl<'a> Shared<'a> {
    /// Nothing is made yet.
    #[must_use]
    pub fn new(raw: &'a RawValue) -> Self {
        Self {
            raw,
            made: RefCell::default(),
        }
    }

    /// As it is.
    #[must_use]
    pub const fn raw(&self) -> &RawValue {
        self.raw
    }

    /// Its own copy.
    #[must_use]
    pub fn copy(&self) -> Arc<RawValue> {
        let copy = &mut self.made.borrow_mut().copy;
        Arc::clone(copy.get_or_insert_with(|| Arc::from(self.raw.to_owned())))
    }

    /// As an event with this name.
    #[must_use]
    pub fn frame(&self, name: &'static str) -> Bytes {
        for place in &mut self.made.borrow_mut().frames {
            match place {
                Some((made, frame)) if *made == name => return frame.clone(),
                Some(_) => {}
                None => {
                    let frame = event(name, self.raw);
                    *place = Some((name, frame.clone()));
                    return frame;
                }
            }
        }
        event(name, self.raw)
    }
}

/// The answer that a client waits for: the number that it gave its event, and the library's way to send it.
pub struct Asked {
    /// The number.
    pub id: i64,
    /// The library's way.
    pub sender: AckSender,
}

/// A packet that waits.
pub enum Packet {
    /// An event.
    Event {
        /// The login that it is for.
        socket: SocketRef,
        /// Its name.
        name: &'static str,
        /// Its payload.
        payload: Arc<RawValue>,
    },
    /// An acknowledgement.
    Ack {
        /// The login that it is for.
        socket: SocketRef,
        /// What it answers.
        asked: Asked,
        /// Its payload.
        payload: Box<RawValue>,
    },
}

impl Packet {
    /// The login that it is for.
    #[must_use]
    pub const fn socket(&self) -> &SocketRef {
        match self {
            Self::Event { socket, .. } | Self::Ack { socket, .. } => socket,
        }
    }

    /// Its frame.
    #[must_use]
    pub fn frame(&self) -> Bytes {
        match self {
            Self::Event { name, payload, .. } => event(name, payload),
            Self::Ack { asked, payload, .. } => acknowledgement(asked.id, payload),
        }
    }

    /// Hands it to the library.
    #[must_use]
    pub fn send(self) -> Sent {
        match self {
            Self::Event {
                socket,
                name,
                payload,
            } => sent(socket.emit(name, &*payload)),
            // The library would send it to whoever is logged in here now.
            Self::Ack { socket, .. } if !socket.connected() => Sent::Gone,
            Self::Ack { asked, payload, .. } => sent(asked.sender.send(&*payload)),
        }
    }
}

/// `42["name",payload]` as a frame. Names need no escapes.
#[must_use]
pub fn event(name: &str, payload: &RawValue) -> Bytes {
    let payload = payload.get().as_bytes();
    let length = EVENT.len() + b"[\"\",]".len() + name.len() + payload.len();
    let mut frame = BytesMut::with_capacity(LONGEST_HEAD + length);
    put_head(&mut frame, length);
    frame.put_slice(EVENT);
    frame.put_slice(b"[\"");
    frame.put_slice(name.as_bytes());
    frame.put_slice(b"\",");
    frame.put_slice(payload);
    frame.put_u8(b']');
    frame.freeze()
}

/// `43id[payload]` as a frame.
#[must_use]
pub fn acknowledgement(id: i64, payload: &RawValue) -> Bytes {
    let payload = payload.get().as_bytes();
    let mut number = Digits::default();
    // There is room for every number.
    let _fits = write!(number, "{id}");
    let length = ACKNOWLEDGEMENT.len() + number.get().len() + b"[]".len() + payload.len();
    let mut frame = BytesMut::with_capacity(LONGEST_HEAD + length);
    put_head(&mut frame, length);
    frame.put_slice(ACKNOWLEDGEMENT);
    frame.put_slice(number.get());
    frame.put_u8(b'[');
    frame.put_slice(payload);
    frame.put_u8(b']');
    frame.freeze()
}

/// The head of a server's frame, which has no mask.
fn put_head(frame: &mut BytesMut, length: usize) {
    frame.put_u8(TEXT);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..126), _) => frame.put_u8(length),
        (_, Ok(length)) => {
            frame.put_u8(126);
            frame.put_u16(length);
        }
        _ => {
            frame.put_u8(127);
            frame.put_u64(length as u64);
        }
    }
}

/// A number's text, without an allocation.
#[derive(Default)]
struct Digits {
    bytes: [u8; LONGEST_ID],
    got: usize,
}

impl Digits {
    fn get(&self) -> &[u8] {
        &self.bytes[..self.got]
    }
}

impl fmt::Write for Digits {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let place = self.bytes.get_mut(self.got..self.got + text.len());
        place.ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.got += text.len();
        Ok(())
    }
}

/// What a result of the library says about a packet.
#[must_use]
pub fn sent(result: Result<(), SendError>) -> Sent {
    match result {
        Ok(()) => Sent::Queued,
        Err(SendError::Socket(SocketError::InternalChannelFull)) => Sent::Overflow,
        // Our payloads always encode.
        Err(SendError::Socket(SocketError::Closed) | SendError::Serialize(_)) => Sent::Gone,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{json, value::to_raw_value};
    use socketioxide_core::{Value, packet, parser::Parse};
    use socketioxide_parser_common::CommonParser;

    use super::*;
    use crate::message::Kind;
    use crate::protocol::Dialect;

    /// The payload of a text frame, if its head is right.
    fn text(frame: &[u8]) -> &str {
        let (first, rest) = frame.split_first().unwrap();
        assert_eq!(*first, TEXT);
        let (length, text) = match rest {
            [127, rest @ ..] => {
                let (length, text) = rest.split_first_chunk().unwrap();
                (u64::from_be_bytes(*length), text)
            }
            [126, rest @ ..] => {
                let (length, text) = rest.split_first_chunk().unwrap();
                (u64::from(u16::from_be_bytes(*length)), text)
            }
            [length, text @ ..] => (u64::from(*length), text),
            [] => panic!("no length"),
        };
        assert_eq!(length, text.len() as u64);
        std::str::from_utf8(text).unwrap()
    }

    /// What the library would send.
    fn of_library(
        packet: impl FnOnce(Value) -> packet::Packet,
        payload: &RawValue,
        name: Option<&str>,
    ) -> String {
        let parser = CommonParser;
        let value = parser.encode_value(payload, name).unwrap();
        match parser.encode(packet(value)) {
            Value::Str(text, _) => format!("4{text}"),
            Value::Bytes(_) => panic!("text is what is sent"),
        }
    }

    proptest! {
        #[test]
        fn frames_hold_what_the_library_would_send(
            body in "[a-z\"\\\\é🚀]{0,40}",
            times in prop_oneof![Just(1_usize), Just(4), Just(2_000)],
            id in prop_oneof![Just(0_i64), Just(i64::MAX), any::<i64>().prop_map(|id| id.saturating_abs())],
        ) {
            let payload = to_raw_value(&json!({ "body": body.repeat(times) })).unwrap();
            let wanted = of_library(|value| packet::Packet::event("/", value), &payload, Some("roomMessageRecieved"));
            let frame = event("roomMessageRecieved", &payload);
            prop_assert_eq!(text(&frame), wanted);
            let wanted = of_library(|value| packet::Packet::ack("/", value, id), &payload, None);
            let frame = acknowledgement(id, &payload);
            prop_assert_eq!(text(&frame), wanted);
        }
    }

    #[test]
    fn a_frame_is_made_once_for_each_name() {
        let payload = to_raw_value(&json!({ "a": 1 })).unwrap();
        let shared = Shared::new(&payload);
        for name in ["one", "two"] {
            let (first, second) = (shared.frame(name), shared.frame(name));
            assert_eq!(first.as_ptr(), second.as_ptr());
            assert_eq!(text(&first), format!("42[\"{name}\",{{\"a\":1}}]"));
        }
        assert_eq!(text(&shared.frame("three")), r#"42["three",{"a":1}]"#);
    }

    #[test]
    fn names_need_no_escapes() {
        for dialect in [Dialect::Readme, Dialect::Reference] {
            for kind in [Kind::Room, Kind::Channel] {
                let names = [dialect.received(kind), kind.confirmed(), kind.failed()];
                for name in names.into_iter().chain(dialect.sent(kind)) {
                    assert_eq!(json!(name).to_string(), format!("\"{name}\""));
                }
            }
        }
    }
}

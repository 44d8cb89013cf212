//! Engine.IO v4 and Socket.IO v5 packets in texts (<https://socket.io/docs/v4/socket-io-protocol/>).
//!
//! The usual event is read without a JSON parser; whatever else the protocol allows, with one.

use std::borrow::Cow;

use memchr::{memchr, memchr2};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

/// Of what came and is no packet, as much is quoted.
const QUOTED: usize = 80;

/// A packet from the server, borrowed from its text.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Engine.IO handshake, its JSON.
    Open(&'a str),
    /// Engine.IO close.
    Close,
    /// Heartbeat; its payload is to be echoed in the pong.
    Ping(&'a str),
    /// The answer to a ping of ours.
    Pong(&'a str),
    /// Engine.IO upgrade or noop: nothing to do.
    Noop,
    /// Socket.IO CONNECT, its JSON.
    Connect { namespace: &'a str, data: &'a str },
    /// Socket.IO CONNECT_ERROR, its JSON.
    ConnectError { namespace: &'a str, data: &'a str },
    /// Socket.IO DISCONNECT.
    Disconnect { namespace: &'a str },
    /// Socket.IO EVENT or BINARY_EVENT.
    Event(Event<'a>),
    /// Socket.IO ACK or BINARY_ACK.
    Ack(Ack<'a>),
}

/// An event.
#[derive(Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Where it belongs; `/` is the usual one.
    pub namespace: &'a str,
    /// The server asks for an acknowledgement under this id.
    pub id: Option<u64>,
    /// Its name, without escapes.
    pub name: Cow<'a, str>,
    /// The JSON text of its arguments, without the brackets. Binary ones are placeholders.
    pub payload: &'a str,
    /// How many binary messages follow that belong to it.
    pub attachments: u32,
    /// Whether all of it was read as JSON.
    pub checked: bool,
}

/// An acknowledgement.
#[derive(Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// Where it belongs.
    pub namespace: &'a str,
    /// Of which emit.
    pub id: u64,
    /// The JSON text of its arguments, without the brackets.
    pub payload: &'a str,
    /// How many binary messages follow that belong to it.
    pub attachments: u32,
    /// Whether all of it was read as JSON.
    pub checked: bool,
}

/// The part of the Engine.IO handshake that a client must know; times in milliseconds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    pub sid: String,
    #[serde(default)]
    pub upgrades: Vec<String>,
    pub ping_interval: u64,
    pub ping_timeout: u64,
    /// The most bytes that one request may post.
    pub max_payload: Option<u64>,
}

/// Reads one packet.
///
/// # Errors
/// Says what was found.
// What nearly all packets are is read where they come in, and the rest elsewhere.
#[inline]
pub fn parse(text: &str) -> Result<Packet<'_>, String> {
    if let [b'4', b'2', b'[', b'"', ..] = text.as_bytes()
        && let Some(event) = usual_event(&text[4..])
    {
        return Ok(Packet::Event(event));
    }
    if let [b'4', b'3', b'0'..=b'9', ..] = text.as_bytes()
        && let Some(ack) = usual_ack(&text[2..])
    {
        return Ok(Packet::Ack(ack));
    }
    unusual(text)
}

/// Any other packet.
#[inline(never)]
fn unusual(text: &str) -> Result<Packet<'_>, String> {
    let unknown = || format!("unexpected packet {:?}", beginning(text));
    match text.as_bytes() {
        [b'0', ..] => Ok(Packet::Open(&text[1..])),
        [b'1', ..] => Ok(Packet::Close),
        [b'2', ..] => Ok(Packet::Ping(&text[1..])),
        [b'3', ..] => Ok(Packet::Pong(&text[1..])),
        [b'4', kind @ b'0'..=b'6', ..] => message(*kind, &text[2..]).ok_or_else(unknown),
        [b'5' | b'6', ..] => Ok(Packet::Noop),
        _ => Err(unknown()),
    }
}

/// What is quoted of a text.
pub fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(QUOTED)]
}

/// `name",{…}]`: a name without escapes, in the usual namespace, as every server writes most of its events.
#[inline]
fn usual_event(text: &str) -> Option<Event<'_>> {
    let (name, rest) = text.split_at(memchr2(b'"', b'\\', text.as_bytes())?);
    let inner = rest.strip_prefix('"')?.strip_suffix(']')?;
    let payload = match inner.strip_prefix(',') {
        // Nothing behind a comma is no JSON.
        Some(payload) if !payload.is_empty() => payload,
        None if inner.is_empty() => "",
        _ => return None,
    };
    Some(Event {
        namespace: "/",
        id: None,
        name: Cow::Borrowed(name),
        payload,
        attachments: 0,
        checked: false,
    })
}

/// `77[{…}]`: an acknowledgement in the usual namespace.
#[inline]
fn usual_ack(text: &str) -> Option<Ack<'_>> {
    let (id, array) = text.split_at(memchr(b'[', text.as_bytes())?);
    Some(Ack {
        namespace: "/",
        id: id.parse().ok()?,
        payload: array.strip_prefix('[')?.strip_suffix(']')?,
        attachments: 0,
        checked: false,
    })
}

/// Whether the arguments of a usual event or acknowledgement are JSON.
pub fn is_json(payload: &str) -> bool {
    let mut rest = payload;
    loop {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let read = match values.next() {
            Some(Ok(value)) => value.get(),
            // A number is not told from what follows it, so that all is read at once.
            _ => return serde_json::from_str::<IgnoredAny>(&format!("[{payload}]")).is_ok(),
        };
        let at = read.as_ptr() as usize - rest.as_ptr() as usize + read.len();
        rest = rest[at..].trim_start_matches([' ', '\t', '\n', '\r']);
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return rest.is_empty(),
        }
    }
}

/// A Socket.IO packet behind its two digits: `<attachments>-/<namespace>,<id><JSON>`, each but the last only where there
/// is one.
fn message(kind: u8, text: &str) -> Option<Packet<'_>> {
    let (attachments, text) = match kind {
        b'5' | b'6' => {
            let (count, rest) = text.split_once('-')?;
            (count.parse().ok()?, rest)
        }
        _ => (0, text),
    };
    let (namespace, text) = match text.starts_with('/') {
        true => text.split_once(',').unwrap_or((text, "")),
        false => ("/", text),
    };
    match kind {
        b'0' => Some(Packet::Connect {
            namespace,
            data: text,
        }),
        b'1' => Some(Packet::Disconnect { namespace }),
        b'4' => Some(Packet::ConnectError {
            namespace,
            data: text,
        }),
        _ => {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let (id, array) = text.split_at(digits);
            let id: Option<u64> = match id {
                "" => None,
                id => Some(id.parse().ok()?),
            };
            let values: Vec<&RawValue> = serde_json::from_str(array).ok()?;
            match kind {
                b'2' | b'5' => event(namespace, id, array, &values, attachments),
                _ => Some(Packet::Ack(Ack {
                    namespace,
                    id: id?,
                    payload: between(array, &values),
                    attachments,
                    checked: true,
                })),
            }
        }
    }
}

fn event<'a>(
    namespace: &'a str,
    id: Option<u64>,
    array: &'a str,
    values: &[&'a RawValue],
    attachments: u32,
) -> Option<Packet<'a>> {
    let (name, arguments) = values.split_first()?;
    let name = name.get();
    let name = match name.as_bytes() {
        [b'"', ..] if !name.contains('\\') => Cow::Borrowed(&name[1..name.len() - 1]),
        // What no text can have, half of a surrogate pair, stays as it is written.
        [b'"', ..] => Cow::Owned(
            serde_json::from_str(name).unwrap_or_else(|_| name[1..name.len() - 1].to_owned()),
        ),
        // JavaScript's servers name events by numbers too.
        [b'-' | b'0'..=b'9', ..] => Cow::Borrowed(name),
        _ => return None,
    };
    Some(Packet::Event(Event {
        namespace,
        id,
        name,
        payload: between(array, arguments),
        attachments,
        checked: true,
    }))
}

/// The text from the first of some values to the last, which stand in `array`.
fn between<'a>(array: &'a str, values: &[&'a RawValue]) -> &'a str {
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return "";
    };
    let place = |value: &RawValue| value.get().as_ptr() as usize - array.as_ptr() as usize;
    &array[place(first)..place(last) + last.get().len()]
}

/// Writes an EVENT packet; `namespace` is `/` or the name of another.
pub fn write_event(
    out: &mut Vec<u8>,
    namespace: &str,
    event: &str,
    payload: &str,
    ack: Option<u64>,
) {
    out.extend_from_slice(b"42");
    write_namespace(out, namespace);
    // Neither writing to a vector nor the JSON of a number or a text can fail.
    if let Some(id) = ack {
        let _ = serde_json::to_writer(&mut *out, &id);
    }
    out.push(b'[');
    if event
        .bytes()
        .fold(true, |all, byte| all & stands_for_itself(byte))
    {
        out.push(b'"');
        out.extend_from_slice(event.as_bytes());
        out.push(b'"');
    } else {
        let _ = serde_json::to_writer(&mut *out, event);
    }
    if !payload.is_empty() {
        out.push(b',');
        out.extend_from_slice(payload.as_bytes());
    }
    out.push(b']');
}

/// Whether a byte of a text stands in its JSON as it is.
const fn stands_for_itself(byte: u8) -> bool {
    byte >= b' ' && byte != b'"' && byte != b'\\'
}

/// A packet of one of Socket.IO's kinds: `head`, the namespace, and what follows.
pub fn write(head: &str, namespace: &str, rest: &str) -> String {
    let mut out = head.as_bytes().to_vec();
    write_namespace(&mut out, namespace);
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).unwrap_or_default()
}

fn write_namespace(out: &mut Vec<u8>, namespace: &str) {
    if namespace != "/" {
        out.extend_from_slice(namespace.as_bytes());
        out.push(b',');
    }
}

#[cfg(test)]
mod tests;

//! Engine.IO v4 and Socket.IO v5 packets in text frames (<https://socket.io/docs/v4/socket-io-protocol/>).

use serde::Deserialize;

/// A packet from the server, borrowed from its frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Engine.IO handshake, its JSON.
    Open(&'a str),
    /// Engine.IO close.
    Close,
    /// Heartbeat; its payload is to be echoed in the pong.
    Ping(&'a str),
    /// Socket.IO CONNECT.
    Connect,
    /// Socket.IO CONNECT_ERROR, its JSON.
    ConnectError(&'a str),
    /// Socket.IO DISCONNECT.
    Disconnect,
    /// An event's name and the JSON text of its arguments.
    Event { name: &'a str, payload: &'a str },
    /// An acknowledgement and the JSON text of its arguments.
    Ack { id: u64, payload: &'a str },
}

/// The part of the Engine.IO handshake that a client must know, in milliseconds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    pub ping_interval: u64,
    pub ping_timeout: u64,
}

/// Reads one packet.
///
/// # Errors
/// Says what was found where.
pub fn parse(text: &str) -> Result<Packet<'_>, String> {
    let unknown = || format!("unexpected packet {:?}", text.get(..40).unwrap_or(text));
    match text.as_bytes() {
        [b'0', ..] => Ok(Packet::Open(&text[1..])),
        [b'1', ..] => Ok(Packet::Close),
        [b'2', ..] => Ok(Packet::Ping(&text[1..])),
        [b'4', b'0', ..] => Ok(Packet::Connect),
        [b'4', b'1', ..] => Ok(Packet::Disconnect),
        [b'4', b'2', ..] => event(&text[2..]).ok_or_else(unknown),
        [b'4', b'3', ..] => ack(&text[2..]).ok_or_else(unknown),
        [b'4', b'4', ..] => Ok(Packet::ConnectError(&text[2..])),
        _ => Err(unknown()),
    }
}

fn event(text: &str) -> Option<Packet<'_>> {
    // A server that asks for an acknowledgement puts its id here; no event of this system does.
    let array = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let inner = array.strip_prefix("[\"")?.strip_suffix(']')?;
    let quote = inner.find('"')?;
    let (name, rest) = inner.split_at(quote);
    // A name with an escape would be cut short here, and no event of any server known to us has one.
    if name.contains('\\') {
        return None;
    }
    let rest = &rest[1..];
    let payload = match rest.strip_prefix(',') {
        Some(payload) => payload,
        None if rest.is_empty() => "",
        None => return None,
    };
    Some(Packet::Event { name, payload })
}

fn ack(text: &str) -> Option<Packet<'_>> {
    let digits = text.find('[')?;
    Some(Packet::Ack {
        id: text[..digits].parse().ok()?,
        payload: text[digits..].strip_prefix('[')?.strip_suffix(']')?,
    })
}

/// Writes an EVENT packet.
pub fn write_event(out: &mut Vec<u8>, event: &str, payload: &str, ack: Option<u64>) {
    out.extend_from_slice(b"42");
    if let Some(id) = ack {
        out.extend_from_slice(id.to_string().as_bytes());
    }
    out.extend_from_slice(b"[\"");
    out.extend_from_slice(event.as_bytes());
    out.extend_from_slice(b"\",");
    out.extend_from_slice(payload.as_bytes());
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn packets_of_the_protocol_are_read() {
        assert_eq!(
            parse("0{\"sid\":\"x\"}"),
            Ok(Packet::Open("{\"sid\":\"x\"}"))
        );
        assert_eq!(parse("2"), Ok(Packet::Ping("")));
        assert_eq!(parse("2probe"), Ok(Packet::Ping("probe")));
        assert_eq!(parse("40{\"sid\":\"x\"}"), Ok(Packet::Connect));
        assert_eq!(
            parse("44{\"message\":\"no\"}"),
            Ok(Packet::ConnectError("{\"message\":\"no\"}"))
        );
        assert_eq!(
            parse("42[\"message\",{\"a\":[1]}]"),
            Ok(Packet::Event {
                name: "message",
                payload: "{\"a\":[1]}"
            })
        );
        assert_eq!(
            parse("427[\"bare\"]"),
            Ok(Packet::Event {
                name: "bare",
                payload: ""
            })
        );
        assert_eq!(
            parse("4312[{\"ok\":true}]"),
            Ok(Packet::Ack {
                id: 12,
                payload: "{\"ok\":true}"
            })
        );
    }

    proptest! {
        #[test]
        fn nothing_that_comes_makes_it_panic(text in "[0-4]{0,3}.{0,60}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_written_is_read_back(name in "[a-zA-Z_]{1,20}", payload in "\\{\"a\":[0-9]{1,9}\\}", id: Option<u64>) {
            let mut out = Vec::new();
            write_event(&mut out, &name, &payload, id);
            let text = String::from_utf8(out).unwrap();
            prop_assert_eq!(parse(&text), Ok(Packet::Event { name: &name, payload: &payload }));
        }
    }
}

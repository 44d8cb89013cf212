//! Engine.IO v4 and Socket.IO v5 packets in texts (<https://socket.io/docs/v4/socket-io-protocol/>).
//!
//! The usual event is read without a JSON parser; whatever else the protocol allows, with one.

use std::borrow::Cow;

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
pub fn parse(text: &str) -> Result<Packet<'_>, String> {
    let bytes = text.as_bytes();
    if let [b'4', b'2', b'[', b'"', ..] = bytes
        && let Some(event) = usual_event(&text[4..])
    {
        return Ok(Packet::Event(event));
    }
    let unknown = || format!("unexpected packet {:?}", beginning(text));
    match bytes {
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
fn usual_event(text: &str) -> Option<Event<'_>> {
    let quote = text
        .bytes()
        .position(|byte| byte == b'"' || byte == b'\\')?;
    let (name, rest) = text.split_at(quote);
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

/// Whether the arguments of a usual event are JSON.
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
    if let Some(id) = ack {
        out.extend_from_slice(id.to_string().as_bytes());
    }
    out.push(b'[');
    // Neither a string's JSON nor writing to a vector can fail.
    let _ = serde_json::to_writer(&mut *out, event);
    if !payload.is_empty() {
        out.push(b',');
        out.extend_from_slice(payload.as_bytes());
    }
    out.push(b']');
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
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(text: &str) -> Event<'_> {
        match parse(text) {
            Ok(Packet::Event(event)) => event,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn packets_of_the_protocol_are_read() {
        for (text, packet) in [
            ("0{\"sid\":\"x\"}", Packet::Open("{\"sid\":\"x\"}")),
            ("1", Packet::Close),
            ("2", Packet::Ping("")),
            ("2probe", Packet::Ping("probe")),
            ("3probe", Packet::Pong("probe")),
            ("6", Packet::Noop),
            (
                "40{\"sid\":\"x\"}",
                Packet::Connect {
                    namespace: "/",
                    data: "{\"sid\":\"x\"}",
                },
            ),
            (
                "40/admin,{}",
                Packet::Connect {
                    namespace: "/admin",
                    data: "{}",
                },
            ),
            (
                "40",
                Packet::Connect {
                    namespace: "/",
                    data: "",
                },
            ),
            (
                "41/admin",
                Packet::Disconnect {
                    namespace: "/admin",
                },
            ),
            (
                "44/admin,{\"message\":\"no\"}",
                Packet::ConnectError {
                    namespace: "/admin",
                    data: "{\"message\":\"no\"}",
                },
            ),
            (
                "4312[{\"ok\":true}]",
                Packet::Ack(Ack {
                    namespace: "/",
                    id: 12,
                    payload: "{\"ok\":true}",
                    attachments: 0,
                }),
            ),
            (
                "462-/a,7 [ null , {\"_placeholder\":true,\"num\":0} ] ",
                Packet::Ack(Ack {
                    namespace: "/a",
                    id: 7,
                    payload: "null , {\"_placeholder\":true,\"num\":0}",
                    attachments: 2,
                }),
            ),
        ] {
            assert_eq!(parse(text), Ok(packet), "{text}");
        }
    }

    #[test]
    fn events_are_read_however_they_are_written() {
        for (text, namespace, id, name, payload, attachments) in [
            (
                "42[\"said\",{\"a\":[1]}]",
                "/",
                None,
                "said",
                "{\"a\":[1]}",
                0,
            ),
            ("42[\"said\"]", "/", None, "said", "", 0),
            ("427[\"ask\",1]", "/", Some(7), "ask", "1", 0),
            ("424294967296[\"ask\"]", "/", Some(1 << 32), "ask", "", 0),
            ("42[ \"said\" , 1 , [2] ]", "/", None, "said", "1 , [2]", 0),
            ("42\t[\"said\",\n1]\n", "/", None, "said", "1", 0),
            ("42[\"s\\u0061id\",1]", "/", None, "said", "1", 0),
            ("42[\"a\\\"b\",1]", "/", None, "a\"b", "1", 0),
            ("42[\"сказал\",\"é\"]", "/", None, "сказал", "\"é\"", 0),
            ("42[7,1]", "/", None, "7", "1", 0),
            ("42/admin,[\"said\",1]", "/admin", None, "said", "1", 0),
            ("42/admin,3[\"said\"]", "/admin", Some(3), "said", "", 0),
            (
                "451-[\"pic\",{\"_placeholder\":true,\"num\":0}]",
                "/",
                None,
                "pic",
                "{\"_placeholder\":true,\"num\":0}",
                1,
            ),
            ("4512-/a,5[\"pic\"]", "/a", Some(5), "pic", "", 12),
            ("42[\"]\",\"[\"]", "/", None, "]", "\"[\"", 0),
        ] {
            let event = read(text);
            let seen = (
                event.namespace,
                event.id,
                &*event.name,
                event.payload,
                event.attachments,
            );
            assert_eq!(seen, (namespace, id, name, payload, attachments), "{text}");
        }
    }

    #[test]
    fn what_is_no_packet_is_quoted() {
        for text in [
            "",
            "x",
            "4",
            "47[]",
            "42",
            "42{}",
            "42[]",
            "42[null]",
            "42[{}]",
            "42[\"a\" 1]",
            "42/a",
            "43[]",
            "43x[]",
            "431{}",
            "45[\"a\"]",
            "45x-[\"a\"]",
            "4299999999999999999999[\"a\"]",
            "42 1[\"a\"]",
            "42[\"a\"]]x",
        ] {
            let wrong = parse(text).unwrap_err();
            assert!(wrong.starts_with("unexpected packet"), "{text}: {wrong}");
        }
        assert!(parse(&"é".repeat(1000)).unwrap_err().len() < 200);
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_that_comes_makes_it_panic(text in "[0-6]{0,3}(-|/[a-z]{0,3},)?.{0,60}") {
            let _ = parse(&text);
            let _ = is_json(&text);
        }

        #[test]
        fn an_event_says_what_its_json_says(
            name in ".{0,12}", arguments in prop::collection::vec(json_value(), 0..4), pretty: bool,
            namespace in "(/[a-z]{1,5})?", id: Option<u32>,
        ) {
            let mut values = vec![Value::from(name.clone())];
            values.extend(arguments.clone());
            let array = match pretty {
                true => serde_json::to_string_pretty(&values),
                false => serde_json::to_string(&values),
            }.unwrap();
            let head = if namespace.is_empty() { String::new() } else { format!("{namespace},") };
            let text = format!("42{head}{}{array}", id.map(|id| id.to_string()).unwrap_or_default());
            let event = read(&text);
            prop_assert_eq!(&event.name, &name);
            prop_assert_eq!(event.id, id.map(u64::from));
            let seen: Vec<Value> = serde_json::from_str(&format!("[{}]", event.payload)).unwrap();
            prop_assert_eq!(seen, arguments);
            prop_assert!(is_json(event.payload) || event.payload.is_empty());
        }

        #[test]
        fn json_is_told_from_what_is_none(payload in "[\\[\\]{}\",:a1 ]{0,12}") {
            let whole = serde_json::from_str::<Vec<Value>>(&format!("[{payload}]"));
            if !payload.trim().is_empty() {
                prop_assert_eq!(is_json(&payload), whole.is_ok(), "{}", payload);
            }
        }

        #[test]
        fn what_is_written_is_read_back(
            name in ".{1,20}", payload in "\\{\"a\":[1-9][0-9]{0,8}\\}", id: Option<u64>, other: bool,
        ) {
            let namespace = if other { "/other" } else { "/" };
            let mut out = Vec::new();
            write_event(&mut out, namespace, &name, &payload, id);
            let text = String::from_utf8(out).unwrap();
            let event = read(&text);
            prop_assert_eq!((event.namespace, event.id), (namespace, id));
            prop_assert_eq!((&*event.name, event.payload), (&*name, &*payload));
        }

        #[test]
        fn placeholders_stay_where_they_are(count in 0u32..9) {
            let places: Vec<Value> =
                (0..count).map(|num| json!({ "_placeholder": true, "num": num })).collect();
            let text = format!("45{count}-[\"b\",{}]", Value::from(places.clone()));
            let event = read(&text);
            prop_assert_eq!(event.attachments, count);
            prop_assert_eq!(event.payload, Value::from(places).to_string());
        }
    }
}

//! Packets as servers write them, and what is none.

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
                checked: false,
            }),
        ),
        (
            "462-/a,7 [ null , {\"_placeholder\":true,\"num\":0} ] ",
            Packet::Ack(Ack {
                namespace: "/a",
                id: 7,
                payload: "null , {\"_placeholder\":true,\"num\":0}",
                attachments: 2,
                checked: true,
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

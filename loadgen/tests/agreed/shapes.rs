//! Servers that differ in the shape of what they say and understand, each with the map that says so.

use loadgen::judge::Check;
use serde_json::{Value, json};

use crate::{
    PLAIN, SCENARIO, passes, run,
    server::{Heard, Shape, Told},
};

pub fn map(text: &str) -> String {
    format!("{SCENARIO}{text}")
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn plain_names_need_names_alone() {
    passes(&map(PLAIN), Shape::PLAIN).await;
}

#[tokio::test]
async fn bare_strings_go_both_ways() {
    let shape = Shape {
        hear: |event, arguments| match event {
            "enter" => Heard::Joins(text(&arguments[0])),
            "say" => Heard::Says(text(&arguments[0]), text(&arguments[1])),
            _ => Heard::Nothing,
        },
        tell: |_, body, _| Told {
            own: None,
            others: Some(("said", json!([body]))),
        },
        ..Shape::PLAIN
    };
    let events = r#"
[server.events]
echoes = false
fields = { body = "0", conversation = "" }
[server.events.room]
join = "enter"
join_payload = '"{conversation}"'
send = "say"
send_payload = '"{conversation}", "{body}"'
received = "said"
"#;
    passes(&map(events), shape).await;
}

#[tokio::test]
async fn a_template_says_all_that_a_server_insists_on() {
    let shape = Shape {
        hear: |event, arguments| {
            let first = &arguments[0];
            match event {
                "enter" if first["workspaceId"] == "w1" && first["as"] == "user-0" => {
                    Heard::Joins(text(&first["to"]))
                }
                "enter" if first["workspaceId"] == "w1" => Heard::Joins(text(&first["to"])),
                "say" if first["v"] == 2 && first["meta"]["key"].as_str().is_some() => {
                    Heard::Says(text(&first["to"]), text(&first["text"]))
                }
                _ => Heard::Nothing,
            }
        },
        ..Shape::PLAIN
    };
    let events = r#"
[server.events]
fields = { body = "text" }
[server.events.room]
join = "enter"
join_payload = '{"to":"{conversation}","workspaceId":"w1","as":"user-{index}","token":"{token}"}'
send = "say"
send_payload = '{"to":"{conversation}","text":"{body}","v":2,"meta":{"key":"{message}"}}'
received = "said"
id_field = "room"
"#;
    passes(&map(events), shape).await;
}

#[tokio::test]
async fn positional_arguments_have_numbers() {
    let shape = Shape {
        tell: |room, text, number| {
            let said = || {
                Some((
                    "said",
                    json!([room, { "data": [{ "_id": number, "text": text }] }]),
                ))
            };
            Told {
                own: said(),
                others: said(),
            }
        },
        ..Shape::PLAIN
    };
    let events = r#"
[server.events.fields]
id = "1.data.0._id"
body = "1.data.0.text"
conversation = "0"
sender = ""
[server.events.room]
join = "enter"
send = "say"
received = "said"
id_field = "room"
"#;
    passes(&map(events), shape).await;
}

#[tokio::test]
async fn each_event_has_paths_of_its_own() {
    let shape = Shape {
        tell: |room, text, number| Told {
            own: Some(("mine", json!([{ "echo": { "in": room, "what": text } }]))),
            others: Some((
                "said",
                json!([{ "_id": format!("temp_{number}"), "room": room, "text": text }]),
            )),
        },
        confirm: |room, text, number| {
            let saved = json!({ "_id": format!("id_{number}"), "room": room, "text": text });
            let temporary = format!("temp_{number}");
            Some(("stored", json!([{ "_doc": saved, "tempId": temporary }])))
        },
        ..Shape::PLAIN
    };
    let events = r#"
[server.events.fields]
body = "text"
sender = ""
confirmed = { id = "_doc._id", body = "_doc.text" }
[server.events.room]
join = "enter"
send = "say"
received = "said"
sent = "mine"
confirmed = "stored"
id_field = "room"
[server.events.room.fields]
sent = { body = "echo.what", conversation = "echo.in", id = "" }
confirmed = { conversation = "_doc.room", temp_id = "" }
"#;
    let report = passes(&map(events), shape).await;
    let totals = &report.runs[0].totals;
    assert_eq!(totals.confirmed, totals.sent);
}

/// Rooms and channels whose events have the same names: the message itself says which it is, and nothing is blamed.
#[tokio::test]
async fn rooms_and_channels_can_share_their_events() {
    // Ids of rooms stand elsewhere than ids of channels, and each server tells them apart by what was joined.
    fn kind(id: &str) -> &str {
        id.split_once('/').unwrap_or_default().0
    }
    let hear: fn(&str, &[Value]) -> Heard = |event, arguments| {
        let first = &arguments[0];
        let field = if first["dm"].is_string() {
            "dm"
        } else {
            "topic"
        };
        let place = format!("{field}/{}", text(&first[field]));
        match event {
            "enter" => Heard::Joins(place),
            "say" => Heard::Says(place, text(&first["text"])),
            _ => Heard::Nothing,
        }
    };
    let tell: fn(&str, &str, u64) -> Told = |place, text, number| {
        let id = place.split_once('/').unwrap_or_default().1;
        let said = || match kind(place) {
            "dm" => json!([{ "_id": format!("t{number}"), "dm": id, "text": text }]),
            _ => json!([{ "_id": format!("t{number}"), "topic": id, "msg": { "text": text } }]),
        };
        Told {
            own: Some(("said", said())),
            others: Some(("said", said())),
        }
    };
    let confirm: fn(&str, &str, u64) -> Option<(&'static str, Value)> = |place, text, number| {
        let id = place.split_once('/').unwrap_or_default().1;
        let (temporary, id_of_it) = (format!("t{number}"), format!("id{number}"));
        Some((
            "stored",
            match kind(place) {
                "dm" => json!([{ "_id": id_of_it, "tempId": temporary, "dm": id, "text": text }]),
                _ => {
                    json!([{ "_id": id_of_it, "was": temporary, "topic": id, "msg": { "text": text } }])
                }
            },
        ))
    };
    let joined: fn(&str) -> Option<(&'static str, Value)> = |place| {
        let (kind, id) = place.split_once('/').unwrap_or_default();
        Some(("entered", json!([{ kind: id }])))
    };
    let shape = Shape {
        hear,
        tell,
        confirm,
        joined,
        answer: |is_message| is_message.then(|| json!([{ "success": true }])),
        ..Shape::PLAIN
    };
    let events = r#"
[server.events.fields]
sender = ""
[server.events.room]
join = "enter"
joined = "entered"
send = "say"
received = "said"
confirmed = "stored"
id_field = "dm"
fields = { received = { body = "text" }, confirmed = { body = "text" } }
[server.events.channel]
join = "enter"
joined = "entered"
send = "say"
send_payload = '{"topic":"{conversation}","text":"{body}"}'
received = "said"
confirmed = "stored"
id_field = "topic"
fields = { received = { body = "msg.text" }, confirmed = { body = "msg.text", temp_id = "was" } }
"#;
    let events = events.replace("sender = \"\"", "sender = \"\"\nsent_body = \"text\"");
    let both = map(&events).replace(
        "rooms = 3",
        "rooms = 3, channels = [{ count = 2, members = 4 }]",
    );
    let report = passes(&both, shape).await;
    let totals = &report.runs[0].totals;
    assert_eq!(totals.confirmed, totals.sent);
    // The same the other way round: the kind that is looked at second has the plain shape.
    let swapped = both
        .replace("server.events.room", "server.events.X")
        .replace("server.events.channel", "server.events.room")
        .replace("server.events.X", "server.events.channel");
    passes(&swapped, shape).await;
    // A join that says not of which kind it is answers one request, and not one of each kind.
    let mute = Shape {
        joined: |_| Some(("entered", json!([]))),
        ..shape
    };
    passes(&both, mute).await;
}

/// Who confirms in rooms alone owes no end in channels.
#[tokio::test]
async fn one_kind_of_conversation_can_have_ends_and_the_other_none() {
    let shape = Shape {
        hear: |event, arguments| {
            let first = &arguments[0];
            let place = match first["room"].as_str() {
                Some(room) => format!("room/{room}"),
                None => format!("topic/{}", text(&first["topic"])),
            };
            match event {
                "enter" => Heard::Joins(place),
                "say" => Heard::Says(place, text(&first["text"])),
                _ => Heard::Nothing,
            }
        },
        tell: |place, text, number| {
            let (kind, id) = place.split_once('/').unwrap_or_default();
            let said = || {
                Some((
                    "said",
                    json!([{ "_id": format!("t{number}"), kind: id, "text": text }]),
                ))
            };
            Told {
                own: said(),
                others: said(),
            }
        },
        confirm: |place, text, number| {
            let (temporary, id) = (format!("t{number}"), format!("id{number}"));
            let room = place.strip_prefix("room/")?;
            let saved = json!({ "_id": id, "tempId": temporary, "room": room, "text": text });
            Some(("stored", json!([saved])))
        },
        ..Shape::PLAIN
    };
    let channel = "[server.events.channel]\njoin = \"enter\"\nsend = \"say\"\nreceived = \"said\"\nid_field = \"topic\"\n";
    let confirmed = PLAIN.replace("received =", "confirmed = \"stored\"\nreceived =");
    let both = map(&format!("{confirmed}{channel}")).replace(
        "rooms = 3",
        "rooms = 3, channels = [{ count = 2, members = 4 }]",
    );
    let report = passes(&both, shape).await;
    let totals = &report.runs[0].totals;
    // What is acknowledged in channels says no more than that.
    assert!(
        totals.confirmed > 0 && totals.acknowledged == totals.sent,
        "{totals:?}"
    );
}

#[tokio::test]
async fn a_senders_own_copy_can_share_the_name_and_have_another_shape() {
    let shape = Shape {
        tell: |room, text, _| Told {
            own: Some(("said", json!([{ "echo": { "room": room, "text": text } }]))),
            others: Some(("said", json!([{ "room": room, "text": text }]))),
        },
        ..Shape::PLAIN
    };
    let events = PLAIN
        .replace(
            "received = \"said\"",
            "received = \"said\"\nsent = \"said\"",
        )
        .replace(
            "sender = \"\"",
            "sender = \"\"\nsent = { body = \"echo.text\", conversation = \"echo.room\" }",
        );
    passes(&map(&events), shape).await;
}

#[tokio::test]
async fn the_sender_is_compared_where_the_map_has_it() {
    for (place, sign) in [
        (
            "by",
            (|token, told| told[0]["by"] = json!(token)) as fn(&str, &mut Value),
        ),
        ("author.id", |token, told| {
            told[0]["author"] = json!({ "id": token, "name": "x" })
        }),
        ("1.0", |token, told| {
            told.as_array_mut()
                .unwrap()
                .push(json!([token.to_uppercase()]))
        }),
    ] {
        let shape = Shape {
            sign,
            ..Shape::PLAIN
        };
        let from = PLAIN.replace("sender =", &format!("from = \"{place}\"\nsender ="));
        passes(&map(&from), shape).await;
    }
}

#[tokio::test]
async fn an_acknowledgement_can_have_the_messages_id() {
    let with = |more: &str| {
        let events = PLAIN.replace("sender =", &format!("{more}\nsender ="));
        map(&format!(
            "[server.events]\nanswers = \"error-first\"\n{events}"
        ))
    };
    let shape = Shape {
        answer: |_| Some(json!([null, { "data": { "_id": "the same" } }])),
        ..Shape::PLAIN
    };
    let id = "acknowledged = { id = \"1.data._id\" }";
    passes(&with(id), shape).await;
    // It is the id that a confirmation tells, and one that differs is found.
    let confirmed = with(&format!("id = \"_id\"\n{id}")).replace(
        "received = \"said\"",
        "received = \"said\"\nconfirmed = \"stored\"",
    );
    let alike = Shape {
        tell: |room, text, number| {
            let said = || {
                Some((
                    "said",
                    json!([{ "_id": format!("t{number}"), "room": room, "text": text }]),
                ))
            };
            Told {
                own: said(),
                others: said(),
            }
        },
        confirm: |room, text, number| {
            let saved = json!({ "_id": "the same", "tempId": format!("t{number}"), "room": room, "text": text });
            Some(("stored", json!([saved])))
        },
        ..shape
    };
    passes(&confirmed, alike).await;
    let other = Shape {
        answer: |_| Some(json!([null, { "data": { "_id": "another" } }])),
        ..alike
    };
    let (report, _) = run(&confirmed, other).await;
    let report = report.unwrap();
    let checks: Vec<Check> = report.runs[0]
        .findings
        .iter()
        .map(|one| one.check)
        .collect();
    assert_eq!(checks, [Check::IdDiffers]);
}

#[tokio::test]
async fn acknowledgements_say_yes_in_other_words() {
    let with = |answers: &str| map(&format!("[server.events]\n{answers}\n{PLAIN}"));
    let answer = |answer| Shape {
        answer,
        ..Shape::PLAIN
    };
    let error_first = answer(|_| Some(json!([null, { "id": 7 }])));
    passes(&with("answers = \"error-first\""), error_first).await;
    passes(&with("answers = \"any\""), answer(|_| Some(json!([])))).await;
    passes(&with("answers = \"any\""), answer(|_| Some(json!(["ok"])))).await;
    passes(
        &with("answers_success = false"),
        answer(|_| Some(json!([true]))),
    )
    .await;
    let deep = with("fields.success = \"0.status.ok\"").replace("[server.events.fields]", "");
    let deep = deep.replace("body = \"text\"\nsender = \"\"\n", "");
    let deep = deep.replace(
        "fields.success =",
        "fields.body = \"text\"\nfields.sender = \"\"\nfields.success =",
    );
    let status = answer(|_| Some(json!([{ "status": { "ok": true } }])));
    passes(&deep, status).await;
}

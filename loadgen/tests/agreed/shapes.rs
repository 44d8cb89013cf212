//! Servers that differ in the shape of what they say and understand, each with the map that says so.

use loadgen::model::Metric;
use serde_json::{Value, json};

use crate::{
    PLAIN, SCENARIO, passes,
    server::{Heard, Shape, Told},
};

fn map(text: &str) -> String {
    format!("{SCENARIO}{text}")
}

fn text(value: &Value) -> String {
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

#[tokio::test]
async fn a_server_can_put_its_users_into_rooms_by_their_token() {
    // Users are two to a room, in any order: all of them in one here, and the others' messages are nobody's.
    let shape = Shape {
        room_of: |_| Some("the one".to_owned()),
        hear: |event, arguments| match event {
            "say" => Heard::Says("the one".to_owned(), text(&arguments[0])),
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
fields = { body = "0", conversation = "", id = "" }
[server.events.channel]
send = "say"
send_payload = '"{body}"'
received = "said"
"#;
    let scenario = map(events).replace(
        "population = { users = 6, rooms = 3 }",
        "population = { users = 6, channels = [{ count = 1, members = 6 }] }",
    );
    passes(&scenario, shape).await;
}

#[tokio::test]
async fn an_event_can_answer_a_join() {
    let shape = Shape {
        answer: |is_message| is_message.then(|| json!([{ "success": true }])),
        joined: |room| Some(("entered", json!([null, { "room": { "id": room } }]))),
        ..Shape::PLAIN
    };
    let events = PLAIN
        .replace("join = \"enter\"", "join = \"enter\"\njoined = \"entered\"")
        .replace(
            "sender = \"\"",
            "sender = \"\"\njoined = { conversation = \"1.room.id\" }",
        );
    let report = passes(&map(&events), shape).await;
    let join = report.runs[0]
        .metrics
        .iter()
        .find(|one| one.metric == Metric::Join);
    assert_eq!(join.unwrap().n, 6);
    // One that does not say which room it is about.
    let shape = Shape {
        joined: |_| Some(("entered", json!([]))),
        ..shape
    };
    passes(&map(&events), shape).await;
}

#[tokio::test]
async fn joins_that_nothing_answers_have_their_time() {
    let shape = Shape {
        answer: |is_message| is_message.then(|| json!([{ "success": true }])),
        ..Shape::PLAIN
    };
    let scenario = map(&format!(
        "[server.events]\nacknowledges_joins = false\n{PLAIN}"
    ));
    let report = passes(&scenario, shape).await;
    let metrics = &report.runs[0].metrics;
    let join = metrics.iter().find(|one| one.metric == Metric::Join);
    assert_eq!(join.map_or(0, |join| join.n), 0);
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

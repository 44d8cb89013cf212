//! Servers that differ in how a user comes into a room, and in what they say to it.

use loadgen::model::Metric;
use serde_json::json;

use crate::{
    PLAIN, passes,
    server::{Heard, Shape, Told},
    shapes::{map, text},
};

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

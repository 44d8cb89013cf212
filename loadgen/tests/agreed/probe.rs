//! `loadgen probe`: what it shows of servers of several shapes, and that the keys it shows do fit.

use std::path::Path;

use loadgen::{
    dial::Target,
    experiment,
    scenario::{Connections, Scenario},
};
use serde_json::json;

use crate::{
    PLAIN, SCENARIO, passes,
    server::{self, Heard, Shape, Told},
};

/// What is shown of a server, with its address taken out.
async fn shown(scenario: Option<&str>, shape: Shape) -> String {
    let url = server::start(shape).await;
    let scenario = scenario.map(|text| Scenario::parse(Path::new("t.toml"), text).unwrap());
    let target = Target::started_here(&url, &Connections::default()).unwrap();
    let seen = experiment::probe(&target, scenario.as_ref(), None).await;
    seen.unwrap().to_string().replace(&url, "URL")
}

#[tokio::test]
async fn one_user_is_greeted() {
    let shape = Shape {
        room_of: |_| Some("lobby".to_owned()),
        joined: |room| Some(("welcome", json!([{ "room": room, "since": 7 }, ["a", "b"]]))),
        ..Shape::PLAIN
    };
    insta::assert_snapshot!(shown(None, shape).await);
}

#[tokio::test]
async fn two_users_of_a_scenario_talk_and_the_keys_are_shown_that_fit() {
    let shape = Shape {
        hear: |event, arguments| {
            let text = |at: usize| arguments[at].as_str().unwrap_or_default().to_owned();
            match event {
                "enter" => Heard::Joins(text(0)),
                "say" => Heard::Says(text(0), text(1)),
                _ => Heard::Nothing,
            }
        },
        answer: |is_message| is_message.then(|| json!([null, { "id": 7 }])),
        joined: |room| Some(("entered", json!([null, { "room": room }]))),
        tell: |room, text, number| Told {
            own: Some(("mine", json!([{ "text": text }]))),
            others: Some((
                "said",
                json!([room, { "_id": number.to_string(), "text": text }]),
            )),
        },
        ..Shape::PLAIN
    };
    let head = "join = \"enter\"\njoin_payload = '\"{conversation}\"'\nsend = \"say\"\nsend_payload = '\"{conversation}\",\"{body}\"'\n";
    let first = format!(
        "{SCENARIO}[server.events.room]\n{head}received = \"unknown\"\nid_field = \"room\"\n"
    );
    let text = shown(Some(&first), shape).await;
    insta::assert_snapshot!(text);
    let (_, keys) = text.split_once("keys that would fit\n").unwrap();
    let keys = keys.replace(
        "[server.events.room]\n",
        &format!("[server.events.room]\n{head}"),
    );
    passes(&format!("{SCENARIO}{keys}"), shape).await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_shown_as_that() {
    let stone = Shape {
        answer: |_| None,
        tell: |_, _, _| Told {
            own: None,
            others: None,
        },
        ..Shape::PLAIN
    };
    let text = shown(Some(&format!("{SCENARIO}{PLAIN}")), stone).await;
    assert!(
        text.contains("`enter` is sent to join; not acknowledged"),
        "{text}"
    );
    assert!(text.contains("does the server know `say`"), "{text}");
}

//! Maps that are wrong: the run ends within seconds with the one true reason, and nobody is told that deliveries are lost.

use loadgen::{experiment::RunError, judge::Verdict};
use serde_json::{Value, json};

use crate::{
    PLAIN, SCENARIO, mistake, run,
    server::{Heard, Shape, Told},
};

fn map(text: &str) -> String {
    format!("{SCENARIO}{text}")
}

#[tokio::test]
async fn an_event_of_another_name_is_named() {
    let said = mistake(&map(&PLAIN.replace("\"said\"", "\"spoken\"")), Shape::PLAIN).await;
    assert!(
        said.contains("`said`, which the map doesn't know"),
        "{said}"
    );
    assert!(
        said.contains("try `received = \"said\"` in [server.events.room]"),
        "{said}"
    );
}

#[tokio::test]
async fn a_short_run_tells_it_too() {
    let (ended, _) = run(&map(&PLAIN.replace("\"said\"", "\"spoken\"")), Shape::PLAIN).await;
    assert!(matches!(ended, Err(RunError::Mistaken(_))));
}

#[tokio::test]
async fn another_dialect_is_named() {
    let shape = Shape {
        hear: |event, arguments| {
            let text = |field: &str| arguments[0][field].as_str().unwrap_or_default().to_owned();
            match event {
                "JoinChannel" | "JOIN_CHANNEL" => Heard::Joins(text("channelId")),
                "NewMessage" | "NEW_MESSAGE_EVENT" => Heard::Says(text("channelId"), text("body")),
                _ => Heard::Nothing,
            }
        },
        tell: |room, text, number| {
            let message =
                || json!([{ "_id": number.to_string(), "channelId": room, "body": text }]);
            Told {
                own: Some(("channelMessageSent", message())),
                others: Some(("NewMessageReceived", message())),
            }
        },
        ..Shape::PLAIN
    };
    let scenario = SCENARIO.replace("rooms = 3", "channels = [{ count = 1, members = 6 }]");
    let said = mistake(&scenario, shape).await;
    assert!(
        said.contains("`NewMessageReceived`, which the map doesn't know"),
        "{said}"
    );
    assert!(said.ends_with("try `--dialect reference`"), "{said}");
}

#[tokio::test]
async fn a_text_that_stands_elsewhere_is_found() {
    let deep = Shape {
        tell: |room, text, _| {
            let said = || Some(("said", json!([{ "room": room, "msg": { "text": text } }])));
            Told {
                own: said(),
                others: said(),
            }
        },
        ..Shape::PLAIN
    };
    let said = mistake(&map(PLAIN), deep).await;
    assert!(said.contains("could read none of them"), "{said}");
    assert!(said.contains("`fields.body = \"msg.text\"`"), "{said}");
    let bare = Shape {
        tell: |_, text, _| Told {
            own: Some(("said", json!([text]))),
            others: Some(("said", json!([text]))),
        },
        ..Shape::PLAIN
    };
    let said = mistake(&map(PLAIN), bare).await;
    assert!(said.contains("`fields.body = \"0\"`"), "{said}");
    // The text is where it should be, and the conversation is not.
    let nowhere = Shape {
        tell: |_, text, _| {
            let said = || Some(("said", json!([{ "text": text }])));
            Told {
                own: said(),
                others: said(),
            }
        },
        ..Shape::PLAIN
    };
    let said = mistake(&map(PLAIN), nowhere).await;
    assert!(said.contains("under the conversation"), "{said}");
}

#[tokio::test]
async fn a_text_that_nobody_can_find_is_no_loss() {
    let coded = Shape {
        tell: |room, text, _| {
            let coded: String = text.chars().rev().collect();
            let said = || Some(("said", json!([{ "room": room, "text": coded }])));
            Told {
                own: said(),
                others: said(),
            }
        },
        ..Shape::PLAIN
    };
    let said = mistake(&map(PLAIN), coded).await;
    assert!(said.contains("`loadgen probe`"), "{said}");
    let said = mistake(&map(&PLAIN.replace("\"said\"", "\"spoken\"")), coded).await;
    assert!(
        said.contains("`said`, which the map doesn't know"),
        "{said}"
    );
}

#[tokio::test]
async fn a_server_without_an_echo_is_told_from_one_that_loses() {
    let silent = Shape {
        tell: |room, text, _| Told {
            own: None,
            others: Some(("said", json!([{ "room": room, "text": text }]))),
        },
        ..Shape::PLAIN
    };
    let said = mistake(&map(PLAIN), silent).await;
    assert!(
        said.contains("this server doesn't echo: `echoes = false`"),
        "{said}"
    );
    let apart = Shape {
        tell: |room, text, _| Told {
            own: Some(("saved", json!([{ "room": room, "text": text }]))),
            others: Some(("said", json!([{ "room": room, "text": text }]))),
        },
        ..Shape::PLAIN
    };
    let said = mistake(&map(PLAIN), apart).await;
    assert!(said.contains("try `sent = \"saved\"`"), "{said}");
}

#[tokio::test]
async fn a_join_that_is_not_answered_names_its_event_and_the_switch() {
    let mute = Shape {
        answer: |_| None,
        ..Shape::PLAIN
    };
    let said = mistake(&map(PLAIN), mute).await;
    assert!(said.contains("is connected to http://"), "{said}");
    assert!(
        said.contains("(`enter`) was not answered within 5 s"),
        "{said}"
    );
    assert!(said.contains("`acknowledges_joins = false`"), "{said}");
    let by_event = PLAIN.replace("join =", "joined = \"entered\"\njoin =");
    let said = mistake(&map(&by_event), mute).await;
    assert!(said.contains("does it answer it by `entered`"), "{said}");
}

#[tokio::test]
async fn an_answer_in_other_words_is_quoted() {
    let ok = Shape {
        answer: |_| Some(json!(["ok"])),
        ..Shape::PLAIN
    };
    let said = mistake(&map(PLAIN), ok).await;
    assert!(
        said.contains("(`enter`) was answered with \"ok\""),
        "{said}"
    );
    assert!(said.contains("`answers = \"any\"`"), "{said}");
    let messages = Shape {
        answer: |is_message| {
            Some(match is_message {
                true => json!([]),
                false => json!([{ "success": true }]),
            })
        },
        ..Shape::PLAIN
    };
    let said = mistake(&map(PLAIN), messages).await;
    assert!(said.contains("were acknowledged with nothing"), "{said}");
}

#[tokio::test]
async fn a_refused_join_is_the_servers_word() {
    let no = Shape {
        answer: |_| Some(json!([{ "success": false, "message": "no such room" }])),
        ..Shape::PLAIN
    };
    let (ended, _) = run(&map(PLAIN), no).await;
    let error = ended.unwrap_err();
    assert!(matches!(error, RunError::Join { .. }), "{error}");
    assert!(error.to_string().contains("no such room"), "{error}");
}

#[tokio::test]
async fn a_sender_that_stands_elsewhere_is_found() {
    let shape = Shape {
        sign: |token, told| told[0]["author"] = json!({ "id": token, "name": "Ann" }),
        ..Shape::PLAIN
    };
    for wrong in ["by", "author", "author.name"] {
        let from = PLAIN.replace("sender =", &format!("from = \"{wrong}\"\nsender ="));
        let said = mistake(&map(&from), shape).await;
        assert!(
            said.contains(&format!("none names its sender at `{wrong}`")),
            "{said}"
        );
        assert!(said.contains("try `fields.from = \"author.id\"`"), "{said}");
    }
}

#[tokio::test]
async fn an_id_that_no_acknowledgement_has_is_told() {
    let events = PLAIN.replace("sender =", "acknowledged = { id = \"data._id\" }\nsender =");
    let said = mistake(&map(&events), Shape::PLAIN).await;
    assert!(
        said.contains("none with an id where `fields.acknowledged`"),
        "{said}"
    );
    assert!(said.contains("{\"success\":true}"), "{said}");
}

/// What a server sends beside its messages is no mistake of the map, however much of it there is.
#[tokio::test]
async fn a_server_that_swallows_everything_and_chatters_loses_it() {
    let nothing: fn(&str, &str, u64) -> Told = |_, _, _| Told {
        own: None,
        others: None,
    };
    let short: fn() -> (&'static str, Value) = || {
        let users: Vec<String> = (0..50).map(|user| format!("{user:024x}")).collect();
        (
            "presence",
            json!([{ "online": users, "at": 1_760_000_000_000_u64 }]),
        )
    };
    let long: fn() -> (&'static str, Value) = || ("stats", json!([{ "of": "x".repeat(200) }]));
    // Too short to be a delivery.
    let presence = Shape {
        tell: nothing,
        chatter: Some(short),
        ..Shape::PLAIN
    };
    // Long enough, but it was there before anybody said anything.
    let before = Shape {
        joined: |_| Some(("stats", json!([{ "of": "x".repeat(200) }]))),
        chatter: Some(long),
        ..presence
    };
    // Long enough, of a server that refuses all.
    let refuses = Shape {
        answer: |is_message| Some(json!([{ "success": !is_message }])),
        chatter: Some(long),
        ..presence
    };
    for shape in [presence, before, refuses] {
        let (report, _) = run(&map(PLAIN), shape).await;
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(report.verdict, Verdict::Fail);
    }
    // One whose confirmations are understood has its texts in plain words.
    let confirms = Shape {
        chatter: Some(long),
        confirm: |room, text, _| Some(("stored", json!([{ "room": room, "text": text }]))),
        ..presence
    };
    let confirmed = PLAIN.replace("received =", "confirmed = \"stored\"\nreceived =");
    let (report, _) = run(&map(&confirmed), confirms).await;
    assert_eq!(report.unwrap().verdict, Verdict::Fail);
}

#[tokio::test]
async fn a_server_that_swallows_everything_loses_it() {
    let black_hole = Shape {
        tell: |_, _, _| Told {
            own: None,
            others: None,
        },
        ..Shape::PLAIN
    };
    let (report, _) = run(&map(PLAIN), black_hole).await;
    let report = report.unwrap();
    assert_eq!(report.verdict, Verdict::Fail);
    assert!(report.runs[0].totals.lost > 10);
    // Nothing comes back at all.
    let stone = Shape {
        hear: |event, arguments| match event {
            "enter" => (Shape::PLAIN.hear)(event, arguments),
            _ => Heard::Nothing,
        },
        ..Shape::PLAIN
    };
    let (report, notices) = run(&map(PLAIN), stone).await;
    assert_eq!(report.unwrap().verdict, Verdict::Fail);
    assert!(
        notices
            .iter()
            .any(|notice| notice.contains("does it know `say`")),
        "{notices:?}"
    );
}

//! A `clientMsgId` names a message within its sender and its conversation: nowhere else is it repeated, and nobody else
//! is told of it.

use std::sync::atomic::Ordering::SeqCst;

use serde_json::{Value, json};
use server::config::{Config, DeliveryMode};

use crate::{
    client::{Client, Packet},
    mongo::{mongodb_support::MongoDb, on},
    running::{Running, config, start, start_with},
    store::Obedient,
};

const MODES: [DeliveryMode; 2] = [DeliveryMode::Optimistic, DeliveryMode::PersistFirst];

fn say(room: &str, body: &str) -> Value {
    json!({ "roomId": room, "body": body, "clientMsgId": "1" })
}

fn bodies(packets: &[Packet]) -> Vec<(&str, &str)> {
    packets
        .iter()
        .filter_map(|packet| match packet {
            Packet::Event(name, data) => Some((name.as_str(), data["body"].as_str()?)),
            _ => None,
        })
        .collect()
}

/// Says a secret in one room on one server, and greets another room on the next, under one `clientMsgId`.
async fn reuse_after_a_restart(mode: DeliveryMode, mut serve: impl AsyncFnMut() -> Running) {
    let server = serve().await;
    let mut ann = Client::in_rooms(server.address, "ann", &["private"]).await;
    let secret = ann.call("roomMessage", say("private", "SECRET")).await;
    assert_eq!(secret["data"]["body"], "SECRET", "{secret}");
    drop(ann);
    server.stopped().await;

    let server = serve().await;
    let mut ann = Client::in_rooms(server.address, "ann", &["private", "public"]).await;
    ann.call("JOIN_CHANNEL", json!({ "channelId": "private" }))
        .await;
    let mut eve = Client::in_rooms(server.address, "eve", &["public"]).await;
    let ack = ann.call("roomMessage", say("public", "hello")).await;
    assert_eq!(
        (&ack["data"]["body"], &ack["data"]["roomId"]),
        (&json!("hello"), &json!("public")),
        "{ack}"
    );
    assert_ne!(ack["data"]["_id"], secret["data"]["_id"]);
    let to_eve = eve.settled().await;
    let expected = match mode {
        DeliveryMode::Optimistic => vec![
            ("roomMessageRecieved", "hello"),
            ("roomMessageConfirmed", "hello"),
        ],
        DeliveryMode::PersistFirst => vec![("roomMessageRecieved", "hello")],
    };
    assert_eq!(bodies(&to_eve), expected);
    let payload = json!({ "channelId": "private", "body": "a channel", "clientMsgId": "1" });
    let ack = ann.call("NEW_MESSAGE_EVENT", payload).await;
    assert_eq!(ack["data"]["body"], "a channel", "{ack}");
    let again = ann.call("roomMessage", say("private", "other words")).await;
    assert_eq!(
        (&again["data"]["_id"], &again["data"]["body"]),
        (&secret["data"]["_id"], &json!("SECRET")),
        "there it is the first message still"
    );
    server.stopped().await;
}

#[tokio::test]
async fn after_a_restart_it_is_another_message_in_another_room() {
    for mode in MODES {
        let store = Obedient::opened();
        let serve = async || {
            let config = Config {
                delivery: mode,
                ..config()
            };
            start_with(config, store.clone()).await
        };
        reuse_after_a_restart(mode, serve).await;
        assert_eq!(store.inner.len(), 3);
    }
}

#[tokio::test]
async fn after_a_restart_on_mongodb_it_is_another_message_in_another_room() {
    for mode in MODES {
        let Some(mongodb) = MongoDb::start().await else {
            return;
        };
        let serve = async || {
            let config = Config {
                delivery: mode,
                ..on(&mongodb)
            };
            start(config).await
        };
        reuse_after_a_restart(mode, serve).await;
    }
}

#[tokio::test]
async fn what_was_forgotten_is_another_message_in_another_room() {
    let server = start(config()).await;
    let mut ann = Client::in_rooms(server.address, "ann", &["private", "public", "filler"]).await;
    let mut eve = Client::in_rooms(server.address, "eve", &["public"]).await;
    let secret = ann.call("roomMessage", say("private", "SECRET")).await;
    // More than the 16 MiB of acknowledgements that are remembered.
    let body = "x".repeat(60_000);
    for filler in 0..300 {
        let payload =
            json!({ "roomId": "filler", "body": body, "clientMsgId": filler.to_string() });
        assert_eq!(ann.call("roomMessage", payload).await["success"], true);
        ann.settled().await;
    }
    let ack = ann.call("roomMessage", say("public", "hello")).await;
    assert_eq!(ack["data"]["body"], "hello", "{ack}");
    assert_eq!(
        bodies(&eve.settled().await),
        [
            ("roomMessageRecieved", "hello"),
            ("roomMessageConfirmed", "hello")
        ]
    );
    let again = ann.call("roomMessage", say("private", "SECRET")).await;
    assert_eq!(again["data"]["_id"], secret["data"]["_id"]);
}

#[tokio::test]
async fn while_the_first_is_remembered_or_on_its_way_too() {
    let store = Obedient::closed();
    let server = start_with(config(), store.clone()).await;
    let mut ann = Client::in_rooms(server.address, "ann", &["private", "public"]).await;
    let pending = ann.ask("roomMessage", say("private", "SECRET")).await;
    let elsewhere = ann.ask("roomMessage", say("public", "hello")).await;
    ann.settled().await;
    store.open();
    assert_eq!(ann.ack(elsewhere).await["data"]["body"], "hello");
    assert_eq!(ann.ack(pending).await["data"]["body"], "SECRET");
    let again = ann.call("roomMessage", say("public", "hello")).await;
    assert_eq!(again["data"]["body"], "hello");
    assert_eq!(store.inner.len(), 2);
    assert_eq!(server.metric("chat_repeated_total").await, 1.0);
}

#[tokio::test]
async fn repetitions_that_wait_for_the_first_are_bounded() {
    const BOUND: usize = 256;
    const TOO_MANY: usize = 50;
    let store = Obedient::closed();
    let server = start_with(config(), store.clone()).await;
    let mut ann = Client::in_rooms(server.address, "ann", &["r"]).await;
    let mut asked = Vec::new();
    for _ in 0..1 + BOUND + TOO_MANY {
        asked.push(ann.ask("roomMessage", say("r", "x")).await);
    }
    let refused = json!({ "success": false, "message": "Too many events" });
    let packets = ann.settled().await;
    let answers: Vec<_> = packets
        .iter()
        .filter_map(|packet| match packet {
            Packet::Ack(_, answer) => Some(answer),
            _ => None,
        })
        .collect();
    assert_eq!(answers, [&refused; TOO_MANY]);
    store.hold("y");
    store.open();
    for ask in &asked[..=BOUND] {
        assert_eq!(ann.ack(*ask).await["success"], true);
    }
    // There is room again.
    let other = json!({ "roomId": "r", "body": "y", "clientMsgId": "2" });
    let first = ann.ask("roomMessage", other.clone()).await;
    let again = ann.ask("roomMessage", other).await;
    ann.settled().await;
    store.release("y");
    let stored = ann.ack(first).await;
    assert_eq!(stored["success"], true, "{stored}");
    assert_eq!(ann.ack(again).await, stored);
    assert_eq!(server.metric("chat_repeated_total").await, 257.0);
}

#[tokio::test]
async fn who_names_somebody_elses_message_learns_nothing_outside_its_room() {
    let store = Obedient::closed();
    let server = start_with(config(), store.clone()).await;
    let mut ann = Client::in_rooms(server.address, "ann", &["private"]).await;
    let mut eve = Client::in_rooms(server.address, "eve", &["private", "public"]).await;
    let said = |room, body| {
        let mut payload = say(room, body);
        payload["senderId"] = "ann".into();
        payload
    };
    let first = ann.ask("roomMessage", say("private", "SECRET")).await;
    ann.settled().await;
    let pending = eve.ask("roomMessage", said("private", "guess")).await;
    eve.call("leaveRoom", json!({ "roomId": "private" })).await;
    store.open();
    assert_eq!(ann.ack(first).await["data"]["body"], "SECRET");
    let refused = json!({ "success": false, "message": "Join the room before sending" });
    assert_eq!(eve.ack(pending).await, refused, "left while it was pending");
    let ended = eve.call("roomMessage", said("private", "guess")).await;
    assert_eq!(ended, refused);
    let elsewhere = eve.call("roomMessage", said("public", "guess")).await;
    assert_eq!(elsewhere["data"]["body"], "guess", "{elsewhere}");
}

#[tokio::test]
async fn who_has_left_is_not_told_what_was_stored_before_this_server_knew_of_it() {
    let store = Obedient::opened();
    let persist_first = || Config {
        delivery: DeliveryMode::PersistFirst,
        ..config()
    };
    let server = start_with(persist_first(), store.clone()).await;
    let mut ann = Client::in_rooms(server.address, "ann", &["private"]).await;
    ann.call("roomMessage", say("private", "SECRET")).await;
    server.stopped().await;
    let server = start_with(persist_first(), store.clone()).await;
    let mut eve = Client::in_rooms(server.address, "eve", &["private"]).await;
    store.hold("guess");
    let mut guess = say("private", "guess");
    guess["senderId"] = "ann".into();
    let ask = eve.ask("roomMessage", guess).await;
    eve.call("leaveRoom", json!({ "roomId": "private" })).await;
    store.release("guess");
    let ack = eve.ack(ask).await;
    assert_eq!(ack["message"], "Join the room before sending", "{ack}");
}

#[tokio::test]
async fn a_store_that_names_another_conversations_message_is_not_believed() {
    for mode in MODES {
        let store = Obedient::opened();
        let config = Config {
            delivery: mode,
            ..config()
        };
        let server = start_with(config, store.clone()).await;
        let mut ann = Client::in_rooms(server.address, "ann", &["private", "public"]).await;
        let mut eve = Client::in_rooms(server.address, "eve", &["public"]).await;
        ann.call("roomMessage", say("private", "SECRET")).await;
        store.confused.store(true, SeqCst);
        let ack = ann.call("roomMessage", say("public", "hello")).await;
        assert_eq!(ack["error"], "rejected by the store", "{ack}");
        let seen = eve.settled().await;
        assert!(!format!("{seen:?} {ack}").contains("SECRET"), "{seen:?}");
    }
}

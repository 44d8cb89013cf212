//! Both dialects, before and after.

use std::time::Duration;

use serde_json::{Value, json};
use server::{
    config::{Config, DeliveryMode},
    protocol::Dialect,
};

use crate::{
    client::{Client, Packet},
    running::{config, start, start_with},
    store::Obedient,
};

/// Everything that two members of a conversation get when the first of them sends one message.
async fn conversation(
    config: Config,
    join: &str,
    send: &str,
    to: Value,
) -> (Value, Vec<Packet>, Vec<Packet>) {
    let server = start(config).await;
    let mut a = Client::login(server.address, "a").await;
    let mut b = Client::login(server.address, "b").await;
    for client in [&mut a, &mut b] {
        assert_eq!(client.call(join, to.clone()).await["success"], true);
    }
    let mut payload = to;
    payload["body"] = "x".into();
    let ack = a.call(send, payload).await;
    (ack, a.settled().await, b.settled().await)
}

fn names(packets: &[Packet]) -> Vec<&str> {
    packets
        .iter()
        .map(|packet| match packet {
            Packet::Event(name, _) => name.as_str(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn each_dialect_has_its_names_and_both_are_understood() {
    let (room, channel) = (json!({ "roomId": "r" }), json!({ "channelId": "c" }));
    let cases = [
        (
            Dialect::Readme,
            "joinRoom",
            "roomMessage",
            &room,
            ["roomMessageRecieved", "roomMessageConfirmed"],
            None,
        ),
        (
            Dialect::Readme,
            "JoinChannel",
            "NewMessage",
            &channel,
            ["NEW_MESSAGE_RECEIVED_EVENT", "channelMessageConfirmed"],
            None,
        ),
        (
            Dialect::Reference,
            "joinRoom",
            "roomMessage",
            &room,
            ["roomMessageRecieved", "roomMessageConfirmed"],
            Some("roomMessageSent"),
        ),
        (
            Dialect::Reference,
            "JOIN_CHANNEL",
            "NEW_MESSAGE_EVENT",
            &channel,
            ["NewMessageReceived", "channelMessageConfirmed"],
            Some("channelMessageSent"),
        ),
    ];
    for (dialect, join, send, to, [received, confirmed], sent) in cases {
        let config = Config {
            dialect,
            ..config()
        };
        let (ack, a, b) = conversation(config, join, send, to.clone()).await;
        assert_eq!(ack["success"], true);
        assert_eq!(names(&b), [received, confirmed]);
        assert_eq!(names(&a), [sent.unwrap_or(received), confirmed]);
        let (Packet::Event(_, to_sender), Packet::Event(_, to_other)) = (&a[0], &b[0]) else {
            unreachable!()
        };
        assert_eq!(to_sender, to_other, "the same object under both names");
    }
}

#[tokio::test]
async fn the_system_before_delivers_once_and_after_the_save() {
    for (dialect, send, join, to, received, sent) in [
        (
            Dialect::Readme,
            "roomMessage",
            "joinRoom",
            json!({ "roomId": "r" }),
            "roomMessageRecieved",
            None,
        ),
        (
            Dialect::Reference,
            "NewMessage",
            "JoinChannel",
            json!({ "channelId": "r" }),
            "NewMessageReceived",
            Some("channelMessageSent"),
        ),
    ] {
        let config = Config {
            delivery: DeliveryMode::PersistFirst,
            dialect,
            ..config()
        };
        let (ack, a, b) = conversation(config, join, send, to).await;
        assert_eq!(names(&b), [received]);
        assert_eq!(names(&a), [sent.unwrap_or(received)]);
        let Packet::Event(_, message) = &b[0] else {
            unreachable!()
        };
        assert_eq!(&ack["data"], message);
        assert_eq!(message["_id"].as_str().unwrap().len(), 24);
        for absent in ["tempId", "isOptimistic", "isConfirmed"] {
            assert!(message.get(absent).is_none(), "{absent}");
        }
    }
}

#[tokio::test]
async fn in_the_system_before_a_failure_lets_nobody_overtake() {
    let store = Obedient::opened();
    let mut config = Config {
        delivery: DeliveryMode::PersistFirst,
        ..config()
    };
    config.writer.batch_max = 1;
    let server = start_with(config, store.clone()).await;
    let mut a = Client::in_rooms(server.address, "a", &["r"]).await;
    let send = |body: &str| json!({ "roomId": "r", "body": body });
    store.hold("first");
    store.reject("second");
    let first = a.ask("roomMessage", send("first")).await;
    let second = a.ask("roomMessage", send("second")).await;
    assert_eq!(a.ack(second).await["success"], false);
    let third = a.ask("roomMessage", send("third")).await;
    while store.inner.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        a.settled().await,
        [],
        "the third is stored and waits for the first"
    );
    store.release("first");
    assert_eq!(a.ack(first).await["success"], true);
    assert_eq!(a.ack(third).await["success"], true);
    let bodies: Vec<Value> = a
        .settled()
        .await
        .into_iter()
        .map(|packet| match packet {
            Packet::Event(_, data) => data["body"].clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(bodies, ["first", "third"]);
}

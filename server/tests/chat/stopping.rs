//! Stopping: nobody new, everything finished, everybody told.

use std::time::Duration;

use serde_json::json;

use crate::{
    client::{Client, GUARD, Packet},
    running::{config, start, start_with},
    store::Obedient,
};

#[tokio::test]
async fn pending_saves_are_finished_and_told_before_the_end() {
    let store = Obedient::closed();
    let server = start_with(config(), store.clone()).await;
    let mut a = Client::in_rooms(server.address, "a", &["r"]).await;
    let mut b = Client::in_rooms(server.address, "b", &["r"]).await;
    let mut asked = Vec::new();
    for _ in 0..20 {
        asked.push(
            a.ask("roomMessage", json!({ "roomId": "r", "body": "x" }))
                .await,
        );
    }
    a.settled().await;
    let address = server.address;
    let stopping = server.stop();
    // Once it refuses, it is stopping.
    loop {
        let ack = a
            .call("roomMessage", json!({ "roomId": "r", "body": "late" }))
            .await;
        if ack["success"] == false {
            assert_eq!(ack["message"], "Server is shutting down");
            break;
        }
    }
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "nobody new is accepted"
    );
    store.open();
    for ask in asked {
        assert_eq!(a.ack(ask).await["success"], true);
    }
    let to_b = b.until_closed().await;
    let count = |wanted: &str| {
        to_b.iter()
            .filter(|p| matches!(p, Packet::Event(name, _) if name == wanted))
            .count()
    };
    assert_eq!(
        (count("roomMessageRecieved"), count("roomMessageConfirmed")),
        (20, 20)
    );
    a.until_closed().await;
    let stopped = tokio::time::timeout(GUARD, stopping)
        .await
        .unwrap()
        .unwrap();
    assert!(stopped.clean, "{stopped:?}");
    assert_eq!(store.inner.len(), 20);
}

#[tokio::test]
async fn what_the_store_never_takes_fails_at_the_deadline() {
    let mut config = config();
    config.drain_deadline = Duration::from_millis(500);
    let server = start_with(config, Obedient::closed()).await;
    let mut a = Client::in_rooms(server.address, "a", &["r"]).await;
    let ask = a
        .ask("roomMessage", json!({ "roomId": "r", "body": "x" }))
        .await;
    a.event("roomMessageRecieved").await;
    let stopping = server.stop();
    assert_eq!(a.ack(ask).await["success"], false);
    a.event("roomMessageFailed").await;
    a.until_closed().await;
    let stopped = tokio::time::timeout(GUARD, stopping)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stopped.saves.failed, 1);
}

#[tokio::test]
async fn an_idle_server_stops_at_once() {
    let server = start(config()).await;
    let mut a = Client::login(server.address, "a").await;
    let stopped = server.stopped().await;
    assert!(stopped.clean && stopped.saves.failed == 0);
    assert_eq!(a.until_closed().await, []);
}

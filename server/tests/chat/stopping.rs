//! Stopping: nobody new, everything finished, everybody told.

use std::{collections::HashSet, time::Duration};

use futures::SinkExt as _;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{Client, GUARD, Packet},
    mongo::{mongodb_support::MongoDb, on},
    polling::Polling,
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

#[tokio::test]
async fn a_drain_deadline_beyond_all_time_is_none() {
    let mut config = config();
    config.drain_deadline = Duration::MAX;
    let server = start(config).await;
    let mut a = Client::login(server.address, "a").await;
    let stopped = server.stopped().await;
    assert!(stopped.clean && stopped.saves.failed == 0);
    assert_eq!(a.until_closed().await, []);
}

#[tokio::test]
async fn who_has_logged_out_is_owed_nothing() {
    let server = start(config()).await;
    let polling = Polling::login(server.address, "p").await;
    // Its answer is never fetched.
    polling.post("421[\"joinRoom\",{\"roomId\":\"r\"}]").await;
    server.until_stats(1, 1, 1).await;
    polling.post("41").await;
    server.until_stats(0, 0, 0).await;
    let stopped = server.stopped().await;
    assert!(stopped.clean, "{stopped:?}");
}

/// One client's account of a stop: what it got without an end, and which of its questions were not answered.
async fn send_until_the_end(mut client: Client, messages: usize) -> (usize, usize) {
    for n in 0..messages {
        let message = json!({ "roomId": "r", "body": n.to_string() });
        client.ask("roomMessage", message).await;
    }
    let (mut open, mut answered) = (HashSet::new(), HashSet::new());
    let late = json!({ "roomId": "r", "body": "late" });
    loop {
        let packet = tokio::select! {
            packet = client.next() => packet,
            () = tokio::time::sleep(Duration::from_millis(1)) => {
                // It may be closed; then reading says so.
                let event = format!("42{}", json!(["roomMessage", late]));
                let _sent = client.ws.send(Message::text(event)).await;
                continue;
            }
        };
        match packet {
            Packet::Event(name, data) if name == "roomMessageRecieved" => {
                open.insert(data["_id"].as_str().unwrap().to_owned());
            }
            Packet::Event(_, data) => {
                open.remove(data["tempId"].as_str().unwrap());
            }
            Packet::Ack(id, _) => {
                answered.insert(id);
            }
            Packet::Disconnect => {}
            Packet::Closed => {
                let unanswered = (2..messages as u64 + 2).filter(|id| !answered.contains(id));
                return (open.len(), unanswered.count());
            }
        }
    }
}

#[tokio::test]
async fn clients_that_go_on_sending_get_every_end_and_every_answer() {
    const USERS: usize = 20;
    const MESSAGES: usize = 25;
    let store = Obedient::closed();
    let server = start_with(config(), store.clone()).await;
    let mut clients = Vec::new();
    for n in 0..USERS {
        let client = Client::in_rooms(server.address, &format!("u{n}"), &["r"]).await;
        clients.push(tokio::spawn(send_until_the_end(client, MESSAGES)));
    }
    let all = (USERS * MESSAGES) as f64;
    while server.metric("chat_messages_total{kind=\"room\"}").await < all {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let stopping = server.stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    store.open();
    let stopped = tokio::time::timeout(GUARD, stopping)
        .await
        .unwrap()
        .unwrap();
    assert!(stopped.clean, "{stopped:?}");
    for client in clients {
        let (without_an_end, unanswered) = client.await.unwrap();
        assert_eq!((without_an_end, unanswered), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mongodb_that_answers_nobody_takes_no_end_away() {
    const USERS: usize = 8;
    const MESSAGES: usize = 25;
    let Some(mongodb) = MongoDb::start().await else {
        return;
    };
    // The drain gives the messages up, or their own deadline does.
    for (drain_deadline, save_deadline) in [(4, 30), (15, 2)] {
        let mut config = on(&mongodb);
        config.drain_deadline = Duration::from_secs(drain_deadline);
        config.writer.deadline = Duration::from_secs(save_deadline);
        let server = start(config).await;
        let mut clients = Vec::new();
        for n in 0..USERS {
            clients.push(Client::in_rooms(server.address, &format!("u{n}"), &["r"]).await);
        }
        mongodb.freeze();
        let clients: Vec<_> = clients
            .into_iter()
            .map(|client| tokio::spawn(send_until_the_end(client, MESSAGES)))
            .collect();
        while server.metric("chat_messages_total{kind=\"room\"}").await < (USERS * MESSAGES) as f64
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let stopped = server.stopped().await;
        mongodb.thaw();
        assert!(stopped.clean, "{stopped:?}");
        assert!(stopped.saves.failed > 0, "{stopped:?}");
        for client in clients {
            assert_eq!(client.await.unwrap(), (0, 0));
        }
    }
}

//! What waits for a client: bounded, in order, and complete, also in the middle of an upgrade.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::json;
use server::config::Config;
use tokio::net::TcpSocket;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::{
    client::{Client, GUARD, next_text, request},
    polling::Polling,
    running::{Running, config, start},
};

const LARGE: usize = 60_000;

fn large(n: usize) -> serde_json::Value {
    json!({ "roomId": "r", "body": format!("<{n}>{}", "x".repeat(LARGE)) })
}

async fn polling_in_the_room(server: &Running, token: &str) -> Polling {
    let polling = Polling::login(server.address, token).await;
    polling.post("421[\"joinRoom\",{\"roomId\":\"r\"}]").await;
    polling.until("431").await;
    polling
}

/// All packets until the connection has been silent for a moment after `last`.
async fn until(
    ws: &mut WebSocketStream<tokio::net::TcpStream>,
    packets: &mut Vec<String>,
    last: usize,
) {
    while packets
        .iter()
        .filter(|packet| packet.starts_with("42") || packet.starts_with("43"))
        .count()
        < last
    {
        let next = tokio::time::timeout(Duration::from_secs(5), next_text(ws)).await;
        match next {
            Ok(Some(packet)) => packets.push(packet),
            Ok(None) => panic!("closed after {} packets", packets.len()),
            Err(_) => break,
        }
    }
}

#[tokio::test]
async fn nothing_is_lost_where_more_waits_for_an_upgrade_than_one_answer_holds() {
    const MESSAGES: usize = 25;
    let server = start(config()).await;
    for polls in 0..3 {
        let polling = polling_in_the_room(&server, &format!("p{polls}")).await;
        let mut sender = Client::in_rooms(server.address, "s", &["r"]).await;
        for n in 0..MESSAGES {
            assert_eq!(sender.call("roomMessage", large(n)).await["success"], true);
        }
        let mut packets = Vec::new();
        for _ in 0..polls {
            packets.extend(polling.poll().await);
        }
        let mut ws = polling.upgrade().await;
        until(&mut ws, &mut packets, 2 * MESSAGES).await;
        for event in ["roomMessageRecieved", "roomMessageConfirmed"] {
            let event = format!("42[\"{event}\"");
            let bodies: Vec<usize> = packets
                .iter()
                .filter(|packet| packet.starts_with(&event))
                .map(|packet| {
                    let (_, rest) = packet.split_once('<').unwrap();
                    rest.split_once('>').unwrap().0.parse().unwrap()
                })
                .collect();
            assert_eq!(
                bodies,
                (0..MESSAGES).collect::<Vec<_>>(),
                "{event} after {polls} polls"
            );
        }
    }
}

#[tokio::test]
async fn no_acknowledgement_is_lost_either() {
    const EVENTS: usize = 9000;
    let mut config = config();
    config.limits.send_buffer = 20_000;
    let server = start(config).await;
    let polling = polling_in_the_room(&server, "p").await;
    let events: Vec<String> = (0..EVENTS)
        .map(|n| format!("42{n}[\"joinRoom\",{{\"roomId\":\"r\"}}]"))
        .collect();
    assert_eq!(polling.post(&events.join("\u{1e}")).await, 200);
    let mut packets = polling.poll().await;
    let mut ws = polling.upgrade().await;
    until(&mut ws, &mut packets, EVENTS).await;
    let acks: Vec<usize> = packets
        .iter()
        .filter_map(|packet| packet.strip_prefix("43")?.split_once('[')?.0.parse().ok())
        .collect();
    assert_eq!(acks, (0..EVENTS).collect::<Vec<_>>());
}

/// A WebSocket with as little room in its kernel as it may have, that is in the room and never reads again.
async fn sleeper(server: &Running, token: &str) -> WebSocketStream<tokio::net::TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let tcp = socket.connect(server.address).await.unwrap();
    let (mut ws, _) = client_async(request(server.address), tcp).await.unwrap();
    let login = format!("40{}", json!({ "token": token }));
    ws.send(Message::text(login)).await.unwrap();
    while !next_text(&mut ws).await.unwrap().starts_with("40") {}
    ws.send(Message::text("421[\"joinRoom\",{\"roomId\":\"r\"}]"))
        .await
        .unwrap();
    while !next_text(&mut ws).await.unwrap().starts_with("431") {}
    ws
}

/// Bounds that only bytes can reach, and a heartbeat that reaches nobody.
fn bounded_by_bytes() -> Config {
    let mut config = Config {
        ping_interval: Duration::from_secs(60),
        tcp_user_timeout: Duration::from_secs(60),
        ..config()
    };
    config.limits.send_buffer = 1_000_000;
    config
}

#[tokio::test]
async fn a_send_buffer_is_bounded_in_bytes() {
    let mut config = bounded_by_bytes();
    config.limits.send_buffer_bytes = 2_000_000;
    let server = start(config).await;
    let mut sender = Client::in_rooms(server.address, "s", &["r"]).await;
    let _sleeper = sleeper(&server, "z").await;
    let mut sent = 0;
    while server.metric("chat_slow_consumers_total").await == 0.0 {
        assert!(server.metric("chat_send_memory_bytes").await <= 2_000_000.0);
        sender.call("roomMessage", large(sent)).await;
        sender.settled().await;
        sent += 1;
        assert!(sent < 1000, "never cut off");
    }
    server.until_stats(1, 1, 1).await;
    assert_eq!(server.metric("chat_send_memory_bytes").await, 0.0);
}

#[tokio::test]
async fn all_send_buffers_together_are_bounded_too() {
    const SLEEPERS: usize = 5;
    let mut config = bounded_by_bytes();
    config.limits.send_buffer_bytes = usize::MAX;
    config.limits.send_memory = 3_000_000;
    let server = start(config).await;
    let mut sender = Client::in_rooms(server.address, "s", &["r"]).await;
    let mut sleepers = Vec::new();
    for n in 0..SLEEPERS {
        sleepers.push(sleeper(&server, &format!("z{n}")).await);
    }
    let mut sent = 0;
    while server.metric("chat_slow_consumers_total").await < SLEEPERS as f64 {
        let ack = sender.call("roomMessage", large(sent)).await;
        assert_eq!(ack["success"], true);
        sender.settled().await;
        let waiting = server.metric("chat_send_memory_bytes").await;
        assert!(waiting <= 3_000_000.0, "{waiting} bytes wait");
        sent += 1;
        assert!(sent < 1000, "never cut off");
    }
    assert!(server.metric("chat_send_memory_full_total").await >= SLEEPERS as f64);
    server.until_stats(1, 1, 1).await;
}

#[tokio::test]
async fn a_slow_client_that_was_upgraded_is_disconnected_as_any_other() {
    let mut config = bounded_by_bytes();
    config.limits.send_buffer_bytes = 2_000_000;
    let server = start(config).await;
    let mut sender = Client::in_rooms(server.address, "s", &["r"]).await;
    let polling = polling_in_the_room(&server, "p").await;
    let mut ws = polling.upgrade().await;
    let mut sent = 0;
    while server.metric("chat_slow_consumers_total").await == 0.0 {
        sender.call("roomMessage", large(sent)).await;
        sender.settled().await;
        sent += 1;
        assert!(sent < 1000, "never cut off");
    }
    let gone = async {
        // The sender's, and the one that asks.
        while server.metric("chat_connections").await > 2.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(GUARD, gone)
        .await
        .expect("still connected");
    while let Some(Ok(_)) = ws.next().await {}
    server.until_stats(1, 1, 1).await;
}

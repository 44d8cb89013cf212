//! Clients that don't read: counted, disconnected, and no burden for the others.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use server::config::Config;
use tokio::net::TcpSocket;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::{
    client::{Client, GUARD, Packet, request},
    polling::Polling,
    running::{Running, config, start},
};

const MEMBERS: usize = 10;

/// Joins a channel and never reads again, with as little room in its kernel as it may have.
async fn join_and_sleep(server: &Running, channel: &str) -> WebSocketStream<tokio::net::TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let tcp = socket.connect(server.address).await.unwrap();
    let (mut ws, _) = client_async(request(server.address), tcp).await.unwrap();
    ws.send(Message::text("40{\"token\":\"sleeper\"}"))
        .await
        .unwrap();
    // An event that overtakes the handshake ends the connection.
    while !ws
        .next()
        .await
        .unwrap()
        .unwrap()
        .to_text()
        .unwrap()
        .starts_with("40")
    {}
    ws.send(Message::text(format!(
        "42[\"JOIN_CHANNEL\",{}]",
        json!({ "channelId": channel })
    )))
    .await
    .unwrap();
    ws
}

/// Members who read everything, and one of them who can send.
async fn members(server: &Running, channel: &str) -> (Client, Vec<Client>) {
    let mut members = Vec::new();
    for user in 0..MEMBERS {
        let mut member = Client::login(server.address, &user.to_string()).await;
        member
            .call("JOIN_CHANNEL", json!({ "channelId": channel }))
            .await;
        members.push(member);
    }
    (members.pop().unwrap(), members)
}

fn large(channel: &str, n: usize) -> Value {
    json!({ "channelId": channel, "body": format!("{n}:{}", "x".repeat(30_000)) })
}

#[tokio::test]
async fn a_member_that_does_not_read_is_cut_off_and_the_others_get_everything() {
    let mut config = config();
    config.limits.send_buffer = 64;
    let server = start(config).await;
    let (mut sender, others) = members(&server, "c").await;
    let _sleeper = join_and_sleep(&server, "c").await;
    server
        .until_stats(MEMBERS as u64 + 1, 1, MEMBERS as u64 + 1)
        .await;

    let readers: Vec<_> = others
        .into_iter()
        .map(|mut member| {
            tokio::spawn(async move {
                let mut got = 0;
                loop {
                    match member.next().await {
                        Packet::Event(name, data) if name == "NEW_MESSAGE_RECEIVED_EVENT" => {
                            if data["body"] == "the end" {
                                return (member, got);
                            }
                            assert!(
                                data["body"]
                                    .as_str()
                                    .unwrap()
                                    .starts_with(&format!("{got}:"))
                            );
                            got += 1;
                        }
                        Packet::Event(name, _) => assert_eq!(name, "channelMessageConfirmed"),
                        other => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    let mut sent = 0;
    while server.metric("chat_slow_consumers_total").await == 0.0 {
        for _ in 0..10 {
            assert_eq!(
                sender.call("NEW_MESSAGE_EVENT", large("c", sent)).await["success"],
                true
            );
            sent += 1;
        }
        sender.settled().await;
        assert!(sent < 5000, "never cut off");
    }
    sender
        .call(
            "NEW_MESSAGE_EVENT",
            json!({ "channelId": "c", "body": "the end" }),
        )
        .await;
    for reader in readers {
        let (_member, got) = tokio::time::timeout(GUARD, reader).await.unwrap().unwrap();
        assert_eq!(got, sent);
    }
    assert_eq!(server.metric("chat_slow_consumers_total").await, 1.0);
    server.until_stats(1, 1, 1).await;
}

#[tokio::test]
async fn a_peer_that_never_reads_again_is_gone_and_its_rooms_are_clean() {
    // A buffer that never overflows: the heartbeat and the TCP timeout have to do it.
    let mut config = Config {
        ping_interval: Duration::from_millis(500),
        ping_timeout: Duration::from_millis(500),
        tcp_user_timeout: Duration::from_millis(500),
        ..config()
    };
    config.limits.send_buffer = 100_000;
    config.limits.send_buffer_bytes = usize::MAX;
    let server = start(config).await;
    let (mut sender, others) = members(&server, "c").await;
    drop(others);
    let _sleeper = join_and_sleep(&server, "c").await;
    server.until_stats(2, 1, 2).await;
    let mut sent = 0;
    while server.get_json("/debug/sockets").await["stats"]["totalUsers"] != 1 {
        sender.call("NEW_MESSAGE_EVENT", large("c", sent)).await;
        sender.settled().await;
        sent += 1;
        assert!(sent < 5000, "never gone");
    }
    assert_eq!(server.metric("chat_slow_consumers_total").await, 0.0);
    server.until_stats(1, 1, 1).await;
}

#[tokio::test]
async fn stopping_does_not_wait_for_a_peer_that_does_not_read() {
    let mut config = Config {
        drain_deadline: Duration::from_secs(1),
        // Nothing else ends the sleeper before, on a slow machine either.
        ping_interval: Duration::from_secs(60),
        tcp_user_timeout: Duration::from_secs(60),
        ..config()
    };
    config.limits.send_buffer = 100_000;
    config.limits.send_buffer_bytes = usize::MAX;
    let server = start(config).await;
    let (mut sender, others) = members(&server, "c").await;
    drop(others);
    let _sleeper = join_and_sleep(&server, "c").await;
    server.until_stats(2, 1, 2).await;
    for n in 0..300 {
        sender.call("NEW_MESSAGE_EVENT", large("c", n)).await;
        sender.settled().await;
    }
    let stopped = server.stopped().await;
    assert!(!stopped.clean, "the sleeper can't have got everything");
    assert_eq!(stopped.saves.failed, 0);
}

#[tokio::test]
async fn a_polling_client_that_stops_polling_is_cut_off() {
    let mut config = config();
    config.limits.send_buffer = 16;
    let server = start(config).await;
    let polling = Polling::login(server.address, "p").await;
    polling.post("421[\"joinRoom\",{\"roomId\":\"r\"}]").await;
    polling.until("431").await;
    let mut sender = Client::in_rooms(server.address, "s", &["r"]).await;
    for _ in 0..20 {
        assert_eq!(
            sender
                .call("roomMessage", json!({ "roomId": "r", "body": "x" }))
                .await["success"],
            true
        );
        sender.settled().await;
    }
    server.until_stats(1, 1, 1).await;
    assert_eq!(server.metric("chat_slow_consumers_total").await, 1.0);
    // As soon as it polls again, it is told.
    polling.until("41").await;
}

/// A server that stops while what it has written to a member waits in its own kernel, since the member does not read.
async fn stopping_before_a_sleeper() -> (
    WebSocketStream<tokio::net::TcpStream>,
    impl Future<Output = server::Stopped>,
) {
    let mut config = config();
    config.drain_deadline = Duration::from_secs(12);
    let server = start(config).await;
    let (mut sender, _others) = members(&server, "c").await;
    let sleeper = join_and_sleep(&server, "c").await;
    server
        .until_stats(MEMBERS as u64 + 1, 1, MEMBERS as u64 + 1)
        .await;
    for n in 0..5 {
        sender.call("NEW_MESSAGE_EVENT", large("c", n)).await;
    }
    (sleeper, server.stopped())
}

#[tokio::test]
async fn whoever_did_not_take_what_only_our_kernel_has_was_not_told() {
    let (_sleeper, stopped) = stopping_before_a_sleeper().await;
    let stopped = stopped.await;
    assert!(!stopped.clean);
    assert_eq!((stopped.untold.clients, stopped.untold.connections), (0, 1));
}

#[tokio::test]
async fn what_only_our_kernel_has_waits_for_a_client_that_reads_late() {
    let (mut sleeper, stopped) = stopping_before_a_sleeper().await;
    let reads_late = async {
        // Past all that a client is given that owes us nothing but its own end.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let mut delivered = 0;
        while let Some(Ok(message)) = sleeper.next().await {
            let text = message.into_text().unwrap();
            delivered += usize::from(text.contains("NEW_MESSAGE_RECEIVED_EVENT"));
        }
        delivered
    };
    let (stopped, delivered) = tokio::join!(stopped, reads_late);
    assert!(stopped.clean, "{stopped:?}");
    assert_eq!(delivered, 5);
}

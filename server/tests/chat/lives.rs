//! A login ends with its connection, in whatever order a client logs in and out, and no connection stays without one.

use std::time::Duration;

use futures::SinkExt as _;
use serde_json::json;
use server::{config::StoreConfig, store::memory::MemoryConfig};
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use crate::{
    client::{Client, GUARD, next_text, open},
    polling::Polling,
    running::{config, start},
};

/// What a client may say in one segment, after its login.
const SEGMENTS: [&[&str]; 8] = [
    &["40{\"token\":\"z\"}", "41", "41"],
    &["41", "40{\"token\":\"z\"}"],
    &["41", "40{\"token\":\"z\"}", "41"],
    &[
        "41",
        "40{\"token\":\"z\"}",
        "41",
        "40{\"token\":\"y\"}",
        "41",
    ],
    &["40{\"token\":\"z\"}", "40{\"token\":\"y\"}", "41", "41"],
    &["41", "41", "40{\"token\":\"z\"}"],
    &[
        "40{\"token\":\"z\"}",
        "41",
        "42[\"joinRoom\",{\"roomId\":\"r\"}]",
    ],
    &["41", "40{}", "40{\"token\":\"z\"}", "41", "41"],
];

async fn say(ws: &mut WebSocketStream<TcpStream>, segment: &[&str]) {
    for packet in segment {
        ws.feed(Message::text(*packet)).await.unwrap();
    }
    // The server may have closed it in the middle.
    let _flushed = ws.flush().await;
}

#[tokio::test]
async fn nobody_stays_whatever_was_said_in_one_segment() {
    let server = start(config()).await;
    for segment in SEGMENTS {
        for user in 0..20 {
            let mut client = Client::in_rooms(server.address, &format!("a{user}"), &["r"]).await;
            say(&mut client.ws, segment).await;
            if user % 2 == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            drop(client);
        }
        server.until_stats(0, 0, 0).await;
    }
}

#[tokio::test]
async fn nobody_stays_on_an_upgraded_connection_either() {
    let server = start(config()).await;
    for segment in SEGMENTS {
        for user in 0..5 {
            let polling = Polling::login(server.address, &format!("a{user}")).await;
            let mut ws = polling.upgrade().await;
            say(&mut ws, segment).await;
            drop(ws);
        }
        server.until_stats(0, 0, 0).await;
    }
}

#[tokio::test]
async fn nobody_stays_after_a_post_of_all_that() {
    let mut config = config();
    config.ping_interval = Duration::from_millis(500);
    config.ping_timeout = Duration::from_millis(500);
    let server = start(config).await;
    for segment in SEGMENTS {
        for user in 0..5 {
            let polling = Polling::login(server.address, &format!("a{user}")).await;
            polling.post(&segment.join("\u{1e}")).await;
        }
    }
    server.until_stats(0, 0, 0).await;
}

/// Two that are on one connection, one after the other, may number what they ask alike.
#[tokio::test]
async fn an_answer_for_a_login_that_has_ended_is_nobody_elses() {
    let mut config = config();
    config.store = StoreConfig::Memory(MemoryConfig {
        save_time: "100ms".parse().unwrap(),
        ..MemoryConfig::instant()
    });
    let server = start(config).await;
    let mut client = Client::in_rooms(server.address, "ann", &["r"]).await;
    let said = [
        "4277[\"roomMessage\",{\"roomId\":\"r\",\"body\":\"between us\"}]",
        "41",
        "40{\"token\":\"ben\"}",
    ];
    say(&mut client.ws, &said).await;
    while server.metric("chat_confirmed_total").await < 1.0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    say(&mut client.ws, &["4278[\"joinRoom\",{\"roomId\":\"q\"}]"]).await;
    let mut heard = Vec::new();
    while !heard
        .last()
        .is_some_and(|text: &String| text.starts_with("4378"))
    {
        heard.push(next_text(&mut client.ws).await.unwrap());
    }
    let is_answer = |text: &&String| text.starts_with("4377");
    assert_eq!(heard.iter().find(is_answer), None);
    assert!(
        server.metric("chat_dropped_total").await >= 1.0,
        "it is counted"
    );
}

#[tokio::test]
async fn a_connection_without_a_login_is_closed_also_after_a_logout() {
    let mut config = config();
    config.login_within = Duration::from_millis(200);
    let server = start(config).await;

    let mut never = open(server.address).await;
    let mut left = Client::login(server.address, "a").await;
    left.raw("41").await;
    let mut refused = open(server.address).await;
    refused.send(Message::text("40{}")).await.unwrap();
    let polling = Polling::login(server.address, "p").await;
    polling.post("41").await;
    let upgraded = Polling::login(server.address, "u").await;
    let mut upgraded = upgraded.upgrade().await;
    upgraded.send(Message::text("41")).await.unwrap();
    let mut stays = Client::login(server.address, "s").await;

    let closed = async {
        left.until_closed().await;
        for ws in [&mut never, &mut refused, &mut upgraded] {
            while next_text(ws).await.is_some() {}
        }
        while polling.post("3").await == 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(GUARD, closed).await.unwrap();
    let ack = stays.call("joinRoom", json!({ "roomId": "r" })).await;
    assert_eq!(ack["success"], true, "who is logged in stays");
    assert!(server.metric("chat_cut_total{reason=\"no_login\"}").await >= 3.0);
}

#[tokio::test]
async fn a_second_upgrade_is_refused_and_changes_nothing() {
    let server = start(config()).await;
    let polling = Polling::login(server.address, "p").await;
    let sid = polling.sid.clone();
    let mut ws = polling.upgrade().await;
    let upgrade = format!(
        "GET /socket.io/?EIO=4&transport=websocket&sid={sid} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    assert_eq!(crate::running::http(server.address, &upgrade).await.0, 400);
    ws.send(Message::text("421[\"joinRoom\",{\"roomId\":\"r\"}]"))
        .await
        .unwrap();
    assert!(next_text(&mut ws).await.unwrap().starts_with("431"));
    server.until_stats(1, 1, 1).await;
}

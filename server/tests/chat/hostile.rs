//! Clients that break every rule: answered or closed, counted, and nothing left of them.

use std::{num::NonZeroU32, time::Duration};

use axum::http::HeaderValue;
use futures::SinkExt as _;
use serde_json::{Value, json};
use server::config::Config;
use tokio::{io::AsyncReadExt as _, net::TcpStream};
use tokio_tungstenite::{
    client_async,
    tungstenite::{self, Message},
};

use crate::{
    client::{Client, next_text, open, request},
    running::{config, http, start, start_with},
    store::Obedient,
};

#[tokio::test]
async fn every_malformed_payload_is_answered() {
    let server = start(config()).await;
    let mut client = Client::in_rooms(server.address, "a", &["r"]).await;
    let long_id = "x".repeat(129);
    let long_body = "x".repeat(65_537);
    let rooms: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
    let not_an_object = "Invalid data format. Expected JSON object with roomId";
    let id = "Invalid roomId: expected a string of 1 to 128 bytes";
    let cases: Vec<(&str, Value, &str)> = vec![
        ("joinRoom", json!("r"), not_an_object),
        ("joinRoom", json!(["r"]), not_an_object),
        ("joinRoom", json!(null), not_an_object),
        ("leaveRoom", json!(7), not_an_object),
        ("roomMessage", json!(true), not_an_object),
        (
            "JOIN_CHANNEL",
            json!("c"),
            "Invalid data format. Expected JSON object with channelId",
        ),
        ("joinRoom", json!({}), "roomId is required"),
        ("joinRoom", json!({ "roomId": "" }), "roomId is required"),
        (
            "LeaveChannel",
            json!({ "roomId": "r" }),
            "channelId is required",
        ),
        ("joinRoom", json!({ "roomId": { "$ne": null } }), id),
        ("joinRoom", json!({ "roomId": rooms }), id),
        ("joinRoom", json!({ "roomId": long_id }), id),
        ("roomMessage", json!({ "roomId": "r" }), "body is required"),
        (
            "roomMessage",
            json!({ "roomId": "r", "body": { "$gt": "" } }),
            "Invalid body: expected a string of at most 65536 bytes",
        ),
        (
            "roomMessage",
            json!({ "roomId": "r", "body": long_body }),
            "Invalid body: expected a string of at most 65536 bytes",
        ),
        (
            "roomMessage",
            json!({ "roomId": "r", "body": "x", "senderId": {} }),
            "Invalid senderId",
        ),
        (
            "NewMessage",
            json!({ "channelId": "r", "body": "x" }),
            "Join the channel before sending",
        ),
        ("getAllSecrets", json!({}), "Unknown event"),
        ("__proto__", json!({}), "Unknown event"),
    ];
    let count = cases.len();
    for (event, payload, message) in cases {
        let ack = client.call(event, payload.clone()).await;
        assert_eq!(
            ack,
            json!({ "success": false, "message": message }),
            "{event}"
        );
    }
    // No argument, too many arguments, and no wish for an acknowledgement.
    client.raw("4299[\"joinRoom\"]").await;
    assert_eq!(client.ack(99).await["message"], not_an_object);
    client
        .raw("4298[\"joinRoom\",{\"roomId\":\"r\"},1,2,3]")
        .await;
    assert_eq!(client.ack(98).await["message"], "Already in the room");
    client.emit("joinRoom", json!("r")).await;
    assert_eq!(client.settled().await, []);
    let page = server.get("/metrics").await.1;
    let refused: f64 = page
        .lines()
        .filter_map(|line| {
            line.strip_prefix("chat_refused_total{")?
                .split(' ')
                .next_back()?
                .parse::<f64>()
                .ok()
        })
        .sum();
    assert_eq!(refused, count as f64 + 2.0);
    assert_eq!(server.get("/debug/messages").await.1, "");
    server.until_stats(1, 1, 1).await;
}

#[tokio::test]
async fn broken_packets_close_the_connection_and_leave_nothing() {
    let server = start(config()).await;
    let deep = format!("42[\"joinRoom\",{}1{}]", "[".repeat(5000), "]".repeat(5000));
    let frames = [
        "42",
        "42{",
        "42[",
        "42[]",
        "42[1]",
        "42[{\"a\":1}]",
        "4299999999999999999999999999[\"joinRoom\",{}]",
        "43[]",
        "47",
        "4",
        "9",
        "x",
        "",
        "451-[\"roomMessage\",{\"_placeholder\":true,\"num\":0}]",
        "4599999999999-[\"roomMessage\",{}]",
        "45-[\"roomMessage\",{}]",
        "42/elsewhere,[\"joinRoom\",{}]",
        "42[\"joinRoom\",{\"roomId\":\"\\ud800\"}]",
        &deep,
        "40{\"token\":\"again\"}",
        "41",
        "1",
    ];
    for frame in frames {
        let mut client = Client::in_rooms(server.address, "a", &["r"]).await;
        // The server may have closed in between.
        let _sent = client.ws.send(Message::text(frame)).await;
        let _sent = client
            .ws
            .send(Message::text("42[\"leaveRoom\",{\"roomId\":\"x\"}]"))
            .await;
        drop(client);
        server.until_stats(0, 0, 0).await;
    }
    Client::in_rooms(server.address, "b", &["r"])
        .await
        .logout()
        .await;
}

#[tokio::test]
async fn binary_is_refused() {
    let server = start(config()).await;
    for frames in [
        vec![Message::binary(vec![1, 2, 3])],
        vec![
            Message::text("451-[\"roomMessage\",{\"_placeholder\":true,\"num\":0}]"),
            Message::binary(vec![1; 100]),
        ],
    ] {
        let mut client = Client::in_rooms(server.address, "a", &["r"]).await;
        for frame in frames {
            let _sent = client.ws.send(frame).await;
        }
        assert_eq!(client.until_closed().await, []);
    }
    server.until_stats(0, 0, 0).await;
    assert_eq!(
        server
            .metric("chat_logouts_total{reason=\"packet_parsing_error\"}")
            .await,
        2.0
    );
}

#[tokio::test]
async fn more_than_a_megabyte_closes_the_connection() {
    let server = start(config()).await;
    let mut client = Client::in_rooms(server.address, "a", &["r"]).await;
    let almost = json!({ "roomId": "r", "body": "x", "filler": "x".repeat(990_000) });
    assert_eq!(client.call("roomMessage", almost).await["success"], true);
    client.settled().await;
    let too_much = format!(
        "42[\"roomMessage\",{{\"roomId\":\"r\",\"body\":\"{}\"}}]",
        "x".repeat(1_000_000)
    );
    let _sent = client.ws.send(Message::text(too_much)).await;
    client.until_closed().await;
    server.until_stats(0, 0, 0).await;

    let opened = http(
        server.address,
        "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .await
    .1;
    let opened: Value = serde_json::from_str(&opened[1..]).unwrap();
    assert_eq!(opened["maxPayload"], 1_000_000);
    let body = "4".repeat(1_100_000);
    let post = format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        opened["sid"].as_str().unwrap(),
        body.len()
    );
    let (status, _) = http(server.address, &post).await;
    assert!(status >= 400, "{status}");
}

#[tokio::test]
async fn nobody_collects_rooms_without_end() {
    let mut config = config();
    config.limits.rooms_per_user = 3;
    let server = start(config).await;
    let mut client = Client::in_rooms(server.address, "a", &["1", "2", "3"]).await;
    let refused = client
        .call("JOIN_CHANNEL", json!({ "channelId": "4" }))
        .await;
    assert_eq!(
        refused,
        json!({ "success": false, "message": "Too many rooms joined" })
    );
    server.until_stats(1, 3, 1).await;
}

#[tokio::test]
async fn one_address_holds_no_more_connections_than_it_may() {
    let mut config = config();
    config.limits.connections_per_address = NonZeroU32::new(3);
    let server = start(config).await;
    let mut clients = vec![
        Client::login(server.address, "a").await,
        Client::login(server.address, "b").await,
        Client::login(server.address, "c").await,
    ];
    let mut refused = TcpStream::connect(server.address).await.unwrap();
    let mut nothing = [0; 1];
    assert!(
        matches!(refused.read(&mut nothing).await, Ok(0) | Err(_)),
        "closed without a word"
    );
    clients.pop().unwrap().logout().await;
    let mut tries = 0;
    // The place is free as soon as the server has seen the connection end.
    while client_async(
        request(server.address),
        TcpStream::connect(server.address).await.unwrap(),
    )
    .await
    .is_err()
    {
        tries += 1;
        assert!(tries < 200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A message that waits for its end keeps those who got it, and whoever sent it.
#[tokio::test]
async fn a_login_that_has_ended_leaves_its_place_whatever_the_store_still_owes_it() {
    const LIMIT: u32 = 8;
    let mut config = config();
    config.limits.connections_per_address = NonZeroU32::new(LIMIT);
    let store = Obedient::closed();
    let server = start_with(config, store.clone()).await;
    for _ in 1..LIMIT {
        let mut client = Client::in_rooms(server.address, "a", &["r"]).await;
        client
            .emit("roomMessage", json!({ "roomId": "r", "body": "x" }))
            .await;
        client.event("roomMessageRecieved").await;
        drop(client);
        server.until_stats(0, 0, 0).await;
    }
    let mut one = Client::login(server.address, "a").await;
    let mut other = Client::login(server.address, "b").await;
    store.open();
    assert_eq!(
        (one.settled().await, other.settled().await),
        (vec![], vec![])
    );
}

#[tokio::test]
async fn only_listed_origins_may_connect() {
    let config = Config {
        origins: vec![HeaderValue::from_static("https://chat.example.org")],
        ..config()
    };
    let server = start(config).await;
    let connect = async |origin: Option<&'static str>| {
        let mut request = request(server.address);
        if let Some(origin) = origin {
            request
                .headers_mut()
                .insert("origin", HeaderValue::from_static(origin));
        }
        let tcp = TcpStream::connect(server.address).await.unwrap();
        match client_async(request, tcp).await {
            Ok(_) => 101,
            Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(connect(Some("https://chat.example.org")).await, 101);
    assert_eq!(connect(None).await, 101, "no browser, no origin");
    assert_eq!(connect(Some("https://evil.example.org")).await, 403);
    assert_eq!(
        server
            .metric("chat_refused_connections_total{reason=\"origin\"}")
            .await,
        1.0
    );
}

#[tokio::test]
async fn a_session_that_never_logs_in_and_an_unknown_namespace_leave_nothing() {
    let server = start(config()).await;
    let mut ws = open(server.address).await;
    ws.send(Message::text("40/admin,{\"token\":\"a\"}"))
        .await
        .unwrap();
    assert_eq!(
        next_text(&mut ws).await.unwrap(),
        "44/admin,{\"message\":\"Invalid namespace\"}"
    );
    ws.send(Message::text("42[\"joinRoom\",{\"roomId\":\"r\"}]"))
        .await
        .unwrap();
    let answer = next_text(&mut ws).await;
    assert!(
        matches!(answer.as_deref(), Some("1") | None),
        "an event before the login closes the connection, not {answer:?}"
    );
    server.until_stats(0, 0, 0).await;
}

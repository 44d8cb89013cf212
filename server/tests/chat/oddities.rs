//! Packets that no client of ours sends: each is answered, or ends the session with a reason that is counted.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use server::config::Config;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::Instant};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::{
    client::{Client, GUARD, Packet, open},
    polling::Polling,
    running::{config, http, start},
};

#[tokio::test]
async fn an_odd_payload_is_answered() {
    let server = start(config()).await;
    let mut client = Client::in_rooms(server.address, "a", &["r"]).await;
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let payloads = [
        r#"{"roomId":"\ud800"}"#.to_owned(),
        r#"{"roomId":"r","body":"half of a pair \ud83d"}"#.to_owned(),
        r#"{"roomId":"r","body":"\udc00\ud800"}"#.to_owned(),
        r#"{"\ud800":1}"#.to_owned(),
        r#"{"roomId":1e999,"body":"x"}"#.to_owned(),
        r#"{"roomId":-0.0,"body":"x"}"#.to_owned(),
        r#"{"roomId":99999999999999999999999,"body":"x"}"#.to_owned(),
        r#"{"roomId":"x","roomId":"y","body":"x"}"#.to_owned(),
        format!(r#"{{"roomId":{deep},"body":"x"}}"#),
        format!(r#"{{"other":{deep},"roomId":"y","body":"x"}}"#),
    ];
    for (n, payload) in payloads.iter().enumerate() {
        let id = 1000 + n as u64;
        client
            .raw(format!("42{id}[\"roomMessage\",{payload}]"))
            .await;
        let ack = client.ack(id).await;
        assert_eq!(ack["success"], false, "{payload:.100}: {ack}");
        assert!(!ack["message"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_id_that_no_acknowledgement_can_have_is_answered() {
    let server = start(config()).await;
    let mut client = Client::in_rooms(server.address, "a", &["r"]).await;
    for id in [
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999999999999",
    ] {
        for event in [
            r#"["joinRoom",{"roomId":"x"}]"#,
            r#"["roomMessage",{"roomId":"r","body":"x"}]"#,
            r#"["nothing"]"#,
        ] {
            client.raw(format!("42{id}{event}")).await;
            let answer = crate::client::next_text(&mut client.ws).await.unwrap();
            let wanted =
                format!("43{id}[{{\"success\":false,\"message\":\"Invalid acknowledgement id");
            assert!(answer.starts_with(&wanted), "{answer}");
        }
    }
    client
        .raw("429223372036854775807[\"joinRoom\",{\"roomId\":\"r\"}]")
        .await;
    assert_eq!(
        client.ack(i64::MAX as u64).await["message"],
        "Already in the room"
    );
    server.until_stats(1, 1, 1).await;
    assert_eq!(
        server.get("/debug/messages").await.1,
        "",
        "nothing was carried out"
    );
    let refused = "chat_refused_total{reason=\"ack_id\"}";
    assert_eq!(server.metric(refused).await, 9.0);
}

#[tokio::test]
async fn an_odd_packet_ends_the_session_with_a_reason() {
    let server = start(config()).await;
    let id = "9".repeat(100);
    let frames = [
        "42",
        "42{",
        "42[",
        "42[]",
        "42[1]",
        "42[null]",
        "42[{\"a\":1}]",
        "42[[\"joinRoom\"]]",
        "42[\"\\ud800\",{}]",
        "42[\"join\\u0052oom\",{}]",
        "42[\"roomMessage\",{\"roomId\":NaN}]",
        "42[\"roomMessage\",{\"roomId\":\"r\"]",
        "42[\"roomMessage\",undefined]",
        "42-1[\"joinRoom\",{}]",
        "421.5[\"joinRoom\",{}]",
        &format!("42{id}[\"joinRoom\",{{}}]"),
        "42/elsewhere,[\"joinRoom\",{}]",
        "42/elsewhere,7[\"joinRoom\",{}]",
        "43[]",
        "4399999999999999999999[]",
        "44{\"message\":\"no\"}",
        "451-[\"roomMessage\",{\"_placeholder\":true,\"num\":0}]",
        "461-[]",
        "47",
        "4",
        "9",
        "x",
        "",
    ];
    for frame in frames {
        let mut client = Client::in_rooms(server.address, "a", &["r"]).await;
        client.ws.send(Message::text(frame)).await.unwrap();
        let packets = client.until_closed().await;
        assert!(
            packets.iter().all(|packet| *packet == Packet::Disconnect),
            "{frame}: {packets:?}"
        );
        server.until_stats(0, 0, 0).await;
    }
    let reason = "chat_logouts_total{reason=\"packet_parsing_error\"}";
    assert_eq!(server.metric(reason).await, frames.len() as f64);
}

#[tokio::test]
async fn an_event_without_a_name_is_an_unknown_event() {
    let server = start(config()).await;
    let mut client = Client::login(server.address, "a").await;
    for (id, event) in [
        (1001, "[\"\",{}]"),
        (1002, "[\"\"]"),
        (1003, "[\"constructor\",{}]"),
    ] {
        client.raw(format!("42{id}{event}")).await;
        assert_eq!(
            client.ack(id).await,
            json!({ "success": false, "message": "Unknown event" })
        );
    }
}

#[tokio::test]
async fn what_is_no_utf8_ends_the_connection() {
    let server = start(config()).await;
    let mut client = Client::in_rooms(server.address, "a", &["r"]).await;
    let frame = [&[0x81, 0x84, 0, 0, 0, 0][..], b"42\xff\xfe"].concat();
    client.ws.get_mut().write_all(&frame).await.unwrap();
    client.until_closed().await;
    server.until_stats(0, 0, 0).await;
}

#[tokio::test]
async fn the_first_ping_comes_after_the_interval() {
    let interval = Duration::from_millis(400);
    let server = start(Config {
        ping_interval: interval,
        ..config()
    })
    .await;
    let opened = Instant::now();
    let mut ws = open(server.address).await;
    ws.send(Message::text("40{\"token\":\"a\"}")).await.unwrap();
    let mut pings = Vec::new();
    while pings.len() < 3 {
        let text = tokio::time::timeout(GUARD, ws.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        if text == Message::text("2") {
            pings.push(opened.elapsed());
            ws.send(Message::text("3")).await.unwrap();
        }
    }
    for (n, ping) in pings.iter().enumerate() {
        assert!(*ping >= interval * (n as u32 + 1), "{pings:?}");
    }
    server.until_stats(1, 0, 1).await;
}

#[tokio::test]
async fn a_poll_that_is_given_up_ends_its_session() {
    let server = start(Config {
        ping_interval: Duration::from_secs(1000),
        ping_timeout: Duration::from_secs(1000),
        ..config()
    })
    .await;
    let polling = Polling::login(server.address, "p").await;
    polling.post("421[\"joinRoom\",{\"roomId\":\"r\"}]").await;
    polling.until("431").await;
    server.until_stats(1, 1, 1).await;
    tokio::time::timeout(Duration::from_millis(300), polling.poll())
        .await
        .expect_err("there is nothing to poll");
    drop(polling);
    server.until_stats(0, 0, 0).await;
}

#[tokio::test]
async fn an_upgrade_that_breaks_off_ends_its_session() {
    let server = start(config()).await;
    let polling = Polling::login(server.address, "p").await;
    server.until_stats(1, 0, 1).await;
    let ws = polling.begin_upgrade().await;
    drop(ws);
    server.until_stats(0, 0, 0).await;
}

#[tokio::test]
async fn a_client_of_socket_io_2_is_told_why() {
    let server = start(config()).await;
    for query in [
        "EIO=3&transport=polling",
        "transport=polling",
        "EIO=5&transport=polling",
    ] {
        let request =
            format!("GET /socket.io/?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let (status, body) = http(server.address, &request).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        let wanted = json!({ "code": 5, "message": "Unsupported protocol version" });
        assert_eq!((status, body), (400, wanted), "{query}");
    }
    let url = format!(
        "ws://{}/socket.io/?EIO=3&transport=websocket",
        server.address
    );
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let (mut ws, _) = client_async(url.into_client_request().unwrap(), tcp)
        .await
        .unwrap();
    let mut texts = Vec::new();
    let close = loop {
        match tokio::time::timeout(GUARD, ws.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
        {
            Message::Text(text) => texts.push(text.to_string()),
            Message::Close(close) => break close.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert!(texts[0].starts_with("0{\"sid\""), "{texts:?}");
    assert!(
        texts[1].starts_with("44\"Unsupported protocol version"),
        "{texts:?}"
    );
    assert_eq!(close.reason.as_str(), "Unsupported protocol version");
}

#[tokio::test]
async fn refusals_have_the_numbers_of_the_protocol() {
    let server = start(config()).await;
    for (method, query, code, message) in [
        (
            "GET",
            "EIO=4&transport=carrier-pigeon",
            0,
            "Transport unknown",
        ),
        (
            "GET",
            "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAA",
            1,
            "Session ID unknown",
        ),
        ("POST", "EIO=4&transport=polling", 2, "Bad handshake method"),
    ] {
        let request = format!(
            "{method} /socket.io/?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let (status, body) = http(server.address, &request).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (status, body),
            (400, json!({ "code": code, "message": message }))
        );
    }
}

#[tokio::test]
async fn a_client_with_msgpack_is_told_why() {
    let server = start(config()).await;
    let mut ws = open(server.address).await;
    let connect = b"\x83\xa4type\x00\xa4data\x81\xa5token\xa1a\xa3nsp\xa1/";
    ws.send(Message::binary(connect.to_vec())).await.unwrap();
    let answer = tokio::time::timeout(GUARD, ws.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let Message::Binary(answer) = answer else {
        panic!("{answer:?}");
    };
    assert!(
        answer.starts_with(b"\x83\xa4type\x04\xa4data\x81\xa7message"),
        "{answer:?}"
    );
}

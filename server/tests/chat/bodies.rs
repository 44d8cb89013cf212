//! What strangers send before anybody knows them: half requests, endless names, more than they read.

use std::time::Duration;

use futures::SinkExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{Client, GUARD, open},
    polling::Polling,
    running::{config, start},
};

#[tokio::test]
async fn a_body_that_stalls_is_answered_and_closed() {
    let server = start(config()).await;
    let polling = Polling::login(server.address, "p").await;
    let mut stalled = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={} HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n42",
        polling.sid
    );
    stalled.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(GUARD, stalled.read_to_end(&mut answer))
        .await
        .expect("never closed")
        .unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(
        server
            .metric("chat_refused_requests_total{reason=\"slow_body\"}")
            .await,
        1.0
    );
    // Its session is nobody else's concern, and goes on.
    assert_eq!(polling.post("3").await, 200);
}

#[tokio::test]
async fn names_of_other_namespaces_are_bounded_where_answers_wait() {
    let server = start(config()).await;
    let stranger = Polling::open(server.address).await;
    let name = |bytes: usize| format!("40/{}", "n".repeat(bytes));
    assert_eq!(stranger.post(&name(5)).await, 200);
    assert_eq!(stranger.post(&name(900_000)).await, 400);
    let reason = "chat_refused_requests_total{reason=\"foreign_namespaces\"}";
    assert_eq!(server.metric(reason).await, 1.0);
    let closed = async {
        while stranger.post("3").await == 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(GUARD, closed).await.expect("the session goes on");
}

#[tokio::test]
async fn an_event_that_the_library_would_drop_or_not_answer_ends_the_session() {
    let server = start(config()).await;
    let mut other = Client::in_rooms(server.address, "w", &["r"]).await;
    let message = r#"["roomMessage",{"roomId":"r","body":"x"}]"#;
    for (reason, packet) in [
        ("ack_id", format!("429223372036854775808{message}")),
        ("unfit_event", format!("42{}{message}", "9".repeat(100))),
        ("unfit_event", format!("42/elsewhere,{message}")),
    ] {
        let counted = format!("chat_refused_requests_total{{reason=\"{reason}\"}}");
        let before = server.metric(&counted).await;
        let polling = Polling::login(server.address, "p").await;
        polling.post("421[\"joinRoom\",{\"roomId\":\"r\"}]").await;
        polling.until("431").await;
        // Also where it is not the first packet.
        assert_eq!(polling.post(&format!("3\u{1e}{packet}")).await, 400);
        assert_eq!(server.metric(&counted).await, before + 1.0, "{packet}");
        server.until_stats(1, 1, 1).await;
    }
    assert_eq!(other.settled().await, [], "nothing was carried out");
}

/// Sends until the server takes no more for a second; how many bytes it took.
async fn send_until_stuck(address: std::net::SocketAddr, packet: String, most: usize) -> usize {
    let mut ws = open(address).await;
    let mut sent = 0;
    let started = Instant::now();
    while sent < most && started.elapsed() < GUARD {
        match timeout(
            Duration::from_secs(1),
            ws.send(Message::text(packet.clone())),
        )
        .await
        {
            Ok(Ok(())) => sent += packet.len(),
            Ok(Err(_)) | Err(_) => break,
        }
    }
    sent
}

#[tokio::test]
async fn who_does_not_read_is_not_read_either() {
    let server = start(config()).await;
    // What both kernels hold is some megabytes.
    const MOST: usize = 60_000_000;
    let names = format!("40/{}", "n".repeat(990_000));
    let sent = send_until_stuck(server.address, names, MOST).await;
    assert!(sent < MOST, "the server took {sent} bytes of names");
    let mut other = Client::login(server.address, "a").await;
    other.settled().await;
}

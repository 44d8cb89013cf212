//! The debug pages: who may read them, how much one of them is, and how many are made at once.

use std::{net::UdpSocket, time::Duration};

use serde_json::{Value, json};
use server::config::{Config, DebugAccess, DebugPages, Secret};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    client::Client,
    running::{Running, config, http, start},
};

const PAGES: [&str; 4] = [
    "/debug/sockets",
    "/debug/sockets?verbose",
    "/debug/messages",
    "/debug/histograms",
];

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n")
}

async fn with_access(pages: DebugPages, token: Option<&str>, address: &str) -> Running {
    start(Config {
        address: address.parse().unwrap(),
        debug_access: DebugAccess {
            pages,
            token: token.map(|token| Secret(token.into())),
        },
        ..config()
    })
    .await
}

#[tokio::test]
async fn a_request_that_is_not_this_machines_own_is_refused() {
    let server = start(config()).await;
    for page in PAGES {
        for own in [
            "Host: x\r\n",
            "Host: localhost:3000\r\n",
            "Host: 127.0.0.1\r\n",
        ] {
            assert_eq!(
                http(server.address, &get(page, own)).await.0,
                200,
                "{page} {own}"
            );
        }
        for passed in [
            "Host: rebound.example.org\r\n",
            "Host: localhost\r\nOrigin: https://example.org\r\n",
            "Host: localhost\r\nX-Forwarded-For: 10.0.0.1\r\n",
        ] {
            let (status, why) = http(server.address, &get(page, passed)).await;
            assert_eq!(status, 403, "{page} {passed}");
            assert!(
                why.contains("--debug-token") && why.lines().count() == 1,
                "{why}"
            );
        }
    }
    let page = "chat_refused_connections_total{reason=\"debug_page\"}";
    assert_eq!(server.metric(page).await, 12.0);
    for open in ["/ping", "/health", "/metrics"] {
        let elsewhere = get(
            open,
            "Host: chat.example.org\r\nX-Forwarded-For: 10.0.0.1\r\n",
        );
        assert_eq!(http(server.address, &elsewhere).await.0, 200, "{open}");
    }
}

#[tokio::test]
async fn there_need_not_be_any_debug_pages() {
    let server = with_access(DebugPages::Off, Some("t0ken"), "127.0.0.1:0").await;
    for page in PAGES {
        let (status, why) = http(
            server.address,
            &get(page, "Host: x\r\nAuthorization: Bearer t0ken\r\n"),
        )
        .await;
        assert_eq!(status, 404, "{page}");
        assert!(why.contains("--debug-pages off"), "{why}");
    }
    assert_eq!(server.get("/health").await.0, 200);
}

/// An address of this machine that is not loopback, if it has one. Nothing is sent.
fn other_address() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().unwrap().ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

#[tokio::test]
async fn another_machine_needs_the_token() {
    let Some(ip) = other_address() else {
        eprintln!("not tried over a socket: this machine has no other address than loopback");
        return;
    };
    let token = "Host: x\r\nAuthorization: Bearer t0ken\r\n";
    let near = with_access(DebugPages::Loopback, Some("t0ken"), "0.0.0.0:0").await;
    let far = with_access(DebugPages::Anywhere, Some("t0ken"), "0.0.0.0:0").await;
    for page in PAGES {
        let from_elsewhere = (ip, near.address.port()).into();
        for headers in ["Host: localhost\r\n", token] {
            let (status, why) = http(from_elsewhere, &get(page, headers)).await;
            assert_eq!(status, 403, "{page}");
            assert!(why.contains("on this machine only"), "{why}");
        }
        let from_elsewhere = (ip, far.address.port()).into();
        assert_eq!(
            http(from_elsewhere, &get(page, "Host: x\r\n")).await.0,
            403,
            "{page}"
        );
        assert_eq!(
            http(from_elsewhere, &get(page, token)).await.0,
            200,
            "{page}"
        );
    }
}

#[tokio::test]
async fn the_verbose_page_is_read_part_by_part() {
    let server = start(config()).await;
    let rooms: Vec<String> = (0..30).map(|n| format!("room {n:02} /?&=%é")).collect();
    let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
    let mut clients = Vec::new();
    for n in 0..7 {
        clients.push(Client::in_rooms(server.address, &format!("u{n}"), &rooms).await);
    }
    let mut next = Some("/debug/sockets?verbose&limit=10".to_owned());
    let (mut users, mut seen, mut pages) = (Vec::new(), Vec::new(), 0);
    while let Some(path) = next {
        let page = server.get_json(&path).await;
        let lines = |name: &str, id: &str| -> Vec<Value> {
            page[name]
                .as_array()
                .unwrap()
                .iter()
                .map(|line| line[id].clone())
                .collect()
        };
        let (of_users, of_rooms) = (lines("users", "userId"), lines("rooms", "id"));
        assert!(of_users.len() + of_rooms.len() <= 10, "{page}");
        users.extend(of_users);
        seen.extend(of_rooms);
        pages += 1;
        next = page
            .get("next")
            .map(|next| next.as_str().unwrap().to_owned());
    }
    assert_eq!(pages, 4);
    assert_eq!(
        json!(users),
        json!(["u0", "u1", "u2", "u3", "u4", "u5", "u6"])
    );
    assert_eq!(json!(seen), json!(rooms));
    for (wrong, why) in [
        ("limit=0", "limit: expected a number from 1 to 1000"),
        ("limit=1001", "limit: expected a number from 1 to 1000"),
        ("limit=x", "limit: expected a number from 1 to 1000"),
        (
            "after=u0",
            "after: expected `user:`, `room:` or `channel:` and an id",
        ),
    ] {
        let (status, body) = server.get(&format!("/debug/sockets?verbose&{wrong}")).await;
        assert_eq!((status, body.trim_end()), (400, why));
    }
}

#[tokio::test]
async fn a_page_is_bounded_in_bytes() {
    let server = start(config()).await;
    let mut clients = Vec::new();
    for n in 0..100 {
        let token = format!("{n:03}{}", "x".repeat(4000));
        clients.push(Client::in_rooms(server.address, &token, &["r"]).await);
    }
    let mut next = Some("/debug/sockets?verbose".to_owned());
    let mut users = 0;
    while let Some(path) = next {
        let (status, body) = server.get(&path).await;
        assert_eq!(status, 200);
        assert!(body.len() < 350_000, "{}", body.len());
        let page: Value = serde_json::from_str(&body).unwrap();
        users += page["users"].as_array().unwrap().len();
        next = page
            .get("next")
            .map(|next| next.as_str().unwrap().to_owned());
    }
    assert_eq!(users, 100);
}

#[tokio::test]
async fn the_stored_messages_are_read_whole_in_chunks() {
    let server = start(config()).await;
    let mut a = Client::in_rooms(server.address, "a", &["r"]).await;
    for n in 0..600 {
        a.ask(
            "roomMessage",
            json!({ "roomId": "r", "body": format!("<{n}>") }),
        )
        .await;
    }
    for id in 2..=601 {
        assert_eq!(a.ack(id).await["success"], true);
    }
    let bodies = async |page: &str| -> Vec<String> {
        let lines = server.get(page).await.1;
        let bodies = lines.lines().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["body"].as_str().unwrap().to_owned()
        });
        bodies.collect()
    };
    let wanted = |of: &dyn Fn(u32) -> bool| -> Vec<String> {
        let those = (0..600).filter(|n| of(*n));
        those.map(|n| format!("<{n}>")).collect()
    };
    assert_eq!(bodies("/debug/messages").await, wanted(&|_| true));
    // Those that begin so: one of the first chunk, and ten of the last.
    let some = wanted(&|n| n == 59 || n / 10 == 59);
    assert_eq!(bodies("/debug/messages?body=%3C59").await, some);
    assert!(bodies("/debug/messages?body=59").await.is_empty());
}

#[tokio::test]
async fn no_more_debug_pages_are_read_at_once_than_may_be() {
    let server = start(config()).await;
    let mut a = Client::in_rooms(server.address, "a", &["r"]).await;
    for _ in 0..200 {
        let body = "x".repeat(60_000);
        let ack = a
            .call("roomMessage", json!({ "roomId": "r", "body": body }))
            .await;
        assert_eq!(ack["success"], true);
    }
    let mut readers = Vec::new();
    for _ in 0..4 {
        let mut reader = TcpStream::connect(server.address).await.unwrap();
        let request = get("/debug/messages", "Host: x\r\n");
        reader.write_all(request.as_bytes()).await.unwrap();
        // It has begun, and its 12 MB fit into no buffer.
        reader.read_exact(&mut [0; 100]).await.unwrap();
        readers.push(reader);
    }
    for page in &PAGES[1..] {
        let (status, why) = server.get(page).await;
        assert_eq!(status, 503, "{page}");
        assert!(why.contains("come again"), "{why}");
    }
    for open in ["/debug/sockets", "/metrics", "/health"] {
        assert_eq!(server.get(open).await.0, 200, "{open}");
    }
    drop(readers);
    while server.get("/debug/sockets?verbose").await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

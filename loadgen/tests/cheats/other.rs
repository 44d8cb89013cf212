//! A chat server of somebody else's: other names, another shape of payload, no acknowledgements, no ends, no echo.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedSender, unbounded_channel},
};
use tokio_tungstenite::{accept_async, tungstenite::Message};

/// What it tells of who sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Who it was.
    Right,
    /// Another of its users, of one message in some.
    Another,
    /// Another of its users, always.
    AlwaysAnother,
    /// Nobody, of one message in some.
    Nobody,
}

/// Of messages with a fault, one in so many.
const EVERY: u64 = 50;

type Lobbies = Arc<Mutex<BTreeMap<String, BTreeMap<u64, Member>>>>;

/// Somebody in a lobby.
#[derive(Clone)]
struct Member {
    id: String,
    out: UnboundedSender<String>,
    said: u64,
}

/// Starts it on a free port, with the token that it lets in; it ends with the test's runtime.
pub async fn start(token: &'static str, naming: Naming) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let lobbies = Lobbies::default();
    tokio::spawn(async move {
        let mut next = 0;
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            next += 1;
            tokio::spawn(answer(stream, next, (token, naming), Arc::clone(&lobbies)));
        }
    });
    url
}

async fn answer(mut stream: TcpStream, me: u64, rules: (&str, Naming), lobbies: Lobbies) {
    let mut head = [0; 512];
    let Ok(bytes) = stream.peek(&mut head).await else {
        return;
    };
    let head = String::from_utf8_lossy(&head[..bytes]).into_owned();
    if head.contains("transport=websocket") {
        return chat(stream, me, rules, lobbies).await;
    }
    let (status, body) = if head.starts_with("GET /socket.io/") {
        (
            "200 OK",
            r#"0{"sid":"probe","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#,
        )
    } else {
        ("404 Not Found", "")
    };
    let mut request = vec![0; bytes];
    let _ = stream.read(&mut request).await;
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}

async fn chat(stream: TcpStream, me: u64, (token, naming): (&str, Naming), lobbies: Lobbies) {
    let Ok(mut socket) = accept_async(stream).await else {
        return;
    };
    let open = r#"0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
    let _ = socket.send(Message::text(open)).await;
    let (out, mut outbox) = unbounded_channel();
    let mut member = Member {
        id: String::new(),
        out,
        said: 0,
    };
    loop {
        tokio::select! {
            Some(packet) = outbox.recv() => {
                if socket.send(Message::text(packet)).await.is_err() {
                    break;
                }
            }
            incoming = socket.next() => {
                let Some(Ok(message)) = incoming else { break };
                let Ok(text) = message.to_text() else { continue };
                if let Some(auth) = text.strip_prefix("40") {
                    let auth: Value = serde_json::from_str(auth).unwrap();
                    let shown = auth["token"].as_str().unwrap();
                    shown.rsplit('/').next().unwrap().clone_into(&mut member.id);
                    let greeted = if shown.contains(token) {
                        "40{\"sid\":\"y\"}"
                    } else {
                        "44{\"message\":\"who are you?\"}"
                    };
                    let _ = socket.send(Message::text(greeted)).await;
                } else if let Some(event) = text.strip_prefix("42") {
                    hear((me, &mut member), &serde_json::from_str(event).unwrap(), naming, &lobbies);
                }
            }
        }
    }
    let mut lobbies = lobbies.lock().unwrap_or_else(PoisonError::into_inner);
    for members in lobbies.values_mut() {
        members.remove(&me);
    }
}

fn hear((me, member): (u64, &mut Member), event: &Value, naming: Naming, lobbies: &Lobbies) {
    let mut lobbies = lobbies.lock().unwrap_or_else(PoisonError::into_inner);
    let lobby = event[1]["lobby"].as_str().unwrap_or_default();
    let members = lobbies.entry(lobby.to_owned()).or_default();
    match event[0].as_str() {
        Some("enter") => drop(members.insert(me, member.clone())),
        Some("say") => {
            member.said += 1;
            let hit = member.said.is_multiple_of(EVERY);
            let mut others = members.iter().filter(|(other, _)| **other != me);
            let another = others.clone().next().map(|(_, other)| other.id.clone());
            let by = match naming {
                Naming::AlwaysAnother => another,
                Naming::Another if hit => another,
                Naming::Nobody if hit => None,
                _ => Some(member.id.clone()),
            };
            let said = json!([
                "said",
                { "lobby": lobby, "msg": { "n": members.len(), "text": event[1]["text"], "by": { "id": by } } }
            ]);
            others.all(|(_, other)| other.out.send(format!("42{said}")).is_ok());
        }
        _ => {}
    }
}

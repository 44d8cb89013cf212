//! A small chat server that speaks the contract and, on demand, breaks one promise of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};

use crate::{
    fault::{Fault, USERS},
    speech::Speech,
    talk,
};

/// A running server; it ends with the test's runtime.
pub struct Cheat {
    /// `http://127.0.0.1:port`
    pub url: String,
    state: Shared,
}

#[derive(Default)]
pub struct State {
    sockets: BTreeMap<u64, mpsc::UnboundedSender<String>>,
    pub conversations: BTreeMap<String, BTreeSet<u64>>,
    /// Who has left each of them and not joined it again.
    pub left: BTreeMap<String, BTreeSet<u64>>,
    /// How often anybody joined.
    pub joins: u64,
    pub stored: Vec<(String, Value)>,
    /// Which of them were told as failed and are to be taken out again.
    pub unsettled: Vec<String>,
    pub messages: u64,
    /// Deliveries to others that were made to nobody.
    pub swallowed: u64,
    next_socket: u64,
    leaked: u64,
    /// It has left a question after the run without an answer.
    was_silent: bool,
    /// Questions of before the run that it has left without an answer.
    unanswered: BTreeSet<&'static str>,
    /// A message that waits to be overtaken.
    pub held: Option<talk::Held>,
    /// When the one worker of a server that takes its time has done all that came.
    pub free: Option<Instant>,
    /// Deliveries that are made late, in order.
    pub late: Option<mpsc::UnboundedSender<(Instant, Late)>>,
}

pub type Late = Box<dyn FnOnce() + Send>;

pub type Shared = Arc<Mutex<State>>;

pub fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cheat {
    /// Starts a server on a free port.
    pub async fn start(fault: Fault, speech: Speech) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Shared::default();
        let (late, mut queue) = mpsc::unbounded_channel::<(Instant, Late)>();
        lock(&state).late = Some(late);
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Some((due, deliver)) = queue.recv().await {
                sleep_until(due).await;
                deliver();
            }
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(answer(stream, Arc::clone(&shared), fault, speech));
            }
        });
        Self { url, state }
    }

    /// Deliveries to others that it made to nobody, so far.
    pub fn swallowed(&self) -> u64 {
        lock(&self.state).swallowed
    }
}

impl State {
    /// Sends an event.
    pub fn emit(&self, to: u64, event: &str, payload: &Value) {
        self.send(to, format!("42{}", json!([event, payload])));
    }

    /// Sends a packet; an empty one ends the connection.
    pub fn send(&self, to: u64, packet: String) {
        if let Some(packets) = self.sockets.get(&to) {
            let _ = packets.send(packet);
        }
    }

    /// Somebody who is not among these.
    pub fn stranger_to(&self, members: &[u64]) -> Option<u64> {
        let mut sockets = self.sockets.keys();
        sockets.find(|socket| !members.contains(socket)).copied()
    }
}

/// One connection: a page, the probe's handshake, or a chat client.
async fn answer(mut stream: TcpStream, state: Shared, fault: Fault, speech: Speech) {
    let mut head = [0; 512];
    let Ok(bytes) = stream.peek(&mut head).await else {
        return;
    };
    let head = String::from_utf8_lossy(&head[..bytes]).into_owned();
    let body = if head.contains("transport=websocket") {
        if let Ok(socket) = accept_async(stream).await {
            chat(socket, state, fault, speech).await;
        }
        return;
    } else if is_silent(&head, &state, fault) {
        // Held open, and never answered.
        return std::future::pending().await;
    } else if head.starts_with("GET /debug/messages") {
        stored_documents(&state)
    } else if head.starts_with("GET /debug/sockets") {
        stats(&state)
    } else if head.starts_with("GET /health") {
        health(&state)
    } else if head.starts_with("GET /socket.io/") {
        r#"0{"sid":"probe","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#.to_owned()
    } else {
        "ok".to_owned()
    };
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut request = vec![0; bytes];
    let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut request).await;
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// Whether it owes an answer to this and never gives it.
fn is_silent(head: &str, state: &Shared, fault: Fault) -> bool {
    let mut state = lock(state);
    if fault == Fault::IsSilentAtFirst && state.next_socket == 0 {
        let mut pages = ["GET /debug/messages", "GET /debug/sockets"].into_iter();
        let asked = pages.find(|page| head.starts_with(page));
        return asked.is_some_and(|page| state.unanswered.insert(page));
    }
    if state.next_socket == 0 || !state.sockets.is_empty() {
        return false;
    }
    match fault {
        Fault::FallsSilent => head.starts_with("GET /debug/sockets"),
        Fault::SettlesAfterASilence => {
            head.starts_with("GET /health") && !std::mem::replace(&mut state.was_silent, true)
        }
        _ => false,
    }
}

fn stored_documents(state: &Shared) -> String {
    lock(state)
        .stored
        .iter()
        .map(|(id, document)| {
            let mut line = document.clone();
            line["_id"] = id.as_str().into();
            format!("{line}\n")
        })
        .collect()
}

fn health(state: &Shared) -> String {
    let mut state = lock(state);
    let unsettled = state.unsettled.len();
    if state.sockets.is_empty()
        && let Some(settled) = state.unsettled.pop()
    {
        state.stored.retain(|(id, _)| *id != settled);
    }
    json!({ "unsettled": unsettled }).to_string()
}

fn stats(state: &Shared) -> String {
    let state = lock(state);
    let rooms = state
        .conversations
        .values()
        .filter(|members| !members.is_empty())
        .count() as u64;
    let sockets = state.sockets.len();
    json!({ "stats": { "totalUsers": sockets, "totalRooms": rooms + state.leaked, "totalSockets": sockets } }).to_string()
}

async fn chat(mut socket: WebSocketStream<TcpStream>, state: Shared, fault: Fault, speech: Speech) {
    let me = {
        let mut state = lock(&state);
        state.next_socket += 1;
        state.next_socket
    };
    if fault.refuses(me) {
        return;
    }
    if fault == Fault::HangsWhoComesBack && me > USERS {
        // Held open, and never greeted.
        return std::future::pending().await;
    }
    let (packets, mut outbox) = mpsc::unbounded_channel();
    lock(&state).sockets.insert(me, packets);
    // Long enough to be in the middle of the run.
    let interval = match fault == Fault::ForgetsAHeartbeat && me == 1 {
        true => 2_000,
        false => 45_000,
    };
    let open = json!({ "sid": "x", "upgrades": [], "pingInterval": interval, "pingTimeout": 0 });
    if socket
        .send(Message::text(format!("0{open}")))
        .await
        .is_err()
    {
        return;
    }
    loop {
        tokio::select! {
            packet = outbox.recv() => {
                let Some(packet) = packet else { break };
                if packet.is_empty() || socket.send(Message::text(packet)).await.is_err() {
                    break;
                }
            }
            incoming = socket.next() => {
                let Some(Ok(message)) = incoming else { break };
                let Ok(text) = message.to_text() else { continue };
                if text.starts_with("40") {
                    let _ = socket.send(Message::text("40{\"sid\":\"y\"}")).await;
                } else if let Some(event) = text.strip_prefix("42") {
                    talk::hear(me, event, &state, fault, speech);
                }
            }
        }
    }
    let mut state = lock(&state);
    state.sockets.remove(&me);
    for members in state.conversations.values_mut() {
        members.remove(&me);
    }
    if fault == Fault::LeaksARoom {
        state.leaked = 1;
    }
}

//! A chat server whose events, payloads and acknowledgements a test makes up.

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

/// What a client's event means to the server.
pub enum Heard {
    /// The client is in a room from now on.
    Joins(String),
    /// A text to a room.
    Says(String, String),
    /// Nothing.
    Nothing,
}

/// What a message is told by: the event's name and its arguments, to the sender and to the others; `None`: not at all.
pub struct Told {
    pub own: Option<(&'static str, Value)>,
    pub others: Option<(&'static str, Value)>,
}

/// A server made up of functions.
#[derive(Clone, Copy)]
pub struct Shape {
    /// The room that a token stands for, where the server puts its users into rooms by itself.
    pub room_of: fn(&str) -> Option<String>,
    /// What an event with these arguments means.
    pub hear: fn(&str, &[Value]) -> Heard,
    /// The arguments of an acknowledgement, if there is one; `true`: of a message.
    pub answer: fn(bool) -> Option<Value>,
    /// The event by which a join in a room is answered.
    pub joined: fn(&str) -> Option<(&'static str, Value)>,
    /// What members of a room are told of a text, with the message's number.
    pub tell: fn(&str, &str, u64) -> Told,
    /// Writes the token of the sender into what members are told.
    pub sign: fn(&str, &mut Value),
    /// The name of an event that everybody gets beside each message, and its arguments.
    pub chatter: Option<fn() -> (&'static str, Value)>,
    /// The event by which all are told that a message is stored.
    pub confirm: fn(&str, &str, u64) -> Option<(&'static str, Value)>,
}

impl Shape {
    /// Joins by `enter`, messages by `say` and `said`, all of one object, everything acknowledged, the sender told too.
    pub const PLAIN: Shape = Shape {
        room_of: |_| None,
        hear: |event, arguments| {
            let text = |field: &str| arguments[0][field].as_str().unwrap_or_default().to_owned();
            match event {
                "enter" => Heard::Joins(text("room")),
                "say" => Heard::Says(text("room"), text("text")),
                _ => Heard::Nothing,
            }
        },
        answer: |_| Some(json!([{ "success": true }])),
        joined: |_| None,
        tell: |room, text, _| {
            let said = || Some(("said", json!([{ "room": room, "text": text }])));
            Told {
                own: said(),
                others: said(),
            }
        },
        sign: |_, _| {},
        chatter: None,
        confirm: |_, _, _| None,
    };
}

type Outbox = UnboundedSender<String>;

#[derive(Default)]
struct State {
    rooms: BTreeMap<String, BTreeMap<u64, Outbox>>,
    messages: u64,
}

type Shared = Arc<Mutex<State>>;

/// Starts it on a free port; it ends with the test's runtime.
pub async fn start(shape: Shape) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let state = Shared::default();
    tokio::spawn(async move {
        let mut next = 0;
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            next += 1;
            tokio::spawn(answer(stream, next, shape, Arc::clone(&state)));
        }
    });
    url
}

async fn answer(mut stream: TcpStream, me: u64, shape: Shape, state: Shared) {
    let mut head = [0; 512];
    let Ok(bytes) = stream.peek(&mut head).await else {
        return;
    };
    let head = String::from_utf8_lossy(&head[..bytes]).into_owned();
    if head.contains("transport=websocket") {
        return chat(stream, me, shape, state).await;
    }
    let (status, body) = match head.starts_with("GET /socket.io/") {
        true => (
            "400 Bad Request",
            r#"{"code":0,"message":"Transport unknown"}"#,
        ),
        false => ("404 Not Found", ""),
    };
    let _ = stream.read(&mut vec![0; bytes]).await;
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}

async fn chat(stream: TcpStream, me: u64, shape: Shape, state: Shared) {
    let Ok(mut socket) = accept_async(stream).await else {
        return;
    };
    let open = r#"0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
    let _ = socket.send(Message::text(open)).await;
    let (out, mut outbox) = unbounded_channel();
    let mut token = String::new();
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
                    let _ = socket.send(Message::text("40{\"sid\":\"y\"}")).await;
                    let auth: Value = serde_json::from_str(auth).unwrap();
                    auth["token"].as_str().unwrap().clone_into(&mut token);
                    if let Some(room) = (shape.room_of)(&token) {
                        join(me, &room, &out, shape, &state);
                    }
                } else if let Some(event) = text.strip_prefix("42") {
                    hear((me, &token), event, &out, shape, &state);
                }
            }
        }
    }
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    for members in state.rooms.values_mut() {
        members.remove(&me);
    }
}

fn join(me: u64, room: &str, out: &Outbox, shape: Shape, state: &Shared) {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let members = state.rooms.entry(room.to_owned()).or_default();
    members.insert(me, out.clone());
    emit(out, (shape.joined)(room).as_ref());
}

fn hear((me, token): (u64, &str), event: &str, out: &Outbox, shape: Shape, state: &Shared) {
    let begin = event.find('[').unwrap();
    let (id, array) = event.split_at(begin);
    let array: Vec<Value> = serde_json::from_str(array).unwrap();
    let is_message = match (shape.hear)(array[0].as_str().unwrap(), &array[1..]) {
        Heard::Nothing => return,
        Heard::Joins(room) => {
            join(me, &room, out, shape, state);
            false
        }
        Heard::Says(room, text) => {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.messages += 1;
            let number = state.messages;
            let mut told = (shape.tell)(&room, &text, number);
            for (_, arguments) in [&mut told.own, &mut told.others].into_iter().flatten() {
                (shape.sign)(token, arguments);
            }
            let confirmation = (shape.confirm)(&room, &text, number);
            for (member, outbox) in state.rooms.entry(room).or_default() {
                let told = if *member == me {
                    &told.own
                } else {
                    &told.others
                };
                emit(outbox, told.as_ref());
                emit(outbox, confirmation.as_ref());
                emit(outbox, shape.chatter.map(|chatter| chatter()).as_ref());
            }
            true
        }
    };
    if !id.is_empty()
        && let Some(answer) = (shape.answer)(is_message)
    {
        let _ = out.send(format!("43{id}{answer}"));
    }
}

/// Sends an event, whose arguments are an array.
fn emit(outbox: &Outbox, event: Option<&(&str, Value)>) {
    if let Some((name, arguments)) = event {
        let mut array = vec![json!(name)];
        array.extend(arguments.as_array().unwrap().iter().cloned());
        let _ = outbox.send(format!("42{}", Value::Array(array)));
    }
}

//! A small chat server that speaks the contract and, on demand, breaks one promise of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};

/// How a server cheats. The faults that concern one message in many take every `EVERY`th.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It doesn't.
    None,
    /// One delivery is never made.
    Drops,
    /// One delivery is made twice.
    Doubles,
    /// Two messages of one sender change places, for everybody.
    SwapsOfOneSender,
    /// Two messages of different senders change places, for one member only.
    SwapsForOneMember,
    /// A message also goes to somebody of another conversation.
    DeliversToAStranger,
    /// A message is confirmed and not saved.
    ConfirmsWithoutSaving,
    /// A message is saved and said to have failed.
    SavesAndFails,
    /// A message is confirmed twice.
    ConfirmsTwice,
    /// A message is neither confirmed nor failed.
    NeverEnds,
    /// A message is confirmed before it is delivered.
    ConfirmsEarly,
    /// A message fails under a temporary id that nobody knows.
    FailsUnderAnotherId,
    /// A body loses its last character.
    ChangesABody,
    /// Two members are told different ids of one message.
    DisagreesOnTheId,
    /// A message is saved under two ids.
    SavesTwice,
    /// A room stays when everybody has gone.
    LeaksARoom,
    /// An acknowledgement never comes.
    ForgetsAnAck,
    /// A client is thrown out.
    CutsAConnection,
    /// Nothing moves for 50 ms, every 2 seconds.
    Stalls,
    /// Every delivery is 2 ms late.
    IsLate,
    /// Whoever leaves goes on getting messages.
    KeepsWhoLeft,
}

/// Faults of one message hit every so many.
const EVERY: u64 = 50;

/// A running server; it ends with the test's runtime.
pub struct Cheat {
    /// `http://127.0.0.1:port`
    pub url: String,
}

#[derive(Default)]
struct State {
    sockets: BTreeMap<u64, Socket>,
    rooms: BTreeMap<String, BTreeSet<u64>>,
    stored: Vec<(String, Value)>,
    messages: u64,
    next_socket: u64,
    leaked: u64,
    /// A message that waits to be overtaken.
    held: Option<Held>,
    swapped: bool,
    /// Deliveries that are made late, in order.
    late: Option<mpsc::UnboundedSender<(Instant, Late)>>,
}

struct Socket {
    packets: mpsc::UnboundedSender<String>,
}

type Late = Box<dyn FnOnce() + Send>;

struct Held {
    message: Value,
    sender: u64,
    only_for: Option<u64>,
}

type Shared = Arc<Mutex<State>>;

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cheat {
    /// Starts a server on a free port.
    pub async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Shared::default();
        let (late, mut queue) = mpsc::unbounded_channel::<(Instant, Late)>();
        lock(&state).late = Some(late);
        tokio::spawn(async move {
            while let Some((due, deliver)) = queue.recv().await {
                sleep_until(due).await;
                deliver();
            }
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(answer(stream, Arc::clone(&state), fault));
            }
        });
        Self { url }
    }
}

/// One connection: a page, the probe's handshake, or a chat client.
async fn answer(mut stream: TcpStream, state: Shared, fault: Fault) {
    let mut head = [0; 512];
    let Ok(bytes) = stream.peek(&mut head).await else {
        return;
    };
    let head = String::from_utf8_lossy(&head[..bytes]).into_owned();
    let body = if head.contains("transport=websocket") {
        if let Ok(socket) = accept_async(stream).await {
            chat(socket, state, fault).await;
        }
        return;
    } else if head.starts_with("GET /debug/messages") {
        stored_documents(&state)
    } else if head.starts_with("GET /debug/sockets") {
        stats(&state)
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

fn stored_documents(state: &Shared) -> String {
    lock(state)
        .stored
        .iter()
        .map(|(id, message)| {
            json!({ "_id": id, "collection": "message2", "senderId": message["senderId"]["_id"],
                    "body": message["body"], "createdAt": "2026-01-01T00:00:00.000Z" })
            .to_string()
                + "\n"
        })
        .collect()
}

fn stats(state: &Shared) -> String {
    let state = lock(state);
    let rooms = state
        .rooms
        .values()
        .filter(|members| !members.is_empty())
        .count() as u64;
    let sockets = state.sockets.len();
    json!({ "stats": { "totalUsers": sockets, "totalRooms": rooms + state.leaked, "totalSockets": sockets } }).to_string()
}

async fn chat(mut socket: WebSocketStream<TcpStream>, state: Shared, fault: Fault) {
    let (packets, mut outbox) = mpsc::unbounded_channel();
    let open = r#"0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
    if socket.send(Message::text(open)).await.is_err() {
        return;
    }
    let me = {
        let mut state = lock(&state);
        state.next_socket += 1;
        let me = state.next_socket;
        state.sockets.insert(me, Socket { packets });
        me
    };
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
                    handle(me, event, &state, fault);
                }
            }
        }
    }
    let mut state = lock(&state);
    state.sockets.remove(&me);
    for members in state.rooms.values_mut() {
        members.remove(&me);
    }
    if fault == Fault::LeaksARoom {
        state.leaked = 1;
    }
}

fn handle(me: u64, event: &str, state: &Shared, fault: Fault) {
    let Some(array) = event.find('[') else { return };
    let ack = event[..array].to_owned();
    let Ok(event) = serde_json::from_str::<Value>(&event[array..]) else {
        return;
    };
    let payload = &event[1];
    let room = payload["roomId"].as_str().unwrap_or_default().to_owned();
    match event[0].as_str() {
        Some("joinRoom") => {
            lock(state).rooms.entry(room).or_default().insert(me);
            send(&lock(state), me, format!("43{ack}[{{\"success\":true}}]"));
        }
        Some("leaveRoom") => {
            if fault != Fault::KeepsWhoLeft {
                lock(state).rooms.entry(room).or_default().remove(&me);
            }
            send(&lock(state), me, format!("43{ack}[{{\"success\":true}}]"));
        }
        Some("roomMessage") => message(me, &room, payload, &ack, state, fault),
        _ => {}
    }
}

fn send(state: &State, to: u64, packet: String) {
    if let Some(socket) = state.sockets.get(&to) {
        let _ = socket.packets.send(packet);
    }
}

fn emit(state: &State, to: u64, event: &str, payload: &Value) {
    send(state, to, format!("42{}", json!([event, payload])));
}

/// Delivers at once and ends a little later, as the contract says, but for the fault.
fn message(me: u64, room: &str, payload: &Value, ack: &str, state: &Shared, fault: Fault) {
    let mut locked = lock(state);
    locked.messages += 1;
    let number = locked.messages;
    let hit = number.is_multiple_of(EVERY);
    let members: Vec<u64> = locked.rooms[room].iter().copied().collect();
    let other = members
        .iter()
        .copied()
        .find(|&member| member != me)
        .unwrap_or(me);
    // A sender that is alone has its own copy only, whose loss is another fault.
    let hit = hit && (fault != Fault::Drops || other != me);
    let mut optimistic = json!({
        "_id": format!("temp_{number}_x"), "body": payload["body"], "roomId": room,
        "senderId": { "_id": payload["senderId"] }, "isOptimistic": true,
    });
    if hit && fault == Fault::ChangesABody {
        let mut body = payload["body"].as_str().unwrap_or_default().to_owned();
        body.pop();
        optimistic["body"] = body.into();
    }
    if hit && fault == Fault::ConfirmsEarly {
        emit(
            &locked,
            other,
            "roomMessageConfirmed",
            &confirmed(&optimistic, number, room, payload),
        );
    }
    let swaps = matches!(fault, Fault::SwapsOfOneSender | Fault::SwapsForOneMember);
    release_before_same_sender(&mut locked, me, room);
    if number >= EVERY && swaps && !locked.swapped && locked.held.is_none() {
        let only_for = (fault == Fault::SwapsForOneMember).then_some(other);
        locked.held = Some(Held {
            message: optimistic.clone(),
            sender: me,
            only_for,
        });
        for &member in members
            .iter()
            .filter(|&&member| only_for.is_some_and(|only| only != member))
        {
            emit(&locked, member, "roomMessageRecieved", &optimistic);
        }
    } else if fault == Fault::IsLate {
        let confirmed = confirmed(&optimistic, number, room, payload);
        let (state, ack) = (Arc::clone(state), ack.to_owned());
        let deliver: Late = Box::new(move || {
            deliver(&lock(&state), &members, other, &optimistic, hit, fault);
            end_soon(state, members, me, other, confirmed, ack, hit, fault);
        });
        if let Some(late) = &locked.late {
            let _ = late.send((Instant::now() + Duration::from_millis(2), deliver));
        }
        return;
    } else {
        deliver(&locked, &members, other, &optimistic, hit, fault);
        overtaken(&mut locked, me, room, &members);
    }
    if hit && fault == Fault::CutsAConnection && number == EVERY {
        send(&locked, other, String::new());
    }
    drop(locked);
    let confirmed = confirmed(&optimistic, number, room, payload);
    let ack = ack.to_owned();
    let state = Arc::clone(state);
    if fault == Fault::Stalls && number.is_multiple_of(400) {
        // Holding the lock stops everybody, as a garbage collection would.
        std::thread::spawn(move || {
            let locked = lock(&state);
            std::thread::sleep(Duration::from_millis(60));
            drop(locked);
            end(&state, &members, me, other, &confirmed, &ack, hit, fault);
        });
        return;
    }
    end_soon(state, members, me, other, confirmed, ack, hit, fault);
}

/// Ends a message a little later, and not before it was delivered.
#[allow(
    clippy::too_many_arguments,
    reason = "all that is known of one message"
)]
fn end_soon(
    state: Shared,
    members: Vec<u64>,
    me: u64,
    other: u64,
    confirmed: Value,
    ack: String,
    hit: bool,
    fault: Fault,
) {
    tokio::spawn(async move {
        sleep(Duration::from_millis(30)).await;
        for _ in 0..40 {
            if !is_held(&state, &confirmed["tempId"]) {
                break;
            }
            sleep(Duration::from_millis(5)).await;
        }
        release(&state, &confirmed["tempId"], &members);
        end(&state, &members, me, other, &confirmed, &ack, hit, fault);
    });
}

/// Sends a message that nobody has overtaken in time.
fn release(state: &Shared, temp_id: &Value, members: &[u64]) {
    if !is_held(state, temp_id) {
        return;
    }
    let mut state = lock(state);
    let Some(held) = state.held.take() else {
        return;
    };
    for &member in members
        .iter()
        .filter(|&&member| held.only_for.is_none_or(|only| only == member))
    {
        emit(&state, member, "roomMessageRecieved", &held.message);
    }
}

fn is_held(state: &Shared, temp_id: &Value) -> bool {
    lock(state)
        .held
        .as_ref()
        .is_some_and(|held| held.message["_id"] == *temp_id)
}

fn deliver(
    state: &State,
    members: &[u64],
    other: u64,
    optimistic: &Value,
    hit: bool,
    fault: Fault,
) {
    for &member in members {
        let times = match fault {
            Fault::Drops if hit && member == other => 0,
            Fault::Doubles if hit && member == other => 2,
            _ => 1,
        };
        for _ in 0..times {
            emit(state, member, "roomMessageRecieved", optimistic);
        }
    }
    if hit
        && fault == Fault::DeliversToAStranger
        && let Some(&stranger) = state
            .sockets
            .keys()
            .find(|socket| !members.contains(socket))
    {
        emit(state, stranger, "roomMessageRecieved", optimistic);
    }
}

/// A message held back for one member must not be overtaken by its own sender: that would be another fault.
fn release_before_same_sender(state: &mut State, sender: u64, room: &str) {
    let due = state.held.as_ref().and_then(|held| {
        (held.sender == sender && held.message["roomId"] == room)
            .then_some(held.only_for)
            .flatten()
    });
    if let Some(only) = due
        && let Some(held) = state.held.take()
    {
        emit(state, only, "roomMessageRecieved", &held.message);
    }
}

/// Sends what was held back, once something has gone ahead of it that makes the swap visible.
fn overtaken(state: &mut State, sender: u64, room: &str, members: &[u64]) {
    let Some(held) = &state.held else { return };
    let same_room = held.message["roomId"] == room;
    let visible = match held.only_for {
        None => held.sender == sender,
        Some(_) => held.sender != sender,
    };
    if !same_room || !visible {
        return;
    }
    let Some(held) = state.held.take() else {
        return;
    };
    for &member in members
        .iter()
        .filter(|&&member| held.only_for.is_none_or(|only| only == member))
    {
        emit(state, member, "roomMessageRecieved", &held.message);
    }
}

fn confirmed(optimistic: &Value, number: u64, room: &str, payload: &Value) -> Value {
    json!({
        "_id": format!("{number:024x}"), "tempId": optimistic["_id"], "body": payload["body"], "roomId": room,
        "senderId": { "_id": payload["senderId"] }, "isConfirmed": true,
    })
}

#[allow(
    clippy::too_many_arguments,
    reason = "all that is known of one message"
)]
fn end(
    state: &Shared,
    members: &[u64],
    me: u64,
    other: u64,
    confirmed: &Value,
    ack: &str,
    hit: bool,
    fault: Fault,
) {
    let mut state = lock(state);
    let id = confirmed["_id"].as_str().unwrap_or_default().to_owned();
    if !(hit && fault == Fault::ConfirmsWithoutSaving) {
        state.stored.push((id.clone(), confirmed.clone()));
    }
    if hit && fault == Fault::SavesTwice {
        state
            .stored
            .push((format!("f{}", &id[1..]), confirmed.clone()));
    }
    let failed = |temp: Value| json!({ "tempId": temp, "error": "Failed to save message" });
    for &member in members {
        match fault {
            Fault::NeverEnds if hit && member == other => {}
            Fault::ConfirmsEarly if hit && member == other => {}
            Fault::SavesAndFails if hit => {
                emit(
                    &state,
                    member,
                    "roomMessageFailed",
                    &failed(confirmed["tempId"].clone()),
                );
            }
            Fault::DisagreesOnTheId if hit && member == other => {
                let mut another = confirmed.clone();
                another["_id"] = format!("e{}", &id[1..]).into();
                emit(&state, member, "roomMessageConfirmed", &another);
            }
            _ => emit(&state, member, "roomMessageConfirmed", confirmed),
        }
        if hit && fault == Fault::ConfirmsTwice && member == other {
            emit(&state, member, "roomMessageConfirmed", confirmed);
        }
        if hit && fault == Fault::FailsUnderAnotherId && member == other {
            emit(
                &state,
                member,
                "roomMessageFailed",
                &failed("temp_0_unknown".into()),
            );
        }
    }
    if !(hit && fault == Fault::ForgetsAnAck) {
        let success = !(hit && fault == Fault::SavesAndFails);
        send(&state, me, format!("43{ack}[{{\"success\":{success}}}]"));
    }
}

//! A small chat on socketioxide as it comes, with its own rooms and broadcasts; nothing of this project is in it.
//!
//! `FAULT=elsewhere`: some messages are told to another room, too.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    env,
    error::Error,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use socketioxide::{
    SocketIo,
    extract::{AckSender, Data, SocketRef},
    handler::ConnectHandler,
};

static MESSAGES: AtomicU64 = AtomicU64::new(0);
static ROOMS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

#[derive(Deserialize)]
struct Say {
    to: String,
    text: String,
    v: u8,
}

#[derive(Serialize)]
struct Said<'a> {
    id: u64,
    to: &'a str,
    text: &'a str,
}

#[expect(
    clippy::print_stdout,
    reason = "whoever starts it reads the port there"
)]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (layer, io) = SocketIo::new_layer();
    // In a middleware, since what a client says at once would come before handlers that `connected` sets.
    io.ns("/", connected.with(register));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("listening on {}", listener.local_addr()?.port());
    axum::serve(listener, axum::Router::new().layer(layer)).await?;
    Ok(())
}

async fn register(socket: SocketRef) -> Result<(), Infallible> {
    socket.on("enter", enter);
    socket.on("say", say);
    Ok(())
}

async fn connected(_: SocketRef) {}

/// Tells by an event that the join is done.
async fn enter(socket: SocketRef, Data(room): Data<String>) {
    socket.join(room.clone());
    if let Ok(mut rooms) = ROOMS.lock() {
        rooms.insert(room.clone());
    }
    if let Err(error) = socket.emit("entered", &room) {
        eprintln!("entered {room}: {error}");
    }
}

/// To everybody in the room but the sender, who gets the acknowledgement alone.
async fn say(socket: SocketRef, Data(say): Data<Say>, ack: AckSender) {
    let id = MESSAGES.fetch_add(1, Ordering::Relaxed);
    let mut to = vec![say.to.clone()];
    if say.v == 2 && env::var("FAULT").is_ok_and(|fault| fault == "elsewhere") && id % 10 == 9 {
        to.extend(another_room(&say.to));
    }
    let said = Said {
        id,
        to: &say.to,
        text: &say.text,
    };
    if let Err(error) = socket.to(to).emit("said", &said).await {
        eprintln!("message {id}: {error}");
    }
    if let Err(error) = ack.send(&()) {
        eprintln!("acknowledgement of {id}: {error}");
    }
}

fn another_room(room: &str) -> Option<String> {
    let rooms = ROOMS.lock().ok()?;
    rooms.iter().find(|other| *other != room).cloned()
}

//! A plain chat on socketioxide, as its documentation would have it: rooms of the library, one emit to a room, one insert for
//! each message. It is there to be measured beside the server of this project, and nothing is tuned.
//!
//! `PORT`: where it listens. The store is named in `store.rs`. `REDIS_URL` names the Redis in which several of these servers
//! are one chat, by `socketioxide-redis`, and `CHAT` what is this chat's own in it. Messages are delivered at once, then saved,
//! then confirmed.

mod kind;
mod store;

use std::{env, error::Error, fmt::Display, sync::Arc, time::Instant};

use axum::{
    Router,
    extract::Query,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use bson::DateTime;
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use socketioxide::{
    SocketIo,
    adapter::Adapter,
    extract::{AckSender, Data, SocketRef, TryData},
    handler::ConnectHandler,
    layer::SocketIoLayer,
};
use socketioxide_redis::{
    RedisAdapter, RedisAdapterConfig, RedisAdapterCtr, drivers::redis::redis_client as redis,
};
use tokio::sync::Mutex;

use kind::{KINDS, Kind};
use store::{Message, Store};

/// The crates whose versions a result tells, as the lock file has them.
const LIBRARIES: [&str; 3] = ["socketioxide", "socketioxide-redis", "mongodb"];
const LOCKED: &str = include_str!("../../../Cargo.lock");

/// Who is logged in at a socket.
#[derive(Clone)]
struct User {
    name: String,
    /// Who has it delivers: the library begins with what comes in its order, and may end in another one.
    turn: Arc<Mutex<()>>,
}

/// What the environment says; an empty value says nothing.
fn named(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}

/// On one thread, like the servers beside it, and since tasks that several threads run begin in any order.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = Arc::new(Store::open().await?);
    let Some(redis) = named("REDIS_URL") else {
        let (layer, io) = SocketIo::new_layer();
        io.ns("/", connected.with(chat(&store)));
        return serve(layer, store).await;
    };
    let client = redis::Client::open(format!("{redis}?protocol=resp3"))?;
    let mut config = RedisAdapterConfig::new();
    if let Some(chat) = named("CHAT") {
        config = config.with_prefix(chat);
    }
    let adapter = RedisAdapterCtr::new_with_redis_config(&client, config).await?;
    let (layer, io) = SocketIo::builder()
        .with_adapter::<RedisAdapter<_>>(adapter)
        .build_layer();
    io.ns("/", connected.with(chat(&store))).await?;
    serve(layer, store).await
}

#[expect(
    clippy::print_stdout,
    reason = "whoever starts it reads the port there"
)]
async fn serve<A: Adapter>(
    layer: SocketIoLayer<A>,
    store: Arc<Store>,
) -> Result<(), Box<dyn Error>> {
    let (health, listing) = (Arc::clone(&store), store);
    let pages = Router::new()
        .route("/health", get(async move || shown_health(&health)))
        .route(
            "/debug/messages",
            get(async move |Query(asked)| listed(&listing, &asked)),
        );
    let port = named("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on {}", listener.local_addr()?.port());
    axum::serve(listener, pages.layer(layer)).await?;
    Ok(())
}

async fn connected() {}

/// Lets in who has a token, and listens to what they say. It is a middleware, since what a client says at once would come before
/// what `connected` listens to.
fn chat<A: Adapter>(
    store: &Arc<Store>,
) -> impl FnOnce(SocketRef<A>, TryData<Value>) -> BoxFuture<'static, Result<(), &'static str>>
+ Clone
+ Send
+ Sync
+ use<A> {
    let store = Arc::clone(store);
    move |socket, TryData(auth)| {
        Box::pin(async move {
            let auth = auth.unwrap_or_default();
            let header = || {
                socket
                    .req_parts()
                    .headers
                    .get("access-token")?
                    .to_str()
                    .ok()
            };
            let token = auth["token"].as_str().or_else(header);
            let token = token.ok_or("Authentication error: Token is required")?;
            socket.extensions.insert(User {
                name: token.to_owned(),
                turn: Arc::default(),
            });
            for kind in &KINDS {
                listen(&socket, kind, &store);
            }
            Ok(())
        })
    }
}

fn listen<A: Adapter>(socket: &SocketRef<A>, kind: &'static Kind, store: &Arc<Store>) {
    socket.on(
        kind.join,
        async move |io: SocketIo<A>, socket: SocketRef<A>, Data(payload): Data<Value>, answer| {
            respond(answer, join(&io, &socket, kind, &payload));
        },
    );
    socket.on(
        kind.leave,
        async move |socket: SocketRef<A>, Data(payload): Data<Value>, answer| {
            respond(answer, leave(&socket, kind, &payload));
        },
    );
    let store = Arc::clone(store);
    socket.on(
        kind.send,
        async move |socket: SocketRef<A>, Data(payload): Data<Value>, answer| {
            let answered = send(&socket, kind, &payload, &store).await;
            respond(answer, answered);
        },
    );
}

/// What is refused is answered, too.
fn respond<A: Adapter>(answer: AckSender<A>, answered: Result<Value, String>) {
    let answered =
        answered.unwrap_or_else(|message| json!({ "success": false, "message": message }));
    told("an answer", answer.send(&answered));
}

fn join<A: Adapter>(
    io: &SocketIo<A>,
    socket: &SocketRef<A>,
    kind: &Kind,
    payload: &Value,
) -> Result<Value, String> {
    let id = id_of(kind, payload)?;
    let place = kind.place(id);
    let already_joined = is_in(socket, &place);
    socket.join(place.clone());
    let connected_users = io.within(place).sockets().len();
    let said = match already_joined {
        true => "Already in",
        false => "Successfully joined",
    };
    let data =
        json!({ kind.id: id, "connectedUsers": connected_users, "alreadyJoined": already_joined });
    Ok(json!({ "success": true, "message": format!("{said} the {}", kind.name), "data": data }))
}

fn leave<A: Adapter>(socket: &SocketRef<A>, kind: &Kind, payload: &Value) -> Result<Value, String> {
    let id = id_of(kind, payload)?;
    socket.leave(kind.place(id));
    let message = format!("Successfully left the {}", kind.name);
    Ok(json!({ "success": true, "message": message, "data": { kind.id: id } }))
}

/// Delivered under a temporary id, then saved, then confirmed or taken back.
async fn send<A: Adapter>(
    socket: &SocketRef<A>,
    kind: &Kind,
    payload: &Value,
    store: &Store,
) -> Result<Value, String> {
    let received = Instant::now();
    let id = id_of(kind, payload)?;
    let place = kind.place(id);
    let text = |key| payload[key].as_str();
    let body = text("body").filter(|body| !body.is_empty());
    let body = body.ok_or("body is required")?;
    if !is_in(socket, &place) {
        return Err(format!("Join the {} before sending", kind.name));
    }
    let user: User = socket.extensions.get().ok_or("nobody is logged in")?;
    let message = Message {
        conversation: id.to_owned(),
        sender: user.name,
        body: body.to_owned(),
        image: text("image").map(str::to_owned),
        workspace: text("workspaceId").map(str::to_owned),
        client_msg_id: text("clientMsgId").map(str::to_owned),
        at: DateTime::now(),
    };
    let shown = shown(kind, &message);
    let temp_id = format!(
        "temp_{}_{:x}",
        message.at.timestamp_millis(),
        rand::random::<u64>()
    );
    let to_all = async |event, data: &Value| {
        told(event, socket.within(place.clone()).emit(event, data).await);
    };
    let optimistic = json!({ "_id": temp_id, "isOptimistic": true });
    let turn = user.turn.lock().await;
    to_all(kind.received, &with(&shown, optimistic)).await;
    drop(turn);
    let emit_time = received.elapsed();
    match store.save(kind, &message).await {
        Ok(saved) => {
            let confirmed =
                json!({ "_id": saved.to_hex(), "tempId": temp_id, "isConfirmed": true });
            let confirmed = with(&shown, confirmed);
            to_all(kind.confirmed, &confirmed).await;
            let timing = json!({
                "emitTime": emit_time.as_secs_f64() * 1e3,
                "dbTime": received.elapsed().as_secs_f64() * 1e3,
            });
            Ok(json!({
                "success": true, "message": kind.created, "data": confirmed, "timing": timing,
            }))
        }
        Err(error) => {
            let failed = json!({ "tempId": temp_id, "error": error.to_string() });
            to_all(kind.failed, &failed).await;
            Err("Failed to save message".to_owned())
        }
    }
}

fn id_of<'a>(kind: &Kind, payload: &'a Value) -> Result<&'a str, String> {
    let id = payload[kind.id].as_str().filter(|id| !id.is_empty());
    id.ok_or_else(|| format!("{} is required", kind.id))
}

fn is_in<A: Adapter>(socket: &SocketRef<A>, place: &str) -> bool {
    socket.rooms().iter().any(|room| *room == place)
}

/// The fields that every form of a message has.
fn shown(kind: &Kind, message: &Message) -> Map<String, Value> {
    let at = message.at.try_to_rfc3339_string().unwrap_or_default();
    let sender = &message.sender;
    let shown = json!({
        "body": message.body,
        "image": message.image,
        "imageKey": null,
        "status": "unread",
        kind.id: message.conversation,
        "workspaceId": message.workspace,
        "senderId": { "_id": sender, "username": sender, "email": null, "avatar": null },
        "createdAt": at,
        "updatedAt": at,
        "clientMsgId": message.client_msg_id,
    });
    match shown {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn with(shown: &Map<String, Value>, more: Value) -> Value {
    let mut fields = shown.clone();
    if let Value::Object(more) = more {
        fields.extend(more);
    }
    Value::Object(fields)
}

/// What can't be sent is noted; those who got it have it.
fn told<E: Display>(what: &str, sent: Result<(), E>) {
    if let Err(error) = sent {
        eprintln!("{what}: {error}");
    }
}

/// What the load generator asks for beside the chat: which versions these are, and what a simulated store has.
fn shown_health(store: &Store) -> impl IntoResponse + use<> {
    let health = json!({
        "status": "ok",
        "version": versions(),
        "store": { "durability": store.durability() },
    });
    ([(CONTENT_TYPE, "application/json")], health.to_string())
}

/// Which of the stored messages are asked for.
#[derive(Deserialize)]
struct Listing {
    /// What their bodies begin with.
    #[serde(default)]
    body: String,
}

fn listed(store: &Store, asked: &Listing) -> Result<impl IntoResponse + use<>, StatusCode> {
    let lines = store.list(&asked.body).ok_or(StatusCode::NOT_FOUND)?;
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], lines))
}

fn versions() -> String {
    let version = |library: &&str| {
        let named = format!("name = \"{library}\"\nversion = \"");
        let (_, after) = LOCKED.split_once(&named)?;
        let (version, _) = after.split_once('"')?;
        Some(format!("{library} {version}"))
    };
    let all: Vec<String> = LIBRARIES.iter().filter_map(version).collect();
    all.join(", ")
}

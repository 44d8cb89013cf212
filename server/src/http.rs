//! What the server says over plain HTTP: health, metrics and its state.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bson::DateTime;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    chat::Chat,
    listener::Acceptor,
    message::{Kind, Message},
    process,
    protocol::outbound::iso,
    socket_manager::{self, Stats},
    store::document::collection_name,
    telemetry::prometheus::{self, Gauges},
};

/// How long `/health` waits for the store.
const STORE_ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// Messages in one chunk of `/debug/messages`.
const CHUNK: usize = 1000;

/// What the pages are made from.
#[derive(Clone)]
pub struct Pages {
    /// The chat they are about.
    pub chat: Arc<Chat>,
    /// Its connections.
    pub acceptor: Arc<Acceptor>,
}

/// All pages.
pub fn router(pages: Pages) -> Router {
    Router::new()
        .route("/ping", get(async || "pong"))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/debug/sockets", get(sockets))
        .route("/debug/messages", get(messages))
        .route("/debug/histograms", get(histograms))
        .with_state(pages)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Health {
    healthy: bool,
    draining: bool,
    stats: Stats,
    store: StoreHealth,
    queue_depth: usize,
    unsettled: usize,
    delivery: crate::config::DeliveryMode,
    dialect: crate::protocol::Dialect,
    timestamp: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StoreHealth {
    name: String,
    detail: String,
    durability: String,
    reachable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

async fn health(State(Pages { chat, .. }): State<Pages>) -> Response {
    let error = match tokio::time::timeout(STORE_ANSWERS_WITHIN, chat.store.ping()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no answer within {STORE_ANSWERS_WITHIN:?}")),
    };
    let info = chat.store.info();
    let writer = chat.queue.stats();
    let draining = chat.is_draining();
    let healthy = error.is_none() && !draining;
    let health = Health {
        healthy,
        draining,
        stats: chat.users.lock().stats(),
        store: StoreHealth {
            name: info.name,
            detail: info.detail,
            durability: info.durability,
            reachable: error.is_none(),
            error,
        },
        queue_depth: writer.depth,
        unsettled: writer.unsettled,
        delivery: chat.mode,
        dialect: chat.dialect,
        timestamp: iso(DateTime::now()),
    };
    let status = if healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health)).into_response()
}

async fn metrics(State(Pages { chat, acceptor }): State<Pages>) -> Response {
    let gauges = Gauges {
        stats: chat.users.lock().stats(),
        connections: acceptor.open(),
        writer: chat.queue.stats(),
        cpu: process::cpu_time(),
        resident: process::resident_bytes(),
    };
    let page = prometheus::render(&chat.telemetry, &gauges);
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        page,
    )
        .into_response()
}

#[derive(Deserialize)]
struct SocketsQuery {
    verbose: Option<String>,
}

#[derive(Serialize)]
struct Sockets {
    stats: Stats,
    #[serde(flatten)]
    state: Option<socket_manager::State>,
    timestamp: String,
}

async fn sockets(
    State(Pages { chat, .. }): State<Pages>,
    Query(query): Query<SocketsQuery>,
) -> Json<Sockets> {
    let verbose = query
        .verbose
        .is_some_and(|value| !matches!(value.as_str(), "0" | "false"));
    let users = chat.users.lock();
    Json(Sockets {
        stats: users.stats(),
        state: verbose.then(|| users.state()),
        timestamp: iso(DateTime::now()),
    })
}

/// Everything in the simulated database, one document a line. A real database has its own door.
async fn messages(State(Pages { chat, .. }): State<Pages>) -> Response {
    let Some(memory) = &chat.memory else {
        let why =
            json!({ "error": "only the in-memory store is read here; ask the database itself" });
        return (StatusCode::NOT_FOUND, Json(why)).into_response();
    };
    let all = memory.all();
    let chunks = (0..all.len().div_ceil(CHUNK)).map(move |chunk| {
        let mut lines = Vec::new();
        for message in all.iter().skip(chunk * CHUNK).take(CHUNK) {
            serde_json::to_writer(&mut lines, &StoredLine::from(&**message))?;
            lines.push(b'\n');
        }
        Ok::<_, serde_json::Error>(Bytes::from(lines))
    });
    let body = Body::from_stream(futures::stream::iter(chunks));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StoredLine<'a> {
    #[serde(rename = "_id")]
    id: String,
    collection: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_id: Option<&'a str>,
    sender_id: &'a str,
    body: &'a str,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_msg_id: Option<&'a str>,
}

impl<'a> From<&'a Message> for StoredLine<'a> {
    fn from(message: &'a Message) -> Self {
        let id = Some(message.conversation.id.as_str());
        let kind = message.conversation.kind;
        let (room_id, channel_id) = match kind {
            Kind::Room => (id, None),
            Kind::Channel => (None, id),
        };
        Self {
            id: message.id.to_hex(),
            collection: collection_name(kind),
            room_id,
            channel_id,
            sender_id: &message.sender_id,
            body: &message.body,
            created_at: iso(message.created_at),
            client_msg_id: message.client_msg_id.as_deref(),
        }
    }
}

/// Emit and save times since the start, in nanoseconds, as compressed HdrHistogram V2 in base64.
async fn histograms(State(Pages { chat, .. }): State<Pages>) -> Response {
    match (chat.telemetry.emit.encoded(), chat.telemetry.save.encoded()) {
        (Ok(emit), Ok(save)) => Json(json!({ "emit": emit, "save": save })).into_response(),
        (Err(error), _) | (_, Err(error)) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            Json(json!({ "error": error.to_string() })),
        )
            .into_response(),
    }
}

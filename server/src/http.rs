//! What the server says over plain HTTP: health, metrics and its state.

pub mod access;
mod debug;
mod page_maker;
mod store_faults;
mod store_ping;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bson::DateTime;
use serde::Serialize;

pub use self::debug::log_state;
use self::{page_maker::PageMaker, store_ping::StorePing};
use crate::{
    chat::Chat,
    config::DebugAccess,
    listener::Acceptor,
    outbox::SendMemory,
    process,
    protocol::outbound::iso,
    provenance,
    socket_manager::Stats,
    store::journal::JournalState,
    telemetry::prometheus::{self, Gauges},
};

/// What the pages are made from.
#[derive(Clone)]
pub struct Pages {
    /// The chat they are about.
    pub chat: Arc<Chat>,
    /// Its connections.
    pub acceptor: Arc<Acceptor>,
    /// What waits for its clients.
    pub memory: Arc<SendMemory>,
    maker: PageMaker,
    ping: Arc<StorePing>,
}

impl Pages {
    /// Pages about this chat.
    #[must_use]
    pub fn new(chat: Arc<Chat>, acceptor: Arc<Acceptor>, memory: Arc<SendMemory>) -> Self {
        Self {
            chat,
            acceptor,
            memory,
            maker: PageMaker::default(),
            ping: Arc::default(),
        }
    }
}

/// All pages; the debug pages for those who have access to them.
pub fn router(pages: Pages, access: DebugAccess) -> Router {
    Router::new()
        .route("/ping", get(async || "pong"))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .merge(debug::router(&pages, access))
        .with_state(pages)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Health {
    healthy: bool,
    draining: bool,
    version: &'static str,
    commit: Option<&'static str>,
    stats: Stats,
    store: StoreHealth,
    queue_depth: usize,
    unsettled: usize,
    journal: JournalState,
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

async fn health(State(Pages { chat, ping, .. }): State<Pages>) -> Response {
    let store = Arc::clone(&chat.store);
    let error = ping
        .ask(move || async move { store.ping().await })
        .await
        .err();
    let info = chat.store.info();
    let writer = chat.queue.stats();
    let draining = chat.is_draining();
    let healthy = error.is_none() && !draining;
    let health = Health {
        healthy,
        draining,
        version: provenance::VERSION,
        commit: provenance::COMMIT,
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
        journal: writer.journal,
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

async fn metrics(State(pages): State<Pages>) -> Response {
    let Pages {
        chat,
        acceptor,
        memory,
        ..
    } = pages;
    let render = move || {
        let gauges = Gauges {
            stats: chat.users.lock().stats(),
            connections: acceptor.open(),
            waiting: memory.held(),
            writer: chat.queue.stats(),
            cpu: process::cpu_time(),
            resident: process::resident_bytes(),
        };
        let mut page = prometheus::render(&chat.telemetry, &gauges);
        if let Some(cluster) = &chat.cluster {
            page.push_str(&cluster.metrics());
        }
        page
    };
    match pages.maker.make(render).await {
        Ok(page) => {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], page).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

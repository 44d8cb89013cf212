//! The debug pages: who is here, what the simulated database holds, and how long things took. Each is made in bounded
//! pieces beside the thread that serves the chat.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::{Query, State},
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use bson::{DateTime, oid::ObjectId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::{Pages, access, page_maker::MakeError, store_faults};
use crate::{
    cluster::ClusterPage,
    config::DebugAccess,
    message::{Kind, Message},
    protocol::outbound::iso,
    session::Recipient,
    socket_manager::{Entry, Line, Place, RoomLine, SocketManager, Stats, UserLine},
    store::{document::collection_name, memory::MemoryStore},
};

/// Lines of a page of `/debug/sockets?verbose` at most, and unless `limit` says fewer.
const PAGE_LINES: usize = 1000;
/// Bytes after which no further line is added to a page, nor to a chunk of `/debug/messages`.
const PAGE_TEXT: usize = 256 * 1024;
/// Messages that are looked at for one chunk of `/debug/messages`.
const CHUNK: usize = 256;
/// When somebody who came while all places were taken may come again, in seconds.
const COME_AGAIN: &str = "1";

/// All debug pages, for whom they are open.
pub fn router(pages: &Pages, access: DebugAccess) -> Router<Pages> {
    let gate = (access, Arc::clone(&pages.chat.telemetry));
    let faults = pages.chat.store_faults.clone();
    Router::new()
        .route("/debug/sockets", get(sockets))
        .route("/debug/messages", get(messages))
        .route("/debug/histograms", get(histograms))
        .merge(faults.map_or_else(Router::new, store_faults::router))
        .route_layer(middleware::from_fn_with_state(gate, access::gate))
}

/// A page that is not made, in one sentence.
enum Refused {
    Busy,
    Wrong(String),
    Failed(MakeError),
}

impl From<MakeError> for Refused {
    fn from(error: MakeError) -> Self {
        Self::Failed(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                [(header::RETRY_AFTER, COME_AGAIN)],
                "as many debug pages as may be are being read: come again in a second\n",
            )
                .into_response(),
            Self::Wrong(why) => (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
            Self::Failed(error) => {
                (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response()
            }
        }
    }
}

#[derive(Deserialize)]
struct SocketsQuery {
    cluster: Option<String>,
    verbose: Option<String>,
    limit: Option<String>,
    after: Option<String>,
}

#[derive(Serialize)]
struct Sockets {
    stats: Stats,
    #[serde(flatten)]
    page: Option<Page>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<ClusterPage>,
    timestamp: String,
}

/// A part of the list of users, rooms and channels.
#[derive(Serialize)]
struct Page {
    users: Vec<UserLine>,
    rooms: Vec<RoomLine>,
    /// Where the rest is, if there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

async fn sockets(
    State(pages): State<Pages>,
    Query(query): Query<SocketsQuery>,
) -> Result<Response, Refused> {
    let users = Arc::clone(&pages.chat.users);
    let stats = users.lock().stats();
    let asked = |flag: &Option<String>| {
        flag.as_ref()
            .is_some_and(|value| !matches!(value.as_str(), "0" | "false"))
    };
    let verbose = asked(&query.verbose);
    let cluster = match &pages.chat.cluster {
        Some(cluster) if asked(&query.cluster) => Some(cluster.page(stats)),
        None if asked(&query.cluster) => {
            let why = "cluster: this server is alone; start it with --bus to have others";
            return Err(Refused::Wrong(why.to_owned()));
        }
        _ => None,
    };
    let answer = move |page| Sockets {
        stats,
        page,
        cluster,
        timestamp: iso(DateTime::now()),
    };
    if !verbose {
        return Ok(Json(answer(None)).into_response());
    }
    let (limit, after) = range(&query).map_err(Refused::Wrong)?;
    let _place = pages.maker.admit().ok_or(Refused::Busy)?;
    let made = pages
        .maker
        .make(move || {
            let page = page(&users, limit, after);
            serde_json::to_vec(&answer(Some(page)))
        })
        .await?;
    let body = made.map_err(|error| Refused::Wrong(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

fn range(query: &SocketsQuery) -> Result<(usize, Option<Place>), String> {
    let limit = match query.limit.as_deref() {
        None => PAGE_LINES,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=PAGE_LINES).contains(limit))
            .ok_or_else(|| format!("limit: expected a number from 1 to {PAGE_LINES}"))?,
    };
    let after = query.after.as_deref().map(str::parse).transpose();
    Ok((limit, after.map_err(|error| format!("after: {error}"))?))
}

/// Reads lines until there are enough, and locks the state for one slice after the other.
fn page(
    users: &parking_lot::Mutex<SocketManager<Recipient>>,
    limit: usize,
    mut after: Option<Place>,
) -> Page {
    let mut page = Page {
        users: Vec::new(),
        rooms: Vec::new(),
        next: None,
    };
    let (mut lines, mut text) = (0, 0);
    loop {
        let slice = users.lock().slice(after.as_ref());
        if slice.is_empty() {
            return page;
        }
        for entry in slice {
            if lines >= limit || text >= PAGE_TEXT {
                page.next = after.map(|place| next_page(limit, &place));
                return page;
            }
            after = Some(entry.place());
            let line = Line::from(entry);
            lines += 1;
            text += line.size();
            match line {
                Line::User(line) => page.users.push(line),
                Line::Room(line) => page.rooms.push(line),
            }
        }
    }
}

fn next_page(limit: usize, after: &Place) -> String {
    let after: String = after
        .to_string()
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    format!("/debug/sockets?verbose&limit={limit}&after={after}")
}

/// Writes the whole state to the log, one line at a time: what `printState()` printed.
pub fn log_state(users: &parking_lot::Mutex<SocketManager<Recipient>>) {
    let stats = users.lock().stats();
    tracing::info!("{stats}");
    let mut after = None;
    loop {
        let slice = users.lock().slice(after.as_ref());
        let Some(last) = slice.last().map(Entry::place) else {
            return;
        };
        after = Some(last);
        for entry in slice {
            tracing::info!("[SocketManager] {}", Line::from(entry));
        }
    }
}

#[derive(Deserialize)]
struct MessagesQuery {
    body: Option<String>,
}

/// Everything in the simulated database, one document a line, or what begins with `body`. A real database has its own door.
async fn messages(
    State(pages): State<Pages>,
    Query(query): Query<MessagesQuery>,
) -> Result<Response, Refused> {
    let Some(memory) = pages.chat.memory.clone() else {
        let why =
            json!({ "error": "only the in-memory store is read here; ask the database itself" });
        return Ok((StatusCode::NOT_FOUND, Json(why)).into_response());
    };
    let place = pages.maker.admit().ok_or(Refused::Busy)?;
    let reading = Reading {
        pages,
        memory,
        beginning: query.body.unwrap_or_default().into(),
        after: None,
        _place: place,
    };
    let chunks = futures::stream::try_unfold(reading, async |mut reading| {
        let (memory, after) = (Arc::clone(&reading.memory), reading.after);
        let beginning = Arc::clone(&reading.beginning);
        let (chunk, last) = reading
            .pages
            .maker
            .make(move || chunk(&memory, &beginning, after))
            .await??;
        reading.after = last;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(last.map(|_| (chunk, reading)))
    });
    let body = Body::from_stream(chunks);
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// How far somebody has read the simulated database.
struct Reading {
    pages: Pages,
    memory: Arc<MemoryStore>,
    beginning: Arc<str>,
    after: Option<(ObjectId, Kind)>,
    _place: OwnedSemaphorePermit,
}

/// The lines of some documents after one, of those whose body begins so, and the last that was looked at; none at the end.
fn chunk(
    memory: &MemoryStore,
    beginning: &str,
    after: Option<(ObjectId, Kind)>,
) -> serde_json::Result<(Bytes, Option<(ObjectId, Kind)>)> {
    let (mut lines, mut last) = (Vec::new(), None);
    for message in memory.after(after, CHUNK) {
        last = Some((message.id, message.conversation.kind));
        if !message.body.starts_with(beginning) {
            continue;
        }
        serde_json::to_writer(&mut lines, &StoredLine::from(&*message))?;
        lines.push(b'\n');
        if lines.len() >= PAGE_TEXT {
            break;
        }
    }
    Ok((lines.into(), last))
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
async fn histograms(State(pages): State<Pages>) -> Result<Response, Refused> {
    let _place = pages.maker.admit().ok_or(Refused::Busy)?;
    let telemetry = Arc::clone(&pages.chat.telemetry);
    let encoded = pages
        .maker
        .make(move || (telemetry.emit.encoded(), telemetry.save.encoded()))
        .await?;
    Ok(match encoded {
        (Ok(emit), Ok(save)) => Json(json!({ "emit": emit, "save": save })).into_response(),
        (Err(error), _) | (_, Err(error)) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            Json(json!({ "error": error.to_string() })),
        )
            .into_response(),
    })
}

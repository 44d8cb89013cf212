//! What a server says of itself over HTTP: who is left on it, and how durable its store is.

use base64::{Engine, engine::general_purpose::STANDARD};
use hdrhistogram::{Histogram, serialization::Deserializer};
use hyper::Method;
use serde::{Deserialize, de::DeserializeOwned};
use server::telemetry::log::escaped;

use super::http;

/// More than either answer has.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Who is on a server (`/debug/sockets`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Present {
    /// Users that the server knows.
    pub total_users: u64,
    /// Rooms and channels with members.
    pub total_rooms: u64,
    /// Connected sockets.
    pub total_sockets: u64,
}

impl Present {
    /// Whether nobody is there.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// Asks who is on the server; `None` where it has no such page.
pub async fn present(url: &str) -> Option<Present> {
    #[derive(Deserialize)]
    struct Answer {
        stats: Present,
    }
    get::<Answer>(url, "/debug/sockets")
        .await
        .map(|answer| answer.stats)
}

/// Asks how durable a confirmed message is in the server's store; `None` where it does not say.
pub async fn durability(url: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        store: Store,
    }
    #[derive(Deserialize)]
    struct Store {
        durability: String,
    }
    get::<Answer>(url, "/health")
        .await
        .map(|answer| escaped(&answer.store.durability).into_owned())
}

/// Asks how many messages wait for the store; `None` where the server does not say.
pub async fn queue_depth(url: &str) -> Option<u64> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        queue_depth: u64,
    }
    get::<Answer>(url, "/health")
        .await
        .map(|answer| answer.queue_depth)
}

/// What the server timed itself, in nanoseconds since it started (`/debug/histograms`).
#[derive(Debug, Clone)]
pub struct ServerTimes {
    /// From the receipt of a message to its last emit.
    pub emit: Histogram<u64>,
    /// From the receipt of a message to the store's answer.
    pub save: Histogram<u64>,
}

/// Fetches what the server timed itself; `None` where it has no such page.
pub async fn server_times(url: &str) -> Option<ServerTimes> {
    #[derive(Deserialize)]
    struct Answer {
        emit: String,
        save: String,
    }
    let answer = get::<Answer>(url, "/debug/histograms").await?;
    Some(ServerTimes {
        emit: decode(&answer.emit)?,
        save: decode(&answer.save)?,
    })
}

/// A compressed HdrHistogram V2 in base64.
fn decode(text: &str) -> Option<Histogram<u64>> {
    let bytes = STANDARD.decode(text).ok()?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
}

/// Whether the server lists what it has stored (`/debug/messages`), as one with a simulated store does.
pub async fn lists_messages(url: &str) -> bool {
    let Ok(server) = http::parse(url) else {
        return false;
    };
    http::send(&server, Method::GET, "/debug/messages", "")
        .await
        .is_ok_and(|response| response.status().is_success())
}

async fn get<T: DeserializeOwned>(url: &str, path: &str) -> Option<T> {
    let server = http::parse(url).ok()?;
    let response = http::send(&server, Method::GET, path, "").await.ok()?;
    let body = http::beginning(response.into_body(), ANSWER_LIMIT)
        .await
        .ok()?;
    serde_json::from_slice(&body).ok()
}

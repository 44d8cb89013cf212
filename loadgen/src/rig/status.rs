//! What a server says of itself over HTTP: who is left on it, and how durable its store is.

use hdrhistogram::Histogram;
use hyper::Method;
use serde::Deserialize;
use serde_json::Value;
use server::telemetry::log::escaped;

use super::http;
use crate::model::histogram;

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
    let mut sockets = get(url, "/debug/sockets").await?;
    serde_json::from_value(sockets["stats"].take()).ok()
}

/// Asks how durable a confirmed message is in the server's store; `None` where it does not say.
pub async fn durability(url: &str) -> Option<String> {
    let health = get(url, "/health").await?;
    let durability = health["store"]["durability"].as_str()?;
    Some(escaped(durability).into_owned())
}

/// Asks how many messages wait for the store; `None` where the server does not say.
pub async fn queue_depth(url: &str) -> Option<u64> {
    get(url, "/health").await?["queueDepth"].as_u64()
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
    let times = get(url, "/debug/histograms").await?;
    let decoded = |key: &str| histogram::decode(times[key].as_str()?).ok();
    Some(ServerTimes {
        emit: decoded("emit")?,
        save: decoded("save")?,
    })
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

async fn get(url: &str, path: &str) -> Option<Value> {
    let server = http::parse(url).ok()?;
    let response = http::send(&server, Method::GET, path, "").await.ok()?;
    let body = http::beginning(response.into_body(), ANSWER_LIMIT).await;
    serde_json::from_slice(&body.ok()?).ok()
}

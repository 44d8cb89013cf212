//! What a server says of itself in the Engine.IO handshake over polling.

use std::time::Duration;

use hyper::Method;
use serde::Deserialize;

use super::http;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than any handshake has.
const ANSWER_LIMIT: usize = 64 * 1024;

/// The handshake; times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Greeting {
    sid: String,
    /// Transports that it can go over to.
    #[serde(default)]
    pub upgrades: Vec<String>,
    /// From one heartbeat to the next.
    pub ping_interval: u64,
    /// How long it waits for the answer to one.
    pub ping_timeout: u64,
}

/// Asks for the handshake and closes the session; `None` where the server does not speak polling.
pub async fn greeting(url: &str) -> Option<Greeting> {
    let asked = async {
        let server = http::parse(url).ok()?;
        let path = "/socket.io/?EIO=4&transport=polling";
        let response = http::send(&server, Method::GET, path, "").await.ok()?;
        let body = http::beginning(response.into_body(), ANSWER_LIMIT)
            .await
            .ok()?;
        let greeting: Greeting = serde_json::from_slice(body.strip_prefix(b"0")?).ok()?;
        let path = format!("{path}&sid={}", greeting.sid);
        // A session that is not closed is forgotten by the server when no ping is answered.
        let _ = http::send(&server, Method::POST, &path, "1").await;
        Some(greeting)
    };
    tokio::time::timeout(PATIENCE, asked).await.ok().flatten()
}

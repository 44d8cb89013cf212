//! What a server says of itself in the Engine.IO handshake over polling.

use std::time::Duration;

use hyper::Method;
use serde::Deserialize;

use crate::dial::{self, Endpoint};

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
pub async fn greeting(endpoint: &Endpoint) -> Option<Greeting> {
    let asked = async {
        let caller = endpoint.asker();
        let place = caller.engine_io("polling", "");
        let response = dial::ask(endpoint, Method::GET, &place, "").await.ok()?;
        let body = dial::beginning(response.into_body(), ANSWER_LIMIT)
            .await
            .ok()?;
        let greeting: Greeting = serde_json::from_slice(body.strip_prefix(b"0")?).ok()?;
        let place = caller.engine_io("polling", &format!("&sid={}", greeting.sid));
        // A session that is not closed is forgotten by the server when no ping is answered.
        let _ = dial::ask(endpoint, Method::POST, &place, "1").await;
        Some(greeting)
    };
    tokio::time::timeout(PATIENCE, asked).await.ok().flatten()
}

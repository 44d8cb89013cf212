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

/// Longer than any version and any commit, in bytes.
const VERSION_LIMIT: usize = 100;

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

/// Asks which version of itself the server is, in one line: its version, its commit, or both; `None` where it does not say.
pub async fn version(url: &str) -> Option<String> {
    itself(&get(url, "/health").await?)
}

/// A server that is not ours may mean anything by these names.
fn itself(health: &Value) -> Option<String> {
    let text = |key: &str| {
        let text = health[key].as_str()?.trim();
        let fits = !text.is_empty() && text.len() <= VERSION_LIMIT;
        fits.then(|| escaped(text).into_owned())
    };
    match (text("version"), text("commit")) {
        (Some(version), Some(commit)) => Some(format!("{version} ({commit})")),
        (version, commit) => version.or(commit),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_what_it_is_in_one_line_or_not_at_all() {
        let line = |json: &str| itself(&serde_json::from_str(json).unwrap());
        for (json, said) in [
            (r#"{"version":"1.2","commit":"abc"}"#, Some("1.2 (abc)")),
            (r#"{"version":" 1.2 ","commit":null}"#, Some("1.2")),
            (r#"{"commit":"abc","status":"ok"}"#, Some("abc")),
            (r#"{"version":7,"commit":["abc"]}"#, None),
            (r#"{"version":""}"#, None),
            (r#"{"version":"1\n2"}"#, Some("1\\n2")),
            ("{}", None),
        ] {
            assert_eq!(line(json).as_deref(), said, "{json}");
        }
        let long = format!(r#"{{"version":"{}"}}"#, "x".repeat(VERSION_LIMIT + 1));
        assert_eq!(line(&long), None);
    }
}

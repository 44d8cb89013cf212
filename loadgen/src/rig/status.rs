//! What a server says of itself over HTTP: who is left on it, and how durable its store is.

use hdrhistogram::Histogram;
use hyper::{Method, Response, body::Incoming};
use serde::Deserialize;
use serde_json::Value;
use server::telemetry::log::escaped;

use crate::{
    dial::{self, DialError, Endpoint, PAGE_PATIENCE, Page, encode, media_type},
    model::histogram,
};

/// Where a server with a simulated store lists its messages, and as what.
pub(super) const LISTING: &str = "/debug/messages";
const LISTING_TYPE: &str = "application/x-ndjson";

/// Longer than any version and any commit, in bytes.
const VERSION_LIMIT: usize = 100;

/// A server that did not answer in time, or said that it can't: whether it has the page, nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late;

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
///
/// # Errors
/// [`Late`]: it may have one.
pub async fn present(endpoint: &Endpoint) -> Result<Option<Present>, Late> {
    let page = match Page::get(endpoint, "/debug/sockets").await {
        Err(DialError::Late(_)) => return Err(Late),
        Ok(page) if page.status.is_server_error() => return Err(Late),
        page => page.ok(),
    };
    let sockets = page.and_then(|page| serde_json::from_slice::<Value>(&page.body).ok());
    let stats = sockets.map(|mut sockets| sockets["stats"].take());
    Ok(stats.and_then(|stats| serde_json::from_value(stats).ok()))
}

/// Asks how durable a confirmed message is in the server's store; `None` where it does not say.
pub async fn durability(endpoint: &Endpoint) -> Option<String> {
    let health = get(endpoint, "/health").await?;
    let durability = health["store"]["durability"].as_str()?;
    Some(escaped(durability).into_owned())
}

/// Asks which version of itself the server is, in one line: its version, its commit, or both; `None` where it does not say.
pub async fn version(endpoint: &Endpoint) -> Option<String> {
    itself(&get(endpoint, "/health").await?)
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
pub async fn queue_depth(endpoint: &Endpoint) -> Option<u64> {
    get(endpoint, "/health").await?["queueDepth"].as_u64()
}

/// Asks how many messages were told as failed and may still be stored, until the store answers; `None` where the server does not say.
pub async fn unsettled(endpoint: &Endpoint) -> Option<u64> {
    get(endpoint, "/health").await?["unsettled"].as_u64()
}

/// What the server timed itself, in nanoseconds since it started (`/debug/histograms`).
#[derive(Debug, Clone)]
pub struct ServerTimes {
    /// From the receipt of a message to its last emit.
    pub emit: Histogram<u64>,
    /// From the receipt of a message to the store's answer.
    pub save: Histogram<u64>,
}

impl ServerTimes {
    /// What was timed since an earlier answer; `None` where that one was of another server, or of one with more behind it.
    pub fn since(mut self, earlier: &Self) -> Option<Self> {
        self.emit.subtract(&earlier.emit).ok()?;
        self.save.subtract(&earlier.save).ok()?;
        Some(self)
    }
}

/// Fetches what the server timed itself; `None` where it has no such page.
pub async fn server_times(endpoint: &Endpoint) -> Option<ServerTimes> {
    let times = get(endpoint, "/debug/histograms").await?;
    let decoded = |key: &str| histogram::decode(times[key].as_str()?).ok();
    Some(ServerTimes {
        emit: decoded("emit")?,
        save: decoded("save")?,
    })
}

/// Asks for the list of those messages whose body begins so; the answer has no deadline. A server that knows no `body` lists all
/// that it has; one that has something else there, since it knows its paths without a query alone, is asked for all. Who is too
/// busy to make a part of it is not asked for more.
///
/// # Errors
/// As of [`dial::ask`].
pub(super) async fn listing(
    endpoint: &Endpoint,
    beginning: &str,
) -> Result<Response<Incoming>, DialError> {
    let page = format!("{LISTING}?body={}", encode(beginning));
    let answer = dial::ask(endpoint, Method::GET, &page, "").await?;
    match is_listing(&answer) || answer.status().is_server_error() {
        true => Ok(answer),
        false => dial::ask(endpoint, Method::GET, LISTING, "").await,
    }
}

/// Whether it says that it is one.
fn is_listing(answer: &Response<Incoming>) -> bool {
    answer.status().is_success() && media_type(answer.headers()) == LISTING_TYPE
}

/// Whether the server lists what it has stored (`/debug/messages`), as one with a simulated store does. A server that
/// answers every path, as those of single-page apps do, answers in another media type.
///
/// # Errors
/// [`Late`]: it may do so.
pub async fn lists_messages(endpoint: &Endpoint) -> Result<bool, Late> {
    // Its head says what it is, and nobody says anything that begins so.
    let answer = tokio::time::timeout(PAGE_PATIENCE, listing(endpoint, "\0")).await;
    match answer.map_err(|_| Late)? {
        Err(DialError::Late(_)) => Err(Late),
        Ok(answer) if answer.status().is_server_error() => Err(Late),
        Ok(answer) if answer.status().is_success() => {
            // Who doesn't say what it is has to be such a server by another page.
            Ok(is_listing(&answer) || present(endpoint).await?.is_some())
        }
        Ok(_) | Err(_) => Ok(false),
    }
}

/// A page of JSON; `None` where there is none, or it is something else.
async fn get(endpoint: &Endpoint, path: &str) -> Option<Value> {
    let page = Page::get(endpoint, path).await.ok()?;
    serde_json::from_slice(&page.body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of messages that took so long, nanoseconds: to their emit, and a thousand times as long to their save.
    fn times(took: &[u64]) -> ServerTimes {
        let mut times = ServerTimes {
            emit: histogram::empty(),
            save: histogram::empty(),
        };
        for nanos in took {
            times.emit.saturating_record(*nanos);
            times.save.saturating_record(1_000 * nanos);
        }
        times
    }

    #[test]
    fn what_was_timed_before_is_no_part_of_what_was_timed_since() {
        let before = times(&[1_000, 2_000, 900_000]);
        let after = times(&[1_000, 2_000, 900_000, 2_000, 3_000]);
        let since = after.clone().since(&before).unwrap();
        let only = times(&[2_000, 3_000]);
        assert_eq!((since.emit, since.save), (only.emit, only.save));
        // Of a server that has begun anew.
        assert!(before.since(&after).is_none());
        assert!(after.since(&times(&[])).is_some());
    }

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

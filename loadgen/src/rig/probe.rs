//! Is there a Socket.IO server at this address? Asked before a run, so that a wrong target is one clear line.

use std::time::Duration;

use hyper::{Method, StatusCode};
use serde::Deserialize;
use tokio::time::timeout;

use super::error::TargetError;
use crate::{
    dial::{self, DialError, Endpoint},
    scenario::Transport,
};

/// How long a target may take to answer a handshake.
const PATIENCE: Duration = Duration::from_secs(5);

/// More than any handshake; what comes instead is quoted only by its beginning.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Asks a server for an Engine.IO v4 handshake over polling, and closes the session at once. One that speaks no polling
/// is asked for a WebSocket, where that is the transport.
///
/// # Errors
/// [`TargetError::NothingListens`], [`TargetError::NotSocketIo`] (with what came instead) or
/// [`TargetError::Unreachable`] (no answer within 5 s, no route, no TLS).
pub async fn probe(endpoint: &Endpoint, transport: Transport) -> Result<(), TargetError> {
    let polled = timeout(PATIENCE, handshake(endpoint)).await;
    let answer = match polled.unwrap_or(Err(DialError::Late(PATIENCE))) {
        Ok(Answer::Open { sid }) => {
            // Failing to is no finding about the target.
            let _ = timeout(PATIENCE, close(endpoint, &sid)).await;
            return Ok(());
        }
        Ok(Answer::WebSocketOnly) => return Ok(()),
        Ok(answer) => Ok(answer),
        Err(error @ (DialError::NotHttp(_) | DialError::Broken(_) | DialError::Late(_))) => {
            Err(error)
        }
        Err(error) => return Err(TargetError::of_dial(endpoint.shown(), error)),
    };
    let may_be_websocket = !matches!(answer, Ok(Answer::Old));
    if transport == Transport::Websocket && may_be_websocket && upgrades(endpoint).await {
        return Ok(());
    }
    let answer = match answer {
        Ok(answer) => answer.to_string(),
        Err(DialError::NotHttp(reason) | DialError::Broken(reason)) => {
            format!("it does not answer in HTTP ({reason})")
        }
        Err(error) => return Err(TargetError::of_dial(endpoint.shown(), error)),
    };
    let asked = endpoint.asker().engine_io("polling", "");
    Err(TargetError::NotSocketIo {
        url: endpoint.shown().to_owned(),
        path: asked.split('?').next().unwrap_or_default().to_owned(),
        answer,
    })
}

async fn handshake(endpoint: &Endpoint) -> Result<Answer, DialError> {
    let asked = endpoint.asker().engine_io("polling", "");
    let response = dial::ask(endpoint, Method::GET, &asked, "").await?;
    let status = response.status();
    let location = response.headers().get("location");
    let location = location.and_then(|place| place.to_str().ok().map(str::to_owned));
    let body = match dial::beginning(response.into_body(), ANSWER_LIMIT).await {
        Ok(body) => body,
        Err(reason) => {
            let what = format!("HTTP {status}, and the answer broke off ({reason})");
            return Ok(Answer::Other(what));
        }
    };
    let answer = Answer::read(status, &String::from_utf8_lossy(&body));
    Ok(match (answer, location) {
        (Answer::Other(_), Some(location)) if status.is_redirection() => Answer::Other(format!(
            "it answers HTTP {status} and sends to {location}: name that as the target"
        )),
        (Answer::Other(what), _) if status == StatusCode::NOT_FOUND => {
            Answer::Other(format!("{what}; is the path right (--path)?"))
        }
        (answer, _) => answer,
    })
}

/// Whether a WebSocket can be had there.
async fn upgrades(endpoint: &Endpoint) -> bool {
    let upgraded = dial::upgrade(endpoint, endpoint.asker(), "");
    matches!(timeout(PATIENCE, upgraded).await, Ok(Ok(_)))
}

/// Ends the session that the handshake opened, so that the target is as it was. Where that fails, it forgets the session
/// by itself when no ping is answered.
async fn close(endpoint: &Endpoint, sid: &str) {
    let asked = endpoint
        .asker()
        .engine_io("polling", &format!("&sid={sid}"));
    if let Err(reason) = dial::ask(endpoint, Method::POST, &asked, "1").await {
        tracing::debug!(%reason, "the probe's session was not closed");
    }
}

/// What an answer to a handshake means.
#[derive(Debug, PartialEq)]
enum Answer {
    /// An Engine.IO v4 session was opened.
    Open { sid: String },
    /// Engine.IO refuses polling, so it is there; the load generator speaks WebSocket.
    WebSocketOnly,
    /// It speaks the protocol before the one of today.
    Old,
    /// Anything else, in words.
    Other(String),
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open { .. } => f.write_str("it opens a session"),
            Self::WebSocketOnly => f.write_str("it speaks no polling"),
            Self::Old => f.write_str("it speaks Engine.IO v3 (Socket.IO 2)"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl Answer {
    fn read(status: StatusCode, body: &str) -> Answer {
        if let Some(open) = body
            .strip_prefix('0')
            .and_then(|json| serde_json::from_str::<Open>(json).ok())
        {
            return Answer::Open { sid: open.sid };
        }
        if let Ok(refusal) = serde_json::from_str::<Refusal>(body) {
            return match refusal.message.as_str() {
                "Transport unknown" => Answer::WebSocketOnly,
                message => Answer::Other(format!(
                    "Engine.IO refuses with code {}, {message:?}",
                    refusal.code
                )),
            };
        }
        // Engine.IO 3 prefixes each packet with its length: `96:0{"sid":…`.
        let (length, rest) = body.split_once(':').unwrap_or(("", ""));
        if !length.is_empty()
            && length.bytes().all(|byte| byte.is_ascii_digit())
            && rest.starts_with("0{")
        {
            return Answer::Old;
        }
        let beginning: String = body.chars().take(80).collect();
        Answer::Other(format!("it answers HTTP {status} with {beginning:?}"))
    }
}

#[derive(Deserialize)]
struct Open {
    sid: String,
    #[serde(rename = "pingInterval")]
    _ping_interval: u64,
}

#[derive(Deserialize)]
struct Refusal {
    code: serde_json::Value,
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_is_told_from_everything_else() {
        let open = r#"0{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1}"#;
        assert_eq!(
            Answer::read(StatusCode::OK, open),
            Answer::Open {
                sid: "abc".to_owned()
            }
        );
        let refused = r#"{"code":0,"message":"Transport unknown"}"#;
        assert_eq!(
            Answer::read(StatusCode::BAD_REQUEST, refused),
            Answer::WebSocketOnly
        );
        let old = r#"{"code":5,"message":"Unsupported protocol version"}"#;
        assert_eq!(
            Answer::read(StatusCode::BAD_REQUEST, old),
            Answer::Other(
                "Engine.IO refuses with code 5, \"Unsupported protocol version\"".to_owned()
            )
        );
        let v3 = r#"96:0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":5000}2:40"#;
        assert_eq!(Answer::read(StatusCode::OK, v3), Answer::Old);
        assert_eq!(
            Answer::read(StatusCode::NOT_FOUND, "<html>nothing here"),
            Answer::Other("it answers HTTP 404 Not Found with \"<html>nothing here\"".to_owned())
        );
        for nearly in ["0", "0{}", "0{\"sid\":1}", ":", "12:", "{}", ""] {
            assert!(
                matches!(Answer::read(StatusCode::OK, nearly), Answer::Other(_)),
                "{nearly}"
            );
        }
    }
}

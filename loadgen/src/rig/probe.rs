//! Is there a Socket.IO server at this address? Asked before a run, so that a wrong target is one clear line.

use std::time::Duration;

use hyper::{Method, StatusCode, Uri};
use serde::Deserialize;

use super::{
    error::TargetError,
    http::{self, NoAnswer},
};

/// How long a target may take to answer a handshake.
const PATIENCE: Duration = Duration::from_secs(5);

/// More than any handshake; what comes instead is quoted only by its beginning.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Asks `url` (`http://host:port`) for an Engine.IO v4 handshake over polling, and closes the session at once.
///
/// # Errors
/// [`TargetError::NothingListens`], [`TargetError::NotSocketIo`] (with what came instead),
/// [`TargetError::Unreachable`] (no answer within 5 s, no route, no such name) or [`TargetError::Address`].
pub async fn probe(url: &str) -> Result<(), TargetError> {
    let server = http::parse(url)?;
    let answered = tokio::time::timeout(PATIENCE, handshake(url, &server)).await;
    answered.unwrap_or_else(|_| {
        Err(TargetError::Unreachable {
            url: url.to_owned(),
            reason: format!("no answer within {PATIENCE:?}"),
        })
    })
}

async fn handshake(url: &str, server: &Uri) -> Result<(), TargetError> {
    let not_socket_io = |answer: String| TargetError::NotSocketIo {
        url: url.to_owned(),
        answer,
    };
    let response = http::send(
        server,
        Method::GET,
        "/socket.io/?EIO=4&transport=polling",
        "",
    )
    .await
    .map_err(|none| match none {
        NoAnswer::Refused => TargetError::NothingListens {
            url: url.to_owned(),
        },
        NoAnswer::NoConnection(error) => TargetError::Unreachable {
            url: url.to_owned(),
            reason: error.to_string(),
        },
        NoAnswer::NotHttp(reason) => {
            not_socket_io(format!("it does not answer in HTTP ({reason})"))
        }
    })?;
    let status = response.status();
    let body = http::beginning(response.into_body(), ANSWER_LIMIT)
        .await
        .map_err(|reason| {
            not_socket_io(format!(
                "HTTP {status}, and the answer broke off ({reason})"
            ))
        })?;
    match Answer::read(status, &String::from_utf8_lossy(&body)) {
        Answer::Open { sid } => close(server, &sid).await,
        Answer::WebSocketOnly => {}
        Answer::Other(answer) => return Err(not_socket_io(answer)),
    }
    Ok(())
}

/// Ends the session that the handshake opened, so that the target is as it was. Failing to is no finding about the
/// target: it forgets the session by itself when no ping is answered.
async fn close(server: &Uri, sid: &str) {
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    if let Err(reason) = http::send(server, Method::POST, &path, "1").await {
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
    /// Anything else, in words.
    Other(String),
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
            return Answer::Other("it speaks Engine.IO v3 (Socket.IO 2)".to_owned());
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
        assert_eq!(
            Answer::read(StatusCode::OK, v3),
            Answer::Other("it speaks Engine.IO v3 (Socket.IO 2)".to_owned())
        );
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

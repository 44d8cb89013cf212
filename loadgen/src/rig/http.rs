//! One HTTP GET without a connection pool: all that the probe and the audit ask of a server.

use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, Uri, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::error::TargetError;

/// Checks an address and takes it apart.
pub(super) fn parse(url: &str) -> Result<Uri, TargetError> {
    let wrong = |reason: &str| TargetError::Address {
        url: url.to_owned(),
        reason: reason.to_owned(),
    };
    let uri: Uri = url.parse().map_err(|error| wrong(&format!("{error}")))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some(other) => return Err(wrong(&format!("{other}:// is not spoken here"))),
        None => return Err(wrong("it names no scheme")),
    }
    match uri.host() {
        None | Some("") => Err(wrong("it names no host")),
        Some(_) => Ok(uri),
    }
}

/// Why a request got no HTTP answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// Nothing listens there.
    #[error("connection refused")]
    Refused,
    /// No connection for another reason.
    #[error("{0}")]
    NoConnection(io::Error),
    /// A connection, but what came over it was not HTTP, or it broke.
    #[error("no HTTP answer: {0}")]
    NotHttp(String),
}

/// Sends one request; the answer's body is read by the caller.
pub(super) async fn send(
    server: &Uri,
    method: Method,
    path: &str,
    body: &'static str,
) -> Result<Response<Incoming>, NoAnswer> {
    let stream = connect(server).await?;
    let (mut sender, connection) = http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(not_http)?;
    // Ends by itself when the answer has been read or dropped.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to the target ended");
        }
    });
    let host = server
        .authority()
        .map_or("", |authority| authority.as_str());
    let request = Request::builder().method(method).uri(path);
    let request = request.header("host", host).body(Full::from(body));
    let request = request.map_err(|error| NoAnswer::NotHttp(error.to_string()))?;
    sender.send_request(request).await.map_err(not_http)
}

/// The beginning of a body, at most `limit` bytes or a little more.
pub(super) async fn beginning(body: Incoming, limit: usize) -> Result<Vec<u8>, String> {
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    while bytes.len() < limit
        && let Some(frame) = body.frame().await
    {
        if let Some(data) = frame.map_err(|error| error.to_string())?.data_ref() {
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes)
}

async fn connect(server: &Uri) -> Result<TcpStream, NoAnswer> {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = server.port_u16().unwrap_or(80);
    let connected = TcpStream::connect((host, port)).await;
    connected.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => NoAnswer::Refused,
        _ => NoAnswer::NoConnection(error),
    })
}

fn not_http(error: hyper::Error) -> NoAnswer {
    let reason = std::error::Error::source(&error)
        .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
    NoAnswer::NotHttp(reason)
}

//! The way to the library: which Engine.IO requests get there, and what it would not say or do by itself.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures::SinkExt as _;
use hyper_util::rt::TokioIo;
use socketioxide::{adapter::LocalAdapter, service::SocketIoService};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};
use tower::Service as _;

use crate::{
    auth::TOKEN, inspection::Inspected, line::Line, listener::Connection, telemetry::Telemetry,
};

/// Where Engine.IO is.
const PATH: &str = "/socket.io";
/// What a client of another protocol is told; the words are those of the Node.js server.
const UNSUPPORTED: &str = "Unsupported protocol version";
/// A refusal that the library makes is shorter.
const REFUSAL: usize = 1024;

/// The library, behind the checks. It has a router for what is not its own, which never comes here.
pub type Library = SocketIoService<Router, LocalAdapter>;

/// The library, and where refusals are counted.
#[derive(Clone)]
pub struct Door {
    /// The library.
    pub library: Library,
    /// What is counted.
    pub telemetry: Arc<Telemetry>,
}

/// What the query of an Engine.IO request says.
struct Query<'a> {
    version: Option<&'a str>,
    is_websocket: bool,
    has_session: bool,
}

impl<'a> Query<'a> {
    fn of(uri: &'a Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let value = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        Self {
            version: value("EIO"),
            is_websocket: value("transport") == Some("websocket"),
            has_session: value("sid").is_some(),
        }
    }
}

/// Takes Engine.IO requests to the library, and passes all others on.
pub async fn enter(State(door): State<Door>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !path
        .strip_prefix(PATH)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    {
        return next.run(request).await;
    }
    let query = Query::of(request.uri());
    let Query {
        is_websocket,
        has_session,
        ..
    } = query;
    let is_get = request.method() == Method::GET;
    let accept = is_websocket.then(|| accept_key(&request)).flatten();
    if query.version != Some("4") {
        door.telemetry.connection_refused("protocol_version");
        return match accept {
            Some(accept) => refuse_upgrade(request, &accept),
            None => unsupported(),
        };
    }
    let Door { library, telemetry } = door;
    match accept {
        Some(accept) => upgrade(library, telemetry, request, &accept, has_session),
        None if is_get && has_session && !is_websocket => poll(library, request).await,
        None => ask(library, request).await,
    }
}

/// The answer to `Sec-WebSocket-Key`, if the request is one for a WebSocket.
fn accept_key(request: &Request) -> Option<HeaderValue> {
    let headers = request.headers();
    let upgrades = headers
        .get(header::UPGRADE)?
        .as_bytes()
        .eq_ignore_ascii_case(b"websocket");
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    (upgrades && request.method() == Method::GET)
        .then(|| derive_accept_key(key.as_bytes()).parse().ok())
        .flatten()
}

fn switching(accept: &HeaderValue) -> Response {
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("Upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept.clone()),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// Gives the library a WebSocket that is looked into.
fn upgrade(
    mut library: Library,
    telemetry: Arc<Telemetry>,
    mut request: Request,
    accept: &HeaderValue,
    has_session: bool,
) -> Response {
    let upgraded = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    tokio::spawn(async move {
        let socket = match upgraded.await {
            Ok(socket) => TokioIo::new(socket),
            Err(error) => return tracing::debug!("no WebSocket: {error}"),
        };
        // In a box, since the library moves it from one place of its tasks to the next, and they keep all of these.
        let socket = Box::new(if has_session {
            let (library, uri) = (library.clone(), parts.uri.clone());
            let abandon = Box::new(move || end_session(library, &uri));
            Inspected::of_upgrade(socket, telemetry, abandon)
        } else {
            Inspected::new(socket, telemetry)
        });
        let request = Request::from_parts(remembered(parts), ());
        if let Err(error) = library.call((socket, request)).await {
            tracing::debug!("no session on a WebSocket: {error}");
        }
    });
    switching(accept)
}

/// What the library is to keep of a request while its session lives: what a login asks for, and nothing else.
fn remembered(mut parts: Parts) -> Parts {
    let mut extensions = Extensions::new();
    if let Some(connection) = parts.extensions.remove::<Arc<Connection>>() {
        extensions.insert(connection);
    }
    if let Some(line) = parts.extensions.remove::<Arc<Line>>() {
        extensions.insert(line);
    }
    parts.extensions = extensions;
    let token = parts.headers.remove(TOKEN);
    parts.headers = HeaderMap::new();
    if let Some(token) = token {
        parts.headers.insert(TOKEN, token);
    }
    parts
}

async fn ask(mut library: Library, request: Request) -> Response {
    let Ok(response) = library.call(request).await;
    let response = response.map(Body::new);
    if response.status() == StatusCode::BAD_REQUEST {
        with_number(response).await
    } else {
        response
    }
}

/// The library says `{"code":"1"`, the protocol `{"code":1`.
async fn with_number(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, REFUSAL)
        .await
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    let body = match text
        .strip_prefix(r#"{"code":""#)
        .and_then(|rest| rest.split_once('"'))
    {
        Some((code, rest)) => Bytes::from(format!(r#"{{"code":{code}{rest}"#)),
        None => body,
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}

/// Waits for packets. By the protocol a client that gives its poll up has gone: the session ends at once, and not at the
/// next heartbeat.
async fn poll(library: Library, request: Request) -> Response {
    let mut given_up = GivenUp(Some((library.clone(), request.uri().clone())));
    let response = ask(library, request).await;
    given_up.0 = None;
    response
}

/// Ends a session when it is dropped before its poll has an answer.
struct GivenUp(Option<(Library, Uri)>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        if let Some((library, uri)) = self.0.take() {
            end_session(library, &uri);
        }
    }
}

/// Says for a client that has gone what it would say if it could: the packet that closes its session.
fn end_session(library: Library, uri: &Uri) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        // The process ends, and all sessions with it.
        return;
    };
    let query = uri.query().unwrap_or_default();
    let uri = format!("{PATH}/?{query}").replace("transport=websocket", "transport=polling");
    let request = Request::builder()
        .method(Method::POST)
        .uri(uri)
        .body(Body::from("1"));
    match request {
        Ok(request) => drop(runtime.spawn(ask(library, request))),
        Err(error) => tracing::warn!("cannot end a session: {error}"),
    }
}

fn unsupported() -> Response {
    let body = serde_json::json!({ "code": 5, "message": UNSUPPORTED });
    (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
}

/// A client of Socket.IO 2 shows the body of a refused request to nobody, but it does show an error packet.
fn refuse_upgrade(mut request: Request, accept: &HeaderValue) -> Response {
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Err(error) = say_unsupported(upgraded).await {
            tracing::debug!("a client of another protocol went before it was told: {error}");
        }
    });
    switching(accept)
}

async fn say_unsupported(
    upgraded: hyper::upgrade::OnUpgrade,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let socket = TokioIo::new(upgraded.await?);
    let mut socket = WebSocketStream::from_raw_socket(socket, Role::Server, None).await;
    let open = r#"0{"sid":"none","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
    let error =
        format!(r#"44"{UNSUPPORTED}: this server speaks Engine.IO 4 (Socket.IO 3 and later)""#);
    socket.feed(Message::text(open)).await?;
    socket.feed(Message::text(error)).await?;
    socket.flush().await?;
    let why = CloseFrame {
        code: CloseCode::Policy,
        reason: UNSUPPORTED.into(),
    };
    socket.close(Some(why)).await?;
    Ok(())
}

//! The HTTP side of a connection: which requests are let in, and how long they may take.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderValue, Method, Request, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;
use tower::Service as _;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use crate::{
    bodies::{Bodies, foreign_bytes, parts, unfit_event},
    line::Line,
    lines::Lines,
    listener::{Connection, Stream},
    outgoing::Opening,
    telemetry::Telemetry,
    wire::packets_of_poll,
};

/// How long a connection may take to send its next request's head.
const REQUEST_WITHIN: Duration = Duration::from_secs(30);
/// The longest head of a request, as in the Node.js server; it is also how much is read at once.
const LONGEST_HEAD: usize = 16 * 1024;
/// Where Engine.IO is.
const ENGINE: &str = "/socket.io";

/// Serves connections.
#[derive(Clone)]
pub struct Front {
    app: Router,
    origins: Arc<[HeaderValue]>,
    lines: Arc<Lines>,
    bodies: Bodies,
    telemetry: Arc<Telemetry>,
}

/// What a request wants of Engine.IO.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    sid: Option<String>,
    websocket: bool,
}

impl Front {
    /// Serves `app` to browsers from these origins, or from any if there are none, and to everybody else.
    #[must_use]
    pub fn new(
        app: Router,
        origins: Vec<HeaderValue>,
        lines: Arc<Lines>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let app = app.layer(cors(&origins));
        Self {
            app,
            origins: origins.into(),
            lines,
            bodies: Bodies::default(),
            telemetry,
        }
    }

    /// Closes polling sessions as their clients would, which the library has no other way for.
    pub async fn close_sessions(mut self, mut closing: UnboundedReceiver<Box<str>>) {
        while let Some(sid) = closing.recv().await {
            let request = Request::post(format!("{ENGINE}/?EIO=4&transport=polling&sid={sid}"));
            match request.body(Body::from("1")) {
                Ok(request) => {
                    let _answer = self.app.call(request).await;
                }
                Err(error) => tracing::error!("cannot close a session: {error}"),
            }
        }
    }

    /// Serves the requests of one connection, until it becomes a WebSocket, ends, or is told to `stop`.
    pub async fn serve(self, stream: Stream, stop: CancellationToken) {
        let connection = stream.connection();
        let service =
            service_fn(move |request| self.clone().answer(request, Arc::clone(&connection)));
        let mut http = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(REQUEST_WITHIN)
                .max_buf_size(LONGEST_HEAD)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
        );
        let ended = tokio::select! {
            biased;
            ended = &mut http => ended,
            () = stop.cancelled() => {
                http.as_mut().graceful_shutdown();
                http.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!("connection ended: {error}");
        }
    }

    async fn answer(
        mut self,
        mut request: Request<Incoming>,
        connection: Arc<Connection>,
    ) -> Result<Response, Infallible> {
        // Browsers send `Origin` with WebSocket requests too, to which CORS does not apply.
        if let Some(origin) = request.headers().get(header::ORIGIN)
            && !self.origins.is_empty()
            && !self.origins.contains(origin)
        {
            self.telemetry.connection_refused("origin");
            return Ok((StatusCode::FORBIDDEN, "Origin not allowed\n").into_response());
        }
        detach_head(&mut request);
        request.extensions_mut().insert(Arc::clone(&connection));
        let request = request.map(Body::new);
        let Some(wanted) = wanted(&request) else {
            return self.app.call(request).await;
        };
        match (request.method().clone(), wanted) {
            (Method::GET, Wanted { sid: None, .. }) => self.open(request, &connection).await,
            (
                Method::GET,
                Wanted {
                    sid: Some(sid),
                    websocket,
                },
            ) => match self.lines.find(&sid) {
                None => self.app.call(request).await,
                Some(line) if websocket => self.upgrade(request, &line, &connection).await,
                Some(line) => self.poll(request, &line).await,
            },
            (Method::POST, Wanted { sid: Some(sid), .. }) => {
                let line = self.lines.find(&sid);
                self.post(request, line).await
            }
            _ => self.app.call(request).await,
        }
    }

    /// Begins a session.
    async fn open(
        mut self,
        mut request: Request<Body>,
        connection: &Arc<Connection>,
    ) -> Result<Response, Infallible> {
        let Some(line) = self.lines.open() else {
            return Ok(self.refused(StatusCode::SERVICE_UNAVAILABLE, "too_many_sessions"));
        };
        request.extensions_mut().insert(Arc::clone(&line));
        let answer = self.app.call(request).await?;
        match answer.status() {
            StatusCode::SWITCHING_PROTOCOLS if !line.attach(connection, Opening::Connected) => {
                Ok(StatusCode::BAD_REQUEST.into_response())
            }
            StatusCode::OK => {
                let (head, body) = self.whole(answer).await;
                if let Some(sid) = sid_of(&body) {
                    self.lines.name(&line, &sid);
                }
                Ok(Response::from_parts(head, Body::from(body)))
            }
            _ => Ok(answer),
        }
    }

    /// Gives a session that began with polling a WebSocket. One: a second one would wait for the first for ever.
    async fn upgrade(
        mut self,
        request: Request<Body>,
        line: &Arc<Line>,
        connection: &Arc<Connection>,
    ) -> Result<Response, Infallible> {
        if line.is_websocket() {
            return Ok(self.refused(StatusCode::BAD_REQUEST, "second_upgrade"));
        }
        let answer = self.app.call(request).await?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS
            && !line.attach(connection, Opening::Packet)
        {
            return Ok(self.refused(StatusCode::BAD_REQUEST, "second_upgrade"));
        }
        Ok(answer)
    }

    /// Answers a poll. What is in the answer has left the outbox.
    async fn poll(
        mut self,
        request: Request<Body>,
        line: &Arc<Line>,
    ) -> Result<Response, Infallible> {
        let answer = self.app.call(request).await?;
        if answer.status() != StatusCode::OK {
            return Ok(answer);
        }
        let (head, body) = self.whole(answer).await;
        line.taken(packets_of_poll(&body));
        Ok(Response::from_parts(head, Body::from(body)))
    }

    /// Takes packets in. The library gets them some at a time, so that nobody else waits for all of them, and none
    /// while the client is over its limit.
    async fn post(
        mut self,
        request: Request<Body>,
        line: Option<Arc<Line>>,
    ) -> Result<Response, Infallible> {
        let (head, body) = request.into_parts();
        let Some(line) = line else {
            // Nobody's: the library says so without reading it.
            return self
                .app
                .call(Request::from_parts(head, Body::empty()))
                .await;
        };
        // One after the other, as clients send them: so a session holds one body, however many it is sent.
        let _turn = line.posting().await;
        let body = match self.bodies.collect(body.into_data_stream()).await {
            Ok(body) => body,
            Err(error) => return Ok(self.refused(error.status(), error.name())),
        };
        let mut answer = StatusCode::OK.into_response();
        let mut left = body.bytes.len();
        for part in parts(&body.bytes) {
            line.until_readable().await;
            left = left.saturating_sub(part.len() + 1);
            line.received(part.len() + 1, || left as u64);
            let foreign = foreign_bytes(&part);
            if foreign > 0 && !line.may_ask_foreign(foreign) {
                line.cut();
                return Ok(self.refused(StatusCode::BAD_REQUEST, "foreign_namespaces"));
            }
            if let Some(reason) = unfit_event(&part) {
                line.cut();
                return Ok(self.refused(StatusCode::BAD_REQUEST, reason));
            }
            answer = self.app.call(part_of(&head, part)).await?;
            if answer.status() != StatusCode::OK {
                break;
            }
            tokio::task::yield_now().await;
        }
        Ok(answer)
    }

    /// An answer with its body, which the library has in memory already.
    async fn whole(&self, answer: Response) -> (axum::http::response::Parts, Bytes) {
        let (head, body) = answer.into_parts();
        // It never fails: it is not read from anywhere.
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        (head, body)
    }

    fn refused(&self, status: StatusCode, reason: &str) -> Response {
        self.telemetry.requests_refused.increment(reason);
        status.into_response()
    }
}

/// What a request wants of Engine.IO, if that is where it goes. Read as the library reads it.
fn wanted<B>(request: &Request<B>) -> Option<Wanted> {
    let rest = request.uri().path().strip_prefix(ENGINE)?;
    if !(rest.is_empty() || rest.starts_with('/')) {
        return None;
    }
    let query = request.uri().query().unwrap_or_default();
    let value = |name| query.split('&').find_map(|pair| pair.strip_prefix(name));
    Some(Wanted {
        sid: value("sid=").map(str::to_owned),
        websocket: value("transport=") == Some("websocket"),
    })
}

/// The `sid` in the packet that opens a session.
fn sid_of(open: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Open {
        sid: String,
    }
    let open: Open = serde_json::from_slice(open.strip_prefix(b"0")?).ok()?;
    Some(open.sid)
}

/// A request like the one with this head, for a part of its packets.
fn part_of(head: &Parts, part: Bytes) -> Request<Body> {
    let mut request = Request::new(Body::from(part));
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    request.headers_mut().clone_from(&head.headers);
    request.headers_mut().remove(header::CONTENT_LENGTH);
    request
}

/// Copies what the head refers to. Engine.IO keeps the head of the request that began a session
/// while the session lives, and as hyper parsed it, each value is a slice of the connection's read
/// buffer: 8 KiB that nobody would use again.
fn detach_head(request: &mut Request<Incoming>) {
    for value in request.headers_mut().values_mut() {
        if let Ok(copy) = HeaderValue::from_bytes(value.as_bytes()) {
            *value = copy;
        }
    }
    if let Ok(copy) = request.uri().to_string().parse() {
        *request.uri_mut() = copy;
    }
}

fn cors(origins: &[HeaderValue]) -> CorsLayer {
    let allowed = if origins.is_empty() {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().cloned())
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods(Any)
        .allow_headers(Any)
}

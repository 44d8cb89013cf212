//! The HTTP side of a connection: which requests are let in, and how long they may take.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    http::{HeaderValue, Request, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio_util::sync::CancellationToken;
use tower::Service as _;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use crate::{
    listener::{Connection, Stream},
    telemetry::Telemetry,
};

/// How long a connection may take to send its next request's head.
const REQUEST_WITHIN: Duration = Duration::from_secs(30);

/// Serves connections.
#[derive(Clone)]
pub struct Front {
    app: Router,
    origins: Arc<[HeaderValue]>,
    telemetry: Arc<Telemetry>,
}

impl Front {
    /// Serves `app` to browsers from these origins, or from any if there are none, and to everybody else.
    #[must_use]
    pub fn new(app: Router, origins: Vec<HeaderValue>, telemetry: Arc<Telemetry>) -> Self {
        let app = app.layer(cors(&origins));
        Self {
            app,
            origins: origins.into(),
            telemetry,
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
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
        );
        let ended = tokio::select! {
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
        request.extensions_mut().insert(connection);
        self.app.call(request).await
    }
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

//! HTTP requests to a target: one at a time over a connection of its own, or one after the other over one that is kept.

use std::{error::Error, future::Future, io, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::{
        ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, SET_COOKIE,
    },
    rt::{Read, Write},
};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::{Caller, DialError, Endpoint};

/// How long a server may take to answer for a page that it may not have: one without such pages need not answer at all.
pub const PAGE_PATIENCE: Duration = Duration::from_secs(2);
/// More than any page has that says how a server is.
const PAGE_BYTES: usize = 64 << 10;
/// The encoding in which a body stands as it is.
const PLAIN: &str = "identity";
/// More than this before the end of the headers is no answer.
pub(super) const MOST_HEADER_BYTES: usize = 64 << 10;
/// More headers than a proxy or a framework adds.
pub(super) const MOST_HEADERS: usize = 512;

/// A page as it came.
pub struct Page {
    /// Its status.
    pub status: StatusCode,
    /// Its media type, as the server says.
    pub media_type: String,
    /// Its first 64 KiB.
    pub body: Vec<u8>,
}

impl Page {
    /// Asks for a page and reads it.
    ///
    /// # Errors
    /// [`DialError`]: among others [`DialError::Late`] after 2 s.
    pub async fn get(endpoint: &Endpoint, path: &str) -> Result<Self, DialError> {
        let page = async {
            let answer = ask(endpoint, Method::GET, path, "").await?;
            let (status, media_type) = (answer.status(), media_type(answer.headers()));
            let body = beginning(answer.into_body(), PAGE_BYTES).await;
            Ok(Self {
                status,
                media_type,
                body: body?,
            })
        };
        timeout(PAGE_PATIENCE, page)
            .await
            .unwrap_or(Err(DialError::Late(PAGE_PATIENCE)))
    }
}

/// The media type of an answer, without its parameters, in lower case.
pub fn media_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let bare = value.and_then(|value| value.split(';').next());
    bare.unwrap_or_default().trim().to_ascii_lowercase()
}

/// Sends one request over a connection of its own; the answer's body is read by the caller of this. It has no deadline.
///
/// # Errors
/// [`DialError`]: no connection, or no HTTP over it.
pub async fn ask(
    endpoint: &Endpoint,
    method: Method,
    target: &str,
    body: &'static str,
) -> Result<Response<Incoming>, DialError> {
    let caller = endpoint.asker();
    let stream = endpoint.connect_to_any().await?;
    let (mut line, connection) = Line::over(TokioIo::new(stream)).await?;
    // Ends by itself when the answer has been read or dropped.
    tokio::spawn(connection);
    let body = Bytes::from_static(body.as_bytes());
    Ok(line.send(caller, method, target, body).await?)
}

/// A request that was not answered.
#[derive(Debug)]
pub struct Unanswered {
    /// Why.
    pub why: DialError,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a request that was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was never sent.
    Unsent,
    /// The server ended the connection in order, as it does in a pause: nothing that it had sent was lost.
    Ended,
    /// Nobody knows: the server may have taken it, and its answer may be lost.
    Unknown,
}

impl Fate {
    /// Of a request that was handed over, by what it ended with.
    fn of(error: &hyper::Error) -> Self {
        let cause = error.source();
        let cause = cause.and_then(|cause| cause.downcast_ref::<io::Error>());
        // Many end TLS without a word of TLS.
        let eof = cause.is_some_and(|cause| cause.kind() == io::ErrorKind::UnexpectedEof);
        if error.is_canceled() {
            Fate::Unsent
        } else if error.is_incomplete_message() || eof {
            Fate::Ended
        } else {
            Fate::Unknown
        }
    }
}

impl From<Unanswered> for DialError {
    fn from(unanswered: Unanswered) -> Self {
        unanswered.why
    }
}

/// A connection over which one request follows the other.
pub struct Line(SendRequest<Full<Bytes>>);

impl Line {
    /// Over a stream; what comes beside it does the work, and must be run.
    ///
    /// # Errors
    /// [`DialError::Broken`], if the stream breaks.
    pub async fn over<S: Read + Write + Unpin>(
        stream: S,
    ) -> Result<(Self, impl Future<Output = ()> + use<S>), DialError> {
        let (sender, connection) = http1::Builder::new()
            .max_headers(MOST_HEADERS)
            .max_buf_size(MOST_HEADER_BYTES)
            .handshake(stream)
            .await
            .map_err(|error| no_answer(&error))?;
        let work = async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the target ended");
            }
        };
        Ok((Self(sender), work))
    }

    /// Waits until a request can be sent; `false`: the server has closed it.
    pub async fn is_ready(&mut self) -> bool {
        self.0.ready().await.is_ok()
    }

    /// Sends a request when the last one is answered, keeps the cookies that come, and hands the answer over.
    ///
    /// # Errors
    /// [`Unanswered`], if no answer in HTTP comes.
    pub async fn send(
        &mut self,
        caller: &Caller,
        method: Method,
        target: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, Unanswered> {
        let failed = |why: DialError, fate: Fate| Unanswered { why, fate };
        let request = request(caller, method, target, body);
        let request = request.map_err(|why| failed(why, Fate::Unsent))?;
        let ready = self.0.ready().await;
        ready.map_err(|error| failed(no_answer(&error), Fate::Unsent))?;
        let answer = self.0.send_request(request).await;
        let answer = answer.map_err(|error| failed(no_answer(&error), Fate::of(&error)))?;
        if let Some(encoding) = answer.headers().get(CONTENT_ENCODING)
            && encoding != PLAIN
        {
            let encoding = String::from_utf8_lossy(encoding.as_bytes());
            let what = format!("an answer in the encoding {encoding}, and none was asked for");
            return Err(failed(DialError::NoText(what), Fate::Unknown));
        }
        for cookie in answer.headers().get_all(SET_COOKIE) {
            if let Ok(cookie) = cookie.to_str() {
                caller.jar().keep(cookie);
            }
        }
        Ok(answer)
    }
}

/// A request as its caller makes it.
///
/// # Errors
/// [`DialError::NotHttp`], if a user's own values make none.
pub fn request(
    caller: &Caller,
    method: Method,
    target: &str,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, DialError> {
    let made = |error: &dyn std::fmt::Display| {
        DialError::NotHttp(format!("no request can be made of {target:?}: {error}"))
    };
    let posted = method == Method::POST;
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .body(Full::new(body))
        .map_err(|error| made(&error))?;
    let headers = request.headers_mut();
    for (name, value) in caller.headers() {
        let name = HeaderName::try_from(name).map_err(|error| made(&error))?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|error| made(&error))?;
        headers.append(name, value);
    }
    // Who says nothing of it may be answered in any encoding.
    headers
        .entry(ACCEPT_ENCODING)
        .or_insert(HeaderValue::from_static(PLAIN));
    if posted && !headers.contains_key(CONTENT_TYPE) {
        let text = HeaderValue::from_static("text/plain;charset=UTF-8");
        headers.insert(CONTENT_TYPE, text);
    }
    Ok(request)
}

/// The beginning of a body, at most `limit` bytes or a little more.
///
/// # Errors
/// [`DialError`], if it breaks off.
pub async fn beginning(body: Incoming, limit: usize) -> Result<Vec<u8>, DialError> {
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    while bytes.len() < limit {
        let Some(frame) = body.frame().await else {
            break;
        };
        if let Some(data) = frame.map_err(|error| no_answer(&error))?.data_ref() {
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes)
}

/// What may help where a server answers so instead of what was asked for; empty, or to be put behind what it answered.
pub fn hint(status: u16, location: Option<&str>) -> String {
    match (location, status) {
        (Some(location), 300..400) => format!("; it sends to {location}: name that as the target"),
        (_, 404) => "; is the path right (--path)?".to_owned(),
        _ => String::new(),
    }
}

/// Why there is no answer, or no more of it.
pub fn no_answer(error: &hyper::Error) -> DialError {
    let reason = error
        .source()
        .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
    match error.is_parse() {
        true => DialError::NotHttp(reason),
        false => DialError::Broken(reason),
    }
}

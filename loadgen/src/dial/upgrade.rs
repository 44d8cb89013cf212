//! The upgrade of an HTTP connection to a WebSocket (RFC 6455, 4).

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tungstenite::handshake::{client::generate_key, derive_accept_key};

use super::{
    Caller, DialError, Endpoint, Stream,
    http::{MOST_HEADER_BYTES, MOST_HEADERS, hint},
};

/// More answers than this before the one to the request are none.
const MOST_INTERIM: usize = 16;
/// Of a refusal, as much is read.
const MOST_REFUSAL_BYTES: usize = 4 << 10;
/// The text of a refusal comes with its headers or right behind them.
const REFUSAL_PATIENCE: Duration = Duration::from_millis(300);

/// Connects a user and upgrades, with more in the query than every request has. Also returns what the server sent
/// behind its answer: often the Engine.IO handshake.
///
/// # Errors
/// [`DialError`] says whether nothing listens there, or what it answers instead.
pub async fn upgrade(
    endpoint: &Endpoint,
    caller: &Caller,
    more: &str,
) -> Result<(Stream, Vec<u8>), DialError> {
    let mut stream = endpoint.connect(caller.user).await?;
    let broken = |error: io::Error| DialError::Broken(error.to_string());
    let key = generate_key();
    let mut head = format!("GET {} HTTP/1.1\r\n", caller.engine_io("websocket", more));
    for (name, value) in caller.headers() {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!(
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ));
    stream.write_all(head.as_bytes()).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let mut answer = Vec::with_capacity(512);
    let mut interim = 0;
    loop {
        match Head::parse(&answer)? {
            None => {
                if stream.read_buf(&mut answer).await.map_err(broken)? == 0 {
                    return Err(DialError::NoWebSocket(
                        "it closed the connection instead of upgrading it to WebSocket".into(),
                    ));
                }
            }
            Some(head) if head.status == 101 => {
                head.check(&key)?;
                head.cookies
                    .iter()
                    .for_each(|cookie| caller.jar().keep(cookie));
                answer.drain(..head.bytes);
                return Ok((stream, answer));
            }
            // What a server says beforehand, as with 103, is no answer yet.
            Some(head) if (100..200).contains(&head.status) && interim < MOST_INTERIM => {
                interim += 1;
                answer.drain(..head.bytes);
            }
            Some(head) => {
                // Whether its text comes whole or not, there is a refusal to tell.
                let _ = timeout(REFUSAL_PATIENCE, async {
                    while answer.len() < head.bytes + head.length.min(MOST_REFUSAL_BYTES)
                        && stream.read_buf(&mut answer).await? > 0
                    {}
                    io::Result::Ok(())
                })
                .await;
                return Err(head.refusal(&answer[head.bytes..]));
            }
        }
    }
}

/// What is looked at of the head of an answer.
#[derive(Debug)]
struct Head {
    bytes: usize,
    status: u16,
    reason: String,
    accept: Option<String>,
    location: Option<String>,
    cookies: Vec<String>,
    /// How long its body is, as far as it says.
    length: usize,
    /// Whether its body comes in chunks, each behind a line with its length.
    chunked: bool,
}

impl Head {
    /// `None` when more of it must come.
    fn parse(answer: &[u8]) -> Result<Option<Self>, DialError> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let bytes = match response.parse(answer) {
            Ok(httparse::Status::Complete(bytes)) => bytes,
            Ok(httparse::Status::Partial) if answer.len() < MOST_HEADER_BYTES => return Ok(None),
            Ok(httparse::Status::Partial) => {
                let what = format!("its headers have more than {} KiB", MOST_HEADER_BYTES >> 10);
                return Err(DialError::NoWebSocket(what));
            }
            Err(httparse::Error::TooManyHeaders) => {
                let what = format!("its answer has more than {MOST_HEADERS} headers");
                return Err(DialError::NoWebSocket(what));
            }
            Err(error) => {
                let what = format!("its answer is not HTTP ({error})");
                return Err(DialError::NoWebSocket(what));
            }
        };
        let mut head = Self {
            bytes,
            status: response.code.unwrap_or_default(),
            reason: response.reason.unwrap_or_default().to_owned(),
            accept: None,
            location: None,
            cookies: Vec::new(),
            length: MOST_REFUSAL_BYTES,
            chunked: false,
        };
        for header in response.headers.iter() {
            let value = || String::from_utf8_lossy(header.value).trim().to_owned();
            match header.name.to_ascii_lowercase().as_str() {
                "sec-websocket-accept" => head.accept = Some(value()),
                "location" => head.location = Some(value()),
                "set-cookie" => head.cookies.push(value()),
                "transfer-encoding" => head.chunked = value().eq_ignore_ascii_case("chunked"),
                "content-length" => head.length = value().parse().unwrap_or(MOST_REFUSAL_BYTES),
                _ => {}
            }
        }
        Ok(Some(head))
    }

    fn check(&self, key: &str) -> Result<(), DialError> {
        let expected = derive_accept_key(key.as_bytes());
        match self.accept.as_deref() == Some(expected.as_str()) {
            true => Ok(()),
            false => Err(DialError::NoWebSocket(
                "its WebSocket answer has no valid Sec-WebSocket-Accept".into(),
            )),
        }
    }

    fn refusal(&self, body: &[u8]) -> DialError {
        let body = String::from_utf8_lossy(body);
        let line: String = body
            .lines()
            .nth(usize::from(self.chunked))
            .unwrap_or_default()
            .chars()
            .take(200)
            .collect();
        let hint = match body.contains("Transport unknown") {
            true => "; it speaks no WebSocket: transport = \"polling\" in [connections]".to_owned(),
            false => hint(self.status, self.location.as_deref()),
        };
        DialError::NoWebSocket(format!(
            "it answered the WebSocket upgrade with HTTP {} {} {line}{hint}",
            self.status, self.reason
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn answer(headers: usize) -> String {
        let many: String = (0..headers)
            .map(|n| format!("X-Filler-{n}: v\r\n"))
            .collect();
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n{many}Set-Cookie: a=1; Path=/\r\n\
             sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nrest"
        )
    }

    #[test]
    fn an_answer_is_checked_once_it_is_whole_however_many_headers_it_has() {
        for headers in [0, 40, 100, 300] {
            let answer = answer(headers);
            assert!(matches!(Head::parse(&answer.as_bytes()[..60]), Ok(None)));
            let head = Head::parse(answer.as_bytes()).unwrap().unwrap();
            assert_eq!(&answer[head.bytes..], "rest");
            assert_eq!(head.cookies, ["a=1; Path=/"]);
            assert!(head.check(KEY).is_ok());
            assert!(head.check("another").is_err());
        }
        let error = Head::parse(answer(600).as_bytes()).unwrap_err().to_string();
        assert!(error.contains("more than 512 headers"), "{error}");
    }

    #[test]
    fn a_refusal_is_quoted_with_what_may_help() {
        let refusal = |text: &str| {
            let head = Head::parse(text.as_bytes()).unwrap().unwrap();
            head.refusal(&text.as_bytes()[head.bytes..]).to_string()
        };
        let missing = refusal("HTTP/1.1 404 Not Found\r\n\r\nnope\nmore");
        assert!(
            missing.contains("404 Not Found nope; is the path right"),
            "{missing}"
        );
        let chunked = refusal(
            "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n1b\r\n{\"message\":\"Transport unknown\"}\r\n0\r\n",
        );
        assert!(
            chunked.contains("400 Bad Request {\"message\"") && chunked.contains("\"polling\""),
            "{chunked}"
        );
        let moved = refusal("HTTP/1.1 301 Moved Permanently\r\nlocation: https://h/\r\n\r\n");
        assert!(moved.contains("sends to https://h/"), "{moved}");
        assert!(Head::parse(b"220 smtp.example.com ESMTP\r\n").is_err());
    }
}

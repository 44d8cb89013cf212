//! The way from a URL to an open WebSocket: address, TCP connect, HTTP upgrade.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{self, TcpSocket, TcpStream},
};
use tungstenite::handshake::{client::generate_key, derive_accept_key};

use crate::drive::ConnectError;

/// More than this before the end of the headers is no answer to an upgrade.
const MOST_HEADER_BYTES: usize = 16 << 10;
/// Connections to one server from one source address.
const USERS_OF_ONE_ADDRESS: u32 = 10_000;

/// Where a Socket.IO server is, resolved once for all users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The address that is connected to.
    pub address: SocketAddr,
    /// The `Host` header.
    pub host: String,
}

impl Endpoint {
    /// Resolves `http://host:port`.
    ///
    /// # Errors
    /// Says what a target URL looks like, or that the name can't be resolved.
    pub async fn resolve(url: &str) -> Result<Self, ConnectError> {
        let wrong = |what: &str| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{url:?}: {what}; write http://host:port"),
            )
        };
        let rest = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("ws://"))
            .ok_or_else(|| wrong("only plain http is measured"))?;
        let authority = rest.trim_end_matches('/');
        if authority.is_empty() || authority.contains(['/', '?', '#', '@']) {
            return Err(wrong("no path, query or user belongs here").into());
        }
        let with_port = if authority.contains(':') && !authority.ends_with(']') {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        let address = net::lookup_host(&with_port)
            .await
            .map_err(|error| io::Error::new(error.kind(), format!("{authority}: {error}")))?
            .next()
            .ok_or_else(|| wrong("the host has no address"))?;
        Ok(Self {
            address,
            host: authority.to_owned(),
        })
    }

    /// Connects a user and upgrades. Also returns what the server sent behind its answer: often the Engine.IO handshake.
    ///
    /// # Errors
    /// [`ConnectError`] says whether nothing listens there or whether it is no Socket.IO server.
    pub async fn open(&self, user: u32) -> Result<(TcpStream, Vec<u8>), ConnectError> {
        let mut stream = self.connect(user).await?;
        // Nagle's algorithm holds small frames back until the last one is acknowledged.
        stream.set_nodelay(true)?;
        let key = generate_key();
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n",
            self.host
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::with_capacity(512);
        loop {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err(ConnectError::NotSocketIo(
                    "it closed the connection instead of upgrading it to WebSocket".into(),
                ));
            }
            if let Some(header_bytes) = check_answer(&answer, &key)? {
                answer.drain(..header_bytes);
                return Ok((stream, answer));
            }
        }
    }
}

impl Endpoint {
    /// From one of several source addresses where the server is on this machine: each has some 28,000 ports for one
    /// server, and those of earlier runs are not free again at once.
    async fn connect(&self, user: u32) -> io::Result<TcpStream> {
        let socket = match self.address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if let IpAddr::V4(Ipv4Addr::LOCALHOST) = self.address.ip() {
            let source = u8::try_from(user / USERS_OF_ONE_ADDRESS).unwrap_or(u8::MAX - 1);
            if source > 0 {
                socket.bind((Ipv4Addr::new(127, 0, 0, 1 + source), 0).into())?;
            }
        }
        socket.connect(self.address).await
    }
}

/// The length of the answer's header, or `None` when more of it must come.
fn check_answer(answer: &[u8], key: &str) -> Result<Option<usize>, ConnectError> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let header_bytes = match response.parse(answer) {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) if answer.len() < MOST_HEADER_BYTES => return Ok(None),
        Ok(httparse::Status::Partial) => {
            return Err(ConnectError::NotSocketIo("endless HTTP headers".into()));
        }
        Err(error) => {
            return Err(ConnectError::NotSocketIo(format!(
                "its answer is not HTTP ({error})"
            )));
        }
    };
    if response.code != Some(101) {
        let body = String::from_utf8_lossy(&answer[header_bytes..]);
        return Err(ConnectError::NotSocketIo(format!(
            "it answered the WebSocket upgrade with HTTP {} {} {}",
            response.code.unwrap_or_default(),
            response.reason.unwrap_or_default(),
            body.lines().next().unwrap_or_default(),
        )));
    }
    let accepted = response.headers.iter().any(|header| {
        header.name.eq_ignore_ascii_case("sec-websocket-accept")
            && header.value == derive_accept_key(key.as_bytes()).as_bytes()
    });
    if accepted {
        Ok(Some(header_bytes))
    } else {
        Err(ConnectError::NotSocketIo(
            "its WebSocket answer has no valid Sec-WebSocket-Accept".into(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_checked_once_it_is_whole() {
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nrest";
        assert!(matches!(
            check_answer(&answer.as_bytes()[..60], key),
            Ok(None)
        ));
        let header = check_answer(answer.as_bytes(), key).unwrap().unwrap();
        assert_eq!(&answer[header..], "rest");
        let error = check_answer(answer.replace("s3p", "xxx").as_bytes(), key).unwrap_err();
        assert!(
            error.to_string().contains("Sec-WebSocket-Accept"),
            "{error}"
        );
        let error = check_answer(b"HTTP/1.1 404 Not Found\r\n\r\nnope", key).unwrap_err();
        assert!(error.to_string().contains("404 Not Found nope"), "{error}");
        assert!(check_answer(b"220 smtp.example.com ESMTP\r\n", key).is_err());
    }

    #[tokio::test]
    async fn a_wrong_target_says_what_one_looks_like() {
        for url in [
            "localhost:3000",
            "https://localhost",
            "http://localhost:1/chat",
            "http://",
        ] {
            let error = Endpoint::resolve(url).await.unwrap_err().to_string();
            assert!(error.contains("http://host:port"), "{error}");
        }
    }
}

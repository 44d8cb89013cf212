//! A server that is written out in the test: frame by frame, byte by byte.

use std::future::Future;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tungstenite::handshake::derive_accept_key;

pub const OPEN: &str =
    r#"0{"sid":"e1","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;

/// Frames by their first byte: whole, or the beginning of a message.
pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const TEXT_BEGINS: u8 = 0x01;
pub const GOES_ON: u8 = 0x00;
pub const ENDS: u8 = 0x80;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// One connection of the server.
pub struct Peer {
    pub wire: Box<dyn Wire>,
    /// The head of the request.
    pub request: String,
}

/// Serves each connection by a script, on a free port.
pub async fn serve<F, S>(script: F) -> String
where
    F: Fn(Peer) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(script(Peer::new(Box::new(stream))));
        }
    });
    url
}

impl Peer {
    pub fn new(wire: Box<dyn Wire>) -> Self {
        Self {
            wire,
            request: String::new(),
        }
    }

    /// Reads the head of a request.
    pub async fn hear(&mut self) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.wire.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        self.request = String::from_utf8(head).unwrap();
    }

    /// The value of a header of the request.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Upgrades, with further headers.
    pub async fn upgrade(&mut self, headers: &str) {
        self.hear().await;
        let key = self.header("sec-websocket-key").unwrap_or_default();
        let accept = derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{headers}\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        self.raw(answer.as_bytes()).await;
    }

    /// Upgrades and greets as every server does.
    pub async fn greet(&mut self) {
        self.upgrade("").await;
        self.text(OPEN).await;
        let connect = self.next_text().await;
        let namespace = match connect.strip_prefix("40/") {
            Some(rest) => format!("/{},", rest.split_once(',').unwrap().0),
            None => String::new(),
        };
        self.text(&format!("40{namespace}{{\"sid\":\"s1\"}}")).await;
    }

    pub async fn raw(&mut self, bytes: &[u8]) {
        // Whoever has closed it is told by what it saw.
        let _ = self.wire.write_all(bytes).await;
        let _ = self.wire.flush().await;
    }

    pub async fn text(&mut self, text: &str) {
        self.frame(TEXT, text.as_bytes()).await;
    }

    pub async fn frame(&mut self, first: u8, payload: &[u8]) {
        self.raw(&frame(first, payload)).await;
    }

    /// The next frame of the client, unmasked; `None`: it has closed the connection.
    pub async fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.wire.read_u8().await.ok()?;
        let second = self.wire.read_u8().await.ok()?;
        assert!(second & 0x80 != 0, "a client masks its frames");
        let length = match second & 0x7f {
            126 => self.wire.read_u16().await.ok()?.into(),
            127 => self.wire.read_u64().await.ok()?,
            length => length.into(),
        };
        let mut mask = [0; 4];
        self.wire.read_exact(&mut mask).await.ok()?;
        let mut payload = vec![0; length as usize];
        self.wire.read_exact(&mut payload).await.ok()?;
        for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        Some((first, payload))
    }

    /// The next text of the client.
    pub async fn next_text(&mut self) -> String {
        match self.next_frame().await {
            Some((TEXT, payload)) => String::from_utf8(payload).unwrap(),
            Some((first, payload)) => format!("frame {first:#x} {payload:?}"),
            None => "(closed)".to_owned(),
        }
    }

    /// Reads whatever comes until the client closes.
    pub async fn drain(&mut self) {
        while self.next_frame().await.is_some() {}
    }
}

/// A server's frame.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(length as u8),
        length @ 126..65_536 => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

//! A connection by hand: bytes that no library would send, and as much of HTTP and WebSocket as it takes to send them.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

/// More than a stranger ever waits to read; the rest of an answer is not looked at.
const MOST: usize = 4 << 20;

/// One TCP connection, and what has been read of it and not been used.
pub struct Wire {
    pub tcp: TcpStream,
    input: Vec<u8>,
}

impl Wire {
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::on(TcpStream::connect(address).await?))
    }

    /// With as little room in its kernel as it may have: who does not read is felt soon.
    pub async fn narrow(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4096)?;
        Ok(Self::on(socket.connect(address).await?))
    }

    fn on(tcp: TcpStream) -> Self {
        Self {
            tcp,
            input: Vec::new(),
        }
    }

    /// Asks for a WebSocket, of the session with this key if there is one, and waits until it is open.
    pub async fn upgrade(&mut self, sid: Option<&str>) -> io::Result<()> {
        self.send(upgrade_request(sid).as_bytes()).await?;
        let head = self.until(b"\r\n\r\n").await?;
        if head.starts_with(b"HTTP/1.1 101 ") {
            Ok(())
        } else {
            Err(io::ErrorKind::ConnectionRefused.into())
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tcp.write_all(bytes).await
    }

    /// Sends these texts as WebSocket frames in one segment.
    pub async fn frames<T: AsRef<str>>(&mut self, texts: &[T]) -> io::Result<()> {
        let bytes: Vec<u8> = texts
            .iter()
            .flat_map(|text| frame(0x81, text.as_ref().as_bytes()))
            .collect();
        self.send(&bytes).await
    }

    /// Reads until these bytes come, and gives everything up to their end.
    pub async fn until(&mut self, wanted: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self
                .input
                .windows(wanted.len())
                .position(|window| window == wanted)
            {
                let rest = self.input.split_off(at + wanted.len());
                return Ok(std::mem::replace(&mut self.input, rest));
            }
            self.read().await?;
        }
    }

    /// One HTTP exchange: the status and the body.
    pub async fn exchange(&mut self, request: &str) -> io::Result<(u16, Vec<u8>)> {
        self.send(request.as_bytes()).await?;
        let head = self.until(b"\r\n\r\n").await?;
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .ok_or(io::ErrorKind::InvalidData)?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let body = match length {
            Some(length) => self.exactly(length).await?,
            // Chunks as they come: nobody here looks further.
            None if head.contains("transfer-encoding: chunked") => self.until(b"0\r\n\r\n").await?,
            None => Vec::new(),
        };
        Ok((status, body))
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.input.len() < length {
            self.read().await?;
        }
        let rest = self.input.split_off(length);
        Ok(std::mem::replace(&mut self.input, rest))
    }

    async fn read(&mut self) -> io::Result<()> {
        if self.input.len() > MOST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        match self.tcp.read_buf(&mut self.input).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// The head that asks for a WebSocket.
pub fn upgrade_request(sid: Option<&str>) -> String {
    let sid = sid.map_or_else(String::new, |sid| format!("&sid={sid}"));
    format!(
        "GET /socket.io/?EIO=4&transport=websocket{sid} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
}

/// A request of the polling transport.
pub fn polling(method: &str, sid: Option<&str>, body: &str) -> String {
    let sid = sid.map_or_else(String::new, |sid| format!("&sid={sid}"));
    format!(
        "{method} /socket.io/?EIO=4&transport=polling{sid} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A masked frame, of a mask that changes nothing.
pub fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![head];
    match payload.len() {
        length @ ..126 => frame.push(0x80 | length as u8),
        length @ ..65_536 => {
            frame.push(0xfe);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0xff);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

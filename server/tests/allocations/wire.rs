//! A client that blocks: it lives in another thread than the server, whose allocations are counted.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A guard against hanging.
const GUARD: Duration = Duration::from_secs(30);

/// One WebSocket.
pub struct Wire {
    tcp: TcpStream,
    input: Vec<u8>,
}

impl Wire {
    /// Logs in with a token, which is the user's id.
    pub fn login(address: SocketAddr, token: &str) -> Self {
        let mut wire = Self {
            tcp: connect(address),
            input: Vec::new(),
        };
        let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
            Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        wire.tcp.write_all(request.as_bytes()).unwrap();
        while !wire.input.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            wire.tcp.read_exact(&mut byte).unwrap();
            wire.input.push(byte[0]);
        }
        wire.input.clear();
        wire.hear("0{");
        wire.say(&format!("40{{\"token\":\"{token}\"}}"));
        wire.hear("40{");
        wire
    }

    /// Sends a text, shorter than 64 KiB.
    pub fn say(&mut self, text: &str) {
        self.say_all(&[text]);
    }

    /// Sends several at once, with masks that change nothing.
    pub fn say_all(&mut self, texts: &[&str]) {
        let mut frames = Vec::new();
        for text in texts {
            frames.extend([0x81, 0xfe]);
            frames.extend((text.len() as u16).to_be_bytes());
            frames.extend([0; 4]);
            frames.extend(text.as_bytes());
        }
        self.tcp.write_all(&frames).unwrap();
    }

    /// Waits for the next text that is no ping. It begins like this.
    pub fn hear(&mut self, begins: &str) -> String {
        loop {
            let text = self.text();
            if text == "2" {
                self.say("3");
                continue;
            }
            assert!(text.starts_with(begins), "{text}");
            return text;
        }
    }

    fn text(&mut self) -> String {
        let length = match self.bytes(2)[1] {
            126 => self
                .bytes(2)
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
            length => usize::from(length),
        };
        String::from_utf8(self.bytes(length)).unwrap()
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut buffer = [0; 4096];
        while self.input.len() < count {
            let read = self.tcp.read(&mut buffer).unwrap();
            assert!(read > 0, "the server has gone");
            self.input.extend(&buffer[..read]);
        }
        let rest = self.input.split_off(count);
        std::mem::replace(&mut self.input, rest)
    }
}

/// GET of a path: the whole answer.
pub fn get(address: SocketAddr, path: &str) -> String {
    let mut tcp = connect(address);
    write!(
        tcp,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    answer
}

fn connect(address: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect(address).unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp.set_read_timeout(Some(GUARD)).unwrap();
    tcp
}

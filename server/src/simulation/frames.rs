//! As much of HTTP and WebSocket as a simulated client speaks.

/// What came from the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// The status of the answer to the upgrade.
    Status(u16),
    /// A text frame.
    Text(String),
    /// The frame that ends a WebSocket.
    Close,
}

/// Takes bytes in pieces of any size.
#[derive(Debug, Default)]
pub struct FrameReader {
    bytes: Vec<u8>,
    is_open: bool,
}

impl FrameReader {
    pub fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole item.
    pub fn next(&mut self) -> Option<Item> {
        if !self.is_open {
            let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
            let head: Vec<u8> = self.bytes.drain(..end + 4).collect();
            let status = head.get(9..12)?;
            let status = std::str::from_utf8(status).ok()?.parse().ok()?;
            self.is_open = true;
            return Some(Item::Status(status));
        }
        let (&[head, short], rest) = self.bytes.split_first_chunk()?;
        let (length, begin) = match short {
            126 => {
                let (length, _) = rest.split_first_chunk()?;
                (usize::from(u16::from_be_bytes(*length)), 4)
            }
            127 => {
                let (length, _) = rest.split_first_chunk()?;
                (usize::try_from(u64::from_be_bytes(*length)).ok()?, 10)
            }
            length => (usize::from(length), 2),
        };
        if self.bytes.len() < begin + length {
            return None;
        }
        let payload = self.bytes[begin..begin + length].to_vec();
        self.bytes.drain(..begin + length);
        match head & 0x0f {
            1 => String::from_utf8(payload).ok().map(Item::Text),
            8 => Some(Item::Close),
            _ => self.next(),
        }
    }
}

/// The answer to a request over HTTP.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Takes answers in pieces of any size, as servers give them that know how long they are.
#[derive(Debug, Default)]
pub struct AnswerReader {
    bytes: Vec<u8>,
}

impl AnswerReader {
    pub fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole answer.
    pub fn next(&mut self) -> Option<Answer> {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&self.bytes[..end]).ok()?;
        let status = head.get(9..12)?.parse().ok()?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse().ok()).flatten()
        });
        let length: usize = length.unwrap_or(0);
        if self.bytes.len() < end + length {
            return None;
        }
        let body = self.bytes[end..end + length].to_vec();
        self.bytes.drain(..end + length);
        let body = String::from_utf8(body).ok()?;
        Some(Answer { status, body })
    }
}

/// A request of the polling transport, of the session with this key if there is one.
pub fn polling_request(method: &str, sid: Option<&str>, body: &str) -> Vec<u8> {
    let sid = sid.map_or_else(String::new, |sid| format!("&sid={sid}"));
    format!(
        "{method} /socket.io/?EIO=4&transport=polling{sid} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The request that asks for a WebSocket.
pub fn upgrade_request() -> Vec<u8> {
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
      Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        .to_vec()
}

/// A text frame under a mask that changes nothing.
pub fn text(payload: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match payload.len() {
        length @ ..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend_from_slice(payload.as_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_in_pieces_of_any_size() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 400 Bad\r\ncontent-length: 0\r\n\r\n";
        for size in [1, 7, bytes.len()] {
            let mut reader = AnswerReader::default();
            let mut answers = Vec::new();
            for piece in bytes.chunks(size) {
                reader.take(piece);
                answers.extend(std::iter::from_fn(|| reader.next()));
            }
            let read = answers
                .iter()
                .map(|answer| (answer.status, answer.body.as_str()));
            assert_eq!(read.collect::<Vec<_>>(), [(200, "hello"), (400, "")]);
        }
    }

    #[test]
    fn frames_are_read_in_pieces_of_any_size() {
        let mut bytes = b"HTTP/1.1 101 Switching Protocols\r\nx: y\r\n\r\n".to_vec();
        let long = "x".repeat(70_000);
        for (payload, head) in [
            ("hi".to_owned(), vec![0x81, 2]),
            ("y".repeat(300), vec![0x81, 126, 1, 44]),
            (long.clone(), vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]),
        ] {
            bytes.extend(head);
            bytes.extend(payload.into_bytes());
        }
        bytes.extend([0x88, 0]);
        for size in [1, 7, 1000, bytes.len()] {
            let mut reader = FrameReader::default();
            let mut items = Vec::new();
            for piece in bytes.chunks(size) {
                reader.take(piece);
                items.extend(std::iter::from_fn(|| reader.next()));
            }
            let texts = ["hi".to_owned(), "y".repeat(300), long.clone()].map(Item::Text);
            assert_eq!(items[0], Item::Status(101));
            assert_eq!(items[1..4], texts);
            assert_eq!(items[4..], [Item::Close]);
        }
    }
}

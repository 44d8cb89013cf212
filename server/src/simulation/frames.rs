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

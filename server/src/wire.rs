//! What goes out on a WebSocket, as seen by the connection that writes it: which packets of ours are written.

/// A frame's opcode for text.
const TEXT: u8 = 1;
/// The longest head of a frame that a server sends: two bytes and a length of eight.
const LONGEST_HEAD: usize = 10;
/// How the head of the answer begins after which the frames come.
const SWITCHING: &[u8] = b"HTTP/1.1 101";
/// How a packet begins that tells a client that it is connected.
const CONNECTED: &[u8; 2] = b"40";
const HEAD_END: &[u8] = b"\r\n\r\n";

/// Reads the bytes that are written to a WebSocket, in pieces of any size, and counts frames that carry an event or an
/// acknowledgement of Socket.IO. Frames of a server are not masked, so only heads and first bytes are looked at.
#[derive(Debug)]
pub struct Wire {
    place: Place,
    has_connected: bool,
}

#[derive(Debug)]
enum Place {
    /// Before the frames: so many bytes of these two texts were found.
    Http { switching: usize, end: usize },
    /// In a frame's head.
    Head {
        bytes: [u8; LONGEST_HEAD],
        got: usize,
    },
    /// In a frame's payload.
    Payload {
        is_text: bool,
        /// The first two bytes: an Engine.IO message that is an event or an acknowledgement?
        begins: [u8; 2],
        got: u64,
        length: u64,
    },
}

const NEXT_FRAME: Place = Place::Head {
    bytes: [0; LONGEST_HEAD],
    got: 0,
};

impl Default for Wire {
    fn default() -> Self {
        Self {
            place: Place::Http {
                switching: 0,
                end: 0,
            },
            has_connected: false,
        }
    }
}

impl Wire {
    /// So many packets of ours end within these bytes, which come after those before.
    pub fn written(&mut self, mut bytes: &[u8]) -> usize {
        let mut packets = 0;
        while let Some((&first, rest)) = bytes.split_first() {
            match &mut self.place {
                Place::Http { switching, end } => {
                    if *switching < SWITCHING.len() {
                        *switching = advance(SWITCHING, *switching, first);
                    } else {
                        *end = advance(HEAD_END, *end, first);
                    }
                    if *end == HEAD_END.len() {
                        self.place = NEXT_FRAME;
                    }
                    bytes = rest;
                }
                Place::Head { bytes: head, got } => {
                    head[*got] = first;
                    *got += 1;
                    if let Some(length) = payload_length(&head[..*got]) {
                        let is_text = head[0] & 0x0f == TEXT;
                        self.enter(is_text, length);
                    }
                    bytes = rest;
                }
                Place::Payload {
                    begins,
                    got,
                    length,
                    is_text,
                } => {
                    let here = (*length - *got).min(bytes.len() as u64);
                    for at in *got..2.min(*got + here) {
                        begins[at as usize] = bytes[(at - *got) as usize];
                    }
                    *got += here;
                    bytes = &bytes[here as usize..];
                    if got == length {
                        packets += usize::from(*is_text && is_ours(begins));
                        self.has_connected |= *is_text && begins == CONNECTED;
                        self.place = NEXT_FRAME;
                    }
                }
            }
        }
        packets
    }

    /// Whether the next byte begins a frame.
    #[must_use]
    pub const fn is_between_frames(&self) -> bool {
        matches!(self.place, Place::Head { got: 0, .. })
    }

    /// Whether a client was told that it is connected, since this was asked last.
    pub const fn has_connected(&mut self) -> bool {
        std::mem::replace(&mut self.has_connected, false)
    }

    fn enter(&mut self, is_text: bool, length: u64) {
        self.place = if length == 0 {
            NEXT_FRAME
        } else {
            Place::Payload {
                is_text,
                begins: [0; 2],
                got: 0,
                length,
            }
        };
    }
}

/// How many packets of ours an answer to a poll holds.
#[must_use]
pub fn packets_of_poll(body: &[u8]) -> usize {
    body.split(|byte| *byte == SEPARATOR)
        .filter(|packet| is_ours(packet))
        .count()
}

/// What separates packets in the body of a request or an answer.
pub const SEPARATOR: u8 = 0x1e;

fn is_ours(packet: &[u8]) -> bool {
    packet.starts_with(b"42") || packet.starts_with(b"43")
}

/// How many bytes of `text` are found once `byte` has come. Both texts repeat only their first byte, which is enough.
fn advance(text: &[u8], found: usize, byte: u8) -> usize {
    if text[found] == byte {
        found + 1
    } else if text[..2] == [b'\r', b'\n'] && byte == b'\r' {
        1
    } else {
        usize::from(text[0] == byte)
    }
}

/// The length of the payload, once the head is complete.
fn payload_length(head: &[u8]) -> Option<u64> {
    let (first, rest) = (head.get(1)? & 0x7f, &head[2..]);
    match first {
        126 => Some(u64::from(u16::from_be_bytes(rest.try_into().ok()?))),
        127 => Some(u64::from_be_bytes(rest.try_into().ok()?)),
        length => Some(u64::from(length)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
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

    fn packet() -> impl Strategy<Value = (u8, Vec<u8>)> {
        let begins = prop_oneof![
            Just("42[\"e\",{}]"),
            Just("43"),
            Just("40{}"),
            Just("2"),
            Just(""),
            Just("44{}"),
            Just("4"),
        ];
        let length = prop_oneof![0_usize..20, 100_usize..200, 60_000_usize..70_000];
        (prop_oneof![4 => Just(1_u8), 1 => 2_u8..=10], begins, length).prop_map(
            |(opcode, begins, length)| {
                let mut payload = begins.as_bytes().to_vec();
                payload.extend(std::iter::repeat_n(b'x', length));
                (opcode, payload)
            },
        )
    }

    proptest! {
        /// However the bytes are cut into pieces, the packets of ours are counted, each where its last byte is.
        #[test]
        fn packets_are_counted_however_the_bytes_are_cut(
            packets in proptest::collection::vec(packet(), 0..10),
            cuts in proptest::collection::vec(1_usize..5000, 1..50),
        ) {
            let mut bytes = b"HTTP/1.1 200 OK\r\n\r\nbody\r\nHTTP/1.1 101 Switching Protocols\r\nA: b\r\r\n\r\n".to_vec();
            let mut wanted = 0;
            for (opcode, payload) in &packets {
                bytes.extend(frame(*opcode, payload));
                wanted += usize::from(*opcode == TEXT && is_ours(payload));
            }
            let (mut wire, mut counted, mut rest) = (Wire::default(), 0, &bytes[..]);
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                counted += wire.written(piece);
                rest = after;
            }
            prop_assert_eq!(counted, wanted);
        }
    }

    #[test]
    fn an_answer_to_a_poll_is_counted() {
        assert_eq!(packets_of_poll(b"42[\"a\"]\x1e2\x1e431[]\x1e40{}\x1e1"), 2);
        assert_eq!(packets_of_poll(b""), 0);
    }
}

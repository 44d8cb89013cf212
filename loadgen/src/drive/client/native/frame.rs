//! WebSocket frames (RFC 6455) of a client, decoded in place from a shared read buffer.

/// The most that a message may have; the server's own limit is 1 MB.
const MOST_BYTES: usize = 4 << 20;
/// A connection keeps no more than this for the next incomplete frame.
const KEPT_BYTES: usize = 4 << 10;

/// What a frame says.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    Text(&'a str),
    Ping(&'a [u8]),
    Close(Option<u16>),
}

/// Puts frames together from reads that end anywhere; holds memory only for what is incomplete.
#[derive(Default)]
pub struct Decoder {
    partial: Vec<u8>,
    fragments: Vec<u8>,
    in_message: bool,
}

impl Decoder {
    /// Decodes what `input` completes and hands each frame over, in order.
    ///
    /// # Errors
    /// What violates the protocol. Nothing more can be decoded afterwards.
    pub fn feed(&mut self, input: &[u8], mut each: impl FnMut(Frame<'_>)) -> Result<(), String> {
        if self.partial.is_empty() {
            let used = self.consume(input, &mut each)?;
            self.partial.extend_from_slice(&input[used..]);
            return Ok(());
        }
        let mut pending = std::mem::take(&mut self.partial);
        pending.extend_from_slice(input);
        let used = self.consume(&pending, &mut each)?;
        pending.drain(..used);
        if pending.is_empty() && pending.capacity() > KEPT_BYTES {
            pending = Vec::new();
        }
        self.partial = pending;
        Ok(())
    }

    /// Decodes whole frames and returns how many bytes they took.
    fn consume(&mut self, input: &[u8], each: &mut impl FnMut(Frame<'_>)) -> Result<usize, String> {
        let mut used = 0;
        while let Some(header) = Header::parse(&input[used..])? {
            let start = used + header.bytes;
            let Some(payload) = input.get(start..start + header.length) else {
                break;
            };
            used = start + header.length;
            self.frame(&header, payload, each)?;
        }
        Ok(used)
    }

    fn frame(
        &mut self,
        header: &Header,
        payload: &[u8],
        each: &mut impl FnMut(Frame<'_>),
    ) -> Result<(), String> {
        match (header.opcode, header.fin) {
            (OPCODE_TEXT, true) if !self.in_message => each(Frame::Text(text(payload)?)),
            (OPCODE_TEXT, false) if !self.in_message => {
                self.in_message = true;
                self.fragments.extend_from_slice(payload);
            }
            (OPCODE_CONTINUATION, fin) if self.in_message => {
                if self.fragments.len() + payload.len() > MOST_BYTES {
                    return Err(format!("a message of more than {MOST_BYTES} bytes"));
                }
                self.fragments.extend_from_slice(payload);
                if fin {
                    self.in_message = false;
                    let whole = std::mem::take(&mut self.fragments);
                    each(Frame::Text(text(&whole)?));
                }
            }
            (OPCODE_PING, true) => each(Frame::Ping(payload)),
            (OPCODE_PONG, true) => {}
            (OPCODE_CLOSE, true) => each(Frame::Close(match payload {
                [high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
                _ => None,
            })),
            (opcode, fin) => {
                return Err(format!(
                    "unexpected WebSocket frame, opcode {opcode:#x}{}",
                    if fin { "" } else { ", fragmented" }
                ));
            }
        }
        Ok(())
    }
}

fn text(payload: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(payload).map_err(|error| format!("text frame is not UTF-8: {error}"))
}

const OPCODE_CONTINUATION: u8 = 0x0;
const OPCODE_TEXT: u8 = 0x1;
const OPCODE_CLOSE: u8 = 0x8;
const OPCODE_PING: u8 = 0x9;
const OPCODE_PONG: u8 = 0xA;

struct Header {
    fin: bool,
    opcode: u8,
    length: usize,
    bytes: usize,
}

impl Header {
    fn parse(input: &[u8]) -> Result<Option<Self>, String> {
        let &[first, second, ref rest @ ..] = input else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err("a reserved bit is set, and no extension was agreed on".into());
        }
        if second & 0x80 != 0 {
            return Err("the server masked a frame".into());
        }
        let (length, bytes) = match (second & 0x7f, rest) {
            (126, &[a, b, ..]) => (u64::from(u16::from_be_bytes([a, b])), 4),
            (127, &[a, b, c, d, e, f, g, h, ..]) => {
                (u64::from_be_bytes([a, b, c, d, e, f, g, h]), 10)
            }
            (126 | 127, _) => return Ok(None),
            (length, _) => (u64::from(length), 2),
        };
        if length > MOST_BYTES as u64 {
            return Err(format!("a frame of {length} bytes"));
        }
        Ok(Some(Self {
            fin: first & 0x80 != 0,
            opcode: first & 0x0f,
            length: length as usize,
            bytes,
        }))
    }
}

/// Appends a masked text frame.
pub fn write_text(out: &mut Vec<u8>, payload: &[u8], mask: [u8; 4]) {
    write(out, OPCODE_TEXT, payload, mask);
}

/// Appends a masked pong.
pub fn write_pong(out: &mut Vec<u8>, payload: &[u8], mask: [u8; 4]) {
    write(out, OPCODE_PONG, payload, mask);
}

/// Appends a masked close frame with status 1000 (normal).
pub fn write_close(out: &mut Vec<u8>, mask: [u8; 4]) {
    write(out, OPCODE_CLOSE, &1000_u16.to_be_bytes(), mask);
}

fn write(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: [u8; 4]) {
    out.push(0x80 | opcode);
    match payload.len() {
        length @ 0..126 => out.push(0x80 | length as u8),
        length @ 126..65_536 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    // Whole chunks first: the compiler turns this into vector instructions.
    let mut chunks = out[start..].chunks_exact_mut(4);
    for chunk in &mut chunks {
        for (byte, mask) in chunk.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
    for (byte, mask) in chunks.into_remainder().iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tungstenite::protocol::{
        Message, Role, WebSocket, WebSocketConfig,
        frame::{
            Frame as OracleFrame,
            coding::{Data, OpCode},
        },
    };

    use super::*;

    /// What a decoder made of its input, owned.
    fn decode(pieces: &[&[u8]]) -> Result<Vec<String>, String> {
        let mut decoder = Decoder::default();
        let mut seen = Vec::new();
        for piece in pieces {
            decoder.feed(piece, |frame| {
                seen.push(match frame {
                    Frame::Text(text) => text.to_owned(),
                    other => format!("{other:?}"),
                });
            })?;
        }
        Ok(seen)
    }

    /// The frames of another implementation.
    fn oracle_frames(texts: &[String]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for text in texts {
            OracleFrame::message(text.clone(), OpCode::Data(Data::Text), true)
                .format(&mut bytes)
                .unwrap();
        }
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn frames_of_another_implementation_are_read_however_the_reads_are_cut(
            texts in prop::collection::vec(".{0,300}", 0..5), cuts in prop::collection::vec(0usize..1000, 0..6),
        ) {
            let bytes = oracle_frames(&texts);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            prop_assert_eq!(decode(&pieces), Ok(texts));
        }

        #[test]
        fn another_implementation_reads_our_frames(text in prop_oneof![".{0,300}", "[a-z]{65500,65600}"], mask: [u8; 4]) {
            let mut bytes = Vec::new();
            write_text(&mut bytes, text.as_bytes(), mask);
            let mut oracle = WebSocket::from_raw_socket(
                std::io::Cursor::new(bytes), Role::Server, None::<WebSocketConfig>,
            );
            prop_assert_eq!(oracle.read().unwrap(), Message::text(text));
        }

        #[test]
        fn nothing_that_comes_makes_it_panic(bytes: Vec<u8>, cut: prop::sample::Index) {
            let cut = cut.index(bytes.len() + 1);
            let _ = decode(&[&bytes[..cut], &bytes[cut..]]);
        }
    }

    #[test]
    fn a_fragmented_message_is_put_together_around_a_ping() {
        let bytes = [&[0x01, 2][..], b"ab", &[0x89, 1], b"p", &[0x80, 1], b"c"].concat();
        assert_eq!(
            decode(&[&bytes]),
            Ok(vec!["Ping([112])".to_owned(), "abc".to_owned()])
        );
    }

    #[test]
    fn violations_are_named() {
        assert!(
            decode(&[&[0x81, 0x80, 0, 0, 0, 0]])
                .unwrap_err()
                .contains("masked")
        );
        assert!(decode(&[&[0xc1, 0]]).unwrap_err().contains("reserved"));
        assert!(decode(&[&[0x82, 0]]).unwrap_err().contains("0x2"));
        assert!(
            decode(&[&[0x81, 127, 0xff, 0, 0, 0, 0, 0, 0, 0]])
                .unwrap_err()
                .contains("bytes")
        );
    }
}

//! WebSocket frames (RFC 6455) of a client, decoded in place from a shared read buffer.

use crate::observed::Closed;

/// The most that a message may have: 16 MiB.
pub const MOST_BYTES: usize = 16 << 20;
/// The most that a control frame may have (RFC 6455, 5.5).
const MOST_CONTROL_BYTES: usize = 125;
/// A connection keeps no more than this for the next incomplete frame.
const KEPT_BYTES: usize = 4 << 10;

/// What a frame says.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    /// With its code and its reason.
    Close(Option<u16>, &'a str),
}

/// Puts frames together from reads that end anywhere; holds memory only for what is incomplete.
#[derive(Default)]
pub struct Decoder {
    partial: Vec<u8>,
    fragments: Vec<u8>,
    /// The opcode of the message whose fragments come.
    in_message: Option<u8>,
}

impl Decoder {
    /// Decodes what `input` completes and hands each frame over, in order.
    ///
    /// # Errors
    /// What violates the protocol, or is longer than is read here. Nothing more can be decoded afterwards.
    pub fn feed(&mut self, input: &[u8], mut each: impl FnMut(Frame<'_>)) -> Result<(), Closed> {
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
    fn consume(&mut self, input: &[u8], each: &mut impl FnMut(Frame<'_>)) -> Result<usize, Closed> {
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
    ) -> Result<(), Closed> {
        match (header.opcode, header.fin, self.in_message) {
            (OPCODE_TEXT | OPCODE_BINARY, true, None) => each(data(header.opcode, payload)?),
            (OPCODE_TEXT | OPCODE_BINARY, false, None) => {
                self.in_message = Some(header.opcode);
                self.fragments.extend_from_slice(payload);
            }
            (OPCODE_CONTINUATION, fin, Some(opcode)) => {
                let whole = self.fragments.len() + payload.len();
                if whole > MOST_BYTES {
                    return Err(too_long("a message", whole as u64));
                }
                self.fragments.extend_from_slice(payload);
                if fin {
                    self.in_message = None;
                    let whole = std::mem::take(&mut self.fragments);
                    each(data(opcode, &whole)?);
                }
            }
            (OPCODE_PING, true, _) => each(Frame::Ping(payload)),
            (OPCODE_PONG, true, _) => {}
            (OPCODE_CLOSE, true, _) => each(match payload {
                [high, low, reason @ ..] => Frame::Close(
                    Some(u16::from_be_bytes([*high, *low])),
                    std::str::from_utf8(reason).unwrap_or_default(),
                ),
                _ => Frame::Close(None, ""),
            }),
            (opcode, fin, _) => {
                return Err(Closed::Protocol(format!(
                    "unexpected WebSocket frame, opcode {opcode:#x}{}",
                    if fin { "" } else { ", fragmented" }
                )));
            }
        }
        Ok(())
    }
}

fn text(payload: &[u8]) -> Result<&str, Closed> {
    std::str::from_utf8(payload)
        .map_err(|error| Closed::Protocol(format!("text frame is not UTF-8: {error}")))
}

/// A whole message.
fn data(opcode: u8, payload: &[u8]) -> Result<Frame<'_>, Closed> {
    match opcode {
        OPCODE_TEXT => text(payload).map(Frame::Text),
        _ => Ok(Frame::Binary(payload)),
    }
}

fn too_long(what: &str, bytes: u64) -> Closed {
    Closed::Limit(format!(
        "{what} of {bytes} bytes, and {MOST_BYTES} (16 MiB) are the most that this program reads"
    ))
}

const OPCODE_CONTINUATION: u8 = 0x0;
const OPCODE_TEXT: u8 = 0x1;
const OPCODE_BINARY: u8 = 0x2;
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
    fn parse(input: &[u8]) -> Result<Option<Self>, Closed> {
        let against = |what: String| Err(Closed::Protocol(what));
        let &[first, second, ref rest @ ..] = input else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return against("a reserved bit is set, and no extension was agreed on".into());
        }
        if second & 0x80 != 0 {
            return against("the server masked a frame".into());
        }
        let (length, bytes) = match (second & 0x7f, rest) {
            (126, &[a, b, ..]) => (u64::from(u16::from_be_bytes([a, b])), 4),
            (127, &[a, b, c, d, e, f, g, h, ..]) => {
                (u64::from_be_bytes([a, b, c, d, e, f, g, h]), 10)
            }
            (126 | 127, _) => return Ok(None),
            (length, _) => (u64::from(length), 2),
        };
        if first & 0x08 != 0 && length > MOST_CONTROL_BYTES as u64 {
            return against(format!(
                "a WebSocket control frame of {length} bytes, and {MOST_CONTROL_BYTES} are the most"
            ));
        }
        if length >> 63 != 0 {
            return against(format!(
                "a WebSocket frame of {length} bytes, and 63 bits are the most"
            ));
        }
        if length > MOST_BYTES as u64 {
            return Err(too_long("a WebSocket frame", length));
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

/// The status of a close: normal.
pub const NORMAL: u16 = 1000;
/// The status of a close: what came is against the protocol.
pub const PROTOCOL_ERROR: u16 = 1002;
/// The status of a close: what came is too long.
pub const TOO_BIG: u16 = 1009;

/// Appends a masked close frame with a status.
pub fn write_close(out: &mut Vec<u8>, status: u16, mask: [u8; 4]) {
    write(out, OPCODE_CLOSE, &status.to_be_bytes(), mask);
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
            let fed = decoder.feed(piece, |frame| {
                seen.push(match frame {
                    Frame::Text(text) => text.to_owned(),
                    other => format!("{other:?}"),
                });
            });
            fed.map_err(|closed| closed.to_string())?;
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
        assert!(decode(&[&[0x83, 0]]).unwrap_err().contains("0x3"));
        assert!(decode(&[&[0x80, 0]]).unwrap_err().contains("0x0"));
        assert!(decode(&[&[0x09, 0]]).unwrap_err().contains("fragmented"));
        assert!(
            decode(&[&[0x81, 127, 0, 0, 0, 0, 0x01, 0, 0, 0x01]])
                .unwrap_err()
                .contains("16777217 bytes, and 16777216 (16 MiB) are the most")
        );
        for opcode in [0x88, 0x89, 0x8a] {
            let long = decode(&[&[opcode, 126, 0, 126]]).unwrap_err();
            assert!(long.contains("control frame of 126 bytes"), "{long}");
        }
    }

    #[test]
    fn messages_of_16_mib_are_read_whole_or_in_fragments() {
        let text = vec![b'a'; MOST_BYTES];
        let whole = [&[0x81, 127, 0, 0, 0, 0, 1, 0, 0, 0][..], &text].concat();
        assert_eq!(decode(&[&whole]).unwrap()[0].len(), MOST_BYTES);
        let half = [0x00, 0x80, 0, 0].map(|byte: u8| byte);
        let fragment =
            |opcode: u8| [&[opcode, 127, 0, 0, 0, 0][..], &half, &text[..8 << 20]].concat();
        let pieces = [fragment(0x01), fragment(0x80)];
        assert_eq!(
            decode(&[&pieces[0], &pieces[1]]).unwrap()[0].len(),
            MOST_BYTES
        );
        let pieces = [fragment(0x01), fragment(0x00), fragment(0x80)];
        let long = decode(&[&pieces[0], &pieces[1], &pieces[2]]).unwrap_err();
        assert!(long.contains("16 MiB"), "{long}");
    }

    #[test]
    fn binary_messages_and_the_reason_of_a_close_are_read() {
        let bytes = [&[0x02, 1, 7][..], &[0x80, 1, 8], &[0x82, 1, 9]].concat();
        let seen = decode(&[&bytes]);
        assert_eq!(
            seen,
            Ok(vec!["Binary([7, 8])".into(), "Binary([9])".into()])
        );
        let close = [&[0x88, 6, 0x03, 0xf0][..], b"full"].concat();
        assert_eq!(
            decode(&[&close]),
            Ok(vec!["Close(Some(1008), \"full\")".into()])
        );
        assert_eq!(decode(&[&[0x88, 0]]), Ok(vec!["Close(None, \"\")".into()]));
    }
}

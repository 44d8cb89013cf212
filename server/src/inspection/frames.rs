//! Where frames of a WebSocket begin and end, in pieces of any size.

use bytes::{BufMut as _, BytesMut};

use super::verdict::{LOOK, Verdict, judge, judge_binary};

/// The longest head: two bytes, a length of eight, a mask of four.
const LONGEST_HEAD: usize = 14;
const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// The head of a frame, as much of it as has come.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    bytes: [u8; LONGEST_HEAD],
    got: usize,
}

/// What a complete head says.
struct Shape {
    opcode: u8,
    mask: Option<[u8; 4]>,
    length: u64,
}

impl Head {
    fn push(&mut self, byte: u8) -> Option<Shape> {
        self.bytes[self.got] = byte;
        self.got += 1;
        let (&[first, second], rest) = self.bytes[..self.got].split_first_chunk()?;
        let (length, rest) = match second & 0x7f {
            126 => {
                let (length, rest) = rest.split_first_chunk()?;
                (u64::from(u16::from_be_bytes(*length)), rest)
            }
            127 => {
                let (length, rest) = rest.split_first_chunk()?;
                (u64::from_be_bytes(*length), rest)
            }
            length => (u64::from(length), rest),
        };
        let mask = if second & 0x80 == 0 {
            None
        } else {
            Some(*rest.first_chunk()?)
        };
        Some(Shape {
            opcode: first & 0x0f,
            mask,
            length,
        })
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.got]
    }
}

/// Frames that the library does not have, or not alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refused {
    /// Events whose acknowledgement could not be named.
    pub ack_ids: usize,
    /// Logins in another encoding.
    pub parsers: usize,
}

/// What a client sends.
#[derive(Debug)]
pub struct Incoming {
    place: Place,
    upgraded: bool,
}

#[derive(Debug)]
enum Place {
    Head(Head),
    /// In the beginning of a payload, which is held back with its head until it has been looked at.
    Beginning {
        head: Head,
        is_text: bool,
        mask: [u8; 4],
        length: u64,
        begins: [u8; LOOK],
        /// How many of these have come.
        got: usize,
    },
    /// In what is passed on, or left out.
    Rest {
        left: u64,
        passes: bool,
    },
}

impl Default for Incoming {
    fn default() -> Self {
        Self {
            place: Place::Head(Head::default()),
            upgraded: false,
        }
    }
}

impl Incoming {
    /// Whether the next byte begins a frame.
    pub fn is_between_frames(&self) -> bool {
        matches!(self.place, Place::Head(Head { got: 0, .. }))
    }

    /// Whether the packet has passed that ends an upgrade.
    pub const fn is_upgraded(&self) -> bool {
        self.upgraded
    }

    /// Looks at the next bytes: what the library is to have goes to `passed`, what the client is told to `answers`.
    pub fn take(
        &mut self,
        mut bytes: &[u8],
        passed: &mut BytesMut,
        answers: &mut BytesMut,
    ) -> Refused {
        let mut refused = Refused::default();
        while let Some((&first, after)) = bytes.split_first() {
            match &mut self.place {
                Place::Head(head) => {
                    bytes = after;
                    if let Some(shape) = head.push(first) {
                        self.place = begin(*head, &shape, passed);
                    }
                }
                Place::Beginning {
                    length,
                    begins,
                    got,
                    ..
                } => {
                    let wanted = (*length).min(LOOK as u64) as usize - *got;
                    let here = wanted.min(bytes.len());
                    begins[*got..*got + here].copy_from_slice(&bytes[..here]);
                    *got += here;
                    bytes = &bytes[here..];
                    if here == wanted {
                        self.looked_at(passed, answers, &mut refused);
                    }
                }
                Place::Rest { left, passes } => {
                    let here = (*left).min(bytes.len() as u64) as usize;
                    if *passes {
                        passed.put_slice(&bytes[..here]);
                    }
                    bytes = &bytes[here..];
                    *left -= here as u64;
                    if *left == 0 {
                        self.place = Place::Head(Head::default());
                    }
                }
            }
        }
        refused
    }

    fn looked_at(&mut self, passed: &mut BytesMut, answers: &mut BytesMut, refused: &mut Refused) {
        let Place::Beginning {
            head,
            is_text,
            mask,
            length,
            begins,
            got,
        } = &mut self.place
        else {
            return;
        };
        let begins = &mut begins[..*got];
        let masked = |begins: &mut [u8]| {
            for (byte, key) in begins.iter_mut().zip(mask.iter().cycle()) {
                *byte ^= key;
            }
        };
        masked(begins);
        let is_whole = begins.len() as u64 == *length;
        self.upgraded |= *is_text && *begins == *b"5";
        let verdict = if *is_text {
            judge(begins, is_whole)
        } else {
            judge_binary(begins)
        };
        let passes = match verdict {
            Verdict::Pass => true,
            Verdict::Refuse => {
                // No packet begins like this: the library ends the session, and says why.
                begins[0] = b'9';
                true
            }
            Verdict::Answer(text) => {
                put_frame(answers, TEXT, text.as_bytes());
                refused.ack_ids += 1;
                false
            }
            Verdict::AnswerAndPass(bytes) => {
                put_frame(answers, BINARY, &bytes);
                refused.parsers += 1;
                true
            }
        };
        if passes {
            masked(begins);
            passed.put_slice(head.bytes());
            passed.put_slice(begins);
        }
        let left = *length - begins.len() as u64;
        self.place = rest(left, passes);
    }
}

fn begin(head: Head, shape: &Shape, passed: &mut BytesMut) -> Place {
    match *shape {
        Shape {
            opcode: opcode @ (TEXT | BINARY),
            mask: Some(mask),
            length: length @ 1..,
        } => Place::Beginning {
            head,
            is_text: opcode == TEXT,
            mask,
            length,
            begins: [0; LOOK],
            got: 0,
        },
        Shape { length, .. } => {
            passed.put_slice(head.bytes());
            rest(length, true)
        }
    }
}

fn rest(left: u64, passes: bool) -> Place {
    if left == 0 {
        Place::Head(Head::default())
    } else {
        Place::Rest { left, passes }
    }
}

/// A frame of the server; ours are short.
fn put_frame(out: &mut BytesMut, opcode: u8, payload: &[u8]) {
    out.put_u8(0x80 | opcode);
    match u8::try_from(payload.len()) {
        Ok(length @ 0..126) => out.put_u8(length),
        _ => {
            out.put_u8(126);
            out.put_u16(payload.len().min(usize::from(u16::MAX)) as u16);
        }
    }
    out.put_slice(payload);
}

/// What the library sends.
#[derive(Debug, Default)]
pub struct Outgoing {
    head: Head,
    left: u64,
}

impl Outgoing {
    /// Whether the next byte begins a frame.
    pub const fn is_between_frames(&self) -> bool {
        self.left == 0 && self.head.got == 0
    }

    /// How many of these bytes, which come next, belong to the frame that the first of them is in.
    pub fn rest_of_frame(&self, bytes: &[u8]) -> usize {
        let (mut head, mut left) = (self.head, self.left);
        for (at, &byte) in bytes.iter().enumerate() {
            if left > 0 {
                return bytes
                    .len()
                    .min(at + usize::try_from(left).unwrap_or(usize::MAX));
            }
            if let Some(shape) = head.push(byte) {
                (head, left) = (Head::default(), shape.length);
                if left == 0 {
                    return at + 1;
                }
            }
        }
        bytes.len()
    }

    /// These bytes were written.
    pub fn written(&mut self, mut bytes: &[u8]) {
        while let Some((&first, after)) = bytes.split_first() {
            if self.left > 0 {
                let here = self.left.min(bytes.len() as u64);
                self.left -= here;
                bytes = &bytes[here as usize..];
            } else {
                bytes = after;
                if let Some(shape) = self.head.push(first) {
                    (self.head, self.left) = (Head::default(), shape.length);
                }
            }
        }
    }
}

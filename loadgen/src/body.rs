//! Message bodies: a marker that says which message of which run it is, and text to the planned size.

use std::fmt::Write as _;

/// Bytes of the marker, the least size of a body: `lg1:<run>:<message>:`.
pub const LEAST_BYTES: usize = 22;
/// The most that the server takes by default (64 KiB).
pub const MOST_BYTES: usize = 64 << 10;

const PREFIX: &str = "lg1:";

/// The text that all bodies are cut from: it has characters of one to four bytes, quotes and a backslash, since
/// a transport that mangles any of these must be found out.
const TEXT: &str = "The quick brown fox — “déjà vu”, naïve café: 東京で会いましょう 🚀 \"quoted\" \\ and <b>plain</b>. ";

/// Eight random hexadecimal digits that tell this run's messages from those of any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunId(String);

impl RunId {
    /// From a random number.
    pub fn new(random: u32) -> Self {
        Self(format!("{random:08x}"))
    }

    /// What every body of this run begins with.
    pub fn body_prefix(&self) -> String {
        format!("{PREFIX}{}:", self.0)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Writes the body of one message: exactly `bytes` long, the same for the same arguments.
pub fn write(out: &mut String, run: &RunId, message: u32, bytes: usize) {
    let start = out.len();
    // Writing to a String can't fail.
    let _ = write!(out, "{PREFIX}{}:{message:08x}:", run.0);
    let mut at = text_start(message);
    while out.len() - start < bytes {
        let room = bytes - (out.len() - start);
        let piece = &TEXT[at..TEXT.floor_char_boundary(at + room)];
        if piece.is_empty() {
            // The next character is wider than the room left: blanks keep the size exact.
            out.extend(std::iter::repeat_n(' ', room));
            break;
        }
        out.push_str(piece);
        at = (at + piece.len()) % TEXT.len();
    }
}

/// Which message of this run a body belongs to; `None` for any other text.
pub fn message_of(run: &RunId, body: &str) -> Option<u32> {
    let digits = body
        .strip_prefix(PREFIX)?
        .strip_prefix(run.0.as_str())?
        .strip_prefix(':')?
        .get(..9)?
        .strip_suffix(':')?;
    u32::from_str_radix(digits, 16).ok()
}

/// Where in the text a message's filler begins, so that neighbours differ.
fn text_start(message: u32) -> usize {
    TEXT.floor_char_boundary(message as usize * 7 % TEXT.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_body_has_its_size_and_is_recognised(run: u32, message: u32, bytes in LEAST_BYTES..5_000) {
            let run = RunId::new(run);
            let mut body = String::new();
            write(&mut body, &run, message, bytes);
            prop_assert_eq!(body.len(), bytes);
            prop_assert_eq!(message_of(&run, &body), Some(message));
            prop_assert!(body.starts_with(&run.body_prefix()));
        }

        #[test]
        fn foreign_text_is_nobodys(text in ".*", run: u32, other: u32, message: u32) {
            let run = RunId::new(run);
            prop_assert_eq!(message_of(&run, &text), None);
            prop_assume!(run != RunId::new(other));
            let mut body = String::new();
            write(&mut body, &RunId::new(other), message, 80);
            prop_assert_eq!(message_of(&run, &body), None);
        }
    }
}

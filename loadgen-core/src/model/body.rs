//! Message bodies: a marker that says which message of which run it is, and text to the planned size.

use std::fmt::Write as _;

use std::sync::Arc;

/// Bytes of the marker, the least size of a body: `lg1:<run>:<message>:`.
pub const LEAST_BYTES: usize = 22;
/// The most that the server takes by default (64 KiB).
pub const MOST_BYTES: usize = 64 << 10;

/// The same of one byte each.
const ASCII: &str = "The quick brown fox jumps over the lazy dog, and 1234567890 others look on. ";

const PREFIX: &str = "lg1:";

/// Text that bodies are cut from: it has characters of one to four bytes, quotes and a backslash, a mark that combines with the
/// letter before it, a fraction, an ampersand, a tab and the end of a line, since a transport or a store that mangles any of these,
/// or writes them in another form of Unicode, must be found out.
const MIXED: &str = "The quick brown fox — “déjà vu”, naïve café & cafe\u{301} ½: 東京で会いましょう 🚀 \"quoted\"\t\\ and <b>plain</b>.\n";

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

    /// The eight digits, as results record them.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text of bodies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum BodyText {
    /// Characters of one to four bytes and of both forms of Unicode, quotes, a backslash, tabs and ends of lines: a transport or a
    /// store that mangles any of these is found out.
    #[default]
    Mixed,
    /// Letters, digits, blanks and plain punctuation.
    Ascii,
    /// Lines of a file, each a body of its own, taken in turn.
    Lines(Arc<[String]>),
}

/// Writes the body of one message: exactly `bytes` long, or the marker and a whole line; the same for the same
/// arguments.
pub fn write(out: &mut String, run: &RunId, message: u32, bytes: usize, text: &BodyText) {
    let start = out.len();
    // Writing to a String can't fail.
    let _ = write!(out, "{PREFIX}{}:{message:08x}:", run.0);
    let filler = match text {
        BodyText::Mixed => MIXED,
        BodyText::Ascii => ASCII,
        BodyText::Lines(lines) => return out.push_str(line(lines, message)),
    };
    // Neighbours begin at different places, so that a body can't pass for another one.
    let mut at = filler.floor_char_boundary(message as usize * 7 % filler.len());
    while out.len() - start < bytes {
        let room = bytes - (out.len() - start);
        let piece = &filler[at..filler.floor_char_boundary(at + room)];
        if piece.is_empty() {
            // The next character is wider than the room left: blanks keep the size exact.
            out.extend(std::iter::repeat_n(' ', room));
            break;
        }
        out.push_str(piece);
        at = (at + piece.len()) % filler.len();
    }
}

/// The bytes of a message's body that is a line of a file.
pub fn line_bytes(lines: &[String], message: u32) -> u32 {
    (LEAST_BYTES + line(lines, message).len()) as u32
}

/// Lines are taken in turn.
fn line(lines: &[String], message: u32) -> &str {
    match lines.len() {
        0 => "",
        count => &lines[message as usize % count],
    }
}

/// Which message of this run a body belongs to; `None` for any other text.
pub fn message_of(run: &RunId, body: &str) -> Option<u32> {
    let digits = body
        .strip_prefix(PREFIX)?
        .strip_prefix(run.0.as_str())?
        .strip_prefix(':')?;
    number(digits)
}

/// The number that stands behind [`RunId::body_prefix`]; `None` where there is none.
pub fn number(digits: &str) -> Option<u32> {
    u32::from_str_radix(digits.get(..9)?.strip_suffix(':')?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_body_has_its_size_and_is_recognised(run: u32, message: u32, bytes in LEAST_BYTES..5_000, mixed: bool) {
            let run = RunId::new(run);
            let mut body = String::new();
            let text = if mixed { BodyText::Mixed } else { BodyText::Ascii };
            write(&mut body, &run, message, bytes, &text);
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
            write(&mut body, &RunId::new(other), message, 80, &BodyText::Mixed);
            prop_assert_eq!(message_of(&run, &body), None);
        }
    }

    #[test]
    fn a_mixed_body_has_what_servers_mangle() {
        let mut body = String::new();
        write(&mut body, &RunId::new(7), 3, 200, &BodyText::Mixed);
        for mangled in [
            ("e\u{301}", "é"),
            ("½", "1\u{2044}2"),
            ("&", "&amp;"),
            ("<", "&lt;"),
            ("\n", "\r\n"),
            ("\n", " "),
            ("\t", " "),
            ("\\", "\\\\"),
            ("\"", "'"),
            ("🚀", "\u{fffd}"),
        ] {
            assert_ne!(body.replace(mangled.0, mangled.1), body, "{mangled:?}");
        }
    }

    #[test]
    fn a_line_of_a_file_is_a_body_behind_its_marker() {
        let lines: std::sync::Arc<[String]> =
            ["first".to_owned(), "zweite Zeile ✓".to_owned()].into();
        let run = RunId::new(7);
        let mut body = String::new();
        write(&mut body, &run, 3, 0, &BodyText::Lines(lines.clone()));
        assert!(body.ends_with(":zweite Zeile ✓"), "{body}");
        assert_eq!(body.len() as u32, line_bytes(&lines, 3));
        assert_eq!(message_of(&run, &body), Some(3));
    }
}

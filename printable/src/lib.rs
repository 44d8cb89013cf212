//! Text that strangers wrote, made fit to stand in a line of a log or a terminal.

use std::borrow::Cow;

/// The text with each character escaped that does more than stand in its line: controls, line separators, and those
/// that are invisible or change the direction.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped.into()
}

/// Whether a terminal or an editor does something with this character instead of showing it.
#[must_use]
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_stays_as_it_is() {
        for text in ["", "abc", "Zoë 日本語 🙂 \"quoted\" \\n", "עברית"] {
            assert!(matches!(escaped(text), Cow::Borrowed(same) if same == text));
        }
    }
}

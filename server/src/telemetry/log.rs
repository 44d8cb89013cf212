//! The log: one line an event, whatever is in it.
//!
//! Users choose their names, rooms theirs, and a database its error texts. So not the places that write to the log but
//! the log itself sees to it that none of them begins a line, moves the cursor or turns the reading direction.

use std::{fmt, io::IsTerminal as _};

pub use printable::escaped;

use tracing_subscriber::{
    field::RecordFields,
    filter::{LevelFilter, ParseError, Targets},
    fmt::{
        FormatFields,
        format::{DefaultFields, Writer},
    },
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// Writes what the filter lets through to stderr.
///
/// # Errors
/// The filter can't be read.
pub fn start(filter: &str) -> Result<(), ParseError> {
    let filter = targets(filter)?;
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(OneLine(DefaultFields::new()))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A program that this is a part of may have set up its own log before.
    let _already_set = tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .try_init();
    Ok(())
}

/// Levels, and parts of the program with levels of their own, between commas: `info,server::bus=debug`. Where nothing is
/// said, as by a variable that is set to nothing, errors alone.
fn targets(filter: &str) -> Result<Targets, ParseError> {
    let parts = filter.split(',').map(str::trim);
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Ok(Targets::new().with_default(LevelFilter::ERROR));
    }
    parts.join(",").parse()
}

/// Formats an event's message and fields as `F` does, and escapes them.
#[derive(Debug)]
struct OneLine<F>(F);

impl<'writer, F> FormatFields<'writer> for OneLine<F>
where
    F: for<'inner> FormatFields<'inner>,
{
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut text = String::new();
        self.0.format_fields(Writer::new(&mut text), fields)?;
        writer.write_str(&escaped(&text))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::Arc,
    };

    use parking_lot::Mutex;
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What the log has of one event with this text wherever a text may be.
    fn logged(text: &str) -> String {
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt()
            .fmt_fields(OneLine(DefaultFields::new()))
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        tracing::subscriber::with_default(log, || {
            let _span = tracing::info_span!("span", text).entered();
            tracing::warn!(field = text, other = ?text, third = %text, "User {text} does not keep up");
        });
        let bytes = written.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    const NASTY: [&str; 9] = [
        "a\n2026-01-01T00:00:00Z  INFO server: forged",
        "a\r\nb",
        "\u{1b}[2J\u{1b}[31mred",
        "\u{9b}31m",
        "tab\tbell\u{7}null\0",
        "line\u{2028}paragraph\u{2029}next\u{85}",
        "\u{202e}desrever\u{2066}\u{200f}",
        "\u{7f}\u{8}\u{feff}\u{200b}",
        "\u{e0041}tag",
    ];

    #[test]
    fn nothing_in_a_text_begins_a_line_or_acts() {
        for text in NASTY {
            let line = logged(text);
            let line = line.strip_suffix('\n').unwrap();
            assert!(!line.contains(printable::acts), "{line:?}");
        }
        assert!(logged("a\nb").contains("User a\\nb does not keep up"));
        assert!(logged("\u{1b}[2J").contains("User \\x1b[2J does"));
    }

    #[test]
    fn a_filter_is_levels_and_parts_with_their_own() {
        use tracing::Level;
        let lets = |filter: &str, target: &str, level: Level| {
            targets(filter).unwrap().would_enable(target, &level)
        };
        assert!(lets("info", "server::queue", Level::INFO));
        assert!(!lets("info", "server::queue", Level::DEBUG));
        for filter in [
            "warn,server=debug",
            " warn , server=debug, ",
            "WARN,server=DEBUG",
        ] {
            assert!(lets(filter, "server::queue", Level::DEBUG), "{filter}");
            assert!(!lets(filter, "mongodb", Level::INFO), "{filter}");
        }
        assert!(!lets("off", "server", Level::ERROR));
        // A variable that is set to nothing is as good as none.
        assert!(lets("", "server", Level::ERROR) && !lets("", "server", Level::WARN));
        assert!(targets("server=loud").is_err());
    }

    proptest! {
        #[test]
        fn no_text_writes_more_than_one_line(text in any::<String>()) {
            let line = logged(&text);
            let line = line.strip_suffix('\n').unwrap();
            prop_assert!(!line.contains(printable::acts), "{:?}", line);
        }
    }
}

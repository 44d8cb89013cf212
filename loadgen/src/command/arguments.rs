//! Arguments that several commands take.

use crate::scenario::Setting;

/// A variable's name and value.
pub(super) fn setting(text: &str) -> Result<Setting, String> {
    text.split_once('=')
        .map(|(name, value)| (name.trim().to_owned(), value.to_owned()))
        .ok_or_else(|| "expected name=value".to_owned())
}

/// What a result is told apart by: a key that every format can carry, and any text for people.
pub(super) fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| "expected key=value".to_owned())?;
    let begins = key.starts_with(|c: char| c.is_ascii_alphabetic());
    if !begins || !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!(
            "the key {key:?} is not one: write letters, digits and _, a letter first"
        ));
    }
    Ok((key.to_owned(), words(value)?))
}

/// A line of text that says something.
pub(super) fn words(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("write some text".to_owned()),
        text if text.contains(char::is_control) => {
            Err(format!("{text:?} has characters that belong into no line"))
        }
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_a_key_for_every_format_and_a_text() {
        let written = |text| label(text).map(|(key, value)| format!("{key}: {value}"));
        assert_eq!(written("build=a=b c").unwrap(), "build: a=b c");
        for (wrong, word) in [
            ("build", "key=value"),
            ("=x", "letters"),
            ("2nd=x", "letter first"),
            ("a-b=x", "letters"),
            ("build=", "some text"),
            ("build= ", "some text"),
            ("build=a\nb", "no line"),
        ] {
            let error = written(wrong).unwrap_err();
            assert!(error.contains(word), "{wrong}: {error}");
        }
    }
}

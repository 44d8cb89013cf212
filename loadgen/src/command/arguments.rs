//! Arguments that several commands take.

use crate::scenario::Setting;

/// A variable's name and value.
pub(super) fn setting(text: &str) -> Result<Setting, String> {
    text.split_once('=')
        .map(|(name, value)| (name.trim().to_owned(), value.to_owned()))
        .ok_or_else(|| "expected name=value".to_owned())
}

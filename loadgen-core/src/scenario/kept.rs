//! The files of a scenario as they were read, so that another process can make the scenario of them again.

use std::{ops::Range, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A file of a scenario, as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// Its path, as it was opened.
    pub path: PathBuf,
    /// Its text; the secret that signs tokens is taken out.
    pub text: String,
}

/// What stands for a secret, as a value in TOML.
const TAKEN_OUT: &str = "\"…\"";

impl SourceFile {
    /// Without the value that stands at a place.
    pub(super) fn without(self, secret: Range<usize>) -> Self {
        let (before, after) = (self.text.get(..secret.start), self.text.get(secret.end..));
        match before.zip(after) {
            Some((before, after)) => Self {
                text: format!("{before}{TAKEN_OUT}{after}"),
                ..self
            },
            None => self,
        }
    }
}

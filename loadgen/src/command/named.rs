//! What a command line names as a scenario: a shipped one, a file, or standard input.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use crate::scenario::{Scenario, ScenarioError, Setting};

/// Standard input, as it is typed.
const DASH: &str = "-";
/// Standard input, as it is told.
const STDIN: &str = "<stdin>";

/// Reads and checks the scenario that is asked for; what standard input names is looked for in the working folder.
///
/// # Errors
/// See [`Scenario::named`].
pub(super) fn scenario(asked: &Path, settings: &[Setting]) -> Result<Scenario, ScenarioError> {
    if asked != Path::new(DASH) {
        return Scenario::named(asked, settings);
    }
    Scenario::parse_with(Path::new(STDIN), &stdin()?, settings)
}

/// All of standard input, kept for whoever names it again: it can be read only once.
fn stdin() -> Result<String, ScenarioError> {
    static TEXT: OnceLock<String> = OnceLock::new();
    if let Some(text) = TEXT.get() {
        return Ok(text.clone());
    }
    let mut bytes = Vec::new();
    let read = io::stdin().read_to_end(&mut bytes);
    read.map_err(|source| ScenarioError::Unreadable {
        path: PathBuf::from(STDIN),
        source,
    })?;
    let text = Scenario::text_of(Path::new(STDIN), bytes)?;
    Ok(TEXT.get_or_init(|| text).clone())
}

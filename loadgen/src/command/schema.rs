//! `schema`: the JSON Schema of scenario files.

use super::{
    exit_code::Exit,
    output::{print, wrong},
};
use crate::scenario;

/// `loadgen schema`.
pub fn run() -> Result<Exit, Exit> {
    Ok(print(&text()?))
}

/// The schema as it is kept in files.
pub(super) fn text() -> Result<String, Exit> {
    let text = serde_json::to_string_pretty(&scenario::schema()).map_err(wrong)?;
    Ok(text + "\n")
}

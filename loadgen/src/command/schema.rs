//! `schema`: the JSON Schema of scenario files.

use super::{
    exit_code::Exit,
    output::{self, print},
};
use crate::scenario;

/// `loadgen schema`.
pub fn run() -> Exit {
    match serde_json::to_string_pretty(&scenario::schema()) {
        Ok(text) => {
            print(&(text + "\n"));
            Exit::Pass
        }
        Err(error) => output::wrong(&error),
    }
}

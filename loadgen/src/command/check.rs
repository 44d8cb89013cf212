//! `check`: says what is wrong with scenario files, or what their plans are, without connecting to anything.

use std::path::{Path, PathBuf};

use super::{
    arguments::setting,
    exit_code::Exit,
    output::{print, wrong},
    preview,
};
use crate::{
    plan::Plan,
    scenario::{Scenario, Setting},
};

/// Flags of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Scenario files.
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    /// The value of a variable of the scenarios, instead of its default; can be given again for others.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub set: Vec<Setting>,
}

/// `loadgen check`.
pub fn run(check: &Args) -> Exit {
    let mut exit = Exit::Pass;
    for path in &check.scenarios {
        match checked(path, &check.set) {
            Ok(text) => exit = exit.worse(print(&text)),
            Err(error) => exit = exit.worse(wrong(error)),
        }
    }
    exit
}

/// The plan of a scenario in words, or why there is none.
fn checked(path: &Path, settings: &[Setting]) -> Result<String, String> {
    let scenario = Scenario::load(path, settings).map_err(|error| error.to_string())?;
    let plan = Plan::new(&scenario).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(preview::render(&scenario, &plan))
}

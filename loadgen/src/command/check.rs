//! `check`: says what is wrong with scenario files, or what their plans are, without connecting to anything.

use std::path::{Path, PathBuf};

use super::{
    arguments::setting,
    exit_code::Exit,
    named::scenario,
    output::{all_wrong, print, width, wrong},
    preview,
};
use crate::{
    plan::{Part, Plan, Shard},
    scenario::{ScenarioError, Setting},
};

/// Flags of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Scenario files, names of shipped scenarios, or - for standard input.
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    /// The value of a variable of the scenarios, instead of its default; can be given again for others.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub set: Vec<Setting>,
    /// Show the part of one shard, too, as in 2/4: `run --shard` drives it.
    #[arg(long, value_name = "K/N")]
    pub shard: Option<Shard>,
}

/// `loadgen check`.
pub fn run(check: &Args) -> Exit {
    let mut exit = Exit::Pass;
    for path in &check.scenarios {
        match checked(path, &check.set, check.shard) {
            Ok(text) => exit = exit.worse(print(&text)),
            Err(Broken::Scenario(error)) => exit = exit.worse(all_wrong(&error)),
            Err(Broken::Plan(error)) => exit = exit.worse(wrong(error)),
        }
    }
    exit
}

/// Why a scenario has no plan.
enum Broken {
    Scenario(ScenarioError),
    Plan(String),
}

/// The plan of a scenario in words, or why there is none.
fn checked(asked: &Path, settings: &[Setting], shard: Option<Shard>) -> Result<String, Broken> {
    let scenario = scenario(asked, settings).map_err(Broken::Scenario)?;
    let told = |error: &dyn std::fmt::Display| {
        Broken::Plan(format!("{}: {error}", scenario.path.display()))
    };
    let plan = Plan::new(&scenario).map_err(|error| told(&error))?;
    let part = shard.map(|shard| Part::of(&plan, shard)).transpose();
    let part = part.map_err(|error| told(&error))?;
    Ok(preview::render(
        &scenario,
        &plan,
        part.as_ref(),
        Some(width()),
    ))
}

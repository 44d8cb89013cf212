//! `probe`: shows what a server says, and which keys of an event map would fit it.

use std::path::PathBuf;

use super::{
    arguments::{Way, setting},
    exit_code::Exit,
    named::scenario,
    output::{failed, print, wrong},
};
use crate::{experiment, scenario::Setting};

/// Flags of `probe`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the server runs: http://host:port or https://host, with the namespace behind it.
    pub url: String,
    /// Two users of this scenario join and send one message, and the keys of its event map are shown that would fit.
    #[arg(long, value_name = "SCENARIO")]
    pub scenario: Option<PathBuf>,
    /// The value of a variable of the scenario, instead of its default; can be given again for others.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting, requires = "scenario")]
    pub set: Vec<Setting>,
    /// What the one user shows to be let in, where no scenario says it.
    #[arg(long, conflicts_with = "scenario")]
    pub token: Option<String>,
    /// How it is reached.
    #[command(flatten)]
    pub way: Way,
}

/// `loadgen probe`.
pub fn run(args: &Args) -> Result<Exit, Exit> {
    let asked = args.scenario.as_ref();
    let scenario = asked
        .map(|asked| scenario(asked, &args.set))
        .transpose()
        .map_err(wrong)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let connections = scenario
        .as_ref()
        .map(|scenario| scenario.connections.clone())
        .unwrap_or_default();
    let target = args.way.to(&args.url, &connections).map_err(wrong)?;
    let probing = experiment::probe(&target, scenario.as_ref(), args.token.as_deref());
    let seen = runtime.block_on(probing).map_err(failed)?;
    Ok(print(&seen.to_string()))
}

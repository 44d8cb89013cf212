//! What the user types.

use std::{ffi::OsString, net::IpAddr, time::Duration};

use clap::{Parser, Subcommand};

use super::{
    ab, check, compare, completions, init, kubernetes, ladder, list, man, merge, probe, publish,
    report, run, search, verify,
};

/// Measures the delivery latency of a Socket.IO chat server and accounts for every message.
#[derive(Debug, Parser)]
#[command(version = env!("SOURCE_VERSION"), after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes of `run`:
  0  PASS          the promises and the limits were kept
  1  FAIL          a limit was missed, or a message was lost, doubled, or confirmed and not stored
  2                the command line or a scenario file is wrong; there is no result
  3  INCONCLUSIVE  too little was measured to say
  4  INVALID       the machine or the generator, not the server, decided the numbers
  5                the store, the server or the target could not be set up, or died in mid-run";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios: start store and server, measure, judge, clean up.
    Run(Box<run::Args>),
    /// Tell whether a change is slower than its base: both in turn, until it is certain.
    Ab(Box<ab::Args>),
    /// Find the highest rate that keeps the limits of a scenario, of one system or of several.
    Search(Box<search::Args>),
    /// Hold several systems against each other: the highest rates of each in every scenario, on one page.
    Ladder(Box<ladder::Args>),
    /// Show what a server says and which keys of an event map would fit it: the first command for a server of your own.
    Probe(probe::Args),
    /// Check scenarios and print their plans, without connecting to anything.
    Check(check::Args),
    /// Write a commented scenario to begin one's own with.
    Init(init::Args),
    /// List the shipped scenarios, or those below a folder.
    List(list::Args),
    /// Print the JSON Schema of scenario files.
    Schema,
    /// Judge what the shards of one run have recorded (`run --shard`), as one run.
    Merge(merge::Args),
    /// Print what a Kubernetes cluster needs to drive a scenario in shards and to merge them.
    Kubernetes(kubernetes::Args),
    /// Show a recorded result again, in any format.
    Report(report::Args),
    /// Compare two results of one scenario.
    Compare(compare::Args),
    /// Make a static site of results: a page for each, and an index with their trends.
    Publish(publish::Args),
    /// Work out again what results and pages say, from what was seen, and tell what does not follow.
    Verify(verify::Args),
    /// Print what makes a shell complete commands and flags.
    Completions(completions::Args),
    /// Print the manual page, or write one for each command.
    Man(man::Args),
    /// Be the server: the same as the `server` program.
    Serve(Box<server::config::Args>),
    /// Remove what another process leaves behind when it is killed.
    #[command(hide = true)]
    Guard,
    /// Be a bare relay, which tells what the machine alone takes.
    #[command(hide = true)]
    Floor {
        /// Where to listen on the loopback; 0 picks a free port.
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Confirm each message to all who got it, and acknowledge it, so long after it was passed on; without it,
        /// acknowledge it at once.
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        ends_after: Option<Duration>,
    },
}

/// The arguments with `--live ADDR` as one: a scenario may stand behind a `--live` without an address.
pub fn spelt_out(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut spelt: Vec<OsString> = Vec::new();
    let mut all_are_values = false;
    for argument in arguments {
        let behind_live = spelt.last().is_some_and(|last| last == "--live");
        if behind_live && !all_are_values && is_address(&argument.to_string_lossy()) {
            spelt.pop();
            let mut both = OsString::from("--live=");
            both.push(argument);
            spelt.push(both);
            continue;
        }
        all_are_values |= argument == "--";
        spelt.push(argument);
    }
    spelt
}

/// Whether a text is meant as an address, be it a right one or not.
fn is_address(text: &str) -> bool {
    let is_place = |(host, port): (&str, &str)| !host.contains('/') && port.parse::<u32>().is_ok();
    text.rsplit_once(':').is_some_and(is_place)
        || text.parse::<IpAddr>().is_ok()
        || text.parse::<u32>().is_ok()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn an_address_belongs_to_live_and_a_scenario_does_not() {
        for (typed, spelt) in [
            ("run --live s.toml", "run --live s.toml"),
            ("run s.toml --live", "run s.toml --live"),
            (
                "run --live 127.0.0.1:0 s.toml",
                "run --live=127.0.0.1:0 s.toml",
            ),
            (
                "run s.toml --live localhost:9000",
                "run s.toml --live=localhost:9000",
            ),
            ("run s.toml --live 9000", "run s.toml --live=9000"),
            ("run --live --quiet s.toml", "run --live --quiet s.toml"),
            ("run --live ./a:9/s.toml", "run --live ./a:9/s.toml"),
            ("run -- --live 9000", "run -- --live 9000"),
        ] {
            let words = typed.split(' ').map(OsString::from);
            let expected: Vec<OsString> = spelt.split(' ').map(OsString::from).collect();
            assert_eq!(spelt_out(words), expected);
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}

//! What the user types.

use std::{ffi::OsString, path::PathBuf, str::FromStr, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};

use crate::{
    compare::{Allowance, CompareFormat},
    drive::client::Driver,
    model::{
        metric::Metric,
        vocabulary::{Delivery, Dialect},
    },
    report::Format,
    rig::StoreChoice,
    scenario::{Setting, Span},
};

/// The MongoDB image of a store in a container.
const MONGO_IMAGE: &str = "mongo:8.0";
/// A shorter floor has no second of its own.
const SHORTEST_FLOOR: Duration = Duration::from_secs(1);

/// Measures the delivery latency of a Socket.IO chat server and accounts for every message.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes of `run`:
  0  PASS          the promises and the limits were kept
  1  FAIL          a limit was missed, or a message was lost, doubled, or confirmed and not stored
  2                the command line or a scenario file is wrong; nothing was run
  3  INCONCLUSIVE  too little was measured to say
  4  INVALID       the machine or the generator, not the server, decided the numbers
  5                the store, the server or the target could not be set up, or died in mid-run";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenario files: start store and server, measure, judge, clean up.
    Run(Box<Run>),
    /// Check scenario files and print their plans, without connecting to anything.
    Check(Check),
    /// List the scenarios below a folder.
    List(List),
    /// Print the JSON Schema of scenario files.
    Schema,
    /// Show a recorded result again, in any format.
    Report(Report),
    /// Compare two results of one scenario.
    Compare(Compare),
    /// Make a static site of results: a page for each, and an index with their trends.
    Publish(Publish),
    /// Be the server: the same as the `server` program.
    Serve(Box<server::config::Args>),
    /// Remove what another process leaves behind when it is killed.
    #[command(hide = true)]
    Guard,
    /// Be a bare relay, which tells what the machine alone takes.
    #[command(hide = true)]
    Floor,
}

/// Flags of `run`.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// Scenario files, run one after another.
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    /// The store behind the server: auto, memory, docker, mongod, or mongodb://host:port.
    ///
    /// `auto` takes MONGODB_URI if it is set, else MongoDB in a container if Docker answers, else `mongod` on the
    /// PATH in a temporary folder, else the in-memory simulation. Any other is an error where it is missing.
    #[arg(long, default_value = "auto", conflicts_with = "target")]
    pub store: StoreChoice,
    /// The image of a MongoDB in a container.
    #[arg(long, env = "MONGO_IMAGE", default_value = MONGO_IMAGE)]
    pub mongo_image: String,
    /// Measure a server that is running already, at http://host:port, instead of starting one.
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// The MongoDB database of a running target (mongodb://host:port/database), to look confirmed messages up.
    #[arg(long, value_name = "URI", requires = "target", value_parser = database)]
    pub audit: Option<(String, String)>,
    /// Delivery modes to run one after another; limits judge the last, earlier ones are its baselines.
    #[arg(
        long,
        value_name = "MODE[,MODE]",
        value_delimiter = ',',
        conflicts_with = "target"
    )]
    pub delivery: Vec<Delivery>,
    /// The names of events that the server speaks, instead of the scenario's.
    #[arg(long)]
    pub dialect: Option<Dialect>,
    /// The seed, instead of the scenario's.
    #[arg(long)]
    pub seed: Option<u64>,
    /// The value of a variable of the scenarios, instead of its default; can be given again for others.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub set: Vec<Setting>,
    /// The client that connects users: native, or the rust_socketio crate [default: native where it can].
    #[arg(long)]
    pub client: Option<Driver>,
    /// Worker threads of the generator [default: one for every two cores].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Processors to bind the worker threads to, in turn, as in `1` or `2,3` [default: the system decides].
    #[arg(long, value_name = "CPU[,CPU]", value_delimiter = ',')]
    pub cpus: Vec<usize>,
    /// Judge every second, also those in which other processes or the hypervisor had the machine.
    #[arg(long)]
    pub no_machine_check: bool,
    /// How long the same load goes against a bare relay, before and after each run, or `off`.
    ///
    /// What the relay takes is the machine's and the generator's own part: the floor under the server's numbers.
    #[arg(long, value_name = "DURATION", default_value = "3s")]
    pub floor: Floor,
    /// The same as `--floor off`.
    #[arg(long, conflicts_with = "floor")]
    pub no_floor: bool,
    /// The folder for the result of each scenario, as JSON.
    #[arg(long, default_value = "reports/latest")]
    pub out: PathBuf,
    /// A further format of the result; without a path, into the folder of `--out`.
    #[arg(long, value_name = "FORMAT[=PATH]")]
    pub report: Vec<Wanted>,
    /// Print only the verdict and its reason.
    #[arg(long, short)]
    pub quiet: bool,
    /// Print the result as JSON instead of tables.
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
}

/// A format, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub format: Format,
    /// The file; `None`: named after the scenario, in the folder of all.
    pub path: Option<PathBuf>,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, path) = match text.split_once('=') {
            Some((_, "")) => return Err(format!("{text:?} lacks its path")),
            Some((format, path)) => (format, Some(path.into())),
            None => (text, None),
        };
        let format = Format::from_str(format, false).map_err(|_| {
            let known: Vec<_> = Format::value_variants()
                .iter()
                .filter_map(|format| Some(format.to_possible_value()?.get_name().to_owned()))
                .collect();
            format!("unknown format {format:?}; there are {}", known.join(", "))
        })?;
        Ok(Self { format, path })
    }
}

/// Flags of `report`.
#[derive(Debug, clap::Args)]
pub struct Report {
    /// The result of a run: the JSON file that `run` wrote.
    #[arg(required_unless_present = "schema")]
    pub result: Option<PathBuf>,
    /// What to make of it.
    #[arg(long, short, default_value = "terminal")]
    pub format: Format,
    /// The file to write, instead of standard output.
    #[arg(long, short)]
    pub out: Option<PathBuf>,
    /// The metric of a format that holds only one, as `hgrm` does.
    #[arg(long, default_value = "delivery", value_parser = metric)]
    pub metric: Metric,
    /// Print the JSON Schema of results instead.
    #[arg(long, conflicts_with_all = ["result", "format", "out", "metric"])]
    pub schema: bool,
}

/// Flags of `publish`.
#[derive(Debug, clap::Args)]
pub struct Publish {
    /// Results to add to the site: the JSON files that `run` wrote.
    #[arg(required = true, value_name = "RESULT.json")]
    pub results: Vec<PathBuf>,
    /// The folder of the site. Results that it has already stay in it, and in its trends.
    #[arg(long, default_value = "reports")]
    pub to: PathBuf,
}

/// Flags of `compare`.
#[derive(Debug, clap::Args)]
#[command(after_help = COMPARE_EXIT_CODES)]
pub struct Compare {
    /// The earlier result.
    #[arg(value_name = "BEFORE.json")]
    pub before: PathBuf,
    /// The later result.
    #[arg(value_name = "AFTER.json")]
    pub after: PathBuf,
    /// How much worse a number may be, as in delivery.p99=10%, delivery.p50=200us, delivery.within_5ms=0.5% or lost=0.
    #[arg(long, value_name = "NUMBER=LIMIT")]
    pub fail_on_regression: Vec<Allowance>,
    /// Compare also results of different scenarios or delivery modes.
    #[arg(long)]
    pub anyway: bool,
    /// What to make of it.
    #[arg(long, short, default_value = "terminal")]
    pub format: CompareFormat,
    /// The file to write, instead of standard output.
    #[arg(long, short)]
    pub out: Option<PathBuf>,
}

const COMPARE_EXIT_CODES: &str = "\
Exit codes of `compare`:
  0  nothing got worse than --fail-on-regression allows, or it was not given
  1  something did, and its whole interval
  2  the command line or a result is wrong, or they answer different questions
  3  the runs can't tell
  4  one of the results is INVALID";

fn metric(key: &str) -> Result<Metric, String> {
    Metric::from_key(key).ok_or_else(|| {
        let known = Metric::ALL.map(|metric| metric.definition().key);
        format!("there are {}", known.join(", "))
    })
}

/// Flags of `check`.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// Scenario files.
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    /// The value of a variable of the scenarios, instead of its default; can be given again for others.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub set: Vec<Setting>,
}

/// Flags of `list`.
#[derive(Debug, clap::Args)]
pub struct List {
    /// The folder.
    #[arg(default_value = "scenarios")]
    pub folder: PathBuf,
}

/// A variable's name and value.
fn setting(text: &str) -> Result<Setting, String> {
    text.split_once('=')
        .map(|(name, value)| (name.trim().to_owned(), value.to_owned()))
        .ok_or_else(|| "expected name=value".to_owned())
}

/// How long a floor lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor(Option<Duration>);

impl Run {
    /// How long a floor lasts before and after each run; `None`: there is none.
    pub fn floor(&self) -> Option<Duration> {
        self.floor.0.filter(|_| !self.no_floor)
    }
}

impl FromStr for Floor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        match text.parse::<Span>()?.0 {
            length if length < SHORTEST_FLOOR => {
                Err(format!("write at least {SHORTEST_FLOOR:?}, or \"off\""))
            }
            length => Ok(Self(Some(length))),
        }
    }
}

/// A connection string with its database.
fn database(uri: &str) -> Result<(String, String), String> {
    let wrong = || "expected mongodb://host:port/database".to_owned();
    let rest = uri
        .strip_prefix("mongodb://")
        .or_else(|| uri.strip_prefix("mongodb+srv://"))
        .ok_or_else(wrong)?;
    let (_, path) = rest.split_once('/').ok_or_else(wrong)?;
    let name = path.split('?').next().unwrap_or_default();
    if name.is_empty() {
        return Err(wrong());
    }
    Ok((uri.to_owned(), name.to_owned()))
}

/// The command line as it was typed, for the report.
pub fn typed(arguments: impl Iterator<Item = OsString>) -> Vec<String> {
    arguments
        .map(|argument| argument.to_string_lossy().into_owned())
        .map(|argument| redacted(&argument))
        .collect()
}

/// Without the password of a database.
fn redacted(argument: &str) -> String {
    match (argument.find("://"), argument.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 < at => {
            format!("{}://…{}", &argument[..scheme], &argument[at..])
        }
        _ => argument.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_floor_has_a_length_or_is_off() {
        assert_eq!("off".parse(), Ok(Floor(None)));
        assert_eq!("2s".parse(), Ok(Floor(Some(Duration::from_secs(2)))));
        assert!("10ms".parse::<Floor>().unwrap_err().contains("off"));
        assert!("3".parse::<Floor>().is_err());
    }

    #[test]
    fn a_password_does_not_reach_the_report() {
        assert_eq!(
            redacted("--store=mongodb://me:secret@db:27017/chat"),
            "--store=mongodb://…@db:27017/chat"
        );
        assert_eq!(redacted("http://127.0.0.1:3000"), "http://127.0.0.1:3000");
    }
}

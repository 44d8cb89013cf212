//! Flags of `run`: what is typed, and what the words in it mean.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::ValueEnum;

use crate::{
    command::{
        arguments::{self, Load, Where, host_and_port, moment, signed_span, words},
        live::Place,
    },
    experiment::{Entrant, SystemChoice},
    model::{BusMode, Delivery},
    plan::Shard,
    report::Format,
    rig::StoreChoice,
    scenario::{MOST_NODES, Span},
};

/// A shorter floor has no second of its own.
const SHORTEST_FLOOR: Duration = Duration::from_secs(1);
/// How long a floor lasts where nobody says otherwise.
const USUAL_FLOOR: Floor = Floor(Some(Duration::from_secs(3)));

/// Flags of `run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Scenario files, names of shipped scenarios (`loadgen list`), or - for standard input, run one after another.
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    /// The store behind the server: auto, memory, docker, mongod, or mongodb://host:port.
    ///
    /// `auto` takes MONGODB_URI if it is set, else MongoDB in a container if Docker answers, else `mongod` on the
    /// PATH in a temporary folder, else the in-memory simulation. Any other is an error where it is missing.
    #[arg(long, default_value = "auto", conflicts_with_all = ["target", "command"])]
    pub store: StoreChoice,
    /// The image of a MongoDB in a container.
    #[arg(long, env = "MONGO_IMAGE", default_value = arguments::MONGO_IMAGE)]
    pub mongo_image: String,
    /// Where a server runs that is measured instead of one that is started here.
    #[command(flatten)]
    pub place: Where,
    /// Start the target by a shell's command, as in 'PORT={port} node server.js', and end it with all its children.
    ///
    /// {port} is a free port, here and in --target [default then: http://127.0.0.1:{port}].
    #[arg(long, value_name = "COMMAND")]
    pub command: Option<String>,
    /// What is started instead of this program's own server: own:PATH of a build of the server, or peer:NAME.
    ///
    /// Peers are node, node-persist-first, python and socketioxide: chats as others would have written them, on the same store.
    #[arg(
        long,
        value_name = "SYSTEM",
        default_value = "own",
        value_parser = started,
        conflicts_with_all = ["target", "command"]
    )]
    pub system: SystemChoice,
    /// Which version the target is, where it does not say so itself (`version` and `commit` of its /health), or wrongly.
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub target_version: Option<String>,
    /// The MongoDB database of a running target (mongodb://host:port/database), to look confirmed messages up.
    #[arg(long, value_name = "URI", value_parser = database)]
    pub audit: Option<(String, String)>,
    /// Delivery modes to run one after another; limits judge the last, earlier ones are its baselines.
    #[arg(
        long,
        value_name = "MODE[,MODE]",
        value_delimiter = ',',
        conflicts_with_all = ["target", "command"]
    )]
    pub delivery: Vec<Delivery>,
    /// How many servers are started as one chat, instead of what the scenario says.
    ///
    /// They are joined by the Redis that REDIS_URL names, else by one in a container of the image REDIS_IMAGE, else by a
    /// `redis-server` from the PATH, both started and ended here, else in one process. Users are spread over them by the seed.
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_NODES)),
        conflicts_with_all = ["target", "command"]
    )]
    pub nodes: Option<u16>,
    /// Which order these promise: local-first (each sender's) or ordered (one per conversation).
    #[arg(long, value_name = "MODE", conflicts_with_all = ["target", "command"])]
    pub bus_mode: Option<BusMode>,
    /// What is asked of it, by which generator, and what is said of it.
    #[command(flatten)]
    pub load: Load,
    /// How long the same load goes against a bare relay, before and after each run, or `off` [default: 3s].
    ///
    /// What the relay takes is the machine's and the generator's own part: the floor under the server's numbers.
    #[arg(long, value_name = "DURATION")]
    pub floor: Option<Floor>,
    /// The same as `--floor off`.
    #[arg(long, conflicts_with = "floor")]
    pub no_floor: bool,
    /// Run each scenario so many times, on a fresh server and an empty store each time, and judge all runs together.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub repeat: u16,
    /// Drive one part of the users only, as in 2/4: other processes drive the others, and `merge` judges them together.
    ///
    /// Needs --target and --start-at. It leaves shard-K-of-N.json and no verdict.
    #[arg(long, value_name = "K/N")]
    pub shard: Option<Shard>,
    /// When the schedule of all shards begins, as in 2026-11-26T12:00:00Z (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub start_at: Option<u64>,
    /// Where shard 1 tells the others its time, so that no shard needs a right clock.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    pub sync: Option<String>,
    /// How wrong the clock of this process is, for tests.
    #[arg(long, hide = true, value_name = "[-]DURATION", value_parser = signed_span, allow_hyphen_values = true, default_value = "0s")]
    pub clock_shift: i64,
    /// The folder for the result of each scenario, as JSON; also one in a bucket, as in s3://bucket/folder.
    #[arg(long, default_value = "reports/latest")]
    pub out: PathBuf,
    /// A further format of the result; without a path, into the folder of `--out`.
    #[arg(long, value_name = "FORMAT[=PATH]")]
    pub report: Vec<Wanted>,
    /// Show the run while it goes on: a page, and its numbers for Prometheus at /metrics, on this machine alone unless
    /// another address is named [default: a free port, which is told].
    #[arg(
        long,
        value_name = "ADDR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = Place::HERE
    )]
    pub live: Option<Place>,
    /// All metrics in the tables, and not only those that limits name.
    #[arg(long)]
    pub all: bool,
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
    /// What the result is written as.
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
            let known: Vec<_> = Format::value_variants().iter().copied().map(name).collect();
            format!("unknown format {format:?}; there are {}", known.join(", "))
        })?;
        Ok(Self { format, path })
    }
}

/// A format as it is typed.
pub(super) fn name(format: Format) -> String {
    let value = format.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// How long a floor lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor(Option<Duration>);

impl Args {
    /// How long a floor lasts before and after each run; `None`: there is none.
    pub fn floor(&self) -> Option<Duration> {
        let floor = self.floor.unwrap_or(USUAL_FLOOR);
        floor.0.filter(|_| !self.no_floor)
    }

    /// Whether a floor is asked for, and not only usual.
    pub(super) fn wants_floor(&self) -> bool {
        self.floor.is_some_and(|floor| floor.0.is_some())
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

/// A system that is started here.
fn started(text: &str) -> Result<SystemChoice, String> {
    let Entrant { system, store } = text.parse()?;
    if let Some(store) = store {
        return Err(format!("the store of a run is named with --store {store}"));
    }
    match system {
        SystemChoice::Url(url) => Err(format!(
            "one that runs already is named with --target {url}"
        )),
        SystemChoice::Command(_) => {
            Err("one that a command starts is named with --command".to_owned())
        }
        SystemChoice::Relay => Err("the relay is measured beside every run: --floor".to_owned()),
        started => Ok(started),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_has_a_length_or_is_off() {
        assert_eq!("off".parse(), Ok(Floor(None)));
        assert_eq!("2s".parse(), Ok(Floor(Some(Duration::from_secs(2)))));
        assert!("10ms".parse::<Floor>().unwrap_err().contains("off"));
        assert!("3".parse::<Floor>().is_err());
    }
}

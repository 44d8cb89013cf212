//! What a scenario file says, checked: the question, the population, the phases and the thresholds.

mod error;
mod file;
mod threshold;
mod units;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::{
    error::{Located, ScenarioError},
    threshold::{Comparison, Subject, Threshold, parse_condition, parse_subject},
    units::{Range, Rate, Share, Size, Span},
};

/// A checked scenario: everything in it can be run.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The file it came from.
    pub path: PathBuf,
    /// SHA-256 of the file's bytes, in hexadecimal: results of different files are not compared unseen.
    pub hash: String,
    /// A short name, also the name of its result file.
    pub name: String,
    /// The question it answers, in one sentence.
    pub question: String,
    /// The seed of everything that is drawn at random.
    pub seed: u64,
    /// The names that the server speaks.
    pub dialect: Dialect,
    /// The delivery modes to run, in order: limits judge the last, earlier ones are its baselines.
    pub delivery: Vec<Delivery>,
    /// The simulated database's save time, where no real one serves.
    pub save_time: Range<Span>,
    /// The simulated database's read time, where no real one serves.
    pub read_time: Range<Span>,
    /// Who is there.
    pub population: Population,
    /// The bytes of a message's body.
    pub message_size: Range<Size>,
    /// What happens, in order.
    pub phases: Vec<Phase>,
    /// How long to wait for what is still under way after the last send.
    pub drain: Duration,
    /// The conditions of the verdict, beside the correctness checks, which always hold.
    pub thresholds: Vec<Threshold>,
}

/// Who is connected and where they talk.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// Connected users.
    pub users: u32,
    /// Rooms of two.
    pub rooms: u32,
    /// Groups of channels of one size.
    pub channels: Vec<ChannelGroup>,
    /// New connections per second; `None`: as fast as they are accepted.
    pub connect_rate: Option<Rate>,
}

/// Channels with the same number of members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelGroup {
    /// How many of them.
    pub count: u32,
    /// Members of each.
    pub members: u32,
}

/// A stretch of time with one kind of load.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// Its name in reports.
    pub name: String,
    /// How long it lasts.
    pub duration: Duration,
    /// Messages per second at its start.
    pub rate: f64,
    /// Messages per second at its end: the rate changes linearly.
    pub ramp_to: f64,
    /// How sends are spaced.
    pub arrivals: Arrivals,
    /// `false` for a warm-up: its messages are accounted for, its latencies are not recorded.
    pub measured: bool,
}

/// How sends are spaced in time (open model).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// Independent of each other, as of many people: exponential gaps.
    #[default]
    Poisson,
    /// Equal gaps.
    Uniform,
}

/// The names that a server speaks (`docs/SOCKET_EVENTS.md`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// As the documentation of the system writes them; the sender gets the delivery too.
    #[default]
    Readme,
    /// As the running service has them; the sender gets a `…Sent` event instead.
    Reference,
}

/// When a message is delivered.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// At once under a temporary id, saved in the background, then confirmed or failed.
    #[default]
    Optimistic,
    /// Saved and read back first: the system before.
    PersistFirst,
}

impl Delivery {
    /// Its name on the command line and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Delivery::Optimistic => "optimistic",
            Delivery::PersistFirst => "persist-first",
        }
    }
}

impl Dialect {
    /// Its name on the command line and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Dialect::Readme => "readme",
            Dialect::Reference => "reference",
        }
    }
}

impl Scenario {
    /// Reads and checks a scenario file.
    ///
    /// # Errors
    /// [`ScenarioError`] names the file, the line and the column, and what would be right.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let text = fs::read_to_string(path).map_err(|source| ScenarioError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::parse(path, &text)?)
    }

    /// Checks the text of a scenario file; `path` serves its errors and its report.
    ///
    /// # Errors
    /// [`Located`] names the file, the line and the column, and what would be right.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Located> {
        file::parse(path, text)
    }

    /// From the first intended send to the last possible one.
    pub fn duration(&self) -> Duration {
        self.phases.iter().map(|phase| phase.duration).sum()
    }
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

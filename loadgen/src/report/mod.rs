//! The recorded result of a scenario, versioned and complete: every other format is made from it alone.

mod numbers;
mod terminal;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

pub use self::{
    numbers::{duration, share},
    terminal::{render, summary},
};
use crate::{
    checks::{Finding, Totals},
    clock::Nanos,
    machine::MachineSecond,
    metric::Metric,
    percentile,
    recorder::{Recorded, Samples},
    scenario::{Delivery, Dialect},
    verdict::{Judgement, Verdict},
};

/// The version of the result's schema; readers refuse a newer one.
pub const VERSION: u32 = 1;

/// The percentiles of every table.
pub const PERCENTILES: [f64; 5] = [50.0, 90.0, 95.0, 99.0, 99.9];

/// One scenario, run once in each of its delivery modes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// The verdict on the subject, the last run.
    pub verdict: Verdict,
    /// Why, the weightiest reason first.
    pub reasons: Vec<String>,
    /// What was asked.
    pub scenario: ScenarioInfo,
    /// The command line, as it was typed.
    pub command: Vec<String>,
    /// The eight digits that all bodies of these messages carry.
    pub run_id: String,
    /// RFC 3339, UTC.
    pub started: String,
    /// RFC 3339, UTC.
    pub ended: String,
    /// Where it was measured.
    pub environment: Environment,
    /// In order; limits judge the last one, earlier ones are its baselines.
    pub runs: Vec<Run>,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScenarioInfo {
    /// Its name.
    pub name: String,
    /// Its question.
    pub question: String,
    /// The file.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The seed.
    pub seed: u64,
    /// Connected users.
    pub users: u32,
    /// Rooms of two.
    pub rooms: usize,
    /// Channels.
    pub channels: usize,
    /// Messages in the plan.
    pub messages: usize,
    /// Deliveries to others in the plan.
    pub deliveries: u64,
}

/// Where and with what it was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// This program's version.
    pub loadgen: String,
    /// The commit of the working directory, where there is one.
    pub commit: Option<String>,
    /// The processor's name.
    pub cpu: Option<String>,
    /// Cores that this process may use.
    pub cores: usize,
    /// Kernel release.
    pub kernel: Option<String>,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Open files allowed.
    pub open_files: Option<u64>,
    /// The load average over one minute at the start.
    pub load: Option<f64>,
}

/// One run of the scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// When messages were delivered: before or after the save.
    pub delivery: Delivery,
    /// The names that were spoken.
    pub dialect: Dialect,
    /// Where the server was.
    pub target: String,
    /// Which store served.
    pub store: String,
    /// How durable a confirmed message is in it, as the server says.
    pub durability: Option<String>,
    /// `false`: the run did not go to its end.
    pub complete: bool,
    /// Why not.
    pub incomplete_because: Option<String>,
    /// The verdict on this run.
    pub judgement: Judgement,
    /// Counts.
    pub totals: Totals,
    /// Broken promises.
    pub findings: Vec<Finding>,
    /// Whether confirmed messages could be looked up in the store.
    pub audited: bool,
    /// One for each metric that has samples or should have.
    pub metrics: Vec<MetricResult>,
    /// By second of the schedule, warm-up excluded.
    pub windows: Vec<WindowResult>,
    /// Samples that can't be: any of them makes the run invalid.
    pub impossible_samples: u64,
    /// The generator's own cost.
    pub generator: Generator,
    /// The server's own cost, where this program started it.
    pub server: Option<ServerUse>,
}

/// All samples of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricResult {
    /// Which.
    pub metric: Metric,
    /// Its clock points, in words: `from → to`.
    pub measures: String,
    /// Samples.
    pub n: u64,
    /// Nanoseconds; `None` without samples, here and below.
    pub min: Option<Nanos>,
    /// Nanoseconds.
    pub mean: Option<f64>,
    /// Nanoseconds.
    pub max: Option<Nanos>,
    /// Those of [`PERCENTILES`].
    pub percentiles: Vec<Percentile>,
    /// Exact counts within limits.
    pub within: Vec<Within>,
    /// All samples: HdrHistogram V2, compressed, base64; nanoseconds.
    pub histogram: String,
}

/// A percentile, or how many samples it needs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Percentile {
    /// 0 to 100.
    pub percentile: f64,
    /// Nanoseconds; `None`: fewer than 10 samples lie beyond it.
    pub value: Option<Nanos>,
    /// Samples that it needs.
    pub needs: u64,
}

/// An exact count of samples at or under a limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Within {
    /// Nanoseconds.
    pub limit: Nanos,
    /// Samples at or under it.
    pub count: u64,
}

/// The deliveries whose intended times lie in one second of the schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowResult {
    /// The second, from the start of the schedule.
    pub second: usize,
    /// Deliveries to others.
    pub deliveries: u64,
    /// Of these, over the promise of 5 ms.
    pub over: u64,
    /// Nanoseconds; `None` without enough samples.
    pub p50: Option<Nanos>,
    /// Nanoseconds; `None` without enough samples.
    pub p99: Option<Nanos>,
    /// Nanoseconds; `None` without samples.
    pub max: Option<Nanos>,
    /// What the kernel says of that second; `None` where nobody watched.
    pub machine: Option<MachineSecond>,
}

/// What the generator itself took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// Worker threads.
    pub workers: usize,
    /// Resident bytes before the first connection.
    pub resident_before: u64,
    /// Resident bytes with everybody connected.
    pub resident_connected: u64,
    /// Resident bytes at the end of the schedule.
    pub resident_end: u64,
    /// Connected users.
    pub connections: u64,
    /// Seconds from the first connect until everybody had joined.
    pub connect_seconds: f64,
    /// CPU seconds of this process while messages were sent.
    pub cpu_seconds: f64,
    /// CPU and memory of this process, second by second of the schedule.
    pub usage: Vec<UsageSecond>,
}

/// What a process had taken at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct UsageSecond {
    /// Seconds from the start of the schedule.
    pub at: f64,
    /// CPU seconds since the process began.
    pub cpu_seconds: f64,
    /// Resident bytes.
    pub resident: u64,
}

/// What the server took while messages were sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerUse {
    /// CPU seconds.
    pub cpu_seconds: f64,
    /// Resident bytes at the end of the schedule.
    pub resident: u64,
    /// CPU and memory of the server's process, second by second of the schedule.
    pub usage: Vec<UsageSecond>,
}

impl Run {
    /// Deliveries per second in the seconds that hold measured ones, the first and the last of them left out since
    /// these may be cut.
    pub fn measured_rate(&self) -> Option<f64> {
        let whole = self.windows.get(1..self.windows.len().checked_sub(1)?)?;
        let deliveries: u64 = whole.iter().map(|window| window.deliveries).sum();
        (!whole.is_empty()).then(|| deliveries as f64 / whole.len() as f64)
    }
}

impl Generator {
    /// Resident bytes for each connection, the plan and the ledger left out since they were there before; `None` for
    /// so few that the buffers that all share would look like theirs.
    pub fn bytes_per_connection(&self) -> Option<u64> {
        if self.connections < 1_000 {
            return None;
        }
        self.resident_connected
            .saturating_sub(self.resident_before)
            .checked_div(self.connections)
    }
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the report {} could not be written: {source}", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

impl Report {
    /// Writes the report as `<name>.json` into a folder, which is made where it is missing.
    ///
    /// # Errors
    /// [`WriteError`] with the path.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, WriteError> {
        let path = folder.join(format!("{}.json", self.scenario.name));
        let fail = |source| WriteError {
            path: path.clone(),
            source,
        };
        let json = serde_json::to_string_pretty(self).map_err(|error| fail(error.into()))?;
        fs::create_dir_all(folder).map_err(fail)?;
        fs::write(&path, json + "\n").map_err(fail)?;
        Ok(path)
    }
}

/// The metrics of a run, in the order of [`Metric::ALL`].
pub fn metrics(recorded: &Recorded) -> Vec<MetricResult> {
    Metric::ALL
        .into_iter()
        .map(|metric| metric_result(metric, recorded.samples(metric), recorded.limits.all()))
        .collect()
}

fn metric_result(metric: Metric, samples: &Samples, limits: &[Nanos]) -> MetricResult {
    let histogram = &samples.histogram;
    let some = !histogram.is_empty();
    let definition = metric.definition();
    MetricResult {
        metric,
        measures: format!("{} → {}", definition.from, definition.to),
        n: histogram.len(),
        min: some.then(|| histogram.min()),
        mean: some.then(|| histogram.mean()),
        max: some.then(|| histogram.max()),
        percentiles: PERCENTILES
            .into_iter()
            .map(|percentile| Percentile {
                percentile,
                value: percentile::of(histogram, percentile).ok(),
                needs: percentile::needed(percentile),
            })
            .collect(),
        within: limits
            .iter()
            .zip(&samples.within)
            .map(|(&limit, &count)| Within { limit, count })
            .collect(),
        histogram: encode(histogram),
    }
}

fn encode(histogram: &hdrhistogram::Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    // Compressing into a vector can't fail.
    let _ = V2DeflateSerializer::new().serialize(histogram, &mut bytes);
    STANDARD.encode(bytes)
}

/// The windows of a run that hold deliveries.
pub fn windows(recorded: &Recorded, machine: &[MachineSecond]) -> Vec<WindowResult> {
    recorded
        .windows
        .iter()
        .enumerate()
        .filter(|(_, window)| window.deliveries > 0)
        .map(|(second, window)| {
            let histogram = window.histogram();
            WindowResult {
                second,
                deliveries: window.deliveries,
                over: window.over.first().copied().unwrap_or(0),
                p50: percentile::of(&histogram, 50.0).ok(),
                p99: percentile::of(&histogram, 99.0).ok(),
                max: (!histogram.is_empty()).then(|| histogram.max()),
                machine: machine.get(second).copied(),
            }
        })
        .collect()
}

//! The recorded result of a scenario, versioned and complete: every format is made from it alone.

mod circumstances;
mod document;
mod evidence;
mod floor;
mod info;
mod parts;
mod results;
mod shard;
mod upgrade;
pub mod usage;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    circumstances::Circumstances,
    document::{Document, ParseError, ReadError, WriteError, append, schema, seal, write},
    evidence::{Evidence, EvidenceError, PackedEvidence},
    floor::floor,
    info::of_scenario,
    results::{About, metric, run},
    shard::{ClockOffset, ShardResult},
};
use crate::{
    judge::{Finding, Judgement, Met, Reason, Totals, Verdict},
    model::{Delivery, Dialect, Metric, Nanos},
    observed::{MachineSecond, ProxyCost},
    scenario::{FaultKind, ScenarioText},
};

/// The version of the result's schema. Older ones are brought up to it when they are read, newer ones are refused.
pub const VERSION: u32 = 4;

/// The percentiles of every table.
pub const PERCENTILES: [f64; 5] = [50.0, 90.0, 95.0, 99.0, 99.9];

/// One scenario, run once in each of its delivery modes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The version of this schema: [`VERSION`] in every result that this program writes.
    pub version: u32,
    /// The verdict on the subject, the last run.
    pub verdict: Verdict,
    /// Why, the weightiest reason first.
    pub reasons: Vec<Reason>,
    /// What was asked: the scenario and the size of its plan.
    pub scenario: ScenarioInfo,
    /// The command line, as it was typed.
    pub command: Vec<String>,
    /// What the user says of it (`--label`), by key: results of other labels are kept apart.
    pub labels: BTreeMap<String, String>,
    /// The eight digits that all bodies of these messages carry.
    pub run_id: String,
    /// When this program began, before store and server: RFC 3339, UTC.
    pub started: String,
    /// When the last run had been judged: RFC 3339, UTC.
    pub ended: String,
    /// Where it was measured.
    pub environment: Environment,
    /// In order; limits judge the last one, earlier ones are its baselines.
    pub runs: Vec<Run>,
    /// The processes that drove it, where they were several (`loadgen merge`), by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<ShardResult>,
    /// SHA-256 of all of it but this, without the blanks between values and with the keys of each object in their order, in
    /// hexadecimal: whoever knows it knows whether anything was changed since. Empty in results of before version 4.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub seal: String,
}

/// What was asked: the scenario and the size of its plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioInfo {
    /// The scenario's name; result files are named after it.
    pub name: String,
    /// The question that the scenario asks, in one sentence.
    pub question: String,
    /// The limit whose number answers the question, where the scenario says which: the left side of a threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<String>,
    /// The path of the scenario file, as it was typed.
    pub file: String,
    /// SHA-256 of the file, of all that it includes and of the variables that were set, in hexadecimal.
    pub sha256: String,
    /// The text of the file and of all that it includes, the file itself first; empty in results of before version 4. What it
    /// names beside them, as a file of bodies, is part of the hash alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<ScenarioText>,
    /// The texts are left out, since what they say of connections, as a token or a header, may be a secret.
    #[serde(default, skip_serializing_if = "is_not")]
    pub texts_withheld: bool,
    /// The seed of everything that was drawn at random: with it, the file gives the same plan again.
    pub seed: u64,
    /// The variables of the file as they were set, by name.
    pub variables: BTreeMap<String, String>,
    /// Open or closed: what the latencies mean.
    pub model: Model,
    /// The phases in their order, warm-ups included.
    pub phases: Vec<PhaseInfo>,
    /// Joins, leaves, reconnects, cuts, connects and stalls in the plan.
    pub actions: usize,
    /// Users in the plan, whether they send or not.
    pub users: u32,
    /// Rooms of two in the plan.
    pub rooms: usize,
    /// Channels in the plan.
    pub channels: usize,
    /// Messages in the plan.
    pub messages: usize,
    /// Deliveries to others in the plan.
    pub deliveries: u64,
}

/// How sends follow from each other in a scenario.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Sends at planned times: latencies are charged from the plan.
    #[default]
    Open,
    /// A user's next send waits for the last one's acknowledgement: latencies are service times.
    Closed,
    /// Phases of both kinds.
    Mixed,
}

/// A phase of the schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseInfo {
    /// The phase's name in the scenario.
    pub name: String,
    /// When it begins, in nanoseconds from the schedule's start.
    pub start: Nanos,
    /// When the next one begins, in nanoseconds from the schedule's start.
    pub end: Nanos,
    /// Whether its latencies are recorded.
    pub measured: bool,
    /// How sends follow from each other in it: open or closed, never mixed.
    pub model: Model,
}

/// Where and with what it was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// The version of the program that measured.
    pub loadgen: String,
    /// The commit that this program was built from, with `-dirty` behind it where its sources differed; `None` of one that
    /// was built outside its repository. Up to version 2: of the folder in which it was started.
    pub commit: Option<String>,
    /// Git's name of the lockfile that this program was built with, as `git hash-object Cargo.lock` prints it: which versions
    /// of all libraries are in it. `None` where it was not known.
    #[serde(default)]
    pub lockfile: Option<String>,
    /// The processor's name, as the kernel has it.
    pub cpu: Option<String>,
    /// Cores that this process may use.
    pub cores: usize,
    /// The kernel's release, as `uname -r` says it.
    pub kernel: Option<String>,
    /// The hypervisor's name, where the processor says that there is one.
    pub virtualisation: Option<String>,
    /// The machine's memory in bytes, used or not.
    pub memory: Option<u64>,
    /// How many files this process may have open: each connection is one.
    pub open_files: Option<u64>,
    /// The load average over one minute at the start.
    pub load: Option<f64>,
}

/// One run of the scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// When messages were delivered: before or after the save.
    pub delivery: Delivery,
    /// Whether that is known: the mode of a server that somebody else started is its own, and `delivery` is then what it was
    /// held to.
    #[serde(default = "known")]
    pub delivery_known: bool,
    /// The names that were spoken.
    pub dialect: Dialect,
    /// Instead of a dialect's, the names were the server's own, by the scenario's map of them.
    #[serde(default)]
    pub own_events: bool,
    /// What the server was held to beside its deliveries; `None` in results that did not record it.
    #[serde(default)]
    pub held_to: Option<HeldTo>,
    /// Where the server was: its URL.
    pub target: String,
    /// Whether this program started the server for the run: of its own sources, at any free port.
    pub own: bool,
    /// What the server says that it is, in one line, or what the user says (`--target-version`); `None` where neither does.
    pub target_version: Option<String>,
    /// Which store the server saved into, in words.
    pub store: String,
    /// How durable a confirmed message is in it, as the server says.
    pub durability: Option<String>,
    /// `false`: the run did not go to its end.
    pub complete: bool,
    /// Why the run did not go to its end, where it did not.
    pub incomplete_because: Option<String>,
    /// The verdict on this run.
    pub judgement: Judgement,
    /// What became of all messages and deliveries, warm-ups included.
    pub totals: Totals,
    /// What the checks found: each is a broken promise.
    pub findings: Vec<Finding>,
    /// What came, is legal and was nobody's: by name, as of an event that the names above don't have, how often.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ignored: BTreeMap<String, u64>,
    /// In which words the server refused messages, what it said most first; few of many different ones are kept.
    #[serde(default)]
    pub refusals: Vec<Refusal>,
    /// Whether confirmed messages could be looked up in the store.
    pub audited: bool,
    /// One for each metric that has samples or should have.
    pub metrics: Vec<MetricResult>,
    /// The measured phases, each by itself.
    pub phases: Vec<PhaseResult>,
    /// Deliveries by the size of their conversation, smallest first.
    pub sizes: Vec<SizeResult>,
    /// The same load against a bare relay on this machine, in the same run; `None` where it was switched off.
    pub floor: Option<FloorResult>,
    /// What broke in mid-run, in the order of the scenario.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultResult>,
    /// The three parts of a run with faults, never mixed, for each metric that is known by second.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartResult>,
    /// What became of the messages of a run with faults, one for each fate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fates: Vec<Met>,
    /// Connections that the faults ended, and whose users came back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub thrown_off: u64,
    /// What the proxy costs that clients went through, for a network that was to be bad; `None` where they went straight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxyCost>,
    /// By second of the schedule, warm-up excluded.
    pub windows: Vec<WindowResult>,
    /// Deliveries to members that did not read at the time: accounted for, and left out of the latencies.
    pub unread: u64,
    /// Deliveries to others in the grey zone of a join, a leave or a reconnect: arrived or not, both are right.
    pub grey: u64,
    /// Samples that can't be: any of them makes the run invalid.
    pub impossible_samples: u64,
    /// The generator's own cost.
    pub generator: Generator,
    /// The server's own cost, where this program started it.
    pub server: Option<ServerUse>,
    /// What was seen: all that the numbers and the verdict above are worked out from; `None` in results of before version 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<PackedEvidence>,
}

/// What a server is held to beside its deliveries to others: a check of anything else is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldTo {
    /// Confirmed or Failed, to everybody who got a message.
    pub ends: bool,
    /// An acknowledgement to the sender.
    pub acks: bool,
    /// An acknowledgement says that the message is stored, since nothing else does.
    pub ack_confirms: bool,
    /// A copy to the sender.
    pub echo: bool,
    /// To know nobody any more when all have gone.
    pub forgets: bool,
    /// One order of a conversation's messages for all its members.
    #[serde(default = "known", skip_serializing_if = "is_usual")]
    pub one_order: bool,
}

/// What nearly every server is held to is not said, as in results of before.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands the field on by reference"
)]
fn is_usual(held_to: &bool) -> bool {
    *held_to
}

/// What there is nothing of is not said, as in results of before.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands the field on by reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What is seldom so is not said where it is not.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands the field on by reference"
)]
fn is_not(held: &bool) -> bool {
    !*held
}

/// What a result of before does not say is known.
fn known() -> bool {
    true
}

/// When messages are delivered, in words that stand before "delivery".
pub fn mode(delivery: Delivery, known: bool) -> &'static str {
    match known {
        true => delivery.name(),
        false => "the target's own",
    }
}

/// The same in one word, for machines.
pub fn mode_key(delivery: Delivery, known: bool) -> &'static str {
    match known {
        true => delivery.name(),
        false => "unknown",
    }
}

/// What the server said when it refused messages, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// The server's own words, cut where they are long; what acts on a terminal is escaped.
    pub words: String,
    /// How often.
    pub count: u64,
}

/// All samples of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricResult {
    /// What was timed.
    pub metric: Metric,
    /// Its clock points, in words: `from → to`.
    pub measures: String,
    /// How many samples there are.
    pub n: u64,
    /// Deliveries, or messages, that were due and never came to all: in no histogram and no percentile, and over every
    /// limit.
    #[serde(default)]
    pub lost: u64,
    /// The smallest sample, in nanoseconds; `None` without samples, here and below.
    pub min: Option<Nanos>,
    /// The mean of all samples, in nanoseconds.
    pub mean: Option<f64>,
    /// The largest sample, in nanoseconds.
    pub max: Option<Nanos>,
    /// The percentiles 50, 90, 95, 99 and 99.9.
    pub percentiles: Vec<Percentile>,
    /// Exact counts within limits.
    pub within: Vec<Within>,
    /// All samples: HdrHistogram V2, compressed, base64; nanoseconds.
    pub histogram: String,
}

/// A measured phase by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseResult {
    /// The phase's name in the scenario.
    pub name: String,
    /// Counts of its messages.
    pub totals: Totals,
    /// The latencies of the deliveries whose intended times lie in it.
    pub delivery: MetricResult,
}

/// What broke in mid-run. Times are nanoseconds from the start of the schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultResult {
    /// Its name in the scenario.
    pub name: String,
    /// What broke.
    pub kind: FaultKind,
    /// The same with what it was given, in words: `store-slow 2s`.
    pub what: String,
    /// When it was to begin, and to end.
    pub planned: [Nanos; 2],
    /// When it began; `None` of one that never did.
    pub start: Option<Nanos>,
    /// When all was as before; `None` where it never was.
    pub end: Option<Nanos>,
    /// What shows that it bit, in words; `None` where nothing does, which makes the run invalid.
    pub proof: Option<String>,
    /// What kept it from being brought about, looked at or mended; `None` where nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A metric in one part of a run with faults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PartResult {
    /// What was timed.
    pub metric: Metric,
    /// Which part.
    pub part: PartKind,
    /// The fault that it is inside of or after; `None` outside of all.
    pub fault: Option<String>,
    /// Seconds of the schedule in it.
    pub seconds: usize,
    /// Samples in it.
    pub n: u64,
    /// Their median in nanoseconds; `None` without enough samples, here and below.
    pub p50: Option<Nanos>,
    /// Their p99 in nanoseconds.
    pub p99: Option<Nanos>,
    /// The largest of them in nanoseconds.
    pub max: Option<Nanos>,
    /// Of a recovery: how long after the fault's end the metric was back as outside, and stayed so for 5 s, in nanoseconds;
    /// `None` where it was not, or nobody can know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<Nanos>,
}

/// A part of a run with faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    /// Neither inside of any fault nor in any recovery.
    Outside,
    /// While a fault was on.
    Inside,
    /// From a fault's end until the metric was back as outside.
    Recovery,
}

/// The deliveries of conversations of about one size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SizeResult {
    /// The fewest members that a conversation of this class has.
    pub least: u32,
    /// The most members that one has; `u32::MAX` in the class without an upper end.
    pub most: u32,
    /// The latencies of the deliveries in conversations of this class.
    pub delivery: MetricResult,
}

/// What the machine and the generator alone take: the same users, schedule and payloads against a relay that only
/// passes frames on (`docs/MEASUREMENT.md`, rule 9).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FloorResult {
    /// Seconds of load before and after the run.
    pub seconds: f64,
    /// Which seconds of the run's schedule it replays and is held against: the first, and the one after the last; `None`
    /// where an older result does not say.
    #[serde(default)]
    pub of_run: Option<[usize; 2]>,
    /// Deliveries over the relay, before and after the run together.
    pub delivery: MetricResult,
    /// The same to the slowest recipient of each message; `None` in results that did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slowest: Option<MetricResult>,
    /// By second, those before the run first.
    pub windows: Vec<WindowResult>,
    /// The server's p50 divided by the relay's; `None` without enough samples, and where the floor is noisier than the
    /// difference, here and below.
    pub ratio_p50: Option<f64>,
    /// Its 95 % interval; `None` in older results too, here and below.
    #[serde(default)]
    pub ratio_p50_interval: Option<[f64; 2]>,
    /// The server's p95 divided by the relay's.
    pub ratio_p95: Option<f64>,
    /// Its 95 % interval.
    #[serde(default)]
    pub ratio_p95_interval: Option<[f64; 2]>,
    /// The server's p99 minus the relay's, nanoseconds; negative where the relay was slower.
    pub difference_p99: Option<i64>,
    /// Its 95 % interval.
    #[serde(default)]
    pub difference_p99_interval: Option<[i64; 2]>,
    /// The server's p99.9 minus the relay's, nanoseconds.
    pub difference_p999: Option<i64>,
    /// Its 95 % interval.
    #[serde(default)]
    pub difference_p999_interval: Option<[i64; 2]>,
    /// What was seen of each floor, those before the run first; none in results of before version 4.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<PackedEvidence>,
}

/// A percentile, or how many samples it needs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Percentile {
    /// Which percentile: from 0 to 100.
    pub percentile: f64,
    /// Its value in nanoseconds; `None` where fewer than 10 samples lie beyond it.
    pub value: Option<Nanos>,
    /// How many samples it takes for 10 of them to lie beyond it.
    pub needs: u64,
}

/// An exact count of samples at or under a limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Within {
    /// The limit in nanoseconds: the promise, or one that a threshold names.
    pub limit: Nanos,
    /// How many samples lie at or under it, counted one by one.
    pub count: u64,
}

/// The deliveries whose intended times lie in one second of the schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WindowResult {
    /// The second, from the start of the schedule.
    pub second: usize,
    /// Deliveries to members other than the sender.
    pub deliveries: u64,
    /// Of these, over the promise of 5 ms.
    pub over: u64,
    /// Deliveries that were due in it and never came; `None` in results that did not record it.
    #[serde(default)]
    pub lost: Option<u64>,
    /// Their median in nanoseconds; `None` without enough samples.
    pub p50: Option<Nanos>,
    /// Their p99 in nanoseconds; `None` without enough samples.
    pub p99: Option<Nanos>,
    /// The largest of them in nanoseconds; `None` without samples.
    pub max: Option<Nanos>,
    /// Messages whose intended times lie in it.
    pub scheduled: u64,
    /// Of these, how many were sent.
    pub sent: u64,
    /// The latest send of these, nanoseconds after its intended time.
    pub lateness_max: Option<Nanos>,
    /// The longest oversleep of a thread that only sleeps, nanoseconds; `None` where nobody watched.
    pub hiccup_max: Option<Nanos>,
    /// What the kernel says of that second; `None` where nobody watched.
    pub machine: Option<MachineSecond>,
    /// The latencies of its deliveries: HdrHistogram V2, compressed, base64; nanoseconds.
    pub histogram: String,
}

/// What the generator itself took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Generator {
    /// Which client it drove: `native` or `rust_socketio`.
    pub client: String,
    /// Over which transport: `websocket`, `polling` or `upgraded`.
    pub transport: String,
    /// Threads that drove the users.
    pub workers: usize,
    /// CPU seconds of each worker thread, by second of the schedule.
    pub worker_cpu: Vec<Vec<f64>>,
    /// Resident bytes before the first connection of this process, be it to a floor or an earlier run.
    pub resident_before: u64,
    /// Resident bytes with everybody connected.
    pub resident_connected: u64,
    /// Resident bytes at the end of the schedule.
    pub resident_end: u64,
    /// Users in the plan: each has one connection at a time.
    pub connections: u64,
    /// Seconds from the first connect until everybody had joined.
    pub connect_seconds: f64,
    /// CPU seconds of this process while messages were sent.
    pub cpu_seconds: f64,
    /// CPU and memory of this process, second by second of the schedule.
    pub usage: Vec<UsageSecond>,
}

/// What a process had taken at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageSecond {
    /// Seconds from the start of the schedule.
    pub at: f64,
    /// CPU seconds since the process began.
    pub cpu_seconds: f64,
    /// Resident bytes at that moment.
    pub resident: u64,
    /// Messages that waited for the store; `None` of a process without such a queue.
    pub queue: Option<u64>,
}

/// What the server took while messages were sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerUse {
    /// CPU seconds of its process while messages were sent.
    pub cpu_seconds: f64,
    /// Resident bytes at the end of the schedule.
    pub resident: u64,
    /// CPU and memory of the server's process, second by second of the schedule.
    pub usage: Vec<UsageSecond>,
}

impl Run {
    /// When messages were delivered, in words that stand before "delivery".
    pub fn mode(&self) -> &'static str {
        mode(self.delivery, self.delivery_known)
    }

    /// The same in one word, for machines.
    pub fn mode_key(&self) -> &'static str {
        mode_key(self.delivery, self.delivery_known)
    }

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

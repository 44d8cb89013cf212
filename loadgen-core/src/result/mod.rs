//! The recorded result of a scenario, versioned and complete: every format is made from it alone.

mod circumstances;
mod document;
mod evidence;
mod faults;
mod floor;
mod info;
mod possible;
mod results;
mod shard;
mod timed;
mod upgrade;
pub mod usage;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    circumstances::Circumstances,
    document::{
        Document, ParseError, ReadError, WriteError, append, schema, seal, write, write_whole,
    },
    evidence::{Evidence, EvidenceError, PackedEvidence},
    faults::{FaultResult, PartKind, PartResult},
    floor::{FloorResult, floor},
    info::{Model, PhaseInfo, ScenarioInfo, of_scenario},
    results::{About, run},
    shard::{ClockOffset, ShardResult},
    timed::{
        MetricResult, PERCENTILES, Percentile, PhaseResult, SizeResult, WindowResult, Within,
        metric,
    },
    usage::{Generator, ServerUse, UsageSecond},
};
use crate::{
    judge::{Finding, Judgement, Met, Reason, Totals, Verdict},
    model::{Delivery, Dialect},
    observed::ProxyCost,
};

/// The version of the result's schema. Older ones are brought up to it when they are read, newer ones are refused.
pub const VERSION: u32 = 4;

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

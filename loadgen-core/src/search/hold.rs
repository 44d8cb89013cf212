//! One hold as a result records it: its numbers, what piled up, how it went and what was used up in it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Ask, Kept, Length, Outcome, Purpose, Seen, judged::Judged};
use crate::{
    model::{Metric, Nanos, histogram, percentile},
    observed::{Observed, ProcessUse, Whose},
    scenario::{Comparison, Scenario, Subject, Threshold},
};

/// The limits that every search tells of, in nanoseconds.
pub const LIMITS: [Nanos; 5] = [1_000_000, 2_000_000, 5_000_000, 10_000_000, 25_000_000];
/// The one that the system promises, and that a headline is of.
pub const PROMISED: Nanos = LIMITS[2];
/// The share of the deliveries that has to be within a limit.
pub const SHARE: f64 = 0.99;
/// Of a core, as much as makes a thread worth telling, be it used or lacked.
const BUSY: f64 = 0.05;
/// As many threads are told.
const MOST_THREADS: usize = 8;

/// One hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// What it was for.
    pub purpose: Purpose,
    /// How long it was.
    pub length: Length,
    /// Messages per second that were asked for, in the measured phases on average.
    pub rate: f64,
    /// How it went.
    pub outcome: Outcome,
    /// Why, in a sentence.
    pub because: String,
    /// Seconds that it took, connecting and looking up included.
    pub took: f64,
    /// Messages that were sent, warm-up included.
    pub sent: u64,
    /// Measured deliveries.
    pub deliveries: u64,
    /// Their median, in nanoseconds; `None` of too few.
    pub p50: Option<Nanos>,
    /// Their 99th percentile, in nanoseconds; `None` of too few.
    pub p99: Option<Nanos>,
    /// All of them: HdrHistogram V2, compressed, base64; nanoseconds. Empty in results of before, and of a hold without any.
    #[serde(default)]
    pub delivery: String,
    /// How it went for each limit, the smallest first.
    pub limits: Vec<AtLimit>,
    /// CPU seconds of the server for each message; `None` where its processes are not known.
    pub server_cpu: Option<f64>,
    /// CPU seconds of the generator for each message.
    pub generator_cpu: Option<f64>,
    /// Resident bytes of the server with everybody connected, at the end of the schedule; `None` where its processes are not
    /// known.
    #[serde(default)]
    pub server_memory: Option<u64>,
    /// Resident bytes of the server with everybody connected, before the first message of the hold. The first hold of all tells
    /// what users take by themselves: later ones find what earlier ones have left. `None` in results of before.
    #[serde(default)]
    pub server_memory_before: Option<u64>,
    /// CPU seconds of databases on this machine for each message; `None` where there are none.
    #[serde(default)]
    pub store_cpu: Option<f64>,
    /// The busiest threads of server, store and generator, the busiest first.
    #[serde(default)]
    pub threads: Vec<BusyThread>,
    /// What a bare relay did at this rate, in a hold that failed or that the generator could not do.
    #[serde(default)]
    pub floor: Option<Beside>,
    /// What piled up, the fastest first.
    pub piled_up: Vec<PiledUp>,
    /// What was used up, in a hold that failed or that the generator could not do.
    pub bottleneck: Option<Bottleneck>,
    /// What was seen of it, kept where it decides; `None` in results of before, and of a hold that nobody could connect for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Kept>,
}

/// How a hold went for one limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AtLimit {
    /// The limit, in nanoseconds.
    pub limit: Nanos,
    /// The share of the deliveries within it, lost ones counted as over it.
    pub within: Option<f64>,
    /// How it went.
    pub outcome: Outcome,
}

/// Something that grew from the start of a hold to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PiledUp {
    /// What.
    pub what: Pile,
    /// Seconds of work by which it grew in each second.
    pub per_second: f64,
}

/// What can pile up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pile {
    /// Messages that wait for the store in the server, as it says.
    Queue,
    /// How late messages are sent.
    SendLateness,
    /// Messages that are not confirmed yet, or not acknowledged where nothing is confirmed.
    Unconfirmed,
    /// Messages that are not delivered yet.
    Undelivered,
}

impl Pile {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Pile::Queue => "the server's queue for the store",
            Pile::SendLateness => "the send lateness",
            Pile::Unconfirmed => "what is not confirmed yet",
            Pile::Undelivered => "what is not delivered yet",
        }
    }
}

/// A thread that used a good part of a core, or waited a good part of the time for one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BusyThread {
    /// Whose it is.
    pub whose: Whose,
    /// The name that it gives itself.
    pub name: String,
    /// Of a core, as much as it used while messages were sent.
    pub used: f64,
    /// Of that time, the part in which it was ready and had no processor.
    pub waited: f64,
}

impl fmt::Display for BusyThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}'s thread {:?}: {:.0} % of a core, and {:.0} % of the time without one",
            self.whose.name(),
            self.name,
            100.0 * self.used,
            100.0 * self.waited
        )
    }
}

/// What a bare relay did at the rate of a hold, right after it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Beside {
    /// Its deliveries.
    pub deliveries: u64,
    /// Their median, in nanoseconds; `None` of too few.
    pub p50: Option<Nanos>,
    /// Their 99th percentile, in nanoseconds; `None` of too few.
    pub p99: Option<Nanos>,
}

/// What was used up first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Bottleneck {
    /// A thread of the generator: nothing is said of the server.
    Generator,
    /// The server's processor: as much as one thread can use, or more.
    Server,
    /// All processors of the machine, by the server and the generator together.
    Machine,
    /// The store: messages waited for it while the processors had time.
    Store,
    /// None of these.
    Unknown,
}

impl Bottleneck {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Bottleneck::Generator => "the generator",
            Bottleneck::Server => "the server's processor",
            Bottleneck::Machine => "the machine's processors",
            Bottleneck::Store => "the store",
            Bottleneck::Unknown => "nothing that was watched",
        }
    }
}

/// The limits, as thresholds that every hold is judged by besides the scenario's own.
pub fn limits() -> Vec<Threshold> {
    let within = LIMITS.map(|limit| Threshold {
        subject: Subject::Within(Metric::Delivery, std::time::Duration::from_nanos(limit)),
        comparison: Comparison::GreaterOrEqual,
        bound: SHARE,
        text: ">= 99%".to_owned(),
        abort_after: None,
        fault: None,
    });
    within.into()
}

/// A scenario of which all is recorded that a search looks at: the samples within each limit, and the seconds of what confirms.
pub(super) fn watched(scenario: &Scenario) -> Scenario {
    let mut watched = scenario.clone();
    watched.thresholds.extend(limits());
    for metric in [Metric::Confirm, Metric::Ack] {
        watched.thresholds.push(Threshold {
            subject: Subject::Mean(metric),
            comparison: Comparison::GreaterOrEqual,
            bound: 0.0,
            text: ">= 0s".to_owned(),
            abort_after: None,
            fault: None,
        });
    }
    watched
}

impl Hold {
    /// A hold that was measured.
    pub fn of(seen: &Seen<'_>) -> Self {
        let (ask, observed) = (seen.asked.ask, seen.observed);
        let judged = Judged::of(seen);
        let (outcome, because) = judged.outcome();
        let deliveries = &observed.recorded.samples(Metric::Delivery).histogram;
        let sent = seen.account.totals.sent;
        let each = |used: &ProcessUse| (sent > 0).then(|| used.cpu.as_secs_f64() / sent as f64);
        Self {
            purpose: ask.purpose,
            length: ask.length,
            rate: ask.rate,
            because,
            took: seen.took,
            sent,
            deliveries: deliveries.len(),
            p50: percentile::of(deliveries, 50.0).ok(),
            p99: percentile::of(deliveries, 99.0).ok(),
            delivery: histogram::encode(deliveries),
            limits: judged.at_limits(outcome),
            server_cpu: observed.server.as_ref().and_then(each),
            generator_cpu: each(&observed.generator.process),
            server_memory: observed.server.as_ref().map(|used| used.resident),
            server_memory_before: observed.server.as_ref().and_then(before_messages),
            store_cpu: store_cpu(observed, sent),
            threads: busy_threads(observed),
            floor: seen.floor.map(|(_, floor)| beside(floor)),
            bottleneck: (outcome.is_failure() || outcome == Outcome::GeneratorBound)
                .then(|| judged.bottleneck(outcome)),
            piled_up: judged.piled_up,
            outcome,
            seen: Some(Kept::of(seen)),
        }
    }

    /// A hold that users could not connect for.
    pub fn refused(ask: Ask, because: String, took: f64) -> Self {
        // Who lets nobody in any more is busy with what was sent before.
        let outcome = Outcome::BacklogGrew;
        Self {
            purpose: ask.purpose,
            length: ask.length,
            rate: ask.rate,
            outcome,
            because,
            took,
            sent: 0,
            deliveries: 0,
            p50: None,
            p99: None,
            delivery: String::new(),
            limits: LIMITS
                .map(|limit| AtLimit {
                    limit,
                    within: None,
                    outcome,
                })
                .into(),
            server_cpu: None,
            generator_cpu: None,
            server_memory: None,
            server_memory_before: None,
            store_cpu: None,
            threads: Vec::new(),
            floor: None,
            piled_up: Vec::new(),
            bottleneck: Some(Bottleneck::Unknown),
            seen: None,
        }
    }
}

fn before_messages(used: &ProcessUse) -> Option<u64> {
    used.moments.first().map(|moment| moment.resident)
}

fn beside(floor: &Observed) -> Beside {
    let deliveries = &floor.recorded.samples(Metric::Delivery).histogram;
    Beside {
        deliveries: deliveries.len(),
        p50: percentile::of(deliveries, 50.0).ok(),
        p99: percentile::of(deliveries, 99.0).ok(),
    }
}

fn store_cpu(observed: &Observed, sent: u64) -> Option<f64> {
    let threads = observed.busy.iter();
    let of_store = threads.filter(|thread| thread.whose == Whose::Store);
    let used = of_store
        .map(|thread| thread.ran.as_secs_f64())
        .reduce(|a, b| a + b)?;
    (sent > 0).then(|| used / sent as f64)
}

/// Those that used or lacked a twentieth of a core.
fn busy_threads(observed: &Observed) -> Vec<BusyThread> {
    let threads = observed.busy.iter();
    let mut busy: Vec<BusyThread> = threads
        .filter(|thread| !thread.passed.is_zero())
        .map(|thread| BusyThread {
            whose: thread.whose,
            name: thread.name.clone(),
            used: thread.ran.div_duration_f64(thread.passed),
            waited: thread.waited.div_duration_f64(thread.passed),
        })
        .filter(|thread| thread.used >= BUSY || thread.waited >= BUSY)
        .collect();
    busy.sort_by(|a, b| b.used.total_cmp(&a.used));
    busy.truncate(MOST_THREADS);
    busy
}

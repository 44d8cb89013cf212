//! What was timed, as the result says it: each metric, and deliveries by phase, by size and by second.

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    judge::{Account, Missing, Totals},
    model::{Metric, Nanos, histogram::encode, percentile},
    observed::{MachineSecond, Observed, Recorded, Samples, Window},
    plan::Plan,
};

/// The percentiles of every table.
pub const PERCENTILES: [f64; 5] = [50.0, 90.0, 95.0, 99.0, 99.9];

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

/// The metrics of a run, in the order of [`Metric::ALL`].
pub(super) fn metrics(recorded: &Recorded, missing: &Missing) -> Vec<MetricResult> {
    let metrics = Metric::ALL.into_iter();
    metrics
        // Of one server alone there is nothing to tell apart.
        .filter(|metric| {
            !metric.needs_several_servers() || !recorded.samples(*metric).histogram.is_empty()
        })
        .map(|metric| MetricResult {
            lost: match metric {
                Metric::Delivery | Metric::DeliveryAsSent => missing.deliveries_in.iter().sum(),
                Metric::DeliverySlowest => missing.messages_in.iter().sum(),
                _ => 0,
            },
            ..self::metric(metric, recorded)
        })
        .collect()
}

/// One metric of a run.
pub fn metric(metric: Metric, recorded: &Recorded) -> MetricResult {
    metric_result(metric, recorded.samples(metric), recorded.limits().all())
}

/// The measured phases, each by itself. Where the account has no counts by phase, they are zero.
pub(super) fn phases(recorded: &Recorded, plan: &Plan, account: &Account) -> Vec<PhaseResult> {
    let phases = (0..).zip(&plan.phases);
    phases
        .filter(|(_, phase)| phase.measured)
        .map(|(index, phase)| {
            let totals = account.phases.get(usize::from(index));
            let totals = totals.cloned().unwrap_or_default();
            let samples = recorded.samples_in(index, Metric::Delivery);
            PhaseResult {
                name: phase.name.clone(),
                delivery: MetricResult {
                    lost: totals.lost,
                    ..metric_result(Metric::Delivery, samples, recorded.limits().all())
                },
                totals,
            }
        })
        .collect()
}

/// Deliveries by the size of their conversation.
pub(super) fn sizes(recorded: &Recorded, missing: &Missing) -> Vec<SizeResult> {
    let none = Samples::new(recorded.limits());
    let sizes = recorded.sizes().zip(missing.deliveries_of);
    sizes
        .filter(|((_, samples), lost)| samples.is_some() || *lost > 0)
        .map(|((class, samples), lost)| SizeResult {
            least: class.least,
            most: class.most,
            delivery: MetricResult {
                lost,
                ..metric_result(
                    Metric::Delivery,
                    samples.unwrap_or(&none),
                    recorded.limits().all(),
                )
            },
        })
        .collect()
}

fn metric_result(metric: Metric, samples: &Samples, limits: &[Nanos]) -> MetricResult {
    let within = limits.iter().zip(&samples.within);
    let within = within.map(|(&limit, &count)| Within { limit, count });
    MetricResult::of(metric, &samples.histogram, within.collect())
}

impl MetricResult {
    /// What a histogram says, and how many of its samples are within each limit; nothing was lost.
    pub fn of(metric: Metric, histogram: &Histogram<u64>, within: Vec<Within>) -> Self {
        let some = !histogram.is_empty();
        let definition = metric.definition();
        Self {
            metric,
            measures: format!("{} → {}", definition.from, definition.to),
            n: histogram.len(),
            lost: 0,
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
            within,
            histogram: encode(histogram),
        }
    }

    /// Samples that were due: those that came, and those that were lost.
    pub fn due(&self) -> u64 {
        self.n + self.lost
    }

    /// How many of the due ones were within a limit, where that was counted: what was lost is over every limit.
    pub fn within(&self, limit: Nanos) -> Option<u64> {
        let mut within = self.within.iter();
        within
            .find(|within| within.limit == limit)
            .map(|within| within.count)
    }

    /// The share of the due ones within a limit; `None` where it was not counted, or nothing was due.
    pub fn share_within(&self, limit: Nanos) -> Option<f64> {
        let within = self.within(limit)?;
        (self.due() > 0).then(|| within as f64 / self.due() as f64)
    }
}

/// The seconds of a run in which messages of measured phases were due or delivered.
pub(super) fn windows(observed: &Observed, missing: &Missing) -> Vec<WindowResult> {
    let recorded = &observed.recorded;
    let longest = observed.hiccups.as_ref().map(|hiccups| &hiccups.longest);
    let none = Window::default();
    let deliveries = recorded.windows(Metric::Delivery);
    let lost = |second: usize| missing.deliveries_in.get(second).copied().unwrap_or(0);
    let seconds = deliveries.len().max(recorded.sends.len());
    (0..seconds.max(missing.deliveries_in.len()))
        .map(|second| {
            let window = deliveries.get(second).unwrap_or(&none);
            let sends = recorded.sends.get(second).copied().unwrap_or_default();
            (second, window, sends)
        })
        .filter(|(second, window, sends)| window.n > 0 || sends.scheduled > 0 || lost(*second) > 0)
        .map(|(second, window, sends)| {
            let histogram = window.histogram();
            WindowResult {
                second,
                deliveries: window.n,
                over: window.over.first().map_or(0, |over| over.n),
                lost: Some(lost(second)),
                p50: percentile::of(&histogram, 50.0).ok(),
                p99: percentile::of(&histogram, 99.0).ok(),
                max: (!histogram.is_empty()).then(|| histogram.max()),
                scheduled: sends.scheduled,
                sent: sends.sent,
                lateness_max: sends.lateness_max,
                hiccup_max: longest.and_then(|longest| longest.get(second).copied()),
                machine: observed.machine.get(second).copied(),
                histogram: encode(&histogram),
            }
        })
        .collect()
}

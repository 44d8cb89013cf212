//! From what was recorded to what the report says: metrics, phases, sizes, seconds.

use hdrhistogram::Histogram;

use super::{MetricResult, PERCENTILES, Percentile, PhaseResult, SizeResult, WindowResult, Within};
use crate::{
    judge::checks::Account,
    model::{clock::Nanos, histogram::encode, metric::Metric, percentile},
    observed::{
        machine::{Hiccups, MachineSecond},
        recorder::{Recorded, Samples, Window},
    },
    plan::Plan,
};

/// The metrics of a run, in the order of [`Metric::ALL`].
pub fn metrics(recorded: &Recorded) -> Vec<MetricResult> {
    let metrics = Metric::ALL.into_iter();
    metrics
        .map(|metric| self::metric(metric, recorded))
        .collect()
}

/// One metric of a run.
pub fn metric(metric: Metric, recorded: &Recorded) -> MetricResult {
    metric_result(metric, recorded.samples(metric), recorded.limits().all())
}

/// The measured phases, each by itself. Where the account has no counts by phase, they are zero.
pub fn phases(recorded: &Recorded, plan: &Plan, account: &Account) -> Vec<PhaseResult> {
    let phases = (0..).zip(&plan.phases);
    phases
        .filter(|(_, phase)| phase.measured)
        .map(|(index, phase)| PhaseResult {
            name: phase.name.clone(),
            totals: account
                .phases
                .get(usize::from(index))
                .cloned()
                .unwrap_or_default(),
            delivery: metric_result(
                Metric::Delivery,
                recorded.samples_in(index, Metric::Delivery),
                recorded.limits().all(),
            ),
        })
        .collect()
}

/// Deliveries by the size of their conversation.
pub fn sizes(recorded: &Recorded) -> Vec<SizeResult> {
    let sizes = recorded.sizes();
    sizes
        .map(|(class, samples)| SizeResult {
            least: class.least,
            most: class.most,
            delivery: metric_result(Metric::Delivery, samples, recorded.limits().all()),
        })
        .collect()
}

fn metric_result(metric: Metric, samples: &Samples, limits: &[Nanos]) -> MetricResult {
    let within = limits.iter().zip(&samples.within);
    let within = within.map(|(&limit, &count)| Within { limit, count });
    MetricResult::of(metric, &samples.histogram, within.collect())
}

impl MetricResult {
    /// What a histogram says, and how many of its samples are within each limit.
    pub fn of(metric: Metric, histogram: &Histogram<u64>, within: Vec<Within>) -> Self {
        let some = !histogram.is_empty();
        let definition = metric.definition();
        Self {
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
            within,
            histogram: encode(histogram),
        }
    }
}

/// The seconds of a run in which messages of measured phases were due or delivered.
pub fn windows(
    recorded: &Recorded,
    machine: &[MachineSecond],
    hiccups: Option<&Hiccups>,
) -> Vec<WindowResult> {
    let none = Window::default();
    let deliveries = recorded.windows(Metric::Delivery);
    (0..deliveries.len().max(recorded.sends.len()))
        .map(|second| {
            let window = deliveries.get(second).unwrap_or(&none);
            let sends = recorded.sends.get(second).copied().unwrap_or_default();
            (second, window, sends)
        })
        .filter(|(_, window, sends)| window.n > 0 || sends.scheduled > 0)
        .map(|(second, window, sends)| {
            let histogram = window.histogram();
            WindowResult {
                second,
                deliveries: window.n,
                over: window.over.first().copied().unwrap_or(0),
                p50: percentile::of(&histogram, 50.0).ok(),
                p99: percentile::of(&histogram, 99.0).ok(),
                max: (!histogram.is_empty()).then(|| histogram.max()),
                scheduled: sends.scheduled,
                sent: sends.sent,
                lateness_max: sends.lateness_max,
                hiccup_max: hiccups.and_then(|hiccups| hiccups.longest.get(second).copied()),
                machine: machine.get(second).copied(),
                histogram: encode(&histogram),
            }
        })
        .collect()
}

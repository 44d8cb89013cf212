//! What the floors around a run say, beside the same seconds of the run itself (rule 9).

use std::{ops::Range, time::Duration};

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Evidence, MetricResult, PackedEvidence,
    timed::{WindowResult, metric, windows},
};
use crate::{
    judge::Missing,
    model::{Metric, histogram, percentile},
    observed::{Observed, Window},
    plan::Plan,
};

/// Of a normal distribution, so many deviations to either side hold 95 %.
const DEVIATIONS: f64 = 1.96;

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

/// What the floors say that replayed these seconds of a run; `plan` is theirs.
pub fn floor(
    plan: &Plan,
    floors: &[&Observed],
    run: &Observed,
    seconds: &Range<usize>,
) -> Option<FloorResult> {
    let (first, others) = floors.split_first()?;
    let mut recorded = first.recorded.clone();
    for other in others {
        recorded.merge(other.recorded.clone());
    }
    let measured = plan.phases.iter().filter(|phase| phase.measured);
    let length: f64 = measured
        .map(|phase| Duration::from_nanos(phase.end - phase.start).as_secs_f64())
        .sum();
    let both = Both {
        server: of_seconds(run, seconds),
        relay: recorded.samples(Metric::Delivery).histogram.clone(),
        relays: floors
            .iter()
            .map(|floor| floor.recorded.samples(Metric::Delivery).histogram.clone())
            .collect(),
        messages: plan
            .sends
            .iter()
            .filter(|send| plan.phase_of(send).measured)
            .count() as u64,
    };
    let [p50, p95] = [50.0, 95.0].map(|p| both.related(p, |server, relay| server / relay, 1.0));
    let [p99, p999] = [99.0, 99.9].map(|p| both.related(p, |server, relay| server - relay, 0.0));
    let nanos = |one: Option<Against>| one.map(|one| one.value as i64);
    let ends = |one: Option<Against>| one.map(|one| one.interval);
    let whole = |one: Option<Against>| one.map(|one| one.interval.map(|end| end as i64));
    Some(FloorResult {
        seconds: floors.iter().map(|_| length).sum(),
        of_run: Some([seconds.start, seconds.end]),
        delivery: metric(Metric::Delivery, &recorded),
        slowest: Some(metric(Metric::DeliverySlowest, &recorded)),
        windows: one_after_the_other(floors),
        ratio_p50: p50.map(|one| one.value),
        ratio_p50_interval: ends(p50),
        ratio_p95: p95.map(|one| one.value),
        ratio_p95_interval: ends(p95),
        difference_p99: nanos(p99),
        difference_p99_interval: whole(p99),
        difference_p999: nanos(p999),
        difference_p999_interval: whole(p999),
        evidence: floors
            .iter()
            .map(|floor| Evidence::of(plan, floor, None).packed())
            .collect(),
    })
}

/// The deliveries of some seconds of the schedule.
fn of_seconds(run: &Observed, seconds: &Range<usize>) -> Histogram<u64> {
    let windows = run.recorded.windows(Metric::Delivery);
    let mut sum = histogram::empty();
    for window in windows.iter().take(seconds.end).skip(seconds.start) {
        // Same bounds by construction: adding can't fail.
        let _ = sum.add(Window::histogram(window));
    }
    sum
}

fn one_after_the_other(floors: &[&Observed]) -> Vec<WindowResult> {
    let mut all = Vec::new();
    for floor in floors {
        let passed = all.last().map_or(0, |last: &WindowResult| last.second + 1);
        all.extend(
            windows(floor, &Missing::default())
                .into_iter()
                .map(|window| WindowResult {
                    second: window.second + passed,
                    ..window
                }),
        );
    }
    all
}

/// The deliveries of a server and of a relay under the same load.
struct Both {
    server: Histogram<u64>,
    relay: Histogram<u64>,
    /// The relay's, each time by itself.
    relays: Vec<Histogram<u64>>,
    /// That were sent each time.
    messages: u64,
}

/// A number of the server held against the relay's.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Against {
    value: f64,
    /// 95 %.
    interval: [f64; 2],
}

impl Both {
    /// A percentile of both; `None` without enough samples, and where the interval holds `alike`: then the floor is
    /// noisier than the difference.
    fn related(&self, p: f64, relate: fn(f64, f64) -> f64, alike: f64) -> Option<Against> {
        let [server, relay] = [&self.server, &self.relay].map(|one| percentile::of(one, p).ok());
        let (server, relay) = (server? as f64, relay? as f64);
        let [least, most] = interval(&self.server, p, self.messages);
        let messages = self.messages * self.relays.len() as u64;
        let [mut low, mut high] = interval(&self.relay, p, messages);
        // Before and after the run the machine need not have been the same.
        for one in self
            .relays
            .iter()
            .filter_map(|one| percentile::of(one, p).ok())
        {
            (low, high) = (low.min(one as f64), high.max(one as f64));
        }
        let interval = [relate(least, high), relate(most, low.max(1.0))];
        let told = interval[0] > alike || interval[1] < alike;
        told.then_some(Against {
            value: relate(server, relay),
            interval,
        })
    }
}

/// Where a percentile lies with 95 %, by its rank among independent samples: of one message only one is.
fn interval(samples: &Histogram<u64>, p: f64, messages: u64) -> [f64; 2] {
    let independent = samples.len().min(messages).max(1) as f64;
    let share = p / 100.0;
    let off = DEVIATIONS * (share * (1.0 - share) / independent).sqrt();
    [share - off, share + off].map(|share| samples.value_at_quantile(share.clamp(0.0, 1.0)) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many samples, from `from` to `from + spread`.
    fn samples(n: u64, from: u64, spread: u64) -> Histogram<u64> {
        let mut samples = histogram::empty();
        for nth in 0..n {
            samples.saturating_record(from + spread * nth / n);
        }
        samples
    }

    fn both(server: Histogram<u64>, relays: [Histogram<u64>; 2]) -> Both {
        let mut relay = relays[0].clone();
        relay.add(&relays[1]).unwrap();
        Both {
            messages: server.len(),
            server,
            relay,
            relays: relays.into(),
        }
    }

    fn ratio(both: &Both) -> Option<Against> {
        both.related(50.0, |server, relay| server / relay, 1.0)
    }

    #[test]
    fn rule_09_what_the_server_takes_beside_the_floor_has_an_interval() {
        let quick = || samples(1_000, 100_000, 100_000);
        let told = ratio(&both(samples(1_000, 260_000, 100_000), [quick(), quick()])).unwrap();
        assert!((told.value - 2.06).abs() < 0.02, "{told:?}");
        assert!(told.interval[0] > 1.9 && told.interval[1] < 2.2, "{told:?}");
        let difference = both(samples(1_000, 260_000, 100_000), [quick(), quick()]);
        let p99 = difference.related(99.0, |server, relay| server - relay, 0.0);
        assert!((p99.unwrap().value - 160_000.0).abs() < 1_000.0, "{p99:?}");
        // A p99.9 needs 10,000.
        assert_eq!(
            difference.related(99.9, |server, relay| server - relay, 0.0),
            None
        );
    }

    #[test]
    fn rule_09_nothing_is_said_where_the_floor_is_noisier_than_the_difference() {
        let quick = || samples(1_000, 100_000, 100_000);
        assert_eq!(ratio(&both(quick(), [quick(), quick()])), None);
        let slower = || samples(1_000, 190_000, 100_000);
        assert!(ratio(&both(slower(), [quick(), quick()])).is_some());
        // The machine was twice as slow afterwards.
        assert_eq!(
            ratio(&both(slower(), [quick(), samples(1_000, 200_000, 200_000)])),
            None
        );
        assert_eq!(
            ratio(&both(samples(19, 900_000, 10), [quick(), quick()])),
            None
        );
    }
}

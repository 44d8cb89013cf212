//! Whether the machine or the generator, and not the server, decided the numbers (rules 3, 9 and 10).

use hdrhistogram::Histogram;

use super::{
    Trial,
    reason::{Reason, SATURATED},
    scope::Scope,
};
use crate::{
    judge::Verdict,
    model::{Metric, Nanos, histogram, nanos, numbers, percentile::BEYOND},
    observed::{Observed, recorder},
    scenario::{Comparison, Subject, Threshold},
};

/// A send so late has used up a fifth of the promise before it began.
const LATE: Nanos = 1_000_000;
/// Of the floor's sends, more late ones than this say that the load alone makes the generator late.
const LATE_ALONE: f64 = 0.01;

/// A second of the floor, as far as a verdict rests on it.
#[derive(Debug, Clone)]
pub(super) struct FloorSecond {
    /// Latencies of its deliveries, nanoseconds.
    pub delivery: Histogram<u64>,
    /// How late its messages were sent, nanoseconds.
    pub lateness: Histogram<u64>,
    /// Whether others had the machine.
    pub disturbed: bool,
}

/// The seconds of a floor that hold deliveries or sends.
pub(super) fn floor_seconds(floor: &Observed) -> impl Iterator<Item = FloorSecond> {
    let deliveries = floor.recorded.windows(Metric::Delivery);
    let lateness = floor.recorded.windows(Metric::SendLateness);
    (0..deliveries.len().max(lateness.len()))
        .map(move |second| {
            let samples = |windows: &[recorder::Window]| {
                windows
                    .get(second)
                    .map_or_else(histogram::empty, recorder::Window::histogram)
            };
            FloorSecond {
                delivery: samples(deliveries),
                lateness: samples(lateness),
                disturbed: floor.is_disturbed(second),
            }
        })
        .filter(|second| !second.delivery.is_empty() || !second.lateness.is_empty())
}

/// Samples that can't be are the generator's mistake, never the server's.
pub(super) fn impossible_samples(trial: &Trial<'_>) -> Vec<(Verdict, Reason)> {
    let recorded = &trial.observed.recorded;
    [
        (recorded.negative, Reason::ClockWrong(recorded.negative)),
        (recorded.clamped, Reason::TooLong(recorded.clamped)),
    ]
    .into_iter()
    .filter(|(samples, _)| *samples > 0)
    .map(|(_, reason)| (Verdict::Invalid, reason))
    .collect()
}

/// Too many seconds in which others had the machine, for thresholds on times; counts don't mind.
pub(super) fn disturbance(trial: &Trial<'_>) -> Option<(Verdict, Reason)> {
    let seconds = Scope::whole(trial).seconds(Metric::Delivery);
    let (all, disturbed) = (seconds.all, seconds.disturbed());
    (2 * disturbed > all).then_some((Verdict::Invalid, Reason::Disturbed { disturbed, all }))
}

/// Why a threshold on delivery times can't be judged on this machine: without any server, more deliveries than it leaves
/// over its limit take half of that. Only the floor's own undisturbed seconds say so.
pub(super) fn floor_is_too_high(trial: &Trial<'_>, threshold: &Threshold) -> Option<String> {
    let (limit, left) = upper_limit(threshold)?;
    let half = limit / 2;
    let (over, n) = undisturbed(&trial.floor, |second| &second.delivery, half);
    more_than(left, over, n).then(|| {
        format!(
            "over a bare relay, without any server, {} of deliveries took longer than {}, half of that limit: this machine can't tell",
            numbers::share(over as f64 / n as f64),
            numbers::duration(half),
        )
    })
}

/// The time that deliveries must stay under, and the share of them that need not.
fn upper_limit(threshold: &Threshold) -> Option<(Nanos, f64)> {
    let at_least = matches!(
        threshold.comparison,
        Comparison::Greater | Comparison::GreaterOrEqual
    );
    let time = threshold.bound as Nanos;
    match threshold.subject {
        Subject::Within(Metric::Delivery, limit) if at_least => {
            Some((nanos(limit), 1.0 - threshold.bound))
        }
        Subject::Percentile(Metric::Delivery, percentile) if !at_least => {
            Some((time, 1.0 - percentile / 100.0))
        }
        Subject::Max(Metric::Delivery) if !at_least => Some((time, 0.0)),
        _ => None,
    }
}

/// Whether a worker used its core up in more than half of the measured undisturbed seconds. A floor that goes well
/// under the same load says that it is not the load alone.
pub(super) fn saturation(trial: &Trial<'_>) -> Option<Reason> {
    let observed = trial.observed;
    let sends = observed.recorded.sends.iter().enumerate();
    let measured: Vec<usize> = sends
        .filter(|(second, sends)| sends.scheduled > 0 && !observed.is_disturbed(*second))
        .map(|(second, _)| second)
        .collect();
    let saturated = |cpu: &Vec<f64>| {
        let seconds = measured.iter().filter_map(|&second| cpu.get(second));
        seconds.filter(|&&used| used >= SATURATED).count()
    };
    let worst = observed.threads.values().map(saturated).max()?;
    if 2 * worst <= measured.len() {
        return None;
    }
    let (late, sends) = undisturbed(&trial.floor, |second| &second.lateness, LATE);
    Some(Reason::Saturated {
        seconds: worst,
        of: measured.len(),
        charged: sends > 0 && !more_than(LATE_ALONE, late, sends),
    })
}

/// Samples over a limit in the floor's undisturbed seconds, of how many.
fn undisturbed(
    floor: &[FloorSecond],
    samples: impl Fn(&FloorSecond) -> &Histogram<u64>,
    limit: Nanos,
) -> (u64, u64) {
    let seconds = floor.iter().filter(|second| !second.disturbed);
    seconds.fold((0, 0), |(over, all), second| {
        let samples = samples(second);
        let within = samples.count_between(0, limit);
        (over + samples.len() - within, all + samples.len())
    })
}

/// More than this share, and enough of them to say so (rule 7).
fn more_than(share: f64, over: u64, n: u64) -> bool {
    over as f64 > share * n as f64 && over as f64 >= BEYOND
}

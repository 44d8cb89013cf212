//! Whether the machine or the generator, and not the server, decided the numbers (rules 3, 9 and 10).

use hdrhistogram::Histogram;

use super::{Measured, Verdict, scope::Scope};
use crate::{
    model::{
        clock::{Nanos, nanos},
        histogram,
        metric::Metric,
        numbers,
        percentile::BEYOND,
    },
    observed::{
        machine::MachineSecond,
        recorder::{self, Recorded},
    },
    scenario::{Comparison, Subject, Threshold},
};

/// A send so late has used up a fifth of the promise before it began.
const LATE: Nanos = 1_000_000;
/// Of the floor's sends, more late ones than this say that the load alone makes the generator late.
const LATE_ALONE: f64 = 0.01;
/// Of a core, as much of a worker's time as leaves it none to spare.
const SATURATED: f64 = 0.9;

/// A second of the floor, as far as a verdict rests on it.
#[derive(Debug, Clone)]
pub struct FloorSecond {
    /// Latencies of its deliveries, nanoseconds.
    pub delivery: Histogram<u64>,
    /// How late its messages were sent, nanoseconds.
    pub lateness: Histogram<u64>,
    /// Whether others had the machine.
    pub disturbed: bool,
}

/// The seconds of a floor that hold deliveries or sends.
pub fn floor_seconds<'a>(
    recorded: &'a Recorded,
    machine: &'a [MachineSecond],
) -> impl Iterator<Item = FloorSecond> + 'a {
    let deliveries = recorded.windows(Metric::Delivery);
    let lateness = recorded.windows(Metric::SendLateness);
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
                disturbed: machine.get(second).is_some_and(|second| second.disturbed),
            }
        })
        .filter(|second| !second.delivery.is_empty() || !second.lateness.is_empty())
}

/// Samples that can't be are the generator's mistake, never the server's.
pub(super) fn impossible_samples(result: &Measured<'_>) -> Vec<(Verdict, String)> {
    let mut said = Vec::new();
    if result.recorded.negative > 0 {
        said.push((
            Verdict::Invalid,
            format!(
                "{} receipts before their send: the generator's clock is wrong",
                result.recorded.negative
            ),
        ));
    }
    if result.recorded.clamped > 0 {
        said.push((
            Verdict::Invalid,
            format!(
                "{} samples are longer than can be kept",
                result.recorded.clamped
            ),
        ));
    }
    said
}

/// Too many seconds in which others had the machine, for thresholds on times; counts don't mind.
pub(super) fn disturbance(result: &Measured<'_>) -> Option<(Verdict, String)> {
    let seconds = Scope::whole(result).seconds(Metric::Delivery);
    let (all, disturbed) = (seconds.all, seconds.disturbed());
    (2 * disturbed > all).then(|| {
        (
            Verdict::Invalid,
            format!(
                "in {disturbed} of {all} seconds other processes or the hypervisor had the machine: these numbers say nothing about the server"
            ),
        )
    })
}

/// Why a threshold on delivery times can't be judged on this machine: without any server, more deliveries than it leaves
/// over its limit take half of that. Only the floor's own undisturbed seconds say so.
pub(super) fn floor_is_too_high(result: &Measured<'_>, threshold: &Threshold) -> Option<String> {
    let (limit, left) = upper_limit(threshold)?;
    let half = limit / 2;
    let (over, n) = undisturbed(result.floor, |second| &second.delivery, half);
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

/// A worker thread that had no time to spare.
pub(super) struct Saturation {
    /// What, and what to do about it.
    pub(super) reason: String,
    /// Nothing says that the server is the cause.
    pub(super) decides: bool,
}

/// Whether a worker used its core up in more than half of the measured undisturbed seconds. A floor that goes well
/// under the same load says that it is not the load alone.
pub(super) fn saturation(result: &Measured<'_>) -> Option<Saturation> {
    let measured: Vec<usize> = (0..result.recorded.sends.len())
        .filter(|&second| result.recorded.sends[second].scheduled > 0)
        .filter(|&second| !result.machine.get(second).is_some_and(|one| one.disturbed))
        .collect();
    let saturated = |cpu: &Vec<f64>| {
        let seconds = measured.iter().filter_map(|&second| cpu.get(second));
        seconds.filter(|&&used| used >= SATURATED).count()
    };
    let worst = result.worker_cpu.iter().map(saturated).max()?;
    if 2 * worst <= measured.len() {
        return None;
    }
    let (late, sends) = undisturbed(result.floor, |second| &second.lateness, LATE);
    let busy = format!(
        "a worker thread used {:.0} % of a core or more in {worst} of {} seconds",
        SATURATED * 100.0,
        measured.len(),
    );
    Some(if sends == 0 || more_than(LATE_ALONE, late, sends) {
        Saturation {
            reason: format!(
                "the generator was saturated: {busy}; send fewer messages, or give it more workers (--workers) and cores"
            ),
            decides: true,
        }
    } else {
        Saturation {
            reason: format!(
                "{busy}, which the same load over a bare relay did not need: it stays charged"
            ),
            decides: false,
        }
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

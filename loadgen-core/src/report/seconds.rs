//! Which seconds of a run its verdict rests on, which were disturbed, and what was due in them.

use hdrhistogram::Histogram;

use super::{
    limits,
    statements::{due, sampled},
};
use crate::{
    model::{HistogramError, Metric, Nanos, histogram, percentile},
    result::{Run, WindowResult},
};

/// Deliveries that were due in some seconds of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Judged {
    /// All of them.
    pub due: u64,
    /// Of these, those that came within the promise.
    pub within: u64,
    /// Of these, those that never came.
    pub lost: u64,
}

/// Deliveries that were due in the seconds that the verdict on them rests on.
pub(crate) fn judged(run: &Run) -> Judged {
    due_in(run, counted(run))
}

/// Deliveries that were due in these seconds of a run.
pub(crate) fn due_in<'a>(
    run: &Run,
    seconds: impl Iterator<Item = &'a WindowResult> + Clone,
) -> Judged {
    let came: u64 = seconds.clone().map(|window| window.deliveries).sum();
    let over: u64 = seconds.clone().map(|window| window.over).sum();
    let lost = if run.windows.iter().any(|window| window.lost.is_some()) {
        seconds.filter_map(|window| window.lost).sum()
    } else {
        // In a result that does not say in which seconds, all of it is charged.
        due(run, Metric::Delivery).map_or(0, |result| result.lost)
    };
    Judged {
        due: came + lost,
        within: came.saturating_sub(over),
        lost,
    }
}

/// The seconds that the verdict on deliveries rests on.
pub(crate) fn counted(run: &Run) -> impl Iterator<Item = &WindowResult> + Clone {
    taken(run, counts_disturbed(run))
}

/// Whether the verdict on deliveries rests on disturbed seconds, too: that of the limit on them, and where there is none, of
/// all limits.
pub(crate) fn counts_disturbed(run: &Run) -> bool {
    let of_deliveries = limits::left_out_of_deliveries(run);
    disturbed(run) > 0 && of_deliveries.unwrap_or_else(|| left_out(run)) == 0
}

/// The seconds of a run, with the disturbed ones or without.
pub(crate) fn taken(
    run: &Run,
    with_disturbed: bool,
) -> impl Iterator<Item = &WindowResult> + Clone {
    let is_disturbed =
        |window: &WindowResult| window.machine.is_some_and(|machine| machine.disturbed);
    let windows = run.windows.iter();
    windows.filter(move |window| with_disturbed || !is_disturbed(window))
}

/// The seconds in which nothing outside disturbed.
pub(crate) fn undisturbed(run: &Run) -> impl Iterator<Item = &WindowResult> + Clone {
    taken(run, false)
}

/// Seconds that were left out of the verdict on any limit: none where all seconds together kept it.
pub(crate) fn left_out(run: &Run) -> usize {
    let thresholds = run.judgement.thresholds.iter();
    // Of a phase there are fewer, and the others are left out of nothing.
    match thresholds.map(|judged| limits::left_out(run, judged)).max() {
        Some(0) => 0,
        _ => disturbed(run),
    }
}

/// Seconds in which something outside disturbed.
pub(crate) fn disturbed(run: &Run) -> usize {
    let seconds = run.windows.iter().filter_map(|window| window.machine);
    seconds.filter(|second| second.disturbed).count()
}

/// The deliveries that the verdict on them rests on, or all where the result does not have the seconds' histograms.
pub(crate) fn judged_latencies(run: &Run) -> Result<Histogram<u64>, HistogramError> {
    latencies_in(run, counted(run))
}

/// The deliveries of these seconds, or all where the result does not have the seconds' histograms.
pub(crate) fn latencies_in<'a>(
    run: &Run,
    seconds: impl Iterator<Item = &'a WindowResult>,
) -> Result<Histogram<u64>, HistogramError> {
    let latencies = histogram::merged(seconds.map(|window| window.histogram.as_str()))?;
    match sampled(run, Metric::Delivery) {
        Some(all) if latencies.is_empty() => histogram::decode(&all.histogram),
        _ => Ok(latencies),
    }
}

/// A percentile of the deliveries that the verdict on them rests on; `None`: one that never came.
///
/// # Errors
/// How many it needs.
pub(crate) fn judged_percentile(
    run: &Run,
    latencies: &Histogram<u64>,
    wanted: f64,
) -> Result<Option<Nanos>, u64> {
    percentile::of_due(latencies, judged(run).lost, wanted)
}

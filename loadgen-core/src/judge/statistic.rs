//! The number that a threshold's left side names, worked out of samples or counts.

use hdrhistogram::Histogram;

use super::checks::Totals;
use crate::{
    model::{Count, percentile},
    scenario::{Subject, Threshold},
};

/// A percentile, the largest or the mean of these latencies, in nanoseconds.
///
/// # Errors
/// How many samples it needs, where there are fewer.
pub fn time(subject: Subject, latencies: &Histogram<u64>) -> Result<f64, u64> {
    match subject {
        Subject::Percentile(_, p) => percentile::of(latencies, p).map(|value| value as f64),
        // From one time of the schedule to another: no sample says it.
        Subject::Recovery(_) => Err(1),
        _ if latencies.is_empty() => Err(1),
        Subject::Mean(_) => Ok(latencies.mean()),
        _ => Ok(latencies.max() as f64),
    }
}

/// What a time of samples comes to, of which some never came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Time {
    /// Nanoseconds.
    Known(f64),
    /// It is the time of one that never came.
    Never,
    /// It needs so many samples, and there are fewer.
    TooFew(u64),
}

/// The same of samples of which so many never came: these took longer than any other. The mean is of those that came.
pub fn time_of_due(subject: Subject, latencies: &Histogram<u64>, lost: u64) -> Time {
    match subject {
        Subject::Percentile(_, p) => match percentile::of_due(latencies, lost, p) {
            Ok(Some(value)) => Time::Known(value as f64),
            Ok(None) => Time::Never,
            Err(needed) => Time::TooFew(needed),
        },
        Subject::Max(_) if lost > 0 => Time::Never,
        _ => match time(subject, latencies) {
            Ok(value) => Time::Known(value),
            Err(needed) => Time::TooFew(needed),
        },
    }
}

/// The share of so many samples that were within a limit.
pub fn share(within: u64, n: u64) -> f64 {
    within as f64 / n as f64
}

/// How many were lost, doubled, dropped or failed.
pub fn count(count: Count, totals: &Totals) -> u64 {
    match count {
        Count::Lost => totals.lost,
        Count::Duplicated => totals.duplicated,
        Count::Dropped => totals.dropped,
        Count::Failed => totals.failed,
    }
}

/// Samples without which a threshold says nothing.
pub fn needed(threshold: &Threshold) -> u64 {
    match threshold.subject {
        Subject::Percentile(_, percentile) => percentile::needed(percentile),
        Subject::Within(..) => percentile::needed(threshold.bound.min(0.9999) * 100.0),
        Subject::Max(_) | Subject::Mean(_) | Subject::Recovery(_) | Subject::Count(_) => 1,
    }
}

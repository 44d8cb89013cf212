//! What a threshold was judged by, as numbers: the value, of how many, and how sure.

use serde::{Deserialize, Serialize};

use super::{
    found::Found,
    misses::Range,
    scope::{Counted, Scope},
};
use crate::{
    judge::statistic::{self, Time},
    model::Metric,
    scenario::{Subject, Threshold},
};

/// The number on a threshold's left side, and, of a percentile or a share of samples that have seconds, how sure it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Measured {
    /// In the threshold's own unit: nanoseconds, a fraction of one, or a count; `None` where too few samples came, and
    /// where it is the time of one that never came.
    pub value: Option<f64>,
    /// Samples that were due, lost ones among them; of a count, messages that were sent.
    pub n: u64,
    /// The share within the limit in this run: other messages at these moments would have met the same. `n` counts
    /// messages.
    pub this_run: Option<Estimate>,
    /// The share within the limit in runs like this one, as its seconds vary. `n` counts seconds, here and below.
    pub runs_like_this: Option<Estimate>,
    /// The share within the limit in the long run: as seconds vary, and with bad seconds so rare that none was seen (the
    /// never-seen bound).
    pub long_run: Option<Estimate>,
}

/// A share with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Estimate {
    /// The share of what was due that was within the limit, as a fraction of one.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
    /// How many messages or seconds it rests on.
    pub n: u64,
}

impl Measured {
    /// Of a limit that few samples may miss.
    pub(super) fn of_limit(found: &Found, value: Option<f64>, n: u64) -> Self {
        let misses = &found.misses;
        let estimate = |missed: Range, n: u64| {
            let Range { low, high } = found.within(missed);
            Some(Estimate {
                value: found.limit.within(misses.share),
                low,
                high,
                n,
            })
        };
        let seconds = misses.seconds as u64;
        Self {
            value,
            n,
            this_run: estimate(misses.run, misses.messages as u64),
            runs_like_this: estimate(misses.seen, seconds),
            long_run: estimate(misses.long, seconds),
        }
    }

    /// Of a number that has no interval.
    pub(super) fn plain(scope: &Scope<'_>, threshold: &Threshold, counted: Counted) -> Self {
        let (value, n) = match threshold.subject {
            Subject::Count(count) => {
                let totals = scope.totals();
                let value = totals.map(|totals| statistic::count(count, totals) as f64);
                (value, totals.map_or(0, |totals| totals.sent))
            }
            Subject::Within(metric, _) => {
                let samples = scope.samples(metric);
                let n = samples.histogram.len() + scope.seconds(metric).lost(Counted::All);
                let within = scope.place(threshold).and_then(|at| samples.within.get(at));
                let within = within.filter(|_| n >= statistic::needed(threshold));
                (within.map(|within| statistic::share(*within, n)), n)
            }
            // Judged apart, with its own number.
            Subject::Recovery(_) => (None, 0),
            subject @ (Subject::Percentile(metric, _)
            | Subject::Max(metric)
            | Subject::Mean(metric)) => (
                known(time(scope, metric, subject, counted)),
                due(scope, metric, counted),
            ),
        };
        Self {
            value,
            n,
            this_run: None,
            runs_like_this: None,
            long_run: None,
        }
    }
}

/// A percentile, the largest or the mean of the samples that were due.
pub(super) fn time(scope: &Scope<'_>, metric: Metric, subject: Subject, counted: Counted) -> Time {
    let latencies = scope.latencies(metric, counted);
    let latencies = latencies.as_deref();
    let histogram = latencies.unwrap_or(&scope.samples(metric).histogram);
    statistic::time_of_due(subject, histogram, scope.seconds(metric).lost(counted))
}

/// The number of a time, as a result records it.
pub(super) fn known(time: Time) -> Option<f64> {
    match time {
        Time::Known(value) => Some(value),
        Time::Never | Time::TooFew(_) => None,
    }
}

fn due(scope: &Scope<'_>, metric: Metric, counted: Counted) -> u64 {
    let latencies = scope.latencies(metric, counted);
    let latencies = latencies.as_deref();
    let came = latencies.unwrap_or(&scope.samples(metric).histogram).len();
    came + scope.seconds(metric).lost(counted)
}

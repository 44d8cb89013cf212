//! One run of one side: its numbers.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::{
    judge::{
        Verdict,
        statistic::{self, Time},
    },
    model::{HistogramError, Metric, histogram, nanos, percentile},
    observed::PROMISE,
    report::seconds::{self, Judged},
    result::{Report, Run, WindowResult},
    scenario::Subject,
};

/// Which seconds of a run its deliveries are taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seconds {
    /// Those that its verdict rests on.
    Judged,
    /// Those in which nothing outside disturbed, or all where there is no such second: the same rule for both sides, whatever
    /// their verdicts.
    Undisturbed,
}

impl Seconds {
    pub(super) fn of(self, run: &Run) -> Vec<&WindowResult> {
        match self {
            Seconds::Judged => seconds::counted(run).collect(),
            Seconds::Undisturbed => {
                let undisturbed: Vec<_> = seconds::undisturbed(run).collect();
                match undisturbed.is_empty() {
                    true => run.windows.iter().collect(),
                    false => undisturbed,
                }
            }
        }
    }
}

/// What a number of a run comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    /// It, in its own unit.
    Known(f64),
    /// It is the time of a delivery that never came.
    Never,
    /// It has too few samples.
    TooFew,
}

impl Value {
    /// The number, where it is one.
    pub(super) fn known(self) -> Option<f64> {
        match self {
            Value::Known(value) => Some(value),
            Value::Never | Value::TooFew => None,
        }
    }
}

impl From<Time> for Value {
    fn from(time: Time) -> Self {
        match time {
            Time::Known(value) => Value::Known(value),
            Time::Never => Value::Never,
            Time::TooFew(_) => Value::TooFew,
        }
    }
}

impl From<Option<f64>> for Value {
    fn from(number: Option<f64>) -> Self {
        number.map_or(Value::TooFew, Value::Known)
    }
}

/// The last run of a result, with its histograms.
pub(super) struct Measured<'a> {
    pub(super) report: &'a Report,
    pub(super) run: &'a Run,
    /// Disturbed seconds that its deliveries are not taken of.
    pub(super) left_out: usize,
    due: Judged,
    histograms: BTreeMap<Metric, Histogram<u64>>,
    floor: Option<Histogram<u64>>,
}

impl<'a> Measured<'a> {
    pub(super) fn of(
        report: &'a Report,
        run: &'a Run,
        seconds: Seconds,
    ) -> Result<Self, HistogramError> {
        let seconds = seconds.of(run);
        let of = || seconds.iter().copied();
        let mut histograms = BTreeMap::new();
        for result in &run.metrics {
            let histogram = match result.metric {
                Metric::Delivery => seconds::latencies_in(run, of())?,
                _ => histogram::decode(&result.histogram)?,
            };
            histograms.insert(result.metric, histogram);
        }
        let floor = run.floor.as_ref();
        let floor = floor.map(|floor| histogram::decode(&floor.delivery.histogram));
        Ok(Self {
            report,
            run,
            left_out: run.windows.len() - seconds.len(),
            due: seconds::due_in(run, of()),
            histograms,
            floor: floor.transpose()?,
        })
    }

    /// Whether its times say something about the server.
    pub(super) fn is_valid(&self) -> bool {
        self.report.verdict != Verdict::Invalid
    }

    /// A number of the run. A delivery that never came took longer than any that did.
    pub(super) fn value(&self, subject: Subject) -> Value {
        match subject {
            Subject::Recovery(_) => Value::TooFew,
            Subject::Percentile(metric, _) | Subject::Max(metric) | Subject::Mean(metric) => {
                let Some(latencies) = self.histograms.get(&metric) else {
                    return Value::TooFew;
                };
                statistic::time_of_due(subject, latencies, self.lost(metric)).into()
            }
            Subject::Within(Metric::Delivery, limit) => {
                let share = self.share_of_deliveries(nanos(limit));
                share.into()
            }
            Subject::Within(metric, limit) => {
                let mut results = self.run.metrics.iter();
                let result = results.find(|result| result.metric == metric);
                let share = result.and_then(|result| result.share_within(nanos(limit)));
                share.into()
            }
            Subject::Count(count) => {
                let counted = statistic::count(count, &self.run.totals);
                Value::Known(counted as f64)
            }
        }
    }

    /// What was due of a metric and never came, as far as its samples are taken.
    fn lost(&self, metric: Metric) -> u64 {
        let mut results = self.run.metrics.iter();
        match metric {
            Metric::Delivery => self.due.lost,
            _ => results
                .find(|result| result.metric == metric)
                .map_or(0, |result| result.lost),
        }
    }

    /// A percentile of the deliveries, held against the floor's.
    pub(super) fn beside_floor(&self, p: f64, relate: fn(f64, f64) -> f64) -> Value {
        let value = self.value(Subject::Percentile(Metric::Delivery, p));
        match (value, self.floor(p)) {
            (_, None) => Value::TooFew,
            (Value::Known(latency), Some(floor)) => Value::Known(relate(latency, floor)),
            (value, Some(_)) => value,
        }
    }

    /// Deliveries within a limit; lost ones are over it.
    fn share_of_deliveries(&self, limit: u64) -> Option<f64> {
        let within = match limit {
            PROMISE => self.due.within,
            // Only the promise is counted exactly, second by second.
            _ => self
                .histograms
                .get(&Metric::Delivery)?
                .count_between(0, limit),
        };
        (self.due.due > 0).then(|| statistic::share(within, self.due.due))
    }

    /// A percentile of the floor's deliveries.
    fn floor(&self, p: f64) -> Option<f64> {
        Some(percentile::of(self.floor.as_ref()?, p).ok()? as f64)
    }
}

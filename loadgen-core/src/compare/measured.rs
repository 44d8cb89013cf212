//! One run of one side: its numbers.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::{
    judge::{Verdict, statistic},
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

    /// Samples of a metric.
    pub(super) fn n(&self, metric: Metric) -> u64 {
        self.histograms.get(&metric).map_or(0, Histogram::len)
    }

    /// A number of the run; `None` where it has too few samples.
    pub(super) fn value(&self, subject: Subject) -> Option<f64> {
        Some(match subject {
            Subject::Percentile(Metric::Delivery, p) => {
                let latencies = self.histograms.get(&Metric::Delivery)?;
                percentile::of_due(latencies, self.due.lost, p)
                    .ok()
                    .flatten()? as f64
            }
            Subject::Recovery(_) => return None,
            Subject::Percentile(metric, _) | Subject::Max(metric) | Subject::Mean(metric) => {
                statistic::time(subject, self.histograms.get(&metric)?).ok()?
            }
            Subject::Within(Metric::Delivery, limit) => self.share_of_deliveries(nanos(limit))?,
            Subject::Within(metric, limit) => {
                let mut results = self.run.metrics.iter();
                let result = results.find(|result| result.metric == metric)?;
                result.share_within(nanos(limit))?
            }
            Subject::Count(count) => statistic::count(count, &self.run.totals) as f64,
        })
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
    pub(super) fn floor(&self, p: f64) -> Option<f64> {
        Some(percentile::of(self.floor.as_ref()?, p).ok()? as f64)
    }
}

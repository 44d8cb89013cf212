//! One of the two results: its numbers, and how they vary from second to second.

use std::{cell::RefCell, collections::BTreeMap};

use hdrhistogram::Histogram;

use super::resample::{Draws, FEWEST, FEWEST_OF_A_FLOOR, Statistic, Windows};
use crate::{
    judge::statistic,
    model::{HistogramError, Metric, histogram, nanos, percentile},
    report::statements,
    result::{PERCENTILES, Run, WindowResult},
    scenario::Subject,
};

/// A run with its histograms.
pub(super) struct Side<'a> {
    pub run: &'a Run,
    stream: u64,
    histograms: BTreeMap<Metric, Histogram<u64>>,
    windows: Windows,
    floor: Option<(Histogram<u64>, Windows)>,
    drawn: RefCell<Vec<(Statistic, Draws)>>,
}

impl<'a> Side<'a> {
    /// `stream` keeps the draws of two sides apart.
    pub(super) fn of(run: &'a Run, stream: u64) -> Result<Self, HistogramError> {
        let mut histograms = BTreeMap::new();
        for result in &run.metrics {
            let histogram = match result.metric {
                // As the verdict: of undisturbed seconds.
                Metric::Delivery => statements::judged_latencies(run)?,
                _ => histogram::decode(&result.histogram)?,
            };
            histograms.insert(result.metric, histogram);
        }
        let floor = match &run.floor {
            Some(floor) => Some((
                histogram::decode(&floor.delivery.histogram)?,
                Windows::of(&floor.windows, 0)?,
            )),
            None => None,
        };
        let calm: Vec<WindowResult> = run
            .windows
            .iter()
            .filter(|window| !window.machine.is_some_and(|machine| machine.disturbed))
            .cloned()
            .collect();
        Ok(Self {
            run,
            stream,
            histograms,
            windows: Windows::of(&calm, run.totals.lost)?,
            floor,
            drawn: RefCell::default(),
        })
    }

    /// Samples of a metric.
    pub(super) fn n(&self, metric: Metric) -> u64 {
        self.histograms.get(&metric).map_or(0, Histogram::len)
    }

    /// A number of the run; `None` where it has too few samples.
    pub(super) fn value(&self, subject: Subject) -> Option<f64> {
        Some(match subject {
            Subject::Percentile(metric, _) | Subject::Max(metric) | Subject::Mean(metric) => {
                statistic::time(subject, self.histograms.get(&metric)?).ok()?
            }
            Subject::Within(Metric::Delivery, limit) => self.windows.within(nanos(limit))?,
            Subject::Within(metric, limit) => {
                let mut results = self.run.metrics.iter();
                let result = results.find(|result| result.metric == metric)?;
                result.share_within(nanos(limit))?
            }
            Subject::Count(count) => statistic::count(count, &self.run.totals) as f64,
        })
    }

    /// The same number of many runs that might have been; `None` for what is not recorded second by second.
    pub(super) fn draws(&self, subject: Subject) -> Option<Draws> {
        let wanted = statistic(subject)?;
        let known = |drawn: &[(Statistic, Draws)]| {
            let mut drawn = drawn.iter();
            drawn
                .find(|(known, _)| *known == wanted)
                .map(|(_, draws)| draws.clone())
        };
        if let Some(draws) = known(&self.drawn.borrow()) {
            return Some(draws);
        }
        // Those of every table are drawn at once: counting the drawn seconds is most of the work.
        let mut statistics = PERCENTILES.map(Statistic::Percentile).to_vec();
        if !statistics.contains(&wanted) || !self.drawn.borrow().is_empty() {
            statistics = vec![wanted];
        }
        let draws = self.windows.draws(&statistics, self.stream, FEWEST)?;
        let mut drawn = self.drawn.borrow_mut();
        drawn.extend(statistics.into_iter().zip(draws));
        known(&drawn)
    }

    /// A percentile of the floor's deliveries.
    pub(super) fn floor_value(&self, p: f64) -> Option<f64> {
        let (histogram, _) = self.floor.as_ref()?;
        Some(percentile::of(histogram, p).ok()? as f64)
    }

    /// The same of many floors that might have been.
    pub(super) fn floor_draws(&self, p: f64) -> Option<Draws> {
        let (_, windows) = self.floor.as_ref()?;
        let statistics = [Statistic::Percentile(p)];
        windows
            .draws(&statistics, self.stream + 2, FEWEST_OF_A_FLOOR)?
            .pop()
    }
}

/// What is drawn for a number; `None` for what is not recorded second by second.
fn statistic(subject: Subject) -> Option<Statistic> {
    match subject {
        Subject::Percentile(Metric::Delivery, p) => Some(Statistic::Percentile(p)),
        Subject::Mean(Metric::Delivery) => Some(Statistic::Mean),
        Subject::Within(Metric::Delivery, limit) => Some(Statistic::Within(nanos(limit))),
        _ => None,
    }
}

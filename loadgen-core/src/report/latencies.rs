//! The table of all latencies, as the page and Markdown show it: a row for each metric of each run.

use super::statements::{self, due, within};
use crate::{
    model::{
        Metric,
        numbers::{count, duration},
    },
    observed::PROMISE,
    result::{PERCENTILES, Report},
};

/// A metric of a run.
pub(super) struct Latency {
    pub title: &'static str,
    /// Its clock points, in words: `from → to`.
    pub measures: String,
    /// The delivery mode of the run.
    pub mode: &'static str,
    pub n: String,
    /// Those of [`PERCENTILES`].
    pub percentiles: Vec<String>,
    pub max: String,
    /// The share within the promise.
    pub within: String,
}

/// Every metric with samples.
pub(super) fn latencies(report: &Report) -> Vec<Latency> {
    let rows = Metric::ALL.into_iter().flat_map(|metric| {
        report.runs.iter().filter_map(move |run| {
            let result = due(run, metric)?;
            Some(Latency {
                title: metric.definition().title,
                measures: result.measures.clone(),
                mode: run.mode(),
                n: count(result.n),
                percentiles: PERCENTILES
                    .map(|p| statements::percentile(result, p))
                    .into(),
                max: result.max.map_or_else(|| "-".to_owned(), duration),
                within: within(result, PROMISE).unwrap_or_else(|| "-".to_owned()),
            })
        })
    });
    rows.collect()
}

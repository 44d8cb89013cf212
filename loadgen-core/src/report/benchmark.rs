//! The result as `customSmallerIsBetter`, what github-action-benchmark draws over commits.

use serde::Serialize;

use super::statements::{percentile_value, sampled};
use crate::{
    model::Metric,
    observed::PROMISE,
    result::{Report, Run},
};

/// The percentiles that are worth a line over time; the higher ones are noise on a shared machine.
const PERCENTILES: [f64; 3] = [50.0, 90.0, 99.0];

#[derive(Serialize)]
struct Entry {
    name: String,
    unit: &'static str,
    value: f64,
    extra: String,
}

/// The whole file.
pub(super) fn render(report: &Report) -> Result<String, serde_json::Error> {
    let entries = report
        .runs
        .last()
        .map_or_else(Vec::new, |run| entries(report, run));
    Ok(serde_json::to_string_pretty(&entries)? + "\n")
}

fn entries(report: &Report, run: &Run) -> Vec<Entry> {
    let scenario = &report.scenario.name;
    let entry = |name: &str, unit, value, extra| Entry {
        name: format!("{scenario}: {name}"),
        unit,
        value,
        extra,
    };
    let mut entries = Vec::new();
    for metric in [Metric::Delivery, Metric::Confirm] {
        let Some(result) = sampled(run, metric) else {
            continue;
        };
        let key = metric.definition().key;
        for percentile in PERCENTILES {
            if let Some(value) = percentile_value(result, percentile) {
                let milliseconds = value as f64 / 1e6;
                let extra = format!("n = {}, {}", result.n, report.verdict.name());
                entries.push(entry(
                    &format!("{key} p{percentile}"),
                    "ms",
                    milliseconds,
                    extra,
                ));
            }
        }
    }
    if let Some(result) = sampled(run, Metric::Delivery)
        && let Some(within) = result.within.iter().find(|within| within.limit == PROMISE)
    {
        let over = 100.0 * (result.n - within.count.min(result.n)) as f64 / result.n as f64;
        let extra = format!("n = {}, {}", result.n, report.verdict.name());
        entries.push(entry("deliveries over 5 ms", "%", over, extra));
    }
    let lost = (run.totals.lost + run.totals.duplicated) as f64;
    let extra = format!("of {} expected", run.totals.expected);
    entries.push(entry(
        "deliveries lost or duplicated",
        "deliveries",
        lost,
        extra,
    ));
    if let Some(server) = &run.server
        && run.totals.sent > 0
    {
        let each = server.cpu_seconds * 1e3 / run.totals.sent as f64;
        let extra = format!("{} messages", run.totals.sent);
        entries.push(entry("server CPU for each message", "ms", each, extra));
    }
    entries
}

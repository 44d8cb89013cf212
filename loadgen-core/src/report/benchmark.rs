//! The result as `customSmallerIsBetter`, what github-action-benchmark draws over commits.

use serde::Serialize;

use super::statements::{due, percentile_value, sampled};
use crate::{
    model::{Metric, numbers::counted},
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

/// What the user says of the result, behind other words.
fn labels(report: &Report) -> String {
    let labels = report.labels.iter();
    labels
        .map(|(key, value)| format!(", {key}={value}"))
        .collect()
}

fn entries(report: &Report, run: &Run) -> Vec<Entry> {
    let (scenario, labels) = (&report.scenario.name, labels(report));
    let entry = |name: &str, unit, value, extra: String| Entry {
        name: format!("{scenario}: {name}"),
        unit,
        value,
        extra: extra + &labels,
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
    // What was lost never came in time: a chart must not improve when messages vanish.
    if let Some(result) = due(run, Metric::Delivery)
        && let Some(within) = result.within(PROMISE)
    {
        let due = result.due();
        let over = 100.0 * due.saturating_sub(within) as f64 / due as f64;
        let extra = format!(
            "n = {due}, {} of them lost, {}",
            result.lost,
            report.verdict.name()
        );
        entries.push(entry("deliveries over 5 ms", "%", over, extra));
    }
    let of = |count: u64, words: &str| format!("of {count} {words}");
    let totals = &run.totals;
    for (name, unit, count, extra) in [
        (
            "deliveries lost",
            "deliveries",
            totals.lost,
            of(totals.expected, "due"),
        ),
        (
            "deliveries duplicated",
            "copies",
            totals.duplicated,
            of(totals.delivered, "arrived"),
        ),
        (
            "senders' own copies missing",
            "copies",
            totals.echo_missing,
            of(totals.sent, "messages sent"),
        ),
    ] {
        entries.push(entry(name, unit, count as f64, extra));
    }
    if let Some(server) = &run.server
        && run.totals.sent > 0
    {
        let each = server.cpu_seconds * 1e3 / run.totals.sent as f64;
        let extra = counted(run.totals.sent, "message");
        entries.push(entry("server CPU for each message", "ms", each, extra));
    }
    entries
}

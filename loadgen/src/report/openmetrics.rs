//! The result as OpenMetrics text: histograms in seconds, with an exact bucket at the promise.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use crate::{
    judge::verdict::Verdict,
    model::{
        histogram::{self, HistogramError},
        metric::Metric,
    },
    observed::recorder::PROMISE,
    result::{MetricResult, Report, Run},
};

/// Upper ends of the buckets, nanoseconds. That of the promise is counted exactly in the run; the others are as exact as
/// a histogram of three digits.
const BUCKETS: [u64; 16] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    PROMISE,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    10_000_000_000,
];

/// The whole exposition.
///
/// # Errors
/// When a histogram can't be read.
pub(super) fn render(report: &Report) -> Result<String, HistogramError> {
    let mut text = String::new();
    for metric in Metric::ALL {
        latencies(&mut text, report, metric)?;
    }
    messages(&mut text, report);
    deliveries(&mut text, report);
    findings(&mut text, report);
    seconds(&mut text, report);
    verdict(&mut text, report);
    info(&mut text, report);
    text.push_str("# EOF\n");
    Ok(text)
}

fn head(text: &mut String, name: &str, kind: &str, unit: &str, help: &str) {
    // Writing to a String can't fail, here and below.
    let _ = writeln!(text, "# TYPE {name} {kind}");
    if !unit.is_empty() {
        let _ = writeln!(text, "# UNIT {name} {unit}");
    }
    let _ = writeln!(text, "# HELP {name} {}", escaped(help));
}

fn latencies(text: &mut String, report: &Report, metric: Metric) -> Result<(), HistogramError> {
    let definition = metric.definition();
    let name = format!("loadgen_{}_seconds", definition.key);
    let mut headed = false;
    for run in &report.runs {
        let mut results = run.metrics.iter();
        let Some(result) = results.find(|result| result.metric == metric && result.n > 0) else {
            continue;
        };
        if !headed {
            let help = format!(
                "{}: {} to {}",
                definition.title, definition.from, definition.to
            );
            head(text, &name, "histogram", "seconds", &help);
            headed = true;
        }
        buckets(text, &name, &labels(report, run), result)?;
    }
    Ok(())
}

fn buckets(
    text: &mut String,
    name: &str,
    labels: &str,
    result: &MetricResult,
) -> Result<(), HistogramError> {
    let histogram = histogram::decode(&result.histogram)?;
    for limit in BUCKETS {
        let counted = result.within.iter().find(|within| within.limit == limit);
        let count = counted.map_or_else(|| at_most(&histogram, limit), |within| within.count);
        let _ = writeln!(
            text,
            "{name}_bucket{{{labels},le=\"{}\"}} {count}",
            limit as f64 / 1e9
        );
    }
    let sum = result.mean.unwrap_or_default() * result.n as f64 / 1e9;
    let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", result.n);
    let _ = writeln!(text, "{name}_sum{{{labels}}} {sum:.9}");
    let _ = writeln!(text, "{name}_count{{{labels}}} {}", result.n);
    Ok(())
}

fn at_most(histogram: &Histogram<u64>, limit: u64) -> u64 {
    histogram
        .iter_recorded()
        .take_while(|recorded| recorded.value_iterated_to() <= limit)
        .map(|recorded| recorded.count_at_value())
        .sum()
}

fn messages(text: &mut String, report: &Report) {
    let name = "loadgen_messages";
    head(
        text,
        name,
        "gauge",
        "",
        "Messages of the run by what became of them",
    );
    for run in &report.runs {
        let totals = &run.totals;
        let mut states = vec![
            ("scheduled", totals.scheduled),
            ("sent", totals.sent),
            ("dropped", totals.dropped),
            ("confirmed", totals.confirmed),
            ("failed", totals.failed),
        ];
        states.extend(totals.stored.map(|stored| ("stored", stored)));
        states_of(text, name, &labels(report, run), &states);
    }
}

fn deliveries(text: &mut String, report: &Report) {
    let name = "loadgen_deliveries";
    head(
        text,
        name,
        "gauge",
        "",
        "Deliveries to others by what became of them",
    );
    for run in &report.runs {
        let totals = &run.totals;
        let states = [
            ("expected", totals.expected),
            ("delivered", totals.delivered),
            ("lost", totals.lost),
            ("duplicated", totals.duplicated),
        ];
        states_of(text, name, &labels(report, run), &states);
    }
}

fn states_of(text: &mut String, name: &str, labels: &str, states: &[(&str, u64)]) {
    for (state, count) in states {
        let _ = writeln!(text, "{name}{{{labels},state=\"{state}\"}} {count}");
    }
}

fn findings(text: &mut String, report: &Report) {
    let name = "loadgen_findings";
    head(text, name, "gauge", "", "Broken promises by check");
    for run in &report.runs {
        let labels = labels(report, run);
        for finding in &run.findings {
            let check = escaped(finding.check.title());
            let _ = writeln!(
                text,
                "{name}{{{labels},check=\"{check}\"}} {}",
                finding.count
            );
        }
    }
}

fn seconds(text: &mut String, report: &Report) {
    let name = "loadgen_windows";
    head(
        text,
        name,
        "gauge",
        "",
        "Measured seconds, and those of them that others disturbed",
    );
    for run in &report.runs {
        let states = [
            ("all", run.windows.len() as u64),
            ("disturbed", super::statements::disturbed(run) as u64),
        ];
        states_of(text, name, &labels(report, run), &states);
    }
}

fn verdict(text: &mut String, report: &Report) {
    let name = "loadgen_verdict";
    head(
        text,
        name,
        "stateset",
        "",
        "The verdict on the subject of the run",
    );
    let scenario = escaped(&report.scenario.name);
    for verdict in [
        Verdict::Pass,
        Verdict::Fail,
        Verdict::Inconclusive,
        Verdict::Invalid,
    ] {
        let _ = writeln!(
            text,
            "{name}{{scenario=\"{scenario}\",{name}=\"{}\"}} {}",
            verdict.name(),
            u8::from(verdict == report.verdict)
        );
    }
}

fn info(text: &mut String, report: &Report) {
    let name = "loadgen_run";
    head(text, name, "info", "", "What was run where");
    let environment = &report.environment;
    let commit = environment.commit.as_deref().unwrap_or_default();
    let cpu = environment.cpu.as_deref().unwrap_or_default();
    let _ = writeln!(
        text,
        "{name}_info{{scenario=\"{}\",sha256=\"{}\",seed=\"{}\",commit=\"{}\",version=\"{}\",cpu=\"{}\",cores=\"{}\",started=\"{}\"}} 1",
        escaped(&report.scenario.name),
        escaped(&report.scenario.sha256),
        report.scenario.seed,
        escaped(commit),
        escaped(&environment.loadgen),
        escaped(cpu),
        environment.cores,
        escaped(&report.started),
    );
}

fn labels(report: &Report, run: &Run) -> String {
    format!(
        "scenario=\"{}\",delivery=\"{}\"",
        escaped(&report.scenario.name),
        run.delivery.name()
    )
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

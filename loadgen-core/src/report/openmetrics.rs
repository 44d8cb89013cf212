//! The result as OpenMetrics text: histograms in seconds, with an exact bucket at the promise.

use askama::Template;
use hdrhistogram::Histogram;

use super::{RenderError, statements};
use crate::{
    judge::Verdict,
    model::{HistogramError, Metric, histogram},
    observed::PROMISE,
    result::{Circumstances, MetricResult, Report, Run},
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

#[derive(Template)]
#[template(path = "openmetrics.txt")]
struct Exposition {
    families: Vec<Family>,
}

/// The values of one name.
struct Family {
    name: String,
    kind: &'static str,
    unit: Option<&'static str>,
    help: String,
    samples: Vec<Sample>,
}

struct Sample {
    /// What the family's name ends with here.
    suffix: &'static str,
    labels: String,
    value: String,
}

/// The whole exposition.
///
/// # Errors
/// When a histogram can't be read.
pub(super) fn render(report: &Report) -> Result<String, RenderError> {
    let mut families = Vec::new();
    for metric in Metric::ALL {
        families.extend(latencies(report, metric)?);
    }
    families.extend([
        messages(report),
        deliveries(report),
        findings(report),
        seconds(report),
        verdict(report),
        info(report),
    ]);
    Ok(Exposition { families }.render()? + "\n")
}

/// The histograms of a metric; `None` where no run has samples of it.
fn latencies(report: &Report, metric: Metric) -> Result<Option<Family>, HistogramError> {
    let mut samples = Vec::new();
    for run in &report.runs {
        if let Some(result) = statements::due(run, metric) {
            samples.extend(buckets(&labels(report, run), result)?);
        }
    }
    let definition = metric.definition();
    let (title, from, to) = (definition.title, definition.from, definition.to);
    Ok((!samples.is_empty()).then(|| Family {
        name: format!("loadgen_{}_seconds", definition.key),
        kind: "histogram",
        unit: Some("seconds"),
        help: escaped(&format!("{title}: {from} to {to}")),
        samples,
    }))
}

fn buckets(labels: &str, result: &MetricResult) -> Result<Vec<Sample>, HistogramError> {
    let histogram = histogram::decode(&result.histogram)?;
    let bucket = |end: String, count: u64| Sample {
        suffix: "_bucket",
        labels: format!("{labels},le=\"{end}\""),
        value: count.to_string(),
    };
    let whole = |suffix, value| Sample {
        suffix,
        labels: labels.to_owned(),
        value,
    };
    let up_to = |limit: u64| {
        let counted = result.within(limit);
        let count = counted.unwrap_or_else(|| at_most(&histogram, limit));
        bucket((limit as f64 / 1e9).to_string(), count)
    };
    let sum = result.mean.unwrap_or_default() * result.n as f64 / 1e9;
    let mut samples: Vec<Sample> = BUCKETS.into_iter().map(up_to).collect();
    // What was lost took longer than any limit.
    samples.push(bucket("+Inf".to_owned(), result.due()));
    samples.push(whole("_sum", format!("{sum:.9}")));
    samples.push(whole("_count", result.due().to_string()));
    Ok(samples)
}

fn at_most(histogram: &Histogram<u64>, limit: u64) -> u64 {
    histogram
        .iter_recorded()
        .take_while(|recorded| recorded.value_iterated_to() <= limit)
        .map(|recorded| recorded.count_at_value())
        .sum()
}

fn messages(report: &Report) -> Family {
    let help = "Messages of the run by what became of them";
    by_state("loadgen_messages", help, report, |run| {
        let totals = &run.totals;
        let messages = statements::messages(run).into_iter();
        let mut states: Vec<_> = messages.map(|one| (one.key, one.count)).collect();
        states.extend([
            ("confirmed", totals.confirmed),
            ("acknowledged", totals.acknowledged),
            ("failed", totals.failed),
        ]);
        states.extend(totals.stored.map(|stored| ("stored", stored)));
        states
    })
}

fn deliveries(report: &Report) -> Family {
    let help = "Deliveries to others by what became of them";
    by_state("loadgen_deliveries", help, report, |run| {
        let deliveries = statements::deliveries(report, run).into_iter();
        deliveries.map(|one| (one.key, one.count)).collect()
    })
}

fn findings(report: &Report) -> Family {
    by_label(
        "loadgen_findings",
        "Broken promises by check",
        "check",
        report,
        |run| {
            let findings = run.findings.iter();
            findings
                .map(|finding| (finding.check.title(), finding.count))
                .collect()
        },
    )
}

fn seconds(report: &Report) -> Family {
    let help = "Measured seconds, and those of them that others disturbed";
    by_state("loadgen_windows", help, report, |run| {
        vec![
            ("all", run.windows.len() as u64),
            ("disturbed", statements::disturbed(run) as u64),
        ]
    })
}

fn by_state<'r>(
    name: &str,
    help: &str,
    report: &'r Report,
    counts: impl Fn(&'r Run) -> Vec<(&'static str, u64)>,
) -> Family {
    by_label(name, help, "state", report, counts)
}

/// Counts of each run, told apart by the text of a label.
fn by_label<'r>(
    name: &str,
    help: &str,
    label: &str,
    report: &'r Report,
    counts: impl Fn(&'r Run) -> Vec<(&'static str, u64)>,
) -> Family {
    let of_run = |run| {
        let labels = labels(report, run);
        let labelled = move |(text, count): (&str, u64)| Sample {
            suffix: "",
            labels: format!("{labels},{label}=\"{}\"", escaped(text)),
            value: count.to_string(),
        };
        counts(run).into_iter().map(labelled)
    };
    Family {
        name: name.to_owned(),
        kind: "gauge",
        unit: None,
        help: escaped(help),
        samples: report.runs.iter().flat_map(of_run).collect(),
    }
}

fn verdict(report: &Report) -> Family {
    let name = "loadgen_verdict";
    let scenario = escaped(&report.scenario.name);
    let verdicts = [
        Verdict::Pass,
        Verdict::Fail,
        Verdict::Inconclusive,
        Verdict::Invalid,
    ];
    let sample = |verdict: Verdict| Sample {
        suffix: "",
        labels: format!("scenario=\"{scenario}\",{name}=\"{}\"", verdict.name()),
        value: u8::from(verdict == report.verdict).to_string(),
    };
    Family {
        name: name.to_owned(),
        kind: "stateset",
        unit: None,
        help: "The verdict on the subject of the run".to_owned(),
        samples: verdicts.into_iter().map(sample).collect(),
    }
}

fn info(report: &Report) -> Family {
    let environment = &report.environment;
    let run = report.runs.last();
    let target = Circumstances::of(report).target;
    let version = run.and_then(|run| run.target_version.as_deref());
    let known = [
        ("scenario", report.scenario.name.as_str()),
        ("sha256", &report.scenario.sha256),
        ("seed", &report.scenario.seed.to_string()),
        ("commit", environment.commit.as_deref().unwrap_or_default()),
        ("version", &environment.loadgen),
        ("target", &target),
        ("target_version", version.unwrap_or_default()),
        ("store", run.map_or("", |run| &run.store)),
        ("cpu", environment.cpu.as_deref().unwrap_or_default()),
        ("cores", &environment.cores.to_string()),
        ("started", &report.started),
    ]
    .map(|(label, text)| format!("{label}=\"{}\"", escaped(text)));
    // What the user named may be called as one of ours.
    let given = report.labels.iter();
    let given = given.map(|(key, value)| format!("label_{key}=\"{}\"", escaped(value)));
    let labels: Vec<String> = known.into_iter().chain(given).collect();
    Family {
        name: "loadgen_run".to_owned(),
        kind: "info",
        unit: None,
        help: "What was run where".to_owned(),
        samples: vec![Sample {
            suffix: "_info",
            labels: labels.join(","),
            value: "1".to_owned(),
        }],
    }
}

fn labels(report: &Report, run: &Run) -> String {
    format!(
        "scenario=\"{}\",delivery=\"{}\"",
        escaped(&report.scenario.name),
        run.mode_key()
    )
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

//! The result for Prometheus: histograms in seconds, with an exact bucket at the promise.

use hdrhistogram::Histogram;

use super::{
    RenderError,
    exposition::{self, Dialect, Family, Kind, Labels, Sample},
    seconds, statements,
};
use crate::{
    judge::Verdict,
    model::{HistogramError, Metric, histogram},
    result::{Circumstances, MetricResult, Report, Run},
};

/// As OpenMetrics.
///
/// # Errors
/// When a histogram can't be read.
pub(super) fn render(report: &Report) -> Result<String, RenderError> {
    Ok(exposition::text(&families(report)?, Dialect::OpenMetrics))
}

/// In the text format 0.0.4, for the pushgateway and the node exporter's textfile collector.
///
/// # Errors
/// When a histogram can't be read.
pub(super) fn prometheus(report: &Report) -> Result<String, RenderError> {
    Ok(exposition::text(&families(report)?, Dialect::Prometheus))
}

fn families(report: &Report) -> Result<Vec<Family>, HistogramError> {
    let mut families = Vec::new();
    for metric in Metric::ALL {
        families.extend(latencies(report, metric)?);
    }
    families.extend([
        messages(report),
        deliveries(report),
        findings(report),
        seconds(report),
        verdict(labels_of_all(report), Some(report.verdict)),
        info(report),
    ]);
    Ok(families)
}

/// The histograms of a metric; `None` where no run has samples of it.
fn latencies(report: &Report, metric: Metric) -> Result<Option<Family>, HistogramError> {
    let mut samples = Vec::new();
    for run in &report.runs {
        if let Some(result) = statements::due(run, metric) {
            samples.extend(buckets(&labels(report, run), result)?);
        }
    }
    Ok((!samples.is_empty()).then(|| of_metric(metric, samples)))
}

/// The samples of a metric under its name.
pub(super) fn of_metric(metric: Metric, samples: Vec<Sample>) -> Family {
    let definition = metric.definition();
    let (title, from, to) = (definition.title, definition.from, definition.to);
    let name = format!("loadgen_{}_seconds", definition.key);
    let help = format!("{title}: {from} to {to}");
    Family::new(name, Kind::Histogram, help, samples).in_unit("seconds")
}

fn buckets(labels: &Labels, result: &MetricResult) -> Result<Vec<Sample>, HistogramError> {
    let histogram = histogram::decode(&result.histogram)?;
    let up_to = |limit: u64| {
        let counted = result.within(limit);
        counted.unwrap_or_else(|| at_most(&histogram, limit))
    };
    let sum = result.mean.unwrap_or_default() * result.n as f64 / 1e9;
    // What was lost took longer than any limit.
    Ok(exposition::buckets(labels, up_to, sum, result.due()))
}

/// How many samples were at most that long.
pub(super) fn at_most(histogram: &Histogram<u64>, limit: u64) -> u64 {
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
            ("disturbed", seconds::disturbed(run) as u64),
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
        let labelled =
            move |(text, count): (&str, u64)| Sample::new(labels.clone().with(label, text), count);
        counts(run).into_iter().map(labelled)
    };
    let samples = report.runs.iter().flat_map(of_run).collect();
    Family::new(name, Kind::Gauge, help, samples)
}

/// Which verdict it is; `None`: none yet.
pub(super) fn verdict(labels: Labels, is: Option<Verdict>) -> Family {
    let name = "loadgen_verdict";
    let verdicts = [
        Verdict::Pass,
        Verdict::Fail,
        Verdict::Inconclusive,
        Verdict::Invalid,
    ];
    let sample = |verdict: Verdict| {
        let labels = labels.clone().with(name, verdict.name());
        Sample::new(labels, u8::from(Some(verdict) == is))
    };
    let help = "The verdict on the subject of the run";
    let samples = verdicts.into_iter().map(sample).collect();
    Family::new(name, Kind::StateSet, help, samples)
}

fn info(report: &Report) -> Family {
    let environment = &report.environment;
    let run = report.runs.last();
    let target = Circumstances::of(report).target;
    let version = run.and_then(|run| run.target_version.as_deref());
    let labels = [
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
    .into_iter()
    .fold(Labels::default(), |labels, (name, value)| {
        labels.with(name, value)
    });
    let sample = Sample::new(labels.with_given(&report.labels), 1);
    Family::new(
        "loadgen_run",
        Kind::Info,
        "What was run where",
        vec![sample],
    )
}

/// Those that tell runs of a result from each other, and results from other ones.
fn labels(report: &Report, run: &Run) -> Labels {
    Labels::default()
        .with("scenario", &report.scenario.name)
        .with("delivery", run.mode_key())
        .with_given(&report.labels)
}

fn labels_of_all(report: &Report) -> Labels {
    Labels::default()
        .with("scenario", &report.scenario.name)
        .with_given(&report.labels)
}

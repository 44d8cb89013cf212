//! What all formats say of a result in the same words: its sentence, its checks, its numbers, its machine.

use hdrhistogram::Histogram;

use crate::{
    judge::{Check, Finding, Judged, Reason, Verdict},
    model::{
        Count, Delivery, HistogramError, Metric, Nanos, histogram,
        numbers::{bytes, count, duration, limit, share},
    },
    observed::PROMISE,
    result::{MetricResult, Report, Run, WindowResult},
};

/// The result in one sentence, for a reader who has only ten seconds.
pub(super) fn sentence(report: &Report) -> String {
    let first = report.reasons.first();
    let reason = first.map(Reason::to_string).unwrap_or_default();
    let Some(run) = report.runs.last() else {
        return reason;
    };
    match report.verdict {
        Verdict::Pass => kept(run, &reason),
        Verdict::Fail if run.findings.is_empty() => format!("A limit was missed: {reason}."),
        Verdict::Fail => {
            let broken: Vec<String> = run.findings.iter().map(broken).collect();
            format!("The server broke its promise: {}.", broken.join(", "))
        }
        Verdict::Inconclusive => format!("Too little was measured to say: {reason}."),
        Verdict::Invalid => format!(
            "The machine or the generator, not the server, decided these numbers: {}.",
            first.map(Reason::told_of_the_machine).unwrap_or_default()
        ),
    }
}

fn broken(finding: &Finding) -> String {
    format!("{} {}", count(finding.count), finding.check.title())
}

fn kept(run: &Run, reason: &str) -> String {
    let (deliveries, within) = judged(run);
    if deliveries == 0 {
        return format!("Every promise and every limit was kept: {reason}.");
    }
    let calm = match left_out(run) {
        0 => "",
        _ => " in undisturbed seconds",
    };
    format!(
        "{} of {} deliveries{calm} arrived within {} of their intended send, and none was lost or doubled.",
        share(within as f64 / deliveries as f64),
        count(deliveries),
        limit(PROMISE),
    )
}

/// Deliveries in the seconds that count, and how many of these were within the promise.
pub(super) fn judged(run: &Run) -> (u64, u64) {
    counted(run).fold((0, 0), |(all, within), window| {
        (
            all + window.deliveries,
            within + window.deliveries - window.over.min(window.deliveries),
        )
    })
}

/// The seconds that the verdict rests on.
fn counted(run: &Run) -> impl Iterator<Item = &WindowResult> {
    let all = left_out(run) == 0;
    let windows = run.windows.iter();
    windows.filter(move |window| all || !window.machine.is_some_and(|machine| machine.disturbed))
}

/// Seconds that were left out of the verdict on any limit: none where all seconds together kept it.
pub(crate) fn left_out(run: &Run) -> usize {
    let thresholds = run.judgement.thresholds.iter();
    let disturbed = disturbed(run);
    // Of a phase there are fewer, and the others are left out of nothing.
    let left_out = thresholds.map(|judged| judged.left_out.unwrap_or(disturbed));
    match left_out.max() {
        Some(0) => 0,
        _ => disturbed,
    }
}

/// Seconds in which something outside disturbed.
pub(crate) fn disturbed(run: &Run) -> usize {
    let seconds = run.windows.iter().filter_map(|window| window.machine);
    seconds.filter(|second| second.disturbed).count()
}

/// The deliveries that the verdict rests on: those of the seconds that count, or all where the result does not have the
/// seconds' histograms.
pub(crate) fn judged_latencies(run: &Run) -> Result<Histogram<u64>, HistogramError> {
    let judged = histogram::merged(counted(run).map(|window| window.histogram.as_str()))?;
    match sampled(run, Metric::Delivery) {
        Some(all) if judged.is_empty() => histogram::decode(&all.histogram),
        _ => Ok(judged),
    }
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome<'a> {
    /// Made, and nothing found.
    Kept,
    /// Found.
    Broken(&'a Finding),
    /// Not made, and why.
    NotMade(&'static str),
}

/// Every check of a run.
pub(super) fn checks(run: &Run) -> Vec<(Check, Outcome<'_>)> {
    Check::ALL
        .into_iter()
        .map(|check| (check, outcome(run, check)))
        .collect()
}

fn outcome(run: &Run, check: Check) -> Outcome<'_> {
    if let Some(finding) = run.findings.iter().find(|finding| finding.check == check) {
        return Outcome::Broken(finding);
    }
    match check {
        Check::ConfirmedNotStored | Check::FailedButStored | Check::StoredTwice if !run.audited => {
            Outcome::NotMade("nobody could look into the store")
        }
        // What is missing from a run that was cut off was never waited for (`Account::of_a_cut_run`).
        Check::Lost
        | Check::EndMissing
        | Check::AckWrong
        | Check::FailedButStored
        | Check::ConnectionLost
        | Check::StateLeft
            if !run.complete =>
        {
            Outcome::NotMade("the run was cut off")
        }
        Check::EndMissing | Check::EndTwice | Check::EndEarly | Check::EndOrphaned
            if run.delivery == Delivery::PersistFirst =>
        {
            Outcome::NotMade("a message that is saved first has no end of its own")
        }
        _ => Outcome::Kept,
    }
}

/// The verdict on a limit in its run. Where the whole run is invalid and no limit by itself, no time was shown to be kept;
/// counts are not spoilt by a busy machine.
pub(super) fn verdict(run: &Run, judged: &Judged) -> Verdict {
    let subject = judged.threshold.split_whitespace().next();
    let on_a_count = Count::ALL.iter().any(|count| Some(count.key()) == subject);
    let mut thresholds = run.judgement.thresholds.iter();
    let by_itself = thresholds.any(|one| one.verdict == Verdict::Invalid);
    match run.judgement.verdict {
        Verdict::Invalid if !on_a_count && !by_itself => Verdict::Invalid,
        _ => judged.verdict,
    }
}

/// The result of a metric, if the run has one with samples.
pub(super) fn sampled(run: &Run, metric: Metric) -> Option<&MetricResult> {
    let mut results = run.metrics.iter();
    results.find(|result| result.metric == metric && result.n > 0)
}

/// A percentile of [`super::PERCENTILES`] as a cell of a table: its value, or what it needs.
pub(super) fn percentile(result: &MetricResult, wanted: f64) -> String {
    let mut percentiles = result.percentiles.iter();
    match percentiles.find(|percentile| percentile.percentile == wanted) {
        Some(percentile) => match percentile.value {
            Some(value) => duration(value),
            None => format!("needs {}", count(percentile.needs)),
        },
        None => "-".into(),
    }
}

/// The value of a percentile of [`super::PERCENTILES`], where there are enough samples.
pub(super) fn percentile_value(result: &MetricResult, wanted: f64) -> Option<Nanos> {
    let mut percentiles = result.percentiles.iter();
    percentiles.find(|p| p.percentile == wanted)?.value
}

/// The share of the samples at or under a limit, where it was counted.
pub(super) fn within(result: &MetricResult, limit: Nanos) -> Option<String> {
    let within = result.within.iter().find(|within| within.limit == limit)?;
    (result.n > 0).then(|| share(within.count as f64 / result.n as f64))
}

/// How many messages and deliveries became what, for people; `stored` is half a sentence.
pub(super) struct Counts {
    pub scheduled: String,
    pub sent: String,
    pub dropped: String,
    pub expected: String,
    pub delivered: String,
    pub lost: String,
    pub duplicated: String,
    pub confirmed: String,
    pub failed: String,
    pub stored: String,
}

/// The counts of a run.
pub(super) fn counts(run: &Run) -> Counts {
    let totals = &run.totals;
    Counts {
        scheduled: count(totals.scheduled),
        sent: count(totals.sent),
        dropped: count(totals.dropped),
        expected: count(totals.expected),
        delivered: count(totals.delivered),
        lost: count(totals.lost),
        duplicated: count(totals.duplicated),
        confirmed: count(totals.confirmed),
        failed: count(totals.failed),
        stored: match totals.stored {
            Some(stored) => format!("{} of the confirmed found in the store", count(stored)),
            None => "not looked up in the store".to_owned(),
        },
    }
}

/// One case of a finding, in words. What came off the wire may hold control characters, and these have no business on a
/// terminal or in a file.
pub(crate) fn example(example: &crate::judge::Example) -> String {
    let mut parts = Vec::new();
    if let Some(message) = example.message {
        parts.push(format!("message {message}"));
    }
    if let Some(at) = example.at {
        parts.push(format!("at {:.3} s", at as f64 / 1e9));
    }
    if let Some(sender) = &example.sender {
        parts.push(format!("from {sender}"));
    }
    if let Some(recipient) = &example.recipient {
        parts.push(format!("to {recipient}"));
    }
    parts.extend(example.note.clone());
    parts.join(", ").replace(char::is_control, "\u{fffd}")
}

/// Where and with what it was measured, as (name, value).
pub(super) fn environment(report: &Report) -> Vec<(&'static str, String)> {
    let environment = &report.environment;
    let unknown = || "unknown".to_owned();
    let mut rows = vec![
        (
            "processor",
            format!(
                "{}, {} cores",
                environment.cpu.clone().unwrap_or_else(unknown),
                environment.cores
            ),
        ),
        (
            "virtualisation",
            environment
                .virtualisation
                .clone()
                .unwrap_or_else(|| "none that the processor tells of".to_owned()),
        ),
        ("kernel", environment.kernel.clone().unwrap_or_else(unknown)),
        ("memory", environment.memory.map_or_else(unknown, bytes)),
        (
            "open files",
            environment.open_files.map_or_else(unknown, count),
        ),
        (
            "load average at the start",
            environment
                .load
                .map_or_else(unknown, |load| format!("{load:.2}")),
        ),
        ("loadgen", environment.loadgen.clone()),
        ("commit", environment.commit.clone().unwrap_or_else(unknown)),
    ];
    if let Some(run) = report.runs.last() {
        rows.extend([
            ("store", run.store.clone()),
            ("durability", run.durability.clone().unwrap_or_else(unknown)),
            ("dialect", run.dialect.name().to_owned()),
            (
                "client",
                format!("{}, {}", run.generator.client, run.generator.transport),
            ),
        ]);
    }
    rows.extend([
        ("started", report.started.clone()),
        ("ended", report.ended.clone()),
        ("scenario file", report.scenario.file.clone()),
        ("its SHA-256", report.scenario.sha256.clone()),
        ("seed", report.scenario.seed.to_string()),
    ]);
    for (name, value) in &report.scenario.variables {
        rows.push(("variable", format!("{name} = {value}")));
    }
    rows.push(("command", report.command.join(" ")));
    rows
}

/// What was asked, in numbers.
pub(super) fn load(report: &Report) -> String {
    let scenario = &report.scenario;
    let mut parts = vec![format!("{} users", count(scenario.users.into()))];
    if scenario.rooms > 0 {
        parts.push(format!("{} rooms of two", count(scenario.rooms as u64)));
    }
    if scenario.channels > 0 {
        parts.push(format!("{} channels", count(scenario.channels as u64)));
    }
    parts.push(format!("{} messages", count(scenario.messages as u64)));
    parts.push(format!(
        "{} deliveries to others",
        count(scenario.deliveries)
    ));
    if scenario.actions > 0 {
        parts.push(format!(
            "{} joins, leaves and reconnects",
            count(scenario.actions as u64)
        ));
    }
    parts.join(", ")
}

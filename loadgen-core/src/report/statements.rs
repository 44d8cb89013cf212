//! What all formats say of a result in the same words: its sentence, its checks, its numbers, its machine.

use crate::{
    judge::{Check, Finding, Judged as Limit, Reason, Verdict},
    model::{
        Count, Delivery, Metric, Nanos,
        numbers::{bytes, count, counted as counted_of, duration, percentage},
    },
    result::{Circumstances, HeldTo, MetricResult, Report, Run, SizeResult},
};

/// The reason of the verdict in one sentence; `answer::headline` tells it beside the answer.
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
        Verdict::Invalid if first.is_some_and(Reason::is_of_parts) => format!("This is {reason}."),
        Verdict::Invalid if first.is_some_and(Reason::is_void) => {
            format!("What was asked was not measured: {reason}.")
        }
        Verdict::Invalid => format!(
            "The machine or the generator, not the server, decided these numbers: {}.",
            first.map(Reason::told_of_the_machine).unwrap_or_default()
        ),
    }
}

fn broken(finding: &Finding) -> String {
    finding.check.counted(finding.count)
}

fn kept(run: &Run, reason: &str) -> String {
    match run.totals.expected {
        0 => format!("Every promise and every limit was kept: {reason}."),
        1 => "The one delivery that was due was neither lost nor doubled.".to_owned(),
        due => format!(
            "Of {} deliveries that were due, none was lost or doubled.",
            count(due)
        ),
    }
}

/// Each run, behind whose it is where there are several: `persist-first delivery (the baseline): `.
pub(super) fn whose(report: &Report) -> Vec<(String, &Run)> {
    let last = report.runs.len().saturating_sub(1);
    let runs = report.runs.iter().enumerate();
    runs.map(|(place, run)| {
        let whose = match place {
            _ if last == 0 => String::new(),
            place if place == last => format!("{} delivery: ", run.mode()),
            _ => format!("{} delivery (the baseline): ", run.mode()),
        };
        (whose, run)
    })
    .collect()
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
        | Check::EchoMissing
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
        _ => not_held_to(run, check).map_or(Outcome::Kept, Outcome::NotMade),
    }
}

/// Why a check could not be made, where the server never promised what it is about.
fn not_held_to(run: &Run, check: Check) -> Option<&'static str> {
    let held_to = run.held_to?;
    let (held, why) = match check {
        Check::ConfirmedNotStored => (
            held_to.ends || held_to.acks || tells_by_its_deliveries(run),
            "this server says nothing of what it stores",
        ),
        Check::EndMissing | Check::EndTwice | Check::EndEarly | Check::EndOrphaned => {
            (held_to.ends, "this server says no end of a message")
        }
        Check::AckWrong => (held_to.acks, "this server acknowledges no message"),
        Check::EchoMissing => (held_to.echo, "this server sends no copy to the sender"),
        Check::OrderDisagrees => (
            held_to.one_order,
            "this server promises no one order for all members",
        ),
        Check::StateLeft => (
            held_to.forgets,
            "nobody could ask the server, or others were there",
        ),
        _ => return None,
    };
    (!held).then_some(why)
}

/// The verdict on a limit in its run. Where the whole run is invalid and no limit by itself, no time was shown to be kept;
/// counts are not spoilt by a busy machine.
pub(super) fn verdict(run: &Run, judged: &Limit) -> Verdict {
    let subject = judged.threshold.split_whitespace().next();
    let on_a_count = Count::ALL.iter().any(|count| Some(count.key()) == subject);
    let mut thresholds = run.judgement.thresholds.iter();
    let by_itself = thresholds.any(|one| one.verdict == Verdict::Invalid);
    match run.judgement.verdict {
        Verdict::Invalid if !on_a_count && !by_itself => Verdict::Invalid,
        _ => judged.verdict,
    }
}

/// The result of a metric, if any of its samples was due.
pub(super) fn due(run: &Run, metric: Metric) -> Option<&MetricResult> {
    let mut results = run.metrics.iter();
    results.find(|result| result.metric == metric && result.due() > 0)
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

/// The share of what was due that came at or under a limit, where it was counted.
pub(super) fn within(result: &MetricResult, limit: Nanos) -> Option<String> {
    result.share_within(limit).map(percentage)
}

/// How many members the conversations of a class have.
pub(super) fn members(size: &SizeResult) -> String {
    let [least, most] = [size.least, size.most].map(|members| count(members.into()));
    match size.most {
        same if same == size.least => counted_of(same.into(), "member"),
        u32::MAX => format!("{least} members or more"),
        _ => format!("{least} to {most} members"),
    }
}

/// The accounts of a run in sentences without a full stop, the same in every format for people.
pub(super) struct Accounts {
    pub messages: String,
    pub deliveries: String,
    pub store: String,
}

/// The account of a run in sentences.
pub(super) fn accounts(report: &Report, run: &Run) -> Accounts {
    let said = |counts: Vec<Counted>| {
        let counts = counts.iter();
        let counts = counts.map(|one| format!("{} {}", count(one.count), one.words));
        counts.collect::<Vec<_>>().join(", ")
    };
    Accounts {
        messages: said(messages(run)),
        deliveries: said(deliveries(report, run)),
        store: saved(run),
    }
}

/// Whether a delivery said that its message is stored, and any was found there: results of before did not look it up.
fn tells_by_its_deliveries(run: &Run) -> bool {
    run.delivery == Delivery::PersistFirst && run.totals.stored.is_some_and(|stored| stored > 0)
}

/// What was said of the store, in the server's own terms, and what was found in it.
fn saved(run: &Run) -> String {
    let totals = &run.totals;
    let (said, of) = match run.held_to {
        Some(HeldTo {
            ends: false,
            acks: false,
            ..
        }) => {
            let stored = totals.stored.filter(|_| tells_by_its_deliveries(run));
            return match stored {
                Some(stored) => format!(
                    "the server says by its deliveries alone what it stores, {} of these messages found in the store",
                    count(stored)
                ),
                None => "the server says nothing of what it stores".to_owned(),
            };
        }
        Some(HeldTo {
            ends: false,
            ack_confirms: false,
            ..
        }) => (
            format!("{} acknowledged", count(totals.acknowledged)),
            "acknowledged",
        ),
        _ => (
            format!(
                "{} confirmed, {} failed",
                count(totals.confirmed),
                count(totals.failed)
            ),
            "confirmed",
        ),
    };
    match totals.stored {
        Some(stored) => format!("{said}, {} of the {of} found in the store", count(stored)),
        None => format!("{said}, not looked up in the store"),
    }
}

/// How many users connected, and joined where the server says so.
pub(super) fn connected(run: &Run) -> String {
    let generator = &run.generator;
    let joined = match sampled(run, Metric::Join) {
        Some(_) => " and joined",
        None => "",
    };
    format!(
        "{} connected{joined} in {:.2} s",
        counted_of(generator.connections, "user"),
        generator.connect_seconds
    )
}

/// A count of the account.
pub(super) struct Counted {
    /// As machines read it.
    pub key: &'static str,
    /// As people do.
    pub words: &'static str,
    pub count: u64,
}

/// The counts of deliveries, as machines and as people read them (`docs/MEASUREMENT.md`, "The counts").
pub const DELIVERIES: [(&str, &str); 7] = [
    ("planned", "planned"),
    ("expected", "due"),
    ("delivered", "arrived"),
    ("lost", "lost"),
    ("duplicated", "duplicated"),
    ("echo_missing", "own copies missing"),
    ("grey", "grey"),
];

fn named((key, words): (&'static str, &'static str), count: u64) -> Counted {
    Counted { key, words, count }
}

/// What became of the messages.
pub(super) fn messages(run: &Run) -> Vec<Counted> {
    let totals = &run.totals;
    vec![
        named(("scheduled", "scheduled"), totals.scheduled),
        named(("sent", "sent"), totals.sent),
        named(("dropped", "dropped"), totals.dropped),
    ]
}

/// What became of the deliveries: the account that all formats show.
pub(super) fn deliveries(report: &Report, run: &Run) -> Vec<Counted> {
    let totals = &run.totals;
    let counts = [
        report.scenario.deliveries,
        totals.expected,
        totals.delivered,
        totals.lost,
        totals.duplicated,
        totals.echo_missing,
        run.grey,
    ];
    let counts = DELIVERIES.into_iter().zip(counts);
    counts.map(|(names, count)| named(names, count)).collect()
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
    if example.more > 0 {
        let more = count(example.more);
        parts.push(format!("and {more} more of this message and cause"));
    }
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
                "{}, {}",
                environment.cpu.clone().unwrap_or_else(unknown),
                counted_of(environment.cores as u64, "core")
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
        (
            "commit of loadgen",
            environment.commit.clone().unwrap_or_else(unknown),
        ),
    ];
    if let Some(run) = report.runs.last() {
        rows.extend([
            ("target", Circumstances::of(report).target),
            (
                "version of the target",
                run.target_version.clone().unwrap_or_else(unknown),
            ),
            ("store", run.store.clone()),
            ("durability", run.durability.clone().unwrap_or_else(unknown)),
            (
                "dialect",
                match run.own_events {
                    true => "the server's own events".to_owned(),
                    false => run.dialect.name().to_owned(),
                },
            ),
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
    for (key, value) in &report.labels {
        rows.push(("label", format!("{key} = {value}")));
    }
    rows.push(("command", report.command.join(" ")));
    rows
}

/// What was asked, in numbers.
pub(super) fn load(report: &Report) -> String {
    let scenario = &report.scenario;
    let mut parts = vec![counted_of(scenario.users.into(), "user")];
    if scenario.rooms > 0 {
        let rooms = counted_of(scenario.rooms as u64, "room");
        parts.push(format!("{rooms} of two"));
    }
    if scenario.channels > 0 {
        parts.push(counted_of(scenario.channels as u64, "channel"));
    }
    parts.push(counted_of(scenario.messages as u64, "message"));
    let deliveries = counted_of(scenario.deliveries, "delivery");
    parts.push(format!("{deliveries} to others"));
    if scenario.actions > 0 {
        parts.push(format!(
            "{} joins, leaves and reconnects",
            count(scenario.actions as u64)
        ));
    }
    parts.join(", ")
}

//! What broke in a run, what that cost in each of its parts, and what became of the messages: the words of all formats.

use super::{chart::Span, statements};
use crate::{
    judge::Met,
    model::{
        Nanos,
        numbers::{count, duration},
    },
    result::{FaultResult, PartKind, PartResult, Run},
};

/// A fault as a row: its name, what broke, when it really was, and what shows that it bit.
pub(super) struct Broke {
    pub name: String,
    pub what: String,
    pub when: String,
    pub proof: String,
}

/// A metric in a part of the run.
pub(super) struct Row {
    pub metric: &'static str,
    pub part: String,
    pub seconds: String,
    pub n: String,
    pub p50: String,
    pub p99: String,
    pub max: String,
    pub took: String,
}

/// A fate that messages met: how many, and the first of them where it is no good.
pub(super) struct Became {
    pub title: &'static str,
    pub count: String,
    pub class: &'static str,
    pub says: String,
    pub first: Vec<String>,
}

/// What broke, in the order of the scenario.
pub(super) fn broke(run: &Run) -> Vec<Broke> {
    let faults = run.faults.iter();
    faults
        .map(|fault| Broke {
            name: fault.name.clone(),
            what: fault.what.clone(),
            when: when(fault),
            proof: proof(fault),
        })
        .collect()
}

/// One sentence for each fault.
pub(super) fn sentences(run: &Run) -> Vec<String> {
    let faults = run.faults.iter();
    faults
        .map(|fault| {
            let (name, what) = (&fault.name, &fault.what);
            format!("{name}: {what}, {}; {}", when(fault), proof(fault))
        })
        .collect()
}

fn when(fault: &FaultResult) -> String {
    let at = |nanos: Nanos| format!("{:.2} s", nanos as f64 / 1e9);
    match (fault.start, fault.end) {
        (None, _) => "never".to_owned(),
        (Some(start), None) => format!("from {} on, never mended", at(start)),
        (Some(start), Some(end)) => format!("{} to {}", at(start), at(end)),
    }
}

fn proof(fault: &FaultResult) -> String {
    match (&fault.trouble, &fault.proof) {
        (Some(trouble), _) => trouble.clone(),
        (None, Some(proof)) => proof.clone(),
        (None, None) => "nothing shows that it had any effect".to_owned(),
    }
}

/// The three parts of each metric; those without a second are left out, but for what a recovery took.
pub(super) fn rows(run: &Run) -> Vec<Row> {
    let parts = run.parts.iter();
    let parts = parts.filter(|part| part.seconds > 0 || part.took.is_some());
    parts.map(row).collect()
}

fn row(part: &PartResult) -> Row {
    let time = |nanos: Option<Nanos>| nanos.map_or_else(|| "too few".to_owned(), duration);
    let fault = part.fault.as_deref().unwrap_or_default();
    Row {
        metric: part.metric.definition().title,
        part: match part.part {
            PartKind::Outside => "outside".to_owned(),
            PartKind::Inside => format!("inside {fault}"),
            PartKind::Recovery => format!("recovery from {fault}"),
        },
        seconds: count(part.seconds as u64),
        n: count(part.n),
        p50: time(part.p50),
        p99: time(part.p99),
        max: part.max.map_or_else(|| "–".to_owned(), duration),
        took: match (part.part, part.took) {
            (PartKind::Recovery, Some(took)) => format!("{:.1} s", took as f64 / 1e9),
            (PartKind::Recovery, None) => "not seen to end".to_owned(),
            _ => String::new(),
        },
    }
}

/// The fates that messages met.
pub(super) fn became(run: &Run) -> Vec<Became> {
    let fates = run.fates.iter().filter(|met| met.count > 0);
    fates
        .map(|met| Became {
            title: met.fate.title(),
            count: count(met.count),
            class: if met.broken > 0 { "bad" } else { "" },
            says: says(met),
            first: met.first.iter().map(statements::example).collect(),
        })
        .collect()
}

fn says(met: &Met) -> String {
    match (met.broken, met.fate.is_good()) {
        (0, true) => String::new(),
        // Which of them a fault excuses, nobody recorded.
        (0, false) => "no promise broken".to_owned(),
        (broken, _) if broken == met.count => "each breaks a promise".to_owned(),
        (1, _) => "1 of them breaks a promise".to_owned(),
        (broken, _) => format!("{} of them break a promise", count(broken)),
    }
}

/// What became of the messages, in a sentence; `None` of a run without faults.
pub(super) fn fates(run: &Run) -> Option<String> {
    let fates = run.fates.iter().filter(|met| met.count > 0);
    let told: Vec<String> = fates
        .map(|met| {
            let broken = match met.broken {
                0 => String::new(),
                1 => " (1 breaks a promise)".to_owned(),
                broken => format!(" ({} break a promise)", count(broken)),
            };
            format!("{} {}{broken}", count(met.count), met.fate.title())
        })
        .collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// The first messages of each fate that is no good, a line each.
pub(super) fn bad(run: &Run) -> Vec<(String, Vec<String>)> {
    let fates = run.fates.iter().filter(|met| !met.first.is_empty());
    fates
        .map(|met| {
            let title = format!("{} ({})", met.fate.title(), count(met.count));
            (title, met.first.iter().map(statements::example).collect())
        })
        .collect()
}

/// When faults were on, for the charts over time.
pub(super) fn spans(run: &Run) -> Vec<Span> {
    let faults = run.faults.iter();
    let spans = faults.filter_map(|fault| Span::of(&fault.name, fault.start, fault.end));
    spans.collect()
}

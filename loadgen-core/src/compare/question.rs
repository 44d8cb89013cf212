//! Whether runs answer one question: what makes a comparison senseless, and what makes it doubtful.

use std::collections::BTreeSet;

use super::{CompareError, harness, measured::Measured, sets::one_after_the_other};
use crate::{judge::Verdict, result::Circumstances};

/// Something of a run that should be the same everywhere.
pub(super) type Trait = fn(&Measured<'_>) -> String;

/// What must be the same in all runs of both sides.
const QUESTION: [(&str, Trait); 3] = [
    ("scenarios", |run| run.report.scenario.name.clone()),
    (
        "SHA-256s of the scenario, which was changed in between:",
        |run| run.report.scenario.sha256.clone(),
    ),
    ("delivery modes", |run| run.run.delivery.name().to_owned()),
];

/// What must be the same in all runs of one side, and is told where the sides differ.
const CIRCUMSTANCES: [(&str, Trait); 4] = [
    ("targets", |run| Circumstances::of(run.report).target),
    ("stores", |run| Circumstances::of(run.report).store),
    ("machines", |run| Circumstances::of(run.report).machine),
    ("labels", |run| match Circumstances::of(run.report).labels {
        none if none.is_empty() => "none".to_owned(),
        some => some.join(" "),
    }),
];

/// What is told where the sides differ.
const OTHERS: [(&str, Trait); 6] = [
    ("seeds", |run| run.report.scenario.seed.to_string()),
    ("dialects", |run| run.run.dialect.name().to_owned()),
    ("kernels", |run| {
        let kernel = run.report.environment.kernel.clone();
        kernel.unwrap_or_else(|| "unknown".to_owned())
    }),
    ("clients", |run| run.run.generator.client.clone()),
    ("transports", |run| run.run.generator.transport.clone()),
    ("numbers of workers", |run| {
        run.run.generator.workers.to_string()
    }),
];

/// Why these runs can't be compared; empty where they can.
pub(super) fn senseless(base: &[Measured<'_>], change: &[Measured<'_>]) -> Vec<String> {
    let all = || base.iter().chain(change);
    let mut senseless: Vec<String> = QUESTION
        .into_iter()
        .filter_map(|(what, of)| several(what, &values(all(), of)))
        .collect();
    for (side, runs) in [("base", base), ("change", change)] {
        let mixed = CIRCUMSTANCES.into_iter();
        let mixed = mixed.filter_map(|(what, of)| several(what, &values(runs.iter(), of)));
        senseless.extend(mixed.map(|mixed| format!("the {side} has {mixed}")));
    }
    senseless
}

/// A run that is there twice: it would count as two.
pub(super) fn twice(base: &[Measured<'_>], change: &[Measured<'_>]) -> Result<(), CompareError> {
    let mut known = BTreeSet::new();
    let mut all = base.iter().chain(change).map(|run| run.report);
    match all.find(|report| !known.insert((&report.run_id, &report.started))) {
        // One against one it is undecided anyway.
        Some(report) if base.len() + change.len() > 2 => Err(CompareError::Twice {
            scenario: report.scenario.name.clone(),
            started: report.started.clone(),
        }),
        _ => Ok(()),
    }
}

/// What makes a comparison doubtful.
pub(super) fn cautions(base: &[Measured<'_>], change: &[Measured<'_>]) -> Vec<String> {
    let mut cautions = Vec::new();
    for (what, of) in CIRCUMSTANCES.into_iter().chain(OTHERS) {
        let (one, other) = (values(base.iter(), of), values(change.iter(), of));
        if one != other {
            cautions.push(format!(
                "different {what}: {}; {}",
                listed(&one),
                listed(&other)
            ));
        }
    }
    // A server of our own comes with its generator.
    let (one, other) = (values(base.iter(), harness), values(change.iter(), harness));
    if one != other && base.iter().chain(change).any(|run| !run.run.own) {
        cautions.push(format!(
            "different versions of loadgen: {}; {}",
            listed(&one),
            listed(&other)
        ));
    }
    if base.len() + change.len() > 2 && one_after_the_other(&starts(base), &starts(change)) {
        cautions.push(
            "all runs of one side came before those of the other: what the machine did in between looks like the change; measure both in turn"
                .to_owned(),
        );
    }
    for (side, runs) in [("base", base), ("change", change)] {
        cautions.extend(doubts(side, runs));
    }
    cautions
}

/// What is doubtful of one side.
fn doubts(side: &str, runs: &[Measured<'_>]) -> Vec<String> {
    let mut doubts = Vec::new();
    let which = |n: usize| match runs.len() {
        1 => format!("the {side} result is"),
        all => format!("{n} of {all} {side} results are"),
    };
    for verdict in [Verdict::Invalid, Verdict::Inconclusive] {
        let of_it = runs
            .iter()
            .filter(|run| run.report.verdict == verdict)
            .count();
        let left_out = match verdict == Verdict::Invalid && runs.len() > of_it {
            true => ", and left out but for the counts",
            false => "",
        };
        if of_it > 0 {
            doubts.push(format!("{} {}{left_out}", which(of_it), verdict.name()));
        }
    }
    let cut = runs.iter().filter(|run| !run.run.complete).count();
    if cut > 0 {
        doubts.push(format!(
            "{} of runs that did not go to their end",
            which(cut)
        ));
    }
    let versions = values(runs.iter(), version);
    doubts.extend(
        several("versions", &versions).map(|versions| format!("the {side} has {versions}")),
    );
    let seconds: usize = runs.iter().map(|run| run.run.windows.len()).sum();
    let disturbed: usize = runs.iter().map(|run| run.left_out).sum();
    if disturbed > 0 {
        doubts.push(format!(
            "{disturbed} of {seconds} seconds of the {side} were disturbed and are left out"
        ));
    }
    doubts
}

/// What was measured, as somebody says.
pub(super) fn version(run: &Measured<'_>) -> String {
    let version = run.run.target_version.clone();
    version.unwrap_or_else(|| "unknown".to_owned())
}

/// When each began.
pub(super) fn starts<'a>(runs: &[Measured<'a>]) -> Vec<&'a str> {
    runs.iter().map(|run| run.report.started.as_str()).collect()
}

/// Each that there is, once.
pub(super) fn values<'a, 'r: 'a>(
    runs: impl Iterator<Item = &'a Measured<'r>>,
    of: Trait,
) -> BTreeSet<String> {
    runs.map(of).collect()
}

pub(super) fn listed(values: &BTreeSet<String>) -> String {
    values
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

fn several(what: &str, values: &BTreeSet<String>) -> Option<String> {
    (values.len() > 1).then(|| format!("different {what} {}", listed(values)))
}

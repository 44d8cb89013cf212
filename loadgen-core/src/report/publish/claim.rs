//! What the latest results say together, in a sentence for each target, store and machine.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    judge::Verdict,
    model::{
        Metric,
        numbers::{count, limit, share},
    },
    observed::PROMISE,
    report::statements,
    result::{Circumstances, Report, Run},
};

/// What the description of a store says of one that is to be broken.
const NEEDED_BY_FAULTS: [&str; 2] = [", a set of three", ", test commands on"];

/// What the latest runs say of one target on one machine.
pub(super) struct Claim {
    /// Of what; empty where the site has nothing else.
    pub on: String,
    pub sentence: String,
    /// The gravest of their verdicts, as a style class.
    pub class: &'static str,
}

/// The latest results, those of each target, store and machine in a sentence of its own; the server of this program comes first.
pub(super) fn claims(latest: &[&Report]) -> Vec<Claim> {
    let mut apart: BTreeMap<(bool, Circumstances), Vec<&Report>> = BTreeMap::new();
    for report in latest {
        let mut circumstances = Circumstances::of(report);
        // How long a simulation takes is a part of the scenario, and so is what its faults need of a database.
        if let Some((simulation, _)) = circumstances.store.split_once(" (save ") {
            circumstances.store = simulation.to_owned();
        }
        for need in NEEDED_BY_FAULTS {
            circumstances.store = circumstances.store.replace(need, "");
        }
        let is_foreign = !report.runs.last().is_some_and(|run| run.own);
        let of = apart.entry((is_foreign, circumstances)).or_default();
        of.push(report);
    }
    let several = apart.len() > 1;
    apart
        .iter()
        .map(|((_, circumstances), reports)| Claim {
            on: match several {
                true => circumstances.to_string(),
                false => String::new(),
            },
            sentence: claim(reports),
            class: gravest(reports),
        })
        .collect()
}

/// How many results have each verdict, the gravest first.
fn counted(latest: &[&Report]) -> Vec<(Verdict, usize)> {
    let verdicts = [
        Verdict::Fail,
        Verdict::Invalid,
        Verdict::Inconclusive,
        Verdict::Pass,
    ];
    let count = |verdict| latest.iter().filter(|one| one.verdict == verdict).count();
    let counted = verdicts.map(|verdict| (verdict, count(verdict)));
    counted.into_iter().filter(|(_, n)| *n > 0).collect()
}

/// The gravest verdict, as a style class.
pub(super) fn gravest(latest: &[&Report]) -> &'static str {
    let counted = counted(latest);
    counted.first().map_or("", |(verdict, _)| verdict.name())
}

/// How many of which verdict, the best first: `4 PASS, 1 INVALID`.
pub(super) fn verdicts(reports: &[&Report]) -> String {
    let words: Vec<String> = counted(reports)
        .iter()
        .rev()
        .map(|(verdict, count)| format!("{count} {}", verdict.name()))
        .collect();
    words.join(", ")
}

/// Results of one target, store and machine: each number with what it counts.
fn claim(latest: &[&Report]) -> String {
    // The numbers of an invalid run say nothing about the server.
    let valid = latest
        .iter()
        .filter(|report| report.verdict != Verdict::Invalid);
    let runs: Vec<&Run> = valid.filter_map(|report| report.runs.last()).collect();
    let promising = runs.iter().filter(|run| judges_the_promise(run));
    let judged: Vec<_> = promising.map(|run| statements::judged(run)).collect();
    let due: u64 = judged.iter().map(|judged| judged.due).sum();
    let within: u64 = judged.iter().map(|judged| judged.within).sum();
    let all: u64 = runs.iter().map(|run| run.totals.expected).sum();
    let lost: u64 = runs.iter().map(|run| run.totals.lost).sum();
    let mut said = vec![format!(
        "The latest runs of {}: {}.",
        several(latest.len(), "scenario"),
        verdicts(latest)
    )];
    if due > 0 {
        said.push(format!(
            "In the {} that {} for it, {} of {} deliveries arrived within {} of their intended send.",
            several(judged.len(), "valid run"),
            if judged.len() == 1 { "asks" } else { "ask" },
            share(within as f64 / due as f64),
            count(due),
            limit(PROMISE)
        ));
    }
    if all > 0 {
        let lost = match lost {
            0 => "none was lost".to_owned(),
            lost => format!("{} were lost", count(lost)),
        };
        said.push(format!(
            "Of the {} deliveries that were due in {}, {lost}.",
            count(all),
            several(runs.len(), "valid run")
        ));
    }
    said.join(" ")
}

pub(super) fn several(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

/// Whether a scenario judges the share of deliveries within the promise.
pub(super) fn judges_the_promise(run: &Run) -> bool {
    let share = format!(
        "{}.within_{}",
        Metric::Delivery.definition().key,
        humantime::format_duration(Duration::from_nanos(PROMISE))
    );
    let judged = &run.judgement.thresholds;
    judged.iter().any(|one| one.threshold.starts_with(&share))
}

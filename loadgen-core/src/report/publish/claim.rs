//! What the latest results say together, in a sentence for each target, store and machine.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    judge::{OUTSIDE, Verdict},
    model::{
        HistogramError,
        numbers::{count, counted as counted_of, limit, percentage},
    },
    observed::PROMISE,
    report::{
        limits::{Held, Value, limits},
        seconds,
        setting::date,
    },
    result::{Circumstances, Report, Run},
    scenario::Subject,
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

/// The latest results, those of each target, store and machine in a sentence of its own: the server of this program first, and
/// what was measured last before what is older.
///
/// # Errors
/// [`HistogramError`] when a histogram can't be read.
pub(super) fn claims(latest: &[&Report]) -> Result<Vec<Claim>, HistogramError> {
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
    let started = |reports: &[&Report]| reports.iter().map(|one| one.started.clone()).max();
    let mut apart: Vec<_> = apart.into_iter().collect();
    apart.sort_by_key(|((is_foreign, _), reports)| (*is_foreign, Reverse(started(reports))));
    apart
        .iter()
        .map(|((_, circumstances), reports)| {
            let newest = started(reports).map(|started| date(&started));
            Ok(Claim {
                on: match (several, newest) {
                    (true, Some(newest)) => format!("{circumstances}; the newest of {newest}"),
                    _ => String::new(),
                },
                sentence: claim(reports)?,
                class: gravest(reports),
            })
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
fn claim(latest: &[&Report]) -> Result<String, HistogramError> {
    // The numbers of an invalid run say nothing about the server.
    let valid = latest
        .iter()
        .filter(|report| report.verdict != Verdict::Invalid);
    let runs: Vec<&Run> = valid.filter_map(|report| report.runs.last()).collect();
    let promised = runs.iter().map(|run| promised(run));
    let promised: Vec<Promised> = promised
        .filter_map(Result::transpose)
        .collect::<Result<_, _>>()?;
    let due: u64 = promised.iter().map(|promised| promised.due).sum();
    let within: u64 = promised.iter().map(|promised| promised.within).sum();
    let outside = promised.iter().filter(|one| one.is_outside).count();
    let all: u64 = runs.iter().map(|run| run.totals.expected).sum();
    let lost: u64 = runs.iter().map(|run| run.totals.lost).sum();
    let mut said = vec![format!(
        "The latest runs of {}: {}.",
        several(latest.len(), "scenario"),
        verdicts(latest)
    )];
    if due > 0 {
        said.push(format!(
            "In the {} that {} for it, {} of {}{} arrived within {} of their intended send.",
            several(promised.len(), "valid run"),
            if promised.len() == 1 { "asks" } else { "ask" },
            percentage(within as f64 / due as f64),
            counted_of(due, "delivery"),
            match outside {
                0 => "",
                all if all == promised.len() => " outside of faults",
                _ => " (outside of faults, where there were any)",
            },
            limit(PROMISE)
        ));
    }
    if all > 0 {
        let lost = match lost {
            0 => "none was lost".to_owned(),
            1 => "1 was lost".to_owned(),
            lost => format!("{} were lost", count(lost)),
        };
        let were = if all == 1 { "was" } else { "were" };
        said.push(format!(
            "Of the {} that {were} due in {}, {lost}.",
            counted_of(all, "delivery"),
            several(runs.len(), "valid run")
        ));
    }
    Ok(said.join(" "))
}

pub(super) fn several(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

/// Deliveries for which a run is held to the promise.
pub(super) struct Promised {
    due: u64,
    within: u64,
    /// They are those outside of its faults.
    is_outside: bool,
}

/// Those of the whole run, or those outside of its faults, or of the phases that have such a limit, as far as it leaves no seconds
/// out; `None` where no limit is on the promise, or only on that inside of a fault.
///
/// # Errors
/// [`HistogramError`] when a histogram can't be read.
pub(super) fn promised(run: &Run) -> Result<Option<Promised>, HistogramError> {
    let mut held = limits(run)?;
    held.retain(Held::is_on_the_promise);
    if held.iter().any(|held| held.phase.is_none()) {
        let judged = seconds::judged(run);
        return Ok(Some(Promised {
            due: judged.due,
            within: judged.within,
            is_outside: false,
        }));
    }
    // The share and the percentile of one place are one statement.
    let mut places = BTreeSet::new();
    held.retain(|held| places.insert(held.phase));
    let is_outside = held.iter().any(|held| held.phase == Some(OUTSIDE));
    held.retain(|held| match held.phase {
        Some(OUTSIDE) => true,
        Some(other) => !is_outside && !other.starts_with('@'),
        None => false,
    });
    if held.is_empty() {
        return Ok(None);
    }
    let mut promised = Promised {
        due: 0,
        within: 0,
        is_outside,
    };
    for held in held {
        if let (Some(share), Some(due)) = (share(&held), held.due()) {
            promised.due += due;
            promised.within += (share * due as f64).round() as u64;
        }
    }
    Ok(Some(promised))
}

/// The share of a part of a run that came within the promise, as far as it is known: of a percentile, as it was counted at the
/// limit.
fn share(held: &Held<'_>) -> Option<f64> {
    match (held.threshold.subject, held.value) {
        (Subject::Within(..), Value::Known(share)) => Some(share),
        (Subject::Within(..), _) => None,
        _ => Some(held.judged.numbers.as_ref()?.this_run?.value),
    }
}

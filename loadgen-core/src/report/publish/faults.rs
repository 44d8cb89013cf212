//! One page with the figures of all scenarios in which something breaks: what broke and when, what shows it, and what it cost.

use std::{cmp::Reverse, collections::BTreeMap};

use askama::Template;

use super::{
    claim::{gravest, several, verdicts},
    file, place,
    series::Series,
};
use crate::{
    model::{
        Metric, Nanos,
        numbers::{count, counted, duration},
    },
    report::{RenderError, answer::headline, limits::limits, setting::date},
    result::{FaultResult, PartKind, PartResult, Report, Run},
};

/// Where the page is, from the root of the site.
pub(super) const PATH: &str = "faults.html";

#[derive(Template)]
#[template(path = "faults.html")]
struct Page {
    systems: Vec<System>,
    /// Whether of some scenario servers were measured in different circumstances, as on another machine.
    differ: bool,
    rows: Vec<Glance>,
    scenarios: Vec<Broken>,
}

/// What the latest runs of one server say together.
struct System {
    /// Which; empty where there is no other.
    target: String,
    class: &'static str,
    summary: String,
}

/// A scenario and a server at first glance: what all runs of that version came to.
struct Glance {
    scenario: String,
    /// What sets it apart from others of the same scenario, beside the server; empty where there is nothing.
    on: String,
    anchor: String,
    target: String,
    /// How many of which verdict.
    verdicts: String,
    class: &'static str,
    /// Of the latest run: the p99 of deliveries outside of all faults, and inside of the first.
    outside: String,
    inside: String,
    /// Of all runs.
    confirmed: String,
    failed: String,
    lost: String,
    broken: String,
}

/// The latest run of a scenario in which something breaks.
struct Broken {
    name: String,
    anchor: String,
    /// Whose it is; empty where there is no other.
    target: String,
    /// What sets it apart from others of the same scenario, beside the server; empty where there is nothing.
    on: String,
    question: String,
    verdict: &'static str,
    headline: Vec<String>,
    page: String,
    day: String,
    store: String,
    faults: Vec<FaultLine>,
    parts: Vec<PartLine>,
    limits: Vec<LimitLine>,
    account: Vec<(&'static str, String)>,
    /// Promises that were broken, in words.
    broken: String,
}

struct FaultLine {
    name: String,
    what: String,
    when: String,
    proof: String,
}

/// A metric inside of a fault, after it, or outside of all.
struct PartLine {
    metric: &'static str,
    part: String,
    samples: String,
    p50: String,
    p99: String,
    /// How long after the fault it was back as outside; empty of other parts.
    back: String,
}

struct LimitLine {
    limit: String,
    measured: String,
    allowed: String,
    verdict: &'static str,
}

/// The page of those series whose latest run had a fault; `None` where there is none.
///
/// # Errors
/// [`RenderError`] when a result's histogram can't be read.
pub(super) fn page(apart: &[Series<'_>]) -> Result<Option<String>, RenderError> {
    let mut broken = broken(apart);
    // Of a scenario the server of this program comes first, and others are held against it; of a server, what is newest.
    broken.sort_by_key(|series| {
        let started = series.latest().map(|report| &*report.started);
        (
            series.scenario,
            !series.is_own(),
            series.target(),
            Reverse(started),
        )
    });
    let Some(first) = broken.first() else {
        return Ok(None);
    };
    let are_several = broken.iter().any(|one| one.target() != first.target());
    let rows = broken.iter();
    let rows: Vec<_> = rows
        .filter_map(|series| Glance::of(series, on(series, &broken)))
        .collect();
    let page = Page {
        systems: systems(&broken, are_several),
        differ: rows.iter().any(|row| !row.on.is_empty()),
        rows,
        scenarios: broken
            .iter()
            .filter_map(|series| Broken::of(series, on(series, &broken), are_several))
            .collect::<Result<_, _>>()?,
    };
    Ok(Some(page.render()?))
}

/// Those whose latest run had a fault.
pub(super) fn broken<'a, 'r>(apart: &'a [Series<'r>]) -> Vec<&'a Series<'r>> {
    let breaks = |series: &&Series<'_>| {
        let run = series.latest().and_then(|report| report.runs.last());
        run.is_some_and(|run| !run.faults.is_empty())
    };
    apart.iter().filter(breaks).collect()
}

/// What sets it apart from others of its scenario, beside the server.
fn on(series: &Series<'_>, broken: &[&Series<'_>]) -> String {
    let same = |other: &&Series<'_>| other.scenario == series.scenario;
    series.apart_from_other_servers(broken.iter().copied().filter(same))
}

/// Over all scenarios of each server: how they were judged, and what was promised and not held. A scenario counts once, as it
/// was measured last.
///
/// `broken`: of a scenario and a server the newest first.
fn systems(broken: &[&Series<'_>], are_several: bool) -> Vec<System> {
    let mut of: BTreeMap<(bool, &str), Vec<&Report>> = BTreeMap::new();
    let same = |one: &&Series<'_>, other: &&Series<'_>| {
        (one.scenario, one.target()) == (other.scenario, other.target())
    };
    for series in broken.chunk_by(same).filter_map(|same| same.first()) {
        let latest = of.entry((!series.is_own(), series.target())).or_default();
        latest.extend(series.latest());
    }
    of.into_iter()
        .map(|((_, target), latest)| System {
            target: match are_several {
                true => target.to_owned(),
                false => String::new(),
            },
            class: gravest(&latest),
            summary: summary(&latest),
        })
        .collect()
}

fn summary(latest: &[&Report]) -> String {
    let runs = || latest.iter().filter_map(|report| report.runs.last());
    let faults: usize = runs().map(|run| run.faults.len()).sum();
    let lost: u64 = runs().map(|run| run.totals.lost).sum();
    let confirmed: u64 = runs().map(|run| run.totals.confirmed).sum();
    let cases: u64 = runs().map(cases).sum();
    let was = |number: u64| if number == 1 { "was" } else { "were" };
    format!(
        "The latest runs of {} with {}: {}. {} {} confirmed in them; {} {} lost; {} of a broken promise {} found.",
        several(latest.len(), "scenario"),
        several(faults, "fault"),
        verdicts(latest),
        counted(confirmed, "message"),
        was(confirmed),
        counted(lost, "delivery"),
        was(lost),
        counted(cases, "case"),
        was(cases)
    )
}

/// How often any promise was broken.
fn cases(run: &Run) -> u64 {
    run.findings.iter().map(|finding| finding.count).sum()
}

impl Glance {
    fn of(series: &Series<'_>, on: String) -> Option<Self> {
        let latest = series.latest()?;
        let parts = &latest.runs.last()?.parts;
        let p99 = |kind: PartKind| {
            let mut deliveries = parts.iter().filter(|one| one.metric == Metric::Delivery);
            deliveries
                .find(|one| one.part == kind)
                .map_or_else(|| "–".to_owned(), |part| shown(part.p99))
        };
        let reports = series.of_latest_version();
        let sum = |number: fn(&Run) -> u64| {
            let runs = reports.iter().filter_map(|report| report.runs.last());
            count(runs.map(number).sum())
        };
        Some(Self {
            scenario: latest.scenario.name.clone(),
            on,
            anchor: file(latest),
            target: series.target().to_owned(),
            verdicts: verdicts(&reports),
            class: gravest(&reports),
            outside: p99(PartKind::Outside),
            inside: p99(PartKind::Inside),
            confirmed: sum(|run| run.totals.confirmed),
            failed: sum(|run| run.totals.failed),
            lost: sum(|run| run.totals.lost),
            broken: sum(cases),
        })
    }
}

impl Broken {
    fn of(series: &Series<'_>, on: String, are_several: bool) -> Option<Result<Self, RenderError>> {
        let report = series.latest()?;
        let run = report.runs.last()?;
        let target = if are_several { series.target() } else { "" };
        Some(Self::latest(report, run, target.to_owned(), on))
    }

    fn latest(report: &Report, run: &Run, target: String, on: String) -> Result<Self, RenderError> {
        let totals = &run.totals;
        let held = limits(run)?;
        Ok(Self {
            name: report.scenario.name.clone(),
            anchor: file(report),
            target,
            on,
            question: report.scenario.question.clone(),
            verdict: report.verdict.name(),
            headline: headline(report)?,
            page: format!("{}.html", place(report)),
            day: date(&report.started),
            store: run.store.clone(),
            faults: run.faults.iter().map(fault).collect(),
            parts: run.parts.iter().filter_map(part).collect(),
            limits: held
                .iter()
                .map(|held| LimitLine {
                    limit: held.judged.threshold.clone(),
                    measured: held.measured(),
                    allowed: held.allowed(),
                    verdict: held.verdict().name(),
                })
                .collect(),
            account: vec![
                ("sent", count(totals.sent)),
                ("confirmed", count(totals.confirmed)),
                (
                    "of these found in the store",
                    totals
                        .stored
                        .map_or_else(|| "not looked up".to_owned(), count),
                ),
                ("failed", count(totals.failed)),
                ("deliveries", count(totals.delivered)),
                ("deliveries lost", count(totals.lost)),
                ("duplicated", count(totals.duplicated)),
            ],
            broken: match cases(run) {
                0 => "none".to_owned(),
                cases => count(cases),
            },
        })
    }
}

/// What people wait for: others' messages, and to hear that their own are stored.
fn part(part: &PartResult) -> Option<PartLine> {
    let is_told = matches!(
        part.metric,
        Metric::Delivery | Metric::DeliverySameNode | Metric::DeliveryCrossNode | Metric::Confirm
    );
    if !is_told {
        return None;
    }
    let fault = part.fault.as_deref().unwrap_or_default();
    Some(PartLine {
        metric: part.metric.definition().title,
        part: match part.part {
            PartKind::Outside => "outside of all faults".to_owned(),
            PartKind::Inside => format!("inside of {fault}"),
            PartKind::Recovery => format!("recovery after {fault}"),
        },
        samples: count(part.n),
        p50: shown(part.p50),
        p99: shown(part.p99),
        back: match (part.part, part.took) {
            (PartKind::Recovery, Some(took)) => format!("back after {}", duration(took)),
            (PartKind::Recovery, None) => "nobody knows when it was back".to_owned(),
            _ => String::new(),
        },
    })
}

fn shown(time: Option<Nanos>) -> String {
    time.map_or_else(|| "too few".to_owned(), duration)
}

fn fault(fault: &FaultResult) -> FaultLine {
    let when = match (fault.start, fault.end) {
        (Some(start), Some(end)) => format!(
            "from {} for {}",
            duration(start),
            duration(end.saturating_sub(start))
        ),
        (Some(start), None) => format!("from {}, and never mended", duration(start)),
        (None, _) => "never".to_owned(),
    };
    FaultLine {
        name: fault.name.clone(),
        what: fault.what.clone(),
        when,
        proof: match (&fault.trouble, &fault.proof) {
            (Some(trouble), _) => format!("trouble: {trouble}"),
            (None, Some(proof)) => proof.clone(),
            (None, None) => "nothing shows that it bit".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::FaultKind;

    #[test]
    fn parts_are_told_of_what_people_wait_for() {
        let inside = PartResult {
            metric: Metric::Delivery,
            part: PartKind::Inside,
            fault: Some("outage".to_owned()),
            seconds: 15,
            n: 1_500,
            p50: Some(800_000),
            p99: None,
            max: None,
            took: None,
        };
        let told = part(&inside).unwrap();
        assert_eq!((&*told.part, &*told.p99), ("inside of outage", "too few"));
        assert!(told.back.is_empty());
        let recovery = PartResult {
            part: PartKind::Recovery,
            took: Some(1_500_000_000),
            ..inside.clone()
        };
        assert!(part(&recovery).unwrap().back.starts_with("back after 1.5"));
        let other = PartResult {
            metric: Metric::Ack,
            ..inside
        };
        assert!(part(&other).is_none());
    }

    #[test]
    fn a_fault_is_told_with_its_times_and_its_proof_or_its_trouble() {
        let seen = FaultResult {
            name: "outage".to_owned(),
            kind: FaultKind::StoreFrozen,
            what: "store-frozen".to_owned(),
            planned: [1_000_000_000, 2_000_000_000],
            start: Some(1_000_000_000),
            end: Some(3_000_000_000),
            proof: Some("it stood still".to_owned()),
            trouble: None,
        };
        let told = fault(&seen);
        assert!(told.when.starts_with("from 1"), "{}", told.when);
        assert_eq!(told.proof, "it stood still");
        let never = FaultResult {
            start: None,
            end: None,
            proof: None,
            trouble: Some("it would not stop".to_owned()),
            ..seen
        };
        let told = fault(&never);
        assert_eq!(
            (&*told.when, &*told.proof),
            ("never", "trouble: it would not stop")
        );
    }
}

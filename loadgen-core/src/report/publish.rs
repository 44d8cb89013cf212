//! A static site of results: a page for each, and an index with the trend of each scenario.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use askama::Template;

use super::{
    Choice, Format, RenderError,
    answer::headline,
    chart::{Figure, Point, trend},
    statements,
};
use crate::{
    judge::Verdict,
    model::{
        Metric,
        numbers::{count, duration, limit, share},
    },
    observed::PROMISE,
    result::{Circumstances, Document, Report, Run},
};

/// A file of the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteFile {
    /// From the root of the site.
    pub path: PathBuf,
    /// The whole content of the file.
    pub text: String,
}

#[derive(Template)]
#[template(path = "index.html")]
struct Index {
    claims: Vec<Claim>,
    class: &'static str,
    scenarios: Vec<Section>,
}

/// What the latest runs say of one target on one machine.
struct Claim {
    /// Of what; empty where the site has nothing else.
    on: String,
    sentence: String,
}

/// A scenario's part of the index.
struct Section {
    name: String,
    question: String,
    series: Vec<Series>,
}

/// The runs of a scenario that one trend may join: of one target, store, machine, delivery mode and set of labels.
struct Series {
    /// Which; empty where the scenario has no other.
    on: String,
    verdict: &'static str,
    sentence: String,
    figure: Vec<Figure>,
    runs: Vec<RunLine>,
}

/// A published result's row in the part of its scenario.
struct RunLine {
    day: String,
    version: String,
    verdict: &'static str,
    p50: String,
    p99: String,
    within: String,
    lost: String,
    page: String,
    json: String,
}

/// The pages of a result: the JSON and the page made from it.
///
/// # Errors
/// [`RenderError`] when the page can't be made.
pub fn pages(document: &Document) -> Result<[SiteFile; 2], RenderError> {
    let place = place(document.report());
    let page = Format::Html.render(document, Choice::default())?;
    Ok([
        SiteFile {
            path: format!("{place}.json").into(),
            text: document.text().to_owned(),
        },
        SiteFile {
            path: format!("{place}.html").into(),
            text: page,
        },
    ])
}

/// The index of these results. What was measured under other circumstances has a trend and a claim of its own.
///
/// # Errors
/// [`RenderError`] when a histogram can't be read.
pub fn index(reports: &[&Report]) -> Result<SiteFile, RenderError> {
    let mut scenarios: BTreeMap<&str, BTreeMap<_, Vec<&Report>>> = BTreeMap::new();
    for report in reports {
        // That of another server is its own.
        let own = report.runs.last().filter(|run| run.own);
        let delivery = own.map(|run| run.delivery.name());
        let series = scenarios.entry(&report.scenario.name).or_default();
        let runs = series.entry((Circumstances::of(report), delivery));
        runs.or_default().push(report);
    }
    let mut latest = Vec::new();
    let mut sections = Vec::new();
    for (name, mut all) in scenarios {
        for runs in all.values_mut() {
            runs.sort_by(|a, b| (&a.started, &a.run_id).cmp(&(&b.started, &b.run_id)));
            latest.extend(runs.last().copied());
        }
        let several = all.len() > 1;
        let series = all.iter().map(|((circumstances, delivery), runs)| {
            let on = match delivery {
                Some(delivery) => format!("{circumstances}; {delivery} delivery"),
                None => circumstances.to_string(),
            };
            series(if several { on } else { String::new() }, runs)
        });
        let newest = all.values().flatten().max_by_key(|report| &report.started);
        sections.push(Section {
            name: name.to_owned(),
            question: newest.map_or_else(String::new, |report| report.scenario.question.clone()),
            series: series.collect::<Result<_, _>>()?,
        });
    }
    let index = Index {
        claims: claims(&latest),
        class: gravest(&latest),
        scenarios: sections,
    };
    Ok(SiteFile {
        path: "index.html".into(),
        text: index.render()?,
    })
}

/// Where a result lies in the site, without its ending: the same result always in the same place.
fn place(report: &Report) -> String {
    let started: String = report
        .started
        .chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .collect();
    let name = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    format!(
        "{}/{started}-{}",
        name(&report.scenario.name),
        name(&report.run_id)
    )
}

/// The latest results, those of each target, store and machine in a sentence of its own.
fn claims(latest: &[&Report]) -> Vec<Claim> {
    let mut apart: BTreeMap<Circumstances, Vec<&Report>> = BTreeMap::new();
    for report in latest {
        let mut circumstances = Circumstances::of(report);
        // How long a simulation takes is a part of the scenario.
        if let Some((simulation, _)) = circumstances.store.split_once(" (save ") {
            circumstances.store = simulation.to_owned();
        }
        apart.entry(circumstances).or_default().push(report);
    }
    let several = apart.len() > 1;
    apart
        .iter()
        .map(|(circumstances, reports)| Claim {
            on: match several {
                true => circumstances.to_string(),
                false => String::new(),
            },
            sentence: claim(reports),
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
fn gravest(latest: &[&Report]) -> &'static str {
    let counted = counted(latest);
    counted.first().map_or("", |(verdict, _)| verdict.name())
}

/// Results of one target, store and machine in one sentence.
fn claim(latest: &[&Report]) -> String {
    // The numbers of an invalid run say nothing about the server.
    let valid = latest
        .iter()
        .filter(|report| report.verdict != Verdict::Invalid);
    let runs = valid.filter_map(|report| report.runs.last());
    let (mut deliveries, mut within, mut lost, mut promising) = (0, 0, 0, 0);
    for run in runs {
        lost += run.totals.lost;
        // A channel of 1,000 is never asked to keep the promise, and has more deliveries than all others.
        if judges_the_promise(run) {
            let judged = statements::judged(run);
            deliveries += judged.due;
            within += judged.within;
            promising += 1;
        }
    }
    let words: Vec<String> = counted(latest)
        .iter()
        .rev()
        .map(|(verdict, count)| format!("{count} {}", verdict.name()))
        .collect();
    let said = words.join(", ");
    if deliveries == 0 {
        return format!("No delivery of the latest runs was judged by the promise: {said}.");
    }
    let lost = match lost {
        0 => "none was lost".to_owned(),
        lost => format!("{} were lost", count(lost)),
    };
    let scenarios = match promising {
        1 => "the one scenario that asks for it".to_owned(),
        many => format!("the {many} scenarios that ask for it"),
    };
    format!(
        "In the latest runs of {scenarios}, {} of {} deliveries arrived within {} of their intended send; of all that was sent in {} {}, {lost}: {said}.",
        share(within as f64 / deliveries as f64),
        count(deliveries),
        limit(PROMISE),
        latest.len(),
        if latest.len() == 1 {
            "scenario"
        } else {
            "scenarios"
        },
    )
}

/// Whether a scenario judges the share of deliveries within the promise.
fn judges_the_promise(run: &Run) -> bool {
    let share = format!(
        "{}.within_{}",
        Metric::Delivery.definition().key,
        humantime::format_duration(Duration::from_nanos(PROMISE))
    );
    let judged = &run.judgement.thresholds;
    judged.iter().any(|one| one.threshold.starts_with(&share))
}

/// Runs in their order.
fn series(on: String, runs: &[&Report]) -> Result<Series, RenderError> {
    let mut lines = Vec::new();
    let mut points = Vec::new();
    for report in runs {
        let (line, point) = run_line(report)?;
        lines.push(line);
        points.push(point);
    }
    // The latest first.
    lines.reverse();
    let figure = match points.len() {
        0 | 1 => Vec::new(),
        _ => vec![trend("From run to run", &points, PROMISE)],
    };
    let latest = runs.last();
    Ok(Series {
        on,
        verdict: latest.map_or("", |report| report.verdict.name()),
        sentence: match latest {
            Some(report) => headline(report)?.join(" "),
            None => String::new(),
        },
        figure,
        runs: lines,
    })
}

/// What was measured, as short as a table and an axis want it: of a server of our own the commit, of another its version.
fn version(report: &Report) -> &str {
    let known = match report.runs.last() {
        Some(run) if !run.own => run.target_version.as_deref(),
        _ => report.environment.commit.as_deref(),
    };
    known.unwrap_or("unknown")
}

fn run_line(report: &Report) -> Result<(RunLine, Point), RenderError> {
    let place = place(report);
    let version = version(report);
    let mut latencies = [Err(0), Err(0)];
    let (mut within, mut lost) = ("-".to_owned(), "-".to_owned());
    if let Some(run) = report.runs.last() {
        let judged = statements::judged_latencies(run)?;
        latencies = [50.0, 99.0].map(|p| statements::judged_percentile(run, &judged, p));
        let counts = statements::judged(run);
        if counts.due > 0 {
            within = share(counts.within as f64 / counts.due as f64);
        }
        lost = count(run.totals.lost);
    }
    let shown = |latency: Result<Option<u64>, u64>| match latency {
        Ok(Some(latency)) => duration(latency),
        Ok(None) => "never".to_owned(),
        Err(_) => "too few".to_owned(),
    };
    let line = RunLine {
        day: report
            .started
            .chars()
            .take(16)
            .collect::<String>()
            .replace('T', " "),
        version: version.to_owned(),
        verdict: report.verdict.name(),
        p50: shown(latencies[0]),
        p99: shown(latencies[1]),
        within,
        lost,
        page: format!("{place}.html"),
        json: format!("{place}.json"),
    };
    let point = Point {
        name: version.chars().take(7).collect(),
        latencies: latencies.map(|latency| latency.ok().flatten()),
    };
    Ok((line, point))
}

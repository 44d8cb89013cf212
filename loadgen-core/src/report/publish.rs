//! A static site of results: a page for each, and an index with the trend of each scenario.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use askama::Template;

use super::{
    Choice, Format, RenderError,
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
    result::{Document, Report, Run},
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
    claim: String,
    class: &'static str,
    scenarios: Vec<Section>,
}

/// A scenario's part of the index.
struct Section {
    name: String,
    question: String,
    verdict: &'static str,
    sentence: String,
    figure: Vec<Figure>,
    runs: Vec<RunLine>,
}

/// A published result's row in the part of its scenario.
struct RunLine {
    day: String,
    commit: String,
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

/// The index of these results.
///
/// # Errors
/// [`RenderError`] when a histogram can't be read.
pub fn index(reports: &[&Report]) -> Result<SiteFile, RenderError> {
    let mut by_scenario: BTreeMap<&str, Vec<&Report>> = BTreeMap::new();
    for report in reports {
        let of_scenario = by_scenario.entry(&report.scenario.name).or_default();
        of_scenario.push(report);
    }
    for runs in by_scenario.values_mut() {
        runs.sort_by(|a, b| (&a.started, &a.run_id).cmp(&(&b.started, &b.run_id)));
    }
    let latest: Vec<&Report> = by_scenario
        .values()
        .filter_map(|runs| runs.last().copied())
        .collect();
    let (claim, class) = claim(&latest);
    let scenarios = by_scenario.values().map(|runs| section(runs));
    let index = Index {
        claim,
        class,
        scenarios: scenarios.collect::<Result<_, _>>()?,
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

/// All latest results in one sentence, and the gravest verdict among them.
fn claim(latest: &[&Report]) -> (String, &'static str) {
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
    let verdicts = [
        Verdict::Fail,
        Verdict::Invalid,
        Verdict::Inconclusive,
        Verdict::Pass,
    ];
    let counted: Vec<(Verdict, usize)> = verdicts
        .into_iter()
        .map(|verdict| {
            let of_it = latest.iter().filter(|report| report.verdict == verdict);
            (verdict, of_it.count())
        })
        .filter(|(_, count)| *count > 0)
        .collect();
    let class = counted.first().map_or("", |(verdict, _)| verdict.name());
    let words: Vec<String> = counted
        .iter()
        .rev()
        .map(|(verdict, count)| format!("{count} {}", verdict.name()))
        .collect();
    let said = words.join(", ");
    if deliveries == 0 {
        return (
            format!("No delivery of the latest runs was judged by the promise: {said}."),
            class,
        );
    }
    let lost = match lost {
        0 => "none was lost".to_owned(),
        lost => format!("{} were lost", count(lost)),
    };
    let scenarios = match promising {
        1 => "the one scenario that asks for it".to_owned(),
        many => format!("the {many} scenarios that ask for it"),
    };
    let claim = format!(
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
    );
    (claim, class)
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

fn section(runs: &[&Report]) -> Result<Section, RenderError> {
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
    let text = |of: fn(&Report) -> String| latest.map_or_else(String::new, |report| of(report));
    Ok(Section {
        name: text(|report| report.scenario.name.clone()),
        question: text(|report| report.scenario.question.clone()),
        verdict: latest.map_or("", |report| report.verdict.name()),
        sentence: text(statements::sentence),
        figure,
        runs: lines,
    })
}

fn run_line(report: &Report) -> Result<(RunLine, Point), RenderError> {
    let place = place(report);
    let commit = report.environment.commit.as_deref().unwrap_or("unknown");
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
        commit: commit.chars().take(12).collect(),
        verdict: report.verdict.name(),
        p50: shown(latencies[0]),
        p99: shown(latencies[1]),
        within,
        lost,
        page: format!("{place}.html"),
        json: format!("{place}.json"),
    };
    let point = Point {
        name: commit.chars().take(7).collect(),
        latencies: latencies.map(|latency| latency.ok().flatten()),
    };
    Ok((line, point))
}

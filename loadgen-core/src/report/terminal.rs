//! The result on a terminal: the verdict and its reason, what was measured, and at the end, where one looks, each limit
//! with its verdict.

mod ending;
mod measured;

use super::{
    Choice, answer, faults, floor, seconds, statements,
    table::{Column, Width, fitted, paragraph, sentences},
};
use crate::{
    judge::Verdict,
    model::{
        HistogramError, Metric,
        numbers::{count, duration},
    },
    observed::MachineSecond,
    result::{Model, Report, Run},
};

/// What a sentence of a run is about has so many columns, so that those of all runs begin below each other.
const ABOUT: usize = 11;

/// The whole result as text.
///
/// # Errors
/// When a histogram can't be read.
pub fn render(report: &Report, choice: Choice) -> Result<String, HistogramError> {
    let width = choice.width;
    let headline = answer::headline(report)?;
    let mut parts = vec![head(report, &headline, choice)];
    parts.extend(model(report.scenario.model).map(|told| {
        let row = [("model:", told.to_owned())];
        sentences(&row, false, width)
    }));
    parts.extend(super::setting::shards(report).map(|told| {
        let row = [("load:", told)];
        sentences(&row, false, width)
    }));
    let last = report.runs.len().saturating_sub(1);
    let runs = report.runs.iter().enumerate();
    parts.extend(runs.map(|(index, run)| run_text(report, run, index < last, width)));
    parts.push(measured::latencies(report, choice.all, width));
    let runs = statements::whose(report);
    let runs = || runs.iter().map(|(whose, run)| (whose.as_str(), *run));
    parts.extend(runs().filter_map(|(whose, run)| measured::parts(whose, run, width)));
    parts.extend(runs().filter_map(|(whose, run)| measured::faults(whose, run, width)));
    let findings = runs().flat_map(|(whose, run)| run.findings.iter().map(move |one| (whose, one)));
    parts.extend(findings.map(|(whose, one)| finding(whose, one)));
    let fates =
        runs().flat_map(|(whose, run)| faults::bad(run).into_iter().map(move |one| (whose, one)));
    parts.extend(fates.map(|(whose, one)| bad(whose, &one)));
    parts.push(ending::ending(report, &headline, choice)?);
    Ok(parts.join("\n\n") + "\n")
}

/// The verdict and the headline.
fn head(report: &Report, headline: &[String], choice: Choice) -> String {
    let first = report.reasons.first();
    let told = match report.verdict {
        // In whole sentences.
        Verdict::Fail | Verdict::Inconclusive => 1,
        Verdict::Invalid if first.is_some_and(|one| one.is_void() || one.is_of_parts()) => 1,
        Verdict::Pass | Verdict::Invalid => 0,
    };
    let further = report.reasons.iter().skip(told);
    let further = further.map(ToString::to_string);
    let further = headline.iter().skip(1).cloned().chain(further);
    let further = further.map(|text| paragraph(&text, true, choice.width));
    let first = verdict(report, headline, choice);
    let lines: Vec<String> = std::iter::once(first).chain(further).collect();
    lines.join("\n")
}

/// The verdict and the first sentence of the headline.
fn verdict(report: &Report, headline: &[String], choice: Choice) -> String {
    let name = report.verdict.name();
    let first = headline.first().map_or("", String::as_str);
    let first = format!("{}: {first}", report.scenario.name);
    let first = sentences(&[(name, first)], false, choice.width);
    first.replacen(name, &paint(name, report.verdict, choice.colour), 1)
}

/// How the numbers are to be read where they are not charged from the plan.
fn model(model: Model) -> Option<&'static str> {
    match model {
        Model::Open => None,
        Model::Closed => {
            Some("closed: latencies are service times, and a slow server was sent less")
        }
        Model::Mixed => Some(
            "open and closed: latencies of closed phases are service times, and a slow server was sent less in these",
        ),
    }
}

/// Several results, a line each, as wide as there is room.
pub fn summary(reports: &[Report], width: Width) -> String {
    let mut columns: Vec<Column> = [
        ("scenario", 0),
        ("verdict", 0),
        ("deliveries/s", 2),
        ("p50", 1),
        ("p99", 1),
        ("lost", 0),
        ("server CPU", 3),
        ("generator CPU", 4),
    ]
    .map(|(title, rank)| Column::new(title, rank))
    .into();
    for report in reports {
        let Some(run) = report.runs.last() else {
            continue;
        };
        for (column, cell) in columns.iter_mut().zip(in_a_line(report, run)) {
            column.cells.push(cell);
        }
    }
    fitted(columns, 2, width) + "\n"
}

fn in_a_line(report: &Report, run: &Run) -> [String; 8] {
    let mut metrics = run.metrics.iter();
    let delivery = metrics.find(|result| result.metric == Metric::Delivery);
    let percentile = |wanted: f64| {
        delivery
            .and_then(|result| statements::percentile_value(result, wanted))
            .map_or_else(|| "-".into(), duration)
    };
    let server = run.server.as_ref();
    [
        report.scenario.name.clone(),
        report.verdict.name().to_owned(),
        run.measured_rate()
            .map_or_else(|| "-".into(), |rate| count(rate.round() as u64)),
        percentile(50.0),
        percentile(99.0),
        count(run.totals.lost),
        server.map_or_else(|| "-".into(), |server| per_message(run, server.cpu_seconds)),
        per_message(run, run.generator.cpu_seconds),
    ]
}

fn per_message(run: &Run, cpu_seconds: f64) -> String {
    match run.totals.sent {
        0 => "-".to_owned(),
        sent => format!("{:.3} ms", cpu_seconds * 1e3 / sent as f64),
    }
}

/// A word in the colour of a verdict, where there are colours.
fn paint(word: &str, verdict: Verdict, colour: bool) -> String {
    if !colour {
        return word.into();
    }
    let code = match verdict {
        Verdict::Pass => 32,
        Verdict::Fail => 31,
        Verdict::Inconclusive => 33,
        Verdict::Invalid => 35,
    };
    format!("\x1b[1;{code}m{word}\x1b[0m")
}

fn run_text(report: &Report, run: &Run, baseline: bool, width: Width) -> String {
    let role = match baseline {
        true => " (the baseline, not judged by limits)",
        false => "",
    };
    let durability = run
        .durability
        .as_ref()
        .map_or_else(String::new, |known| format!(" (durability: {known})"));
    let heading = format!("delivery{role}, store: {}{durability}", run.store);
    let heading = sentences(&[(run.mode(), heading)], false, width);
    let lines = lines(report, run);
    let padded: Vec<(String, String)> = lines
        .into_iter()
        .map(|(about, text)| (format!("{about:<ABOUT$}"), text))
        .collect();
    let rows: Vec<(&str, String)> = padded
        .iter()
        .map(|(about, text)| (about.as_str(), text.clone()))
        .collect();
    format!("{heading}\n{}", sentences(&rows, true, width))
}

fn lines(report: &Report, run: &Run) -> Vec<(&'static str, String)> {
    let accounts = statements::accounts(report, run);
    let mut lines = Vec::new();
    if let Some(why) = &run.incomplete_because {
        lines.push(("INCOMPLETE:", why.clone()));
    }
    lines.extend([
        ("messages", accounts.messages),
        ("deliveries", accounts.deliveries),
        ("store", accounts.store),
        ("generator", generator(run)),
    ]);
    let broke = faults::sentences(run).into_iter();
    lines.extend(broke.map(|text| ("fault", text)));
    lines.extend(faults::fates(run).map(|text| ("fates", text)));
    lines.extend(cpu(run).map(|text| ("cpu", text)));
    let floor = run.floor.as_ref().map(floor::sentence);
    lines.extend(floor.map(|text| ("floor", text)));
    lines.extend(machine(run).map(|text| ("machine", text)));
    lines
}

fn generator(run: &Run) -> String {
    let generator = &run.generator;
    let each = match generator.bytes_per_connection() {
        Some(bytes) => format!(", {:.1} KiB each", bytes as f64 / 1024.0),
        None => String::new(),
    };
    format!(
        "{}{each}, {} worker{}",
        statements::connected(run),
        generator.workers,
        if generator.workers == 1 { "" } else { "s" },
    )
}

fn cpu(run: &Run) -> Option<String> {
    let server = run.server.as_ref().filter(|_| run.totals.sent > 0)?;
    Some(format!(
        "{} per message in the server, {} in the generator",
        per_message(run, server.cpu_seconds),
        per_message(run, run.generator.cpu_seconds),
    ))
}

fn machine(run: &Run) -> Option<String> {
    let windows = run.windows.iter();
    let seen: Vec<_> = windows.filter_map(|window| window.machine).collect();
    let worst = |share: fn(&MachineSecond) -> f64| seen.iter().map(share).fold(0.0, f64::max);
    match seconds::disturbed(run) {
        0 => None,
        disturbed => Some(format!(
            "{disturbed} of {} seconds disturbed: up to {:.0} % of its CPU used by other processes, {:.0} % stolen",
            seen.len(),
            worst(|second| second.foreign) * 100.0,
            worst(|second| second.stolen) * 100.0,
        )),
    }
}

/// The first messages of a fate that is no good.
fn bad(whose: &str, (title, first): &(String, Vec<String>)) -> String {
    let first = first.iter();
    let first = first.map(|example| format!("\n  {example}").trim_end().to_owned());
    let text = format!("{title}, the first:{}", first.collect::<String>());
    measured::under(whose, &text)
}

/// A broken promise with its cases, which are shown as they are.
fn finding(whose: &str, finding: &crate::judge::Finding) -> String {
    let examples = finding.examples.iter().map(statements::example);
    let examples = examples.map(|example| format!("\n  {example}").trim_end().to_owned());
    let (title, count) = (finding.check.title(), count(finding.count));
    let text = format!("{title} ({count}){}", examples.collect::<String>());
    measured::under(whose, &text)
}

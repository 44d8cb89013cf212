//! The result on a terminal: the verdict and its reason first, then what was measured.

mod parts;

use askama::Template;
use comfy_table::Table;

use super::{
    RenderError,
    answer::headline,
    floor,
    statements::{self, within},
    table::{align_numbers, plain_table},
};
use crate::{
    judge::{Reason, Verdict},
    model::{
        Metric,
        numbers::{count, duration},
    },
    observed::{MachineSecond, PROMISE},
    result::{MetricResult, Report, Run},
};

/// Percentiles of the table; the others are in the JSON.
const SHOWN: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

#[derive(Template)]
#[template(path = "terminal.txt")]
struct Text<'a> {
    verdict: String,
    name: &'a str,
    headline: String,
    further: &'a [Reason],
    model: Option<&'static str>,
    runs: Vec<RunText>,
    latencies: Table,
    parts: Vec<Table>,
    findings: Vec<FindingText>,
}

/// What is said of a run, each line behind the word for what it is about.
struct RunText {
    heading: String,
    lines: Vec<(&'static str, String)>,
}

struct FindingText {
    title: &'static str,
    count: String,
    examples: Vec<String>,
}

/// The whole result as text; `colour` marks the verdict.
///
/// # Errors
/// When a histogram can't be read, or the template fails.
pub fn render(report: &Report, colour: bool) -> Result<String, RenderError> {
    let told = match report.verdict {
        // In whole sentences.
        Verdict::Fail | Verdict::Inconclusive => 1,
        Verdict::Pass | Verdict::Invalid => 0,
    };
    let further = report.reasons.get(told..).unwrap_or_default();
    let runs = || report.runs.iter();
    let findings = runs().flat_map(|run| &run.findings);
    let text = Text {
        verdict: paint(report.verdict, colour),
        name: &report.scenario.name,
        headline: headline(report)?.join("\n  "),
        further,
        model: parts::model(report.scenario.model),
        runs: runs()
            .enumerate()
            .map(|(index, run)| run_text(report, run, index + 1 < report.runs.len()))
            .collect(),
        latencies: table(report),
        parts: runs().filter_map(parts::parts).collect(),
        findings: findings
            .map(|finding| FindingText {
                title: finding.check.title(),
                count: count(finding.count),
                examples: finding.examples.iter().map(statements::example).collect(),
            })
            .collect(),
    };
    Ok(text.render()? + "\n")
}

/// Several results, a line each.
pub fn summary(reports: &[Report]) -> String {
    let mut table = plain_table();
    table.set_header([
        "scenario",
        "verdict",
        "deliveries/s",
        "p50",
        "p99",
        "within",
        "lost",
        "server CPU",
        "generator CPU",
    ]);
    for report in reports {
        let Some(run) = report.runs.last() else {
            continue;
        };
        let delivery = run
            .metrics
            .iter()
            .find(|result| result.metric == Metric::Delivery);
        let percentile = |wanted: f64| {
            delivery
                .and_then(|result| statements::percentile_value(result, wanted))
                .map_or_else(|| "-".into(), duration)
        };
        let per_message = |cpu_seconds: f64| match run.totals.sent {
            0 => "-".to_owned(),
            sent => format!("{:.3} ms", cpu_seconds * 1e3 / sent as f64),
        };
        table.add_row([
            report.scenario.name.clone(),
            report.verdict.name().to_owned(),
            run.measured_rate()
                .map_or_else(|| "-".into(), |rate| count(rate.round() as u64)),
            percentile(50.0),
            percentile(99.0),
            delivery
                .and_then(|result| within(result, PROMISE))
                .unwrap_or_else(|| "-".into()),
            count(run.totals.lost),
            run.server
                .as_ref()
                .map_or_else(|| "-".into(), |server| per_message(server.cpu_seconds)),
            per_message(run.generator.cpu_seconds),
        ]);
    }
    align_numbers(&mut table, 2);
    format!("{table}\n")
}

fn paint(verdict: Verdict, colour: bool) -> String {
    let name = verdict.name();
    if !colour {
        return name.into();
    }
    let code = match verdict {
        Verdict::Pass => 32,
        Verdict::Fail => 31,
        Verdict::Inconclusive => 33,
        Verdict::Invalid => 35,
    };
    format!("\x1b[1;{code}m{name}\x1b[0m")
}

fn run_text(report: &Report, run: &Run, baseline: bool) -> RunText {
    let role = match baseline {
        true => " (the baseline, not judged by limits)",
        false => "",
    };
    let durability = run
        .durability
        .as_ref()
        .map_or_else(String::new, |known| format!(" (durability: {known})"));
    RunText {
        heading: format!(
            "{} delivery{role}, store: {}{durability}",
            run.mode(),
            run.store
        ),
        lines: lines(report, run),
    }
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
    let per_message = |cpu_seconds: f64| cpu_seconds * 1e3 / run.totals.sent as f64;
    Some(format!(
        "{:.3} ms per message in the server, {:.3} ms in the generator",
        per_message(server.cpu_seconds),
        per_message(run.generator.cpu_seconds),
    ))
}

fn machine(run: &Run) -> Option<String> {
    let windows = run.windows.iter();
    let seen: Vec<_> = windows.filter_map(|window| window.machine).collect();
    let worst = |share: fn(&MachineSecond) -> f64| seen.iter().map(share).fold(0.0, f64::max);
    match statements::disturbed(run) {
        0 => None,
        disturbed => Some(format!(
            "{disturbed} of {} seconds disturbed: up to {:.0} % of its CPU used by other processes, {:.0} % stolen",
            seen.len(),
            worst(|second| second.foreign) * 100.0,
            worst(|second| second.stolen) * 100.0,
        )),
    }
}

fn table(report: &Report) -> Table {
    let several = report.runs.len() > 1;
    let mut table = plain_table();
    let mut header = vec!["metric".to_owned(), "n".to_owned()];
    if several {
        header.insert(1, "delivery".to_owned());
    }
    header.extend(SHOWN.iter().map(|p| format!("p{p}")));
    header.extend(["max".to_owned(), format!("within {}", duration(PROMISE))]);
    let first_number = if several { 2 } else { 1 };
    table.set_header(header);
    for metric in Metric::ALL {
        for run in &report.runs {
            let Some(result) = run.metrics.iter().find(|result| result.metric == metric) else {
                continue;
            };
            // What a mode can't have is left out; what it should have and has not stays, with n = 0.
            if result.n == 0 && metric != Metric::Delivery {
                continue;
            }
            let mut row = vec![metric.definition().title.to_owned()];
            if several {
                row.push(run.mode().to_owned());
            }
            row.extend(numbers(result));
            table.add_row(row);
        }
    }
    align_numbers(&mut table, first_number);
    table
}

fn numbers(result: &MetricResult) -> Vec<String> {
    let mut row = vec![count(result.n)];
    row.extend(SHOWN.map(|shown| statements::percentile(result, shown)));
    row.push(result.max.map_or_else(|| "-".into(), duration));
    row.push(within(result, PROMISE).unwrap_or_else(|| "-".into()));
    row
}

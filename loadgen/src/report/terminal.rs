//! The result on a terminal: the verdict and its reason first, then what was measured.

mod parts;

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

use super::statements::{self, within};
use crate::{
    judge::verdict::Verdict,
    model::{
        metric::Metric,
        numbers::{count, duration},
    },
    observed::{machine::MachineSecond, recorder::PROMISE},
    result::{MetricResult, Report, Run},
};

/// Percentiles of the table; the others are in the JSON.
const SHOWN: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

/// The whole result as text; `colour` marks the verdict.
pub fn render(report: &Report, colour: bool) -> String {
    let mut text = String::new();
    // Writing to a String can't fail, here and below.
    let _ = writeln!(
        text,
        "{} {}: {}",
        paint(report.verdict, colour),
        report.scenario.name,
        report.reasons.first().map_or("", String::as_str),
    );
    for reason in report.reasons.iter().skip(1) {
        let _ = writeln!(text, "  also: {reason}");
    }
    parts::render_model(&mut text, &report.scenario);
    for (index, run) in report.runs.iter().enumerate() {
        let baseline = index + 1 < report.runs.len();
        render_run(&mut text, run, baseline);
    }
    let _ = writeln!(text, "\n{}", table(report));
    for run in &report.runs {
        parts::render_parts(&mut text, run);
    }
    for run in &report.runs {
        render_findings(&mut text, run);
    }
    text
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

fn render_run(text: &mut String, run: &Run, baseline: bool) {
    let totals = &run.totals;
    let _ = writeln!(
        text,
        "\n{} delivery{}, store: {}{}",
        run.delivery.name(),
        if baseline {
            " (the baseline, not judged by limits)"
        } else {
            ""
        },
        run.store,
        run.durability
            .as_ref()
            .map(|durability| format!(" (durability: {durability})"))
            .unwrap_or_default(),
    );
    if let Some(why) = &run.incomplete_because {
        let _ = writeln!(text, "  INCOMPLETE: {why}");
    }
    let _ = writeln!(
        text,
        "  messages    {} scheduled, {} sent, {} dropped",
        count(totals.scheduled),
        count(totals.sent),
        count(totals.dropped)
    );
    let _ = writeln!(
        text,
        "  deliveries  {} expected, {} delivered, {} lost, {} duplicated",
        count(totals.expected),
        count(totals.delivered),
        count(totals.lost),
        count(totals.duplicated)
    );
    let _ = writeln!(
        text,
        "  store       {} confirmed, {} failed, {}",
        count(totals.confirmed),
        count(totals.failed),
        match totals.stored {
            Some(stored) => format!("{} of the confirmed found in the store", count(stored)),
            None => "not looked up in the store".into(),
        }
    );
    let generator = &run.generator;
    let _ = writeln!(
        text,
        "  generator   {} users connected and joined in {:.2} s{}, {} worker{}",
        count(generator.connections),
        generator.connect_seconds,
        match generator.bytes_per_connection() {
            Some(bytes) => format!(", {:.1} KiB each", bytes as f64 / 1024.0),
            None => String::new(),
        },
        generator.workers,
        if generator.workers == 1 { "" } else { "s" },
    );
    if let Some(server) = &run.server
        && totals.sent > 0
    {
        let _ = writeln!(
            text,
            "  cpu         {:.3} ms per message in the server, {:.3} ms in the generator",
            server.cpu_seconds * 1e3 / totals.sent as f64,
            generator.cpu_seconds * 1e3 / totals.sent as f64,
        );
    }
    parts::render_floor(text, run);
    render_machine(text, run);
}

fn render_machine(text: &mut String, run: &Run) {
    let seen: Vec<_> = run
        .windows
        .iter()
        .filter_map(|window| window.machine)
        .collect();
    let disturbed = seen.iter().filter(|second| second.disturbed).count();
    if disturbed > 0 {
        let worst = |share: fn(&MachineSecond) -> f64| seen.iter().map(share).fold(0.0, f64::max);
        let _ = writeln!(
            text,
            "  machine     {disturbed} of {} seconds disturbed: up to {:.0} % of its CPU used by other processes, {:.0} % stolen",
            seen.len(),
            worst(|second| second.foreign) * 100.0,
            worst(|second| second.stolen) * 100.0,
        );
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
                row.push(run.delivery.name().to_owned());
            }
            row.extend(numbers(result));
            table.add_row(row);
        }
    }
    align_numbers(&mut table, first_number);
    table
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

fn align_numbers(table: &mut Table, first: usize) {
    for column in first..table.column_count() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
}

fn numbers(result: &MetricResult) -> Vec<String> {
    let mut row = vec![count(result.n)];
    row.extend(SHOWN.map(|shown| statements::percentile(result, shown)));
    row.push(result.max.map_or_else(|| "-".into(), duration));
    row.push(within(result, PROMISE).unwrap_or_else(|| "-".into()));
    row
}

fn render_findings(text: &mut String, run: &Run) {
    for finding in &run.findings {
        let _ = writeln!(
            text,
            "\n{} ({})",
            finding.check.title(),
            count(finding.count)
        );
        for example in &finding.examples {
            let _ = writeln!(text, "  {}", statements::example(example));
        }
    }
}

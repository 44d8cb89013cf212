//! The seconds of a result as CSV: one line for each second of each run that holds deliveries.

use std::fmt::Write as _;

use crate::result::{Report, Run, UsageSecond, WindowResult, usage::per_second};

/// The columns; their units stand in their names.
const HEADER: &str = "delivery,second,phase,scheduled,sent,deliveries,over_5ms,p50_ns,p99_ns,max_ns,lateness_max_ns,hiccup_max_ns,machine_busy,machine_stolen,machine_foreign,disturbed,generator_cpu_seconds,generator_resident_bytes,server_cpu_seconds,server_resident_bytes,server_queue";

/// The whole file.
pub(super) fn render(report: &Report) -> String {
    let mut text = format!("{HEADER}\n");
    for run in &report.runs {
        for window in &run.windows {
            line(&mut text, report, run, window);
        }
    }
    text
}

fn line(text: &mut String, report: &Report, run: &Run, window: &WindowResult) {
    let second = window.second;
    // Writing to a String can't fail.
    let _ = write!(
        text,
        "{},{second},{},{},{},{},{},{},{},{},{},{},{}",
        run.delivery.name(),
        quoted(&phase(report, second)),
        window.scheduled,
        window.sent,
        window.deliveries,
        window.over,
        number(window.p50),
        number(window.p99),
        number(window.max),
        number(window.lateness_max),
        number(window.hiccup_max),
        match window.machine {
            Some(machine) => format!(
                "{:.4},{:.4},{:.4},{}",
                machine.busy, machine.stolen, machine.foreign, machine.disturbed
            ),
            None => ",,,".to_owned(),
        },
    );
    let server = run.server.as_ref().map(|server| server.usage.as_slice());
    process(text, &run.generator.usage, second, false);
    process(text, server.unwrap_or_default(), second, true);
    text.push('\n');
}

fn process(text: &mut String, usage: &[UsageSecond], second: usize, queue: bool) {
    let during = per_second(usage, second);
    let cpu = during.map_or_else(String::new, |during| format!("{:.3}", during.cpu_seconds));
    let _ = write!(
        text,
        ",{cpu},{}",
        number(during.map(|during| during.resident))
    );
    if queue {
        let _ = write!(text, ",{}", number(during.and_then(|during| during.queue)));
    }
}

/// The phase in which most of a second lies.
fn phase(report: &Report, second: usize) -> String {
    let middle = second as u64 * 1_000_000_000 + 500_000_000;
    let mut phases = report.scenario.phases.iter();
    phases
        .find(|phase| (phase.start..phase.end).contains(&middle))
        .map_or_else(String::new, |phase| phase.name.clone())
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

/// A field as RFC 4180 wants it.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

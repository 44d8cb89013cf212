//! The seconds of a result as CSV: one line for each second of each run that holds deliveries.

use csv::Writer;

use crate::result::{Report, Run, UsageSecond, WindowResult, usage::per_second};

/// The columns before those of the user's labels; their units stand in their names.
const HEADER: [&str; 22] = [
    "delivery",
    "second",
    "phase",
    "scheduled",
    "sent",
    "deliveries",
    "lost",
    "over_5ms",
    "p50_ns",
    "p99_ns",
    "max_ns",
    "lateness_max_ns",
    "hiccup_max_ns",
    "machine_busy",
    "machine_stolen",
    "machine_foreign",
    "disturbed",
    "generator_cpu_seconds",
    "generator_resident_bytes",
    "server_cpu_seconds",
    "server_resident_bytes",
    "server_queue",
];

/// The whole file, as RFC 4180 wants it but for its ends of lines, which are LF.
pub(super) fn render(report: &Report) -> Result<String, csv::Error> {
    let mut text = Vec::new();
    let mut file = Writer::from_writer(&mut text);
    let keys = report.labels.keys().map(|key| format!("label_{key}"));
    file.write_record(HEADER.map(str::to_owned).into_iter().chain(keys))?;
    for run in &report.runs {
        for window in &run.windows {
            let given = report.labels.values().cloned();
            file.write_record(row(report, run, window).into_iter().chain(given))?;
        }
    }
    file.flush()?;
    drop(file);
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn row(report: &Report, run: &Run, window: &WindowResult) -> [String; HEADER.len()] {
    let second = window.second;
    let machine = window.machine;
    let [generator_cpu, generator_resident, _] = process(&run.generator.usage, second);
    let server = run.server.as_ref().map(|server| server.usage.as_slice());
    let [server_cpu, server_resident, queue] = process(server.unwrap_or_default(), second);
    [
        run.mode_key().to_owned(),
        second.to_string(),
        phase(report, second),
        window.scheduled.to_string(),
        window.sent.to_string(),
        window.deliveries.to_string(),
        known(window.lost),
        // What was lost is over every limit.
        (window.over + window.lost.unwrap_or(0)).to_string(),
        known(window.p50),
        known(window.p99),
        known(window.max),
        known(window.lateness_max),
        known(window.hiccup_max),
        known(machine.map(|machine| format!("{:.4}", machine.busy))),
        known(machine.map(|machine| format!("{:.4}", machine.stolen))),
        known(machine.map(|machine| format!("{:.4}", machine.foreign))),
        known(machine.map(|machine| machine.disturbed)),
        generator_cpu,
        generator_resident,
        server_cpu,
        server_resident,
        queue,
    ]
}

/// CPU seconds, resident bytes and queue of a process.
fn process(usage: &[UsageSecond], second: usize) -> [String; 3] {
    let during = per_second(usage, second);
    [
        known(during.map(|during| format!("{:.3}", during.cpu_seconds))),
        known(during.map(|during| during.resident)),
        known(during.and_then(|during| during.queue)),
    ]
}

/// The phase in which most of a second lies.
fn phase(report: &Report, second: usize) -> String {
    let middle = second as u64 * 1_000_000_000 + 500_000_000;
    let mut phases = report.scenario.phases.iter();
    phases
        .find(|phase| (phase.start..phase.end).contains(&middle))
        .map_or_else(String::new, |phase| phase.name.clone())
}

/// Nothing where nobody knows.
fn known(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

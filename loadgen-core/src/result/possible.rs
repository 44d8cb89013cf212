//! What no run can have measured: a result that says it is refused where it is read, since it would be drawn second by second.

use std::time::Duration;

use super::{ParseError, Report, Run, UsageSecond, WindowResult};
use crate::scenario::Span;

/// A message is meant to be sent before the schedule ends, and so long after it nothing is told by its second any more.
const BEYOND: u64 = 24 * 60 * 60;
/// No share, no time and no sum of times in seconds is larger: a thousand processors take it in 30 years.
const LARGEST: f64 = 1e12;

/// Whether a result can have been measured.
///
/// # Errors
/// [`ParseError::Impossible`] with the first value that can't.
pub(super) fn check(report: &Report) -> Result<(), ParseError> {
    let ends = report.scenario.phases.iter().map(|phase| phase.end);
    let end = ends.max().map_or(Duration::ZERO, Duration::from_nanos);
    let last = end.min(Span::LONGEST.0).as_secs() + BEYOND;
    let mut runs = report.runs.iter().enumerate();
    runs.try_for_each(|(nth, one)| run(one, last, &format!("runs[{nth}]")))
}

fn run(run: &Run, last: u64, place: &str) -> Result<(), ParseError> {
    windows(&run.windows, last, &format!("{place}.windows"))?;
    if let Some(floor) = &run.floor {
        // One before the run and one after it, each no longer than that.
        windows(&floor.windows, 2 * last, &format!("{place}.floor.windows"))?;
    }
    usage(&run.generator.usage, &format!("{place}.generator.usage"))?;
    for (thread, seconds) in run.generator.worker_cpu.iter().enumerate() {
        let place = format!("{place}.generator.worker_cpu[{thread}]");
        let seconds = seconds.iter().enumerate();
        for (second, used) in seconds {
            number(*used, || format!("{place}[{second}]"))?;
        }
    }
    let server = run.server.iter();
    let mut server = server.map(|server| &server.usage);
    server.try_for_each(|all| usage(all, &format!("{place}.server.usage")))
}

/// Seconds that ascend, and end with the schedule.
fn windows(windows: &[WindowResult], last: u64, place: &str) -> Result<(), ParseError> {
    let mut before = None;
    for (nth, window) in windows.iter().enumerate() {
        let ascends = before.is_none_or(|before| before < window.second);
        if !ascends || window.second as u64 > last {
            let right = match before.filter(|_| !ascends) {
                Some(before) => format!("a second after {before}"),
                None => format!("a second of the schedule, {last} at most"),
            };
            return Err(ParseError::Impossible {
                place: format!("{place}[{nth}].second"),
                said: window.second.to_string(),
                right,
            });
        }
        before = Some(window.second);
        let Some(machine) = &window.machine else {
            continue;
        };
        for (name, value) in [
            ("busy", machine.busy),
            ("stolen", machine.stolen),
            ("foreign", machine.foreign),
            ("waited", machine.waited),
            ("waited_for_others", machine.waited_for_others),
            ("throttled", machine.throttled),
            ("paused", machine.paused),
        ] {
            number(value, || format!("{place}[{nth}].machine.{name}"))?;
        }
    }
    Ok(())
}

fn usage(usage: &[UsageSecond], place: &str) -> Result<(), ParseError> {
    for (nth, sample) in usage.iter().enumerate() {
        number(sample.at, || format!("{place}[{nth}].at"))?;
        number(sample.cpu_seconds, || format!("{place}[{nth}].cpu_seconds"))?;
    }
    Ok(())
}

/// A number that can be drawn. It may be a bit below zero: counters of the kernel go back at times.
fn number(value: f64, place: impl FnOnce() -> String) -> Result<(), ParseError> {
    match value.abs() <= LARGEST {
        true => Ok(()),
        false => Err(ParseError::Impossible {
            place: place(),
            said: format!("{value:e}"),
            right: format!("a number up to {LARGEST:e}"),
        }),
    }
}

//! Shows a run while it goes on, on stderr: sentences always, a progress line only on a terminal.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    experiment::{Event, Snapshot, Watcher},
    model::numbers::duration,
};

/// Shows a run to whoever started it.
pub struct Progress {
    line: Option<ProgressBar>,
}

impl Progress {
    /// With a line that changes in place, if stderr is a terminal.
    pub fn on_stderr() -> Self {
        let line = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            // A template without placeholders can't be wrong; the default would do if it were.
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { line }
    }
}

/// Shows nothing.
pub struct Silence;

impl Watcher for Silence {
    fn event(&mut self, _: Event<'_>) {}
}

impl Watcher for Progress {
    fn event(&mut self, event: Event<'_>) {
        match (&self.line, event) {
            (Some(line), Event::Notice(text)) => line.println(text),
            (None, Event::Notice(text)) => eprintln!("{text}"),
            (Some(line), Event::Stage(stage)) => line.set_message(format!("{stage} …")),
            (Some(line), Event::Progress(snapshot)) => line.set_message(describe(snapshot)),
            (None, Event::Stage(_) | Event::Progress(_)) => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}

fn describe(snapshot: &Snapshot) -> String {
    let elapsed = snapshot.elapsed.as_secs_f64();
    let Some(total) = snapshot.total else {
        return format!(
            "{}: {} of {} users, {elapsed:.1} s",
            snapshot.phase, snapshot.connected, snapshot.users
        );
    };
    let percentile = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), duration);
    format!(
        "{}: {elapsed:.0} of {:.0} s, {} messages sent, {:.0}/s, delivery p50 {} p99 {}",
        snapshot.phase,
        total.as_secs_f64(),
        snapshot.sent,
        snapshot.rate,
        percentile(snapshot.p50),
        percentile(snapshot.p99),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_line_says_phase_time_rate_and_latency() {
        let snapshot = Snapshot {
            phase: "steady".into(),
            elapsed: Duration::from_secs(7),
            total: Some(Duration::from_secs(25)),
            connected: 100,
            users: 100,
            sent: 4_200,
            rate: 600.4,
            p50: Some(312_000),
            p99: None,
        };
        assert_eq!(
            describe(&snapshot),
            "steady: 7 of 25 s, 4200 messages sent, 600/s, delivery p50 312 µs p99 -"
        );
    }
}

//! Shows a run while it goes on, on stderr: sentences always; on a terminal a bar that changes in place, elsewhere a line
//! every ten seconds.

use std::{
    env,
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    experiment::{Event, Snapshot, Watcher},
    model::numbers::{count, duration, left},
};

/// From one line to the next where nothing can change in place.
const EVERY: Duration = Duration::from_secs(10);
/// The stage, how far it is, and what fits into the rest of the line.
const TEMPLATE: &str = "{prefix} {bar:10} {wide_msg}";
/// The bar where nobody knows how far a stage is.
const ENDLESS: &str = "{prefix} {wide_msg}";

/// Shows a run to whoever started it.
pub struct Progress {
    shown: Shown,
}

enum Shown {
    /// In place, on a terminal.
    Bar(ProgressBar),
    /// Line by line, the last of them then.
    Lines(Instant),
}

impl Progress {
    /// With a bar if stderr is a terminal that can take words back.
    pub fn on_stderr() -> Self {
        let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        let shown = match io::stderr().is_terminal() && !is_dumb {
            true => Shown::Bar(bar(ProgressDrawTarget::stderr())),
            false => Shown::Lines(Instant::now()),
        };
        Self { shown }
    }
}

/// The bar of a stage that nobody knows the length of.
fn bar(target: ProgressDrawTarget) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, target);
    bar.set_style(style(ENDLESS));
    bar
}

fn style(template: &str) -> ProgressStyle {
    // These templates are right; the default would do if they were not.
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("━╸ ")
}

/// Shows nothing.
pub struct Silence;

impl Watcher for Silence {
    fn event(&mut self, _: Event<'_>) {}
}

impl Watcher for Progress {
    fn event(&mut self, event: Event<'_>) {
        match (&mut self.shown, event) {
            (Shown::Bar(bar), Event::Notice(text)) => bar.println(text),
            (Shown::Lines(_), Event::Notice(text)) => eprintln!("{text}"),
            (Shown::Bar(bar), Event::Stage(stage)) => {
                bar.unset_length();
                bar.set_style(style(ENDLESS));
                bar.set_prefix(stage.to_owned());
                bar.set_message("…");
            }
            (Shown::Bar(bar), Event::Progress(snapshot)) => draw(bar, snapshot),
            (Shown::Lines(last), Event::Progress(snapshot)) => {
                if last.elapsed() >= EVERY {
                    *last = Instant::now();
                    eprintln!("{}: {}", snapshot.phase, told(snapshot));
                }
            }
            (Shown::Lines(_), Event::Stage(_)) | (_, Event::Turn(_)) => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

fn draw(bar: &ProgressBar, snapshot: &Snapshot) {
    let (all, done) = match snapshot.total {
        Some(total) => (total.as_millis(), snapshot.elapsed.as_millis()),
        None => (snapshot.users.into(), snapshot.connected.into()),
    };
    if bar.length() != Some(all as u64) {
        bar.set_length(all as u64);
        bar.set_style(style(TEMPLATE));
    }
    bar.set_position(done as u64);
    bar.set_prefix(snapshot.phase.clone());
    bar.set_message(told(snapshot));
}

/// Where the run is, the weightier first: a narrow terminal cuts the end off.
fn told(snapshot: &Snapshot) -> String {
    let Some(total) = snapshot.total else {
        return format!(
            "{} of {} users, {:.1} s",
            count(snapshot.connected),
            count(snapshot.users),
            snapshot.elapsed.as_secs_f64()
        );
    };
    let mut parts = vec![format!(
        "{} left",
        left(total.saturating_sub(snapshot.elapsed))
    )];
    parts.extend(
        snapshot
            .so_far
            .map(|verdict| format!("{} so far", verdict.name())),
    );
    let inside = snapshot.inside();
    parts.extend((!inside.is_empty()).then(|| format!("inside of {}", inside.join(" and "))));
    parts.push(format!("{} sent", count(snapshot.messages.sent)));
    parts.extend(snapshot.lost.map(|lost| format!("{} lost", count(lost))));
    parts.extend(snapshot.late.map(|late| format!("{} late", count(late))));
    parts.push(format!("{}/s", count(snapshot.rate.round() as u64)));
    for (name, value) in [("p50", snapshot.p50), ("p99", snapshot.p99)] {
        parts.extend(value.map(|value| format!("{name} {}", duration(value))));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::{
        judge::{Messages, Verdict},
        observed::FaultSeen,
    };

    fn snapshot() -> Snapshot {
        Snapshot {
            phase: "steady".into(),
            elapsed: Duration::from_secs(7),
            total: Some(Duration::from_secs(25)),
            connected: 100,
            users: 100,
            messages: Messages {
                sent: 4_200,
                ..Messages::default()
            },
            delivered: 4_200,
            duplicated: 0,
            rate: 1_600.4,
            lost: Some(0),
            late: Some(3),
            so_far: Some(Verdict::Pass),
            limits: Vec::new(),
            p50: Some(312_000),
            p99: None,
            deliveries: None,
            machine: Arc::default(),
            faults: Vec::new(),
        }
    }

    #[test]
    fn the_line_says_stage_time_left_verdict_sent_lost_and_late() {
        assert_eq!(
            told(&snapshot()),
            "18 s left, PASS so far, 4,200 sent, 0 lost, 3 late, 1,600/s, p50 312 µs"
        );
        let broken = FaultSeen {
            start: Some(6_000_000_000),
            ..FaultSeen::of("slow-db")
        };
        let mended = FaultSeen {
            end: Some(6_500_000_000),
            ..broken.clone()
        };
        let inside = Snapshot {
            faults: vec![mended, broken, FaultSeen::of("later")],
            ..snapshot()
        };
        let told_inside = told(&inside);
        assert!(
            told_inside.starts_with("18 s left, PASS so far, inside of slow-db, 4,200 sent"),
            "{told_inside}"
        );
        let connecting = Snapshot {
            phase: "connecting".into(),
            total: None,
            users: 12_000,
            ..snapshot()
        };
        assert_eq!(told(&connecting), "100 of 12,000 users, 7.0 s");
        let unknown = Snapshot {
            lost: None,
            late: None,
            so_far: None,
            p50: None,
            ..snapshot()
        };
        assert_eq!(told(&unknown), "18 s left, 4,200 sent, 1,600/s");
    }
}

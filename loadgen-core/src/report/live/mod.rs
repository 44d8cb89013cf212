//! A run while it goes on: as a page whose charts grow, and as numbers for Prometheus.

mod history;
mod metrics;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use askama::Template;

use self::{history::History, metrics::Counters};
use super::{
    RenderError,
    answer::headline,
    chart::{Figure, Ink, Series},
    script, statements,
};
use crate::{
    judge::{Purpose, Snapshot, Turn, Verdict, verdict::live::SoFar},
    model::{
        Metric,
        numbers::{self, count, counted, duration},
    },
    observed::Samples,
    result::Report,
};

/// The last of what was told, as much as is shown.
const NOTICES: usize = 6;

/// All that is known of the runs of one call, of which one goes on. It takes no more memory the longer that takes.
#[derive(Default)]
pub struct View {
    /// What the user says of the results.
    labels: BTreeMap<String, String>,
    turn: Option<Turn>,
    stage: String,
    snapshot: Option<Snapshot>,
    /// Of the subject, or of a baseline.
    limits: Vec<SoFar>,
    so_far: Option<Verdict>,
    deliveries: Option<Arc<Samples>>,
    history: History,
    counters: Counters,
    notices: VecDeque<String>,
    ended: Option<End>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct End {
    verdict: Verdict,
    sentences: Vec<String>,
    limits: Vec<Limit>,
}

/// A number of the page's.
struct Tile {
    what: &'static str,
    value: String,
    /// A verdict, where it is bad.
    class: &'static str,
}

/// A limit, and what there is to say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Limit {
    name: String,
    verdict: &'static str,
    measured: String,
}

#[derive(Template)]
#[template(path = "live.html")]
struct Page {
    policy: String,
    script: &'static str,
    name: String,
    state: String,
    charts: String,
}

#[derive(Template)]
#[template(path = "live-state.html")]
struct State<'a> {
    name: &'a str,
    question: &'a str,
    class: &'static str,
    word: String,
    sentences: Vec<String>,
    /// How far it is, in percent; `None` where nobody knows.
    progress: Option<u32>,
    setting: Vec<String>,
    tiles: Vec<Tile>,
    limits: Vec<Limit>,
    notices: &'a VecDeque<String>,
}

#[derive(Template)]
#[template(path = "live-charts.html")]
struct Charts {
    figures: Vec<Figure>,
}

impl View {
    /// Before anything is measured; `labels` are what the user says of the results.
    pub fn new(labels: BTreeMap<String, String>) -> Self {
        Self {
            labels,
            ..Self::default()
        }
    }

    /// Something else is measured from here on.
    pub fn turn(&mut self, turn: Turn) {
        self.counters.turn(&turn);
        self.snapshot = None;
        self.so_far = None;
        // The floor after a run is shown beside what was measured.
        if turn.purpose != Purpose::Floor {
            self.history = History::default();
            self.deliveries = None;
            self.limits.clear();
        }
        self.ended = None;
        self.turn = Some(turn);
    }

    /// A stage begins.
    pub fn stage(&mut self, stage: &str) {
        stage.clone_into(&mut self.stage);
    }

    /// Something to know.
    pub fn notice(&mut self, text: String) {
        if self.notices.len() == NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back(text);
    }

    /// Where the run is.
    pub fn snapshot(&mut self, snapshot: Snapshot) {
        snapshot.phase.clone_into(&mut self.stage);
        if self.is_counted() {
            self.history.take(&snapshot);
            self.counters.take(&snapshot);
            self.deliveries.clone_from(&snapshot.deliveries);
            self.so_far = snapshot.so_far;
            if !snapshot.limits.is_empty() {
                self.limits.clone_from(&snapshot.limits);
            }
        }
        self.snapshot = Some(snapshot);
    }

    /// The run is over, and this is its result.
    ///
    /// # Errors
    /// When a histogram of the result can't be read.
    pub fn finished(&mut self, report: &Report) -> Result<(), RenderError> {
        let subject = report.runs.last();
        if let Some(run) = subject {
            self.counters.end(run);
        }
        let limits = subject.map_or_else(Vec::new, |run| {
            let judged = run.judgement.thresholds.iter();
            let limits = judged.map(|judged| Limit {
                name: judged.threshold.clone(),
                verdict: statements::verdict(run, judged).name(),
                measured: judged.measured.clone(),
            });
            limits.collect()
        });
        self.ended = Some(End {
            verdict: report.verdict,
            sentences: headline(report)?,
            limits,
        });
        Ok(())
    }

    /// Whether what goes on is measured for its own sake.
    fn is_counted(&self) -> bool {
        let turn = self.turn.as_ref();
        turn.is_some_and(|turn| turn.purpose != Purpose::Floor)
    }

    /// The page as it is now. It changes by what [`View::state`] and [`View::charts`] say later, where scripts may run.
    ///
    /// # Errors
    /// When a template fails.
    pub fn page(&self) -> Result<String, RenderError> {
        let page = Page {
            policy: script::live_policy(),
            script: script::LIVE_SCRIPT,
            name: self
                .turn
                .as_ref()
                .map_or("a run", |turn| &turn.scenario)
                .to_owned(),
            state: self.state()?,
            charts: self.charts()?,
        };
        Ok(page.render()?)
    }

    /// The part of the page above the charts, HTML.
    ///
    /// # Errors
    /// When a template fails.
    pub fn state(&self) -> Result<String, RenderError> {
        let turn = self.turn.as_ref();
        let (word, class) = match (&self.ended, self.so_far) {
            (Some(end), _) => (end.verdict.name().to_owned(), end.verdict.name()),
            (None, Some(verdict)) => (format!("{} so far", verdict.name()), verdict.name()),
            (None, None) => ("measuring".to_owned(), ""),
        };
        let state = State {
            name: turn.map_or("", |turn| &turn.scenario),
            question: turn.map_or("", |turn| &turn.question),
            class,
            word,
            sentences: self.sentences(),
            progress: self.progress(),
            setting: turn.map_or_else(Vec::new, setting),
            tiles: self.tiles(),
            limits: self.shown_limits(),
            notices: &self.notices,
        };
        Ok(state.render()?)
    }

    /// The charts, HTML.
    ///
    /// # Errors
    /// When a template fails.
    pub fn charts(&self) -> Result<String, RenderError> {
        let Some(turn) = &self.turn else {
            return Ok(String::new());
        };
        let samples = self.deliveries.as_ref();
        let series = samples.filter(|samples| !samples.histogram.is_empty());
        let series = series.map(|samples| Series {
            name: None,
            metric: Metric::Delivery,
            ink: Ink::Subject,
            histogram: samples.histogram.clone(),
        });
        let figures = self.history.figures(turn.limit, series.as_ref());
        Ok(Charts { figures }.render()?)
    }

    /// The numbers so far, in Prometheus' text format 0.0.4.
    pub fn metrics(&self) -> String {
        let now = self.turn.as_ref().map(|turn| metrics::Now {
            turn,
            snapshot: self.snapshot.as_ref().filter(|_| self.is_counted()),
            verdict: self.ended.as_ref().map(|end| end.verdict).or(self.so_far),
            seconds: self.history.watched(),
        });
        metrics::text(&self.counters, now.as_ref(), &self.labels)
    }

    /// For how many seconds what the charts show stays as it is: they need not be drawn anew before.
    pub fn charts_last(&self) -> u64 {
        self.history.lasts()
    }

    fn sentences(&self) -> Vec<String> {
        if let Some(end) = &self.ended {
            return end.sentences.clone();
        }
        let told = match self.snapshot.as_ref() {
            None => self.stage.clone(),
            Some(snapshot) => match snapshot.total {
                None => format!(
                    "{}: {} of {}",
                    self.stage,
                    count(snapshot.connected),
                    counted(snapshot.users, "user")
                ),
                Some(total) if snapshot.elapsed >= total => {
                    let since = numbers::left(snapshot.elapsed - total);
                    format!("{}: {since} since the last send was due", self.stage)
                }
                Some(total) => {
                    let left = total.saturating_sub(snapshot.elapsed);
                    format!(
                        "{}: {} left of {}",
                        self.stage,
                        numbers::left(left),
                        numbers::left(total)
                    )
                }
            },
        };
        let inside = self.snapshot.as_ref().map(Snapshot::inside);
        let inside = inside.filter(|inside| !inside.is_empty());
        let inside = inside.map(|inside| {
            let names = inside.join(" and of ");
            format!("Inside of {names}: limits on the whole run are on what no fault touches.")
        });
        [told].into_iter().chain(inside).collect()
    }

    fn progress(&self) -> Option<u32> {
        let snapshot = self.snapshot.as_ref().filter(|_| self.ended.is_none())?;
        let (done, all) = match snapshot.total {
            Some(total) => (snapshot.elapsed.as_secs_f64(), total.as_secs_f64()),
            None => (snapshot.connected as f64, snapshot.users as f64),
        };
        Some((100.0 * done / all.max(f64::MIN_POSITIVE)).clamp(0.0, 100.0) as u32)
    }

    fn tiles(&self) -> Vec<Tile> {
        let Some(snapshot) = &self.snapshot else {
            return Vec::new();
        };
        let (watched, disturbed) = self.history.watched();
        let tile = |what, value| Tile {
            what,
            value,
            class: "",
        };
        let bad = |what, number: u64| Tile {
            what,
            value: count(number),
            class: if number > 0 { "FAIL" } else { "" },
        };
        let mut tiles = vec![
            tile("users connected", count(snapshot.connected)),
            tile("messages sent", count(snapshot.messages.sent)),
            tile("messages each second", count(snapshot.rate.round() as u64)),
            tile("deliveries to others", count(snapshot.delivered)),
        ];
        tiles.extend(snapshot.lost.map(|lost| bad("deliveries missing", lost)));
        tiles.push(bad("deliveries doubled", snapshot.duplicated));
        tiles.extend(
            snapshot
                .late
                .map(|late| tile("deliveries over their limit", count(late))),
        );
        for (what, value) in [
            ("delivery latency, median", snapshot.p50),
            ("delivery latency, p99", snapshot.p99),
        ] {
            tiles.extend(value.map(|value| tile(what, duration(value))));
        }
        if watched > 0 {
            let value = format!("{disturbed} of {}", count(watched as u64));
            tiles.push(tile("seconds disturbed by others", value));
        }
        tiles
    }

    fn shown_limits(&self) -> Vec<Limit> {
        if let Some(end) = &self.ended {
            return end.limits.clone();
        }
        let limits = self.limits.iter().map(|limit| Limit {
            name: limit.threshold.clone(),
            verdict: limit.verdict.map_or("", Verdict::name),
            measured: limit.measured.clone(),
        });
        limits.collect()
    }
}

/// What every reader of a number has to know beside it.
fn setting(turn: &Turn) -> Vec<String> {
    let purpose = match turn.purpose {
        Purpose::Floor => {
            return vec!["the floor: the same load against a bare relay".to_owned()];
        }
        Purpose::Baseline => "a baseline, to be compared with",
        Purpose::Subject => "to be judged",
    };
    vec![
        format!("{} delivery", turn.mode),
        format!("store: {}", turn.store),
        purpose.to_owned(),
    ]
}

#[cfg(test)]
mod tests;

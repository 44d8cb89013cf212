//! The runs of a scenario that one trend may join: of one target, store, machine, delivery mode and set of labels.

use std::collections::BTreeMap;

use super::{
    Way,
    claim::{promised, verdicts},
    file, place,
    run::{Drawn, RunLine, line, number, point, version},
};
use crate::{
    judge::Verdict,
    model::HistogramError,
    report::{
        RenderError,
        answer::answer,
        chart::{Figure, spark, trend},
        setting::date,
    },
    result::{Circumstances, Report},
};

/// The runs of one series in the order of time.
pub(super) struct Series<'a> {
    pub scenario: &'a str,
    circumstances: Circumstances,
    delivery: Option<&'static str>,
    runs: Vec<&'a Report>,
}

/// What the index says of a series.
pub(super) struct Told {
    /// Which; empty where the scenario has no other.
    pub on: String,
    /// Where its trend stands on the index.
    pub anchor: String,
    pub verdict: &'static str,
    pub headline: Vec<String>,
    /// The number that answers the question, what is allowed, and what is left of that.
    pub value: String,
    pub allowed: String,
    pub used: Option<u32>,
    pub headroom: String,
    /// Whether the scenario asks for the promise.
    pub promises: bool,
    /// How much the runs of the latest version differ.
    pub spread: String,
    pub spark: String,
    pub page: String,
    pub day: String,
    pub figure: Vec<Figure>,
    pub runs: Vec<RunLine>,
}

/// Results apart by scenario and by all that a trend must not join; those of a scenario beside each other.
pub(super) fn apart<'a>(reports: &[&'a Report]) -> Vec<Series<'a>> {
    let mut apart: BTreeMap<_, Vec<&Report>> = BTreeMap::new();
    for report in reports {
        // That of another server is its own.
        let own = report.runs.last().filter(|run| run.own);
        let delivery = own.map(|run| run.delivery.name());
        let key = (&*report.scenario.name, Circumstances::of(report), delivery);
        apart.entry(key).or_default().push(report);
    }
    let series = apart.into_iter();
    series
        .map(|((scenario, circumstances, delivery), mut runs)| {
            runs.sort_by(|a, b| (&a.started, &a.run_id).cmp(&(&b.started, &b.run_id)));
            Series {
                scenario,
                circumstances,
                delivery,
                runs,
            }
        })
        .collect()
}

impl Series<'_> {
    pub(super) fn latest(&self) -> Option<&Report> {
        self.runs.last().copied()
    }

    /// The server that was measured.
    pub(super) fn target(&self) -> &str {
        &self.circumstances.target
    }

    /// Whether this program started it as its own.
    pub(super) fn is_own(&self) -> bool {
        let run = self.latest().and_then(|report| report.runs.last());
        run.is_some_and(|run| run.own)
    }

    /// The runs of the version that the latest one measured, and of what it asked.
    pub(super) fn of_latest_version(&self) -> Vec<&Report> {
        let Some(latest) = self.latest() else {
            return Vec::new();
        };
        let same = |report: &&&Report| {
            version(report) == version(latest) && report.scenario.asks_as(&latest.scenario)
        };
        self.runs.iter().filter(same).copied().collect()
    }

    /// The neighbours of a result, where it is one of this series.
    pub(super) fn way(&self, report: &Report) -> Option<Way> {
        let same = |one: &&Report| one.run_id == report.run_id && one.started == report.started;
        let place = self.runs.iter().position(same)?;
        let to = |one: &&Report| (format!("{}.html", file(one)), date(&one.started));
        Some(Way {
            previous: place
                .checked_sub(1)
                .and_then(|place| self.runs.get(place))
                .map(to),
            next: self.runs.get(place + 1).map(to),
        })
    }

    /// `of_scenario`: all series of the same scenario, from which it is told apart.
    pub(super) fn told(&self, of_scenario: &[Series<'_>]) -> Result<Told, RenderError> {
        let mut told = Told {
            on: self.apart_from(of_scenario.iter()),
            anchor: String::new(),
            verdict: "",
            headline: Vec::new(),
            value: String::new(),
            allowed: String::new(),
            used: None,
            headroom: String::new(),
            promises: false,
            spread: String::new(),
            spark: String::new(),
            page: String::new(),
            day: String::new(),
            figure: Vec::new(),
            runs: Vec::new(),
        };
        let Some(latest) = self.latest() else {
            return Ok(told);
        };
        told.anchor = file(latest);
        told.verdict = latest.verdict.name();
        told.headline = crate::report::answer::headline(latest)?;
        told.page = format!("{}.html", place(latest));
        told.day = date(&latest.started);
        told.promises = match latest.runs.last() {
            Some(run) => promised(run)?.is_some(),
            None => false,
        };
        let answer = answer(latest)?;
        if let Some(held) = answer.as_ref().map(|answer| &answer.held) {
            told.value = held.measured();
            told.allowed = held.allowed();
            told.used = held.used_percent();
            told.headroom = match held.verdict() {
                Verdict::Pass => held.headroom().unwrap_or_default(),
                other => other.name().to_owned(),
            };
        }
        told.spread = self.spread()?;
        let drawn = Drawn::of(answer.as_ref());
        let before = std::iter::once(None).chain(self.runs.iter().copied().map(Some));
        let runs = self.runs.iter().zip(before);
        let points = runs.map(|(run, before)| point(run, before, &drawn));
        let points: Vec<_> = points.collect::<Result<_, HistogramError>>()?;
        if points.len() > 1 {
            told.spark = spark(&points, drawn.limit.as_ref());
            told.figure = vec![trend(
                "From run to run",
                drawn.metric,
                &drawn.percentiles(),
                &points,
                drawn.limit.as_ref(),
            )];
        }
        let lines = self.runs.iter().rev().map(|run| line(run));
        told.runs = lines.collect::<Result<_, HistogramError>>()?;
        Ok(told)
    }

    /// What sets it apart from these others of its scenario: no more than that.
    pub(super) fn apart_from<'s>(
        &self,
        others: impl Iterator<Item = &'s Series<'s>> + Clone,
    ) -> String {
        self.differing(&[TARGET, STORE, MACHINE, DELIVERY, LABELS], others)
    }

    /// The same beside other servers, each of which is named anyway.
    pub(super) fn apart_from_other_servers<'s>(
        &self,
        others: impl Iterator<Item = &'s Series<'s>> + Clone,
    ) -> String {
        let of_it = others
            .clone()
            .filter(|other| other.target() == self.target());
        let said = [
            self.differing(&[STORE, MACHINE], others.clone()),
            self.differing(&[DELIVERY], of_it),
            self.differing(&[LABELS], others),
        ];
        listed(said.into_iter())
    }

    fn differing<'s>(
        &self,
        parts: &[Part],
        others: impl Iterator<Item = &'s Series<'s>> + Clone,
    ) -> String {
        let differs = |part: &&Part| others.clone().any(|other| part(other) != part(self));
        listed(parts.iter().filter(differs).map(|part| part(self)))
    }

    /// How much the number that answers differs between the runs of the latest version; empty of one run.
    fn spread(&self) -> Result<String, HistogramError> {
        let runs = self.of_latest_version();
        if runs.len() < 2 {
            return Ok(String::new());
        }
        let mut numbers = Vec::new();
        let mut unit = None;
        // What the machine decided says nothing of the server's spread.
        for report in runs.iter().filter(|run| run.verdict != Verdict::Invalid) {
            let Some(answer) = answer(report)? else {
                continue;
            };
            numbers.extend(number(&answer));
            unit = Some(answer.held);
        }
        numbers.sort_by(f64::total_cmp);
        let said = format!("{} runs of this version ({})", runs.len(), verdicts(&runs));
        let (Some(unit), [least, .., most]) = (unit, &numbers[..]) else {
            return Ok(said);
        };
        let valid = match numbers.len() {
            all if all == runs.len() => String::new(),
            valid => format!(" in the {valid} that count"),
        };
        let shown = |number: f64| match number.is_finite() {
            true => unit.shown(number),
            false => "never".to_owned(),
        };
        // Of two there is none between them.
        let median = match numbers.len() {
            2 => String::new(),
            _ => format!(", median {}", shown(median(&numbers))),
        };
        let (least, most) = (shown(*least), shown(*most));
        Ok(format!("{said}: {least} to {most}{valid}{median}"))
    }
}

/// The one in the middle, or halfway between the two that are.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

/// What may set a series apart from others of its scenario, in words.
type Part = fn(&Series<'_>) -> String;

const TARGET: Part = |series| series.circumstances.target.clone();
const STORE: Part = |series| series.circumstances.store.clone();
const MACHINE: Part = |series| series.circumstances.machine.clone();
const DELIVERY: Part = |series| match series.delivery {
    Some(delivery) => format!("{delivery} delivery"),
    None => String::new(),
};
const LABELS: Part = |series| match &series.circumstances.labels[..] {
    [] => "without labels".to_owned(),
    labels => labels.join(", "),
};

fn listed(parts: impl Iterator<Item = String>) -> String {
    let parts = parts.filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("; ")
}

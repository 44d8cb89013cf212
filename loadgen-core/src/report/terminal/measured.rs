//! The tables of what was measured: the metrics that limits name first, as many columns as there is room for.

use std::collections::BTreeSet;

use super::{
    Column, Width, faults, fitted, seconds, sentences,
    statements::{members, within},
};
use crate::{
    model::{
        Metric, Nanos, nanos,
        numbers::{count, counted, duration, limit},
    },
    result::{MetricResult, Report, Run},
    scenario::{Subject, parse_subject_at},
};

/// The percentiles of the tables, and how readily each is left out where no limit names it; `u8::MAX`: always then. All
/// are in the JSON.
const SHOWN: [(f64, u8); 5] = [(50.0, 0), (90.0, 4), (95.0, u8::MAX), (99.0, 0), (99.9, 2)];
/// How readily a percentile is left out that a limit names.
const NAMED: u8 = 1;
/// So much of a phase's name stands in a table that has no room to spare.
const MOST_OF_A_NAME: usize = 24;
/// In the place of a percentile that the samples do not bear.
const TOO_FEW: &str = "too few";

/// What limits name.
struct Named(Vec<Subject>);

impl Named {
    /// By the limits of these runs.
    fn of<'r>(runs: impl IntoIterator<Item = &'r Run>) -> Self {
        let runs = runs.into_iter();
        let judged = runs.flat_map(|run| &run.judgement.thresholds);
        let subjects = judged.filter_map(|judged| {
            let subject = judged.threshold.split_whitespace().next()?;
            parse_subject_at(subject).ok().map(|(subject, _)| subject)
        });
        Self(subjects.collect())
    }

    /// Metrics in the order of the limits.
    fn metrics(&self) -> Vec<Metric> {
        let mut known = BTreeSet::new();
        let metrics = self.0.iter().filter_map(|subject| subject.metric());
        metrics.filter(|metric| known.insert(*metric)).collect()
    }

    fn percentile(&self, wanted: f64) -> bool {
        let mut subjects = self.0.iter();
        subjects.any(|subject| matches!(subject, Subject::Percentile(_, p) if *p == wanted))
    }

    /// The durations within which so much of a metric is promised.
    fn promises(&self, metric: Metric) -> impl Iterator<Item = Nanos> {
        self.0.iter().filter_map(move |subject| match subject {
            Subject::Within(of, within) if *of == metric => Some(nanos(*within)),
            _ => None,
        })
    }
}

/// The metrics that limits name, in their order, and how long deliveries took; or all of them.
pub(super) fn latencies(report: &Report, all: bool, width: Width) -> String {
    let named = Named::of(&report.runs);
    let first = named.metrics();
    let rest = Metric::ALL
        .into_iter()
        .filter(|metric| !first.contains(metric));
    let several = report.runs.len() > 1;
    let mut rows = Vec::new();
    let mut more = 0;
    for metric in first.iter().copied().chain(rest) {
        let results: Vec<(&Run, &MetricResult)> = results(report, metric).collect();
        if results.is_empty() {
            continue;
        }
        let asked = first.contains(&metric) || metric.needs_several_servers();
        if !all && metric != Metric::Delivery && !asked {
            more += 1;
            continue;
        }
        rows.extend(results.iter().map(|(run, result)| Row {
            name: metric.definition().title.to_owned(),
            mode: several.then(|| run.mode()),
            result,
        }));
    }
    let table = table("metric", &rows, &named, width);
    match more {
        0 => table,
        1 => format!("{table}\n1 more metric was measured: --all"),
        more => format!("{table}\n{more} more metrics were measured: --all"),
    }
}

/// What a mode can't have is left out; what it should have and has not stays, with n = 0.
fn results(report: &Report, metric: Metric) -> impl Iterator<Item = (&Run, &MetricResult)> {
    report.runs.iter().filter_map(move |run| {
        let mut results = run.metrics.iter();
        let result = results.find(|result| result.metric == metric)?;
        (result.n > 0 || metric == Metric::Delivery).then_some((run, result))
    })
}

/// Deliveries by phase and by the size of their conversation, where there are several; before them, where there are several
/// runs, whose they are.
pub(super) fn parts(whose: &str, run: &Run, width: Width) -> Option<String> {
    let row = |name: String, result| Row {
        name,
        mode: None,
        result,
    };
    let phases = run.phases.iter().map(|phase| {
        let name = format!("phase {}", phase.name);
        row(short(name, width), &phase.delivery)
    });
    let sizes = run
        .sizes
        .iter()
        .map(|size| row(members(size), &size.delivery));
    let mut rows = several(phases.collect());
    rows.extend(several(sizes.collect()));
    let named = Named::of([run]);
    (!rows.is_empty()).then(|| under(whose, &table("deliveries", &rows, &named, width)))
}

/// What is told of a run, under whose it is, where there are several runs.
pub(super) fn under(whose: &str, text: &str) -> String {
    match whose.trim_end() {
        "" => text.to_owned(),
        whose => format!("{whose}\n{text}"),
    }
}

/// The three parts of a run with faults, of each metric that is known by second; before them, where there are several runs,
/// whose they are.
pub(super) fn faults(whose: &str, run: &Run, width: Width) -> Option<String> {
    let rows = faults::rows(run);
    if rows.is_empty() {
        return None;
    }
    let column = |title: &str, rank, cell: fn(&faults::Row) -> &String| Column {
        cells: rows.iter().map(|row| cell(row).clone()).collect(),
        ..Column::new(title, rank)
    };
    let columns = vec![
        Column {
            cells: rows.iter().map(|row| row.metric.to_owned()).collect(),
            ..Column::new("metric", 0)
        },
        column("part", 0, |row| &row.part),
        column("s", 4, |row| &row.seconds),
        column("n", 3, |row| &row.n),
        column("p50", 1, |row| &row.p50),
        column("p99", 1, |row| &row.p99),
        column("max", 2, |row| &row.max),
        column("back after", 0, |row| &row.took),
    ];
    let text = under(whose, &fitted(columns, 2, width));
    Some(match seconds::left_out(run) {
        0 => text,
        seconds => {
            let seconds = counted(seconds as u64, "disturbed second");
            let left_out = format!("{seconds} among them, which limits leave out where it matters");
            format!(
                "{text}\n{}",
                sentences(&[("all seconds:", left_out)], false, width)
            )
        }
    })
}

/// One part alone is the whole.
fn several<T>(parts: Vec<T>) -> Vec<T> {
    if parts.len() > 1 { parts } else { Vec::new() }
}

fn short(name: String, width: Width) -> String {
    match name.char_indices().nth(MOST_OF_A_NAME) {
        Some((end, _)) if width.is_some() => format!("{}…", &name[..end]),
        _ => name,
    }
}

/// A row of a table.
struct Row<'r> {
    name: String,
    /// The delivery mode, where there are several.
    mode: Option<&'static str>,
    result: &'r MetricResult,
}

fn table(title: &str, rows: &[Row<'_>], named: &Named, width: Width) -> String {
    let column = |title: String, rank, cell: &dyn Fn(&MetricResult) -> String| Column {
        cells: rows.iter().map(|row| cell(row.result)).collect(),
        ..Column::new(title, rank)
    };
    let mut columns = vec![Column {
        cells: rows.iter().map(|row| row.name.clone()).collect(),
        ..Column::new(title, 0)
    }];
    let modes: Vec<String> = rows
        .iter()
        .filter_map(|row| row.mode)
        .map(str::to_owned)
        .collect();
    if !modes.is_empty() {
        columns.push(Column {
            cells: modes,
            ..Column::new("delivery", 0)
        });
    }
    let words = columns.len();
    columns.push(column("n".to_owned(), 3, &|result| count(result.n)));
    let mut shown = Vec::new();
    for (wanted, rank) in SHOWN {
        let rank = if named.percentile(wanted) {
            rank.min(NAMED)
        } else {
            rank
        };
        if rank != u8::MAX {
            shown.push(wanted);
            columns.push(column(format!("p{wanted}"), rank, &|result| {
                percentile(result, wanted)
            }));
        }
    }
    columns.push(column("max".to_owned(), 2, &|result| {
        result.max.map_or_else(|| "-".into(), duration)
    }));
    columns.extend(promised(rows, named));
    let text = fitted(columns, words, width);
    let results = rows.iter().map(|row| row.result);
    match needed(results, &shown, &text) {
        Some(needed) => format!(
            "{text}\n{}",
            sentences(&[("too few:", needed)], false, width)
        ),
        None => text,
    }
}

fn percentile(result: &MetricResult, wanted: f64) -> String {
    let mut percentiles = result.percentiles.iter();
    match percentiles.find(|percentile| percentile.percentile == wanted) {
        Some(percentile) => percentile
            .value
            .map_or_else(|| TOO_FEW.to_owned(), duration),
        None => "-".into(),
    }
}

/// How many samples the percentiles need for which there are too few.
fn needed<'r>(
    results: impl Iterator<Item = &'r MetricResult>,
    shown: &[f64],
    table: &str,
) -> Option<String> {
    let head = table.lines().next().unwrap_or_default();
    let is_there = |p: f64| {
        head.split_whitespace()
            .any(|title| title == format!("p{p}"))
    };
    let mut needed = BTreeSet::new();
    for result in results {
        let few = result.percentiles.iter().filter(|p| p.value.is_none());
        let few = few.filter(|few| shown.contains(&few.percentile) && is_there(few.percentile));
        needed.extend(few.map(|few| (few.needs, few.percentile.to_string())));
    }
    let needed = needed.iter();
    let needed: Vec<String> = needed
        .map(|(needs, p)| format!("p{p} needs {} samples", count(*needs)))
        .collect();
    (!needed.is_empty()).then(|| needed.join(", "))
}

/// The share within what a limit promises, of the metrics that one is promised of.
fn promised(rows: &[Row<'_>], named: &Named) -> Option<Column> {
    let promise = |result: &MetricResult| named.promises(result.metric).next();
    let results = || rows.iter().map(|row| row.result);
    let promises: BTreeSet<Nanos> = results().filter_map(promise).collect();
    let (title, each) = match promises.iter().collect::<Vec<_>>()[..] {
        [] => return None,
        [one] => (format!("within {}", limit(*one)), false),
        _ => ("within".to_owned(), true),
    };
    let cell = |result: &MetricResult| {
        let Some(promised) = promise(result) else {
            return String::new();
        };
        let share = within(result, promised).unwrap_or_else(|| "-".into());
        match each {
            true => format!("{share} in {}", limit(promised)),
            false => share,
        }
    };
    Some(Column {
        cells: results().map(cell).collect(),
        ..Column::new(title, NAMED)
    })
}

//! The numbers at the top of the page: a tile for each limit, and the account of all deliveries.

use crate::{
    judge::Verdict,
    model::{Count, HistogramError, numbers::count},
    report::{
        limits::{Held, limits},
        statements, versus,
    },
    result::{Report, Run},
    scenario::Subject,
};

/// A number that a limit is on, or that answers the question.
pub(super) struct Tile {
    pub value: String,
    pub what: String,
    /// What is allowed; empty where nothing is.
    pub allowed: String,
    /// The verdict on it, as a style class; empty of what has no limit.
    pub class: &'static str,
    /// How much of what is allowed is used, in percent, at most 100; `None` where that can't be said.
    pub used: Option<u32>,
    /// The same in words.
    pub headroom: String,
}

/// A step of the account.
pub(super) struct Step {
    pub count: String,
    pub words: &'static str,
    /// `bad` where there should be none and there is some.
    pub class: &'static str,
}

/// The ratio to the baseline where there is one, and each limit in the order of the scenario.
pub(super) fn tiles(report: &Report) -> Result<Vec<Tile>, HistogramError> {
    let Some((run, baselines)) = report.runs.split_last() else {
        return Ok(Vec::new());
    };
    let mut tiles = Vec::new();
    if let Some(baseline) = baselines.first()
        && let Some(versus) = versus::versus(baseline, run)?
    {
        tiles.push(Tile {
            value: format!("{} ×", versus.times()),
            what: format!(
                "{} than with {}, at the median",
                versus.word(),
                versus.base()
            ),
            allowed: versus.between(),
            class: "",
            used: None,
            headroom: String::new(),
        });
    }
    tiles.extend(limits(run)?.iter().map(tile));
    Ok(tiles)
}

fn tile(held: &Held<'_>) -> Tile {
    let verdict = held.verdict();
    Tile {
        value: held.measured(),
        what: what(held),
        allowed: format!("limit: {}", held.allowed()),
        class: verdict.name(),
        used: held.used_percent(),
        headroom: match verdict {
            Verdict::Fail => "missed".to_owned(),
            Verdict::Inconclusive => "can’t be told".to_owned(),
            Verdict::Invalid => "says nothing of the server".to_owned(),
            Verdict::Pass => held.headroom().unwrap_or_else(|| "kept".to_owned()),
        },
    }
}

/// What the number is.
fn what(held: &Held<'_>) -> String {
    let title = |metric: crate::model::Metric| metric.definition().title;
    let what = match held.threshold.subject {
        Subject::Percentile(metric, 50.0) => format!("{}, median", title(metric)),
        Subject::Percentile(metric, p) => format!("{}, p{p}", title(metric)),
        Subject::Max(metric) => format!("{}, the slowest", title(metric)),
        Subject::Mean(metric) => format!("{}, mean", title(metric)),
        Subject::Recovery(metric) => format!("{}, back as before", title(metric)),
        Subject::Within(metric, within) => {
            let within = crate::model::numbers::limit(crate::model::nanos(within));
            format!("{} within {within}", title(metric))
        }
        Subject::Count(Count::Lost) => "deliveries lost".to_owned(),
        Subject::Count(Count::Duplicated) => "deliveries doubled".to_owned(),
        Subject::Count(Count::Dropped) => "messages not sent".to_owned(),
        Subject::Count(Count::Failed) => "messages failed or refused".to_owned(),
    };
    match held.phase {
        Some(place) => format!("{what}, {}", held.place(place)),
        None => what,
    }
}

/// What became of all deliveries, in the order of the account.
pub(super) fn account(report: &Report, run: &Run) -> Vec<Step> {
    let counted = statements::deliveries(report, run).into_iter();
    counted
        .map(|one| Step {
            count: count(one.count),
            words: one.words,
            class: match one.key {
                "lost" | "duplicated" | "echo_missing" if one.count > 0 => "bad",
                _ => "",
            },
        })
        .collect()
}

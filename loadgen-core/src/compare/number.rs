//! One number in all runs of both sides: what became of it, and whether that is certain.

use std::iter;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    measured::{Measured, Value},
    sets::{Sets, Values},
};
use crate::{
    model::{Count, Metric},
    observed::PROMISE,
    result::PERCENTILES,
    scenario::Subject,
};

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// A time in nanoseconds.
    Nanoseconds,
    /// A fraction of one.
    Share,
    /// How many messages or deliveries; of several runs, the most in one.
    Count,
    /// How many times the floor's number.
    TimesFloor,
}

/// One number of both sides.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Number {
    /// As in thresholds: `delivery.p99`.
    pub key: String,
    /// What the number counts, and in which unit.
    pub quantity: Quantity,
    /// Of the base: the median of its runs. `None`: too few samples in any run, or that of a delivery that never came, here and
    /// below.
    pub base: Option<f64>,
    /// Of the change: the median of its runs.
    pub change: Option<f64>,
    /// The change minus the base; `None` too where it is the time of a delivery that never came in any run, here and below.
    pub difference: Option<Estimate>,
    /// The change divided by the base; `None` of what is zero in a run, and of shares and counts.
    pub ratio: Option<Estimate>,
    /// In each run of the base that is compared, in the order of time, but for those that have none since it never came.
    pub base_runs: Vec<f64>,
    /// In each run of the change.
    pub change_runs: Vec<f64>,
    /// In how many runs of the base it is the time of a delivery that never came.
    #[serde(skip_serializing_if = "is_none")]
    pub base_never: usize,
    /// In how many runs of the change.
    #[serde(skip_serializing_if = "is_none")]
    pub change_never: usize,
    /// Whether it is the server's, as far as users see it: these are held against chance together, and the headline is of one.
    pub headline: bool,
    /// Whether it differs for certain, as far as it is for the headline.
    pub certain: bool,
}

/// A number with its exact interval at 95 % or more, where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Estimate {
    /// What is most likely.
    pub value: f64,
    /// The interval; `None` of too few runs.
    pub interval: Option<(f64, f64)>,
}

impl Estimate {
    /// Whether the interval leaves a value out.
    pub(super) fn excludes(self, value: f64) -> bool {
        let beyond = |(low, high): (f64, f64)| value < low || high < value;
        self.interval.is_some_and(beyond)
    }
}

/// What can be asked of a run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked {
    Of(Subject),
    /// A percentile of the deliveries, divided by the floor's.
    TimesFloor(f64),
    /// A percentile of the deliveries, minus the floor's.
    OverFloor(f64),
}

impl Asked {
    /// What all these runs bear: deliveries, these against each run's own floor (what is left of a difference when the
    /// machine got faster or slower, rule 9), everything else.
    pub(super) fn all(runs: &[&Measured<'_>]) -> Vec<Asked> {
        let mut asked = Vec::new();
        let percentiles = |metric| PERCENTILES.map(|p| Asked::Of(Subject::Percentile(metric, p)));
        asked.extend(percentiles(Metric::Delivery));
        let promise = std::time::Duration::from_nanos(PROMISE);
        asked.push(Asked::Of(Subject::Within(Metric::Delivery, promise)));
        asked.extend([
            Asked::TimesFloor(50.0),
            Asked::TimesFloor(95.0),
            Asked::OverFloor(99.0),
        ]);
        asked.extend(Count::ALL.map(|count| Asked::Of(Subject::Count(count))));
        let others = Metric::ALL
            .into_iter()
            .filter(|metric| *metric != Metric::Delivery);
        asked.extend(others.flat_map(percentiles));
        asked.retain(|asked| runs.iter().all(|run| asked.of(run) != Value::TooFew));
        asked
    }

    /// In one run.
    pub(super) fn of(self, run: &Measured<'_>) -> Value {
        match self {
            Asked::Of(subject) => run.value(subject),
            Asked::TimesFloor(p) => run.beside_floor(p, |latency, floor| latency / floor),
            Asked::OverFloor(p) => run.beside_floor(p, |latency, floor| latency - floor),
        }
    }

    /// Whether it is counted and not timed.
    pub(super) fn is_count(self) -> bool {
        matches!(self, Asked::Of(Subject::Count(_)))
    }

    pub(super) fn key(self) -> String {
        match self {
            Asked::Of(subject) => subject.to_string(),
            Asked::TimesFloor(p) => format!("delivery.p{p} divided by the floor's"),
            Asked::OverFloor(p) => format!("delivery.p{p} minus the floor's"),
        }
    }

    pub(super) fn quantity(self) -> Quantity {
        match self {
            Asked::Of(Subject::Within(..)) => Quantity::Share,
            Asked::Of(Subject::Count(_)) => Quantity::Count,
            Asked::TimesFloor(_) => Quantity::TimesFloor,
            Asked::Of(_) | Asked::OverFloor(_) => Quantity::Nanoseconds,
        }
    }

    /// What users see of a server, each once: neither stages within it, nor what is the generator's own. Few are looked at, so
    /// that few can differ by chance.
    pub(super) fn is_for_the_headline(self) -> bool {
        match self {
            Asked::Of(Subject::Percentile(Metric::Delivery, _)) => true,
            Asked::Of(Subject::Percentile(metric, p)) => {
                let seen = matches!(
                    metric,
                    Metric::Echo | Metric::Ack | Metric::Confirm | Metric::Connect | Metric::Join
                );
                seen && (p == 50.0 || p == 99.0)
            }
            Asked::Of(Subject::Within(..)) => true,
            _ => false,
        }
    }
}

/// One number in the runs of one side.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct InRuns {
    /// In those that have one, in the order of time.
    pub(super) known: Vec<f64>,
    /// In how many it is the time of a delivery that never came.
    pub(super) never: usize,
}

impl InRuns {
    /// `None` where a run has too few samples.
    pub(super) fn of(asked: Asked, runs: &[&Measured<'_>]) -> Option<Self> {
        let mut all = Self::default();
        for run in runs {
            match asked.of(run) {
                Value::Known(value) => all.known.push(value),
                Value::Never => all.never += 1,
                Value::TooFew => return None,
            }
        }
        Some(all)
    }

    /// What stands for all of them; `None` of no run, and where it is the time of a delivery that never came.
    pub(super) fn shown(&self, of: fn(&[f64]) -> Option<f64>) -> Option<f64> {
        let never = iter::repeat_n(f64::INFINITY, self.never);
        let all: Vec<f64> = self.known.iter().copied().chain(never).collect();
        of(&all).filter(|value| value.is_finite())
    }
}

impl Number {
    /// Of these runs; counts are facts of each and need no more than one.
    pub(super) fn of(
        asked: Asked,
        sets: &Sets,
        base: &[&Measured<'_>],
        change: &[&Measured<'_>],
    ) -> Self {
        let both = InRuns::of(asked, base).zip(InRuns::of(asked, change));
        let (base, change) = both.unwrap_or_default();
        let values = match base.never + change.never {
            0 => Values {
                base: base.known.clone(),
                change: change.known.clone(),
            },
            // By how much more never is, no number says.
            _ => Values::default(),
        };
        let quantity = asked.quantity();
        let (difference, ratio) = match quantity {
            Quantity::Count => (counted(&values), None),
            _ => (
                estimate(sets, &values, |value| value),
                is_ratio(quantity, &values)
                    .then(|| estimate(sets, &values.map(f64::ln), f64::exp))
                    .flatten(),
            ),
        };
        let shown = match quantity {
            Quantity::Count => largest,
            _ => median,
        };
        Self {
            key: asked.key(),
            quantity,
            base: base.shown(shown),
            change: change.shown(shown),
            difference,
            ratio,
            base_runs: base.known,
            change_runs: change.known,
            base_never: base.never,
            change_never: change.never,
            headline: asked.is_for_the_headline(),
            certain: false,
        }
    }

    /// Whether it is the time of a delivery that never came in any run.
    pub(super) fn is_never(&self) -> bool {
        self.base_never + self.change_never > 0
    }

    /// As it is held against chance: times by their ratios; nothing where it is never in any run.
    pub(super) fn values(&self) -> Values {
        if self.is_never() {
            return Values::default();
        }
        let values = Values {
            base: self.base_runs.clone(),
            change: self.change_runs.clone(),
        };
        match self.ratio {
            Some(_) => values.map(f64::ln),
            None => values,
        }
    }
}

fn is_ratio(quantity: Quantity, values: &Values) -> bool {
    let is_time = matches!(quantity, Quantity::Nanoseconds | Quantity::TimesFloor);
    is_time
        && values
            .base
            .iter()
            .chain(&values.change)
            .all(|value| *value > 0.0)
}

fn estimate(sets: &Sets, values: &Values, back: fn(f64) -> f64) -> Option<Estimate> {
    let shift = sets.shift(values)?;
    Some(Estimate {
        value: back(shift.value),
        interval: shift.interval.map(|(low, high)| (back(low), back(high))),
    })
}

/// By how much a count is larger: from the runs of both sides that are nearest to each other to those that are farthest.
fn counted(values: &Values) -> Option<Estimate> {
    let (base, change) = (largest(&values.base)?, largest(&values.change)?);
    let least = (smallest(&values.base)?, smallest(&values.change)?);
    Some(Estimate {
        value: change - base,
        interval: Some((least.1 - base, change - least.0)),
    })
}

/// For serde: whether there is no such run.
#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
fn is_none(runs: &usize) -> bool {
    *runs == 0
}

pub(super) fn smallest(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::min)
}

pub(super) fn largest(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::max)
}

pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    Some((sorted[last / 2] + sorted[last.div_ceil(2)]) / 2.0)
}

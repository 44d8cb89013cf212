//! What a search has found, as it is recorded: of each system the last success and the first failure for every limit.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Answer, Bottleneck, Bounds, Ended, Evidence, Hold, LIMITS, Outcome, PROMISED, Rules,
    SEARCH_VERSION,
};
use crate::{
    judge::Verdict,
    model::{Dialect, Nanos, numbers::count},
    result::{Environment, ScenarioInfo},
};

/// All that a search has found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// The version of this schema: [`SEARCH_VERSION`].
    pub search_version: u32,
    /// The weightiest verdict on any of the systems.
    pub verdict: Verdict,
    /// What was asked, at the rates of the scenario itself.
    pub scenario: ScenarioInfo,
    /// The command line, as it was typed.
    pub command: Vec<String>,
    /// What the user says of it (`--label`), by key.
    pub labels: BTreeMap<String, String>,
    /// When this program began: RFC 3339, UTC.
    pub started: String,
    /// When the last hold was judged: RFC 3339, UTC.
    pub ended: String,
    /// Where it was measured.
    pub environment: Environment,
    /// How it was searched.
    pub settings: SearchSettings,
    /// The systems, in the order of the command line.
    pub systems: Vec<SystemFound>,
}

/// How it was searched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchSettings {
    /// Messages per second of the scenario itself, in its measured phases on average.
    pub scenario_rate: f64,
    /// The highest rate that would have been asked for.
    pub up_to: f64,
    /// The search ends when the first rate that is not kept is above the last success by at most this share of it.
    pub precision: f64,
    /// Seconds for each system at most.
    pub budget: f64,
    /// Measured seconds of a hold of full length.
    pub full: f64,
    /// Measured seconds of a short one.
    pub short: f64,
}

/// What was found of one system. Rates are messages per second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SystemFound {
    /// As it was named on the command line.
    pub system: String,
    /// What it says that it is; `None` where it does not.
    pub version: Option<String>,
    /// Which store it saved into, in words.
    pub store: String,
    /// When it delivered, as far as that is known.
    pub delivery: String,
    /// The names that were spoken with it; `None` in results of before.
    #[serde(default)]
    pub dialect: Option<Dialect>,
    /// Limits of the scenario that are not asked of it, since it never says so.
    #[serde(default)]
    pub not_asked: Vec<String>,
    /// What the search says of it.
    pub verdict: Verdict,
    /// The same in a sentence.
    pub sentence: String,
    /// Why the search ended.
    pub ended: Ended,
    /// The highest rate that keeps the scenario's own limits.
    pub last_success: Option<f64>,
    /// The lowest rate that missed them for certain.
    pub first_failure: Option<f64>,
    /// The rate, 5 % below the last success, at which it was confirmed.
    pub confirmed: Option<f64>,
    /// For each of the limits that every search tells of, the same, from the same holds.
    pub limits: Vec<LimitFound>,
    /// The geometric mean of the last successes of all limits that have one.
    pub geometric_mean: Option<f64>,
    /// What was used up at the first failure.
    pub bottleneck: Option<Bottleneck>,
    /// All holds in their order.
    pub holds: Vec<Hold>,
}

/// Between which rates one limit ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitFound {
    /// 99 % of the deliveries within so many nanoseconds.
    pub limit: Nanos,
    /// The highest rate that kept it with none below that missed it; `None` where none did, and where it is contradicted.
    pub last_success: Option<f64>,
    /// The lowest rate that missed it for certain.
    pub first_failure: Option<f64>,
    /// A lower rate missed it and a higher one kept it, each in two holds or in the one of three that decided: nothing is said.
    pub contradicted: bool,
}

impl LimitFound {
    /// Whether its last success is no more than a lower bound: nothing failed, or only at a rate far above it, since it is the
    /// scenario's own limits whose end a search looks for.
    pub fn is_open(&self) -> bool {
        let far = |failed| self.last_success.is_none_or(|kept| failed > FAR * kept);
        self.first_failure.is_none_or(far)
    }
}

/// How many times the last success a first failure is that says little of where the limit ends.
const FAR: f64 = 1.25;

/// What is known of a system beside its holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// As it was named.
    pub system: String,
    /// What it says that it is.
    pub version: Option<String>,
    /// Which store.
    pub store: String,
    /// When it delivers.
    pub delivery: String,
    /// The names that are spoken with it.
    pub dialect: Option<Dialect>,
    /// Limits of the scenario that are not asked of it.
    pub not_asked: Vec<String>,
}

impl SystemFound {
    /// Of an answer and the holds that it rests on.
    pub fn of(about: About, answer: &Answer, holds: Vec<Hold>) -> Self {
        let bounds = answer.bounds;
        let limits = LIMITS.map(|limit| of_limit(limit, answer.rules, &holds));
        let bottleneck = ended_in(bounds, &holds).and_then(|hold| hold.bottleneck);
        let is_withheld = answer.ended == Ended::NonMonotonic;
        let mut found = Self {
            system: about.system,
            version: about.version,
            store: about.store,
            delivery: about.delivery,
            dialect: about.dialect,
            not_asked: about.not_asked,
            verdict: answer.verdict(),
            sentence: sentence(answer, bottleneck),
            ended: answer.ended,
            last_success: bounds.last_success.filter(|_| !is_withheld),
            first_failure: bounds.first_failure,
            confirmed: answer.confirmed.filter(|_| !is_withheld),
            geometric_mean: geometric_mean(&limits),
            limits: limits.into(),
            bottleneck,
            holds,
        };
        let rates = found.deciding();
        for hold in &mut found.holds {
            // Of all holds it would be most of a result.
            hold.seen.take_if(|_| !is_among(&rates, hold.rate));
        }
        found
    }

    /// Whether its numbers rest on what was held at this rate: its own limits and the promised one end there, or that was confirmed.
    pub fn is_decided_at(&self, rate: f64) -> bool {
        is_among(&self.deciding(), rate)
    }

    /// The hold of which it is told what was used up, by the rules that the search went by.
    pub(super) fn used_up_in(&self, rules: Rules) -> Option<&Hold> {
        let mut evidence = Evidence::new(rules);
        for hold in self.holds.iter().filter(|hold| hold.purpose.counts()) {
            evidence.add(hold.rate, hold.outcome);
        }
        let hold = ended_in(evidence.bounds(), &self.holds)?;
        (hold.bottleneck == self.bottleneck).then_some(hold)
    }

    fn deciding(&self) -> Vec<f64> {
        let promised = self.limits.iter().filter(|found| found.limit == PROMISED);
        let promised = promised.flat_map(|found| [found.last_success, found.first_failure]);
        let own = [self.last_success, self.first_failure, self.confirmed];
        own.into_iter().chain(promised).flatten().collect()
    }
}

fn is_among(rates: &[f64], rate: f64) -> bool {
    rates.iter().any(|one| is_same_rate(*one, rate))
}

/// Whether two rates are one: writing and reading may change the last bit.
pub fn is_same_rate(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * other.abs()
}

/// From the holds of a search for another limit.
fn of_limit(limit: Nanos, rules: Rules, holds: &[Hold]) -> LimitFound {
    let mut evidence = Evidence::new(rules);
    for hold in holds.iter().filter(|hold| hold.purpose.counts()) {
        if let Some(at) = hold.limits.iter().find(|at| at.limit == limit) {
            evidence.add(hold.rate, at.outcome);
        }
    }
    let bounds = evidence.bounds();
    let contradicted = bounds
        .contradiction
        .is_some_and(|contradiction| evidence.doubted(contradiction).is_none());
    LimitFound {
        limit,
        last_success: bounds.last_success.filter(|_| !contradicted),
        first_failure: bounds.first_failure,
        contradicted,
    }
}

/// Of the last successes of those limits that have one.
pub(super) fn geometric_mean<'l>(limits: impl IntoIterator<Item = &'l LimitFound>) -> Option<f64> {
    let known = limits.into_iter().filter_map(|limit| limit.last_success);
    let logarithms: Vec<f64> = known.map(f64::ln).collect();
    let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
    (!logarithms.is_empty()).then(|| mean.exp())
}

/// The hold where the limit ends and something was used up.
fn ended_in(bounds: Bounds, holds: &[Hold]) -> Option<&Hold> {
    let end = bounds.not_kept.map(|(rate, _)| rate);
    let at = |rate: f64| {
        let counted = holds.iter().filter(|hold| hold.purpose.counts());
        let mut there = counted.filter(|hold| is_same_rate(hold.rate, rate));
        there.find(|hold| hold.bottleneck.is_some())
    };
    end.and_then(at)
        .or_else(|| bounds.first_failure.and_then(at))
}

/// A rate for people.
pub(super) fn rate(rate: f64) -> String {
    match rate {
        small if small < 100.0 => format!("{small:.1}/s"),
        rate => format!("{}/s", count(rate.round() as u64)),
    }
}

/// What a search says, and first why it says no more.
fn sentence(answer: &Answer, bottleneck: Option<Bottleneck>) -> String {
    let Bounds {
        last_success,
        first_failure,
        not_kept,
        contradiction,
    } = answer.bounds;
    let carries = match last_success {
        Some(kept) => format!("it keeps its limits at {}", rate(kept)),
        None => "no rate is known to keep its limits".to_owned(),
    };
    let confirmed = match answer.confirmed {
        Some(confirmed) => format!(", confirmed at {}", rate(confirmed)),
        None if last_success.is_some() => ", not confirmed".to_owned(),
        None => String::new(),
    };
    let fails = first_failure.map_or_else(String::new, |missed| {
        let by = match bottleneck {
            Some(Bottleneck::Unknown) | None => String::new(),
            Some(bottleneck) => format!(" ({} used up)", is(bottleneck)),
        };
        format!(", and misses them at {}{by}", rate(missed))
    });
    match (answer.ended, not_kept) {
        (Ended::NonMonotonic, _) => contradicted(answer.rules, contradiction.unwrap_or_default()),
        (Ended::Found, Some((end, Outcome::GeneratorBound))) => format!(
            "at least {}{confirmed}; the generator is used up at {}, so that the server's own end is not known: give it more workers (--workers) and cores",
            last_success.map(rate).unwrap_or_default(),
            rate(end)
        ),
        (Ended::Found, Some((end, Outcome::Disturbed))) => format!(
            "{carries}{confirmed}; the machine was disturbed each time {} was asked: run it where nothing else runs",
            rate(end)
        ),
        (Ended::Found, _) => format!("{carries}{confirmed}{fails}"),
        (Ended::NotConfirmed, _) => {
            format!("{carries}{confirmed}{fails}; {}", unconfirmed(answer))
        }
        (Ended::AtMost, _) => {
            format!("{carries}{confirmed}: the highest rate that was to be asked (--up-to)")
        }
        (Ended::NothingKept, Some((end, Outcome::Undecided))) => format!(
            "no rate is known to keep its limits{fails}; down to {} nothing could be decided: make the holds longer (--hold)",
            rate(end)
        ),
        (Ended::NothingKept, Some((end, outcome))) => {
            format!(
                "no rate keeps its limits, down to {}: {}",
                rate(end),
                outcome.name()
            )
        }
        (Ended::NothingKept, None) => "it kept no rate, however low".to_owned(),
        (Ended::NotDrained, _) => format!(
            "{carries}{confirmed}{fails}; after a failure it kept no rate any more, however low"
        ),
        (Ended::OutOfBudget, _) => {
            format!(
                "{carries}{confirmed}{fails}; the budget ended before more was known: give it more (--budget)"
            )
        }
        (Ended::Interrupted, _) => format!("{carries}{confirmed}{fails}; it was interrupted"),
        (Ended::Died, _) => format!("{carries}{confirmed}{fails}; then it died"),
    }
}

/// That a rate missed the limits below one that kept them.
fn contradicted(rules: Rules, (missed, kept): (f64, f64)) -> String {
    let often = match rules < Rules::SeenTwice {
        true => "each time it was asked",
        false => "each in most of the holds that decided",
    };
    format!(
        "it missed its limits at {} and kept them at {}, {often}: what it can carry is no one rate, and withheld",
        rate(missed),
        rate(kept)
    )
}

/// Why a last success could not be confirmed, and what would be right.
fn unconfirmed(answer: &Answer) -> String {
    let (at, outcome) = answer.in_vain.unwrap_or((0.0, Outcome::Undecided));
    let why = match outcome {
        Outcome::GeneratorBound => {
            "the generator was used up there: give it more workers (--workers) and cores"
        }
        Outcome::Disturbed => "the machine was disturbed each time: run it where nothing else runs",
        _ => "nothing could be decided there: make the holds longer (--hold)",
    };
    format!("at {} that could not be confirmed, since {why}", rate(at))
}

fn is(bottleneck: Bottleneck) -> String {
    let verb = match bottleneck {
        Bottleneck::Machine => "are",
        _ => "is",
    };
    format!("{} {verb}", bottleneck.name())
}

/// The JSON Schema of what a search has found, as text. `docs/search.schema.json` is a copy that a test holds against the code.
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(Found);
    let title = format!("Result of `loadgen search`, version {SEARCH_VERSION}");
    schema.insert("title".to_owned(), title.into());
    let id = format!("urn:loadgen:search:{SEARCH_VERSION}");
    schema.insert("$id".to_owned(), id.into());
    // A schema is a JSON value: it can always be written.
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}

//! The limits of a run as numbers: what was measured beside what is allowed, and how much of that is used up.

use hdrhistogram::Histogram;

use super::{seconds, statements};
use crate::{
    judge::{
        Judged, Measured, OUTSIDE, Verdict,
        statistic::{self, Time},
    },
    model::{
        HistogramError, Metric, Nanos, histogram, nanos,
        numbers::{count, duration, duration_beside, exactly, percentage, share_beside},
    },
    observed::PROMISE,
    result::{MetricResult, Run},
    scenario::{Comparison, Subject, Threshold, parse_condition, parse_subject_at},
};

/// A limit of a run and what was measured of it.
pub(crate) struct Held<'a> {
    pub run: &'a Run,
    pub judged: &'a Judged,
    pub threshold: Threshold,
    /// The phase or the part of a run with faults that it is on, `@name` or [`OUTSIDE`]; `None`: on the whole run.
    pub phase: Option<&'a str>,
    pub value: Value,
    /// Seconds that were left out of it as disturbed, where that is known.
    pub left_out: Option<usize>,
}

/// What stands behind a limit that is judged outside of all faults.
const BEHIND: &str = " (outside the faults)";

/// In the words of a limit that too few undisturbed seconds were left for: these are of all seconds. Older results have the
/// number of those that were left beside them.
pub(super) const OF_ALL: &str = "too few are left to judge by";

/// The number on a limit's left side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    /// In the unit of its subject: nanoseconds, a fraction of one, or a count.
    Known(f64),
    /// The percentile is one of what never came.
    Never,
    /// Too few samples.
    TooFew,
}

/// The limits of a run in the order of its scenario.
///
/// # Errors
/// When a histogram can't be read.
pub(crate) fn limits(run: &Run) -> Result<Vec<Held<'_>>, HistogramError> {
    let judged = run.judgement.thresholds.iter();
    let held = judged.filter_map(|judged| Held::of(run, judged).transpose());
    held.collect()
}

/// How many seconds were left out of a limit as disturbed: of one on a count none, and where older results don't say, all that
/// were.
pub(super) fn left_out(run: &Run, judged: &Judged) -> usize {
    match judged.left_out {
        _ if is_on_a_count(judged) || judged.measured.contains(OF_ALL) => 0,
        known => known.unwrap_or_else(|| seconds::disturbed(run)),
    }
}

/// Whether a limit is on a count, which disturbed seconds don't change.
pub(super) fn is_on_a_count(judged: &Judged) -> bool {
    let read = read(&judged.threshold);
    read.is_some_and(|(threshold, _)| matches!(threshold.subject, Subject::Count(_)))
}

/// How many were left out of the limit on all deliveries of a run: of that on the promise before others; `None` where it has
/// none.
pub(super) fn left_out_of_deliveries(run: &Run) -> Option<usize> {
    let judged = run.judgement.thresholds.iter();
    let on_deliveries = judged.filter_map(|judged| {
        let (threshold, place) = read(&judged.threshold)?;
        let is_one = threshold.subject.metric() == Some(Metric::Delivery) && place.is_none();
        is_one.then(|| (!is_promise(&threshold), left_out(run, judged)))
    });
    let first = on_deliveries.min_by_key(|(is_other, _)| *is_other);
    first.map(|(_, left_out)| left_out)
}

/// Whether a limit is the promise: a share within 5 ms, or what is the same, the p99.
fn is_promise(threshold: &Threshold) -> bool {
    let is_upper = matches!(
        threshold.comparison,
        Comparison::Less | Comparison::LessOrEqual
    );
    match threshold.subject {
        Subject::Within(Metric::Delivery, limit) => nanos(limit) == PROMISE,
        Subject::Percentile(Metric::Delivery, 99.0) => {
            is_upper && threshold.bound == PROMISE as f64
        }
        _ => false,
    }
}

impl<'a> Held<'a> {
    /// `None` of a text that no version of this program wrote.
    fn of(run: &'a Run, judged: &'a Judged) -> Result<Option<Self>, HistogramError> {
        let Some((threshold, phase)) = read(&judged.threshold) else {
            return Ok(None);
        };
        let recorded = judged.numbers.as_ref();
        let is_of_others = judged.left_out != Some(0) && judged.measured.contains(OF_ALL);
        let (recorded, left_out) = match is_of_others {
            true => (None, Some(0)),
            false => (recorded, judged.left_out),
        };
        let value = value((run, phase), &threshold, recorded, left_out)?;
        Ok(Some(Self {
            run,
            judged,
            threshold,
            phase,
            value,
            left_out,
        }))
    }

    /// Where it is judged, in words: `in the phase steady`, `inside of the fault outage`.
    pub(crate) fn place(&self, place: &str) -> String {
        let recovers = matches!(self.threshold.subject, Subject::Recovery(_));
        match place.strip_prefix('@') {
            Some(fault) if recovers => format!("after the fault {fault}"),
            Some(fault) => format!("inside of the fault {fault}"),
            None if place == OUTSIDE => place.to_owned(),
            None => format!("in the phase {place}"),
        }
    }

    /// The verdict on it in its run.
    pub(crate) fn verdict(&self) -> Verdict {
        statements::verdict(self.run, self.judged)
    }

    /// Whether it is on the promise.
    pub(crate) fn is_on_the_promise(&self) -> bool {
        is_promise(&self.threshold)
    }

    /// What was measured, with its unit.
    pub(crate) fn measured(&self) -> String {
        match self.value {
            Value::Never => "never".to_owned(),
            Value::TooFew if matches!(self.threshold.subject, Subject::Recovery(_)) => {
                "not seen to end".to_owned()
            }
            Value::TooFew => "too few".to_owned(),
            Value::Known(value) if self.is_exact(value) => self.beside(value),
            Value::Known(value) => self.shown(value),
        }
    }

    /// Whether its number is known as exactly as its verdict: a percentile is to a thousandth only, and what was counted at
    /// the bound decides.
    fn is_exact(&self, value: f64) -> bool {
        match (self.threshold.subject, self.verdict()) {
            (Subject::Within(..), _) => true,
            (_, Verdict::Pass) => self.holds(value),
            (_, Verdict::Fail) => !self.holds(value),
            _ => false,
        }
    }

    /// Whether a number of its kind keeps it.
    pub(crate) fn holds(&self, value: f64) -> bool {
        self.threshold.comparison.holds(value, self.threshold.bound)
    }

    /// A number of its kind, with its unit.
    pub(crate) fn shown(&self, value: f64) -> String {
        match self.threshold.subject {
            Subject::Count(_) => count(value as u64),
            Subject::Within(..) => percentage(value),
            _ => duration(value as u64),
        }
    }

    /// The same so exactly that it reads as the bound only where it is no other number.
    pub(crate) fn beside(&self, value: f64) -> String {
        let bound = self.threshold.bound;
        match self.threshold.subject {
            Subject::Count(_) => count(value as u64),
            Subject::Within(..) => share_beside(value, bound),
            _ => duration_beside(value as u64, bound as u64),
        }
    }

    /// What is allowed, with its unit: `250 ms`, `at least 99 %`, `none`.
    pub(crate) fn allowed(&self) -> String {
        let Threshold {
            subject,
            comparison,
            bound,
            ..
        } = self.threshold;
        let text = chosen(subject, bound);
        let word = match (subject, comparison) {
            (Subject::Count(_), Comparison::Equal | Comparison::LessOrEqual) if bound == 0.0 => {
                return "none".to_owned();
            }
            (_, Comparison::Less) => "under ",
            (_, Comparison::LessOrEqual) => "at most ",
            (_, Comparison::Greater) => "over ",
            (_, Comparison::GreaterOrEqual) => "at least ",
            (_, Comparison::Equal) => "exactly ",
        };
        format!("{word}{text}")
    }

    /// The bound alone, where it is plain on which side of it the number must lie: `250 ms`, `99 %`.
    pub(crate) fn bound(&self) -> String {
        let is_share = matches!(self.threshold.subject, Subject::Within(..));
        let plain = match self.threshold.comparison {
            Comparison::Less | Comparison::LessOrEqual => !is_share,
            Comparison::Greater | Comparison::GreaterOrEqual => is_share,
            Comparison::Equal => false,
        };
        match plain {
            true => chosen(self.threshold.subject, self.threshold.bound),
            false => self.allowed(),
        }
    }

    /// How much of what the limit allows is used: of the time, of the share that may miss it, of the count; above one, it is
    /// missed. `None` where more is better without an end, and of what may not be at all.
    pub(crate) fn used(&self) -> Option<f64> {
        let Value::Known(value) = self.value else {
            return None;
        };
        let bound = self.threshold.bound;
        let (used, all) = match (self.threshold.subject, self.threshold.comparison) {
            (Subject::Within(..), Comparison::Greater | Comparison::GreaterOrEqual) => {
                (1.0 - value, 1.0 - bound)
            }
            (Subject::Within(..), _) => return None,
            (_, Comparison::Less | Comparison::LessOrEqual) => (value, bound),
            _ => return None,
        };
        (all > 0.0).then_some(used / all)
    }

    /// The same in percent, for a bar: at least 1, at most 100.
    pub(crate) fn used_percent(&self) -> Option<u32> {
        let used = 100.0 * self.used()?;
        Some(used.round().clamp(1.0, 100.0) as u32)
    }

    /// What is left of what the limit allows, in words: `91 % left`; `None` as of [`Held::used`], and of a missed one.
    pub(crate) fn headroom(&self) -> Option<String> {
        let left = 1.0 - self.used()?;
        (0.0..=1.0)
            .contains(&left)
            .then(|| format!("{:.0} % left", 100.0 * left))
    }

    /// The limit as a line in a chart of latencies: of which metric, which of its percentiles has to keep it, and where it is;
    /// a share within a time is a percentile, too. `None` of what is neither.
    pub(crate) fn line(&self) -> Option<(Metric, f64, Nanos)> {
        let bound = self.threshold.bound;
        match self.threshold.subject {
            Subject::Percentile(metric, percentile) => Some((metric, percentile, bound as Nanos)),
            Subject::Within(metric, limit) if bound > 0.5 => {
                let percentile = (1e7 * bound).round() / 1e5;
                Some((metric, percentile, nanos(limit)))
            }
            _ => None,
        }
    }

    /// The same number of another run, of its disturbed seconds, too, where it rests on those of its own.
    ///
    /// # Errors
    /// When a histogram can't be read.
    pub(crate) fn of_another(&self, run: &Run) -> Result<Value, HistogramError> {
        let with_disturbed = self.left_out == Some(0) && seconds::disturbed(self.run) > 0;
        let left_out = with_disturbed.then_some(0);
        value((run, self.phase), &self.threshold, None, left_out)
    }

    /// The samples that its number is of, and how many of them never came; `None` where the result does not keep these
    /// apart.
    ///
    /// # Errors
    /// When a histogram can't be read.
    pub(crate) fn samples(&self) -> Result<Option<(Histogram<u64>, u64)>, HistogramError> {
        match self.threshold.subject.metric() {
            Some(metric) => samples(self.run, metric, self.phase, self.left_out),
            None => Ok(None),
        }
    }

    /// How many were due of what its number is of, where that is known.
    pub(crate) fn due(&self) -> Option<u64> {
        let metric = self.threshold.subject.metric()?;
        let all = result(self.run, metric, self.phase).filter(|_| self.left_out == Some(0));
        if let Some(all) = all {
            return Some(all.due());
        }
        let recorded = self.judged.numbers.as_ref().map(|numbers| numbers.n);
        let whole = metric == Metric::Delivery && self.phase.is_none();
        recorded.or_else(|| whole.then(|| undisturbed(self.run).due))
    }
}

/// A number that somebody chose, with its unit.
fn chosen(subject: Subject, number: f64) -> String {
    match subject {
        Subject::Count(_) => count(number as u64),
        Subject::Within(..) => {
            let percent = format!("{:.5}", 100.0 * number);
            let percent = percent.trim_end_matches('0').trim_end_matches('.');
            format!("{percent} %")
        }
        _ => exactly(number as u64),
    }
}

/// `delivery.p99 < 5ms (phase steady)` as the condition and its phase; of a run with faults `delivery.p99@outage < 5ms` and
/// `delivery.p99 < 5ms (outside the faults)` as the condition and its part.
fn read(text: &str) -> Option<(Threshold, Option<&str>)> {
    let (condition, phase) = match (text.split_once(" (phase "), text.strip_suffix(BEHIND)) {
        (Some((condition, phase)), _) => (condition, phase.strip_suffix(')')),
        (None, Some(condition)) => (condition, Some(OUTSIDE)),
        (None, None) => (text, None),
    };
    let (key, condition) = condition.split_once(' ')?;
    let (subject, fault) = parse_subject_at(key).ok()?;
    let part = fault.and_then(|_| key.rfind('@')).map(|at| &key[at..]);
    let mut threshold = parse_condition(subject, condition).ok()?;
    threshold.fault = fault.map(str::to_owned);
    Some((threshold, phase.or(part)))
}

fn value(
    (run, phase): (&Run, Option<&str>),
    threshold: &Threshold,
    recorded: Option<&Measured>,
    left_out: Option<usize>,
) -> Result<Value, HistogramError> {
    let subject = threshold.subject;
    let Some(metric) = subject.metric() else {
        let Subject::Count(what) = subject else {
            return Ok(Value::TooFew);
        };
        let of = run.phases.iter().find(|of| Some(&*of.name) == phase);
        let totals = of.map_or(&run.totals, |of| &of.totals);
        let plain = statistic::count(what, totals) as f64;
        let counted = recorded.and_then(|recorded| recorded.value);
        return Ok(Value::Known(counted.unwrap_or(plain)));
    };
    let is_share = matches!(subject, Subject::Within(..));
    let lost = result(run, metric, phase).map_or(0, |all| all.lost);
    let known = recorded.and_then(|recorded| recorded.value);
    if let Some(value) = known.filter(|_| is_share || lost == 0) {
        return Ok(Value::Known(value));
    }
    let Some((samples, lost)) = samples(run, metric, phase, left_out)? else {
        // Of a part of a run nothing but the record tells.
        let due = recorded.map_or(0, |recorded| recorded.n);
        let never = matches!(subject, Subject::Percentile(..) | Subject::Max(_))
            && due >= statistic::needed(threshold);
        return Ok(match known {
            Some(value) => Value::Known(value),
            None if never => Value::Never,
            None => Value::TooFew,
        });
    };
    Ok(match subject {
        Subject::Within(..) => within(run, (metric, phase), threshold, left_out),
        _ => match statistic::time_of_due(subject, &samples, lost) {
            Time::Known(value) => Value::Known(value),
            Time::Never => Value::Never,
            Time::TooFew(_) => Value::TooFew,
        },
    })
}

/// The share within a limit, of a result that does not say it by itself.
fn within(
    run: &Run,
    (metric, phase): (Metric, Option<&str>),
    threshold: &Threshold,
    left_out: Option<usize>,
) -> Value {
    let whole = metric == Metric::Delivery && phase.is_none();
    let counted = undisturbed(run);
    let promised = threshold.limit() == Some(PROMISE);
    let (share, due) = match result(run, metric, phase) {
        None => (None, 0),
        // Only the promise is counted second by second.
        Some(_) if whole && promised && left_out != Some(0) && counted.due > 0 => (
            Some(statistic::share(counted.within, counted.due)),
            counted.due,
        ),
        Some(all) => (
            threshold.limit().and_then(|limit| all.share_within(limit)),
            all.due(),
        ),
    };
    let enough = due >= statistic::needed(threshold);
    share.filter(|_| enough).map_or(Value::TooFew, Value::Known)
}

fn result<'a>(run: &'a Run, metric: Metric, phase: Option<&str>) -> Option<&'a MetricResult> {
    let Some(name) = phase else {
        return statements::due(run, metric);
    };
    let phase = run.phases.iter().find(|phase| phase.name == name)?;
    (metric == Metric::Delivery).then_some(&phase.delivery)
}

/// The samples of a metric and how many never came, where `left_out` seconds were.
fn samples(
    run: &Run,
    metric: Metric,
    phase: Option<&str>,
    left_out: Option<usize>,
) -> Result<Option<(Histogram<u64>, u64)>, HistogramError> {
    let Some(all) = result(run, metric, phase) else {
        return Ok(None);
    };
    let left_out = left_out.unwrap_or_else(|| seconds::disturbed(run));
    if left_out == 0 {
        return Ok(Some((histogram::decode(&all.histogram)?, all.lost)));
    }
    // Only deliveries are recorded second by second.
    if metric != Metric::Delivery || phase.is_some() {
        return Ok(None);
    }
    let latencies = seconds::latencies_in(run, seconds::undisturbed(run))?;
    Ok(Some((latencies, undisturbed(run).lost)))
}

/// Deliveries that were due in undisturbed seconds.
fn undisturbed(run: &Run) -> seconds::Judged {
    seconds::due_in(run, seconds::undisturbed(run))
}

//! What may get worse from one result to the next, and whether more of it did.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    number::{Estimate, Number},
    sets::{CHANCE, FEWEST},
    show::value,
};
use crate::{
    judge::Verdict,
    model::{nanos, numbers::duration},
    scenario::{Span, Subject, parse_subject},
};

/// How much worse a number may be: `delivery.p99=10%`, `delivery.p50=200us`, `delivery.within_5ms=0.5%`, `lost=0`.
#[derive(Debug, Clone, PartialEq)]
pub struct Allowance {
    /// Which number.
    pub subject: Subject,
    limit: Limit,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    /// Of what it was: a fraction of one.
    Ratio(f64),
    /// In the number's own unit.
    Difference(f64),
}

/// How an allowance was judged.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Judged {
    /// The allowance, as it was written.
    pub allowance: String,
    /// PASS: not worse than allowed, the whole interval. FAIL: worse, the whole interval. INCONCLUSIVE: the runs can't
    /// tell. INVALID: all of one side are.
    pub verdict: Verdict,
    /// In words.
    pub measured: String,
}

impl FromStr for Allowance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, allowed) = text.split_once('=').ok_or_else(|| {
            format!("{text:?} lacks its limit: write for example delivery.p99=10%")
        })?;
        let subject = parse_subject(key.trim())?;
        Ok(Self {
            subject,
            limit: limit(subject, allowed.trim())?,
            text: text.to_owned(),
        })
    }
}

fn limit(subject: Subject, text: &str) -> Result<Limit, String> {
    let percent = || {
        let number: f64 = text.strip_suffix('%')?.trim().parse().ok()?;
        (number >= 0.0 && number.is_finite()).then_some(number / 100.0)
    };
    match subject {
        Subject::Count(_) => text
            .parse::<u32>()
            .map(|count| Limit::Difference(f64::from(count)))
            .map_err(|_| format!("{text:?} is not a count: write a whole number, as in lost=0")),
        Subject::Within(..) => percent().map(Limit::Difference).ok_or_else(|| {
            format!("{text:?} is not a number of percentage points: write for example 0.5%")
        }),
        _ => match percent() {
            Some(ratio) => Ok(Limit::Ratio(ratio)),
            None => text
                .parse::<Span>()
                .map(|Span(allowed)| Limit::Difference(nanos(allowed) as f64))
                .map_err(|_| {
                    format!("{text:?} is neither a percentage nor a duration: write 10% or 500us")
                }),
        },
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What an allowance is judged on, beside its number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ground {
    /// How often chance alone makes any number that has an allowance differ as much as this one; `None` of a count.
    pub(super) chance: Option<f64>,
    /// Of one side, all times say nothing about the server.
    pub(super) is_invalid: bool,
    /// What has no interval is judged by itself.
    pub(super) by_plain_ratio: bool,
}

impl Allowance {
    /// Judges what became of the allowance's subject.
    pub(super) fn judge(&self, number: &Number, ground: Ground) -> Judged {
        let (verdict, measured) = self.outcome(number, ground);
        Judged {
            allowance: self.text.clone(),
            verdict,
            measured,
        }
    }

    fn outcome(&self, number: &Number, ground: Ground) -> (Verdict, String) {
        let is_time = !matches!(self.subject, Subject::Count(_));
        if is_time && ground.is_invalid {
            let why =
                "all results of one side are INVALID: their numbers say nothing about the server";
            return (Verdict::Invalid, why.to_owned());
        }
        if number.is_never() {
            return of_never(number);
        }
        let (worse, allowed) = match self.limit {
            // A share that sinks is one that gets worse.
            Limit::Difference(limit) if matches!(self.subject, Subject::Within(..)) => {
                (number.difference.map(negated), limit)
            }
            Limit::Difference(limit) => (number.difference, limit),
            Limit::Ratio(limit) => (number.ratio.map(|ratio| shifted(ratio, -1.0)), limit),
        };
        let Some(worse) = worse else {
            let why = "too few samples on one side, or nothing to compare with";
            return (Verdict::Inconclusive, why.to_owned());
        };
        // The verdict on a hair's breadth of rounding would be arbitrary.
        let over = |value: f64| value > allowed + 1e-12;
        let words = self.words(worse);
        match worse.interval {
            Some((low, high)) => match (over(low), over(high)) {
                (true, true) => match ground.chance {
                    // Of many numbers, one lies beyond its own interval now and then.
                    Some(chance) if chance > CHANCE => {
                        let chance = 100.0 * chance;
                        (
                            Verdict::Inconclusive,
                            format!(
                                "{words}, but any of these numbers differs as much by chance in {chance:.1} %"
                            ),
                        )
                    }
                    _ => (Verdict::Fail, words),
                },
                (false, false) => (Verdict::Pass, words),
                _ => (Verdict::Inconclusive, words),
            },
            None if ground.by_plain_ratio && over(worse.value) => (Verdict::Fail, words),
            None if ground.by_plain_ratio => (Verdict::Pass, words),
            None => (
                Verdict::Inconclusive,
                format!(
                    "{words}: measure {FEWEST} runs or more of each side, or let --by-plain-ratio decide"
                ),
            ),
        }
    }

    fn words(&self, worse: Estimate) -> String {
        let show = |value: f64| match (self.limit, self.subject) {
            (_, Subject::Count(_)) => format!("{value:+.0}"),
            (_, Subject::Within(..)) => format!("{:+.3} points", 100.0 * value),
            (Limit::Ratio(_), _) => format!("{:+.1} %", 100.0 * value),
            (Limit::Difference(_), _) => {
                let sign = if value < 0.0 { "-" } else { "+" };
                format!("{sign}{}", duration(value.abs() as u64))
            }
        };
        match worse.interval {
            Some((low, high)) if low < high => format!(
                "worse by {} ({}{} to {})",
                show(worse.value),
                match self.subject {
                    Subject::Count(_) => "",
                    _ => "95 % interval ",
                },
                show(low),
                show(high)
            ),
            Some(_) => format!("worse by {}", show(worse.value)),
            None => format!("worse by {} (without an interval)", show(worse.value)),
        }
    }
}

/// What is known of a time that in some runs is of a delivery that never came: no allowance is as long as that.
fn of_never(number: &Number) -> (Verdict, String) {
    let told = |side: Option<f64>| value(number.quantity, side);
    let all = |known: &[f64], never: usize| known.len() + never;
    match (
        number.base_never,
        number.change_never,
        number.base_runs.is_empty(),
        number.change_runs.is_empty(),
    ) {
        (0, _, _, true) => (
            Verdict::Fail,
            format!(
                "never with the change, since so many deliveries were lost; {} at the base",
                told(number.base)
            ),
        ),
        (_, 0, true, _) => (
            Verdict::Pass,
            format!(
                "{} with the change; never at the base, since so many deliveries were lost",
                told(number.change)
            ),
        ),
        (base, change, _, _) => (
            Verdict::Inconclusive,
            format!(
                "never, since so many deliveries were lost, in {base} of {} runs of the base and in {change} of {} of the change",
                all(&number.base_runs, base),
                all(&number.change_runs, change)
            ),
        ),
    }
}

fn shifted(estimate: Estimate, by: f64) -> Estimate {
    Estimate {
        value: estimate.value + by,
        interval: estimate.interval.map(|(low, high)| (low + by, high + by)),
    }
}

fn negated(estimate: Estimate) -> Estimate {
    Estimate {
        value: -estimate.value,
        interval: estimate.interval.map(|(low, high)| (-high, -low)),
    }
}

/// What must not be overlooked: a run that proves nothing before one that got worse, and that before one that can't tell.
pub(super) fn weight(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Pass => 0,
        Verdict::Inconclusive => 1,
        Verdict::Fail => 2,
        Verdict::Invalid => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Quantity;

    const GROUND: Ground = Ground {
        chance: Some(0.01),
        is_invalid: false,
        by_plain_ratio: false,
    };

    fn latency(base: f64, change: f64, spread: Option<f64>) -> Number {
        let around = |value: f64, scale: f64| Estimate {
            value,
            interval: spread.map(|spread| (value - spread * scale, value + spread * scale)),
        };
        Number {
            key: "delivery.p99".into(),
            quantity: Quantity::Nanoseconds,
            base: Some(base),
            change: Some(change),
            difference: Some(around(change - base, base)),
            ratio: Some(around(change / base, 1.0)),
            base_runs: vec![],
            change_runs: vec![],
            base_never: 0,
            change_never: 0,
            headline: true,
            certain: true,
        }
    }

    fn verdict(allowance: &str, number: &Number, ground: Ground) -> Verdict {
        let allowance: Allowance = allowance.parse().unwrap();
        allowance.judge(number, ground).verdict
    }

    #[test]
    fn only_what_is_surely_worse_than_allowed_fails() {
        let number = latency(1e6, 1.3e6, Some(0.05));
        let verdict = |allowance| verdict(allowance, &number, GROUND);
        assert_eq!(verdict("delivery.p99=10%"), Verdict::Fail);
        assert_eq!(verdict("delivery.p99=28%"), Verdict::Inconclusive);
        assert_eq!(verdict("delivery.p99=40%"), Verdict::Pass);
        assert_eq!(verdict("delivery.p99=200us"), Verdict::Fail);
        assert_eq!(verdict("delivery.p99=1ms"), Verdict::Pass);
    }

    #[test]
    fn what_chance_alone_does_as_often_fails_nothing() {
        let ground = Ground {
            chance: Some(0.06),
            ..GROUND
        };
        let number = latency(1e6, 1.3e6, Some(0.05));
        assert_eq!(
            verdict("delivery.p99=10%", &number, ground),
            Verdict::Inconclusive
        );
        assert_eq!(verdict("delivery.p99=40%", &number, ground), Verdict::Pass);
    }

    #[test]
    fn a_number_without_an_interval_fails_on_request_only() {
        let number = latency(1e6, 9e6, None);
        let ground = Ground {
            chance: Some(1.0),
            ..GROUND
        };
        assert_eq!(
            verdict("delivery.p99=10%", &number, ground),
            Verdict::Inconclusive
        );
        assert_eq!(
            verdict("delivery.p99=1000%", &number, ground),
            Verdict::Inconclusive
        );
        let ground = Ground {
            by_plain_ratio: true,
            ..ground
        };
        assert_eq!(verdict("delivery.p99=10%", &number, ground), Verdict::Fail);
        assert_eq!(
            verdict("delivery.p99=1000%", &number, ground),
            Verdict::Pass
        );
    }

    #[test]
    fn an_invalid_side_proves_nothing_about_times() {
        let ground = Ground {
            is_invalid: true,
            ..GROUND
        };
        let number = latency(1e6, 1e6, Some(0.0));
        assert_eq!(
            verdict("delivery.p99=10%", &number, ground),
            Verdict::Invalid
        );
    }

    #[test]
    fn what_never_comes_with_the_change_is_worse_than_anything_allowed() {
        // In so many runs of either side it is known, and in so many never.
        let judged = |base: [usize; 2], change: [usize; 2], ground| {
            let number = Number {
                base: (base[1] == 0).then_some(4e6),
                change: (change[1] == 0).then_some(4e6),
                difference: None,
                ratio: None,
                base_runs: vec![4e6; base[0]],
                change_runs: vec![4e6; change[0]],
                base_never: base[1],
                change_never: change[1],
                ..latency(4e6, 4e6, None)
            };
            let allowance: Allowance = "delivery.p99=10%".parse().unwrap();
            allowance.judge(&number, ground)
        };
        let verdict = |base, change| judged(base, change, GROUND).verdict;
        // One run against one says it, too.
        assert_eq!(verdict([1, 0], [0, 1]), Verdict::Fail);
        assert_eq!(verdict([4, 0], [0, 4]), Verdict::Fail);
        assert_eq!(verdict([0, 4], [4, 0]), Verdict::Pass);
        assert_eq!(verdict([4, 0], [3, 1]), Verdict::Inconclusive);
        assert_eq!(verdict([0, 4], [0, 4]), Verdict::Inconclusive);
        let told = judged([4, 0], [0, 4], GROUND).measured;
        assert_eq!(
            told,
            "never with the change, since so many deliveries were lost; 4.00 ms at the base"
        );
        let ground = Ground {
            is_invalid: true,
            ..GROUND
        };
        assert_eq!(judged([4, 0], [0, 4], ground).verdict, Verdict::Invalid);
    }

    #[test]
    fn a_limit_that_is_none_is_refused_with_an_example() {
        for (text, word) in [
            ("delivery.p99", "10%"),
            ("delivery.p99=ten", "500us"),
            ("delivery.within_5ms=1ms", "0.5%"),
            ("lost=1%", "lost=0"),
            ("delivery.p99=-5%", "10%"),
        ] {
            let error = text.parse::<Allowance>().unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}

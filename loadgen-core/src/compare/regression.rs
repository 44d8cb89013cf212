//! What may get worse from one result to the next, and whether more of it did.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::Serialize;

use super::{Change, Estimate};
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
    /// tell. INVALID: one of them is.
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

impl Allowance {
    /// Judges a change of the allowance's subject between runs of these verdicts.
    pub(super) fn judge(&self, change: &Change, verdicts: [Verdict; 2]) -> Judged {
        let (verdict, measured) = self.outcome(change, verdicts);
        Judged {
            allowance: self.text.clone(),
            verdict,
            measured,
        }
    }

    fn outcome(&self, change: &Change, verdicts: [Verdict; 2]) -> (Verdict, String) {
        let is_time = !matches!(self.subject, Subject::Count(_));
        if is_time && verdicts.contains(&Verdict::Invalid) {
            let why = "one of the results is INVALID: its numbers say nothing about the server";
            return (Verdict::Invalid, why.to_owned());
        }
        let (worse, allowed) = match self.limit {
            // A share that sinks is one that gets worse.
            Limit::Difference(limit) if matches!(self.subject, Subject::Within(..)) => {
                (change.difference.map(negated), limit)
            }
            Limit::Difference(limit) => (change.difference, limit),
            Limit::Ratio(limit) => (change.ratio.map(|ratio| shifted(ratio, -1.0)), limit),
        };
        let Some(worse) = worse else {
            let why = "too few samples on one side, or nothing to compare with";
            return (Verdict::Inconclusive, why.to_owned());
        };
        // The verdict on a hair's breadth of rounding would be arbitrary.
        let over = |value: f64| value > allowed + 1e-12;
        let verdict = match worse.interval {
            Some((low, high)) => match (over(low), over(high)) {
                (true, true) => Verdict::Fail,
                (false, false) => Verdict::Pass,
                _ => Verdict::Inconclusive,
            },
            None if over(worse.value) => Verdict::Fail,
            None => Verdict::Pass,
        };
        (verdict, self.words(worse))
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
            Some((low, high)) => format!(
                "worse by {} (95 % interval {} to {})",
                show(worse.value),
                show(low),
                show(high)
            ),
            None if matches!(self.subject, Subject::Count(_)) => {
                format!("worse by {}", show(worse.value))
            }
            None => format!("worse by {} (without an interval)", show(worse.value)),
        }
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

    fn latency(before: f64, after: f64, spread: f64) -> Change {
        let around = |value: f64, scale: f64| Estimate {
            value,
            interval: Some((value - spread * scale, value + spread * scale)),
        };
        Change {
            key: "delivery.p99".into(),
            quantity: Quantity::Nanoseconds,
            before: Some(before),
            after: Some(after),
            difference: Some(around(after - before, before)),
            ratio: Some(around(after / before, 1.0)),
        }
    }

    fn verdict(allowance: &str, change: &Change) -> Verdict {
        let allowance: Allowance = allowance.parse().unwrap();
        allowance
            .judge(change, [Verdict::Pass, Verdict::Fail])
            .verdict
    }

    #[test]
    fn only_what_is_surely_worse_than_allowed_fails() {
        let change = latency(1e6, 1.3e6, 0.05);
        assert_eq!(verdict("delivery.p99=10%", &change), Verdict::Fail);
        assert_eq!(verdict("delivery.p99=28%", &change), Verdict::Inconclusive);
        assert_eq!(verdict("delivery.p99=40%", &change), Verdict::Pass);
        assert_eq!(verdict("delivery.p99=200us", &change), Verdict::Fail);
        assert_eq!(verdict("delivery.p99=1ms", &change), Verdict::Pass);
    }

    #[test]
    fn an_invalid_side_proves_nothing_about_times() {
        let allowance: Allowance = "delivery.p99=10%".parse().unwrap();
        let judged = allowance.judge(&latency(1e6, 1e6, 0.0), [Verdict::Invalid, Verdict::Pass]);
        assert_eq!(judged.verdict, Verdict::Invalid);
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

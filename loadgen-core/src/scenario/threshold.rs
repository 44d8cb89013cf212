//! Thresholds: `"delivery.p99" = "< 5ms"`, `"delivery.within_5ms" = ">= 99%"`, `"lost" = "== 0"`.

use std::{fmt, time::Duration};

use super::{
    alike::alike,
    units::{Share, Span},
};
use crate::model::{Count, Metric, Nanos, nanos};

/// A condition on one number of the result.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// Which number of the result is judged.
    pub subject: Subject,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what, in the subject's own unit: nanoseconds, a fraction of one, or a count.
    pub bound: f64,
    /// The condition as the file wrote it.
    pub text: String,
    /// So long after the first measured message, a missed condition ends the run.
    pub abort_after: Option<Duration>,
    /// The fault inside of which it is judged, or whose recovery it is on; `None`: the whole run, or outside of all faults.
    pub fault: Option<String>,
}

/// A number of the result that a threshold can name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Subject {
    /// A percentile (0 to 100) of a metric, in nanoseconds.
    Percentile(Metric, f64),
    /// The largest sample of a metric, in nanoseconds.
    Max(Metric),
    /// The mean of a metric, in nanoseconds.
    Mean(Metric),
    /// The share of a metric's samples at or under a duration.
    Within(Metric, Duration),
    /// From the end of a fault until a metric was back in its outside interval for a while, in nanoseconds.
    Recovery(Metric),
    /// How many of something: messages, deliveries.
    Count(Count),
}

/// How a number is compared with its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
}

impl Comparison {
    /// Whether `number` satisfies it against `bound`.
    pub fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Comparison::Less => number < bound,
            Comparison::LessOrEqual => number <= bound,
            Comparison::Greater => number > bound,
            Comparison::GreaterOrEqual => number >= bound,
            Comparison::Equal => number == bound,
        }
    }
}

impl Subject {
    /// Whose samples it is a number of; `None` of a count.
    pub fn metric(self) -> Option<Metric> {
        match self {
            Subject::Percentile(metric, _)
            | Subject::Max(metric)
            | Subject::Mean(metric)
            | Subject::Recovery(metric)
            | Subject::Within(metric, _) => Some(metric),
            Subject::Count(_) => None,
        }
    }
}

impl Threshold {
    /// The duration up to which samples are on the near side of the limit, the duration itself included: those that it
    /// leaves out are over it. `None` of a count, and of a time that is no limit of single samples.
    pub fn limit(&self) -> Option<Nanos> {
        let bound = self.bound as Nanos;
        match (self.subject, self.comparison) {
            (Subject::Within(_, limit), _) => Some(nanos(limit)),
            (Subject::Mean(_) | Subject::Recovery(_) | Subject::Count(_), _)
            | (_, Comparison::Equal) => None,
            // Under 5 ms is at most a nanosecond less.
            (_, Comparison::Less | Comparison::GreaterOrEqual) => Some(bound.saturating_sub(1)),
            (_, Comparison::LessOrEqual | Comparison::Greater) => Some(bound),
        }
    }

    /// Whether it can be kept and can be missed: else it judges nothing, and looks as if it did. That any number may fail can be
    /// said: where nothing is said of it, none may.
    ///
    /// # Errors
    /// What would be right.
    pub(super) fn can_decide(&self) -> Result<(), String> {
        let (least, most) = match self.subject {
            Subject::Within(..) => (0.0, 1.0),
            _ => (0.0, f64::INFINITY),
        };
        let is_always = match self.comparison {
            Comparison::Less if self.bound <= least => false,
            Comparison::Greater if self.bound >= most => false,
            Comparison::LessOrEqual if self.bound >= most => true,
            Comparison::GreaterOrEqual if self.bound <= least => match self.subject {
                Subject::Count(Count::Failed) => return Ok(()),
                _ => true,
            },
            _ => return Ok(()),
        };
        let (left, text) = (self.left(), &self.text);
        let as_in = match self.subject {
            Subject::Within(..) => ">= 99%",
            Subject::Count(_) => "== 0",
            _ => "< 5ms",
        };
        Err(match is_always {
            true => format!(
                "{left} is always {text}, so that nothing would be judged: write a condition that can be missed, as in {as_in:?}"
            ),
            false => format!(
                "{left} is never {text}: write a condition that can be kept, as in {as_in:?}"
            ),
        })
    }

    /// Its left side, as a file writes it.
    pub fn left(&self) -> String {
        match &self.fault {
            Some(fault) => format!("{}@{fault}", self.subject),
            None => self.subject.to_string(),
        }
    }

    /// The condition on one phase alone, as it is shown: `delivery.p99 < 5ms (phase steady)`.
    pub fn in_phase(&self, phase: &str) -> String {
        format!("{self} (phase {phase})")
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.left(), self.text)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Percentile(metric, p) => write!(f, "{}.p{p}", metric.definition().key),
            Subject::Max(metric) => write!(f, "{}.max", metric.definition().key),
            Subject::Mean(metric) => write!(f, "{}.mean", metric.definition().key),
            Subject::Recovery(metric) => write!(f, "{}.recovery", metric.definition().key),
            Subject::Within(metric, limit) => {
                let limit = humantime::format_duration(*limit);
                write!(f, "{}.within_{limit}", metric.definition().key)
            }
            Subject::Count(count) => f.write_str(count.key()),
        }
    }
}

/// Reads the left side of a threshold with the fault that it names, if it does: `delivery.p99@slow-db`, and of a fault alone
/// `delivery.recovery@slow-db`.
///
/// # Errors
/// Says which metrics, counts and statistics there are.
pub fn parse_subject_at(key: &str) -> Result<(Subject, Option<&str>), String> {
    let Some((subject, fault)) = key.split_once('@') else {
        let recovery = key.strip_suffix(".recovery");
        return match recovery.filter(|metric| Metric::from_key(metric).is_some()) {
            Some(_) => Err(format!(
                "a recovery is from a fault: name it, as in \"{key}@restart\""
            )),
            None => Ok((parse_subject(key)?, None)),
        };
    };
    let recovered = subject.strip_suffix(".recovery").and_then(Metric::from_key);
    let subject = match recovered {
        Some(metric) => Subject::Recovery(metric),
        None => parse_subject(subject)?,
    };
    Ok((subject, Some(fault)))
}

/// Reads the left side of a threshold.
///
/// # Errors
/// Says which metrics, counts and statistics there are.
pub fn parse_subject(key: &str) -> Result<Subject, String> {
    if let Some(count) = Count::ALL.into_iter().find(|count| count.key() == key) {
        return Ok(Subject::Count(count));
    }
    let Some((metric, statistic)) = key.split_once('.') else {
        let counts = Count::ALL.map(Count::key);
        return Err(format!(
            "unknown count {key:?}; there are {}, and metrics with a statistic, as in \"delivery.p99\"{}",
            counts.join(", "),
            meant(key, &counts),
        ));
    };
    let metric = Metric::from_key(metric).ok_or_else(|| {
        let metrics = Metric::ALL.map(|metric| metric.definition().key);
        format!(
            "unknown metric {metric:?}; there are {}{}",
            metrics.join(", "),
            meant(metric, &metrics),
        )
    })?;
    parse_statistic(metric, statistic).ok_or_else(|| {
        format!(
            "unknown statistic {statistic:?}; write a percentile (\"p99.9\"), \"max\", \"mean\" or a share (\"within_5ms\")"
        )
    })
}

/// The one of some names that is like what was written, as a question.
fn meant(given: &str, known: &[&str]) -> String {
    let alike = alike(given, known.iter().copied());
    alike.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

fn parse_statistic(metric: Metric, statistic: &str) -> Option<Subject> {
    match statistic {
        "max" => return Some(Subject::Max(metric)),
        "mean" => return Some(Subject::Mean(metric)),
        _ => {}
    }
    if let Some(limit) = statistic.strip_prefix("within_") {
        let Span(limit) = limit.parse().ok()?;
        return Some(Subject::Within(metric, limit));
    }
    let percentile: f64 = statistic.strip_prefix('p')?.parse().ok()?;
    (percentile > 0.0 && percentile < 100.0).then_some(Subject::Percentile(metric, percentile))
}

/// Reads the right side of a threshold in the unit of its subject.
///
/// # Errors
/// Says what a condition on that subject looks like.
pub fn parse_condition(subject: Subject, text: &str) -> Result<Threshold, String> {
    let (comparison, bound) = split_comparison(text).ok_or_else(|| {
        format!("{text:?} is not a condition: begin with <, <=, >, >= or ==, as in \"< 5ms\"")
    })?;
    let bound = match subject {
        Subject::Percentile(..) | Subject::Max(_) | Subject::Mean(_) | Subject::Recovery(_) => {
            nanos(bound.parse::<Span>()?.0) as f64
        }
        Subject::Within(..) => bound.parse::<Share>()?.0,
        Subject::Count(_) => bound
            .parse::<u64>()
            .map_err(|_| format!("{bound:?} is not a count: write a whole number"))?
            as f64,
    };
    Ok(Threshold {
        subject,
        comparison,
        bound,
        text: text.to_owned(),
        abort_after: None,
        fault: None,
    })
}

fn split_comparison(text: &str) -> Option<(Comparison, &str)> {
    let text = text.trim();
    [
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("==", Comparison::Equal),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ]
    .into_iter()
    .find_map(|(sign, comparison)| Some((comparison, text.strip_prefix(sign)?.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threshold(key: &str, condition: &str) -> Result<Threshold, String> {
        parse_condition(parse_subject(key)?, condition)
    }

    #[test]
    fn thresholds_read_in_the_unit_of_their_subject() {
        assert_eq!(threshold("delivery.p99", "< 5ms").unwrap().bound, 5e6);
        assert_eq!(
            threshold("delivery.within_5ms", ">= 99%").unwrap().bound,
            0.99
        );
        assert_eq!(threshold("lost", "== 0").unwrap().bound, 0.0);
        assert_eq!(
            threshold("confirm.p99.9", "<= 1s").unwrap().subject,
            Subject::Percentile(Metric::Confirm, 99.9)
        );
    }

    #[test]
    fn what_always_holds_or_never_does_is_no_condition() {
        let told = |key, condition| threshold(key, condition).unwrap().can_decide();
        for (key, condition, why) in [
            ("delivery.within_5ms", "> 100%", "never > 100%"),
            ("delivery.within_5ms", "< 0%", "never < 0%"),
            ("delivery.within_5ms", ">= 0%", "always >= 0%"),
            ("delivery.within_5ms", "<= 100%", "always <= 100%"),
            ("delivery.p99", "< 0s", "never < 0s"),
            ("delivery.max", ">= 0ms", "always >= 0ms"),
            ("lost", "< 0", "never < 0"),
            ("dropped", ">=0", "always >=0"),
        ] {
            let error = told(key, condition).unwrap_err();
            assert!(error.starts_with(&format!("{key} is {why}")), "{error}");
        }
        for (key, condition) in [
            ("delivery.within_5ms", ">= 100%"),
            ("delivery.within_5ms", "== 0%"),
            ("delivery.within_5ms", "> 0%"),
            ("delivery.p99", "<= 0s"),
            ("delivery.p99", "> 0s"),
            ("lost", "<= 0"),
            ("failed", "> 0"),
            ("failed", ">= 0"),
        ] {
            assert_eq!(told(key, condition), Ok(()), "{key} {condition}");
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        assert!(
            threshold("delivry.p99", "< 5ms")
                .unwrap_err()
                .ends_with("; did you mean `delivery`?")
        );
        assert!(
            threshold("loss", "== 0")
                .unwrap_err()
                .ends_with("did you mean `lost`?")
        );
        assert!(
            threshold("delivery.q99", "< 5ms")
                .unwrap_err()
                .contains("p99.9")
        );
        assert!(threshold("delivery.p100", "< 5ms").is_err());
    }

    #[test]
    fn a_fault_is_named_behind_an_at() {
        let read = |key| parse_subject_at(key);
        let p99 = Subject::Percentile(Metric::Delivery, 99.0);
        assert_eq!(read("delivery.p99@slow-db"), Ok((p99, Some("slow-db"))));
        assert_eq!(read("delivery.p99"), Ok((p99, None)));
        let recovery = Subject::Recovery(Metric::Confirm);
        assert_eq!(read("confirm.recovery@x"), Ok((recovery, Some("x"))));
        assert!(read("confirm.recovery").unwrap_err().contains("@restart"));
        assert!(read("delivery.q@x").unwrap_err().contains("p99.9"));
        let mut threshold = parse_condition(recovery, "< 3s").unwrap();
        assert_eq!((threshold.bound, threshold.limit()), (3e9, None));
        threshold.fault = Some("x".to_owned());
        assert_eq!(threshold.to_string(), "confirm.recovery@x < 3s");
    }

    #[test]
    fn a_wrong_unit_is_refused() {
        assert!(threshold("delivery.p99", "< 5").is_err());
        assert!(threshold("delivery.within_5ms", ">= 0.99").is_err());
        assert!(threshold("lost", "== none").is_err());
        assert!(threshold("lost", "0").is_err());
    }
}

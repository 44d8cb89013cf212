//! A threshold on a share or a percentile as what it is: a limit that few enough samples may miss.

use super::misses::{Allowed, Decision, Misses, Second};
use crate::scenario::{Comparison, Subject, Threshold};

/// Which samples miss, and how many may.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limit {
    /// Those over the threshold's duration miss it; otherwise those within it do.
    pub(super) over_misses: bool,
    /// Of all samples.
    pub(super) allowed: Allowed,
}

impl Limit {
    /// The largest is no longer than that.
    pub(super) const NOTHING_OVER: Self = Self {
        over_misses: true,
        allowed: Allowed {
            share: 0.0,
            below: false,
        },
    };

    /// `p99 < 5ms` and `within_5ms >= 99%` leave 1 % over the limit; `p50 > 1ms` leaves less than half within it. `None` of
    /// a number that is no limit of single samples.
    pub(super) fn of(threshold: &Threshold) -> Option<Self> {
        let (percentile, part) = match threshold.subject {
            Subject::Percentile(_, percentile) => (true, percentile / 100.0),
            Subject::Within(..) => (false, threshold.bound),
            Subject::Max(_) | Subject::Mean(_) | Subject::Count(_) => return None,
        };
        let (over_misses, below) = match (percentile, threshold.comparison) {
            (true, Comparison::Less | Comparison::LessOrEqual) => (true, false),
            (true, Comparison::Greater | Comparison::GreaterOrEqual) => (false, true),
            (false, Comparison::GreaterOrEqual) => (true, false),
            (false, Comparison::Greater) => (true, true),
            (false, Comparison::LessOrEqual) => (false, false),
            (false, Comparison::Less) => (false, true),
            // All or none: as a limit that nothing may miss.
            (false, Comparison::Equal) if part >= 1.0 => (true, false),
            (false, Comparison::Equal) if part <= 0.0 => (false, false),
            (_, Comparison::Equal) => return None,
        };
        let share = if over_misses { rest(part) } else { part };
        Some(Self {
            over_misses,
            allowed: Allowed { share, below },
        })
    }

    /// Whether so many samples over the threshold's duration, of so many, miss it for certain.
    pub(super) fn is_missed(self, over: u64, n: u64, fan_out: f64) -> bool {
        let missed = if self.over_misses { over } else { n - over };
        let misses = Misses::of(&[Second { missed, n }], fan_out);
        misses.decide(self.allowed) == Decision::Missed
    }

    /// The share of samples within the threshold's duration, of a share that misses the limit.
    pub(super) fn within(self, missed: f64) -> f64 {
        if self.over_misses {
            1.0 - missed
        } else {
            missed
        }
    }
}

/// What is left of one; 0.01 of 0.99, without the hair that floating point adds.
fn rest(part: f64) -> f64 {
    let rest = 1.0 - part;
    (rest * 1e12).round() / 1e12
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::recorder::tests::threshold;

    #[test]
    fn a_percentile_and_a_share_are_one_statement() {
        let limit = |key, condition| Limit::of(&threshold(key, condition)).unwrap();
        let p99 = limit("delivery.p99", "< 5ms");
        assert_eq!(p99, limit("delivery.within_5ms", ">= 99%"));
        assert_eq!(p99, limit("delivery.p99", "<= 5ms"));
        assert!(p99.over_misses && p99.allowed.allows(0.01) && !p99.allowed.allows(0.010_001));
        let more = limit("delivery.within_5ms", "> 99%");
        assert!(!more.allowed.allows(0.01));
        // A median over 1 ms: less than half of the samples are within it.
        let slow = limit("delivery.p50", "> 1ms");
        assert_eq!(slow, limit("delivery.within_1ms", "< 50%"));
        assert!(!slow.over_misses && slow.allowed.allows(0.499) && !slow.allowed.allows(0.5));
        for (key, condition) in [
            ("delivery.max", "< 5ms"),
            ("delivery.mean", "< 5ms"),
            ("delivery.p99", "== 5ms"),
            ("lost", "== 0"),
        ] {
            assert_eq!(Limit::of(&threshold(key, condition)), None, "{key}");
        }
    }
}

//! A threshold on a share or a percentile as what it is: a limit that few enough samples may miss, judged by the exact count
//! at it.

use super::{
    floor,
    found::Found,
    measured::{self, Measured},
    misses::{Allowed, Decision, Misses, Second},
    opinion::{Opinion, kept, over_all, service, too_few, too_few_left, whole},
    scope::{Counted, Scope, Seconds, SeenSecond},
    when::When,
};
use crate::{
    judge::{
        Verdict,
        statistic::{self, Time},
    },
    model::{Metric, Nanos, numbers},
    scenario::{Comparison, Subject, Threshold},
};

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
            Subject::Max(_) | Subject::Mean(_) | Subject::Recovery(_) | Subject::Count(_) => {
                return None;
            }
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

/// A share of samples within a limit, or a percentile, which is the same: by the exact count at the limit.
pub(super) fn judge_limit(
    scope: &Scope<'_>,
    threshold: &Threshold,
    metric: Metric,
    limit: Limit,
) -> Opinion {
    let seconds = scope.seconds(metric);
    // Most connects and joins come before the schedule.
    if seconds.all() == 0 && scope.name().is_none() || metric.begins_before_the_schedule() {
        return whole(scope, metric, judge_whole(scope, threshold, metric, limit));
    }
    if seconds.all() == 0 && !scope.samples(metric).histogram.is_empty() {
        let why = "no whole second of the schedule lies in it";
        return Opinion::of((Verdict::Inconclusive, why.to_owned()));
    }
    let (n, needed) = (seconds.due(Counted::All), statistic::needed(threshold));
    let Some(place) = scope.place(threshold).filter(|_| n >= needed) else {
        return Opinion::over_all(too_few(n, needed));
    };
    let found = |counted| {
        let misses = misses(scope, metric, limit, place, seconds.counted(counted));
        let n = count_of(scope, metric, &seconds, place, counted);
        let within = limit.within(misses.share);
        Found {
            number: number(scope, threshold, metric, counted, within, &n),
            when: When::of(&seconds.slow(counted, place), misses.seconds),
            misses,
            limit,
        }
    };
    let numbers = |found: &Found, counted| {
        let value = match threshold.subject {
            Subject::Percentile(..) => {
                measured::known(measured::time(scope, metric, threshold.subject, counted))
            }
            _ => Some(limit.within(found.misses.share)),
        };
        Measured::of_limit(found, value, seconds.due(counted))
    };
    let all = found(Counted::All);
    if limit.over_misses && all.misses.decide(limit.allowed) == Decision::Kept {
        let (_, measured) = all.judged();
        return Opinion::over_all((Verdict::Pass, measured)).with(numbers(&all, Counted::All));
    }
    too_few_left(scope, metric, needed, &all.number).unwrap_or_else(|| {
        let found = found(Counted::Undisturbed);
        let excuse = floor_misses(scope, threshold, metric)
            .and_then(|floor| found.excuse(&floor))
            .filter(|_| limit.over_misses);
        Opinion::of(found.judged())
            .unless(excuse)
            .with(numbers(&found, Counted::Undisturbed))
    })
}

/// What a bare relay says of an upper limit, where it misses it.
pub(super) fn floor_misses(
    scope: &Scope<'_>,
    threshold: &Threshold,
    metric: Metric,
) -> Option<Misses> {
    let fan_out = scope.fan_out(metric);
    floor::misses(&scope.trial.floor, metric, threshold.limit()?, fan_out)
}

pub(super) fn misses<'a>(
    scope: &Scope<'_>,
    metric: Metric,
    limit: Limit,
    place: usize,
    seconds: impl Iterator<Item = &'a SeenSecond<'a>>,
) -> Misses {
    let counted = seconds.map(|one| {
        let (over, n) = (one.over(place).n + one.lost, one.due());
        let missed = if limit.over_misses { over } else { n - over };
        Second { missed, n }
    });
    let fan_out = scope.fan_out(metric);
    Misses::of(&counted.collect::<Vec<_>>(), fan_out)
}

/// What stands for the threshold's left side, and of how many samples: the share, or the percentile with the share at its
/// bound.
fn number(
    scope: &Scope<'_>,
    threshold: &Threshold,
    metric: Metric,
    counted: Counted,
    within: f64,
    n: &str,
) -> String {
    let share = numbers::share(within);
    let Subject::Percentile(..) = threshold.subject else {
        let (all, some) = (" of service times", ", partly of service times");
        return format!("{share}{} ({n})", service(scope, metric, all, some));
    };
    let value = match measured::time(scope, metric, threshold.subject, counted) {
        Time::Known(value) => numbers::duration(value as Nanos),
        Time::Never => "never".to_owned(),
        Time::TooFew(_) => "-".to_owned(),
    };
    let (all, some) = (" service time", ", partly service times");
    let side = match threshold.comparison {
        Comparison::Less | Comparison::GreaterOrEqual => "under",
        _ => "within",
    };
    format!(
        "{value}{} ({n}), {share} {side} {}",
        service(scope, metric, all, some),
        numbers::limit(threshold.bound as Nanos),
    )
}

/// How many samples there are, how many of them never came, and what was left out as disturbed.
fn count_of(
    scope: &Scope<'_>,
    metric: Metric,
    seconds: &Seconds<'_>,
    place: usize,
    counted: Counted,
) -> String {
    let (n, lost) = (seconds.due(counted), seconds.lost(counted));
    let lost = match lost {
        0 => String::new(),
        lost => format!(", {} of them lost", numbers::count(lost)),
    };
    let n = format!("n = {}{lost}", numbers::count(n));
    if counted == Counted::All {
        return format!("{n}{}", over_all(seconds));
    }
    let disturbed = seconds.disturbed();
    if disturbed == 0 {
        return n;
    }
    let samples = scope.samples(metric);
    let all = samples.histogram.len() + seconds.lost(Counted::All);
    let share = statistic::share(samples.within[place], all.max(1));
    format!(
        "{n}, {disturbed} of {} seconds left out as disturbed; {} with them",
        seconds.all(),
        numbers::share(share),
    )
}

/// Samples that have no seconds: the exact count itself, without an interval.
fn judge_whole(
    scope: &Scope<'_>,
    threshold: &Threshold,
    metric: Metric,
    limit: Limit,
) -> (Verdict, String) {
    let samples = scope.samples(metric);
    let (n, needed) = (samples.histogram.len(), statistic::needed(threshold));
    let Some(place) = scope.place(threshold).filter(|_| n >= needed) else {
        return too_few(n, needed);
    };
    let over = samples.over(place);
    let missed = if limit.over_misses { over } else { n - over };
    let verdict = if limit.allowed.allows(statistic::share(missed, n)) {
        Verdict::Pass
    } else {
        Verdict::Fail
    };
    let within = statistic::share(samples.within[place], n);
    let n = format!(
        "n = {}, no interval: these samples have no seconds",
        numbers::count(n)
    );
    (
        verdict,
        number(scope, threshold, metric, Counted::All, within, &n),
    )
}

/// A share that shall be neither more nor less, of all samples.
pub(super) fn judge_equal_share(
    scope: &Scope<'_>,
    threshold: &Threshold,
    metric: Metric,
) -> (Verdict, String) {
    let samples = scope.samples(metric);
    let n = samples.histogram.len() + scope.seconds(metric).lost(Counted::All);
    let needed = statistic::needed(threshold);
    let Some(place) = scope.place(threshold).filter(|_| n >= needed) else {
        return too_few(n, needed);
    };
    let share = statistic::share(samples.within[place], n);
    let n = format!("n = {}", numbers::count(n));
    let text = number(scope, threshold, metric, Counted::All, share, &n);
    (kept(threshold, share), text)
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

//! One threshold against what was measured in its scope.

use super::{
    found::Found,
    limit::Limit,
    misses::{Misses, Second},
    scope::{Scope, Seconds, Service},
    validity,
    when::When,
};
use crate::{
    judge::{Judged, Verdict, statistic},
    model::{Count, Metric, Nanos, numbers},
    scenario::{Comparison, Subject, Threshold},
};

pub(super) fn judge_threshold(scope: &Scope<'_>, threshold: &Threshold) -> Judged {
    let (verdict, measured) = match threshold.subject {
        Subject::Count(count) => judge_count(scope, threshold, count),
        Subject::Percentile(metric, _)
        | Subject::Within(metric, _)
        | Subject::Max(metric)
        | Subject::Mean(metric) => match (Limit::of(threshold), threshold.subject) {
            (Some(limit), _) => judge_limit(scope, threshold, metric, limit),
            (None, Subject::Within(..)) => judge_equal_share(scope, threshold, metric),
            (None, _) => judge_point(scope, threshold, metric),
        },
    };
    // A limit that server and machine keep together is kept, whatever the machine took of it.
    let excuse = match verdict {
        Verdict::Pass => None,
        _ => validity::floor_is_too_high(scope.trial, threshold),
    };
    let (verdict, measured) = match excuse {
        Some(why) => (Verdict::Invalid, format!("{measured}; {why}")),
        None => (verdict, measured),
    };
    Judged {
        threshold: match scope.name() {
            Some(phase) => threshold.in_phase(phase),
            None => threshold.to_string(),
        },
        verdict,
        measured,
    }
}

fn judge_count(scope: &Scope<'_>, threshold: &Threshold, count: Count) -> (Verdict, String) {
    let Some(totals) = scope.totals() else {
        return (Verdict::Inconclusive, "not counted by phase".to_owned());
    };
    if totals.sent == 0 {
        return too_few(0, 1);
    }
    let counted = statistic::count(count, totals);
    (kept(threshold, counted as f64), counted.to_string())
}

/// The largest or the mean, and what is compared for equality: the number itself.
fn judge_point(scope: &Scope<'_>, threshold: &Threshold, metric: Metric) -> (Verdict, String) {
    if let Some(taken) = mostly_disturbed(scope, metric) {
        return taken;
    }
    let judged = scope.judged(metric);
    let histogram = judged
        .as_deref()
        .unwrap_or(&scope.samples(metric).histogram);
    let n = histogram.len();
    match statistic::time(threshold.subject, histogram) {
        Err(needed) => too_few(n, needed),
        Ok(number) => {
            let text = format!(
                "{}{} (n = {n})",
                numbers::duration(number as Nanos),
                service(scope, metric, " service time", ", partly service times"),
            );
            let verdict = largest(scope, threshold, metric);
            let verdict = verdict.unwrap_or_else(|| kept(threshold, number));
            unless_inseparable(verdict, text, judged.is_some())
        }
    }
}

/// Whether the largest keeps its limit, by the exact count at it.
fn largest(scope: &Scope<'_>, threshold: &Threshold, metric: Metric) -> Option<Verdict> {
    let Subject::Max(_) = threshold.subject else {
        return None;
    };
    let none_over = scope.judged_over(metric, scope.place(threshold)?) == 0;
    let at_most = matches!(
        threshold.comparison,
        Comparison::Less | Comparison::LessOrEqual
    );
    Some(if none_over == at_most {
        Verdict::Pass
    } else {
        Verdict::Fail
    })
}

/// A share of samples within a limit, or a percentile, which is the same: by the exact count at the limit.
fn judge_limit(
    scope: &Scope<'_>,
    threshold: &Threshold,
    metric: Metric,
    limit: Limit,
) -> (Verdict, String) {
    if let Some(taken) = mostly_disturbed(scope, metric) {
        return taken;
    }
    let seconds = scope.seconds(metric);
    // Most connects and joins come before the schedule.
    if seconds.all == 0 && scope.name().is_none()
        || matches!(metric, Metric::Connect | Metric::Join)
    {
        return judge_whole(scope, threshold, metric, limit);
    }
    if seconds.all == 0 && !scope.samples(metric).histogram.is_empty() {
        let why = "no whole second of the schedule lies in it";
        return (Verdict::Inconclusive, why.to_owned());
    }
    let (n, needed) = (seconds.due(), statistic::needed(threshold));
    let Some(place) = scope.place(threshold).filter(|_| n >= needed) else {
        return too_few(n, needed);
    };
    let counted = seconds.undisturbed.iter().map(|one| {
        let (over, n) = (one.over(place).n + one.lost, one.due());
        let missed = if limit.over_misses { over } else { n - over };
        Second { missed, n }
    });
    let misses = Misses::of(
        &counted.collect::<Vec<_>>(),
        scope.fan_out().of_samples(metric),
    );
    let n = format!("n = {n}{}", without(scope, metric, &seconds, place));
    let found = Found {
        misses: &misses,
        limit,
        number: number(scope, threshold, metric, limit.within(misses.share), &n),
        when: When::of(&seconds.slow(place), misses.seconds),
    };
    found.judged()
}

/// What stands for the threshold's left side, and of how many samples: the share, or the percentile with the share at its
/// bound.
fn number(
    scope: &Scope<'_>,
    threshold: &Threshold,
    metric: Metric,
    within: f64,
    n: &str,
) -> String {
    let share = numbers::share(within);
    let Subject::Percentile(..) = threshold.subject else {
        let (all, some) = (" of service times", ", partly of service times");
        return format!("{share}{} ({n})", service(scope, metric, all, some));
    };
    let judged = scope.judged(metric);
    let histogram = judged
        .as_deref()
        .unwrap_or(&scope.samples(metric).histogram);
    // What was lost has no time: the percentile is of what came, and the share of all.
    let value = statistic::time(threshold.subject, histogram);
    let value = value.map_or_else(
        |_| "-".to_owned(),
        |value| numbers::duration(value as Nanos),
    );
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

/// How many of the samples never came; what was left out as disturbed, and what the share is with it.
fn without(scope: &Scope<'_>, metric: Metric, seconds: &Seconds<'_>, place: usize) -> String {
    let lost: u64 = seconds.undisturbed.iter().map(|one| one.lost).sum();
    let lost = match lost {
        0 => String::new(),
        lost => format!(", {lost} of them lost"),
    };
    let disturbed = seconds.disturbed();
    if disturbed == 0 {
        return lost;
    }
    let samples = scope.samples(metric);
    let all = samples.histogram.len() + seconds.lost();
    let share = statistic::share(samples.within[place], all.max(1));
    format!(
        "{lost}, {disturbed} of {} seconds left out as disturbed; {} with them",
        seconds.all,
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
    let n = format!("n = {n}, no interval: these samples have no seconds");
    let text = number(scope, threshold, metric, within, &n);
    unless_inseparable(verdict, text, !scope.has_disturbed_seconds())
}

/// A share that shall be neither more nor less, of all samples.
fn judge_equal_share(
    scope: &Scope<'_>,
    threshold: &Threshold,
    metric: Metric,
) -> (Verdict, String) {
    let samples = scope.samples(metric);
    let (n, needed) = (samples.histogram.len(), statistic::needed(threshold));
    let Some(place) = scope.place(threshold).filter(|_| n >= needed) else {
        return too_few(n, needed);
    };
    let share = statistic::share(samples.within[place], n);
    let text = number(scope, threshold, metric, share, &format!("n = {n}"));
    let separable = !scope.has_disturbed_seconds();
    unless_inseparable(kept(threshold, share), text, separable)
}

/// In more than half of a phase's seconds others had the machine. Of the whole run this is said once.
fn mostly_disturbed(scope: &Scope<'_>, metric: Metric) -> Option<(Verdict, String)> {
    scope.name()?;
    let seconds = scope.seconds(metric);
    let disturbed = seconds.disturbed();
    (2 * disturbed > seconds.all).then(|| {
        let all = seconds.all;
        let why = format!("others had the machine in {disturbed} of its {all} seconds");
        (Verdict::Invalid, why)
    })
}

/// What was missed while others had the machine in some seconds is nobody's fault for certain, as long as nobody knows
/// in which seconds it was.
fn unless_inseparable(verdict: Verdict, text: String, separable: bool) -> (Verdict, String) {
    if separable || verdict != Verdict::Fail {
        return (verdict, text);
    }
    let why =
        "others had the machine in some seconds, and these samples can't be told apart by second";
    (Verdict::Inconclusive, format!("{text}; {why}"))
}

/// In a closed phase, latencies that are elsewhere charged from the plan are service times.
fn service(
    scope: &Scope<'_>,
    metric: Metric,
    all: &'static str,
    some: &'static str,
) -> &'static str {
    let charged = matches!(
        metric,
        Metric::Delivery
            | Metric::DeliverySlowest
            | Metric::Echo
            | Metric::Ack
            | Metric::Confirm
            | Metric::SendLateness
    );
    match scope.service() {
        Service::All if charged => all,
        Service::Some if charged => some,
        _ => "",
    }
}

fn kept(threshold: &Threshold, number: f64) -> Verdict {
    if threshold.comparison.holds(number, threshold.bound) {
        Verdict::Pass
    } else {
        Verdict::Fail
    }
}

fn too_few(n: u64, needed: u64) -> (Verdict, String) {
    (
        Verdict::Inconclusive,
        format!("{n} samples, needs {needed}"),
    )
}

//! One threshold against what was measured in its scope.

use super::{
    interval::{Interval, share_interval},
    scope::{Scope, Seconds, Service},
    validity,
};
use crate::{
    judge::{Judged, Verdict, statistic},
    model::{Count, Metric, Nanos, nanos, numbers},
    scenario::{Subject, Threshold},
};

/// Seconds that an interval is drawn from at least: a single one would seem certain of anything.
pub(super) const FEWEST_SECONDS: usize = 5;

pub(super) fn judge_threshold(scope: &Scope<'_>, threshold: &Threshold) -> Judged {
    let (verdict, measured) = match threshold.subject {
        Subject::Count(count) => judge_count(scope, threshold, count),
        Subject::Within(metric, limit) => judge_share(scope, threshold, metric, nanos(limit)),
        Subject::Percentile(metric, _) | Subject::Max(metric) | Subject::Mean(metric) => {
            judge_time(scope, threshold, metric)
        }
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

/// A percentile, the largest or the mean.
fn judge_time(scope: &Scope<'_>, threshold: &Threshold, metric: Metric) -> (Verdict, String) {
    if let Some(taken) = mostly_disturbed(scope, metric) {
        return taken;
    }
    let judged = scope.judged(metric);
    let histogram = judged
        .as_deref()
        .unwrap_or(&scope.samples(metric).histogram);
    let n = histogram.len();
    let number = statistic::time(threshold.subject, histogram);
    match number {
        Err(needed) => too_few(n, needed),
        Ok(number) => {
            let text = format!(
                "{}{} (n = {n})",
                numbers::duration(number as Nanos),
                service(scope, metric, " service time", ", partly service times"),
            );
            unless_inseparable(kept(threshold, number), text, judged.is_some())
        }
    }
}

/// A share of samples within a limit: by its interval, where the samples have their seconds.
fn judge_share(
    scope: &Scope<'_>,
    threshold: &Threshold,
    metric: Metric,
    limit: Nanos,
) -> (Verdict, String) {
    if let Some(taken) = mostly_disturbed(scope, metric) {
        return taken;
    }
    let seconds = scope.seconds(metric);
    // Most connects and joins come before the schedule.
    if seconds.all == 0 && scope.name().is_none()
        || matches!(metric, Metric::Connect | Metric::Join)
    {
        return judge_whole_share(scope, threshold, metric, limit);
    }
    if seconds.all == 0 && !scope.samples(metric).histogram.is_empty() {
        let why = "no whole second of the schedule lies in it";
        return (Verdict::Inconclusive, why.to_owned());
    }
    // A lost delivery counts as over the limit.
    let lost = match metric {
        Metric::Delivery => scope.totals().map_or(0, |totals| totals.lost),
        _ => 0,
    };
    let came: u64 = seconds.undisturbed.iter().map(|window| window.n).sum();
    let (n, needed) = (came + lost, statistic::needed(threshold));
    let limits = scope.trial.observed.recorded.limits();
    let Some(place) = limits.place(limit).filter(|_| n >= needed) else {
        return too_few(n, needed);
    };
    // Losses have no seconds to draw from, and need none where there is nothing else.
    if came == 0 {
        return (kept(threshold, 0.0), format!("0 % (all {lost} were lost)"));
    }
    let windows: Vec<(u64, u64)> = seconds
        .undisturbed
        .iter()
        .map(|window| (window.n - window.over[place], window.n))
        .collect();
    let interval = share_interval(&windows, lost);
    let share = numbers::share(interval.estimate);
    let told = windows.len();
    if told < FEWEST_SECONDS {
        return (
            Verdict::Inconclusive,
            format!("{share} in {told} seconds, needs {FEWEST_SECONDS} of them (n = {n})"),
        );
    }
    let text = format!(
        "{share}{} (95 % interval {} to {}, n = {n}{})",
        service(
            scope,
            metric,
            " of service times",
            ", partly of service times"
        ),
        numbers::share(interval.low),
        numbers::share(interval.high),
        left_out(scope, metric, &seconds, place, lost),
    );
    (within(threshold, interval), text)
}

/// Whether a condition holds for the whole interval, for none of it, or for a part.
fn within(threshold: &Threshold, interval: Interval) -> Verdict {
    let holds = |share: f64| threshold.comparison.holds(share, threshold.bound);
    match (holds(interval.low), holds(interval.high)) {
        (true, true) => Verdict::Pass,
        (false, false) => Verdict::Fail,
        _ => Verdict::Inconclusive,
    }
}

/// How many seconds were left out, and the share with them; nothing where none was.
fn left_out(
    scope: &Scope<'_>,
    metric: Metric,
    seconds: &Seconds<'_>,
    place: usize,
    lost: u64,
) -> String {
    let disturbed = seconds.disturbed();
    if disturbed == 0 {
        return String::new();
    }
    let samples = scope.samples(metric);
    let all = samples.histogram.len() + lost;
    let share = statistic::share(samples.within[place], all.max(1));
    format!(
        ", {disturbed} of {} seconds left out as disturbed; {} with them",
        seconds.all,
        numbers::share(share),
    )
}

/// A share of samples that have no seconds: the number itself.
fn judge_whole_share(
    scope: &Scope<'_>,
    threshold: &Threshold,
    metric: Metric,
    limit: Nanos,
) -> (Verdict, String) {
    let samples = scope.samples(metric);
    let (n, needed) = (samples.histogram.len(), statistic::needed(threshold));
    let limits = scope.trial.observed.recorded.limits();
    let Some(place) = limits.place(limit).filter(|_| n >= needed) else {
        return too_few(n, needed);
    };
    let share = statistic::share(samples.within[place], n);
    let text = format!("{} (n = {n})", numbers::share(share));
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

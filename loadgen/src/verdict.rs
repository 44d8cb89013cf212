//! From the recorded result to one of four verdicts, each with its reasons in plain words.

mod interval;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

pub use self::interval::{Interval, share_interval};
use crate::{
    checks::{Account, Finding},
    clock::{Nanos, nanos},
    machine::MachineSecond,
    metric::{Count, Metric},
    percentile,
    recorder::{self, PROMISE, Recorded, Window},
    scenario::{Comparison, Subject, Threshold},
};

/// What a run says about the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// The promises and the limits were kept.
    Pass,
    /// A promise or a limit was broken.
    Fail,
    /// Too little was measured to say.
    Inconclusive,
    /// The machine or the generator, not the server, decided the numbers.
    Invalid,
}

impl Verdict {
    /// As it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "PASS",
            Verdict::Fail => "FAIL",
            Verdict::Inconclusive => "INCONCLUSIVE",
            Verdict::Invalid => "INVALID",
        }
    }
}

/// A verdict and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, the weightiest reason first; one sentence each.
    pub reasons: Vec<String>,
    /// How each threshold was judged.
    pub thresholds: Vec<Judged>,
}

/// One threshold and how it was judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The threshold, as in `delivery.within_5ms >= 99%`.
    pub threshold: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// What was measured, in words.
    pub measured: String,
}

/// What a run was, for its verdict.
pub struct Measured<'a> {
    /// Latencies.
    pub recorded: &'a Recorded,
    /// Counts and broken promises.
    pub account: &'a Account,
    /// Why the run did not go to its end, if so.
    pub incomplete: Option<&'a str>,
    /// The scenario's conditions.
    pub thresholds: &'a [Threshold],
    /// The seconds of the schedule in which others had the machine.
    pub machine: &'a [MachineSecond],
    /// The store should have been looked up and could not be.
    pub audit_failed: bool,
}

/// Judges a run. Without thresholds of its own, the promise is judged: 99 % of the deliveries within 5 ms.
pub fn judge(result: &Measured<'_>) -> Judgement {
    let promise = [promise()];
    let thresholds = if result.thresholds.is_empty() {
        &promise
    } else {
        result.thresholds
    };
    let judged: Vec<Judged> = thresholds
        .iter()
        .map(|threshold| judge_threshold(result, threshold))
        .collect();
    let mut said = Vec::new();
    said.extend(validity(result));
    said.extend(disturbance(result, thresholds));
    said.extend(
        result
            .account
            .findings
            .iter()
            .map(|finding| (Verdict::Fail, broken(finding))),
    );
    if let Some(why) = result.incomplete {
        said.push((
            Verdict::Inconclusive,
            format!("the run did not go to its end: {why}"),
        ));
    }
    if result.audit_failed && result.incomplete.is_none() {
        said.push((
            Verdict::Inconclusive,
            "confirmed messages could not be looked up in the store".into(),
        ));
    }
    if result.account.totals.dropped > 0 && result.incomplete.is_none() {
        said.push((
            Verdict::Inconclusive,
            format!(
                "{} of {} scheduled messages could not be sent",
                result.account.totals.dropped, result.account.totals.scheduled
            ),
        ));
    }
    for judged in judged
        .iter()
        .filter(|judged| judged.verdict != Verdict::Pass)
    {
        said.push((
            judged.verdict,
            format!("{}: {}", judged.threshold, judged.measured),
        ));
    }
    // A message that is lost on a busy machine is lost all the same: only numbers of time can be invalid.
    if !result.account.findings.is_empty()
        && result.recorded.negative + result.recorded.clamped == 0
    {
        said.retain(|(verdict, _)| *verdict != Verdict::Invalid);
    }
    let verdict = said
        .iter()
        .map(|(verdict, _)| *verdict)
        .max_by_key(|verdict| weight(*verdict))
        .unwrap_or(Verdict::Pass);
    said.sort_by_key(|(verdict, _)| std::cmp::Reverse(weight(*verdict)));
    let mut reasons: Vec<String> = said.into_iter().map(|(_, reason)| reason).collect();
    if verdict == Verdict::Pass {
        reasons = judged
            .iter()
            .map(|judged| format!("{}: {}", judged.threshold, judged.measured))
            .collect();
    }
    Judgement {
        verdict,
        reasons,
        thresholds: judged,
    }
}

/// A run that proves nothing comes before a broken promise, and that before a run that proves too little.
fn weight(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Pass => 0,
        Verdict::Inconclusive => 1,
        Verdict::Fail => 2,
        Verdict::Invalid => 3,
    }
}

/// "At least 99 % of deliveries to others within 5 ms of their intended time."
fn promise() -> Threshold {
    Threshold {
        subject: Subject::Within(Metric::Delivery, std::time::Duration::from_nanos(PROMISE)),
        comparison: Comparison::GreaterOrEqual,
        bound: 0.99,
        text: ">= 99%".into(),
        abort_after: None,
    }
}

fn broken(finding: &Finding) -> String {
    format!("{}: {}", finding.check.title(), finding.count)
}

/// Samples that can't be are the generator's mistake, never the server's.
fn validity(result: &Measured<'_>) -> Vec<(Verdict, String)> {
    let mut said = Vec::new();
    if result.recorded.negative > 0 {
        said.push((
            Verdict::Invalid,
            format!(
                "{} receipts before their send: the generator's clock is wrong",
                result.recorded.negative
            ),
        ));
    }
    if result.recorded.clamped > 0 {
        said.push((
            Verdict::Invalid,
            format!(
                "{} samples are longer than can be kept",
                result.recorded.clamped
            ),
        ));
    }
    said
}

/// Too many seconds in which others had the machine, for thresholds on times; counts don't mind.
fn disturbance(result: &Measured<'_>, thresholds: &[Threshold]) -> Option<(Verdict, String)> {
    if thresholds
        .iter()
        .all(|threshold| matches!(threshold.subject, Subject::Count(_)))
    {
        return None;
    }
    let windows = delivering(result).count();
    let disturbed = windows - undisturbed(result).count();
    (2 * disturbed > windows).then(|| {
        (
            Verdict::Invalid,
            format!(
                "in {disturbed} of {windows} seconds other processes or the hypervisor had the machine: these numbers say nothing about the server"
            ),
        )
    })
}

/// The windows that hold deliveries, with their seconds.
fn delivering<'a>(result: &'a Measured<'_>) -> impl Iterator<Item = (usize, &'a Window)> {
    let windows = result.recorded.windows(Metric::Delivery).iter().enumerate();
    windows.filter(|(_, window)| window.n > 0)
}

/// Those of them that may be judged. A second that nobody watched counts as undisturbed.
fn undisturbed<'a>(result: &'a Measured<'_>) -> impl Iterator<Item = &'a Window> {
    delivering(result)
        .filter(|(second, _)| {
            !result
                .machine
                .get(*second)
                .is_some_and(|second| second.disturbed)
        })
        .map(|(_, window)| window)
}

fn judge_threshold(result: &Measured<'_>, threshold: &Threshold) -> Judged {
    let (verdict, measured) = match threshold.subject {
        Subject::Count(count) => judge_count(result, threshold, count),
        Subject::Within(Metric::Delivery, limit) => {
            judge_delivery_share(result, threshold, nanos(limit), threshold.bound)
        }
        Subject::Within(metric, limit) => judge_share(result, threshold, metric, nanos(limit)),
        Subject::Percentile(metric, p) => {
            let histogram = &judged_histogram(result, metric);
            match percentile::of(histogram, p) {
                Ok(value) => judge_number(threshold, value as f64, histogram.len()),
                Err(needed) => too_few(histogram.len(), needed),
            }
        }
        Subject::Max(metric) | Subject::Mean(metric) => {
            let histogram = &judged_histogram(result, metric);
            let number = match threshold.subject {
                Subject::Mean(_) => histogram.mean(),
                _ => histogram.max() as f64,
            };
            match histogram.len() {
                0 => too_few(0, 1),
                n => judge_number(threshold, number, n),
            }
        }
    };
    Judged {
        threshold: threshold.to_string(),
        verdict,
        measured,
    }
}

/// The samples that a verdict may rest on: of deliveries, those in undisturbed seconds.
fn judged_histogram(result: &Measured<'_>, metric: Metric) -> Histogram<u64> {
    if metric != Metric::Delivery {
        return result.recorded.samples(metric).histogram.clone();
    }
    let mut histogram = recorder::histogram();
    for window in undisturbed(result) {
        // Same bounds by construction: adding can't fail.
        let _ = histogram.add(window.histogram());
    }
    histogram
}

fn judge_count(result: &Measured<'_>, threshold: &Threshold, count: Count) -> (Verdict, String) {
    let totals = &result.account.totals;
    if totals.sent == 0 {
        return too_few(0, 1);
    }
    let counted = match count {
        Count::Lost => totals.lost,
        Count::Duplicated => totals.duplicated,
        Count::Dropped => totals.dropped,
        Count::Failed => totals.failed,
    };
    (kept(threshold, counted as f64), counted.to_string())
}

fn judge_number(threshold: &Threshold, number: f64, n: u64) -> (Verdict, String) {
    (
        kept(threshold, number),
        format!("{} (n = {n})", crate::report::duration(number as Nanos)),
    )
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

fn judge_share(
    result: &Measured<'_>,
    threshold: &Threshold,
    metric: Metric,
    limit: Nanos,
) -> (Verdict, String) {
    let samples = result.recorded.samples(metric);
    let n = samples.histogram.len();
    let needed = percentile::needed(threshold.bound.min(0.9999) * 100.0);
    let Some(place) = result
        .recorded
        .limits()
        .place(limit)
        .filter(|_| n >= needed)
    else {
        return too_few(n, needed);
    };
    let share = samples.within[place] as f64 / n as f64;
    (
        kept(threshold, share),
        format!("{} (n = {n})", crate::report::share(share)),
    )
}

/// The share of deliveries within a limit, judged by its interval; a lost delivery counts as over the limit.
fn judge_delivery_share(
    result: &Measured<'_>,
    threshold: &Threshold,
    limit: Nanos,
    bound: f64,
) -> (Verdict, String) {
    let judged: Vec<&Window> = undisturbed(result).collect();
    let came: u64 = judged.iter().map(|window| window.n).sum();
    let n = came + result.account.totals.lost;
    let needed = percentile::needed(bound.min(0.9999) * 100.0);
    let Some(place) = result
        .recorded
        .limits()
        .place(limit)
        .filter(|_| n >= needed)
    else {
        return too_few(n, needed);
    };
    let windows: Vec<(u64, u64)> = judged
        .iter()
        .map(|window| (window.n - window.over[place], window.n))
        .collect();
    let interval = share_interval(&windows, result.account.totals.lost);
    let holds = |share: f64| threshold.comparison.holds(share, bound);
    let verdict = match (holds(interval.low), holds(interval.high)) {
        (true, true) => Verdict::Pass,
        (false, false) => Verdict::Fail,
        _ => Verdict::Inconclusive,
    };
    let all = delivering(result).count();
    let left_out = match all - judged.len() {
        0 => String::new(),
        disturbed => format!(
            ", {disturbed} of {all} seconds left out as disturbed; {} with them",
            crate::report::share(whole_share(result, place)),
        ),
    };
    (
        verdict,
        format!(
            "{} (95 % interval {} to {}, n = {n}{left_out})",
            crate::report::share(interval.estimate),
            crate::report::share(interval.low),
            crate::report::share(interval.high),
        ),
    )
}

/// The share within a limit over all seconds, disturbed ones too.
fn whole_share(result: &Measured<'_>, place: usize) -> f64 {
    let samples = result.recorded.samples(Metric::Delivery);
    let n = samples.histogram.len() + result.account.totals.lost;
    samples.within[place] as f64 / n.max(1) as f64
}

#[cfg(test)]
mod tests;

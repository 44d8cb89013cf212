//! From the recorded result to one of four verdicts, each with its reasons in plain words.

mod interval;
mod outlook;
mod scope;
mod threshold;
mod validity;

use serde::{Deserialize, Serialize};

pub use self::{
    interval::{Interval, share_interval},
    outlook::unjudgeable,
    validity::{FloorSecond, floor_seconds},
};
use self::{scope::Scope, threshold::judge_threshold};
use crate::{
    judge::checks::{Account, Check, Finding},
    model::{clock::Nanos, metric::Metric},
    observed::{
        machine::MachineSecond,
        recorder::{PROMISE, Recorded},
    },
    plan::Plan,
    scenario::{Comparison, Load, Scenario, Subject, Threshold},
};

/// What a run says about the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, the weightiest reason first; one sentence each.
    pub reasons: Vec<String>,
    /// How each threshold was judged.
    pub thresholds: Vec<Judged>,
}

/// One threshold and how it was judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
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
    /// The threshold that ended the run, and why, if one did.
    pub aborted: Option<&'a str>,
    /// The scenario's conditions on the whole run.
    pub thresholds: &'a [Threshold],
    /// The phases in order, with the conditions on each alone.
    pub phases: &'a [JudgedPhase<'a>],
    /// The seconds of the schedule in which others had the machine.
    pub machine: &'a [MachineSecond],
    /// The same load against a bare relay, by second; empty where there was none.
    pub floor: &'a [FloorSecond],
    /// CPU seconds of each worker thread, by second of the schedule.
    pub worker_cpu: &'a [Vec<f64>],
    /// The store should have been looked up and could not be.
    pub audit_failed: bool,
}

/// A phase, as far as a verdict needs it.
#[derive(Debug, Clone, Copy)]
pub struct JudgedPhase<'a> {
    /// Its name.
    pub name: &'a str,
    /// Nanoseconds from the schedule's start.
    pub start: Nanos,
    /// Nanoseconds from the schedule's start.
    pub end: Nanos,
    /// Whether its latencies are recorded.
    pub measured: bool,
    /// Closed model: its latencies are service times.
    pub closed: bool,
    /// The conditions on it alone.
    pub thresholds: &'a [Threshold],
}

/// The phases of a scenario, for its verdict.
pub fn phases<'a>(scenario: &'a Scenario, plan: &'a Plan) -> Vec<JudgedPhase<'a>> {
    let phases = scenario.phases.iter().zip(&plan.phases);
    phases
        .map(|(phase, planned)| JudgedPhase {
            name: &planned.name,
            start: planned.start,
            end: planned.end,
            measured: planned.measured,
            closed: matches!(phase.load, Load::Closed { .. }),
            thresholds: &phase.thresholds,
        })
        .collect()
}

/// Judges a run. Without thresholds of its own, the promise is judged: 99 % of the deliveries within 5 ms.
pub fn judge(result: &Measured<'_>) -> Judgement {
    let promise = [promise()];
    let conditions = conditions(result, &promise);
    let judged: Vec<Judged> = conditions
        .iter()
        .map(|(scope, threshold)| judge_threshold(scope, threshold))
        .collect();
    let on_times = conditions
        .iter()
        .any(|(_, threshold)| !matches!(threshold.subject, Subject::Count(_)));
    let saturation = validity::saturation(result).filter(|_| on_times);
    let mut said = validity::impossible_samples(result);
    if on_times {
        said.extend(validity::disturbance(result));
    }
    if let Some(saturation) = saturation.as_ref().filter(|one| one.decides) {
        said.push((Verdict::Invalid, saturation.reason.clone()));
    }
    said.extend(broken_promises(result));
    said.extend(judged.iter().filter_map(|judged| {
        let missed = judged.verdict != Verdict::Pass;
        missed.then(|| (judged.verdict, judged.sentence()))
    }));
    // A message that is lost on a busy machine is lost all the same: only numbers of time can be invalid.
    let own_fault = saturation.as_ref().is_some_and(|one| one.decides) && thrown_out(result);
    if !result.account.findings.is_empty()
        && result.recorded.negative + result.recorded.clamped == 0
        && !own_fault
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
        reasons = judged.iter().map(Judged::sentence).collect();
    }
    // It excuses nothing, and whoever reads of a failure should know it.
    if verdict == Verdict::Fail
        && let Some(saturation) = saturation.filter(|one| !one.decides)
    {
        reasons.push(saturation.reason);
    }
    Judgement {
        verdict,
        reasons,
        thresholds: judged,
    }
}

/// Connections were lost, and nothing is wrong but what that explains: as when a generator without time to spare reads so
/// slowly that the server must take it for dead.
fn thrown_out(result: &Measured<'_>) -> bool {
    let findings = &result.account.findings;
    let lost = |finding: &Finding| finding.check == Check::ConnectionLost;
    findings.iter().any(lost)
        && findings.iter().all(|finding| {
            lost(finding)
                || matches!(
                    finding.check,
                    Check::Lost | Check::EndMissing | Check::AckWrong
                )
        })
}

/// The conditions on the whole run, then those on each phase.
fn conditions<'a>(
    result: &'a Measured<'a>,
    promise: &'a [Threshold],
) -> Vec<(Scope<'a>, &'a Threshold)> {
    let phases = result.phases.iter().zip(0..);
    let of_phases: Vec<_> = phases
        .flat_map(|(phase, index)| {
            let scope = Scope::phase(result, index, phase);
            phase.thresholds.iter().map(move |one| (scope, one))
        })
        .collect();
    let whole = if result.thresholds.is_empty() && of_phases.is_empty() {
        promise
    } else {
        result.thresholds
    };
    let whole = whole.iter().map(|one| (Scope::whole(result), one));
    whole.chain(of_phases).collect()
}

/// All that went wrong apart from numbers of time.
fn broken_promises(result: &Measured<'_>) -> Vec<(Verdict, String)> {
    let findings = result.account.findings.iter();
    let mut said: Vec<_> = findings
        .map(|finding| (Verdict::Fail, broken(finding)))
        .collect();
    match (result.aborted, result.incomplete) {
        (Some(aborted), _) => said.push((Verdict::Fail, aborted.to_owned())),
        (None, Some(why)) => said.push((
            Verdict::Inconclusive,
            format!("the run did not go to its end: {why}"),
        )),
        (None, None) => {
            if result.audit_failed {
                said.push((
                    Verdict::Inconclusive,
                    "confirmed messages could not be looked up in the store".into(),
                ));
            }
            if result.account.totals.dropped > 0 {
                said.push((
                    Verdict::Inconclusive,
                    format!(
                        "{} of {} scheduled messages could not be sent",
                        result.account.totals.dropped, result.account.totals.scheduled
                    ),
                ));
            }
        }
    }
    said
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

impl Judged {
    fn sentence(&self) -> String {
        format!("{}: {}", self.threshold, self.measured)
    }
}

#[cfg(test)]
mod tests;

//! From the recorded result to one of four verdicts, each with its reasons in plain words.

mod fan_out;
mod floor;
mod found;
mod gap;
mod implied;
mod limit;
pub mod live;
mod measured;
mod misses;
mod opinion;
mod outlook;
mod overran;
mod reason;
mod recovery;
mod resample;
mod scope;
mod threshold;
mod validity;
mod when;

use serde::{Deserialize, Serialize};

use self::{
    fan_out::FanOut,
    floor::FloorSecond,
    implied::{Implied, tells},
    opinion::Opinion,
    overran::Overran,
    scope::{Scope, Stage},
    threshold::judge_threshold,
};
pub use self::{
    gap::Gap,
    implied::implied,
    measured::{Estimate, Measured},
    misses::{Allowed, Decision, Doubt, FEWEST_SECONDS, Misses, Range, Second},
    outlook::{samples_of, share_needed, unjudgeable},
    reason::Reason,
    scope::OUTSIDE,
};
use crate::{
    judge::{
        Account, Check, Finding,
        parts::{Part, Parts},
    },
    model::{Count, Nanos},
    observed::{Ended, Lookup, Observed},
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

/// A run that proves nothing comes before a broken promise, and that before a run that proves too little.
impl Ord for Verdict {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let weight = |verdict: &Verdict| match verdict {
            Verdict::Pass => 0,
            Verdict::Inconclusive => 1,
            Verdict::Fail => 2,
            Verdict::Invalid => 3,
        };
        weight(self).cmp(&weight(other))
    }
}

impl PartialOrd for Verdict {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A verdict and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, the weightiest reason first; one sentence each.
    pub reasons: Vec<Reason>,
    /// How each threshold was judged.
    pub thresholds: Vec<Judged>,
    /// That the generator had no time to spare, whatever was judged: who compares numbers goes by it. A recorded result says so
    /// where it matters, in its reasons.
    #[serde(skip)]
    pub saturated: Option<Reason>,
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
    /// What was measured, as numbers; `None` in older results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Measured>,
    /// Seconds that were left out of it as disturbed; `None` where older results don't say.
    #[serde(default)]
    pub left_out: Option<usize>,
}

/// What is judged.
struct Trial<'a> {
    /// The conditions on the whole run.
    thresholds: &'a [Threshold],
    phases: Vec<JudgedPhase<'a>>,
    /// Whether the server says what it could not save.
    tells: bool,
    observed: &'a Observed,
    account: &'a Account,
    /// What a bare relay did under the same load, by second; empty where there was none.
    floor: Vec<FloorSecond>,
    /// Its seconds inside, after and outside of its faults; empty where there were none.
    parts: Parts,
    /// The faults, where all were behind the server and lasted longer than planned.
    overran: Vec<Overran>,
}

impl<'a> Trial<'a> {
    /// The index of the fault that a threshold names.
    fn fault(&self, threshold: &Threshold) -> Option<usize> {
        let name = threshold.fault.as_deref()?;
        let mut faults = self.observed.faults.iter();
        faults.position(|fault| fault.name == name)
    }

    /// What a threshold on the whole run is about: where there were faults, what they did not touch, or what it names.
    fn scope(&'a self, threshold: &Threshold) -> Scope<'a> {
        let metric = threshold.subject.metric();
        match (metric, self.fault(threshold)) {
            (Some(metric), None) if self.parts.has(metric) => Scope::part(self, Part::Outside),
            (Some(_), Some(fault)) => Scope::part(self, Part::Inside(fault)),
            _ => Scope::whole(self),
        }
    }
}

/// A phase, as far as a verdict needs it.
#[derive(Debug, Clone, Copy)]
struct JudgedPhase<'a> {
    /// Its name.
    name: &'a str,
    /// Nanoseconds from the schedule's start.
    start: Nanos,
    /// Nanoseconds from the schedule's start.
    end: Nanos,
    /// Whether its latencies are recorded.
    measured: bool,
    /// Closed model: its latencies are service times.
    closed: bool,
    /// How many deliveries its messages have.
    fan_out: FanOut,
    /// The conditions on it alone.
    thresholds: &'a [Threshold],
}

/// The phases of a scenario, for its verdict.
fn phases<'a>(scenario: &'a Scenario, plan: &'a Plan) -> Vec<JudgedPhase<'a>> {
    let phases = scenario.phases.iter().zip(&plan.phases);
    phases
        .zip(0..)
        .map(|((phase, planned), index)| JudgedPhase {
            name: &planned.name,
            start: planned.start,
            end: planned.end,
            measured: planned.measured,
            closed: matches!(phase.load, Load::Closed { .. }),
            fan_out: FanOut::of(plan, |send| send.phase == index),
            thresholds: &phase.thresholds,
        })
        .collect()
}

/// Judges what was observed of a run, beside what was observed of a bare relay under the same load. Without thresholds
/// of its own, the promise is judged: 99 % of the deliveries within 5 ms.
pub fn judge(
    scenario: &Scenario,
    plan: &Plan,
    observed: &Observed,
    account: &Account,
    beside: &[&Observed],
) -> Judgement {
    let times: Vec<(Nanos, Nanos)> = plan.phases.iter().map(|one| (one.start, one.end)).collect();
    decide(&Trial {
        thresholds: &scenario.thresholds,
        phases: phases(scenario, plan),
        tells: tells(&scenario.vocabulary()),
        observed,
        account,
        floor: beside.iter().copied().flat_map(floor::seconds).collect(),
        parts: Parts::of(observed, &account.missing, plan.end()).with_phases(observed, &times),
        overran: Overran::all(&plan.faults, &observed.faults),
    })
}

fn decide(trial: &Trial<'_>) -> Judgement {
    let of_phases = trial.phases.iter().map(|phase| phase.thresholds);
    let implied = Implied::beside(trial.thresholds, of_phases, trial.tells);
    let conditions = conditions(trial, &implied);
    let opinions: Vec<Opinion> = conditions
        .iter()
        .map(|(scope, threshold)| judge_threshold(scope, threshold))
        .collect();
    let judged: Vec<Judged> = opinions
        .iter()
        .zip(&conditions)
        .map(|(opinion, (scope, threshold))| opinion.judged(scope, threshold))
        .collect();
    let on_times = || {
        let both = conditions.iter().zip(&judged);
        both.filter(|((_, threshold), _)| !matches!(threshold.subject, Subject::Count(_)))
    };
    let saturated = validity::saturation(trial);
    // Without time to spare a generator only adds latency, too: what was kept was kept.
    let decides = matches!(saturated, Some(Reason::Saturated { charged: false, .. }))
        && (on_times().any(|(_, judged)| judged.verdict != Verdict::Pass) || thrown_out(trial));
    let mut said = validity::impossible_samples(trial);
    said.extend(validity::void_faults(trial));
    for stage in [Stage::Schedule, Stage::Connecting] {
        if opinions
            .iter()
            .any(|opinion| opinion.too_disturbed == Some(stage))
        {
            said.push((Verdict::Invalid, validity::disturbance(trial, stage)));
        }
    }
    if decides {
        said.extend(saturated.clone().map(|reason| (Verdict::Invalid, reason)));
    }
    said.extend(broken_promises(trial));
    let missed = judged.iter().filter(|one| one.verdict != Verdict::Pass);
    said.extend(missed.map(|judged| (judged.verdict, judged.into())));
    // A message that is lost or failed on a busy machine is so all the same: only numbers of time can be invalid.
    let own_fault = decides && thrown_out(trial);
    if (miscounted(trial, &conditions, &judged) || !trial.account.findings.is_empty())
        && validity::impossible_samples(trial).is_empty()
        && !own_fault
    {
        said.retain(|(verdict, _)| *verdict != Verdict::Invalid);
    }
    said.sort_by_key(|(verdict, _)| std::cmp::Reverse(*verdict));
    let verdict = said.first().map_or(Verdict::Pass, |(verdict, _)| *verdict);
    let mut reasons: Vec<Reason> = said.into_iter().map(|(_, reason)| reason).collect();
    if verdict == Verdict::Pass {
        reasons = judged.iter().map(Reason::from).collect();
    }
    // It excuses nothing, and whoever reads of a failure should know it.
    if verdict == Verdict::Fail && on_times().next().is_some() {
        let charged = |one: &&Reason| matches!(one, Reason::Saturated { charged: true, .. });
        reasons.extend(saturated.iter().filter(charged).cloned());
    }
    Judgement {
        verdict,
        reasons,
        thresholds: judged,
        saturated,
    }
}

/// Whether a count of what the server did was missed. What waits for a fault that did not bite says nothing of the server.
fn miscounted(
    trial: &Trial<'_>,
    conditions: &[(Scope<'_>, &Threshold)],
    judged: &[Judged],
) -> bool {
    let is_void = !validity::void_faults(trial).is_empty();
    let mut both = conditions.iter().zip(judged);
    both.any(|((_, threshold), judged)| {
        judged.verdict == Verdict::Fail
            && is_the_servers_count(threshold)
            && (!is_void || !waits_for_a_fault(threshold))
    })
}

/// Whether it counts what the server did: what was not sent, the generator did not send.
fn is_the_servers_count(threshold: &Threshold) -> bool {
    matches!(threshold.subject, Subject::Count(count) if count != Count::Dropped)
}

/// Whether it is kept only if something goes wrong, as a fault would have it: one that did not bite leaves nothing to count.
fn waits_for_a_fault(threshold: &Threshold) -> bool {
    match threshold.comparison {
        Comparison::Greater | Comparison::GreaterOrEqual => true,
        Comparison::Equal => threshold.bound > 0.0,
        Comparison::Less | Comparison::LessOrEqual => false,
    }
}

/// Connections were lost, and nothing is wrong but what that explains: as when a generator without time to spare reads so
/// slowly that the server must take it for dead.
fn thrown_out(trial: &Trial<'_>) -> bool {
    let findings = &trial.account.findings;
    let lost = |finding: &Finding| finding.check == Check::ConnectionLost;
    let explained = |finding: &Finding| match finding.check {
        Check::ConnectionLost | Check::Lost | Check::EndMissing | Check::AckWrong => true,
        Check::EchoMissing => trial.observed.rules.explain_missing_echoes(),
        _ => false,
    };
    findings.iter().any(lost) && findings.iter().all(explained)
}

/// The conditions on the whole run, then those on each phase, then what nobody had to say.
fn conditions<'a>(trial: &'a Trial<'a>, implied: &'a Implied) -> Vec<(Scope<'a>, &'a Threshold)> {
    let phases = trial.phases.iter().zip(0..);
    let of_phases: Vec<_> = phases
        .flat_map(|(phase, index)| {
            let scope = Scope::phase(trial, index, phase);
            phase.thresholds.iter().map(move |one| (scope, one))
        })
        .collect();
    let whole = implied.promise.iter().chain(trial.thresholds);
    let whole = whole.map(|one| (trial.scope(one), one));
    let failed = implied.failed.iter();
    let failed = failed.flat_map(|failed| scopes(trial, implied).map(move |scope| (scope, failed)));
    whole.chain(of_phases).chain(failed).collect()
}

/// Where it is implied that nothing fails: where something was sent that no threshold of its own speaks of.
fn scopes<'a>(trial: &'a Trial<'a>, implied: &'a Implied) -> impl Iterator<Item = Scope<'a>> {
    let scopes: Vec<Scope<'_>> = match &implied.failed_in {
        None => vec![Scope::whole(trial)],
        Some(phases) => {
            let phases = phases.iter();
            let phases =
                phases.map(|&one| Scope::phase(trial, one, &trial.phases[usize::from(one)]));
            phases.collect()
        }
    };
    let sent = |scope: &Scope<'_>| scope.totals().is_some_and(|totals| totals.sent > 0);
    scopes
        .into_iter()
        .filter(move |scope| sent(scope) && !is_honest(scope))
}

/// Who tells that it could not save what a fault kept it from saving, and nothing else, is honest. Where nobody counted by phase,
/// that is known of the whole run.
fn is_honest(scope: &Scope<'_>) -> bool {
    let of = |scope: &Scope<'_>| Some((scope.failed_by_fault()?, scope.totals()?.failed));
    let counts = of(scope).or_else(|| of(&Scope::whole(scope.trial)));
    counts.is_some_and(|(by_fault, failed)| by_fault > 0 && failed <= by_fault)
}

/// All that went wrong apart from numbers of time.
fn broken_promises(trial: &Trial<'_>) -> Vec<(Verdict, Reason)> {
    let Trial {
        observed, account, ..
    } = trial;
    let findings = account.findings.iter();
    let mut said: Vec<_> = findings
        .map(|finding| (Verdict::Fail, finding.into()))
        .collect();
    let limited = &observed.broken.limited;
    if let Some(first) = limited.cases().first() {
        let reason = Reason::BeyondLimit {
            connections: limited.count(),
            first: first.why.to_string(),
        };
        said.push((Verdict::Inconclusive, reason));
    }
    match &observed.ended {
        Some(Ended::Aborted(why)) => said.push((Verdict::Fail, Reason::Aborted(why.clone()))),
        Some(_) => {
            let why = observed.incomplete().unwrap_or_default();
            said.push((Verdict::Inconclusive, Reason::Incomplete(why)));
        }
        None => {
            if observed.stored == Lookup::Failed {
                said.push((Verdict::Inconclusive, Reason::NotLookedUp));
            }
            if observed.left_unanswered {
                said.push((Verdict::Inconclusive, Reason::LeftUnanswered));
            }
            let scheduled = account.totals.scheduled;
            let dropped = account.totals.dropped.saturating_sub(account.away);
            if dropped > 0 {
                let reason = Reason::NotSent { dropped, scheduled };
                said.push((Verdict::Inconclusive, reason));
            }
        }
    }
    said
}

#[cfg(test)]
mod tests;

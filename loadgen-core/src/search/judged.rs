//! How a hold went: what piled up in it, what that and the verdicts come to for each limit, and what was used up.

use super::{
    AtLimit, Bottleneck, Growth, LIMITS, Outcome, Pile, PiledUp, Seen, growth, hold::limits,
};
use crate::{
    judge::{Judgement, Reason, Verdict},
    model::Metric,
    observed::{Observed, ProcessUse},
};

/// Of a core, as much as leaves a server with one thread none to spare.
const USED_UP: f64 = 0.85;
/// Of all cores' time, likewise.
const MACHINE_USED_UP: f64 = 0.95;

/// A hold that was measured, judged.
pub(super) struct Judged<'a> {
    seen: &'a Seen<'a>,
    /// By the scenario's own thresholds, as of a run.
    own: Judgement,
    /// By [`limits`].
    limits: Judgement,
}

impl<'a> Judged<'a> {
    pub(super) fn of(seen: &'a Seen<'a>) -> Self {
        Self {
            own: seen.judged(seen.asked.own),
            limits: seen.judged(&limits()),
            seen,
        }
    }

    /// Backlog before rate: what piles up is a failure, whatever the latencies of such a hold.
    pub(super) fn outcome(&self, piled_up: &[PiledUp]) -> (Outcome, String) {
        let judgement = &self.own;
        if is_generator_bound(judgement) {
            let saturated = judgement.reasons.iter();
            let mut saturated = saturated.filter(|one| matches!(one, Reason::Saturated { .. }));
            let why = saturated.next().map(ToString::to_string);
            return (
                Outcome::GeneratorBound,
                why.unwrap_or_else(|| "the generator had no time to spare".to_owned()),
            );
        }
        if let (Some(most), false) = (piled_up.first(), mostly_disturbed(self.seen)) {
            let why = format!(
                "{} grew by {:.0} ms in each second",
                most.what.name(),
                most.per_second * 1e3
            );
            return (Outcome::BacklogGrew, why);
        }
        let why = judgement.reasons.first().map(ToString::to_string);
        (Outcome::of(judgement.verdict), why.unwrap_or_default())
    }

    /// For each limit, what the hold shows of it.
    pub(super) fn at_limits(&self, whole: Outcome) -> Vec<AtLimit> {
        let findings = &self.seen.account.findings;
        let broken = !findings.is_empty() && self.own.verdict == Verdict::Fail;
        let all = LIMITS.iter().zip(limits()).map(|(&limit, threshold)| {
            let name = threshold.to_string();
            let mut judged = self.limits.thresholds.iter();
            (limit, judged.find(|judged| judged.threshold == name))
        });
        all.map(|(limit, judged)| AtLimit {
            limit,
            within: judged
                .and_then(|judged| judged.numbers.as_ref())
                .and_then(|numbers| Some(numbers.this_run?.value)),
            outcome: match (whole, judged.map(|judged| judged.verdict)) {
                (Outcome::BacklogGrew, _) => Outcome::BacklogGrew,
                _ if broken => Outcome::Missed,
                (Outcome::GeneratorBound, Some(verdict)) if verdict != Verdict::Pass => {
                    Outcome::GeneratorBound
                }
                (_, verdict) => Outcome::of(verdict.unwrap_or(Verdict::Inconclusive)),
            },
        })
        .collect()
    }

    /// What was used up.
    pub(super) fn bottleneck(&self, outcome: Outcome, piled_up: &[PiledUp]) -> Bottleneck {
        let observed = self.seen.observed;
        let waits_for_store = piled_up
            .iter()
            .any(|pile| matches!(pile.what, Pile::Queue | Pile::Unconfirmed));
        let busy = observed.machine.iter().map(|second| second.busy);
        if outcome == Outcome::GeneratorBound {
            Bottleneck::Generator
        } else if observed.server.as_ref().and_then(cores).unwrap_or(0.0) >= USED_UP {
            Bottleneck::Server
        } else if middle(busy.collect()).unwrap_or(0.0) >= MACHINE_USED_UP {
            Bottleneck::Machine
        } else if waits_for_store || self.seen.account.totals.failed > 0 {
            Bottleneck::Store
        } else {
            Bottleneck::Unknown
        }
    }
}

/// What grew over the measured seconds, the fastest first.
pub(super) fn piled_up(seen: &Seen<'_>) -> Vec<PiledUp> {
    let confirmed = match medians(seen.observed, Metric::Confirm) {
        none if none.is_empty() => medians(seen.observed, Metric::Ack),
        confirmed => confirmed,
    };
    let all = [
        (Pile::Queue, queue(seen)),
        (
            Pile::SendLateness,
            medians(seen.observed, Metric::SendLateness),
        ),
        (Pile::Unconfirmed, confirmed),
        (Pile::Undelivered, medians(seen.observed, Metric::Delivery)),
    ];
    let grown = all.into_iter().filter_map(|(what, backlog)| {
        let growth = growth(&backlog).filter(|growth| Growth::is_backlog(*growth))?;
        Some(PiledUp {
            what,
            per_second: growth.slope,
        })
    });
    let mut grown: Vec<PiledUp> = grown.collect();
    grown.sort_by(|a, b| b.per_second.total_cmp(&a.per_second));
    grown
}

/// How long a message waits in the middle of each second, in seconds: what waits, divided by the rate (Little).
fn medians(observed: &Observed, metric: Metric) -> Vec<f64> {
    let windows = observed.recorded.windows(metric).iter();
    let some = windows.filter(|window| window.n > 0);
    some.map(|window| window.histogram().value_at_quantile(0.5) as f64 / 1e9)
        .collect()
}

/// What waits for the store at the end of each measured second, as seconds of work.
fn queue(seen: &Seen<'_>) -> Vec<f64> {
    let mut measured = seen.asked.plan.phases.iter().filter(|phase| phase.measured);
    let start = measured.next().map_or(0, |phase| phase.start);
    let moments = seen.observed.server.iter().flat_map(|used| &used.moments);
    let measured = moments.filter(|moment| moment.at.as_nanos() >= u128::from(start));
    measured
        .filter_map(|moment| Some(moment.queue? as f64 / seen.asked.ask.rate))
        .collect()
}

/// Whether its own threads kept the generator from the rate, and no server did.
fn is_generator_bound(judgement: &Judgement) -> bool {
    let mut reasons = judgement.reasons.iter();
    judgement.verdict == Verdict::Invalid
        && reasons.any(|one| matches!(one, Reason::Saturated { charged: false, .. }))
}

fn mostly_disturbed(seen: &Seen<'_>) -> bool {
    let machine = &seen.observed.machine;
    let disturbed = machine.iter().filter(|second| second.disturbed).count();
    2 * disturbed > machine.len()
}

/// How many cores a process used in the middle one of its seconds.
fn cores(used: &ProcessUse) -> Option<f64> {
    let pairs = used.moments.windows(2);
    let cores = pairs.filter_map(|pair| {
        let passed = pair[1].at.checked_sub(pair[0].at)?.as_secs_f64();
        let cpu = pair[1].cpu.saturating_sub(pair[0].cpu).as_secs_f64();
        (passed > 0.0).then_some(cpu / passed)
    });
    middle(cores.collect())
}

fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

//! How a hold went: what piled up in it, what that and the verdicts come to for each limit, and what was used up.

use super::{
    AtLimit, Bottleneck, Growth, LIMITS, Outcome, Pile, PiledUp, Rules, Seen, growth, hold::limits,
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
    /// What grew in it, the fastest first.
    pub(super) piled_up: Vec<PiledUp>,
}

impl<'a> Judged<'a> {
    pub(super) fn of(seen: &'a Seen<'a>) -> Self {
        Self {
            own: seen.judged(seen.asked.own),
            limits: seen.judged(&limits()),
            piled_up: piled_up(seen),
            seen,
        }
    }

    /// Whether a bare relay would say more: whether it was the generator that let something pile up, or missed any limit. Who
    /// broke a promise is not excused by it, unless a generator without time to spare is the excuse.
    pub(super) fn asks_for_a_floor(&self) -> bool {
        let is_missed = |judged: &Judgement| {
            let missed = [Verdict::Fail, Verdict::Invalid];
            missed.contains(&judged.verdict)
        };
        let asks = is_missed(&self.own) || is_missed(&self.limits) || self.backlog().is_some();
        asks && (self.seen.account.findings.is_empty() || self.own.verdict == Verdict::Invalid)
    }

    /// Backlog before rate: what piles up is a failure, whatever the latencies of such a hold. But what a generator without time
    /// to spare sends and reads late piles up before the server, too, whatever the scenario has limits on.
    pub(super) fn outcome(&self) -> (Outcome, String) {
        if self.is_generator_bound() {
            let why = self.own.saturated.as_ref().map(ToString::to_string);
            return (
                Outcome::GeneratorBound,
                why.unwrap_or_else(|| "the generator had no time to spare".to_owned()),
            );
        }
        if let Some(most) = self.backlog() {
            let why = format!(
                "{} grew by {:.0} ms in each second",
                most.what.name(),
                most.per_second * 1e3
            );
            return (Outcome::BacklogGrew, why);
        }
        let why = self.own.reasons.first().map(ToString::to_string);
        (Outcome::of(self.own.verdict), why.unwrap_or_default())
    }

    /// For each limit, what the hold shows of it.
    pub(super) fn at_limits(&self, whole: Outcome) -> Vec<AtLimit> {
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
            outcome: self.at_limit(whole, judged.map(|judged| judged.verdict)),
        })
        .collect()
    }

    /// What the hold shows of a limit that was judged so.
    fn at_limit(&self, whole: Outcome, judged: Option<Verdict>) -> Outcome {
        let findings = &self.seen.account.findings;
        let broken = !findings.is_empty() && self.own.verdict == Verdict::Fail;
        let judged = judged.unwrap_or(Verdict::Inconclusive);
        let bound = match self.charges_rightly() {
            true => is_excused(&self.limits),
            false => whole == Outcome::GeneratorBound,
        };
        match whole {
            Outcome::BacklogGrew => Outcome::BacklogGrew,
            _ if broken => Outcome::Missed,
            // No such rate lasts, and nobody knows for whose sake.
            Outcome::GeneratorBound if self.charges_rightly() && self.backlog().is_some() => {
                Outcome::GeneratorBound
            }
            _ if bound && judged != Verdict::Pass => Outcome::GeneratorBound,
            _ => Outcome::of(judged),
        }
    }

    /// What was used up.
    pub(super) fn bottleneck(&self, outcome: Outcome) -> Bottleneck {
        let observed = self.seen.observed;
        let busy = observed.machine.iter().map(|second| second.busy);
        if outcome == Outcome::GeneratorBound {
            Bottleneck::Generator
        } else if observed.server.as_ref().and_then(cores).unwrap_or(0.0) >= USED_UP {
            Bottleneck::Server
        } else if middle(busy.collect()).unwrap_or(0.0) >= MACHINE_USED_UP {
            Bottleneck::Machine
        } else if self.waits_for_store() || self.seen.account.totals.failed > 0 {
            Bottleneck::Store
        } else {
            Bottleneck::Unknown
        }
    }

    /// Whether messages waited for the store. Confirmations count from the intended send, so that they are late wherever sends or
    /// deliveries are: only those of a server that saves first wait for the store before both, and only where its processor is
    /// known to have had time.
    fn waits_for_store(&self) -> bool {
        let grew = |what: Pile| self.piled_up.iter().any(|pile| pile.what == what);
        if !self.charges_rightly() {
            return grew(Pile::Queue) || grew(Pile::Unconfirmed);
        }
        let saved_before = self.seen.asked.saves_first && self.seen.observed.server.is_some();
        let in_time = !grew(Pile::SendLateness) && (!grew(Pile::Undelivered) || saved_before);
        grew(Pile::Queue) || grew(Pile::Unconfirmed) && in_time
    }

    /// What grew the fastest, unless the machine was disturbed most of the time.
    fn backlog(&self) -> Option<&PiledUp> {
        let disturbed = mostly_disturbed(self.seen);
        self.piled_up.first().filter(|_| !disturbed)
    }

    /// Whether its own threads kept the generator from the rate, and no server did. A promise that was broken all the same was.
    fn is_generator_bound(&self) -> bool {
        let Judgement {
            verdict, reasons, ..
        } = &self.own;
        let excuses = |one: &Reason| matches!(one, Reason::Saturated { charged: false, .. });
        let piled_up = self.charges_rightly() && is_excused(&self.own) && self.backlog().is_some();
        match verdict {
            Verdict::Fail => false,
            Verdict::Invalid if reasons.iter().any(excuses) => true,
            _ => piled_up,
        }
    }

    fn charges_rightly(&self) -> bool {
        self.seen.asked.rules >= Rules::ChargedRightly
    }
}

/// Whether the generator had no time to spare, and no server kept it from that.
fn is_excused(judgement: &Judgement) -> bool {
    let saturated = judgement.saturated.as_ref();
    saturated.is_some_and(|one| matches!(one, Reason::Saturated { charged: false, .. }))
}

/// What grew over the measured seconds, the fastest first.
fn piled_up(seen: &Seen<'_>) -> Vec<PiledUp> {
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

//! Whether the machine or the generator, and not the server, decided the numbers (rules 3 and 10).

use super::{
    Trial, floor,
    reason::{Reason, SATURATED},
    scope::{Counted, Scope, Stage},
};
use crate::{
    judge::Verdict,
    model::{Metric, Nanos, percentile::BEYOND},
    observed::{Cause, MachineSecond},
};

/// A send so late has used up a fifth of the promise before it began.
const LATE: Nanos = 1_000_000;
/// Of the floor's sends, more late ones than this say that the load alone makes the generator late.
const LATE_ALONE: f64 = 0.01;

/// Samples that can't be are the generator's mistake, never the server's.
pub(super) fn impossible_samples(trial: &Trial<'_>) -> Vec<(Verdict, Reason)> {
    let recorded = &trial.observed.recorded;
    [
        (recorded.negative, Reason::ClockWrong(recorded.negative)),
        (recorded.clamped, Reason::TooLong(recorded.clamped)),
    ]
    .into_iter()
    .filter(|(samples, _)| *samples > 0)
    .map(|(_, reason)| (Verdict::Invalid, reason))
    .collect()
}

/// Faults that were to be there and were not: what was measured says nothing of them. Of a run that was cut off, that it was
/// says enough.
pub(super) fn void_faults(trial: &Trial<'_>) -> Vec<(Verdict, Reason)> {
    let seen = trial.observed.faults.iter();
    seen.filter(|_| trial.observed.ended.is_none())
        .filter_map(|fault| {
            let why = fault.is_void_because()?;
            let fault = fault.name.clone();
            Some((Verdict::Invalid, Reason::Void { fault, why }))
        })
        .collect()
}

/// In how many seconds of a stage something outside disturbed, and what.
pub(super) fn disturbance(trial: &Trial<'_>, stage: Stage) -> Reason {
    let seen: Vec<Option<&MachineSecond>> = match stage {
        Stage::Connecting => trial.observed.connecting.iter().map(Some).collect(),
        Stage::Schedule => {
            let machine = &trial.observed.machine;
            let seconds = Scope::whole(trial).seconds(Metric::Delivery);
            let seconds = seconds.counted(Counted::All);
            seconds.map(|one| machine.get(one.second)).collect()
        }
    };
    let disturbed: Vec<&MachineSecond> = seen
        .iter()
        .flatten()
        .copied()
        .filter(|one| one.disturbed)
        .collect();
    let causes: Vec<Cause> = disturbed.iter().filter_map(|one| one.cause).collect();
    Reason::Disturbed {
        connecting: stage == Stage::Connecting,
        disturbed: disturbed.len(),
        all: seen.len(),
        causes: Cause::ALL
            .into_iter()
            .map(|cause| (cause, causes.iter().filter(|&&one| one == cause).count()))
            .filter(|(_, seconds)| *seconds > 0)
            .collect(),
    }
}

/// Whether a worker used its core up in more than half of the measured undisturbed seconds. A floor that goes well
/// under the same load says that it is not the load alone.
pub(super) fn saturation(trial: &Trial<'_>) -> Option<Reason> {
    let observed = trial.observed;
    let sends = observed.recorded.sends.iter().enumerate();
    let measured: Vec<usize> = sends
        .filter(|(second, sends)| sends.scheduled > 0 && !observed.is_disturbed(*second))
        .map(|(second, _)| second)
        .collect();
    let saturated = |cpu: &Vec<f64>| {
        let seconds = measured.iter().filter_map(|&second| cpu.get(second));
        seconds.filter(|&&used| used >= SATURATED).count()
    };
    let worst = observed.threads.values().map(saturated).max()?;
    if 2 * worst <= measured.len() {
        return None;
    }
    let (late, sends) = floor::undisturbed(&trial.floor, Metric::SendLateness, LATE);
    Some(Reason::Saturated {
        seconds: worst,
        of: measured.len(),
        charged: !observed.elsewhere && sends > 0 && !more_than(LATE_ALONE, late, sends),
    })
}

/// More than this share, and enough of them to say so (rule 7).
fn more_than(share: f64, over: u64, n: u64) -> bool {
    over as f64 > share * n as f64 && over as f64 >= BEYOND
}

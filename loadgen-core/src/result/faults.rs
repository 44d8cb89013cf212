//! What broke in mid-run, and the three parts of such a run, as the result says them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    judge::{
        Missing,
        parts::{Part, Parts, Recovery},
    },
    model::{Metric, Nanos, percentile},
    observed::{Observed, Samples},
    plan::Plan,
    scenario::FaultKind,
};

/// What broke in mid-run. Times are nanoseconds from the start of the schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultResult {
    /// Its name in the scenario.
    pub name: String,
    /// What broke.
    pub kind: FaultKind,
    /// The same with what it was given, in words: `store-slow 2s`.
    pub what: String,
    /// When it was to begin, and to end.
    pub planned: [Nanos; 2],
    /// When it began; `None` of one that never did.
    pub start: Option<Nanos>,
    /// When all was as before; `None` where it never was.
    pub end: Option<Nanos>,
    /// What shows that it bit, in words; `None` where nothing does, which makes the run invalid.
    pub proof: Option<String>,
    /// What kept it from being brought about, looked at or mended; `None` where nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A metric in one part of a run with faults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PartResult {
    /// What was timed.
    pub metric: Metric,
    /// Which part.
    pub part: PartKind,
    /// The fault that it is inside of or after; `None` outside of all.
    pub fault: Option<String>,
    /// Seconds of the schedule in it.
    pub seconds: usize,
    /// Samples in it.
    pub n: u64,
    /// Their median in nanoseconds; `None` without enough samples, here and below.
    pub p50: Option<Nanos>,
    /// Their p99 in nanoseconds.
    pub p99: Option<Nanos>,
    /// The largest of them in nanoseconds.
    pub max: Option<Nanos>,
    /// Of a recovery: how long after the fault's end the metric was back as outside, and stayed so for 5 s, in nanoseconds,
    /// without slow seconds that something else disturbed; `None` where it was not, or nobody can know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<Nanos>,
}

/// A part of a run with faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    /// Neither inside of any fault nor in any recovery.
    Outside,
    /// While a fault was on.
    Inside,
    /// From a fault's end until the metric was back as outside.
    Recovery,
}

/// What people wait for; what the generator itself was late by is no part of it.
const TOLD: [Metric; 9] = [
    Metric::Delivery,
    Metric::DeliverySameNode,
    Metric::DeliveryCrossNode,
    Metric::DeliverySlowest,
    Metric::Echo,
    Metric::Ack,
    Metric::Confirm,
    Metric::Connect,
    Metric::Join,
];

/// What was to break and what was seen of it.
pub(super) fn faults(plan: &Plan, observed: &Observed) -> Vec<FaultResult> {
    let both = plan.faults.iter().zip(&observed.faults);
    both.map(|(planned, seen)| FaultResult {
        name: planned.name.clone(),
        kind: planned.damage.kind(),
        what: planned.damage.to_string(),
        planned: [planned.start, planned.end],
        start: seen.start,
        end: seen.end,
        proof: seen.proof.clone(),
        trouble: seen.trouble.clone(),
    })
    .collect()
}

/// Of each metric that is known by second, outside first, then each fault with its recovery.
pub(super) fn parts(observed: &Observed, missing: &Missing, end: Nanos) -> Vec<PartResult> {
    let parts = Parts::of(observed, missing, end);
    let told = TOLD.into_iter().filter(|metric| parts.has(*metric));
    told.flat_map(|metric| of_metric(&parts, metric, observed))
        .collect()
}

fn of_metric(parts: &Parts, metric: Metric, observed: &Observed) -> Vec<PartResult> {
    let part = |part: Part, kind: PartKind, fault: Option<&str>| {
        let samples = parts.samples(metric, part);
        let histogram = samples.map(|samples: &Samples| &samples.histogram);
        let at = |p| percentile::of(histogram?, p).ok();
        PartResult {
            metric,
            part: kind,
            fault: fault.map(str::to_owned),
            seconds: parts.seconds(metric, part),
            n: histogram.map_or(0, |histogram| histogram.len()),
            p50: at(50.0),
            p99: at(99.0),
            max: histogram.filter(|all| !all.is_empty()).map(|all| all.max()),
            took: match part {
                Part::Recovering(fault) => match parts.recovery(metric, fault) {
                    Recovery::Took { most, .. } => Some(most),
                    Recovery::AtLeast { .. } | Recovery::Unknown => None,
                },
                Part::Outside | Part::Inside(_) => None,
            },
        }
    };
    let mut told = vec![part(Part::Outside, PartKind::Outside, None)];
    for (index, fault) in observed.faults.iter().enumerate() {
        let name = Some(&*fault.name);
        told.push(part(Part::Inside(index), PartKind::Inside, name));
        told.push(part(Part::Recovering(index), PartKind::Recovery, name));
    }
    told
}

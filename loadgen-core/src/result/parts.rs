//! The three parts of a run with faults as the result says them.

use super::{PartKind, PartResult};
use crate::{
    judge::{
        Missing,
        parts::{Part, Parts, Recovery},
    },
    model::{Metric, Nanos, percentile},
    observed::{Observed, Samples},
};

/// What people wait for; what the generator itself was late by is no part of it.
const TOLD: [Metric; 7] = [
    Metric::Delivery,
    Metric::DeliverySlowest,
    Metric::Echo,
    Metric::Ack,
    Metric::Confirm,
    Metric::Connect,
    Metric::Join,
];

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
                    Recovery::Took(took) => Some(took),
                    Recovery::AtLeast(_) | Recovery::Unknown => None,
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

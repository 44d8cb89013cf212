//! Faults of what stands behind the server that lasted longer than the plan had them: then a message that failed for it was not
//! asked for, and is no fault of the server's.

use crate::{
    model::{Nanos, numbers},
    observed::FaultSeen,
    plan::PlannedFault,
    scenario::Damage,
};

/// So much later than planned all may be as before: a container takes its time to go on.
const LATE: Nanos = 1_000_000_000;

/// A fault that was to last so long and lasted longer, nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Overran {
    fault: String,
    planned: Nanos,
    lasted: Nanos,
}

impl Overran {
    /// The faults, if all of them did: where there was another one, nobody knows for which a message failed. How long a server
    /// takes to come back is its own doing.
    pub(super) fn all(planned: &[PlannedFault], seen: &[FaultSeen]) -> Vec<Self> {
        let both = planned.iter().zip(seen);
        let all: Option<Vec<Self>> = both
            .map(|(planned, seen)| Self::of(planned, seen))
            .collect();
        all.unwrap_or_default()
    }

    fn of(planned: &PlannedFault, seen: &FaultSeen) -> Option<Self> {
        if !matches!(planned.damage, Damage::Store(_) | Damage::Bus) {
            return None;
        }
        let overran = Self {
            fault: planned.name.clone(),
            planned: planned.end - planned.start,
            lasted: seen.end?.saturating_sub(seen.start?),
        };
        (overran.lasted > overran.planned + LATE).then_some(overran)
    }

    /// In words: `failover lasted 14.2 s, and 10 s were planned`.
    pub(super) fn told(&self) -> String {
        format!(
            "the fault {} lasted {}, and {} were planned",
            self.fault,
            numbers::duration(self.lasted),
            numbers::duration(self.planned)
        )
    }
}

//! What was seen of one hold: as it is judged, and as it is kept where it decides, so that it can be judged again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Ask, Length, Lengths, Rules, hold::watched, judged::Judged};
use crate::{
    judge::{Account, Judgement, judge},
    model::Delivery,
    observed::{Observed, ProcessUse},
    plan::Plan,
    result::{Evidence, PackedEvidence},
    scenario::{Scenario, Threshold},
};

/// How a system says that it saves nothing, as the bare relay.
const NO_STORE: &str = "none";

/// What was to be done in a hold.
pub struct Asked<'a> {
    /// At which rate, for how long.
    pub ask: Ask,
    /// The scenario so: [`scenario_of`].
    pub scenario: &'a Scenario,
    /// Its plan.
    pub plan: &'a Plan,
    /// The scenario's own limits, as far as they are asked of the system.
    pub own: &'a [Threshold],
    /// Whether the system saves a message before it delivers it: [`saves_first`].
    pub saves_first: bool,
    /// By which rules it is judged.
    pub rules: Rules,
}

/// A hold that was measured.
pub struct Seen<'a> {
    /// What was to be done.
    pub asked: &'a Asked<'a>,
    /// What was seen.
    pub observed: &'a Observed,
    /// What became of all messages.
    pub account: &'a Account,
    /// The plan of a bare relay at the same rate and what was seen of it, where one was asked.
    pub floor: Option<(&'a Plan, &'a Observed)>,
    /// Seconds that it took.
    pub took: f64,
}

/// The scenario of a hold: all at another rate and for so long, with all recorded that a search looks at. `scenario_rate` is the
/// rate of the scenario itself.
pub fn scenario_of(
    scenario: &Scenario,
    scenario_rate: f64,
    lengths: Lengths,
    ask: Ask,
) -> Scenario {
    let length = match ask.length {
        Length::Full => lengths.full,
        Length::Short => lengths.short,
    };
    let times = length.div_duration_f64(scenario.measured_time());
    watched(scenario).scaled(ask.rate / scenario_rate, times)
}

impl Seen<'_> {
    /// Whether a bare relay would say more: where the server, or the generator, did not keep the rate or any of the limits.
    pub fn asks_for_a_floor(&self) -> bool {
        Judged::of(self).asks_for_a_floor()
    }

    /// The verdict by these limits and those of the phases.
    pub(super) fn judged(&self, limits: &[Threshold]) -> Judgement {
        let asked = self.asked;
        let scenario = Scenario {
            thresholds: limits.to_vec(),
            ..asked.scenario.clone()
        };
        let beside: Vec<&Observed> = self.floor.iter().map(|(_, seen)| *seen).collect();
        judge(&scenario, asked.plan, self.observed, self.account, &beside)
    }
}

/// Whether a system that delivers and saves so, in the words of a result, saves each message before it delivers it. What has no
/// store waits for none.
pub fn saves_first(delivery: &str, store: &str) -> bool {
    delivery == Delivery::PersistFirst.name() && store != NO_STORE
}

/// What was seen of a hold that decides, in a result: all that its outcome is worked out from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Kept {
    /// Of the hold.
    pub evidence: PackedEvidence,
    /// Of the bare relay beside it, where one was asked.
    pub floor: Option<PackedEvidence>,
    /// What the server took; `None` where its processes are not known.
    pub server: Option<ProcessUse>,
}

impl Kept {
    pub(super) fn of(seen: &Seen<'_>) -> Self {
        let outcomes = Some(&seen.account.outcomes);
        let floor = seen
            .floor
            .map(|(plan, seen)| Evidence::of(plan, seen, None));
        Self {
            evidence: Evidence::of(seen.asked.plan, seen.observed, outcomes).packed(),
            floor: floor.map(|floor| floor.packed()),
            server: seen.observed.server.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_a_store_waits_for_it_before_it_delivers() {
        assert!(saves_first("persist-first", "in-memory simulation"));
        assert!(!saves_first("optimistic", "in-memory simulation"));
        assert!(!saves_first("the target's own", "the target's own"));
        // The bare relay delivers at once, and is held to no more than who saves first.
        assert!(!saves_first("persist-first", "none"));
    }
}

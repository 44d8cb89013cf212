//! What a search asks of a system: all limits of the scenario but those on what that system never says.

use crate::{
    judge::Promises,
    model::Metric,
    scenario::{Scenario, Threshold},
};

/// The scenario as it is asked of a system that promises this, and the limits that are left out: a server that saves first
/// confirms nothing, so that no rate would ever keep a limit on confirmations.
pub fn asked_of(scenario: &Scenario, promises: Promises) -> (Scenario, Vec<String>) {
    let is_said = |limit: &Threshold| match limit.subject.metric() {
        Some(Metric::Confirm | Metric::ConfirmAfterDelivery) => promises.ends,
        Some(Metric::Ack) => promises.acks,
        Some(Metric::Echo) => promises.echo,
        _ => true,
    };
    let mut asked = scenario.clone();
    let mut unsaid = Vec::new();
    let of_phases = asked.phases.iter_mut().map(|phase| &mut phase.thresholds);
    for thresholds in of_phases.chain([&mut asked.thresholds]) {
        let left_out = thresholds.iter().filter(|limit| !is_said(limit));
        unsaid.extend(left_out.map(ToString::to_string));
        thresholds.retain(is_said);
    }
    (asked, unsaid)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::{Delivery, Dialect, Vocabulary};

    #[test]
    fn no_limit_is_asked_for_on_what_is_never_said() {
        let text = "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = { users = 2, rooms = 1 }\n\
                    [[phases]]\nname = \"s\"\nduration = \"20s\"\nrate = \"20/s\"\nthresholds = { \"confirm.p50\" = \"< 1s\" }\n\
                    [thresholds]\n\"delivery.p99\" = \"< 5ms\"\n\"confirm.p99\" = \"< 1s\"\n\"ack.p99\" = \"< 1s\"\n";
        let scenario = Scenario::parse(Path::new("t.toml"), text).unwrap();
        let asked = |delivery| {
            let promises = Promises::of(&Vocabulary::of(Dialect::Readme), delivery);
            let (asked, unsaid) = asked_of(&scenario, promises);
            let kept = asked.thresholds.iter().map(ToString::to_string);
            (kept.collect::<Vec<_>>(), unsaid)
        };
        let all = ["delivery.p99 < 5ms", "confirm.p99 < 1s", "ack.p99 < 1s"];
        assert_eq!(
            asked(Delivery::Optimistic),
            (all.map(str::to_owned).to_vec(), Vec::new())
        );
        let (kept, unsaid) = asked(Delivery::PersistFirst);
        assert_eq!(kept, ["delivery.p99 < 5ms", "ack.p99 < 1s"]);
        assert_eq!(unsaid, ["confirm.p50 < 1s", "confirm.p99 < 1s"]);
    }
}

//! The limits that hold where a scenario says nothing else: the promise, and that nothing fails.

use std::time::Duration;

use crate::{
    model::{Answers, Count, Metric, Vocabulary},
    observed::PROMISE,
    scenario::{Comparison, Scenario, Subject, Threshold},
};

/// What a scenario does not say, and is judged all the same.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Implied {
    /// Where there is no threshold at all.
    pub(super) promise: Option<Threshold>,
    /// Where no threshold says how many messages may fail.
    pub(super) failed: Option<Threshold>,
    /// The phases that it is judged in, by their index; `None`: in all together. A phase whose own threshold says how many
    /// may fail is left out.
    pub(super) failed_in: Option<Vec<u16>>,
}

impl Implied {
    /// Beside these thresholds on the whole run and on each phase; `tells`: whether the server says what it could not
    /// save.
    pub(super) fn beside<'a>(
        whole: &[Threshold],
        phases: impl Iterator<Item = &'a [Threshold]>,
        tells: bool,
    ) -> Self {
        let on_failed = |thresholds: &[Threshold]| {
            let mut thresholds = thresholds.iter();
            thresholds.any(|one| one.subject == Subject::Count(Count::Failed))
        };
        let phases: Vec<&[Threshold]> = phases.collect();
        let none = whole.is_empty() && phases.iter().all(|phase| phase.is_empty());
        let by_phase = phases.iter().any(|phase| on_failed(phase));
        let others = (0..).zip(&phases).filter(|(_, phase)| !on_failed(phase));
        let others = || others.map(|(index, _)| index).collect();
        Self {
            promise: none.then(promise),
            failed: (tells && !on_failed(whole)).then(nothing_failed),
            failed_in: by_phase.then(others),
        }
    }

    /// Of a scenario.
    fn of(scenario: &Scenario) -> Self {
        let phases = scenario.phases.iter().map(|phase| &*phase.thresholds);
        Self::beside(&scenario.thresholds, phases, tells(&scenario.vocabulary()))
    }
}

/// The limits that a run of a scenario is judged by although the scenario does not say them, as they are shown.
pub fn implied(scenario: &Scenario) -> Vec<String> {
    let implied = Implied::of(scenario);
    let failed = implied
        .failed
        .iter()
        .flat_map(|failed| match &implied.failed_in {
            None => vec![failed.to_string()],
            Some(phases) => {
                let phases = phases
                    .iter()
                    .map(|phase| &scenario.phases[usize::from(*phase)]);
                phases.map(|phase| failed.in_phase(&phase.name)).collect()
            }
        });
    let promise = implied.promise.iter().map(Threshold::to_string);
    promise.chain(failed).collect()
}

/// Whether a server says of a message that it could not be saved, or was not taken.
pub(super) fn tells(vocabulary: &Vocabulary) -> bool {
    let event = [&vocabulary.room, &vocabulary.channel];
    event.iter().any(|names| names.failed.is_some())
        || vocabulary.acknowledges_messages && vocabulary.answers != Answers::Any
}

/// "At least 99 % of deliveries to others within 5 ms of their intended time."
pub(super) fn promise() -> Threshold {
    Threshold {
        subject: Subject::Within(Metric::Delivery, Duration::from_nanos(PROMISE)),
        comparison: Comparison::GreaterOrEqual,
        bound: 0.99,
        text: ">= 99%".into(),
        abort_after: None,
        fault: None,
    }
}

/// "Every message that was sent was taken and saved."
fn nothing_failed() -> Threshold {
    Threshold {
        subject: Subject::Count(Count::Failed),
        comparison: Comparison::Equal,
        bound: 0.0,
        text: "== 0".into(),
        abort_after: None,
        fault: None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn said(server: &str, one: &str, whole: &str) -> Vec<String> {
        let text = format!(
            "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = {{ users = 2, rooms = 1 }}\n{server}\n\
             [[phases]]\nname = \"one\"\nduration = \"1s\"\nrate = \"20/s\"\nthresholds = {{ {one} }}\n\
             [[phases]]\nname = \"two\"\nduration = \"1s\"\nrate = \"20/s\"\n[thresholds]\n{whole}"
        );
        implied(&Scenario::parse(Path::new("t.toml"), &text).unwrap())
    }

    #[test]
    fn nothing_may_fail_where_no_threshold_says_how_much() {
        let promise = "delivery.within_5ms >= 99%";
        assert_eq!(said("", "", ""), [promise, "failed == 0"]);
        assert_eq!(said("", "", "\"lost\" = \"== 0\""), ["failed == 0"]);
        assert_eq!(said("", "", "\"failed\" = \"<= 9\""), [""; 0]);
        let in_two = ["failed == 0 (phase two)"];
        assert_eq!(said("", "\"failed\" = \"<= 9\"", ""), in_two);
    }

    #[test]
    fn of_a_server_that_never_says_so_nothing_is_said_to_have_failed() {
        let server = "[server.events]\nacknowledges_messages = false\n[server.events.room]\njoin = \"a\"\nsend = \"b\"\n\
                      received = \"c\"\nid_field = \"d\"\n";
        assert_eq!(said(server, "", "\"lost\" = \"== 0\""), [""; 0]);
    }
}

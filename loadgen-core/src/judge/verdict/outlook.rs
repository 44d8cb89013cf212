//! Which thresholds can't be judged whatever comes, since the plan has too few samples for them.

use super::{limit::Limit, misses::FEWEST_SECONDS};
use crate::{
    judge::{Promises, parts, statistic},
    model::{
        Metric,
        numbers::{count, counted},
    },
    observed::WINDOW,
    plan::{Plan, Send},
    scenario::{Scenario, Subject, Threshold},
};

/// What a plan has for the thresholds of a phase, or of the whole run, at most.
struct Planned {
    messages: u64,
    deliveries: u64,
    /// Seconds in which messages are due.
    seconds: usize,
}

/// A sentence for each threshold that will be INCONCLUSIVE, as long as nothing fails.
pub fn unjudgeable(scenario: &Scenario, plan: &Plan) -> Vec<String> {
    let of_phases = (0..).zip(&scenario.phases).flat_map(|(index, phase)| {
        let planned = Planned::of(plan, |send| send.phase == index);
        let thresholds = phase.thresholds.iter();
        thresholds
            .filter_map(move |one| Some((one.in_phase(&phase.name), planned.lacks(one)?)))
            .collect::<Vec<_>>()
    });
    let planned = Planned::of(plan, |send| plan.phase_of(send).measured);
    let whole = of_whole_run(scenario);
    let whole = whole
        .iter()
        .filter_map(|one| Some((one.to_string(), planned.lacks(one)?)));
    let recoveries = scenario.thresholds.iter();
    let recoveries =
        recoveries.filter_map(|one| Some((one.to_string(), lacks_what_is_usual(one, plan)?)));
    whole
        .chain(of_phases)
        .chain(recoveries)
        .map(|(threshold, lacks)| format!("{threshold} can't be judged: {lacks}"))
        .collect()
}

/// How much of a plan's messages would still give each threshold of the whole run its samples, as a share of them: above 1
/// where even all of them are too few.
pub fn share_needed(scenario: &Scenario, plan: &Plan) -> f64 {
    let planned = Planned::of(plan, |send| plan.phase_of(send).measured);
    let shares = of_whole_run(scenario).into_iter().filter_map(|threshold| {
        let samples = planned.samples(threshold.subject.metric()?)?;
        Some(statistic::needed(&threshold) as f64 / samples.max(1) as f64)
    });
    shares.fold(0.0, f64::max)
}

/// How many samples of a metric the measured phases of a plan have at most, from a system that keeps these promises and times
/// itself or does not; `None` where the plan does not say.
pub fn samples_of(plan: &Plan, metric: Metric, promises: Promises, times: bool) -> Option<u64> {
    let is_measured = |send: &&Send| plan.phase_of(send).measured;
    let ended = |send: &&Send| promises.in_a(plan.conversation_of(send).kind).ends;
    let sends = || plan.sends.iter().filter(is_measured);
    let others = |send: &Send| plan.conversation_of(send).members.len() as u64 - 1;
    match metric {
        Metric::Confirm => Some(sends().filter(ended).count() as u64),
        Metric::ConfirmAfterDelivery => Some(sends().filter(ended).map(others).sum()),
        Metric::Ack if !promises.acks => Some(0),
        Metric::Echo if !promises.echo => Some(0),
        Metric::DeliverySameNode | Metric::DeliveryCrossNode => {
            Some(sends().map(|send| across(plan, send, metric)).sum())
        }
        // Of all messages, the warm-up's among them.
        Metric::ServerEmit | Metric::ServerSave => Some(match times {
            true => plan.sends.len() as u64,
            false => 0,
        }),
        other => Planned::of(plan, |send| plan.phase_of(send).measured).samples(other),
    }
}

/// Deliveries of a message that are told apart so by the servers of both ends.
fn across(plan: &Plan, send: &Send, metric: Metric) -> u64 {
    let nodes = plan.nodes;
    let members = plan.conversation_of(send).members.iter();
    let others = members.filter(|&&member| member != send.sender);
    let from = nodes.of_user(send.sender);
    let told = others.filter(|&&member| nodes.metric(from, nodes.of_user(member)) == Some(metric));
    told.count() as u64
}

/// The thresholds of the whole run: the promise, where a scenario has none at all.
fn of_whole_run(scenario: &Scenario) -> Vec<Threshold> {
    let mut of_phases = scenario.phases.iter();
    match of_phases.any(|phase| !phase.thresholds.is_empty()) {
        false if scenario.thresholds.is_empty() => vec![super::implied::promise()],
        _ => scenario.thresholds.clone(),
    }
}

/// What is usual is told by the seconds before the first fault.
fn lacks_what_is_usual(threshold: &Threshold, plan: &Plan) -> Option<String> {
    let Subject::Recovery(metric) = threshold.subject else {
        return None;
    };
    let first = plan.faults.iter().map(|fault| fault.start).min()?;
    let before = |send: &Send| plan.phase_of(send).measured && send.at < first / WINDOW * WINDOW;
    let seconds = Planned::of(plan, before).seconds;
    (seconds < parts::FEWEST && !metric.begins_before_the_schedule()).then(|| {
        format!(
            "it needs {} measured seconds with messages before the first fault, and the plan has {seconds}",
            parts::FEWEST
        )
    })
}

impl Planned {
    fn of(plan: &Plan, counts: impl Fn(&Send) -> bool) -> Self {
        let sends = || plan.sends.iter().filter(|send| counts(send));
        let mut seconds: Vec<u64> = sends().map(|send| send.at / WINDOW).collect();
        seconds.sort_unstable();
        seconds.dedup();
        Self {
            messages: sends().count() as u64,
            deliveries: sends()
                .map(|send| plan.conversation_of(send).members.len() as u64 - 1)
                .sum(),
            seconds: seconds.len(),
        }
    }

    /// What a threshold needs and this has not.
    fn lacks(&self, threshold: &Threshold) -> Option<String> {
        let metric = threshold.subject.metric()?;
        let by_second = Limit::of(threshold).is_some();
        let (samples, needed) = (self.samples(metric)?, statistic::needed(threshold));
        if samples < needed {
            return Some(format!(
                "it needs {}, and the plan has {}",
                counted(needed, "sample"),
                count(samples)
            ));
        }
        (by_second && self.seconds < FEWEST_SECONDS).then(|| {
            format!(
                "it needs {FEWEST_SECONDS} seconds with messages, and the plan has {}",
                self.seconds
            )
        })
    }

    /// How many samples of a metric there will be at most, where the plan says so.
    fn samples(&self, metric: Metric) -> Option<u64> {
        match metric {
            Metric::Delivery
            | Metric::DeliveryAsSent
            | Metric::ConfirmAfterDelivery
            | Metric::DeliverySameNode
            | Metric::DeliveryCrossNode => Some(self.deliveries),
            Metric::DeliverySlowest
            | Metric::Echo
            | Metric::Ack
            | Metric::Confirm
            | Metric::SendLateness => Some(self.messages),
            Metric::Connect
            | Metric::Join
            | Metric::Hiccup
            | Metric::ReceiveWait
            | Metric::ServerEmit
            | Metric::ServerSave => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::{Delivery, Dialect, Vocabulary};

    /// Ten users in rooms of two, 100 messages a second.
    fn said(phases: &str, thresholds: &str) -> Vec<String> {
        let text = format!(
            "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = {{ users = 10, rooms = 5 }}\n{phases}\n\
             [thresholds]\n{thresholds}"
        );
        let scenario = Scenario::parse(Path::new("t.toml"), &text).unwrap();
        let plan = Plan::new(&scenario).unwrap();
        unjudgeable(&scenario, &plan)
    }

    fn steady(seconds: u32, more: &str) -> String {
        format!(
            "[[phases]]\nname = \"steady\"\nduration = \"{seconds}s\"\nrate = \"100/s\"\narrivals = \"uniform\"\n{more}\n"
        )
    }

    #[test]
    fn a_plan_with_enough_of_everything_is_not_mentioned() {
        let thresholds = "\"delivery.p99\" = \"< 5ms\"\n\"delivery.within_5ms\" = \">= 99%\"\n\
                          \"connect.p99\" = \"< 1s\"\n\"lost\" = \"== 0\"\n\"confirm.max\" = \"< 1s\"\n";
        assert_eq!(said(&steady(11, ""), thresholds), [""; 0]);
        assert_eq!(said(&steady(11, ""), ""), [""; 0]);
    }

    #[test]
    fn samples_of_measured_phases_are_held_against_what_a_percentile_needs() {
        let warm_up = steady(100, "measured = false").replace("steady", "warm-up");
        let phases = warm_up + &steady(9, "thresholds = { \"ack.p99.9\" = \"< 1s\" }");
        let thresholds = "\"delivery.p99\" = \"< 5ms\"\n\"confirm.p95\" = \"< 1s\"\n";
        assert_eq!(
            said(&phases, thresholds),
            [
                "delivery.p99 < 5ms can't be judged: it needs 1,000 samples, and the plan has 900",
                "ack.p99.9 < 1s (phase steady) can't be judged: it needs 10,000 samples, and the plan has 900",
            ]
        );
    }

    #[test]
    fn a_plan_has_samples_of_what_a_system_says_alone() {
        let plan = |more: &str| {
            let text = format!(
                "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = {{ users = 9, rooms = 3 }}\n{more}\n\
                 {}{}",
                steady(2, "measured = false").replace("steady", "warm-up"),
                steady(10, "")
            );
            Plan::new(&Scenario::parse(Path::new("t.toml"), &text).unwrap()).unwrap()
        };
        let (one, three) = (plan(""), plan("server = { nodes = 3 }"));
        let promises = |delivery| Promises::of(&Vocabulary::of(Dialect::Readme), delivery);
        let all = promises(Delivery::Optimistic);
        let of = |metric| samples_of(&one, metric, all, true);
        for (metric, samples) in [
            (Metric::Delivery, Some(1_000)),
            (Metric::Confirm, Some(1_000)),
            (Metric::ConfirmAfterDelivery, Some(1_000)),
            (Metric::Ack, Some(1_000)),
            (Metric::ServerEmit, Some(1_200)),
            (Metric::DeliverySameNode, Some(0)),
            (Metric::Connect, None),
        ] {
            assert_eq!(of(metric), samples, "{metric:?}");
        }
        let first = promises(Delivery::PersistFirst);
        assert_eq!(samples_of(&one, Metric::Confirm, first, true), Some(0));
        assert_eq!(samples_of(&one, Metric::ServerSave, all, false), Some(0));
        let silent = Promises {
            acks: false,
            echo: false,
            ..all
        };
        for metric in [Metric::Ack, Metric::Echo] {
            assert_eq!(samples_of(&one, metric, silent, true), Some(0));
        }
        let across = [Metric::DeliverySameNode, Metric::DeliveryCrossNode];
        let across = across.map(|metric| samples_of(&three, metric, all, true).unwrap());
        assert!(across[0] > 0 && across[1] > 0 && across[0] + across[1] == 1_000);
    }

    #[test]
    fn a_share_needs_its_seconds_and_so_does_the_promise_that_stands_without_any_threshold() {
        let lacks = "it needs 5 seconds with messages, and the plan has 4";
        let four = steady(4, "").replace("100/s", "400/s");
        assert_eq!(
            said(&four, "\"echo.within_2ms\" = \">= 90%\""),
            [format!("echo.within_2ms >= 90% can't be judged: {lacks}")]
        );
        assert_eq!(
            said(&four, ""),
            [format!(
                "delivery.within_5ms >= 99% can't be judged: {lacks}"
            )]
        );
    }

    #[test]
    fn a_recovery_needs_seconds_before_the_first_fault() {
        let fault = |at: &str| {
            format!(
                "{}[[faults]]\nname = \"f\"\nat = \"{at}\"\nfor = \"1s\"\nkind = \"server-freeze\"\n",
                steady(20, "")
            )
        };
        let limits = "\"delivery.recovery@f\" = \"< 2s\"\n\"connect.recovery@f\" = \"< 2s\"\n";
        assert_eq!(said(&fault("3s"), limits), [""; 0]);
        assert_eq!(
            said(&fault("2500ms"), limits),
            [
                "delivery.recovery@f < 2s can't be judged: it needs 3 measured seconds with messages before the first fault, \
                 and the plan has 2"
            ]
        );
    }
}

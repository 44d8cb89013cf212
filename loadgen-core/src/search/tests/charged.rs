//! What a hold charges to the server, to the generator and to the store.

use std::{path::Path, sync::Arc, time::Duration};

use crate::{
    judge::{Account, Check, Finding, Totals},
    model::{Metric, Nanos},
    observed::{DeliverySample, Layout, Ledger, Moment, Observed, ProcessUse, Recorder},
    plan::{Plan, Share},
    scenario::Scenario,
    search::{
        Ask, Asked, Bottleneck, Length, Lengths, Outcome, Purpose, Rules, Seen, judged::Judged,
        scenario_of,
    },
};

const SECOND: Nanos = 1_000_000_000;
/// By so much something grows in each second that piles up.
const GROWS: Nanos = 20_000_000;
const RATE: f64 = 1_000.0;
const LENGTHS: Lengths = Lengths {
    full: Duration::from_secs(12),
    short: Duration::from_secs(8),
};

/// A hold that was played. What grows is told as so much later in each second.
#[derive(Clone, Copy)]
struct Played {
    /// The scenario's own limits.
    own: &'static str,
    /// What a delivery takes.
    takes: Nanos,
    /// How sends get later, and all that follows.
    sends: Nanos,
    /// How deliveries do, and confirmations.
    deliveries: Nanos,
    /// How confirmations alone do.
    confirmations: Nanos,
    /// Messages by which the server's queue grows in each second; `None`: nobody knows its processes.
    queue: Option<u64>,
    /// Of a core, as much as the generator's thread used.
    used: f64,
    /// A bare relay beside it, and what a delivery takes there.
    relay: Option<Nanos>,
    /// What is found wrong.
    wrong: Option<Check>,
    saves_first: bool,
    rules: Rules,
}

/// Limits on counts alone.
const COUNTS: &str = "\"lost\" = \"== 0\"";

/// All is well.
const WELL: Played = Played {
    own: COUNTS,
    takes: 300_000,
    sends: 0,
    deliveries: 0,
    confirmations: 0,
    queue: None,
    used: 0.4,
    relay: None,
    wrong: None,
    saves_first: false,
    rules: Rules::LATEST,
};

/// What came of it.
#[derive(Debug, PartialEq)]
struct Told {
    outcome: Outcome,
    because: String,
    limits: Vec<Outcome>,
    bottleneck: Bottleneck,
    asks_for_a_floor: bool,
}

impl Played {
    fn observed(&self, scenario: &Scenario, plan: &Plan) -> Observed {
        let mut recorder = Recorder::new(Arc::new(Layout::of(scenario)));
        recorder.begin(0);
        for send in &plan.sends {
            let second = send.at / SECOND;
            let sent = send.at + second * self.sends;
            let received = sent + self.takes + second * self.deliveries;
            let confirmed = received + self.takes + second * self.confirmations;
            recorder.record_send(send.at, Some(sent));
            recorder.record_in(send.phase, Metric::SendLateness, send.at, sent);
            recorder.record_in(send.phase, Metric::Confirm, send.at, confirmed);
            recorder.record_delivery(DeliverySample {
                intended: send.at,
                received,
                phase: send.phase,
                members: 2,
            });
        }
        let mut observed = Observed::of(recorder.finish(), Arc::new(Ledger::new(0, 0)));
        let threads = Share::WHOLE.split(1).map(|share| share.thread());
        observed.threads = threads
            .map(|thread| (thread, vec![self.used; 13]))
            .collect();
        observed.server = self.queue.map(|queue| ProcessUse {
            moments: (0..13)
                .map(|second| Moment {
                    at: Duration::from_secs(second),
                    cpu: Duration::from_millis(100 * second),
                    resident: 1,
                    queue: Some(queue * second),
                })
                .collect(),
            ..ProcessUse::default()
        });
        observed
    }

    fn told(&self) -> Told {
        let text = format!(
            "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = {{ users = 20, rooms = 10 }}\n\
             [[phases]]\nname = \"s\"\nduration = \"12s\"\nrate = \"1000/s\"\narrivals = \"uniform\"\n\
             [thresholds]\n{}\n",
            self.own
        );
        let scenario = Scenario::parse(Path::new("t.toml"), &text).unwrap();
        let ask = Ask {
            rate: RATE,
            length: Length::Full,
            purpose: Purpose::Bisect,
        };
        let of_it = scenario_of(&scenario, RATE, LENGTHS, ask);
        let plan = Plan::new(&of_it).unwrap();
        let relay = self.relay.map(|takes| Played { takes, ..WELL });
        let relay = relay.map(|relay| relay.observed(&of_it, &plan));
        let sent = plan.sends.len() as u64;
        let finding = |check| Finding {
            check,
            count: 4,
            examples: Vec::new(),
        };
        Judged::of(&Seen {
            asked: &Asked {
                ask,
                scenario: &of_it,
                plan: &plan,
                own: &scenario.thresholds,
                saves_first: self.saves_first,
                rules: self.rules,
            },
            observed: &self.observed(&of_it, &plan),
            account: &Account {
                totals: Totals {
                    scheduled: sent,
                    sent,
                    ..Totals::default()
                },
                findings: self.wrong.map(finding).into_iter().collect(),
                ..Account::default()
            },
            floor: relay.as_ref().map(|relay| (&plan, relay)),
            took: 12.5,
        })
        .told()
    }
}

impl Judged<'_> {
    fn told(self) -> Told {
        let (outcome, because) = self.outcome();
        Told {
            because,
            limits: self
                .at_limits(outcome)
                .iter()
                .map(|at| at.outcome)
                .collect(),
            bottleneck: self.bottleneck(outcome),
            asks_for_a_floor: self.asks_for_a_floor(),
            outcome,
        }
    }
}

#[test]
fn what_piles_up_before_a_generator_without_time_to_spare_is_not_the_servers() {
    for own in [COUNTS, "\"delivery.p99\" = \"< 2s\""] {
        let late = Played {
            own,
            sends: GROWS,
            used: 0.95,
            ..WELL
        };
        let told = late.told();
        assert_eq!(told.outcome, Outcome::GeneratorBound, "{told:?}");
        assert_eq!(told.bottleneck, Bottleneck::Generator);
        assert!(told.because.contains("was saturated"), "{told:?}");
        assert_eq!(told.limits, [Outcome::GeneratorBound; 5]);
        assert!(told.asks_for_a_floor);
        // A relay that leaves the generator time to spare says that it was the server all the same.
        let relay = Some(300_000);
        let kept_busy = Played { relay, ..late }.told();
        assert_eq!(kept_busy.outcome, Outcome::BacklogGrew, "{kept_busy:?}");
        // So does what is wrong however busy the generator is.
        let wrong = Some(Check::Duplicated);
        assert_eq!(
            Played { wrong, ..late }.told().outcome,
            Outcome::BacklogGrew
        );
        let used = 0.4;
        assert_eq!(Played { used, ..late }.told().outcome, Outcome::BacklogGrew);
        // Before, it was the server's whatever the generator did.
        let rules = Rules::DoubtedEarly;
        let before = Played { rules, ..late }.told();
        assert_eq!(before.outcome, Outcome::BacklogGrew, "{before:?}");
    }
}

#[test]
fn a_tighter_limit_than_the_scenarios_own_is_missed_only_where_no_relay_and_no_generator_misses_it()
{
    use Outcome::{Disturbed, GeneratorBound, Kept, Missed};
    let slow = Played {
        own: "\"delivery.p99\" = \"< 25ms\"",
        takes: 3_000_000,
        ..WELL
    };
    let limits = |missed: Outcome| [missed, missed, Kept, Kept, Kept];
    let told = slow.told();
    assert_eq!((told.outcome, told.asks_for_a_floor), (Kept, true));
    assert_eq!(told.limits, limits(Missed));
    for (relay, used, missed) in [
        (Some(300_000), 0.4, Missed),
        (Some(3_000_000), 0.4, Disturbed),
        (None, 0.95, GeneratorBound),
        (Some(300_000), 0.95, Missed),
    ] {
        let told = Played {
            relay,
            used,
            ..slow
        }
        .told();
        assert_eq!(told.outcome, Kept);
        assert_eq!(told.limits, limits(missed), "{relay:?} {used}");
    }
    let before = Played {
        used: 0.95,
        rules: Rules::DoubtedEarly,
        ..slow
    };
    assert_eq!(before.told().limits, limits(Missed));
    assert!(!WELL.told().asks_for_a_floor);
}

#[test]
fn a_store_is_used_up_only_where_something_waited_for_it_alone() {
    use Bottleneck::{Store, Unknown};
    let (late, known) = (GROWS, Some(0));
    for (played, used_up, before) in [
        (
            Played {
                confirmations: late,
                ..WELL
            },
            Store,
            Store,
        ),
        // A server that has no store, and whose processor nobody sees.
        (
            Played {
                deliveries: late,
                ..WELL
            },
            Unknown,
            Store,
        ),
        (
            Played {
                sends: late,
                ..WELL
            },
            Unknown,
            Store,
        ),
        (
            Played {
                deliveries: late,
                queue: Some(50),
                ..WELL
            },
            Store,
            Store,
        ),
        // Who saves first delivers what was saved.
        (
            Played {
                deliveries: late,
                queue: known,
                saves_first: true,
                ..WELL
            },
            Store,
            Store,
        ),
        (
            Played {
                deliveries: late,
                saves_first: true,
                ..WELL
            },
            Unknown,
            Store,
        ),
        (
            Played {
                sends: late,
                queue: known,
                saves_first: true,
                ..WELL
            },
            Unknown,
            Store,
        ),
    ] {
        let told = played.told();
        assert_eq!(
            (told.outcome, told.bottleneck),
            (Outcome::BacklogGrew, used_up)
        );
        let rules = Rules::DoubtedEarly;
        assert_eq!(Played { rules, ..played }.told().bottleneck, before);
    }
}

//! Rules 9, 10 and 14: what the machine and the generator excuse, and what they don't.

use proptest::prelude::*;

use super::*;
use crate::model::{Metric, histogram};

const SECONDS: u64 = 20;
/// Samples of each metric in each second.
const EACH: u64 = 100;

pub(super) fn threshold(key: &str, condition: &str) -> Threshold {
    parse_condition(parse_subject(key).unwrap(), condition).unwrap()
}

/// On every kind of time: with windows, without, as a share, a percentile, the largest, the mean.
fn on_times() -> Vec<Threshold> {
    [
        ("delivery.within_5ms", ">= 99%"),
        ("delivery.p50", "< 5ms"),
        ("delivery.p99", "< 5ms"),
        ("delivery.max", "< 5ms"),
        ("delivery.mean", "< 5ms"),
        ("confirm.p99", "< 5ms"),
        ("ack.within_5ms", ">= 99%"),
        ("server_save.p99", "< 5ms"),
        ("server_save.within_5ms", ">= 99%"),
    ]
    .map(|(key, condition)| threshold(key, condition))
    .into()
}

/// Twenty seconds of deliveries, confirmations and acknowledgements: all of the listed seconds' take 9 ms, all others
/// 1 ms.
fn run_slow_in(slow: &[u64], thresholds: &[Threshold]) -> Recorded {
    let phases = [crate::observed::recorder::tests::phase(
        "steady",
        SECONDS,
        true,
        thresholds.to_vec(),
    )];
    let mut recorder = Recorder::new(Arc::new(Layout::new(thresholds, &phases)));
    recorder.begin(0);
    let mut saves = histogram::empty();
    for index in 0..SECONDS * EACH {
        let intended = index * (1_000_000_000 / EACH);
        let took = if slow.contains(&(index / EACH)) {
            9_000_000
        } else {
            1_000_000
        };
        recorder.record_send(intended, Some(intended));
        recorder.record_delivery(DeliverySample {
            intended,
            received: intended + took,
            phase: 0,
            members: 2,
        });
        for metric in [Metric::Confirm, Metric::Ack] {
            recorder.record_in(0, metric, intended, intended + took);
        }
        saves.saturating_record(took);
    }
    let mut recorded = recorder.finish();
    recorded.adopt(Metric::ServerSave, &saves);
    recorded
}

/// Seconds of a floor: how long its deliveries took (these in turn), how late all messages were sent, whether it was
/// disturbed.
fn floor(seconds: &[(&[Nanos], Nanos, bool)]) -> Vec<FloorSecond> {
    let filled = |values: &[Nanos]| {
        let mut samples = histogram::empty();
        for &value in values.iter().cycle().take(EACH as usize) {
            samples.saturating_record(value);
        }
        samples
    };
    seconds
        .iter()
        .map(|&(delivery, lateness, disturbed)| FloorSecond {
            samples: vec![
                (Metric::Delivery, filled(delivery)),
                (Metric::SendLateness, filled(&[lateness])),
            ],
            disturbed,
        })
        .collect()
}

const QUICK: &[Nanos] = &[150_000];
const SLOW: &[Nanos] = &[9_000_000];
/// Four of ten.
const OFTEN_SLOW: &[Nanos] = &[9_000_000, 150_000, 9_000_000, 150_000, 150_000];

fn quiet_floor() -> Vec<FloorSecond> {
    floor(&[(QUICK, 50_000, false); 6])
}

fn steady(thresholds: &[Threshold]) -> [JudgedPhase<'_>; 1] {
    [JudgedPhase {
        name: "steady",
        start: 0,
        end: SECONDS * 1_000_000_000,
        measured: true,
        closed: false,
        fan_out: FanOut::default(),
        thresholds,
    }]
}

#[test]
fn rule_09_a_limit_that_the_machine_misses_alone_is_not_the_servers_fault() {
    // Eight of twenty seconds: four of ten deliveries, as many as over the relay.
    let (recorded, account) = (slow_in(&(0..8).collect::<Vec<_>>()), account(2_000));
    let judgement = judge(&Measured {
        floor: &floor(&[(OFTEN_SLOW, 50_000, false); 6]),
        ..measured(&recorded, &account)
    });
    assert_eq!(judgement.verdict, Verdict::Invalid, "{judgement:?}");
    let reason = judgement.reasons[0].to_string();
    assert!(
        reason.starts_with("delivery.within_5ms >= 99%: 60.00 % (n = 2,000): 8 slow seconds of 20")
            && reason.contains("; over a bare relay, without any server, 40.00 % miss this limit too: what the server adds, -"),
        "{reason}"
    );
    assert_eq!(judgement.thresholds[0].verdict, Verdict::Invalid);
}

#[test]
fn rule_09_a_slow_machine_is_no_excuse_for_a_slower_server() {
    // Everything is late, and a good third of that is the machine's.
    let (recorded, account) = (slow_in(&(0..20).collect::<Vec<_>>()), account(2_000));
    for excuse in [OFTEN_SLOW, &[2_600_000], QUICK] {
        let judgement = judge(&Measured {
            floor: &floor(&[(excuse, 50_000, false); 6]),
            ..measured(&recorded, &account)
        });
        assert_eq!(judgement.verdict, Verdict::Fail, "{judgement:?}");
    }
}

#[test]
fn rule_09_the_floor_is_held_against_each_limit_by_itself() {
    let thresholds = [
        threshold("delivery.p99", "< 5ms"),
        threshold("delivery.p50", "< 50ms"),
        threshold("lost", "== 0"),
    ];
    let slow = run_slow_in(&(0..20).collect::<Vec<_>>(), &thresholds);
    let (recorded, account) = (slow, account(2_000));
    let judgement = judge(&Measured {
        thresholds: &thresholds,
        floor: &floor(&[(SLOW, 50_000, false); 3]),
        ..measured(&recorded, &account)
    });
    let verdicts: Vec<_> = judgement.thresholds.iter().map(|j| j.verdict).collect();
    assert_eq!(verdicts, [Verdict::Invalid, Verdict::Pass, Verdict::Pass]);
}

#[test]
fn rule_09_a_floor_excuses_as_much_as_it_misses_itself() {
    let thresholds = [
        threshold("delivery.p50", "< 5ms"),
        threshold("delivery.within_5ms", ">= 60%"),
        threshold("delivery.within_5ms", ">= 70%"),
        threshold("delivery.p90", "< 5ms"),
        threshold("delivery.max", "< 5ms"),
    ];
    // Seven of ten, of which four are the machine's.
    let slow = run_slow_in(&(0..14).collect::<Vec<_>>(), &thresholds);
    let (recorded, account) = (slow, account(2_000));
    let verdicts = |seconds: &[(&[Nanos], Nanos, bool)]| -> Vec<Verdict> {
        let judgement = judge(&Measured {
            thresholds: &thresholds,
            floor: &floor(seconds),
            ..measured(&recorded, &account)
        });
        judgement.thresholds.iter().map(|j| j.verdict).collect()
    };
    let (fail, invalid) = (Verdict::Fail, Verdict::Invalid);
    assert_eq!(
        verdicts(&[(OFTEN_SLOW, 50_000, false); 6]),
        [invalid, invalid, invalid, fail, fail]
    );
    assert_eq!(verdicts(&[(QUICK, 50_000, false); 6]), [fail; 5]);
}

#[test]
fn rule_09_a_limit_that_is_kept_on_a_slow_machine_is_kept() {
    let (recorded, account) = (slow_in(&[]), account(2_000));
    let judgement = judge(&Measured {
        floor: &floor(&[(SLOW, 50_000, false); 3]),
        ..measured(&recorded, &account)
    });
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:?}");
}

#[test]
fn rule_09_a_disturbed_second_of_the_floor_says_nothing() {
    let (recorded, account) = (slow_in(&(0..20).collect::<Vec<_>>()), account(2_000));
    for slow in [
        floor(&[(QUICK, 50_000, false), (SLOW, 50_000, true)]),
        floor(&[(SLOW, 50_000, true); 6]),
    ] {
        let judgement = judge(&Measured {
            floor: &slow,
            ..measured(&recorded, &account)
        });
        assert_eq!(judgement.verdict, Verdict::Fail, "{judgement:?}");
    }
}

#[test]
fn rule_09_a_doubt_that_the_machine_does_not_explain_stays_a_doubt() {
    // 1.2 % over, which two thousand messages don't show for certain.
    let latencies = (0..2_000).map(|i| if i % 83 == 0 { 9_000_000 } else { 1_000_000 });
    let (recorded, account) = (recorded(latencies), account(2_000));
    let verdict = |excuse: &[Nanos]| {
        let judgement = judge(&Measured {
            floor: &floor(&[(excuse, 50_000, false); 6]),
            ..measured(&recorded, &account)
        });
        judgement.verdict
    };
    assert_eq!(verdict(QUICK), Verdict::Inconclusive);
    assert_eq!(verdict(OFTEN_SLOW), Verdict::Invalid);
}

#[test]
fn rule_10_a_saturated_generator_makes_a_run_invalid_and_says_what_to_do() {
    let (recorded, account) = (
        run_slow_in(&(0..20).collect::<Vec<_>>(), &[]),
        account(2_000),
    );
    let workers = [vec![0.4; 20], vec![0.95; 20]];
    for floor in [Vec::new(), floor(&[(QUICK, 3_000_000, false); 6])] {
        let judgement = judge(&Measured {
            worker_cpu: &workers,
            floor: &floor,
            ..measured(&recorded, &account)
        });
        assert_eq!(judgement.verdict, Verdict::Invalid, "{judgement:?}");
        let reason = judgement.reasons[0].to_string();
        assert!(
            reason.starts_with("the generator was saturated: "),
            "{reason}"
        );
        assert!(
            reason.contains("in 20 of 20 seconds") && reason.contains("--workers"),
            "{reason}"
        );
    }
}

#[test]
fn rule_10_what_a_saturated_generator_kept_is_kept() {
    let (recorded, account) = (run_slow_in(&[], &[]), account(2_000));
    let judgement = judge(&Measured {
        worker_cpu: &[vec![0.95; 20]],
        ..measured(&recorded, &account)
    });
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:?}");
}

#[test]
fn rule_10_what_is_to_take_longer_is_not_kept_by_a_disturbance() {
    let thresholds = [
        threshold("delivery.p90", "> 5ms"),
        threshold("delivery.mean", "> 3ms"),
        threshold("delivery.within_5ms", "< 90%"),
    ];
    let (recorded, account) = (
        run_slow_in(&[0, 2, 4, 6, 8, 10, 12, 14], &thresholds),
        account(2_000),
    );
    let verdicts = |disturbed: &[usize]| -> Vec<Verdict> {
        let judgement = judge(&Measured {
            thresholds: &thresholds,
            machine: &machine(disturbed),
            ..measured(&recorded, &account)
        });
        let judged = judgement.thresholds.iter();
        judged.map(|one| one.verdict).collect()
    };
    assert_eq!(verdicts(&[]), [Verdict::Pass; 3]);
    let slow = [0, 2, 4, 6, 8, 10, 12, 14];
    assert_eq!(verdicts(&slow), [Verdict::Fail; 3]);
    assert_eq!(
        verdicts(&[&slow[..], &[1, 3, 5]].concat()),
        [Verdict::Invalid; 3]
    );
}

#[test]
fn rule_14_lateness_that_the_floor_does_not_show_stays_charged_and_is_told() {
    let (recorded, account) = (
        run_slow_in(&(0..20).collect::<Vec<_>>(), &[]),
        account(2_000),
    );
    let judgement = judge(&Measured {
        worker_cpu: &[vec![0.95; 20]],
        floor: &quiet_floor(),
        ..measured(&recorded, &account)
    });
    assert_eq!(judgement.verdict, Verdict::Fail, "{judgement:?}");
    let told = judgement.reasons.last().unwrap().to_string();
    assert!(told.contains("did not need: it stays charged"), "{told}");
}

#[test]
fn rule_10_a_worker_that_is_busy_for_half_of_the_time_is_not_saturated() {
    let (recorded, account) = (run_slow_in(&[], &[]), account(2_000));
    let mut cpu = vec![0.5; 10];
    cpu.resize(20, 1.0);
    let judgement = judge(&Measured {
        worker_cpu: &[cpu],
        ..measured(&recorded, &account)
    });
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:?}");
}

#[test]
fn rule_10_what_cannot_be_told_apart_by_second_fails_only_on_a_quiet_machine() {
    let thresholds = [threshold("server_save.p99", "< 5ms")];
    let (recorded, account) = (run_slow_in(&[3, 4], &thresholds), account(2_000));
    let result = Measured {
        thresholds: &thresholds,
        ..measured(&recorded, &account)
    };
    assert_eq!(judge(&result).verdict, Verdict::Fail);
    let judgement = judge(&Measured {
        machine: &machine(&[3]),
        ..result
    });
    assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:?}");
    assert!(
        judgement.reasons[0]
            .to_string()
            .contains("can't be told apart by second")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whichever seconds others had the machine, and whatever was slow in these alone: never FAIL.
    #[test]
    fn rule_10_a_busy_machine_is_never_fail(
        disturbed in prop::collection::btree_set(0usize..20, 1..=20),
        slow in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let disturbed: Vec<usize> = disturbed.into_iter().collect();
        let slow: Vec<u64> = slow.iter().map(|index| *index.get(&disturbed) as u64).collect();
        let thresholds = on_times();
        let (recorded, account) = (run_slow_in(&slow, &thresholds), account(2_000));
        let judgement = judge(&Measured {
            thresholds: &thresholds,
            // What the server timed has no phases.
            phases: &steady(&thresholds[..7]),
            machine: &machine(&disturbed),
            floor: &floor(&[(SLOW, 9_000_000, true); 6]),
            worker_cpu: &[vec![0.5; 20]],
            ..measured(&recorded, &account)
        });
        prop_assert_ne!(judgement.verdict, Verdict::Fail, "{:?}", judgement);
        if slow.is_empty() {
            prop_assert_eq!(judgement.verdict, Verdict::Pass, "{:?}", judgement);
        } else if 2 * disturbed.len() > 20 {
            prop_assert_eq!(judgement.verdict, Verdict::Invalid, "{:?}", judgement);
        }
    }

    /// Whichever seconds a server stalls in on a machine that is quiet: FAIL as soon as it is enough, never INVALID.
    #[test]
    fn rule_14_a_stalled_server_is_fail_never_invalid(
        stalled in prop::collection::btree_set(0u64..20, 1..=20),
        disturbed in prop::collection::btree_set(0usize..20, 0..=10),
    ) {
        let thresholds = on_times();
        let slow: Vec<u64> = stalled.into_iter().collect();
        let disturbed: Vec<usize> = disturbed.into_iter().collect();
        let (recorded, account) = (run_slow_in(&slow, &thresholds), account(2_000));
        let result = Measured {
            thresholds: &thresholds,
            machine: &machine(&disturbed),
            floor: &quiet_floor(),
            worker_cpu: &[vec![0.6; 20]],
            ..measured(&recorded, &account)
        };
        let judgement = judge(&result);
        prop_assert_ne!(judgement.verdict, Verdict::Invalid, "{:?}", judgement);
        if slow.iter().any(|second| !disturbed.contains(&(*second as usize))) {
            // The largest of the undisturbed seconds is over the limit.
            prop_assert_eq!(judgement.verdict, Verdict::Fail, "{:?}", judgement);
        }
    }
}

#[test]
fn rule_10_connections_lost_by_a_saturated_generator_are_not_the_servers_fault() {
    let recorded = run_slow_in(&(0..20).collect::<Vec<_>>(), &[]);
    let finding = |check| Finding {
        check,
        count: 1,
        examples: Vec::new(),
    };
    let mut account = account(2_000);
    // A user whose connection is lost misses others' messages, its own copies, and what was to be said of both.
    account.findings = [
        Check::Lost,
        Check::EchoMissing,
        Check::EndMissing,
        Check::AckWrong,
        Check::ConnectionLost,
    ]
    .map(finding)
    .into();
    let verdict = |account: &Account, worker_cpu: &[Vec<f64>]| {
        judge(&Measured {
            worker_cpu,
            ..measured(&recorded, account)
        })
        .verdict
    };
    let busy = [vec![0.95; 20]];
    assert_eq!(verdict(&account, &busy), Verdict::Invalid);
    assert_eq!(verdict(&account, &[vec![0.4; 20]]), Verdict::Fail);
    // What losing a connection does not explain stays the server's.
    account.findings.push(finding(Check::Duplicated));
    assert_eq!(verdict(&account, &busy), Verdict::Fail);
}

#[test]
fn rule_10_that_a_generator_is_saturated_is_known_where_no_time_is_judged() {
    let thresholds = [threshold("lost", "== 0")];
    let recorded = run_slow_in(&[], &thresholds);
    let mut account = account(2_000);
    let judged = |account: &Account, used: f64| {
        judge(&Measured {
            thresholds: &thresholds,
            worker_cpu: &[vec![used; 20]],
            ..measured(&recorded, account)
        })
    };
    let busy = judged(&account, 0.95);
    assert_eq!(busy.verdict, Verdict::Pass, "{busy:?}");
    assert!(busy.saturated.is_some());
    assert_eq!(judged(&account, 0.4).saturated, None);
    // The connections that it lost are its own.
    account.findings = [Check::EchoMissing, Check::ConnectionLost]
        .map(|check| Finding {
            check,
            count: 1,
            examples: Vec::new(),
        })
        .into();
    assert_eq!(judged(&account, 0.95).verdict, Verdict::Invalid);
    assert_eq!(judged(&account, 0.4).verdict, Verdict::Fail);
}

#[test]
fn rule_10_what_failed_or_was_lost_is_so_on_any_machine() {
    let limits = [("failed", "== 0"), ("lost", "== 0"), ("duplicated", "< 3")];
    for (key, condition) in limits {
        let thresholds = [
            threshold("delivery.within_5ms", ">= 99%"),
            threshold(key, condition),
        ];
        let recorded = run_slow_in(&(0..20).collect::<Vec<_>>(), &thresholds);
        let mut account = account(2_000);
        let judgement = |account: &Account| {
            judge(&Measured {
                thresholds: &thresholds,
                machine: &machine(&(0..20).collect::<Vec<_>>()),
                ..measured(&recorded, account)
            })
        };
        assert_eq!(judgement(&account).verdict, Verdict::Invalid, "{key}");
        account.totals.failed = 3;
        account.totals.lost = 3;
        account.totals.duplicated = 3;
        let missed = judgement(&account);
        assert_eq!(missed.verdict, Verdict::Fail, "{missed:?}");
        assert!(missed.reasons[0].to_string().starts_with(key), "{missed:?}");
    }
    // What was not sent, the generator did not send.
    let thresholds = [
        threshold("delivery.within_5ms", ">= 99%"),
        threshold("dropped", "== 0"),
    ];
    let recorded = run_slow_in(&(0..20).collect::<Vec<_>>(), &thresholds);
    let mut account = account(2_000);
    account.totals.dropped = 5;
    let judgement = judge(&Measured {
        thresholds: &thresholds,
        machine: &machine(&(0..20).collect::<Vec<_>>()),
        ..measured(&recorded, &account)
    });
    assert_eq!(judgement.verdict, Verdict::Invalid, "{judgement:?}");
}

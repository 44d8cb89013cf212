//! Rules 9, 10 and 14: what the machine and the generator excuse, and what they don't.

use proptest::prelude::*;

use super::*;
use crate::model::histogram;

const SECONDS: u64 = 20;
/// Samples of each metric in each second.
const EACH: u64 = 100;

fn threshold(key: &str, condition: &str) -> Threshold {
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

/// Seconds of a floor: how long all deliveries took, how late all messages were sent, whether it was disturbed.
fn floor(seconds: &[(Nanos, Nanos, bool)]) -> Vec<FloorSecond> {
    let filled = |value: Nanos| {
        let mut samples = histogram::empty();
        samples.saturating_record_n(value, EACH);
        samples
    };
    seconds
        .iter()
        .map(|&(delivery, lateness, disturbed)| FloorSecond {
            delivery: filled(delivery),
            lateness: filled(lateness),
            disturbed,
        })
        .collect()
}

fn quiet_floor() -> Vec<FloorSecond> {
    floor(&[(150_000, 50_000, false); 6])
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
fn rule_09_a_relay_that_needs_half_of_the_limit_makes_a_run_invalid() {
    let (recorded, account) = (slow_in(&(0..20).collect::<Vec<_>>()), account(2_000));
    let slow = floor(&[
        (150_000, 50_000, false),
        (150_000, 50_000, false),
        (2_600_000, 50_000, false),
    ]);
    let judgement = judge(&Measured {
        floor: &slow,
        ..measured(&recorded, &account)
    });
    assert_eq!(judgement.verdict, Verdict::Invalid, "{judgement:?}");
    assert!(
        judgement.reasons[0].to_string().contains(
            "over a bare relay, without any server, 33.33 % of deliveries took longer than 2.50 ms"
        ),
        "{judgement:?}"
    );
    assert_eq!(judgement.thresholds[0].verdict, Verdict::Invalid);
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
        floor: &floor(&[(2_600_000, 50_000, false); 3]),
        ..measured(&recorded, &account)
    });
    let verdicts: Vec<_> = judgement.thresholds.iter().map(|j| j.verdict).collect();
    assert_eq!(verdicts, [Verdict::Invalid, Verdict::Pass, Verdict::Pass]);
}

#[test]
fn rule_09_a_floor_says_as_much_as_the_threshold_leaves_over_its_limit() {
    let thresholds = [
        threshold("delivery.p50", "< 5ms"),
        threshold("delivery.within_5ms", ">= 60%"),
        threshold("delivery.within_5ms", ">= 70%"),
        threshold("delivery.p90", "< 5ms"),
        threshold("delivery.max", "< 5ms"),
    ];
    let slow = run_slow_in(&(0..20).collect::<Vec<_>>(), &thresholds);
    let (recorded, account) = (slow, account(2_000));
    // A third of its deliveries took more than half of the limit.
    let floor = floor(&[
        (150_000, 50_000, false),
        (150_000, 50_000, false),
        (2_600_000, 50_000, false),
    ]);
    let judgement = judge(&Measured {
        thresholds: &thresholds,
        floor: &floor,
        ..measured(&recorded, &account)
    });
    let verdicts: Vec<_> = judgement.thresholds.iter().map(|j| j.verdict).collect();
    let (fail, invalid) = (Verdict::Fail, Verdict::Invalid);
    assert_eq!(verdicts, [fail, fail, invalid, invalid, invalid]);
}

#[test]
fn rule_09_a_limit_that_is_kept_on_a_slow_machine_is_kept() {
    let (recorded, account) = (slow_in(&[]), account(2_000));
    let judgement = judge(&Measured {
        floor: &floor(&[(2_600_000, 50_000, false); 3]),
        ..measured(&recorded, &account)
    });
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:?}");
}

#[test]
fn rule_09_a_disturbed_second_of_the_floor_says_nothing() {
    let (recorded, account) = (slow_in(&(0..20).collect::<Vec<_>>()), account(2_000));
    for slow in [
        floor(&[(150_000, 50_000, false), (9_000_000, 50_000, true)]),
        floor(&[(9_000_000, 50_000, true); 6]),
    ] {
        let judgement = judge(&Measured {
            floor: &slow,
            ..measured(&recorded, &account)
        });
        assert_eq!(judgement.verdict, Verdict::Fail, "{judgement:?}");
    }
}

#[test]
fn rule_09_a_few_slow_deliveries_of_a_small_floor_say_nothing() {
    let (recorded, account) = (slow_in(&[]), account(2_000));
    let mut seconds = quiet_floor();
    // 9 of 609 are more than 1 %, and fewer than 10.
    seconds[0].delivery.saturating_record_n(9_000_000, 9);
    let judgement = judge(&Measured {
        floor: &seconds,
        ..measured(&recorded, &account)
    });
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:?}");
}

#[test]
fn rule_10_a_saturated_generator_makes_a_run_invalid_and_says_what_to_do() {
    let (recorded, account) = (
        run_slow_in(&(0..20).collect::<Vec<_>>(), &[]),
        account(2_000),
    );
    let workers = [vec![0.4; 20], vec![0.95; 20]];
    for floor in [Vec::new(), floor(&[(150_000, 3_000_000, false); 6])] {
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
            phases: &steady(&thresholds),
            machine: &machine(&disturbed),
            floor: &floor(&[(9_000_000, 9_000_000, true); 6]),
            worker_cpu: &[vec![0.5; 20]],
            ..measured(&recorded, &account)
        });
        prop_assert_ne!(judgement.verdict, Verdict::Fail, "{:?}", judgement);
        if 2 * disturbed.len() > 20 {
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
    account.findings = vec![finding(Check::Lost), finding(Check::ConnectionLost)];
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

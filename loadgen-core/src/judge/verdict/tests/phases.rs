//! Thresholds on phases, closed phases, and runs that a threshold ended.

use super::*;
use crate::observed::recorder::tests::{phase, threshold};

/// Two measured phases of ten seconds: the first takes 1 ms, the second 9 ms.
fn two_phases(thresholds: &[Threshold]) -> Recorded {
    let phases = [
        phase("quiet", 10, true, thresholds.to_vec()),
        phase("rush", 10, true, thresholds.to_vec()),
    ];
    let mut recorder = Recorder::new(Arc::new(Layout::new(&[], &phases)));
    recorder.begin(0);
    for index in 0..2_000 {
        let intended = index * 10_000_000;
        let rush = index >= 1_000;
        let took = if rush { 9_000_000 } else { 1_000_000 };
        recorder.record_delivery(DeliverySample {
            intended,
            received: intended + took,
            phase: u16::from(rush),
            members: 2,
        });
    }
    recorder.finish()
}

fn judged_phases<'a>(
    quiet: &'a [Threshold],
    rush: &'a [Threshold],
    [start, boundary, end]: [u64; 3],
) -> [JudgedPhase<'a>; 2] {
    let milliseconds = 1_000_000;
    let phase = |name, start: u64, end: u64, thresholds| JudgedPhase {
        name,
        start: start * milliseconds,
        end: end * milliseconds,
        measured: true,
        closed: false,
        fan_out: FanOut::default(),
        thresholds,
    };
    [
        phase("quiet", start, boundary, quiet),
        phase("rush", boundary, end, rush),
    ]
}

#[test]
fn a_phase_is_judged_by_its_own_samples_and_by_its_name() {
    let limits = [
        threshold("delivery.within_5ms", ">= 99%"),
        threshold("delivery.p99", "< 5ms"),
    ];
    let (recorded, account) = (two_phases(&limits), account(2_000));
    let judgement = judge(&Measured {
        phases: &judged_phases(&limits, &limits, [0, 10_000, 20_000]),
        ..measured(&recorded, &account)
    });
    let verdicts: Vec<_> = judgement
        .thresholds
        .iter()
        .map(|judged| (judged.threshold.as_str(), judged.verdict))
        .collect();
    assert_eq!(
        verdicts,
        [
            ("delivery.within_5ms >= 99% (phase quiet)", Verdict::Pass),
            ("delivery.p99 < 5ms (phase quiet)", Verdict::Pass),
            ("delivery.within_5ms >= 99% (phase rush)", Verdict::Fail),
            ("delivery.p99 < 5ms (phase rush)", Verdict::Fail),
        ]
    );
    assert!(judgement.thresholds[0].measured.contains("n = 1,000"));
    assert_eq!(judgement.verdict, Verdict::Fail);
}

#[test]
fn a_second_at_the_edge_of_a_phase_is_no_second_of_it() {
    let limits = [threshold("delivery.within_5ms", ">= 99%")];
    let (recorded, account) = (two_phases(&limits), account(2_000));
    // Seconds 0 to 10 by the clock, and only 1 to 9 wholly inside.
    let judgement = judge(&Measured {
        phases: &judged_phases(&limits, &[], [500, 10_500, 20_000]),
        ..measured(&recorded, &account)
    });
    assert_eq!(judgement.thresholds[0].verdict, Verdict::Inconclusive);
    assert!(
        judgement.thresholds[0].measured.contains("900 samples"),
        "{judgement:?}"
    );
    let judgement = judge(&Measured {
        phases: &judged_phases(&limits, &[], [500, 1_200, 20_000]),
        ..measured(&recorded, &account)
    });
    assert!(
        judgement.reasons[0]
            .to_string()
            .contains("no whole second of the schedule lies in it"),
        "{judgement:?}"
    );
}

#[test]
fn rule_10_a_phase_that_others_had_the_machine_in_is_invalid_by_itself() {
    let limits = [threshold("delivery.p50", "< 5ms")];
    let (recorded, account) = (two_phases(&limits), account(2_000));
    let judgement = judge(&Measured {
        phases: &judged_phases(&limits, &limits, [0, 10_000, 20_000]),
        machine: &machine(&[10, 11, 12, 13, 14, 15]),
        ..measured(&recorded, &account)
    });
    assert_eq!(judgement.verdict, Verdict::Invalid, "{judgement:?}");
    let reason = judgement.reasons[1].to_string();
    assert!(
        reason.contains(
            "(phase rush): 9.00 ms (n = 1,000, over all 10 seconds, 6 of them disturbed)"
        ) && reason.ends_with("6 of 10 seconds were disturbed, and too few are left to judge by"),
        "{judgement:?}"
    );
    assert_eq!(judgement.thresholds[0].verdict, Verdict::Pass);
}

#[test]
fn rule_12_a_count_that_nobody_made_by_phase_never_passes() {
    let limits = [threshold("lost", "== 0")];
    let (recorded, mut account) = (two_phases(&limits), account(2_000));
    let phases = judged_phases(&limits, &[], [0, 10_000, 20_000]);
    let judged = |account: &Account| {
        judge(&Measured {
            phases: &phases,
            ..measured(&recorded, account)
        })
        .verdict
    };
    assert_eq!(judged(&account), Verdict::Inconclusive);
    account.phases = vec![account.totals.clone(); 2];
    assert_eq!(judged(&account), Verdict::Pass);
    account.phases[0].lost = 1;
    assert_eq!(judged(&account), Verdict::Fail);
}

#[test]
fn a_lost_delivery_is_over_the_limit_of_its_own_phase() {
    let limits = [threshold("delivery.within_5ms", ">= 99%")];
    let (recorded, mut account) = (two_phases(&limits), account(2_000));
    account.phases = vec![account.totals.clone(); 2];
    account.phases[0].lost = 100;
    account.missing.deliveries_in = vec![10; 10];
    let judgement = judge(&Measured {
        phases: &judged_phases(&limits, &[], [0, 10_000, 20_000]),
        ..measured(&recorded, &account)
    });
    assert_eq!(
        judgement.thresholds[0].verdict,
        Verdict::Fail,
        "{judgement:?}"
    );
}

#[test]
fn a_phase_in_which_everything_was_lost_is_over_its_limit() {
    let limits = [threshold("delivery.within_5ms", ">= 99%")];
    let phases = [
        phase("quiet", 10, true, limits.to_vec()),
        phase("rush", 10, true, Vec::new()),
    ];
    let mut recorder = Recorder::new(Arc::new(Layout::new(&[], &phases)));
    recorder.begin(0);
    let (recorded, mut account) = (recorder.finish(), account(2_000));
    account.phases = vec![account.totals.clone(); 2];
    account.phases[0].lost = 1_000;
    account.missing.deliveries_in = vec![100; 10];
    let judgement = judge(&Measured {
        phases: &judged_phases(&limits, &[], [0, 10_000, 20_000]),
        ..measured(&recorded, &account)
    });
    let judged = &judgement.thresholds[0];
    assert_eq!(judged.verdict, Verdict::Fail, "{judgement:?}");
    let measured = &judged.measured;
    assert!(
        measured.starts_with("0.00 % (n = 1,000, 1,000 of them lost): spread evenly"),
        "{measured}"
    );
}

#[test]
fn rule_01_a_closed_phase_has_service_times_and_says_so() {
    let limits = [
        threshold("delivery.p50", "< 5ms"),
        threshold("delivery.within_5ms", ">= 99%"),
        threshold("lost", "== 0"),
    ];
    let (recorded, account) = (two_phases(&limits), account(2_000));
    let mut phases = judged_phases(&limits, &[], [0, 10_000, 20_000]);
    let texts = |phases: &[JudgedPhase<'_>]| -> Vec<String> {
        let judgement = judge(&Measured {
            thresholds: &limits,
            phases,
            ..measured(&recorded, &account)
        });
        let judged = judgement.thresholds.into_iter();
        judged.map(|judged| judged.measured).collect()
    };
    assert!(
        texts(&phases)
            .iter()
            .all(|text| !text.contains("service time"))
    );
    phases[0].closed = true;
    let mixed = texts(&phases);
    assert!(mixed[0].contains("partly service times"), "{mixed:?}");
    assert!(mixed[1].contains("partly of service times"), "{mixed:?}");
    assert!(
        mixed[3].contains("1.00 ms service time (n = 1,000)"),
        "{mixed:?}"
    );
    assert!(mixed[4].contains("100 % of service times"), "{mixed:?}");
    phases[1].closed = true;
    let closed = texts(&phases);
    assert!(
        closed[0].contains("ms service time (n = 2,000)"),
        "{closed:?}"
    );
    assert!(!closed[2].contains("service"), "{closed:?}");
}

#[test]
fn rule_14_a_run_that_a_threshold_ended_fails_for_that_reason() {
    let why = "aborted after 3 s: delivery.p99 < 5ms: 9.00 ms (n = 1,200)";
    let (recorded, account) = (recorded(vec![1_000_000; 2_000]), account(2_000));
    let judgement = judge(&Measured {
        incomplete: Some(why),
        aborted: Some(why),
        ..measured(&recorded, &account)
    });
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(judgement.reasons, [Reason::Aborted(why.to_owned())]);
}

#[test]
fn without_any_threshold_the_promise_is_judged_and_with_one_on_a_phase_it_is_not() {
    let limits = [threshold("delivery.p50", "< 5ms")];
    let (recorded, account) = (two_phases(&limits), account(2_000));
    let judged = |phases: &[JudgedPhase<'_>]| -> Vec<String> {
        let result = Measured {
            phases,
            ..measured(&recorded, &account)
        };
        let judged = judge(&result).thresholds.into_iter();
        judged.map(|judged| judged.threshold).collect()
    };
    let bounds = [0, 10_000, 20_000];
    assert_eq!(
        judged(&judged_phases(&[], &[], bounds)),
        ["delivery.within_5ms >= 99%"]
    );
    assert_eq!(
        judged(&judged_phases(&limits, &[], bounds)),
        ["delivery.p50 < 5ms (phase quiet)"]
    );
}

#[test]
fn what_a_fault_kept_from_being_saved_excuses_no_other_phase() {
    let allowed = [threshold("failed", "<= 1")];
    let (recorded, mut account) = (two_phases(&[]), account(2_000));
    account.phases = vec![account.totals.clone(); 2];
    account.failed_by_fault = 3;
    account.totals.failed = 4;
    (account.phases[0].failed, account.phases[1].failed) = (1, 3);
    let judged = |account: &Account| {
        let judgement = judge(&Measured {
            tells: true,
            phases: &judged_phases(&allowed, &[], [0, 10_000, 20_000]),
            ..measured(&recorded, account)
        });
        let shown = judgement.thresholds.iter();
        let shown = shown.map(|one| (one.threshold.clone(), one.verdict));
        shown.collect::<Vec<_>>()
    };
    let quiet = || ("failed <= 1 (phase quiet)".to_owned(), Verdict::Pass);
    let rush = || ("failed == 0 (phase rush)".to_owned(), Verdict::Fail);
    // All of the second phase, or one less.
    account.phases_by_fault = vec![0, 3];
    assert_eq!(judged(&account), [quiet()]);
    account.phases_by_fault = vec![1, 2];
    assert_eq!(judged(&account), [quiet(), rush()]);
    // Where nobody counted by phase, what the whole run says holds for each.
    account.phases_by_fault = Vec::new();
    assert_eq!(judged(&account), [quiet(), rush()]);
    account.failed_by_fault = 4;
    assert_eq!(judged(&account), [quiet()]);
}

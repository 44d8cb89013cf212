//! Runs in which something broke: what is judged inside, after and outside of it, and what makes it say nothing.

use super::*;

const MS: Nanos = 1_000_000;

/// Twenty seconds with a hundred deliveries each, those of seconds 8 to 10 slow.
fn run() -> Recorded {
    recorded((0..2_000).map(|message| match message / 100 {
        8..=10 => 500 * MS,
        _ => MS + message % 100,
    }))
}

/// The same for these limits, each second as slow as that.
fn run_for(limits: &[Threshold], took: impl Fn(u64) -> Nanos) -> Recorded {
    let mut recorder = Recorder::new(Arc::new(Layout::new(limits, &[])));
    recorder.begin(0);
    for message in 0..2_000 {
        let intended = message * 10 * MS;
        recorder.record_delivery(DeliverySample {
            intended,
            received: intended + took(message / 100),
            phase: 0,
            members: 2,
        });
    }
    recorder.finish()
}

/// On from 8 s to 9.5 s.
fn bitten() -> FaultSeen {
    FaultSeen {
        name: "slow".to_owned(),
        start: Some(8 * WINDOW),
        end: Some(9 * WINDOW + WINDOW / 2),
        proof: Some("saves were slow".to_owned()),
        trouble: None,
    }
}

fn threshold(key: &str, fault: Option<&str>, condition: &str) -> Threshold {
    let subject = match key.strip_suffix(".recovery") {
        Some(_) => Subject::Recovery(crate::model::Metric::Delivery),
        None => parse_subject(key).unwrap(),
    };
    Threshold {
        fault: fault.map(str::to_owned),
        ..parse_condition(subject, condition).unwrap()
    }
}

fn judged(thresholds: &[Threshold], fault: FaultSeen) -> Judgement {
    let (recorded, account) = (run(), account(2_000));
    judge(&Measured {
        thresholds,
        faults: &[fault],
        ..measured(&recorded, &account)
    })
}

#[test]
fn the_three_parts_are_judged_by_themselves() {
    let thresholds = [
        threshold("delivery.max", Some("slow"), "> 400ms"),
        threshold("delivery.max", None, "< 5ms"),
        threshold("delivery.recovery", Some("slow"), "< 2s"),
        threshold("delivery.recovery", Some("slow"), "< 1s"),
    ];
    let judgement = judged(&thresholds, bitten());
    let told: Vec<(String, Verdict)> = judgement
        .thresholds
        .iter()
        .map(|one| (one.threshold.clone(), one.verdict))
        .collect();
    assert_eq!(
        told[..4],
        [
            ("delivery.max@slow > 400ms".to_owned(), Verdict::Pass),
            (
                "delivery.max < 5ms (outside the faults)".to_owned(),
                Verdict::Pass
            ),
            ("delivery.recovery@slow < 2s".to_owned(), Verdict::Pass),
            ("delivery.recovery@slow < 1s".to_owned(), Verdict::Fail),
        ],
        "{judgement:?}"
    );
    let took = judgement.thresholds[2].numbers.as_ref().unwrap().value;
    assert_eq!(took, Some(1.5e9));
}

#[test]
fn rule_10_what_disturbed_seconds_hide_of_a_recovery_is_no_failure() {
    // Slow until 11 s after the start, of which the fault has what is before 9.5 s.
    let late = |disturbed: &[usize], condition: &str| {
        let (recorded, account) = (run(), account(2_000));
        let judgement = judge(&Measured {
            thresholds: &[threshold("delivery.recovery", Some("slow"), condition)],
            faults: &[bitten()],
            machine: &machine(disturbed),
            ..measured(&recorded, &account)
        });
        let one = judgement.thresholds[0].clone();
        (one.verdict, one.measured)
    };
    let (verdict, measured) = late(&[10], "< 1s");
    assert_eq!(verdict, Verdict::Invalid);
    assert_eq!(
        measured,
        "back at once or up to 1.50 s after its end; 1 of the seconds after it were disturbed, and too few are left to \
         judge by"
    );
    let (verdict, measured) = late(&[10], "< 2s");
    assert_eq!(verdict, Verdict::Pass);
    assert_eq!(
        measured,
        "back 1.50 s after its end, 1 of the seconds after it left out as disturbed"
    );
    assert_eq!(late(&[10], "< 400ms").0, Verdict::Invalid);
    assert_eq!(late(&[12], "< 1s").0, Verdict::Fail);
}

#[test]
fn a_recovery_within_the_second_in_which_a_fault_ends_is_no_failure() {
    // As usual from 11 s on, and over just after 10 s.
    let late = |condition: &str, rules: Rules| {
        let (recorded, account) = (run(), account(2_000));
        let judgement = judge(&Measured {
            thresholds: &[threshold("delivery.recovery", Some("slow"), condition)],
            faults: &[FaultSeen {
                end: Some(10 * WINDOW + 20 * MS),
                ..bitten()
            }],
            rules,
            ..measured(&recorded, &account)
        });
        let one = judgement.thresholds[0].clone();
        (one.verdict, one.measured)
    };
    let (verdict, measured) = late("< 500ms", Rules::NOW);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert_eq!(
        measured,
        "back at once or up to 980 ms after its end: when, is known to the second alone"
    );
    let back = "back 980 ms after its end".to_owned();
    assert_eq!(late("< 1s", Rules::NOW), (Verdict::Pass, back.clone()));
    // What was judged so says so for ever.
    assert_eq!(late("< 500ms", Rules::default()), (Verdict::Fail, back));
}

#[test]
fn rule_10_what_is_told_of_a_disturbed_fault_and_its_numbers_are_of_the_same_seconds() {
    let limits = [
        threshold("delivery.p50", Some("slow"), "< 5ms"),
        threshold("delivery.mean", Some("slow"), "< 5ms"),
        threshold("delivery.within_5ms", Some("slow"), ">= 90%"),
        threshold("delivery.within_5ms", Some("slow"), ">= 99%"),
        threshold("delivery.p99.9", Some("slow"), "< 5ms"),
    ];
    // Inside of it 100 ms in the disturbed second, and 500 ms in the one that is left.
    let recorded = run_for(&limits, |second| match second {
        8 => 100 * MS,
        9 => 500 * MS,
        _ => MS,
    });
    let account = account(2_000);
    let judgement = judge(&Measured {
        thresholds: &limits,
        faults: &[bitten()],
        machine: &machine(&[8]),
        ..measured(&recorded, &account)
    });
    let told = |at: usize| {
        let one = &judgement.thresholds[at];
        let numbers = one.numbers.as_ref().unwrap();
        let expected = [Verdict::Invalid, Verdict::Inconclusive][at / 3];
        assert_eq!(one.verdict, expected, "{one:?}");
        assert_eq!((one.left_out, numbers.n), (Some(0), 200), "{one:?}");
        (one.measured.clone(), numbers.value)
    };
    let (words, median) = told(0);
    assert!(words.starts_with("100 ms (n = 200"), "{words}");
    assert!(
        median.is_some_and(|median| (99e6..101e6).contains(&median)),
        "{median:?}"
    );
    let (words, mean) = told(1);
    assert!(words.starts_with("300 ms (n = 200"), "{words}");
    assert!(
        mean.is_some_and(|mean| (299e6..301e6).contains(&mean)),
        "{mean:?}"
    );
    let (words, share) = told(2);
    assert!(words.starts_with("0.00 % (n = 200"), "{words}");
    assert_eq!(share, Some(0.0));
    assert_eq!(told(3), ("200 samples, needs 1,000".to_owned(), None));
    assert_eq!(told(4), ("200 samples, needs 10,000".to_owned(), None));
}

#[test]
fn rule_13_a_percentile_inside_of_a_fault_counts_what_never_came() {
    let limits = [
        threshold("delivery.p50", Some("slow"), "< 5s"),
        threshold("delivery.max", Some("slow"), "< 5s"),
    ];
    let recorded = run_for(&limits, |second| match second {
        8..=10 => 500 * MS,
        _ => MS,
    });
    let mut account = account(2_000);
    // Of the 200 that came inside, none took over 500 ms.
    let lost = |seconds: [u64; 2], account: &mut Account| {
        let mut deliveries = vec![0; 20];
        deliveries[8..10].copy_from_slice(&seconds);
        account.missing.deliveries_in = deliveries;
    };
    let mut told = |seconds| {
        lost(seconds, &mut account);
        let judgement = judge(&Measured {
            thresholds: &limits,
            faults: &[bitten()],
            ..measured(&recorded, &account)
        });
        judgement.thresholds[..2]
            .iter()
            .map(|one| (one.measured.clone(), one.numbers.clone().unwrap()))
            .collect::<Vec<_>>()
    };
    let all_came = told([0, 0]);
    assert!(all_came[1].1.value.is_some(), "{all_came:?}");
    let some = told([30, 70]);
    assert!(some[0].1.value.is_some(), "{some:?}");
    let (words, numbers) = &some[1];
    assert_eq!(words, "never (n = 300, 100 of them lost)");
    assert_eq!((numbers.value, numbers.n), (None, 300));
    let (words, numbers) = &told([200, 100])[0];
    assert!(
        words.starts_with("never (n = 500, 300 of them lost"),
        "{words}"
    );
    assert_eq!((numbers.value, numbers.n), (None, 500));
}

#[test]
fn a_fault_that_did_not_bite_makes_the_run_invalid() {
    let thresholds = [threshold("delivery.max", None, "< 5ms")];
    for (fault, why) in [
        (
            FaultSeen {
                proof: None,
                ..bitten()
            },
            "nothing shows that it had any effect",
        ),
        (FaultSeen::of("slow"), "it was never brought about"),
        (
            FaultSeen {
                trouble: Some("the container is gone".to_owned()),
                ..bitten()
            },
            "the container is gone",
        ),
    ] {
        let judgement = judged(&thresholds, fault);
        assert_eq!(judgement.verdict, Verdict::Invalid);
        let reason = judgement.reasons[0].to_string();
        assert_eq!(
            reason,
            format!("nothing was found out about the fault \"slow\": {why}")
        );
    }
}

#[test]
fn what_waits_for_a_fault_that_did_not_bite_is_no_failure_of_the_server() {
    let void = || FaultSeen {
        proof: None,
        ..bitten()
    };
    // Nothing failed, as the fault would have had it.
    for condition in [">= 1", "> 0", "== 3"] {
        let judgement = judged(&[threshold("failed", None, condition)], void());
        assert_eq!(judgement.verdict, Verdict::Invalid, "{condition}");
        let judgement = judged(&[threshold("failed", None, condition)], bitten());
        assert_eq!(judgement.verdict, Verdict::Fail, "{condition}");
    }
    // What failed though nothing was broken is the server's own.
    let (recorded, mut account) = (run(), account(2_000));
    account.totals.failed = 1;
    let judgement = judge(&Measured {
        thresholds: &[threshold("failed", None, "== 0")],
        faults: &[void()],
        ..measured(&recorded, &account)
    });
    assert_eq!(judgement.verdict, Verdict::Fail);
}

#[test]
fn limits_on_a_phase_leave_out_what_faults_touched_in_it() {
    let limits = [threshold("delivery.max", None, "< 5ms")];
    let recorded = run_for(&limits, |second| match second {
        8..=10 => 500 * MS,
        _ => MS,
    });
    let account = account(2_000);
    let told = |start: Nanos, rules: Rules, machine: &[MachineSecond]| {
        let phase = JudgedPhase {
            name: "steady",
            start,
            end: 20 * WINDOW,
            measured: true,
            closed: false,
            fan_out: FanOut::default(),
            thresholds: &limits,
        };
        let judgement = judge(&Measured {
            phases: &[phase],
            faults: &[bitten()],
            machine,
            rules,
            ..measured(&recorded, &account)
        });
        let one = judgement.thresholds[0].clone();
        (one.threshold, one.verdict, one.numbers.unwrap().n)
    };
    let outside = "delivery.max < 5ms (phase steady) (outside the faults)".to_owned();
    // Inside are the seconds 8 and 9, and the recovery has the 10th.
    assert_eq!(
        told(0, Rules::NOW, &[]),
        (outside.clone(), Verdict::Pass, 1_700)
    );
    assert_eq!(
        told(0, Rules::NOW, &machine(&[3])),
        (outside, Verdict::Pass, 1_700)
    );
    // A phase that begins after it is judged by all that came in it, as ever.
    let after = "delivery.max < 5ms (phase steady)".to_owned();
    assert_eq!(told(11 * WINDOW, Rules::NOW, &[]).0, after);
    let before = told(0, Rules::default(), &[]);
    assert_eq!(before.0, after);
    assert_ne!(before.1, Verdict::Pass);
}

/// Of two thousand messages some failed, `by_fault` of them for a fault that was planned from 8 s to 9 s.
fn failing(failed: u64, by_fault: u64, damage: Damage, end: Nanos) -> Judgement {
    let (recorded, mut account) = (run(), account(2_000));
    account.totals.failed = failed;
    account.failed_by_fault = by_fault;
    judge(&Measured {
        thresholds: &[threshold("failed", None, "== 0")],
        faults: &[FaultSeen {
            end: Some(end),
            ..bitten()
        }],
        planned: &[PlannedFault {
            name: "slow".to_owned(),
            start: 8 * WINDOW,
            end: 9 * WINDOW,
            damage,
        }],
        ..measured(&recorded, &account)
    })
}

#[test]
fn what_failed_for_a_fault_of_the_store_that_overran_its_plan_is_not_held_against_the_server() {
    let store = Damage::Store(StoreDamage::Stepdown);
    let judgement = failing(5, 5, store, 11 * WINDOW);
    assert_eq!(judgement.verdict, Verdict::Invalid, "{judgement:?}");
    assert_eq!(
        judgement.thresholds[0].measured,
        "5; the fault slow lasted 3.00 s, and 1.00 s were planned"
    );
    let fail = |failed, by_fault, damage, end| {
        let judgement = failing(failed, by_fault, damage, end);
        assert_eq!(judgement.verdict, Verdict::Fail, "{judgement:?}");
    };
    // Some that failed without it; a fault that went as planned; a server that took so long to come back.
    fail(5, 4, store, 11 * WINDOW);
    fail(5, 5, store, 9 * WINDOW + WINDOW / 2);
    let kill = Damage::Server(ServerDamage::Kill);
    fail(5, 5, kill, 11 * WINDOW);
    // Beside another fault nobody knows for which of them a message failed.
    let seen = |end| FaultSeen {
        end: Some(end),
        ..bitten()
    };
    let planned = |damage| PlannedFault {
        name: "slow".to_owned(),
        start: 8 * WINDOW,
        end: 9 * WINDOW,
        damage,
    };
    let all = |other, end| {
        let seen = [seen(11 * WINDOW), seen(end)];
        Overran::all(&[planned(store), planned(other)], &seen).len()
    };
    assert_eq!(all(store, 11 * WINDOW), 2);
    assert_eq!(all(kill, 11 * WINDOW) + all(store, 9 * WINDOW), 0);
}

//! Rule 10: what was missed while users connected is held against the seconds of connecting alone.

use super::{validity::threshold, *};
use crate::model::Metric;

/// Two thousand connects and joins before the schedule, of each the twentieth in 9 ms.
fn connected(thresholds: &[Threshold]) -> Recorded {
    connected_and_back(thresholds, &[])
}

/// And so many more in 100 ms in mid-run, in these seconds of it.
fn connected_and_back(thresholds: &[Threshold], seconds: &[Nanos]) -> Recorded {
    let mut recorder = Recorder::new(Arc::new(Layout::new(thresholds, &[])));
    for index in 0..2_000_u64 {
        let took = if index % 20 == 0 {
            9_000_000
        } else {
            1_000_000
        };
        for metric in [Metric::Connect, Metric::Join] {
            recorder.record(metric, 0, took);
        }
    }
    recorder.begin(1_000_000_000);
    for second in seconds {
        let start = (second + 1) * 1_000_000_000;
        for metric in [Metric::Connect, Metric::Join] {
            recorder.record(metric, start, start + 100_000_000);
        }
    }
    for index in 0..2_000 {
        let intended = 1_000_000_000 + index * 10_000_000;
        recorder.record_delivery(DeliverySample {
            intended,
            received: intended + 1_000_000,
            phase: 0,
            members: 2,
        });
    }
    recorder.finish()
}

#[test]
fn rule_10_connects_are_held_against_the_seconds_of_connecting() {
    let missed = [
        ("connect.p99", "< 5ms"),
        ("connect.within_5ms", ">= 99%"),
        ("connect.max", "< 5ms"),
        ("join.p99", "< 5ms"),
        ("join.mean", "< 1ms"),
    ];
    let calm = MachineSecond::default();
    let bad = MachineSecond {
        throttled: 0.5,
        ..calm
    }
    .weighed();
    for (key, condition) in missed {
        let thresholds = [threshold(key, condition)];
        let (recorded, account) = (connected(&thresholds), account(2_000));
        let verdict = |connecting: &[MachineSecond], disturbed: &[usize]| {
            let judgement = judge(&Measured {
                thresholds: &thresholds,
                connecting,
                machine: &machine(disturbed),
                ..measured(&recorded, &account)
            });
            (judgement.verdict, judgement.reasons[0].to_string())
        };
        // Nobody disturbed them, whatever disturbed the schedule afterwards.
        assert_eq!(verdict(&[calm; 3], &[]).0, Verdict::Fail, "{key}");
        assert_eq!(verdict(&[calm; 3], &[0, 1, 2]).0, Verdict::Fail, "{key}");
        assert_eq!(verdict(&[], &[]).0, Verdict::Fail, "{key}");
        // Somebody may have, or must have.
        let some = verdict(&[calm, calm, bad], &[]);
        assert_eq!(some.0, Verdict::Inconclusive, "{key}: {some:?}");
        let most = verdict(&[bad, bad, calm], &[]);
        assert_eq!(most.0, Verdict::Invalid, "{key}: {most:?}");
        let told = "2 of 3 seconds of connecting were disturbed (in 2 the control group's";
        assert!(most.1.starts_with(told), "{key}: {most:?}");
    }
    // What was kept was kept.
    let thresholds = [threshold("connect.p99", "< 10ms")];
    let (recorded, account) = (connected(&thresholds), account(2_000));
    let judgement = judge(&Measured {
        thresholds: &thresholds,
        connecting: &[bad],
        ..measured(&recorded, &account)
    });
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:?}");
}

#[test]
fn who_connected_before_the_schedule_did_so_outside_of_its_faults() {
    let fault = FaultSeen {
        start: Some(8_000_000_000),
        end: Some(9_500_000_000),
        proof: Some("it did".to_owned()),
        ..FaultSeen::of("f")
    };
    let judged = |key, condition, rules, disturbed: &[usize], connecting: &[MachineSecond]| {
        let thresholds = [threshold(key, condition)];
        // One comes back inside of the fault, and six outside of it.
        let recorded = connected_and_back(&thresholds, &[0, 1, 2, 3, 8, 12, 13]);
        let account = account(2_000);
        let judgement = judge(&Measured {
            thresholds: &thresholds,
            faults: std::slice::from_ref(&fault),
            machine: &machine(disturbed),
            connecting,
            rules,
            ..measured(&recorded, &account)
        });
        let one = judgement.thresholds[0].clone();
        (one.verdict, one.measured)
    };
    let calm = [MachineSecond::default(); 3];
    for (key, n) in [
        ("connect.p99", "n = 2,006"),
        ("join.within_5ms", "n = 2,006"),
        ("join.max", "n = 2,006"),
        ("connect.mean", "n = 2,006"),
    ] {
        let condition = match key {
            "join.within_5ms" => ">= 99%",
            _ => "< 1ms",
        };
        let (verdict, measured) = judged(key, condition, Rules::NOW, &[], &calm);
        assert_eq!(verdict, Verdict::Fail, "{key}: {measured}");
        assert!(measured.contains(n), "{key}: {measured}");
    }
    // What is left out of it as disturbed is a second of the schedule.
    let (verdict, measured) = judged("join.max", "< 5ms", Rules::NOW, &[12], &calm);
    assert_eq!(verdict, Verdict::Fail);
    assert!(measured.contains("100 ms (n = 2,005)"), "{measured}");
    // Whatever disturbed connecting may have disturbed these.
    let bad = [MachineSecond {
        throttled: 0.5,
        ..MachineSecond::default()
    }
    .weighed(); 3];
    let (verdict, _) = judged("connect.p99", "< 5ms", Rules::NOW, &[], &bad);
    assert_eq!(verdict, Verdict::Invalid);
    // A result of before is judged by who came back, as it was.
    let (_, measured) = judged("connect.max", "< 1ms", Rules::default(), &[], &calm);
    assert!(measured.contains("n = 6)"), "{measured}");
}

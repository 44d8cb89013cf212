//! Verdicts on small results, each decided by one thing.

mod connecting;
mod faults;
mod limits;
mod phases;
mod validity;

use std::sync::Arc;

use super::*;
use crate::{
    judge::{Check, Totals},
    observed::{
        Cause, DeliverySample, FaultSeen, Layout, Ledger, MachineSecond, Recorded, Recorder, Rules,
        WINDOW,
    },
    plan::{PlannedFault, Share},
    scenario::{Damage, ServerDamage, StoreDamage, parse_condition, parse_subject},
};

/// A hundred deliveries in a second.
fn recorded(latencies: impl IntoIterator<Item = Nanos>) -> Recorded {
    recorded_every(10_000_000, latencies)
}

fn recorded_every(spacing: Nanos, latencies: impl IntoIterator<Item = Nanos>) -> Recorded {
    let mut recorder = Recorder::new(Arc::new(Layout::new(&[], &[])));
    recorder.begin(0);
    for (index, latency) in latencies.into_iter().enumerate() {
        let intended = index as u64 * spacing;
        recorder.record_delivery(DeliverySample {
            intended,
            received: intended + latency,
            phase: 0,
            members: 2,
        });
    }
    recorder.finish()
}

fn account(n: u64) -> Account {
    Account {
        totals: Totals {
            scheduled: n,
            sent: n,
            expected: n,
            delivered: n,
            ..Totals::default()
        },
        ..Account::default()
    }
}

/// A run, with no more than a test says of it.
struct Measured<'a> {
    recorded: &'a Recorded,
    account: &'a Account,
    incomplete: Option<&'a str>,
    aborted: Option<&'a str>,
    thresholds: &'a [Threshold],
    phases: &'a [JudgedPhase<'a>],
    machine: &'a [MachineSecond],
    connecting: &'a [MachineSecond],
    floor: &'a [FloorSecond],
    worker_cpu: &'a [Vec<f64>],
    audit_failed: bool,
    faults: &'a [FaultSeen],
    /// The same as they were planned.
    planned: &'a [PlannedFault],
    /// Whether the server says what it could not save.
    tells: bool,
    rules: Rules,
}

fn judge(measured: &Measured<'_>) -> Judgement {
    let ended = match (measured.aborted, measured.incomplete) {
        (Some(why), _) => Some(Ended::Aborted(why.to_owned())),
        (None, Some(why)) => Some(Ended::Died(why.to_owned())),
        (None, None) => None,
    };
    let shares = Share::WHOLE.split(measured.worker_cpu.len().max(1));
    let threads = shares.map(|share| share.thread());
    let observed = Observed {
        rules: measured.rules,
        threads: threads.zip(measured.worker_cpu.iter().cloned()).collect(),
        machine: measured.machine.to_vec(),
        connecting: measured.connecting.to_vec(),
        faults: measured.faults.to_vec(),
        ended,
        stored: match measured.audit_failed {
            true => Lookup::Failed,
            false => Lookup::NotAsked,
        },
        ..Observed::of(measured.recorded.clone(), Arc::new(Ledger::new(0, 0)))
    };
    decide(&Trial {
        thresholds: measured.thresholds,
        phases: measured.phases.to_vec(),
        tells: measured.tells,
        observed: &observed,
        account: measured.account,
        floor: measured.floor.to_vec(),
        parts: Parts::of(&observed, &measured.account.missing, 20 * WINDOW).with_phases(
            &observed,
            &measured
                .phases
                .iter()
                .map(|phase| (phase.start, phase.end))
                .collect::<Vec<_>>(),
        ),
        overran: Overran::all(measured.planned, measured.faults),
    })
}

/// A run of which nothing else is known.
fn measured<'a>(recorded: &'a Recorded, account: &'a Account) -> Measured<'a> {
    Measured {
        recorded,
        account,
        incomplete: None,
        aborted: None,
        thresholds: &[],
        phases: &[],
        machine: &[],
        connecting: &[],
        floor: &[],
        worker_cpu: &[],
        audit_failed: false,
        faults: &[],
        planned: &[],
        tells: false,
        rules: Rules::NOW,
    }
}

fn judged(
    recorded: &Recorded,
    account: &Account,
    incomplete: Option<&str>,
    thresholds: &[(&str, &str)],
) -> Judgement {
    let thresholds: Vec<Threshold> = thresholds
        .iter()
        .map(|(key, condition)| parse_condition(parse_subject(key).unwrap(), condition).unwrap())
        .collect();
    judge(&Measured {
        incomplete,
        thresholds: &thresholds,
        ..measured(recorded, account)
    })
}

#[test]
fn rule_14_fast_and_complete_passes_and_says_by_what() {
    let judgement = judged(
        &recorded(vec![1_000_000; 2_000]),
        &account(2_000),
        None,
        &[],
    );
    assert_eq!(judgement.verdict, Verdict::Pass);
    assert!(
        judgement.reasons[0]
            .to_string()
            .starts_with("delivery.within_5ms >= 99%: 100 %"),
        "{judgement:?}"
    );
}

#[test]
fn rule_14_two_in_a_hundred_over_the_limit_fail() {
    let latencies = (0..5_000).map(|i| if i % 50 == 0 { 9_000_000 } else { 1_000_000 });
    let judgement = judged(&recorded(latencies), &account(5_000), None, &[]);
    assert_eq!(judgement.verdict, Verdict::Fail);
}

#[test]
fn rule_14_a_share_whose_interval_holds_the_limit_is_inconclusive() {
    // One bad second of a hundred deliveries among twenty: 1 % over in all.
    let latencies = (0..2_000).map(|i| {
        if (700..720).contains(&i) {
            9_000_000
        } else {
            1_000_000
        }
    });
    let judgement = judged(&recorded(latencies), &account(2_000), None, &[]);
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
}

#[test]
fn rule_08_an_interval_is_not_drawn_from_a_handful_of_seconds() {
    let verdict = |seconds: usize, latency| {
        let n = 1_000 * seconds;
        let recorded = recorded_every(1_000_000, vec![latency; n]);
        let judgement = judged(&recorded, &account(n as u64), None, &[]);
        (judgement.verdict, judgement.reasons[0].to_string())
    };
    let (four, reason) = verdict(4, 1_000_000);
    assert_eq!(four, Verdict::Inconclusive);
    assert!(
        reason.contains("100 % (n = 4,000): 4 seconds, needs 5 of them to pass"),
        "{reason}"
    );
    // What was missed was missed, however short the run.
    assert_eq!(verdict(4, 9_000_000).0, Verdict::Fail);
    assert_eq!(verdict(5, 1_000_000).0, Verdict::Pass);
    assert_eq!(verdict(5, 9_000_000).0, Verdict::Fail);
}

#[test]
fn what_failed_is_a_broken_promise_where_no_threshold_says_how_much_may() {
    let recorded = recorded(vec![1_000_000; 2_000]);
    let mut account = account(2_000);
    account.totals.failed = 7;
    let allowed = [parse_condition(parse_subject("failed").unwrap(), "<= 7").unwrap()];
    for (tells, thresholds, verdict) in [
        (true, &[][..], Verdict::Fail),
        (true, &allowed[..], Verdict::Pass),
        (false, &[][..], Verdict::Pass),
    ] {
        let judgement = judge(&Measured {
            tells,
            thresholds,
            ..measured(&recorded, &account)
        });
        assert_eq!(judgement.verdict, verdict, "{judgement:?}");
    }
}

#[test]
fn rule_12_no_data_never_passes() {
    let judgement = judged(&recorded([]), &account(0), None, &[]);
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    let judgement = judged(&recorded([]), &account(0), None, &[("lost", "== 0")]);
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    let judgement = judged(
        &recorded(vec![1_000; 999]),
        &account(999),
        None,
        &[("delivery.p99", "< 5ms")],
    );
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    assert!(
        judgement.reasons[0]
            .to_string()
            .contains("999 samples, needs 1,000"),
        "{judgement:?}"
    );
}

#[test]
fn rule_13_lost_deliveries_are_over_the_limit() {
    let mut account = account(2_000);
    account.totals.lost = 200;
    account.missing.deliveries_in = vec![10; 20];
    let judgement = judged(&recorded(vec![1_000_000; 2_000]), &account, None, &[]);
    assert_eq!(judgement.verdict, Verdict::Fail);
}

#[test]
fn rule_13_a_broken_promise_fails_however_fast() {
    let mut account = account(2_000);
    account.findings.push(Finding {
        check: Check::ConfirmedNotStored,
        count: 1,
        examples: Vec::new(),
    });
    let judgement = judged(&recorded(vec![1_000_000; 2_000]), &account, None, &[]);
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(
        judgement.reasons[0].to_string(),
        "confirmed and not stored: 1"
    );
    assert_eq!(judgement.reasons.len(), 1);
}

#[test]
fn rule_03_an_impossible_sample_makes_a_run_invalid_and_not_failed() {
    let mut recorded = recorded(vec![9_000_000; 2_000]);
    recorded.negative = 1;
    let judgement = judged(&recorded, &account(2_000), None, &[]);
    assert_eq!(judgement.verdict, Verdict::Invalid);
}

#[test]
fn rule_14_an_incomplete_run_never_passes() {
    let judgement = judged(
        &recorded(vec![1_000_000; 2_000]),
        &account(2_000),
        Some("interrupted"),
        &[],
    );
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    assert!(judgement.reasons[0].to_string().contains("interrupted"));
}

/// Twenty seconds, of which the listed ones were disturbed.
fn machine(disturbed: &[usize]) -> Vec<MachineSecond> {
    (0..20)
        .map(|second| MachineSecond {
            disturbed: disturbed.contains(&second),
            cause: disturbed.contains(&second).then_some(Cause::Waited),
            ..MachineSecond::default()
        })
        .collect()
}

fn judged_on(machine: &[MachineSecond], recorded: &Recorded, account: &Account) -> Judgement {
    judge(&Measured {
        machine,
        ..measured(recorded, account)
    })
}

/// 2,000 deliveries in 20 seconds; all of the listed seconds' are slow.
fn slow_in(seconds: &[u64]) -> Recorded {
    recorded((0..2_000).map(|i| {
        if seconds.contains(&(i / 100)) {
            9_000_000
        } else {
            1_000_000
        }
    }))
}

#[test]
fn rule_10_a_disturbed_second_is_left_out_and_told() {
    let recorded = slow_in(&[4]);
    let judgement = judged_on(&machine(&[4]), &recorded, &account(2_000));
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:?}");
    assert!(
        judgement.reasons[0]
            .to_string()
            .contains("1 of 20 seconds left out as disturbed; 95.00 % with them"),
        "{judgement:?}"
    );
}

#[test]
fn rule_10_a_slow_second_without_outside_evidence_stays_charged() {
    let recorded = slow_in(&[3, 4, 5, 6, 7, 8]);
    let judgement = judged_on(&machine(&[9]), &recorded, &account(2_000));
    assert_eq!(judgement.verdict, Verdict::Fail, "{judgement:?}");
}

#[test]
fn rule_10_a_machine_that_was_taken_most_of_the_time_makes_a_run_invalid() {
    let recorded = slow_in(&(0..20).collect::<Vec<_>>());
    let judgement = judged_on(
        &machine(&(0..11).collect::<Vec<_>>()),
        &recorded,
        &account(2_000),
    );
    assert_eq!(judgement.verdict, Verdict::Invalid, "{judgement:?}");
    assert_eq!(
        judgement.reasons[0].to_string(),
        "11 of 20 seconds were disturbed (in 11 other processes had the processors that the run waited for): these numbers say \
         nothing about the server; run it where nothing else runs, or judge every second with --no-machine-check"
    );
    assert_eq!(
        judgement.reasons[0].told_of_the_machine(),
        "11 of 20 seconds were disturbed (in 11 other processes had the processors that the run waited for)"
    );
}

#[test]
fn rule_10_a_limit_that_all_seconds_keep_is_kept_however_disturbed_they_were() {
    let recorded = slow_in(&[]);
    let judgement = judged_on(
        &machine(&(0..20).collect::<Vec<_>>()),
        &recorded,
        &account(2_000),
    );
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:?}");
    assert!(
        judgement.reasons[0].to_string().starts_with(
            "delivery.within_5ms >= 99%: 100 % (n = 2,000, over all 20 seconds, 20 of them disturbed); 95 % sure: "
        ),
        "{judgement:?}"
    );
    assert_eq!(judgement.thresholds[0].left_out, Some(0));
    // What was missed in one second is not certain to be the server's, and not certain to be the machine's.
    let judgement = judged_on(
        &machine(&(0..17).collect::<Vec<_>>()),
        &slow_in(&[18]),
        &account(2_000),
    );
    assert_eq!(judgement.verdict, Verdict::Invalid, "{judgement:?}");
    // The numbers are of what the words tell, which is all seconds.
    let judged = &judgement.thresholds[0];
    assert_eq!(judged.left_out, Some(0));
    assert!(
        judged
            .measured
            .starts_with("95.00 % (n = 2,000, over all 20 seconds"),
        "{judged:?}"
    );
    let numbers = judged.numbers.as_ref().unwrap();
    assert_eq!((numbers.value, numbers.n), (Some(0.95), 2_000));
}

#[test]
fn rule_10_a_count_minds_no_busy_machine() {
    let lost = parse_condition(parse_subject("lost").unwrap(), "== 0").unwrap();
    let judgement = judge(&Measured {
        thresholds: &[lost],
        machine: &machine(&(0..20).collect::<Vec<_>>()),
        ..measured(&slow_in(&[]), &account(2_000))
    });
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:?}");
}

#[test]
fn rule_13_a_lost_message_on_a_busy_machine_is_lost_all_the_same() {
    let recorded = slow_in(&[]);
    let mut account = account(2_000);
    account.findings.push(Finding {
        check: Check::Lost,
        count: 1,
        examples: Vec::new(),
    });
    let judgement = judged_on(&machine(&(0..20).collect::<Vec<_>>()), &recorded, &account);
    assert_eq!(judgement.verdict, Verdict::Fail, "{judgement:?}");
}

//! Which seconds belong to which part, and when a metric was back.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    observed::{FaultSeen, Layout, Ledger, Recorder, Rules},
    scenario::{Subject, parse_condition},
};

const MS: Nanos = 1_000_000;

fn calm() -> Second {
    Second {
        due: 10,
        missing: 0,
        held: Some(MS),
        longest: Some(MS),
        disturbed: false,
    }
}

fn parted(seconds: &[Second], faults: &[(Nanos, Nanos)]) -> Split {
    Split::of(seconds, faults, None, Rules::NOW)
}

/// Back at once for certain, at that time after the fault's end.
fn took(nanos: Nanos) -> Recovery {
    Recovery::Took {
        least: nanos,
        most: nanos,
        left_out: 0,
    }
}

fn at_least(least: Nanos) -> Recovery {
    Recovery::AtLeast { least, left_out: 0 }
}

fn slow() -> Second {
    Second {
        held: Some(100 * MS),
        longest: Some(100 * MS),
        ..calm()
    }
}

/// Parts of a run of 20 seconds, slow in these.
fn split(bad: &[usize], faults: &[(Nanos, Nanos)]) -> Split {
    let second = |second| {
        if bad.contains(&second) {
            slow()
        } else {
            calm()
        }
    };
    let seconds: Vec<Second> = (0..20).map(second).collect();
    parted(&seconds, faults)
}

fn of(split: &Split, part: Part) -> Vec<usize> {
    let seconds = split.seconds.iter().enumerate();
    seconds
        .filter(|(_, parts)| parts.contains(&part))
        .map(|(second, _)| second)
        .collect()
}

#[test]
fn recovery_ends_when_the_metric_has_been_back_for_five_seconds() {
    // On from 5.0 s to 7.5 s, slow until 9 s, a relapse in 11.
    let split = split(&[5, 6, 7, 8, 11], &[(5 * WINDOW, 7 * WINDOW + WINDOW / 2)]);
    assert_eq!(of(&split, Part::Inside(0)), [5, 6, 7]);
    assert_eq!(of(&split, Part::Recovering(0)), [8, 9, 10, 11]);
    assert_eq!(split.recoveries, [took(4 * WINDOW + WINDOW / 2)]);
    assert_eq!(of(&split, Part::Outside).len(), 20 - 7);
}

#[test]
fn what_is_back_at_once_recovers_with_the_next_second() {
    let split = split(&[5, 6], &[(5 * WINDOW, 7 * WINDOW)]);
    assert_eq!(of(&split, Part::Inside(0)), [5, 6]);
    assert_eq!(split.recoveries, [took(0)]);
    assert_eq!(of(&split, Part::Recovering(0)), [0; 0]);
}

#[test]
fn a_run_that_ends_too_soon_says_only_how_long_it_took_at_least() {
    let split = split(&[14, 15, 16], &[(14 * WINDOW, 15 * WINDOW)]);
    assert_eq!(split.recoveries, [at_least(2 * WINDOW)]);
    assert_eq!(of(&split, Part::Recovering(0)), [15, 16, 17, 18, 19]);
}

#[test]
fn the_next_fault_ends_what_can_be_known_of_the_last_ones_recovery() {
    let split = split(
        &[5, 6, 9],
        &[(5 * WINDOW, 6 * WINDOW), (9 * WINDOW, 10 * WINDOW)],
    );
    let recoveries = [at_least(WINDOW), took(0)];
    assert_eq!(split.recoveries, recoveries);
    assert_eq!(of(&split, Part::Recovering(0)), [6, 7, 8]);
}

#[test]
fn what_never_came_is_not_back_and_nothing_due_says_nothing() {
    let mut seconds = vec![calm(); 20];
    seconds[7] = Second {
        missing: 1,
        ..calm()
    };
    seconds[9] = Second::default();
    let split = parted(&seconds, &[(5 * WINDOW, 6 * WINDOW)]);
    assert_eq!(split.recoveries, [took(2 * WINDOW)]);
    let silent = vec![Second::default(); 20];
    let split = parted(&silent, &[(5 * WINDOW, 6 * WINDOW)]);
    assert_eq!(split.recoveries, [Recovery::Unknown]);
}

#[test]
fn a_slow_second_that_was_disturbed_says_nothing_of_the_recovery() {
    let disturbed = |second: Second| Second {
        disturbed: true,
        ..second
    };
    let fault = [(5 * WINDOW, 6 * WINDOW)];
    let recovery = |after: &[Second]| {
        let seconds = [&[calm(); 5][..], &[slow()], after].concat();
        parted(&seconds, &fault).recovery(0)
    };
    // One that is lost is missing, whoever had the machine.
    let lost = Second {
        missing: 1,
        ..disturbed(calm())
    };
    let (noisy, fine) = (disturbed(slow()), disturbed(calm()));
    let between = |least, most, left_out| Recovery::Took {
        least: least * WINDOW,
        most: most * WINDOW,
        left_out,
    };
    let calm = calm();
    for (after, expected) in [
        (
            vec![noisy, noisy, calm, calm, calm, calm, calm],
            between(0, 2, 2),
        ),
        (
            vec![calm, noisy, calm, calm, noisy, calm, calm],
            between(0, 0, 2),
        ),
        (
            vec![slow(), noisy, fine, fine, calm, calm, calm],
            between(1, 2, 1),
        ),
        (
            vec![noisy, slow(), calm, calm, calm, calm, calm],
            between(2, 2, 0),
        ),
        (
            vec![noisy, lost, calm, calm, calm, calm, calm],
            between(2, 2, 0),
        ),
        (
            vec![slow(), noisy, calm, noisy, calm, calm, calm],
            Recovery::AtLeast {
                least: WINDOW,
                left_out: 2,
            },
        ),
    ] {
        assert_eq!(recovery(&after), expected, "{after:?}");
    }
}

#[test]
fn what_nobody_saw_slow_may_have_been_back_at_once() {
    let within = |most| Recovery::Took {
        least: 0,
        most,
        left_out: 0,
    };
    let half = WINDOW / 2;
    // Over at 7.5 s, and as usual from 8 s on.
    let fault = [(5 * WINDOW, 7 * WINDOW + half)];
    assert_eq!(split(&[5, 6, 7], &fault).recoveries, [within(half)]);
    let mut before = split(&[5, 6, 7], &fault);
    before.as_told_before(&fault);
    assert_eq!(before.recoveries, [took(half)]);
    let ends = [(5 * WINDOW, 16 * WINDOW + half)];
    assert_eq!(split(&[5], &ends).recoveries, [at_least(0)]);
}

/// A run of 20 s with a fault from 5 s to 6 s, of which nothing came back to the sender in three seconds more; deliveries came.
fn failing(metric: Metric, missing: impl Fn(&mut Missing) -> &mut Vec<u64>, rules: Rules) -> Nanos {
    let named = parse_condition(Subject::Max(metric), "< 1s").unwrap();
    let mut recorder = Recorder::new(Arc::new(Layout::new(&[named], &[])));
    recorder.begin(0);
    let came = |second: &u64| metric == Metric::Delivery || !(5..9).contains(second);
    for second in (0..20).filter(came) {
        recorder.record(metric, second * WINDOW, second * WINDOW + MS);
    }
    let observed = Observed {
        rules,
        faults: vec![FaultSeen {
            start: Some(5 * WINDOW),
            end: Some(6 * WINDOW),
            ..FaultSeen::of("f")
        }],
        ..Observed::of(recorder.finish(), Arc::new(Ledger::new(0, 0)))
    };
    let mut all = Missing::default();
    *missing(&mut all) = vec![0, 0, 0, 0, 0, 1, 1, 1, 1];
    match Parts::of(&observed, &all, 20 * WINDOW).recovery(metric, 0) {
        Recovery::Took { most, .. } => most,
        other => panic!("{other:?}"),
    }
}

#[test]
fn while_nothing_is_saved_no_confirmation_is_back() {
    let now = Rules::NOW;
    for metric in [Metric::Confirm, Metric::ConfirmAfterDelivery] {
        let took = failing(metric, |missing| &mut missing.failed_in, now);
        assert_eq!(took, 3 * WINDOW, "{metric:?}");
    }
    let acks = failing(Metric::Ack, |missing| &mut missing.unacknowledged_in, now);
    assert_eq!(acks, 3 * WINDOW);
    for metric in [Metric::Delivery, Metric::DeliverySlowest, Metric::Echo] {
        let took = failing(metric, |missing| &mut missing.turned_away_in, now);
        assert_eq!(took, 3 * WINDOW, "{metric:?}");
    }
    // What came to all is no delivery that is missing, and a result of before says what it said.
    let delivered = failing(Metric::Delivery, |missing| &mut missing.failed_in, now);
    let before = Rules::default();
    let confirmed = failing(Metric::Confirm, |missing| &mut missing.failed_in, before);
    assert_eq!((delivered, confirmed), (0, 0));
}

#[test]
fn what_is_usual_is_told_by_undisturbed_seconds_where_there_are_some() {
    let mut seconds = vec![calm(); 20];
    // Slow before the fault, but not by itself; after it there is no other excuse.
    seconds[2] = Second {
        disturbed: true,
        ..slow()
    };
    seconds[6] = slow();
    let fault = [(5 * WINDOW, 6 * WINDOW)];
    assert_eq!(parted(&seconds, &fault).recovery(0), took(WINDOW));
}

#[test]
fn what_was_under_way_as_a_fault_began_is_inside_of_it_and_no_measure_of_what_is_usual() {
    let mut seconds = vec![calm(); 20];
    // Due before a freeze of three seconds, and answered after it; the server is slow for ever since.
    seconds[4] = Second {
        held: Some(3_100 * MS),
        longest: Some(3_200 * MS),
        ..calm()
    };
    seconds[8..].fill(Second {
        held: Some(4_000 * MS),
        longest: Some(4_000 * MS),
        ..calm()
    });
    let fault = [(5 * WINDOW + MS, 8 * WINDOW + MS)];
    let split = parted(&seconds, &fault);
    assert_eq!(of(&split, Part::Inside(0)), [4, 5, 6, 7, 8]);
    assert_eq!(split.recoveries, [at_least(12 * WINDOW - MS)]);
    let before = Split::of(&seconds, &fault, None, Rules::default());
    assert_eq!(of(&before, Part::Outside).len(), 16);
    // What took longer than usual and was over before the fault began is the server's own.
    seconds[2].longest = Some(500 * MS);
    assert_eq!(of(&parted(&seconds, &fault), Part::Outside), [0, 1, 2, 3]);
    seconds[2].longest = Some(2_500 * MS);
    assert_eq!(of(&parted(&seconds, &fault), Part::Outside), [0, 1, 3]);
}

#[test]
fn nobody_saw_that_a_metric_was_back_while_nothing_was_due() {
    let mut seconds = vec![calm(); 20];
    seconds[6..14].fill(Second::default());
    let fault = [(5 * WINDOW, 6 * WINDOW)];
    let within = |most| Recovery::Took {
        least: 0,
        most,
        left_out: 0,
    };
    assert_eq!(parted(&seconds, &fault).recoveries, [within(8 * WINDOW)]);
    let before = Split::of(&seconds, &fault, None, Rules::default());
    assert_eq!(before.recoveries, [within(0)]);
    // Once it was seen to be back, what is not due any more takes nothing from it.
    seconds[6] = calm();
    seconds[7..].fill(Second::default());
    assert_eq!(parted(&seconds, &fault).recoveries, [within(0)]);
    seconds[6..].fill(Second::default());
    assert_eq!(parted(&seconds, &fault).recoveries, [at_least(0)]);
}

#[test]
fn without_enough_before_the_faults_nobody_knows_what_is_usual() {
    let fault = [(2 * WINDOW, 3 * WINDOW)];
    let mut seconds = vec![slow(); 20];
    seconds[..2].fill(calm());
    // It never was as in those two seconds again.
    let split = parted(&seconds, &fault);
    assert_eq!(split.recoveries, [Recovery::Unknown]);
    let before = Split::of(&seconds, &fault, None, Rules::default());
    assert_eq!(before.recoveries, [took(0)]);
    // What came before the schedule says it of who connects in it.
    let mut connects = Samples::new(Layout::new(&[], &[]).limits());
    connects.histogram.saturating_record(MS);
    let split = Split::of(&seconds, &fault, Some(&connects), Rules::NOW);
    assert_eq!(split.recoveries, [at_least(17 * WINDOW)]);
    // Three are enough, though the last of them may have been held up by the fault.
    seconds[2] = calm();
    let split = parted(&seconds, &[(3 * WINDOW, 4 * WINDOW)]);
    assert_eq!(split.recoveries, [at_least(16 * WINDOW)]);
}

proptest! {
    #[test]
    fn no_second_is_in_two_kinds_of_parts(
        bad in prop::collection::vec(8..40_usize, 0..15),
        faults in prop::collection::vec((0..39 * WINDOW, 0..5 * WINDOW), 1..4),
    ) {
        let seconds: Vec<Second> = (0..40)
            .map(|second| if bad.contains(&second) { slow() } else { calm() })
            .collect();
        let faults: Vec<(Nanos, Nanos)> = faults
            .into_iter()
            .map(|(start, lasts)| (start, (start + lasts).min(40 * WINDOW)))
            .collect();
        let split = parted(&seconds, &faults);
        for (second, parts) in split.seconds.iter().enumerate() {
            prop_assert!(!parts.is_empty());
            let from = second as Nanos * WINDOW;
            let on = faults.iter().any(|&(start, end)| start < from + WINDOW && end > from);
            let inside = parts.iter().all(|part| matches!(part, Part::Inside(_)));
            prop_assert!(!on || inside, "{second}: {parts:?}");
            let outside = parts.contains(&Part::Outside);
            prop_assert!(!outside || parts.len() == 1);
            let recovering = parts.iter().any(|part| matches!(part, Part::Recovering(_)));
            prop_assert!(!(recovering && parts.iter().any(|part| matches!(part, Part::Inside(_)))));
        }
        // Where all before the first fault was calm, what is slow is not usual.
        let first = faults.iter().map(|(start, _)| start / WINDOW).min().unwrap_or(0) as usize;
        let usual_is_calm = first >= FEWEST && bad.iter().all(|&second| second >= first);
        for (recovery, &(_, end)) in split.recoveries.iter().zip(&faults) {
            if let Recovery::Took { most, .. } = recovery
                && usual_is_calm
            {
                let from = ((end + most) / WINDOW) as usize;
                let calm = &seconds[from..(from + CALM).min(40)];
                prop_assert!(calm.iter().all(|second| second.held == Some(MS)));
            }
        }
    }
}

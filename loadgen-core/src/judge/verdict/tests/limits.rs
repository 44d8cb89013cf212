//! Limits on shares and percentiles: what one run says for certain, what it leaves open, and when it was.

use super::*;
use crate::{
    model::{Metric, numbers},
    observed::recorder::tests::{phase, threshold},
};

const MS: Nanos = 1_000_000;
const SECOND: Nanos = 1_000_000_000;

/// Deliveries of so many seconds, a hundred in each: how long each takes, by when it is due.
fn run(
    thresholds: &[Threshold],
    seconds: u64,
    takes: impl Fn(Nanos) -> Nanos,
) -> (Judgement, Recorded) {
    let phases = [phase("steady", seconds, true, thresholds.to_vec())];
    let mut recorder = Recorder::new(Arc::new(Layout::new(thresholds, &phases)));
    recorder.begin(0);
    for index in 0..seconds * 100 {
        let intended = index * SECOND / 100;
        recorder.record_delivery(DeliverySample {
            intended,
            received: intended + takes(intended),
            phase: 0,
            members: 2,
        });
    }
    let recorded = recorder.finish();
    let judgement = judge(&Measured {
        thresholds,
        ..measured(&recorded, &account(seconds * 100))
    });
    (judgement, recorded)
}

/// All that is due in a stall waits for its end.
fn stall(intended: Nanos, from: Nanos, lasts: Nanos) -> Nanos {
    match intended >= from && intended < from + lasts {
        true => from + lasts - intended,
        false => MS,
    }
}

#[test]
fn rule_14_one_stall_in_a_short_run_fails_and_is_told() {
    let (judgement, _) = run(&[], 20, |at| stall(at, 10_200 * MS, 900 * MS));
    assert_eq!(judgement.verdict, Verdict::Fail, "{judgement:?}");
    let measured = &judgement.thresholds[0].measured;
    assert!(
        measured.starts_with(
            "95.50 % (n = 2,000): one stall of 0.9 s at 10.2 s; 95 % sure: this run 94."
        ),
        "{measured}"
    );
    assert!(
        measured.contains("the long run")
            && measured.ends_with("one run of this length can't show"),
        "{measured}"
    );
    let (judgement, _) = run(&[], 30, |at| stall(at, 10_800 * MS, 2_500 * MS));
    assert_eq!(judgement.verdict, Verdict::Fail, "{judgement:?}");
    assert!(
        judgement.thresholds[0]
            .measured
            .contains("91.67 % (n = 3,000): one stall of 2.5 s at 10.8 s"),
        "{judgement:?}"
    );
}

#[test]
fn rule_14_slow_seconds_of_a_short_run_fail_and_are_named() {
    let slow = |seconds: &'static [u64], of| {
        let takes = move |at: Nanos| {
            if seconds.contains(&(at / SECOND)) {
                9 * MS
            } else {
                MS
            }
        };
        let (judgement, _) = run(&[], of, takes);
        assert_eq!(judgement.verdict, Verdict::Fail, "{judgement:?}");
        judgement.thresholds[0].measured.clone()
    };
    let measured = slow(&[3, 7], 10);
    assert!(
        measured.contains("2 slow seconds of 10: 3 s and 7 s;"),
        "{measured}"
    );
    let measured = slow(&[4, 5, 6, 11], 20);
    assert!(
        measured.contains("4 slow seconds of 20: 4 s to 7 s and 11 s;"),
        "{measured}"
    );
    let measured = slow(&[0, 2, 4, 6, 8, 10], 20);
    assert!(
        measured.contains("spread over 6 of 20 seconds;"),
        "{measured}"
    );
    let (judgement, _) = run(
        &[],
        20,
        |at| if at % (SECOND / 4) == 0 { 9 * MS } else { MS },
    );
    assert_eq!(judgement.verdict, Verdict::Fail, "{judgement:?}");
    assert!(
        judgement.thresholds[0]
            .measured
            .contains("spread evenly over all seconds"),
        "{judgement:?}"
    );
}

#[test]
fn rule_14_stalls_are_counted_and_their_lengths_told() {
    let (judgement, _) = run(&[], 20, |at| {
        let (one, other) = (
            stall(at, 2_500 * MS, 300 * MS),
            stall(at, 14_900 * MS, 200 * MS),
        );
        one.max(other)
    });
    assert_eq!(judgement.verdict, Verdict::Fail, "{judgement:?}");
    assert!(
        judgement.thresholds[0]
            .measured
            .contains("2 stalls of 0.2 s to 0.3 s, at 2.5 s and 14.9 s;"),
        "{judgement:?}"
    );
}

#[test]
fn rule_08_no_misses_are_not_certain_to_be_none() {
    let (judgement, _) = run(&[], 20, |_| MS);
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:?}");
    assert_eq!(
        judgement.thresholds[0].measured,
        "100 % (n = 2,000); 95 % sure: this run 99.82 % or more (2,000 messages), the long run 83.16 % or more (20 \
         seconds); so short a run can't show what comes less often than once in 7 s, 300 s can"
    );
    let (judgement, _) = run(&[], 300, |_| MS);
    let measured = &judgement.thresholds[0].measured;
    assert!(
        measured.ends_with("the long run 98.78 % or more (300 seconds)"),
        "{measured}"
    );
}

#[test]
fn rule_14_a_percentile_and_its_share_get_one_verdict() {
    let both = [
        threshold("delivery.p99", "< 5ms"),
        threshold("delivery.within_5ms", ">= 99%"),
    ];
    // The share over the limit, in tenths of a percent, and the verdict on a run of 20 seconds.
    for (over, verdict) in [
        (0, Verdict::Pass),
        (3, Verdict::Pass),
        (8, Verdict::Inconclusive),
        (10, Verdict::Inconclusive),
        (13, Verdict::Inconclusive),
        (20, Verdict::Fail),
    ] {
        let (judgement, _) = run(&both, 20, |at| {
            let nth = at / (SECOND / 100);
            if nth * 7 % 1_000 < over { 9 * MS } else { MS }
        });
        let verdicts: Vec<_> = judgement.thresholds.iter().map(|one| one.verdict).collect();
        assert_eq!(verdicts, [verdict; 2], "{over}: {judgement:?}");
    }
}

#[test]
fn rule_06_a_percentile_is_judged_by_the_exact_count_at_its_limit() {
    // A bucket of the histogram holds both sides of the limit here.
    let verdict = |condition: &str, takes: Nanos| {
        let (judgement, _) = run(&[threshold("delivery.p99", condition)], 20, |_| takes);
        judgement.verdict
    };
    let (pass, fail) = (Verdict::Pass, Verdict::Fail);
    assert_eq!(verdict("< 5ms", 5 * MS - 1), pass);
    assert_eq!(verdict("< 5ms", 5 * MS), fail);
    assert_eq!(verdict("<= 5ms", 5 * MS), pass);
    assert_eq!(verdict("<= 5ms", 5 * MS + 1), fail);
    assert_eq!(verdict("> 5ms", 5 * MS), fail);
    assert_eq!(verdict("> 5ms", 5 * MS + 1), pass);
    assert_eq!(verdict(">= 5ms", 5 * MS), pass);
    assert_eq!(verdict(">= 5ms", 5 * MS - 1), fail);
    let (judgement, _) = run(&[threshold("delivery.max", "< 5ms")], 20, |_| 5 * MS - 1);
    assert_eq!(judgement.verdict, pass, "{judgement:?}");
}

#[test]
fn rule_14_seconds_that_vary_too_much_leave_a_minute_undecided() {
    // A stall of 400 ms in a minute is 0.67 %, and two of them would be too much.
    let (judgement, _) = run(&[], 60, |at| stall(at, 31 * SECOND, 400 * MS));
    assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:?}");
    assert!(
        judgement.thresholds[0]
            .measured
            .contains("its seconds vary too much to tell; about "),
        "{judgement:?}"
    );
}

#[test]
fn rule_08_what_is_said_in_words_is_recorded_as_numbers() {
    let thresholds = [
        threshold("delivery.within_5ms", ">= 99%"),
        threshold("delivery.p50", "< 5ms"),
        threshold("delivery.max", "< 1s"),
        threshold("dropped", "== 0"),
    ];
    let numbers = |takes: fn(Nanos) -> Nanos| -> Vec<_> {
        let (judgement, _) = run(&thresholds, 20, takes);
        let judged = judgement.thresholds.into_iter();
        judged
            .map(|one| (one.measured, one.numbers.unwrap()))
            .collect()
    };
    let stalled = numbers(|at| stall(at, 10 * SECOND, 200 * MS));
    let (words, share) = &stalled[0];
    let this_run = share.this_run.unwrap();
    let long_run = share.long_run.unwrap();
    assert_eq!((share.n, this_run.n, long_run.n), (2_000, 2_000, 20));
    assert_eq!(share.value, Some(this_run.value));
    assert!(this_run.low < this_run.value && this_run.value < this_run.high);
    assert!(long_run.low <= share.runs_like_this.unwrap().low && long_run.low < this_run.low);
    for said in [this_run.low, this_run.high, long_run.low, long_run.high] {
        assert!(words.contains(&numbers::share(said)), "{said}: {words}");
    }
    let (_, median) = &stalled[1];
    assert_eq!(median.this_run.unwrap().value, this_run.value);
    assert!(median.value.is_some_and(|value| value < 2e6), "{median:?}");
    for (index, value) in [(2, 199e6), (3, 0.0)] {
        let (words, plain) = &stalled[index];
        let near = (plain.value.unwrap() - value).abs() <= 0.02 * value;
        assert!(near, "{words}: {plain:?}");
        assert_eq!(
            (plain.n, plain.this_run, plain.long_run),
            (2_000, None, None)
        );
    }
    // Without a miss, the bound on what was never seen is the long run's lower end: 1 - 0.025^(1/20) of the seconds.
    let long_run = numbers(|_| MS)[0].1.long_run.unwrap();
    assert!(
        (long_run.low - 0.8316).abs() < 1e-4 && long_run.high == 1.0,
        "{long_run:?}"
    );
}

#[test]
fn rule_08_what_one_message_meets_counts_once() {
    let thresholds = [threshold("delivery.within_5ms", ">= 99%")];
    let (_, recorded) = run(&thresholds, 20, |at| {
        if at % (SECOND / 2) == 0 { 9 * MS } else { MS }
    });
    let judged = |fan_out| {
        let phases = [JudgedPhase {
            name: "steady",
            start: 0,
            end: 20 * SECOND,
            measured: true,
            closed: false,
            fan_out,
            thresholds: &thresholds,
        }];
        judge(&Measured {
            phases: &phases,
            ..measured(&recorded, &account(2_000))
        })
    };
    // 2 % of 2,000 deliveries are certain; of 40 messages to fifty they are not.
    assert_eq!(judged(FanOut::default()).verdict, Verdict::Fail);
    let judgement = judged(FanOut::to_others(50));
    assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:?}");
    assert!(
        judgement.thresholds[0].measured.contains("(40 messages)"),
        "{judgement:?}"
    );
}

#[test]
fn rule_08_what_one_message_meets_on_one_server_or_between_two_counts_once() {
    for (key, metric) in [
        ("delivery_same_node.within_5ms", Metric::DeliverySameNode),
        ("delivery_cross_node.within_5ms", Metric::DeliveryCrossNode),
    ] {
        let thresholds = [threshold(key, ">= 99%")];
        let layout = Layout::new(&thresholds, &[phase("steady", 20, true, Vec::new())]);
        let mut recorder = Recorder::new(Arc::new(layout));
        recorder.begin(0);
        for index in 0..2_000 {
            let intended = index * SECOND / 100;
            let takes = if index % 50 == 0 { 9 * MS } else { MS };
            recorder.record_in(0, metric, intended, intended + takes);
        }
        let recorded = recorder.finish();
        let judged = |rules| {
            let phases = [JudgedPhase {
                name: "steady",
                start: 0,
                end: 20 * SECOND,
                measured: true,
                closed: false,
                fan_out: FanOut::to_nodes(50, 50),
                thresholds: &[],
            }];
            judge(&Measured {
                thresholds: &thresholds,
                phases: &phases,
                rules,
                ..measured(&recorded, &account(2_000))
            })
        };
        let judgement = judged(Rules::NOW);
        assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:?}");
        assert!(
            judgement.thresholds[0].measured.contains("(40 messages)"),
            "{judgement:?}"
        );
        // Results of before say what they said.
        assert_eq!(judged(Rules::default()).verdict, Verdict::Fail, "{key}");
    }
}

#[test]
fn rule_13_a_lost_delivery_is_over_the_limit_in_its_own_second() {
    let recorded = slow_in(&[]);
    let mut account = account(2_000);
    account.totals.lost = 100;
    account.missing.deliveries_in = vec![0; 4];
    account.missing.deliveries_in[3] = 100;
    let told = |disturbed: &[usize]| judged_on(&machine(disturbed), &recorded, &account);
    let judgement = told(&[]);
    assert_eq!(judgement.verdict, Verdict::Fail, "{judgement:?}");
    assert!(
        judgement.thresholds[0]
            .measured
            .contains("(n = 2,100, 100 of them lost): 1 slow second of 20: 3 s"),
        "{judgement:?}"
    );
    // Nobody's fault for certain, where others had the machine; the check on losses fails the run all the same.
    assert_eq!(told(&[3]).verdict, Verdict::Pass);
}

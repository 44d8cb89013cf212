//! What the index claims of all runs: of which deliveries, and in which seconds.

use loadgen::{
    judge::{Judged, Verdict},
    report::publish,
};

use crate::fixtures::{self, parts::judged};

/// What a percentile is limited to is the same promise as a share.
#[test]
fn a_limit_on_the_p99_asks_for_the_promise_too() {
    let index = |threshold: &str, left_out: Option<usize>| {
        let mut report = fixtures::slower();
        let numbers = serde_json::json!({
            "value": 3_100_000.0,
            "n": 20_000,
            "this_run": { "value": 0.9995, "low": 0.999, "high": 0.9999, "n": 20_000 },
        });
        report.runs.last_mut().unwrap().judgement.thresholds = vec![Judged {
            threshold: threshold.to_owned(),
            verdict: Verdict::Pass,
            measured: String::new(),
            numbers: Some(serde_json::from_value(numbers).unwrap()),
            left_out,
        }];
        publish::index(&[&report], &[]).unwrap().text
    };
    let mark = "<p class=\"asks\">asks for 5 ms</p>";
    for threshold in ["delivery.p99 < 5ms", "delivery.p99 <= 5ms"] {
        let index = index(threshold, Some(0));
        assert!(index.contains(mark), "{threshold}");
        let whole = " of 13,244 deliveries arrived within 5 ms of their";
        assert!(index.contains(whole), "{threshold}: {index}");
    }
    let outside = index("delivery.p99 < 5ms (outside the faults)", Some(0));
    let told = "99.95 % of 20,000 deliveries outside of faults arrived within 5 ms of their";
    assert!(
        outside.contains(mark) && outside.contains(told),
        "{outside}"
    );
    for other in [
        "delivery.p99 < 10ms",
        "delivery.p95 < 5ms",
        "delivery.p99 > 5ms",
        "confirm.p99 < 5ms",
        "delivery.p99@outage < 5ms",
    ] {
        assert!(!index(other, Some(0)).contains(mark), "{other}");
    }
}

/// Where deliveries kept their limit with the disturbed seconds, and another limit leaves them out, the row and the claim are of
/// all seconds, as the answer is.
#[test]
fn a_row_and_the_claim_rest_on_the_seconds_of_the_limit_on_deliveries() {
    let shown = |deliveries: usize, confirmations: usize| {
        let mut report = fixtures::slower();
        let run = report.runs.last_mut().unwrap();
        let limit = |threshold: &str, left_out| Judged {
            left_out: Some(left_out),
            ..judged(threshold, Verdict::Pass, "")
        };
        run.judgement.thresholds = vec![
            limit("delivery.within_5ms >= 90%", deliveries),
            limit("confirm.p99 < 1s", confirmations),
        ];
        let index = publish::index(&[&report], &[]).unwrap().text;
        let (_, claim) = index.split_once(" for it, ").unwrap();
        let (claim, _) = claim.split_once(" deliveries").unwrap();
        let (_, row) = index
            .split_once("data-of=\"deliveries within 5 ms\">")
            .unwrap();
        let (row, _) = row.split_once('<').unwrap();
        (claim.to_owned(), row.to_owned())
    };
    let all = shown(0, 0);
    assert!(all.0.ends_with(" of 13,244"), "{all:?}");
    assert!(all.0.starts_with(&all.1), "{all:?}");
    assert_eq!(shown(0, 2), all);
    assert_eq!(shown(2, 0), shown(2, 2));
    assert_ne!(shown(2, 0), all);
}

#[test]
fn one_lost_delivery_is_no_plural() {
    let claim = |due: u64, lost: u64| {
        let mut report = fixtures::slower();
        let totals = &mut report.runs.last_mut().unwrap().totals;
        (totals.expected, totals.lost) = (due, lost);
        publish::index(&[&report], &[]).unwrap().text
    };
    let one = "Of the 13,244 deliveries that were due in 1 valid run, 1 was lost.";
    assert!(claim(13_244, 1).contains(one));
    let none = "Of the 1 delivery that was due in 1 valid run, none was lost.";
    assert!(claim(1, 0).contains(none));
}

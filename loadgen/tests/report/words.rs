//! What the words of a headline must not say: a number that reads as its limit, never as a time, one as a plural.

use loadgen::{
    judge::{Judged, Reason, Verdict},
    model::histogram,
    report::{Choice, Format},
    result::Document,
};

use crate::{
    answer::{alike, hot_channel, said},
    fixtures::{self, parts::judged},
};

/// Three digits make a missed limit a kept one where the number is next to it.
#[test]
fn a_number_next_to_its_limit_does_not_read_as_that() {
    let mut report = hot_channel();
    report.scenario.asks = Some("delivery_slowest.p95".into());
    let mut told = |limit: &str, verdict, value: u64| {
        let run = &mut report.runs[0];
        let mut one = judged(limit, verdict, "5.00 ms (n = 600)");
        let numbers = serde_json::json!({ "value": value as f64, "n": 600 });
        one.numbers = Some(serde_json::from_value(numbers).unwrap());
        one.left_out = Some(0);
        run.judgement.thresholds = vec![one];
        report.verdict = verdict;
        said(&report)
    };
    for (limit, verdict, value, words) in [
        (
            "<= 5ms",
            Verdict::Fail,
            5_001_215,
            "p95 5.001 ms, limit 5 ms",
        ),
        (
            "< 5ms",
            Verdict::Pass,
            4_997_119,
            "p95 4.997 ms, limit 5 ms",
        ),
        ("< 5ms", Verdict::Pass, 4_870_000, "p95 4.87 ms, limit 5 ms"),
        (
            "< 2.125ms",
            Verdict::Pass,
            1_000_000,
            "p95 1.00 ms, limit 2.125 ms",
        ),
        // A bucket reaches over the bound; what was counted at it says that it was kept.
        ("< 5ms", Verdict::Pass, 5_001_215, "p95 5.00 ms, limit 5 ms"),
    ] {
        let told = told(&format!("delivery_slowest.p95 {limit}"), verdict, value);
        assert!(told.contains(words), "{limit} {value}: {told}");
    }
}

/// Of what never came for the most part, half did not come within any time.
#[test]
fn a_median_that_never_came_is_no_time_within_which_half_came() {
    let mut report = fixtures::repeated(0, 1.0);
    let run = &mut report.runs[0];
    run.metrics[0].lost = 3 * run.metrics[0].n;
    run.totals.lost = run.metrics[0].lost;
    let mut limit = judged("delivery.within_5ms >= 99%", Verdict::Fail, "24.98 %");
    limit.left_out = Some(0);
    run.judgement.thresholds = vec![limit];
    report.verdict = Verdict::Fail;
    let told = said(&report);
    assert!(
        told.contains("of 9,600 deliveries arrived within 5 ms"),
        "{told}"
    );
    assert!(
        !told.contains("never") && !told.contains("half of them"),
        "{told}"
    );
}

/// A fault that was none is neither the machine's doing nor the generator's.
#[test]
fn a_fault_that_did_not_bite_is_blamed_on_nobody() {
    let mut report = fixtures::named("invalid").report().clone();
    let why =
        "nothing was found out about the fault \"restart\": nothing shows that it had any effect";
    report.reasons = vec![Reason::from(why.to_owned())];
    let told = said(&report);
    let first = format!("What was asked was not measured: {why}. Measured all the same: ");
    assert!(told.starts_with(&first), "{told}");
    let text = Format::Terminal
        .render(&Document::of(&report).unwrap(), Choice::default())
        .unwrap();
    // In the headline and at the end, and not once more beneath.
    assert_eq!(text.matches("nothing was found out").count(), 2, "{text}");
}

#[test]
fn one_of_a_thing_is_no_plural() {
    let mut report = fixtures::repeated(0, 1.0);
    report.environment.cores = 1;
    report.scenario.users = 1;
    report.runs[0].totals.expected = 1;
    let told = said(&report);
    let words = "The one delivery that was due was neither lost nor doubled.";
    assert!(told.ends_with(words), "{told}");
    let text = Format::Markdown
        .render(&Document::of(&report).unwrap(), Choice::default())
        .unwrap();
    for plural in ["1 cores", "1 users", "1 deliveries"] {
        assert!(!text.contains(plural), "{plural}: {text}");
    }
}

/// The baseline is judged by itself, and may leave other seconds out; what is divided by each other is of the same.
#[test]
fn a_ratio_is_of_the_same_seconds_on_both_sides() {
    let told = |of_run: usize, of_baseline: Option<usize>| {
        let mut report = fixtures::named("pass").report().clone();
        let disturbed = report.runs[1].windows[9].machine;
        for window in &mut report.runs[0].windows[..8] {
            window.machine = disturbed;
        }
        for window in &mut report.runs[0].windows[8..] {
            window.histogram = histogram::encode(&alike(50_000_000, 600));
        }
        report.runs[1].judgement.thresholds[0].left_out = Some(of_run);
        let limit = |left_out| Judged {
            left_out: Some(left_out),
            ..judged("delivery.within_5ms >= 99%", Verdict::Fail, "0.00 %")
        };
        report.runs[0].judgement.thresholds = of_baseline.map(limit).into_iter().collect();
        let told = said(&report);
        told.split_once(" 99.")
            .or(told.split_once(" 95."))
            .unwrap()
            .0
            .to_owned()
    };
    // Both over all seconds, or both without the disturbed ones.
    assert_eq!(told(0, Some(8)), told(0, Some(0)));
    assert_eq!(told(2, Some(8)), told(2, Some(0)));
    assert!(
        told(2, Some(0)).contains("instead of 50"),
        "{}",
        told(2, Some(0))
    );
}

//! What broke, in the formats that people read.

use std::path::Path;

use loadgen::{
    judge::{Example, Fate, Met, Verdict},
    model::Metric,
    report::{Choice, Format, headline, publish},
    result::{Document, FaultResult, PartKind, PartResult, Report},
    scenario::FaultKind,
};

use crate::fixtures::{self, parts::judged};

fn part(part: PartKind, took: Option<u64>) -> PartResult {
    PartResult {
        metric: Metric::Delivery,
        part,
        fault: (part != PartKind::Outside).then(|| "restart".to_owned()),
        seconds: 5,
        n: 1_234,
        p50: Some(1_000_000),
        p99: None,
        max: Some(7_000_000_000),
        took,
    }
}

fn met(fate: Fate, count: u64, broken: u64) -> Met {
    let first = Example {
        message: Some(4_711),
        ..Example::default()
    };
    Met {
        fate,
        count,
        broken,
        seconds: vec![0, count],
        first: if fate.is_good() { vec![] } else { vec![first] },
    }
}

/// A run whose server was killed.
fn broken() -> Report {
    let mut report = fixtures::repeated(0, 1.0);
    let run = &mut report.runs[0];
    run.faults = vec![FaultResult {
        name: "restart".to_owned(),
        kind: FaultKind::ServerKill,
        what: "server-kill".to_owned(),
        planned: [2_000_000_000, 3_000_000_000],
        start: Some(2_001_000_000),
        end: Some(3_204_000_000),
        proof: Some("the server ended: killed by signal 9".to_owned()),
        trouble: None,
    }];
    run.parts = vec![
        part(PartKind::Outside, None),
        part(PartKind::Inside, None),
        part(PartKind::Recovery, Some(2_800_000_000)),
    ];
    run.fates = vec![
        met(Fate::Confirmed, 900, 0),
        met(Fate::UnknownGone, 12, 0),
        met(Fate::Lost, 3, 3),
        met(Fate::NotSent, 0, 0),
    ];
    report
}

fn rendered(format: Format) -> String {
    let document = Document::of(&broken()).unwrap();
    let text = format.render(&document, Choice::default()).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_broke_and_what_it_cost_is_told_to_people() {
    let told = "restart: server-kill, 2.00 s to 3.20 s; the server ended: killed by signal 9";
    let fates = "900 confirmed, 12 unknown, then gone, 3 lost (3 break a promise)";
    for format in [Format::Terminal, Format::Markdown] {
        let text = rendered(format);
        assert!(text.contains(told), "{text}");
        assert!(text.contains(fates), "{text}");
    }
    let text = rendered(Format::Terminal);
    for said in [
        "recovery from restart",
        "2.8 s",
        "unknown, then gone (12), the first: message 4711",
        "lost (3), the first: message 4711",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn a_limit_on_a_recovery_is_told_as_one() {
    let mut report = broken();
    report.scenario.asks = Some("delivery.recovery@restart".to_owned());
    let limit = "delivery.recovery@restart < 60s";
    let mut told = |verdict, took: Option<f64>| {
        let mut limit = judged(limit, verdict, "?");
        let numbers = serde_json::json!({ "value": took, "n": 1 });
        limit.numbers = Some(serde_json::from_value(numbers).unwrap());
        report.runs[0].judgement.thresholds = vec![limit];
        report.verdict = verdict;
        headline(&report).unwrap()
    };
    let back = told(Verdict::Pass, Some(2.8e9));
    let words = "Delivery latency was back as before 2.80 s after the fault restart (limit 60 s).";
    assert!(back.starts_with(words), "{back}");
    let unseen = told(Verdict::Inconclusive, None);
    let words =
        "Delivery latency was not seen to be back as before after the fault restart (limit 60 s).";
    assert!(unseen.contains(words), "{unseen}");
}

/// Whoever asks whether a fault makes anybody wait longer asks longer than what.
#[test]
fn a_time_inside_of_a_fault_is_held_against_the_one_outside() {
    let told = |p: &str, p99: [Option<u64>; 2]| {
        let mut report = broken();
        report.scenario.asks = Some(format!("delivery.{p}@restart"));
        let run = &mut report.runs[0];
        run.parts[0].p99 = p99[0];
        run.parts[1].p99 = p99[1];
        run.parts[1].p50 = Some(2_000_000);
        let mut limit = judged(
            &format!("delivery.{p}@restart < 9ms"),
            Verdict::Pass,
            "4.00 ms",
        );
        let numbers = serde_json::json!({ "value": 4e6, "n": 1_234 });
        limit.numbers = Some(serde_json::from_value(numbers).unwrap());
        limit.left_out = Some(0);
        run.judgement.thresholds = vec![limit];
        report.verdict = Verdict::Pass;
        headline(&report).unwrap()
    };
    let inside = "A delivery took 4.00 ms (p99; limit 9 ms) inside of the fault restart";
    let both = told("p99", [Some(3_000_000), Some(4_000_000)]);
    let words = format!("{inside}; outside of all faults 3.00 ms.");
    assert!(both.starts_with(&words), "{both}");
    let too_few = told("p99", [None, Some(4_000_000)]);
    assert!(too_few.starts_with(&format!("{inside}.")), "{too_few}");
    let medians = told("p95", [None, None]);
    let words = "inside of the fault restart; half of them at most 2.00 ms, and outside of all faults 1.00 ms.";
    assert!(medians.contains(words), "{medians}");
}

/// Where too few undisturbed seconds are left, the words are of all seconds, and so is the headline; of a part of a run nothing
/// but the recorded number says it.
#[test]
fn a_limit_inside_of_a_disturbed_fault_is_told_over_all_its_seconds() {
    let mut report = broken();
    report.scenario.asks = Some("delivery.p50@restart".to_owned());
    let words = "56.2 ms (n = 1,234, over all 5 seconds, 4 of them disturbed); 4 of 5 seconds were disturbed, and too few are \
                 left to judge by";
    let mut limit = judged("delivery.p50@restart < 5ms", Verdict::Invalid, words);
    let numbers = serde_json::json!({ "value": 56.2e6, "n": 1_234 });
    limit.numbers = Some(serde_json::from_value(numbers).unwrap());
    limit.left_out = Some(0);
    report.runs[0].judgement.thresholds = vec![limit];
    report.verdict = Verdict::Invalid;
    let told = headline(&report).unwrap();
    assert!(
        told.contains("Measured all the same: A delivery took 56.2 ms"),
        "{told}"
    );
    assert!(!told.contains("undisturbed"), "{told}");
}

/// Of a part of a run nothing but the recorded number says that its percentile is one of what never came.
#[test]
fn a_percentile_inside_of_a_fault_that_is_one_of_what_never_came_is_told_as_that() {
    let mut report = broken();
    report.scenario.asks = Some("delivery.p50@restart".to_owned());
    let mut told = |n: u64| {
        let words = "never (n = 100, 60 of them lost), 40.00 % under 5 ms";
        let mut limit = judged("delivery.p50@restart < 5ms", Verdict::Fail, words);
        limit.numbers =
            Some(serde_json::from_value(serde_json::json!({ "value": null, "n": n })).unwrap());
        limit.left_out = Some(0);
        report.runs[0].judgement.thresholds = vec![limit];
        report.verdict = Verdict::Fail;
        headline(&report).unwrap()
    };
    let never = told(100);
    assert!(never.contains("never"), "{never}");
    let too_few = told(10);
    assert!(!too_few.contains("never"), "{too_few}");
}

#[test]
fn the_page_marks_the_faults_over_time_and_shows_every_fate() {
    let page = rendered(Format::Html);
    for said in [
        "<h2>What broke, and what it cost</h2>",
        "<td>restart</td>",
        "inside restart",
        "recovery from restart",
        "<h2>What became of the messages</h2>",
        "12 unknown, then gone: no promise broken; the first of them",
        "3 lost: each breaks a promise",
        "inside of a fault: restart",
        "class=\"f-fault\"",
    ] {
        assert!(page.contains(said), "{said}");
    }
    // The heat map's lane, the fates, the load, and the processes.
    assert!(page.matches("class=\"f-fault\"").count() >= 4);
}

/// Nobody recorded whether a fault excuses a message that could not be sent.
#[test]
fn no_fault_is_said_to_excuse_what_it_may_not() {
    let mut report = broken();
    report.runs[0].fates = vec![
        met(Fate::Confirmed, 1, 0),
        met(Fate::Failed, 7, 1),
        met(Fate::NotSent, 5, 0),
    ];
    report.runs[0].totals.confirmed = 1;
    let document = Document::of(&report).unwrap();
    let page = Format::Html.render(&document, Choice::default()).unwrap();
    assert!(
        page.contains("5 not sent: no promise broken; the first"),
        "{page}"
    );
    assert!(
        page.contains("7 failed: 1 of them breaks a promise; the first"),
        "{page}"
    );
    assert!(!page.contains("excuse"), "{page}");
    let text = Format::Terminal
        .render(&document, Choice::default())
        .unwrap();
    assert!(text.contains("7 failed (1 breaks a promise)"), "{text}");
    let site = publish::site(&[document], &[]).unwrap();
    let mut files = site.iter();
    let page = files
        .find(|file| file.path == Path::new("faults.html"))
        .unwrap();
    assert!(
        page.text.contains(" 1 message was confirmed in them;"),
        "{}",
        page.text
    );
}

#[test]
fn a_run_in_which_nothing_broke_says_nothing_of_it() {
    let document = Document::of(&fixtures::repeated(0, 1.0)).unwrap();
    let page = Format::Html.render(&document, Choice::default()).unwrap();
    assert!(!page.contains("What broke") && !page.contains("class=\"f-fault\""));
    assert!(!document.text().contains("\"fates\""));
}

//! Two results against each other.

use loadgen::judge::Verdict;
use loadgen::{
    compare::{Allowance, CompareError, CompareFormat, Comparison, compare},
    result::{Document, Report},
};

use crate::fixtures;

fn both() -> (Report, Report) {
    let before = fixtures::named("pass").report().clone();
    // As a reader has it: through its text.
    let after = Document::of(&fixtures::slower()).unwrap().report().clone();
    (before, after)
}

fn allowed(texts: &[&str]) -> Vec<Allowance> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn compared(texts: &[&str]) -> Comparison {
    let (before, after) = both();
    compare(&before, &after, &allowed(texts), false).unwrap()
}

#[test]
fn in_every_format() {
    let (before, after) = both();
    let allowances = allowed(&[
        "delivery.p50=10%",
        "delivery.p50=500us",
        "delivery.within_5ms=1%",
        "confirm.p99=200%",
        "lost=0",
    ]);
    let comparison = compare(&before, &after, &allowances, false).unwrap();
    for (name, format) in [
        ("txt", CompareFormat::Terminal),
        ("md", CompareFormat::Markdown),
        ("json", CompareFormat::Json),
    ] {
        let text = comparison.render(format, &before, &after).unwrap();
        insta::assert_snapshot!(format!("compare-{name}"), text);
    }
    let page = comparison
        .render(CompareFormat::Html, &before, &after)
        .unwrap();
    assert!(page.len() < 200_000);
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    insta::assert_snapshot!("compare-html", head.to_owned() + body);
}

#[test]
fn a_result_does_not_differ_from_itself() {
    let (before, _) = both();
    let comparison = compare(&before, &before, &allowed(&["delivery.p99=5%"]), false).unwrap();
    for change in &comparison.changes {
        assert_eq!(change.before, change.after, "{}", change.key);
        if let Some(ratio) = change.ratio {
            assert_eq!(ratio.value, 1.0, "{}", change.key);
            if let Some((low, high)) = ratio.interval {
                assert!(low <= 1.0 && 1.0 <= high, "{}", change.key);
            }
        }
    }
    assert!(comparison.sentence.starts_with("No change of the median"));
}

#[test]
fn what_got_slower_is_found_and_the_floor_is_not_blamed() {
    let comparison = compared(&["delivery.p50=10%"]);
    assert_eq!(comparison.verdict, Some(Verdict::Fail));
    assert!(
        comparison.sentence.contains("slower"),
        "{}",
        comparison.sentence
    );
    let change = |key: &str| {
        let mut changes = comparison.changes.iter();
        changes.find(|change| change.key.starts_with(key)).unwrap()
    };
    let (low, high) = change("delivery.p50").ratio.unwrap().interval.unwrap();
    assert!(1.1 < low && low < high && high < 1.4, "{low} {high}");
    // The floor is of the same shape in both: against it, the change is as large.
    let relative = change("delivery.p50 divided by").ratio.unwrap().value;
    assert!((1.1..1.4).contains(&relative), "{relative}");
}

#[test]
fn other_seeds_stores_and_machines_are_told() {
    let (before, mut after) = both();
    after.environment.cores = 64;
    after.runs[1].store = "in-memory simulation".into();
    after.runs[1].own = false;
    after.labels.insert("build".into(), "release".into());
    let cautions = compare(&before, &after, &[], false).unwrap().cautions;
    for word in [
        "seeds 7 and 8",
        "2 cores",
        "64 cores",
        "different stores",
        "different targets: the server of loadgen itself; http://127.0.0.1:46507",
        "different labels: build=nightly; build=release",
        "versions of loadgen 0.1.0 (1a2b3c4d5e6f) and 0.1.0 (6f5e4d3c2b1a)",
        "disturbed",
    ] {
        assert!(
            cautions.iter().any(|caution| caution.contains(word)),
            "{word}: {cautions:?}"
        );
    }
}

#[test]
fn different_questions_are_refused_unless_somebody_insists() {
    let (before, mut after) = both();
    after.scenario.sha256 = "0".repeat(64);
    let error = compare(&before, &after, &[], false).unwrap_err();
    assert!(matches!(error, CompareError::Different(_)));
    assert!(error.to_string().contains("--anyway"), "{error}");
    let comparison = compare(&before, &after, &[], true).unwrap();
    assert!(comparison.cautions[0].contains("SHA-256"));
}

#[test]
fn an_invalid_result_proves_no_regression_of_times() {
    let (before, mut after) = both();
    after.verdict = Verdict::Invalid;
    let of = |text| {
        compare(&before, &after, &allowed(&[text]), false)
            .unwrap()
            .verdict
    };
    assert_eq!(of("delivery.p50=10%"), Some(Verdict::Invalid));
    assert_eq!(of("lost=0"), Some(Verdict::Pass));
}

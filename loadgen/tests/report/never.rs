//! Percentiles that are times of lost deliveries: they got as much worse as can be, and are not too few samples.

use loadgen::{
    compare::{Allowance, CompareFormat, Comparison, Insist, Repeats, compare},
    judge::Verdict,
    model::Metric,
    result::{Document, Report},
    verify,
};

use crate::fixtures;

/// So many runs that each lost so many of 2,400 deliveries, the first of them begun in that minute.
fn runs(number: u32, first: u32, lost: u64) -> Vec<Report> {
    let runs = (0..number).map(|turn| {
        let mut report = fixtures::repeated(2 * turn + first, 1.0);
        let run = &mut report.runs[0];
        run.windows[3].lost = Some(lost);
        run.totals.lost = lost;
        let mut metrics = run.metrics.iter_mut();
        let as_sent = metrics.find(|one| one.metric == Metric::DeliveryAsSent);
        as_sent.unwrap().lost = lost;
        report
    });
    runs.collect()
}

fn compared(number: u32, lost: [u64; 2]) -> Comparison {
    let (base, change) = (runs(number, 0, lost[0]), runs(number, 1, lost[1]));
    let base: Vec<&Report> = base.iter().collect();
    let change: Vec<&Report> = change.iter().collect();
    let allowance: Allowance = "delivery.p99=10%".parse().unwrap();
    compare(&base, &change, &[allowance], Insist::default()).unwrap()
}

#[test]
fn a_change_that_loses_more_than_a_percentile_leaves_over_is_named_and_fails() {
    for number in [1, 4] {
        // The base lost one of them, too.
        let comparison = compared(number, [1, 48]);
        assert_eq!(comparison.verdict, Some(Verdict::Fail), "{comparison:?}");
        let sentence = &comparison.sentence;
        assert!(
            sentence.starts_with(
                "More with the change in every run (the most in one): lost 48 (1 at the base). Never with the change, since so \
                 many deliveries were lost: delivery.p99 ("
            ),
            "{sentence}"
        );
        for key in ["delivery.p99", "delivery_as_sent.p99"] {
            let mut numbers = comparison.numbers.iter();
            let p99 = numbers.find(|one| one.key == key).unwrap();
            assert!(p99.base.is_some() && p99.change.is_none(), "{p99:?}");
            assert_eq!((p99.base_never, p99.change_never), (0, number as usize));
        }
        let text = comparison.text(None);
        let mut rows = text.lines();
        let row = rows.find(|line| line.starts_with("delivery.p99 ")).unwrap();
        assert!(row.contains("never"), "{text}");
    }
}

#[test]
fn a_change_that_loses_no_more_is_held_to_what_was_lost_of_the_base() {
    assert_eq!(compared(4, [48, 1]).verdict, Some(Verdict::Pass));
    assert_eq!(compared(4, [48, 48]).verdict, Some(Verdict::Inconclusive));
}

#[test]
fn several_runs_of_one_scenario_tell_it_too() {
    let repeats = Repeats::of(&runs(2, 0, 48), Some(2)).unwrap().unwrap();
    assert_eq!(repeats.runs[0].never, [false, true]);
    let mut numbers = repeats.numbers.iter();
    let p99 = numbers.find(|one| one.key == "delivery.p99").unwrap();
    assert_eq!((p99.median, p99.never), (None, 2));
    let text = repeats.render(CompareFormat::Terminal).unwrap();
    assert!(text.contains("never"), "{text}");
}

/// Results of before did not tell how many runs were asked for, and go by what they knew.
#[test]
fn several_runs_are_verified_by_the_rules_that_they_were_made_by() {
    let reports = runs(2, 0, 0);
    let documents: Vec<Document> = reports
        .iter()
        .map(|one| Document::of(one).unwrap())
        .collect();
    let told = |asked| {
        let repeats = Repeats::of(&reports, asked).unwrap().unwrap();
        serde_json::to_value(repeats).unwrap()
    };
    let (before, broken_off) = (told(None), told(Some(5)));
    assert_eq!(before["repeats_version"], 2);
    assert_eq!(before["verdict"], told(Some(2))["verdict"]);
    assert_eq!(broken_off["verdict"], "INCONCLUSIVE");
    let wrong = |said: &serde_json::Value| {
        let found = verify::repeats(&said.to_string(), &documents).unwrap();
        assert_eq!(found.open, [""; 0]);
        found.wrong.len()
    };
    for said in [&before, &broken_off, &told(Some(2))] {
        assert_eq!(wrong(said), 0, "{said}");
    }
    let mut hidden = broken_off;
    hidden["asked"] = 2.into();
    assert!(wrong(&hidden) > 0);
}

//! What a comparison says where runs are INVALID, and of counts, which are facts of each all the same.

use loadgen::{
    compare::{CompareFormat, Comparison},
    judge::Verdict,
};

use crate::compare::{PLAIN, compared, sides};

/// What is certain is certain of the server: the times of runs that the machine decided are none of it.
#[test]
fn nothing_of_a_time_is_certain_where_all_runs_of_a_side_are_invalid() {
    for (invalid, told) in [
        ([false, true], "All results of the change are INVALID"),
        ([true, false], "All results of the base are INVALID"),
        ([true, true], "All results of both sides are INVALID"),
    ] {
        let mut sides = sides(8, 1.5);
        assert!(compared(&sides, &[], PLAIN).unwrap().numbers[0].certain);
        let runs = [&mut sides.0, &mut sides.1].into_iter().zip(invalid);
        for (runs, _) in runs.filter(|(_, invalid)| *invalid) {
            for report in runs {
                report.verdict = Verdict::Invalid;
            }
        }
        for report in &mut sides.1 {
            report.runs[0].totals.lost = 3;
        }
        let comparison = compared(&sides, &[], PLAIN).unwrap();
        assert_eq!(
            comparison.sentence,
            format!(
                "{told}: their times say nothing about the server. Only with the change (the most in one run): lost 3."
            )
        );
        assert!(comparison.numbers.iter().all(|number| !number.certain));
        assert_eq!(comparison.chance, None);
        assert!(comparison.method.contains("no time counts as certain"));
        let page = comparison.render(CompareFormat::Html, &[], &[]).unwrap();
        assert!(!page.contains("What differs for certain"), "{told}");
    }
}

#[test]
fn a_run_that_is_left_out_takes_no_number_from_the_others() {
    let mut sides = sides(9, 1.5);
    let keys = |comparison: &Comparison| -> Vec<String> {
        let numbers = comparison.numbers.iter();
        numbers.map(|number| number.key.clone()).collect()
    };
    let all = keys(&compared(&sides, &[], PLAIN).unwrap());
    let invalid = &mut sides.1[2];
    invalid.verdict = Verdict::Invalid;
    invalid.runs[0].metrics.retain(|one| one.n == 0);
    let comparison = compared(&sides, &[], PLAIN).unwrap();
    assert_eq!(keys(&comparison), all);
    assert!(comparison.numbers[0].certain, "{}", comparison.sentence);
}

#[test]
fn counts_that_grew_for_certain_come_first_where_the_base_had_some_too() {
    let mut sides = sides(4, 1.0);
    let said = |sides: &_| compared(sides, &[], PLAIN).unwrap().sentence;
    for report in &mut sides.0 {
        report.runs[0].totals.duplicated = 1;
    }
    for report in &mut sides.1 {
        report.runs[0].totals.duplicated = 5_000;
    }
    assert!(
        said(&sides).starts_with(
            "More with the change in every run (the most in one): duplicated 5,000 (1 at the base)."
        ),
        "{}",
        said(&sides)
    );
    // One run that has no more is not every run.
    sides.1[3].runs[0].totals.duplicated = 1;
    assert!(!said(&sides).contains("duplicated"), "{}", said(&sides));
}

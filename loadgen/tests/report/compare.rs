//! Results before and after a change, one against one and set against set.

use std::{fs, path::PathBuf, process::Command};

use loadgen::judge::Verdict;
use loadgen::{
    compare::{Allowance, CompareError, CompareFormat, Comparison, Insist, compare},
    result::{Document, Report},
};
use tempfile::TempDir;

use crate::fixtures;

pub const PLAIN: Insist = Insist {
    anyway: false,
    by_plain_ratio: false,
};

fn both() -> (Report, Report) {
    let base = fixtures::named("pass").report().clone();
    // As a reader has it: through its text.
    let change = Document::of(&fixtures::slower()).unwrap().report().clone();
    (base, change)
}

/// So many runs of each side in turn, those of the change so many times as slow.
pub fn sides(runs: u32, factor: f64) -> (Vec<Report>, Vec<Report>) {
    let base = (0..runs).map(|turn| fixtures::repeated(2 * turn, 1.0));
    let change = (0..runs).map(|turn| fixtures::repeated(2 * turn + 1, factor));
    (base.collect(), change.collect())
}

fn allowed(texts: &[&str]) -> Vec<Allowance> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

pub fn compared(
    sides: &(Vec<Report>, Vec<Report>),
    texts: &[&str],
    insist: Insist,
) -> Result<Comparison, CompareError> {
    let base: Vec<&Report> = sides.0.iter().collect();
    let change: Vec<&Report> = sides.1.iter().collect();
    compare(&base, &change, &allowed(texts), insist)
}

#[test]
fn in_every_format() {
    let (base, change) = both();
    let allowances = allowed(&[
        "delivery.p50=10%",
        "delivery.within_5ms=1%",
        "confirm.p99=200%",
        "lost=0",
    ]);
    let comparison = compare(&[&base], &[&change], &allowances, PLAIN).unwrap();
    for (name, format) in [
        ("txt", CompareFormat::Terminal),
        ("md", CompareFormat::Markdown),
        ("json", CompareFormat::Json),
    ] {
        let text = comparison.render(format, &[&base], &[&change]).unwrap();
        insta::assert_snapshot!(format!("compare-{name}"), text);
    }
    let page = comparison
        .render(CompareFormat::Html, &[&base], &[&change])
        .unwrap();
    assert!(page.len() < 200_000);
    assert_eq!(crate::page::unseen(&page), [""; 0]);
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    let (body, _) = body.split_once("<script>").unwrap();
    insta::assert_snapshot!("compare-html", head.to_owned() + body);
}

#[test]
fn sets_in_words() {
    let sides = sides(6, 1.5);
    let texts = [
        "delivery.p50=10%",
        "delivery.p50=60%",
        "delivery.p99=3ms",
        "lost=0",
    ];
    let comparison = compared(&sides, &texts, PLAIN).unwrap();
    let text = comparison
        .render(CompareFormat::Terminal, &[], &[])
        .unwrap();
    insta::assert_snapshot!("compare-sets", text);
}

#[test]
fn a_comparison_fits_the_terminal_and_wraps_no_row() {
    let sides = sides(8, 1.2);
    let comparison = compared(&sides, &["delivery.p50=10%"], PLAIN).unwrap();
    for width in [80, 100, 132] {
        let text = comparison.text(Some(width));
        let too_wide: Vec<&str> = text
            .lines()
            .filter(|line| line.chars().count() > width)
            .collect();
        assert_eq!(too_wide, [""; 0], "{width}");
        let rows = text
            .lines()
            .skip_while(|line| !line.starts_with("number "))
            .filter(|line| line.starts_with("delivery.p50 "));
        // One of them is divided by the floor's.
        assert_eq!(rows.count(), 2, "{text}");
    }
    assert!(!comparison.text(Some(80)).contains("ratio ("));
    assert!(comparison.text(None).contains("ratio (95 %)"));
}

#[test]
fn one_against_one_says_the_difference_and_decides_nothing() {
    let (base, change) = both();
    let verdict = |texts: &[&str], insist| {
        compare(&[&base], &[&change], &allowed(texts), insist)
            .unwrap()
            .verdict
    };
    let comparison = compare(&[&base], &[&change], &[], PLAIN).unwrap();
    assert!(
        comparison.sentence.starts_with("Undecided"),
        "{}",
        comparison.sentence
    );
    assert!(
        comparison.method.contains("4 or more"),
        "{}",
        comparison.method
    );
    assert_eq!((comparison.verdict, comparison.chance), (None, None));
    for number in &comparison.numbers {
        assert!(!number.certain, "{}", number.key);
        let is_count = number.ratio.is_none() && number.key.split_once('.').is_none();
        let interval = number.difference.and_then(|difference| difference.interval);
        assert_eq!(interval.is_some(), is_count, "{}", number.key);
    }
    // It is 24 % slower, and no allowance of a time says anything until somebody insists.
    let texts = [
        "delivery.p50=10%",
        "delivery.p50=1us",
        "confirm.p99=0%",
        "delivery.within_5ms=0%",
    ];
    for text in texts {
        assert_eq!(
            verdict(&[text], PLAIN),
            Some(Verdict::Inconclusive),
            "{text}"
        );
    }
    let insist = Insist {
        by_plain_ratio: true,
        ..PLAIN
    };
    assert_eq!(verdict(&["delivery.p50=10%"], insist), Some(Verdict::Fail));
    assert_eq!(verdict(&["delivery.p50=40%"], insist), Some(Verdict::Pass));
}

#[test]
fn the_worst_certain_difference_is_named_and_the_floor_second() {
    let mut sides = sides(8, 1.0);
    for report in &mut sides.1 {
        fixtures::slow_down_the_tail(report);
    }
    let comparison = compared(&sides, &["delivery.p99=50%", "delivery.p50=30%"], PLAIN).unwrap();
    let sentence = &comparison.sentence;
    assert!(
        sentence.starts_with("The worst difference that is certain: delivery.p99 is slower"),
        "{sentence}"
    );
    let (_, second) = sentence.split_once(". ").unwrap();
    assert!(
        second.starts_with("Against each run's own floor: delivery.p99 minus the floor's"),
        "{sentence}"
    );
    assert!(comparison.paired && comparison.chance.unwrap() <= 0.04);
    assert_eq!(comparison.verdict, Some(Verdict::Fail));
    let verdicts: Vec<Verdict> = comparison
        .allowances
        .iter()
        .map(|judged| judged.verdict)
        .collect();
    assert_eq!(verdicts, [Verdict::Fail, Verdict::Pass]);
}

#[test]
fn the_same_server_twice_is_no_difference() {
    let comparison = compared(&sides(6, 1.0), &["delivery.p50=20%", "lost=0"], PLAIN).unwrap();
    assert!(
        comparison
            .sentence
            .starts_with("No difference that these runs could tell"),
        "{}",
        comparison.sentence
    );
    assert_eq!(comparison.verdict, Some(Verdict::Pass));
    assert!(comparison.numbers.iter().all(|number| !number.certain));
}

#[test]
fn faster_is_told_too() {
    let comparison = compared(&sides(4, 0.5), &["delivery.p50=0%"], PLAIN).unwrap();
    let sentence = &comparison.sentence;
    assert!(
        sentence.starts_with("The largest difference that is certain: delivery.p"),
        "{sentence}"
    );
    assert!(sentence.contains(" is faster by "), "{sentence}");
    assert!(!comparison.paired);
    assert_eq!(comparison.verdict, Some(Verdict::Pass));
}

#[test]
fn three_runs_are_too_few_and_it_is_said_how_many_are_needed() {
    let comparison = compared(&sides(3, 9.0), &["delivery.p50=10%"], PLAIN).unwrap();
    assert!(
        comparison
            .sentence
            .starts_with("Undecided: 3 runs against 3"),
        "{}",
        comparison.sentence
    );
    assert_eq!(comparison.verdict, Some(Verdict::Inconclusive));
    assert!(
        comparison.allowances[0]
            .measured
            .contains("measure 4 runs or more of each side")
    );
}

#[test]
fn counts_are_facts() {
    let mut sides = sides(4, 1.0);
    let verdict = |sides: &_| compared(sides, &["lost=0"], PLAIN).unwrap().verdict;
    assert_eq!(verdict(&sides), Some(Verdict::Pass));
    sides.1[2].runs[0].totals.lost = 3;
    // One run of four.
    assert_eq!(verdict(&sides), Some(Verdict::Inconclusive));
    for report in &mut sides.1 {
        report.runs[0].totals.lost = 3;
    }
    assert_eq!(verdict(&sides), Some(Verdict::Fail));
    let sentence = compared(&sides, &[], PLAIN).unwrap().sentence;
    assert!(
        sentence.starts_with("Only with the change (the most in one run): lost 3."),
        "{sentence}"
    );
    let (base, mut change) = both();
    change.runs[1].totals.lost = 3;
    let one = compare(&[&base], &[&change], &allowed(&["lost=0"]), PLAIN).unwrap();
    assert_eq!(one.verdict, Some(Verdict::Fail));
}

#[test]
fn other_seeds_stores_and_machines_are_told() {
    let (base, mut change) = both();
    change.environment.cores = 64;
    change.runs[1].store = "in-memory simulation".into();
    change.runs[1].own = false;
    change.labels.insert("build".into(), "release".into());
    let cautions = compare(&[&base], &[&change], &[], PLAIN).unwrap().cautions;
    for word in [
        "different seeds: 7; 8",
        "2 cores",
        "64 cores",
        "different stores",
        "different targets: the server of loadgen itself; http://127.0.0.1:46507",
        "different labels: build=nightly; build=release",
        "versions of loadgen: 0.1.0 (1a2b3c4d5e6f); 0.1.0 (6f5e4d3c2b1a)",
        "disturbed",
    ] {
        assert!(
            cautions.iter().any(|caution| caution.contains(word)),
            "{word}: {cautions:?}"
        );
    }
}

#[test]
fn runs_that_were_not_in_turn_are_told() {
    let (mut base, mut change) = sides(4, 1.0);
    let cautions = |base: &[Report], change: &[Report]| {
        compared(&(base.to_vec(), change.to_vec()), &[], PLAIN)
            .unwrap()
            .cautions
    };
    assert_eq!(cautions(&base, &change), Vec::<String>::new());
    std::mem::swap(&mut base[2], &mut change[0]);
    std::mem::swap(&mut base[3], &mut change[1]);
    let told = cautions(&base, &change);
    assert!(
        told.len() == 1 && told[0].contains("measure both in turn"),
        "{told:?}"
    );
}

#[test]
fn different_questions_are_refused_unless_somebody_insists() {
    let (base, mut change) = both();
    change.scenario.sha256 = "0".repeat(64);
    let error = compare(&[&base], &[&change], &[], PLAIN).unwrap_err();
    assert!(matches!(error, CompareError::Different(_)));
    assert!(error.to_string().contains("--anyway"), "{error}");
    let insist = Insist {
        anyway: true,
        ..PLAIN
    };
    let comparison = compare(&[&base], &[&change], &[], insist).unwrap();
    assert!(comparison.cautions[0].contains("SHA-256"));
}

#[test]
fn one_side_is_of_one_target_store_machine_and_set_of_labels() {
    let edits: [fixtures::Edit; 4] = [
        ("targets", |report| report.runs[0].own = false),
        ("stores", |report| {
            report.runs[0].store = "MongoDB 8.0".into()
        }),
        ("machines", |report| report.environment.cores = 64),
        ("labels", |report| report.labels.clear()),
    ];
    for (what, edit) in edits {
        let mut sides = sides(2, 1.0);
        edit(&mut sides.1[1]);
        let error = compared(&sides, &[], PLAIN).unwrap_err().to_string();
        assert!(
            error.contains(&format!("the change has different {what}")),
            "{error}"
        );
        // On both sides alike it is no reason to refuse, if all runs of a side have it.
        edit(&mut sides.1[0]);
        assert!(compared(&sides, &[], PLAIN).unwrap().cautions[0].contains(what));
    }
}

#[test]
fn a_run_counts_once() {
    let mut sides = sides(4, 1.0);
    sides.1[3] = sides.0[0].clone();
    let error = compared(&sides, &[], PLAIN).unwrap_err();
    assert!(matches!(error, CompareError::Twice { .. }), "{error}");
    assert!(matches!(
        compare(&[], &[], &[], PLAIN),
        Err(CompareError::Empty("base"))
    ));
}

#[test]
fn an_invalid_result_proves_no_regression_of_times() {
    let (base, mut change) = both();
    change.verdict = Verdict::Invalid;
    let of = |text| {
        let comparison = compare(&[&base], &[&change], &allowed(&[text]), PLAIN);
        comparison.unwrap().verdict
    };
    assert_eq!(of("delivery.p50=10%"), Some(Verdict::Invalid));
    assert_eq!(of("lost=0"), Some(Verdict::Pass));
}

#[test]
fn invalid_runs_are_left_out_with_their_pairs() {
    let mut sides = sides(9, 1.5);
    sides.1[2].verdict = Verdict::Invalid;
    let comparison = compared(&sides, &["delivery.p50=10%"], PLAIN).unwrap();
    assert!(comparison.paired);
    assert_eq!(comparison.verdict, Some(Verdict::Fail));
    assert_eq!(comparison.numbers[0].base_runs.len(), 8);
    assert!(
        comparison.cautions.iter().any(
            |told| told == "1 of 9 change results are INVALID, and left out but for the counts"
        ),
        "{:?}",
        comparison.cautions
    );
    // Too few pairs are left; as two sets they are enough.
    sides.0[4].verdict = Verdict::Invalid;
    let comparison = compared(&sides, &["delivery.p50=10%"], PLAIN).unwrap();
    assert_eq!(
        (comparison.paired, comparison.verdict),
        (false, Some(Verdict::Fail))
    );
}

/// The sides as files, and `loadgen compare` of them.
struct Files {
    folder: TempDir,
    base: Vec<PathBuf>,
    change: Vec<PathBuf>,
}

impl Files {
    fn of(sides: &(Vec<Report>, Vec<Report>)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, reports: &[Report]| {
            let mut paths = Vec::new();
            for (place, report) in reports.iter().enumerate() {
                let path = folder.path().join(format!("{name}{place}.json"));
                fs::write(&path, Document::of(report).unwrap().text()).unwrap();
                paths.push(path);
            }
            paths
        };
        let (base, change) = (write("a", &sides.0), write("b", &sides.1));
        Self {
            folder,
            base,
            change,
        }
    }

    fn compare(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        command
            .current_dir(self.folder.path())
            .arg("compare")
            .args(arguments);
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    }

    fn compare_sets(&self, flags: &[&str]) -> (Option<i32>, String) {
        let name = |path: &PathBuf| path.display().to_string();
        let (base, change): (Vec<_>, Vec<_>) = (
            self.base.iter().map(name).collect(),
            self.change.iter().map(name).collect(),
        );
        let mut arguments = vec!["--base"];
        arguments.extend(base.iter().map(String::as_str));
        arguments.push("--change");
        arguments.extend(change.iter().map(String::as_str));
        arguments.extend(flags);
        self.compare(&arguments)
    }
}

#[test]
fn the_exit_code_says_what_is_certain() {
    let files = Files::of(&sides(4, 2.0));
    let allow = |text| files.compare_sets(&["--fail-on-regression", text]);
    assert_eq!(allow("delivery.p50=10%").0, Some(1));
    assert_eq!(allow("delivery.p50=300%").0, Some(0));
    assert_eq!(files.compare_sets(&[]).0, Some(0));
    // The same ratio of one run against one.
    let one = [
        "a0.json",
        "b0.json",
        "--fail-on-regression",
        "delivery.p50=10%",
    ];
    let (code, said) = files.compare(&one);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("--by-plain-ratio"), "{said}");
    assert_eq!(
        files.compare(&[&one[..], &["--by-plain-ratio"]].concat()).0,
        Some(1)
    );
}

#[test]
fn what_is_typed_wrong_is_told() {
    let files = Files::of(&sides(1, 1.0));
    for (arguments, word) in [
        (&[][..], "--base"),
        (&["a0.json"], "<CHANGE.json>"),
        (&["--base", "a0.json"], "--change"),
        (&["--change", "a0.json"], "--base"),
        (
            &[
                "a0.json", "b0.json", "--base", "a0.json", "--change", "b0.json",
            ],
            "cannot be used with",
        ),
        (
            &["a0.json", "b0.json", "--by-plain-ratio"],
            "--fail-on-regression",
        ),
        (&["a0.json", "none.json"], "none.json"),
        (
            &["--base", "a0.json", "a0.json", "--change", "b0.json"],
            "is there twice",
        ),
    ] {
        let (code, said) = files.compare(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
}

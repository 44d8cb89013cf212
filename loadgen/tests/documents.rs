//! Holds the tables of docs/MEASUREMENT.md against the code, and what README.md says of ladders against the published ones.

use std::{collections::BTreeSet, fs, path::Path};

use loadgen::{
    command::exit_code::Exit,
    judge::{Check, Verdict},
    model::{Count, Metric, percentile},
    report::statements::DELIVERIES,
    search::ladder::{Ladder, PICTURE, between_marks, newest},
};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/MEASUREMENT.md");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The cells of the first table after a text, without its head.
fn table(after: &str) -> Vec<Vec<String>> {
    let page = page();
    let (_, rest) = page.split_once(after).expect(after);
    let table = rest.lines().skip_while(|line| !line.starts_with('|'));
    let rows = table.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |line: &str| line.trim_matches('|').split('|').map(cell).collect();
    rows.map(cells).collect()
}

fn cell(text: &str) -> String {
    text.trim().trim_matches('`').to_owned()
}

#[test]
fn every_metric_has_its_name_and_its_clock_points() {
    let known = Metric::ALL.map(|metric| {
        let metric = metric.definition();
        [metric.key, metric.title, metric.from, metric.to].map(str::to_owned)
    });
    assert_eq!(table("## Metrics"), known);
}

#[test]
fn every_count_is_named() {
    let named: Vec<String> = table("Counts:")
        .into_iter()
        .map(|row| row[0].clone())
        .collect();
    assert_eq!(named, Count::ALL.map(Count::key));
}

#[test]
fn every_count_of_deliveries_is_defined_once() {
    let rows = table("### The counts").into_iter();
    let defined: Vec<(String, String)> = rows
        .map(|row| {
            let key = row[1].rsplit('.').next().unwrap_or_default();
            (key.to_owned(), row[0].clone())
        })
        .collect();
    let known = DELIVERIES.map(|(key, words)| match key {
        "planned" => ("deliveries".to_owned(), words.to_owned()),
        key => (key.to_owned(), words.to_owned()),
    });
    assert_eq!(defined, known);
}

#[test]
fn every_check_is_named_in_its_words() {
    let named: Vec<String> = table("After the drain every slot is checked")
        .into_iter()
        .map(|row| row[0].clone())
        .collect();
    assert_eq!(named, Check::ALL.map(Check::title));
}

#[test]
fn the_needed_samples_are_right() {
    let page = page();
    let (head, rest) = page.split_once("| p50 |").expect("rule 7");
    assert!(head.contains("Rule 7"));
    let percentiles = rest
        .lines()
        .next()
        .into_iter()
        .flat_map(|line| line.split('|'));
    let percentiles: Vec<f64> = std::iter::once("p50")
        .chain(percentiles)
        .filter_map(|cell| cell.trim().strip_prefix('p')?.parse().ok())
        .collect();
    let needed: Vec<u64> = table("**Rule 7")[0]
        .iter()
        .filter_map(|cell| cell.replace(',', "").parse().ok())
        .collect();
    assert_eq!(percentiles.len(), 6);
    let known: Vec<u64> = percentiles.into_iter().map(percentile::needed).collect();
    assert_eq!(needed, known);
}

#[test]
fn the_exit_codes_are_the_codes() {
    let described: BTreeSet<(String, String)> = table("## Verdicts and exit codes")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let verdicts = [
        Verdict::Pass,
        Verdict::Fail,
        Verdict::Inconclusive,
        Verdict::Invalid,
    ];
    let known = verdicts
        .map(|verdict| (Exit::from(verdict), verdict.name()))
        .into_iter()
        .chain([(Exit::Usage, ""), (Exit::Setup, "")])
        .map(|(exit, name)| ((exit as u8).to_string(), name.to_owned()))
        .collect();
    assert_eq!(described, known);
}

#[test]
fn the_gravest_exit_comes_first() {
    let page = page();
    let (_, rest) = page
        .split_once("must not be overlooked: ")
        .expect("the order");
    let order: Vec<u8> = rest
        .split(',')
        .map_while(|code| code.trim().parse().ok())
        .collect();
    let mut known = [
        Exit::Pass,
        Exit::Fail,
        Exit::Usage,
        Exit::Inconclusive,
        Exit::Invalid,
        Exit::Setup,
    ];
    known.sort_by(|a, b| {
        if a.worse(*b) == *a {
            std::cmp::Ordering::Less
        } else {
            std::cmp::Ordering::Greater
        }
    });
    assert_eq!(order, known.map(|exit| exit as u8));
}

/// All of it is made by `loadgen publish --readme README.md`.
#[test]
fn the_readme_tells_of_the_newest_ladder_what_that_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("reports/systems");
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| {
        let path = file.path();
        let is_ladder = path.extension().is_some_and(|ending| ending == "json");
        is_ladder.then(|| (path.clone(), fs::read_to_string(path).unwrap()))
    });
    let ladders: Vec<Ladder> = texts
        .map(|(path, text)| Ladder::parse(&path, &text).unwrap())
        .collect();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let drawn = fs::read_to_string(root.join("reports").join(PICTURE)).ok();
    let (picture, told) = match newest(ladders.iter()) {
        Some((picture, told)) => (picture, told.markdown("reports")),
        // Until one is published, nothing is told.
        None => (None, String::new()),
    };
    assert_eq!(between_marks(&readme, &told).unwrap(), readme);
    assert_eq!(picture.map(|file| file.text), drawn);
}

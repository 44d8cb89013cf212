//! The site: an index over all results, each a click away.

use std::{fs, path::Path, process::Command};

use loadgen::{
    report::publish,
    result::{Document, Report},
};

use crate::fixtures;

#[test]
fn the_index_leads_to_every_result() {
    let slower = Document::of(&fixtures::slower()).unwrap();
    let mut reports: Vec<&Report> = fixtures::all().iter().map(|(_, d)| d.report()).collect();
    reports.push(slower.report());
    let index = publish::index(&reports).unwrap();
    for document in fixtures::all().iter().map(|(_, d)| d).chain([&slower]) {
        for file in publish::pages(document).unwrap() {
            let path = file.path.display().to_string();
            assert!(index.text.contains(&format!("href=\"{path}\"")), "{path}");
        }
    }
    let (head, rest) = index.text.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    insta::assert_snapshot!("site-index", head.to_owned() + body);
}

fn publish(results: &[&Path], site: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .arg("publish")
        .args(results)
        .arg("--to")
        .arg(site)
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), stderr)
}

#[test]
fn what_was_published_stays_and_twice_is_once() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("1.json"), folder.path().join("2.json"));
    fs::write(&first, fixtures::named("pass").text()).unwrap();
    let slower = Document::of(&fixtures::slower()).unwrap();
    fs::write(&second, slower.text()).unwrap();
    let site = folder.path().join("site");
    assert_eq!(publish(&[&first], &site).0, Some(0));
    assert_eq!(publish(&[&second, &first], &site).0, Some(0));
    let index = fs::read_to_string(site.join("index.html")).unwrap();
    assert_eq!(index.matches(">JSON</a>").count(), 2);
    assert!(index.contains("From run to run"));
    let published = fs::read_dir(site.join("before-and-after")).unwrap();
    assert_eq!(published.count(), 4);
}

#[test]
fn what_is_no_result_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.json");
    fs::write(&wrong, "{}").unwrap();
    let site = folder.path().join("site");
    let (code, stderr) = publish(&[&wrong], &site);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("wrong.json"), "{stderr}");
    assert!(!site.exists());
}

/// The heads of the trends and the claims of an index, and how many charts it has.
fn apart(reports: &[&Report]) -> (usize, usize, usize) {
    let text = publish::index(reports).unwrap().text;
    (
        text.matches("<h3>").count(),
        text.matches("In the latest runs").count(),
        text.matches("From run to run</h2>").count(),
    )
}

#[test]
fn other_targets_stores_machines_and_labels_have_trends_and_claims_of_their_own() {
    let first = fixtures::named("pass").report();
    let slower = fixtures::slower();
    assert_eq!(apart(&[first, &slower]), (0, 1, 1));
    let edits: [fixtures::Edit; 4] = [
        ("target", |report| report.runs[1].own = false),
        ("store", |report| {
            report.runs[1].store = "MongoDB 8.0".into()
        }),
        ("machine", |report| report.environment.cores = 64),
        ("label", |report| report.labels.clear()),
    ];
    for (what, edit) in edits {
        let mut other = fixtures::slower();
        edit(&mut other);
        assert_eq!(apart(&[first, &other]), (2, 2, 0), "{what}");
        let mut again = other.clone();
        again.started = "2026-03-03T12:00:00.000Z".into();
        assert_eq!(
            apart(&[first, &other, &again, &slower]),
            (2, 2, 2),
            "{what}"
        );
    }
    // The port of a server of our own says nothing.
    let mut other = fixtures::slower();
    other.runs[1].target = "http://127.0.0.1:1".into();
    assert_eq!(apart(&[first, &other]), (0, 1, 1));
}

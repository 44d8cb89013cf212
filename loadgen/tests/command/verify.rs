//! `verify`: what the program itself wrote follows, and what was changed since does not.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{Bench, Ended, SMALL, finish, loadgen};

fn verify(paths: &[&Path]) -> Ended {
    let mut command = loadgen();
    command.arg("verify").args(paths);
    finish(command)
}

fn change(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

#[test]
fn a_run_its_page_and_its_site_follow_from_what_was_seen() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    let ended = bench.run(&scenario, &["--store", "memory", "--floor", "1s"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let (json, page) = (bench.path("out/small.json"), bench.path("out/small.html"));
    let site = bench.path("site");
    let mut publish = loadgen();
    publish.arg("publish").arg(&json).arg("--to").arg(&site);
    assert_eq!(finish(publish).code, Some(0));
    let ended = verify(&[&json, &page, &site]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(
        ended.stdout.matches("nothing is wrong").count(),
        5,
        "{}",
        ended.stdout
    );
    // A page that says something else than its result.
    let text = fs::read_to_string(&page).unwrap();
    fs::write(&page, text.replacen("PASS", "FAIL", 1)).unwrap();
    let ended = verify(&[&page]);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stdout.contains("the page, line"), "{}", ended.stdout);
    let index = site.join("index.html");
    let text = fs::read_to_string(&index).unwrap();
    fs::write(&index, text.replacen("PASS", "FAIL", 1)).unwrap();
    assert_eq!(verify(&[&site]).code, Some(1));
    // A number of the result.
    change(&json, |value| {
        value["runs"][0]["metrics"][0]["max"] = 1.into()
    });
    let ended = verify(&[&json]);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    for part in [
        "seal: says",
        "runs[0].metrics[0].max: says 1; what was seen gives",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
}

#[test]
fn several_runs_follow_from_each_of_them() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    for repeat in ["3", "2"] {
        bench.run(&scenario, &["--store", "memory", "--repeat", repeat]);
    }
    // Of the first three the last is left over.
    let left_over = bench.path("out/small.run-3.json");
    assert!(left_over.exists());
    let all = bench.path("out/small.runs.json");
    let ended = verify(&[&all]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    // One that was begun after those that are summed up was left out of the sum.
    fs::copy(bench.path("out/small.run-2.json"), &left_over).unwrap();
    let ended = verify(&[&all]);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    fs::remove_file(&left_over).unwrap();
    change(&all, |value| value["numbers"][0]["median"] = 1.into());
    let ended = verify(&[&all]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stdout.contains("numbers[0].median"),
        "{}",
        ended.stdout
    );
}

#[test]
fn what_is_no_result_is_told_and_the_others_are_verified_all_the_same() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    let missing = bench.path("missing.json");
    let newer = bench.path("newer.json");
    fs::write(&newer, "{ \"version\": 999 }").unwrap();
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports");
    let ended = verify(&[&scenario, &missing, &newer, &published]);
    assert_eq!(ended.code, Some(2));
    assert_eq!(
        ended.stderr.matches("error: ").count(),
        3,
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("reads up to"), "{}", ended.stderr);
    assert_eq!(verify(&[]).code, Some(2));
}

#[test]
fn what_is_published_here_follows() {
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports");
    let mut results = Vec::new();
    for folder in fs::read_dir(&published).unwrap() {
        let folder = folder.unwrap().path();
        if folder.is_dir() && !folder.ends_with("latest") {
            let files = fs::read_dir(folder).unwrap();
            results.extend(files.map(|file| file.unwrap().path()));
        }
    }
    results.retain(|path| path.extension().is_some_and(|one| one == "json"));
    assert!(results.len() > 5);
    let mut paths: Vec<&Path> = results.iter().map(|path| path.as_path()).collect();
    paths.push(&published);
    let ended = verify(&paths);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
}

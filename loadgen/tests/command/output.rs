//! Where results go, and that they can be had again.

use std::fs;

use crate::{Bench, SMALL, finish, loadgen};

#[test]
fn a_run_leaves_what_was_asked_for_and_it_can_be_had_again() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    let summary = bench.path("summary.md");
    fs::write(&summary, "before\n").unwrap();
    let elsewhere = bench.path("elsewhere/junit.xml");
    let junit = format!("junit={}", elsewhere.display());
    let mut command = bench.command(
        &scenario,
        &[
            "--store", "memory", "--report", "hlog", "--report", &junit, "--quiet",
        ],
    );
    command.env("GITHUB_STEP_SUMMARY", &summary);
    let ended = finish(command);
    assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
    assert!(ended.stdout.contains(" small: "), "{}", ended.stdout);

    let summary = fs::read_to_string(summary).unwrap();
    assert!(summary.starts_with("before\n## "), "{summary}");
    let result = bench.path("out/small.json");
    for (format, file) in [
        ("html", bench.path("out/small.html")),
        ("hlog", bench.path("out/small.hlog")),
        ("junit", elsewhere),
        ("json", result.clone()),
    ] {
        let mut command = loadgen();
        command
            .arg("report")
            .arg(&result)
            .args(["--format", format]);
        let again = finish(command);
        assert_eq!(again.code, Some(0), "{}", again.stderr);
        assert!(
            again.stdout == fs::read_to_string(&file).unwrap(),
            "{format} is not the same again"
        );
    }
}

#[test]
fn the_result_can_be_had_on_standard_output_alone() {
    let bench = Bench::new();
    let flags = ["--store", "memory", "--json"];
    let ended = bench.run(&bench.scenario(SMALL), &flags);
    assert_eq!(
        ended.stdout,
        fs::read_to_string(bench.path("out/small.json")).unwrap()
    );
}

#[test]
fn what_is_no_result_is_refused_in_one_line() {
    let bench = Bench::new();
    let path = bench.scenario(SMALL);
    for arguments in [
        vec!["report".as_ref(), path.as_os_str()],
        vec!["compare".as_ref(), path.as_os_str(), path.as_os_str()],
    ] {
        let mut command = loadgen();
        command.args(arguments);
        let ended = finish(command);
        assert_eq!(ended.code, Some(2));
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains("scenario.toml"), "{}", ended.stderr);
    }
}

#[test]
fn an_unknown_format_is_refused_with_the_known_ones() {
    let bench = Bench::new();
    let ended = bench.run(&bench.scenario(SMALL), &["--report", "pdf"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("openmetrics"), "{}", ended.stderr);
}

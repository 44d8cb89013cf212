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

#[test]
fn a_pipe_is_a_terminal_of_80_columns_and_the_text_ends_with_the_files() {
    let bench = Bench::new();
    let ended = bench.run(&bench.scenario(SMALL), &["--store", "memory"]);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let (told, files) = lines.split_at(lines.len() - 2);
    for (line, ending) in files.iter().zip(["json", "html"]) {
        let path = bench.path("out").join(format!("small.{ending}"));
        assert_eq!(*line, format!("  report: {}", path.display()));
    }
    assert!(
        told.iter().all(|line| line.chars().count() <= 80),
        "{}",
        ended.stdout
    );
    assert!(told.contains(&"  ✓ PASS lost == 0: 0"), "{}", ended.stdout);
    assert!(ended.said().contains("more metrics were measured: --all"));
    let result = bench.path("out/small.json");
    let again = |flags: &[&str]| {
        let mut command = loadgen();
        command.arg("report").arg(&result).args(flags);
        finish(command).stdout
    };
    // The same again, without the files.
    assert_eq!(again(&[]), told.join("\n") + "\n");
    let all = again(&["--all"]);
    assert!(all.contains("\nsend lateness "), "{all}");
    assert!(all.lines().all(|line| line.chars().count() <= 80), "{all}");
}

#[test]
fn without_a_terminal_a_line_tells_every_ten_seconds_where_the_run_is() {
    let bench = Bench::new();
    let scenario = SMALL.replace("\"2s\"", "\"12s\"").replace("200/s", "20/s");
    let ended = bench.run(&bench.scenario(&scenario), &["--store", "memory"]);
    let lines = ended.stderr.lines();
    let told: Vec<&str> = lines.filter(|line| line.starts_with("steady: ")).collect();
    assert!(!told.is_empty(), "{}", ended.stderr);
    for word in [" left, ", " so far, ", " sent, ", " lost, "] {
        assert!(told[0].contains(word), "{word} {}", told[0]);
    }
    assert!(!ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
}

//! Scenario files and flags that are wrong: one error with its place, exit 2, nothing run.

use crate::{Bench, SMALL, finish, loadgen};

/// What the program says of a scenario file, with its folder taken out.
fn error_of(text: &str) -> String {
    let bench = Bench::new();
    let path = bench.scenario(text);
    let ended = bench.run(&path, &["--store", "memory"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert!(!bench.path("out").exists());
    ended
        .stderr
        .replace(&path.display().to_string(), "scenario.toml")
}

#[test]
fn an_unknown_key_is_shown_in_place_with_the_keys_that_there_are() {
    insta::assert_snapshot!(error_of(&SMALL.replace("rooms = 5", "rooom = 5")));
}

#[test]
fn a_rate_without_its_unit_is_shown_in_place() {
    insta::assert_snapshot!(error_of(&SMALL.replace("\"200/s\"", "200")));
}

#[test]
fn a_wrong_unit_is_shown_in_place() {
    insta::assert_snapshot!(error_of(&SMALL.replace("\"2s\"", "\"2 parsecs\"")));
}

#[test]
fn an_impossible_number_is_shown_in_place() {
    insta::assert_snapshot!(error_of(&SMALL.replace("rooms = 5", "rooms = 46")));
    insta::assert_snapshot!(error_of(&SMALL.replace("users = 10", "users = 1")));
    insta::assert_snapshot!(error_of(&SMALL.replace("\"200/s\"", "\"9000000000/s\"")));
}

#[test]
fn what_is_too_much_for_a_run_is_shown_in_place() {
    insta::assert_snapshot!(error_of(
        &SMALL.replace("\"2s\"", "\"18446744073709551615s\"")
    ));
    insta::assert_snapshot!(error_of(
        &SMALL
            .replace("\"500ms\"", "\"300d\"")
            .replace("\"2s\"", "\"300d\"")
    ));
    insta::assert_snapshot!(error_of(&SMALL.replace("users = 10", "users = 4294967295")));
    insta::assert_snapshot!(error_of(&SMALL.replace(
        "rooms = 5",
        "channels = [{ count = 4294967295, members = 10 }]"
    )));
}

#[test]
fn phases_are_told_apart_by_their_names() {
    insta::assert_snapshot!(error_of(&SMALL.replace("\"warm-up\"", "\"\"")));
    insta::assert_snapshot!(error_of(&SMALL.replace("\"warm-up\"", "\"steady\"")));
}

#[test]
fn a_variable_is_set_once() {
    let bench = Bench::new();
    let text = SMALL
        .replace("users = 10", "users = \"${users}\"")
        .replace("[server]", "[variables]\nusers = 10\n[server]");
    let scenario = bench.scenario(&text);
    let ended = bench.run(&scenario, &["--set", "users=16", "--set", "users=18"]);
    assert_eq!(ended.code, Some(2));
    assert_eq!(
        ended.stderr,
        format!(
            "error: --set users=18: it is set twice: give each variable one value ({})\n",
            scenario.display()
        )
    );
}

#[test]
fn an_unknown_threshold_is_shown_in_place() {
    insta::assert_snapshot!(error_of(
        &SMALL.replace("\"lost\" = \"== 0\"", "\"delivery.p99\" = \"< 5\"")
    ));
    insta::assert_snapshot!(error_of(&SMALL.replace("\"lost\"", "\"latency.p99\"")));
}

#[test]
fn what_is_no_toml_is_shown_in_place() {
    insta::assert_snapshot!(error_of("version = 1\nname = quickstart\n"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let bench = Bench::new();
    let ended = bench.run(&bench.path("missing.toml"), &[]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("missing.toml: No such file"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_mistake_in_the_last_file_is_found_before_the_first_is_run() {
    let bench = Bench::new();
    let good = bench.scenario(SMALL);
    let wrong = bench.path("wrong.toml");
    std::fs::write(&wrong, "version = 2\n").unwrap();
    let ended = bench.run(&good, &[wrong.to_str().unwrap(), "--store", "memory"]);
    assert_eq!(ended.code, Some(2));
    assert!(!bench.path("out").exists());
}

#[test]
fn wrong_flags_end_with_usage() {
    for flags in [
        &["run"][..],
        &["run", "x.toml", "--store", "oracle"],
        &["run", "x.toml", "--delivery", "later"],
        &["run", "x.toml", "--delivery", "persist-first,persist-first"],
        &[
            "run",
            "x.toml",
            "--target",
            "http://127.0.0.1:1",
            "--store",
            "memory",
        ],
        &["run", "x.toml", "--workers", "0"],
        &["walk"],
    ] {
        let mut command = loadgen();
        command.args(flags);
        let ended = finish(command);
        assert_eq!(ended.code, Some(2), "{flags:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("error:"), "{}", ended.stderr);
    }
}

#[test]
fn what_is_no_connection_string_is_a_wrong_command_line_and_tells_no_password() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    for flags in [
        &["--store", "mongodb://"][..],
        &["--store", "mongodb://me:secret@host:port/chat"],
        &[
            "--store",
            "mongodb://me:secret@127.0.0.1:1/?w=nonsense&journal=perhaps",
        ],
        &[
            "--target",
            "http://127.0.0.1:1",
            "--audit",
            "mongodb://me:secret@host:port/chat",
        ],
        &["--target", "ftp://127.0.0.1"],
        &["--target", "http://127.0.0.1:port"],
        &["--target", "nonsense"],
    ] {
        let ended = bench.run(&scenario, flags);
        assert_eq!(ended.code, Some(2), "{flags:?}: {}", ended.stderr);
        assert_eq!(
            ended.stderr.lines().count(),
            1,
            "{flags:?}: {}",
            ended.stderr
        );
        assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
        assert!(!bench.path("out").exists());
    }
}

#[test]
fn a_delivery_is_named_once() {
    let bench = Bench::new();
    let twice = "optimistic,persist-first,optimistic";
    let ended = bench.run(&bench.scenario(SMALL), &["--delivery", twice]);
    assert_eq!(ended.code, Some(2));
    assert_eq!(
        ended.stderr,
        "error: --delivery names optimistic twice: name each once\n"
    );
}

#[test]
fn the_exit_codes_are_in_the_help() {
    let mut command = loadgen();
    command.arg("--help");
    let ended = finish(command);
    assert_eq!(ended.code, Some(0));
    for line in [
        "0  PASS",
        "1  FAIL",
        "3  INCONCLUSIVE",
        "4  INVALID",
        "5   ",
    ] {
        assert!(ended.stdout.contains(line), "{}", ended.stdout);
    }
}

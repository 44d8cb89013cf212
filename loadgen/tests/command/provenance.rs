//! What a result says of where it comes from: the program that measured, the server that was measured, the user's labels.

use std::process::Command;

use server::provenance;

use crate::{Bench, SMALL, bad_target::Server, finish, loadgen};

/// What this program says that it is.
fn own_version() -> String {
    let mut command = loadgen();
    command.arg("--version");
    let said = finish(command).stdout;
    said.trim().strip_prefix("loadgen ").unwrap().to_owned()
}

#[test]
fn the_commit_is_that_of_the_build_wherever_it_is_run() {
    let bench = Bench::new();
    for arguments in [
        &["init", "-q"][..],
        &[
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.org",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "x",
        ],
    ] {
        let mut git = Command::new("git");
        let status = git.current_dir(bench.path("")).args(arguments).status();
        assert!(status.unwrap().success());
    }
    bench.run(&bench.scenario(SMALL), &["--store", "memory"]);
    let report = bench.report("small");
    let environment = &report["environment"];
    let version = environment["loadgen"].as_str().unwrap();
    let full = match environment["commit"].as_str() {
        Some(commit) => format!("{version} ({commit})"),
        None => version.to_owned(),
    };
    assert_eq!(full, own_version());
    // The server that it started is of the same sources, and says so itself.
    assert_eq!(report["runs"][0]["target_version"], provenance::FULL);
    assert_eq!(report["runs"][0]["own"], true);
}

#[test]
fn a_running_target_is_asked_what_it_is_and_the_user_has_the_last_word() {
    let server = Server::start(&["--save-time", "1ms-5ms"], &[]);
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    let run = |flags: &[&str]| {
        let ended = bench.run(&scenario, &[&["--target", &server.url], flags].concat());
        (ended.stderr, bench.report("small")["runs"][0].clone())
    };
    let (stderr, run_of_it) = run(&[]);
    assert_eq!(run_of_it["target_version"], provenance::FULL);
    assert_eq!(run_of_it["own"], false);
    assert!(!stderr.contains("says that it is"), "{stderr}");
    let (stderr, run_of_it) = run(&["--target-version", "2.0 of the fork"]);
    assert_eq!(run_of_it["target_version"], "2.0 of the fork");
    let warning = format!("the target says that it is {}", provenance::FULL);
    assert!(stderr.contains(&warning), "{stderr}");
}

#[test]
fn labels_are_in_the_result_and_in_its_formats() {
    let bench = Bench::new();
    let flags = [
        "--store",
        "memory",
        "--label",
        "build=nightly",
        "--label",
        "host=a b",
        "--report",
        "openmetrics",
    ];
    bench.run(&bench.scenario(SMALL), &flags);
    let labels = &bench.report("small")["labels"];
    assert_eq!(
        labels,
        &serde_json::json!({ "build": "nightly", "host": "a b" })
    );
    let metrics = std::fs::read_to_string(bench.path("out/small.om.txt")).unwrap();
    assert!(
        metrics.contains(r#",label_build="nightly",label_host="a b"}"#),
        "{metrics}"
    );
}

#[test]
fn labels_and_versions_that_are_none_are_refused() {
    for (flags, words) in [
        (&["--label", "nightly"][..], "expected key=value"),
        (&["--label", "my-build=1"], "letters, digits and _"),
        (&["--label", "build="], "write some text"),
        (
            &["--label", "a=1", "--label", "a=2"],
            "--label names a twice: give each key one value",
        ),
        (
            &["--target-version", "2.0"],
            "name it with --target or --command",
        ),
        (
            &["--target", "http://127.0.0.1:1", "--target-version", " "],
            "write some text",
        ),
    ] {
        let bench = Bench::new();
        let ended = bench.run(&bench.scenario(SMALL), flags);
        assert_eq!(ended.code, Some(2), "{flags:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{flags:?}: {}", ended.stderr);
        assert!(!bench.path("out").exists());
    }
}

//! A server that a command starts: measured as any target, and ended with all its children.

use std::{fs, process::Stdio, thread, time::Duration};

use crate::{Bench, SMALL, bad_target::Server, ended, loadgen};

/// A command that starts the program's own server behind another process, and leaves a child of its own.
fn command(mark: &str) -> String {
    let program = env!("CARGO_BIN_EXE_loadgen");
    format!(
        "sleep 98765{mark} & {program} serve --host 127.0.0.1 --port {{port}} --store memory --save-time 1ms & wait"
    )
}

/// Whether the child of the command with this mark runs. The command itself is in other processes' arguments too.
fn child_runs(mark: &str) -> bool {
    let line = format!("sleep\098765{mark}\0");
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        fs::read(entry.path().join("cmdline")).is_ok_and(|known| known == line.as_bytes())
    })
}

fn wait_until(runs: bool, mark: &str) {
    for _ in 0..600 {
        if child_runs(mark) == runs {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("the child of the command runs: {}", !runs);
}

#[test]
fn a_command_is_started_measured_and_ended_with_its_children() {
    let bench = Bench::new();
    let command = command("01");
    let ended = bench.run(&bench.scenario(SMALL), &["--command", &command]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    wait_until(false, "01");
    let report = bench.report("small");
    let run = &report["runs"][0];
    assert_eq!(run["audited"], true);
    // The next run has another port, and is one of the same target.
    assert_eq!(run["target"], "http://127.0.0.1:{port}");
    // The shell alone would have used nothing.
    assert!(
        run["server"]["cpu_seconds"].as_f64().unwrap() > 0.0,
        "{run}"
    );
}

#[test]
fn a_command_that_ends_before_it_answers_is_told_with_its_words() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    let ended = bench.run(
        &scenario,
        &["--command", "echo no such module {port}; exit 3"],
    );
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    let said = "error: the command ended before it answered: exit status 3; its last lines: no such module";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

#[test]
fn who_answers_before_the_command_is_started_is_not_measured_in_its_place() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    let old = Server::start(&["--save-time", "1ms"], &[]);
    // As a watcher does whose own server has died of the address that is in use: it stays.
    let flags = ["--target", &old.url, "--command", "exec sleep 9876503"];
    let ended = bench.run(&scenario, &flags);
    assert_eq!(ended.code, Some(5), "{}{}", ended.stdout, ended.stderr);
    let said = format!(
        "error: {} is answered already, before the command was started: end that server, or use {{port}}",
        old.url
    );
    assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    assert!(!bench.path("out").join("small.json").exists());
    assert!(!child_runs("03"));
}

#[test]
fn a_command_says_where_it_listens() {
    let bench = Bench::new();
    let ended = bench.run(&bench.scenario(SMALL), &["--command", "sleep 1"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("PORT={port} node server.js"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_killed_run_leaves_nothing_of_its_command() {
    let bench = Bench::new();
    let scenario = bench.scenario(&SMALL.replace("\"2s\"", "\"60s\""));
    let mut child = bench
        .command(&scenario, &["--command", &command("02")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until(true, "02");
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until(false, "02");
}

#[test]
fn two_files_of_one_name_are_refused_before_anything_is_run() {
    let bench = Bench::new();
    let one = bench.scenario(SMALL);
    let other = bench.path("other.toml");
    fs::write(&other, SMALL).unwrap();
    let mut command = bench.command(&one, &["--store", "memory"]);
    command.arg(&other);
    let ended = crate::finish(command);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("are both called \"small\""),
        "{}",
        ended.stderr
    );
    assert!(!bench.path("out").exists());
}

#[test]
fn a_folder_that_takes_no_result_is_found_before_the_run() {
    let bench = Bench::new();
    let scenario = bench.scenario(&SMALL.replace("\"2s\"", "\"600s\""));
    let blocked = bench.path("blocked");
    fs::write(&blocked, "").unwrap();
    for flags in [
        [
            "--out".to_owned(),
            blocked.join("out").display().to_string(),
        ],
        [
            "--report".to_owned(),
            format!("junit={}", blocked.join("j.xml").display()),
        ],
    ] {
        let mut command = loadgen();
        let command = command
            .arg("run")
            .arg(&scenario)
            .args(["--store", "memory"]);
        let started = command
            .args(&flags)
            .current_dir(bench.path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let ended = ended(started);
        assert_eq!(ended.code, Some(5), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("no result can be written to"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn a_full_disk_is_an_exit_code_and_a_missing_summary_is_none() {
    let full = || {
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    for arguments in [vec!["schema"], vec!["check", scenario.to_str().unwrap()]] {
        let status = loadgen().args(&arguments).stdout(full()).output().unwrap();
        assert_eq!(status.status.code(), Some(5), "{arguments:?}");
        let said = String::from_utf8(status.stderr).unwrap();
        assert!(said.contains("standard output: No space left"), "{said}");
    }
    let mut command = bench.command(&scenario, &["--store", "memory"]);
    command.env("GITHUB_STEP_SUMMARY", bench.path("no/such/folder.md"));
    let ended = crate::finish(command);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("warning: the job has no summary"),
        "{}",
        ended.stderr
    );
}

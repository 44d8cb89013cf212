//! A store that dies in mid-run and stays dead: said once, what and when, and no verdict of its own.

#[path = "../../../server/tests/support/passed_over.rs"]
mod passed_over;

use std::{
    env,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::{Bench, Ended, SMALL, ended};

/// Whether a MongoDB can be had in a container here; where one must be, its absence is a failure.
pub fn mongo_is_there() -> bool {
    let docker = Command::new("docker")
        .arg("info")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let there = docker.is_ok_and(|status| status.success());
    assert!(
        there || env::var_os("REQUIRE_MONGO").is_none(),
        "Docker is required here and does not answer"
    );
    if !there {
        passed_over::passed_over("no Docker: it does not answer");
    }
    there
}

/// The image of a MongoDB.
pub fn image() -> String {
    env::var("MONGO_IMAGE").unwrap_or_else(|_| "mongo:8.0".to_owned())
}

/// Starts a run of so many seconds on a MongoDB of its own, and kills that when messages are under way.
fn run_and_kill(bench: &Bench, seconds: u32) -> Ended {
    let text = SMALL.replace("\"2s\"", &format!("\"{seconds}s\""));
    let image = image();
    let child = bench
        .command(
            &bench.scenario(&text),
            &["--store", "docker", "--mongo-image", &image],
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let container = container_of(&child);
    super::bad_target::wait_for_server(child.id());
    thread::sleep(Duration::from_millis(2_500));
    let killed = Command::new("docker")
        .args(["kill", &container])
        .stdout(Stdio::null())
        .status();
    assert!(killed.unwrap().success());
    ended(child)
}

/// The name of the container that a run has started.
fn container_of(child: &Child) -> String {
    let named = format!("name=loadgen_{}_", child.id());
    for _ in 0..600 {
        let output = Command::new("docker")
            .args(["ps", "--filter", &named, "--format", "{{.Names}}"])
            .output()
            .unwrap();
        let names = String::from_utf8(output.stdout).unwrap();
        if let Some(name) = names.lines().next() {
            return name.to_owned();
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("no container appeared");
}

fn is_told_once(bench: &Bench, ended: &Ended) {
    assert_eq!(ended.code, Some(5), "{}{}", ended.stdout, ended.stderr);
    let errors: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    let [error] = errors[..] else {
        panic!("{}", ended.stderr)
    };
    let (when, what) = error
        .split_once(" s after the schedule began, the store died: MongoDB ")
        .unwrap_or_else(|| panic!("{error}"));
    assert!(when.trim_start_matches("error: ").parse::<f64>().unwrap() > 0.5);
    assert!(what.contains("answers no more"), "{error}");
    assert!(!ended.stderr.contains("could not be looked up"), "{error}");
    let run = &bench.report("small")["runs"][0];
    assert_eq!(run["complete"], false);
    assert!(run["totals"]["delivered"].as_u64().unwrap() > 0);
    assert!(error.contains(run["incomplete_because"].as_str().unwrap()));
    assert!(ended.stdout.contains("INCOMPLETE"), "{}", ended.stdout);
}

#[test]
fn a_store_that_is_dead_at_the_end_of_the_run_is_told() {
    if mongo_is_there() {
        let bench = Bench::new();
        let ended = run_and_kill(&bench, 5);
        is_told_once(&bench, &ended);
    }
}

#[test]
fn a_store_that_stays_dead_ends_a_long_run() {
    if mongo_is_there() {
        let bench = Bench::new();
        let ended = run_and_kill(&bench, 300);
        is_told_once(&bench, &ended);
    }
}

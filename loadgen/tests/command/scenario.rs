//! Scenarios that are run to their end.

use crate::{Bench, SMALL};

#[test]
fn a_small_scenario_is_accounted_for_to_the_last_message() {
    let bench = Bench::new();
    let ended = bench.run(&bench.scenario(SMALL), &["--store", "memory"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.starts_with("PASS small: "), "{}", ended.stdout);
    assert!(
        ended.stderr.contains("in-memory simulation"),
        "{}",
        ended.stderr
    );
    let report = bench.report("small");
    let run = &report["runs"][0];
    assert_eq!(report["version"], loadgen::result::VERSION);
    assert_eq!(run["complete"], true);
    assert_eq!(run["audited"], true);
    assert_eq!(run["findings"].as_array().unwrap().len(), 0);
    let totals = &run["totals"];
    let scheduled = totals["scheduled"].as_u64().unwrap();
    assert!(scheduled > 300);
    for (total, value) in [
        ("sent", scheduled),
        ("dropped", 0),
        ("expected", scheduled),
        ("delivered", scheduled),
        ("lost", 0),
        ("duplicated", 0),
        ("confirmed", scheduled),
        ("failed", 0),
        ("stored", scheduled),
    ] {
        assert_eq!(totals[total], value, "{total}");
    }
    assert_eq!(metric(run, "connect")["n"], 10);
    assert_eq!(metric(run, "join")["n"], 10);
    // Warm-up messages are accounted for and not measured.
    let measured = metric(run, "delivery")["n"].as_u64().unwrap();
    assert!(measured > 200 && measured < scheduled);
    for key in [
        "echo",
        "ack",
        "confirm",
        "confirm_after_delivery",
        "delivery_as_sent",
        "delivery_slowest",
    ] {
        assert_eq!(metric(run, key)["n"], measured, "{key}");
    }

    // What the server timed itself, warm-up included.
    for key in ["server_emit", "server_save"] {
        assert_eq!(metric(run, key)["n"], scheduled, "{key}");
    }
}

fn metric<'a>(run: &'a serde_json::Value, key: &str) -> &'a serde_json::Value {
    let metrics = run["metrics"].as_array().unwrap();
    metrics
        .iter()
        .find(|metric| metric["metric"] == key)
        .unwrap()
}

#[test]
fn before_and_after_stand_in_one_table() {
    let bench = Bench::new();
    let text = SMALL
        .replace("1ms-5ms", "50ms")
        .replace("read_time = \"1ms\"", "read_time = \"20ms\"");
    let ended = bench.run(
        &bench.scenario(&text),
        &[
            "--store",
            "memory",
            "--delivery",
            "persist-first,optimistic",
        ],
    );
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let report = bench.report("small");
    let (before, after) = (&report["runs"][0], &report["runs"][1]);
    assert_eq!(before["delivery"], "persist-first");
    assert_eq!(after["delivery"], "optimistic");
    for run in [before, after] {
        assert_eq!(
            run["findings"].as_array().unwrap().len(),
            0,
            "{}",
            run["findings"]
        );
        assert_eq!(run["totals"]["stored"], run["totals"]["scheduled"]);
    }
    // Not speed but mechanism: before, no delivery can come ahead of its save and its read.
    assert!(metric(before, "delivery")["min"].as_u64().unwrap() >= 70_000_000);
    assert_eq!(metric(before, "confirm")["n"], 0);
    for mode in ["persist-first", "optimistic"] {
        assert!(
            ended
                .stdout
                .lines()
                .any(|line| line.starts_with("delivery latency") && line.contains(mode)),
            "{}",
            ended.stdout
        );
    }
}

#[test]
fn the_reference_dialect_is_spoken_and_understood() {
    let bench = Bench::new();
    let channels = SMALL.replace(
        "rooms = 5",
        "rooms = 2\nchannels = [{ count = 1, members = 8 }]",
    );
    let ended = bench.run(
        &bench.scenario(&channels),
        &[
            "--store",
            "memory",
            "--dialect",
            "reference",
            "--workers",
            "2",
        ],
    );
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let run = &bench.report("small")["runs"][0];
    assert_eq!(run["totals"]["delivered"], run["totals"]["expected"]);
    assert!(metric(run, "echo")["n"].as_u64().unwrap() > 0);
}

#[test]
fn too_few_samples_are_inconclusive() {
    let bench = Bench::new();
    let text = SMALL.replace("\"lost\" = \"== 0\"", "\"delivery.p99.9\" = \"< 1h\"");
    let ended = bench.run(
        &bench.scenario(&text),
        &["--store", "memory", "--no-machine-check"],
    );
    assert_eq!(ended.code, Some(3), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.said().contains("needs 10,000"), "{}", ended.stdout);
    // It was known before the run.
    let warning = "warning: delivery.p99.9 < 1h can't be judged: it needs 10,000 samples";
    assert!(ended.stderr.contains(warning), "{}", ended.stderr);
}

#[test]
fn a_missed_limit_fails() {
    let bench = Bench::new();
    let text = SMALL.replace("\"lost\" = \"== 0\"", "\"delivery.p50\" = \"< 1ns\"");
    let ended = bench.run(
        &bench.scenario(&text),
        &["--store", "memory", "--no-machine-check"],
    );
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    assert!(
        ended
            .said()
            .contains("A limit was missed: delivery.p50 < 1ns"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_named_store_that_is_missing_is_an_error() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    let mut command = bench.command(&scenario, &["--store", "mongod"]);
    command.env("PATH", "/nonexistent");
    let ended = super::finish(command);
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert!(ended.stderr.contains("mongod"), "{}", ended.stderr);
}

//! `run --nodes`: several servers as one chat, started and ended with the run.

use std::{env, fs, path::Path, process::Command};

use serde_json::Value;

use crate::{Bench, Ended, SMALL, finish};

/// Pairs and one group, so that all servers deliver to each other.
fn wide() -> String {
    let people = "users = 24\nrooms = 10\nchannels = [{ count = 1, members = 9 }]";
    SMALL.replace("users = 10\nrooms = 5", people)
}

fn has_redis() -> bool {
    let there = Command::new("redis-server")
        .arg("--version")
        .output()
        .is_ok();
    assert!(
        there || env::var_os("REQUIRE_REDIS").is_none(),
        "there is no redis-server on the PATH"
    );
    there
}

fn metric<'a>(report: &'a Value, name: &str) -> &'a Value {
    let metrics = report["runs"][0]["metrics"].as_array().unwrap();
    let found = metrics.iter().find(|metric| metric["metric"] == name);
    found.unwrap_or(&Value::Null)
}

/// A run of three servers that lost nothing and told the two ways apart; what it says of its store.
fn whole(bench: &Bench, ended: &Ended) -> String {
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let report = bench.report("small");
    let count = |name: &str| metric(&report, name)["n"].as_u64().unwrap();
    let (same, cross) = (count("delivery_same_node"), count("delivery_cross_node"));
    assert!(same > 0 && cross > same, "{same} {cross}");
    assert_eq!(same + cross, count("delivery"));
    let totals = &report["runs"][0]["totals"];
    assert_eq!(totals["stored"], totals["confirmed"], "{totals}");
    assert!(
        ended.said().contains("delivery, other server"),
        "{}",
        ended.stdout
    );
    report["runs"][0]["store"].as_str().unwrap().to_owned()
}

#[test]
fn three_servers_and_a_redis_of_the_run_deliver_everything() {
    if !has_redis() {
        return;
    }
    for mode in ["local-first", "ordered"] {
        let bench = Bench::new();
        let scenario = bench.scenario(&wide());
        let flags = ["--store", "memory", "--nodes", "3", "--bus-mode", mode];
        let store = whole(&bench, &bench.run(&scenario, &flags));
        let said = format!("3 servers as one chat by a redis-server of this run, {mode}");
        assert!(store.ends_with(&said), "{store}");
    }
}

#[test]
fn without_a_redis_they_are_in_one_process_and_the_result_says_so() {
    let bench = Bench::new();
    let text = wide().replace("[server]", "[server]\nnodes = 3\nbus_mode = \"ordered\"");
    let scenario = bench.scenario(&text);
    let mut command = bench.command(&scenario, &["--store", "memory"]);
    // A folder without any program.
    command.env("PATH", bench.path(""));
    let store = whole(&bench, &finish(command));
    assert!(
        store.contains("memory in one process") && store.contains("REDIS_URL"),
        "{store}"
    );
}

#[test]
fn one_server_has_nothing_to_tell_apart() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    let ended = bench.run(&scenario, &["--store", "memory", "--nodes", "1"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(metric(&bench.report("small"), "delivery_cross_node").is_null());
}

#[test]
fn what_several_servers_can_not_have_is_refused_before_anything_is_started() {
    let bench = Bench::new();
    let fault =
        "\n[[faults]]\nkind = \"server-freeze\"\nname = \"f\"\nat = \"600ms\"\nfor = \"500ms\"\n";
    let with_fault = bench.path("fault.toml");
    fs::write(&with_fault, format!("{SMALL}{fault}")).unwrap();
    let in_file = bench.path("file.toml");
    fs::write(&in_file, SMALL.replace("[server]", "[server]\nnodes = 2")).unwrap();
    let small = bench.scenario(SMALL);
    let cases: [(&Path, &[&str], &str); 4] = [
        (
            &with_fault,
            &["--nodes", "2", "--store", "memory"],
            "[[faults]]",
        ),
        (
            &in_file,
            &["--target", "http://127.0.0.1:1"],
            "of this program's own",
        ),
        (&small, &["--nodes", "17"], "1..=16"),
        (
            &small,
            &["--nodes", "2", "--target", "http://127.0.0.1:1"],
            "--nodes",
        ),
    ];
    for (scenario, flags, word) in cases {
        let ended = bench.run(scenario, flags);
        assert_eq!(ended.code, Some(2), "{flags:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(word), "{flags:?}: {}", ended.stderr);
    }
}

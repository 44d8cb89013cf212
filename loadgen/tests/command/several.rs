//! `run --nodes`: several servers as one chat, started and ended with the run.

use std::{env, fs, path::Path, process::Command};

use serde_json::Value;

use super::{bad_store::mongo_is_there, faults::everything_was_kept};
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

/// The image of a Redis for those tests that need one in a container.
fn redis_image() -> Option<String> {
    let image = env::var("REDIS_IMAGE").ok();
    assert!(
        image.is_some() || env::var_os("REQUIRE_REDIS_IMAGE").is_none(),
        "REDIS_IMAGE names no image of a Redis"
    );
    image
}

#[test]
fn a_redis_in_a_container_joins_them_and_dies_and_comes_back_as_one_beside_it() {
    let Some(image) = redis_image() else {
        return;
    };
    let bench = Bench::new();
    let scenario = bench.scenario(&broken("kind = \"bus-restart\"", ""));
    let mut command = bench.command(&scenario, &["--store", "memory"]);
    command.env("REDIS_IMAGE", &image);
    let ended = finish(command);
    let run = bench.report("broken")["runs"][0].clone();
    nothing_is_lost(&ended, &run, "the Redis was killed: exit status 137");
    let store = run["store"].as_str().unwrap();
    let said = format!("a Redis of this run in a container, image {image}");
    assert!(store.contains(&said), "{store}");
}

#[test]
fn an_image_that_is_not_there_is_told_and_nothing_else_is_taken() {
    let bench = Bench::new();
    let text = wide().replace("[server]", "[server]\nnodes = 2");
    let mut command = bench.command(&bench.scenario(&text), &["--store", "memory"]);
    command.env("REDIS_IMAGE", "localhost:1/no/such:image");
    let ended = finish(command);
    assert_ne!(ended.code, Some(0), "{}", ended.stdout);
    let told = ["localhost:1/no/such:image", "Docker"];
    assert!(
        told.iter().any(|word| ended.stderr.contains(word)),
        "{}",
        ended.stderr
    );
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
            "name it by its number",
        ),
        (
            &in_file,
            &["--target", "http://127.0.0.1:1"],
            "that this program starts",
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

/// Twelve seconds of three servers, in which something breaks.
fn broken(fault: &str, thresholds: &str) -> String {
    format!(
        "version = 1\nname = \"broken\"\nquestion = \"Does it hold?\"\nseed = 7\ndrain = \"10s\"\n\
         [server]\nnodes = 3\nsave_time = \"1ms-5ms\"\nread_time = \"1ms\"\n\
         [population]\nusers = 24\nrooms = 10\nchannels = [{{ count = 1, members = 9 }}]\n\
         [[phases]]\nname = \"steady\"\nduration = \"12s\"\nrate = \"60/s\"\n\
         [[faults]]\nname = \"f\"\nat = \"4s\"\nfor = \"1500ms\"\n{fault}\n\
         [thresholds]\n\"lost\" = \"== 0\"\n{thresholds}"
    )
}

fn part(run: &Value, metric: &str, kind: &str) -> Value {
    let parts = run["parts"].as_array().unwrap().iter();
    let mut parts = parts.filter(|part| part["metric"] == metric && part["part"] == kind);
    parts.next().cloned().unwrap_or_default()
}

/// Nothing was lost or broken, whatever became of single messages.
fn nothing_is_lost(ended: &Ended, run: &Value, proof: &str) {
    everything_was_kept(ended, run);
    let said = run["faults"][0]["proof"].as_str().unwrap();
    assert!(said.contains(proof), "{said}");
    let totals = &run["totals"];
    assert_eq!(totals["lost"], 0, "{totals}");
    assert_eq!(totals["stored"], totals["confirmed"], "{totals}");
    for metric in ["delivery_same_node", "delivery_cross_node"] {
        for kind in ["inside", "outside"] {
            let n = part(run, metric, kind)["n"].as_u64();
            assert!(n.is_some_and(|n| n > 0), "{metric} {kind}: {n:?}");
        }
    }
}

#[test]
fn a_redis_that_is_killed_holds_up_members_elsewhere_and_loses_nothing() {
    if !has_redis() {
        return;
    }
    let bench = Bench::new();
    let text = broken(
        "kind = \"bus-restart\"",
        "\"delivery_cross_node.max@f\" = \"> 500ms\"\n",
    );
    // What is asked is whether it was slow enough, which a busy machine must not leave open.
    let flags = ["--store", "memory", "--no-machine-check"];
    let ended = bench.run(&bench.scenario(&text), &flags);
    let report = bench.report("broken");
    nothing_is_lost(
        &ended,
        &report["runs"][0],
        "the Redis was killed: killed by signal 9",
    );
    assert!(
        ended.said().contains("fault f: bus-restart"),
        "{}",
        ended.stdout
    );
}

#[test]
fn one_of_three_servers_that_stands_still_is_shown_to_do_so_and_the_others_go_on() {
    if !has_redis() {
        return;
    }
    let bench = Bench::new();
    let text = broken(
        "kind = \"server-freeze\"\nnode = 2",
        "\"delivery_same_node.max@f\" = \"> 500ms\"\n",
    );
    let flags = ["--store", "memory", "--no-machine-check"];
    let ended = bench.run(&bench.scenario(&text), &flags);
    let report = bench.report("broken");
    nothing_is_lost(&ended, &report["runs"][0], "stood still");
}

#[test]
fn a_bad_network_before_three_servers_holds_up_all_that_they_deliver() {
    if !has_redis() {
        return;
    }
    let bench = Bench::new();
    // There and back, so that the shortest delivery takes twice as long.
    let text = broken(
        "kind = \"network-latency\"\ntime = \"200ms\"",
        "\"delivery_same_node.max@f\" = \"> 350ms\"\n\"delivery_cross_node.max@f\" = \"> 350ms\"\n",
    );
    let flags = ["--store", "memory", "--no-machine-check"];
    let ended = bench.run(&bench.scenario(&text), &flags);
    let report = bench.report("broken");
    nothing_is_lost(&ended, &report["runs"][0], "held up by the proxy");
}

#[test]
fn who_was_on_a_killed_server_is_back_on_another_one_and_nothing_confirmed_is_lost() {
    if !has_redis() || !mongo_is_there() {
        return;
    }
    let image = env::var("MONGO_IMAGE").unwrap_or_else(|_| "mongo:8.0".to_owned());
    let bench = Bench::new();
    // It stays down for longer than its users wait before they come back.
    let text = broken(
        "kind = \"server-kill\"\nnode = 2",
        "\"delivery.recovery@f\" = \"< 60s\"\n",
    );
    let text = text
        .replace("\"12s\"", "\"25s\"")
        .replace("\"1500ms\"", "\"4s\"");
    let flags = ["--store", "docker", "--mongo-image", &image];
    let ended = bench.run(&bench.scenario(&text), &flags);
    let report = bench.report("broken");
    let run = &report["runs"][0];
    nothing_is_lost(&ended, run, "server 2 ended: killed by signal 9");
    assert_eq!(run["audited"], true);
    let thrown_off = run["thrown_off"].as_u64().unwrap();
    assert!((1..24).contains(&thrown_off), "{thrown_off}");
    let fates = run["fates"].as_array().unwrap();
    assert!(fates.iter().all(|met| met["broken"] == 0), "{fates:?}");
    // Who had moved while a message was on its way is in neither.
    let count = |name: &str| metric(&report, name)["n"].as_u64().unwrap();
    let apart = count("delivery_same_node") + count("delivery_cross_node");
    assert!(apart <= count("delivery"), "{apart}");
}

#[test]
fn what_of_several_servers_can_not_be_broken_is_told_before_the_run() {
    let bench = Bench::new();
    let bus = "kind = \"bus-restart\"";
    let kill = "kind = \"server-kill\"\nnode = 2";
    let freeze = "kind = \"server-freeze\"\nnode = 2";
    let frozen = "kind = \"store-frozen\"";
    let there = ("REDIS_URL", "redis://127.0.0.1:1".to_owned());
    let no_program = ("PATH", bench.path("").display().to_string());
    for (fault, (variable, value), said) in [
        (bus, &there, "leave REDIS_URL out"),
        (bus, &no_program, "in one process"),
        (freeze, &no_program, "the servers are one process"),
        (kill, &there, "would go with its server"),
        (frozen, &there, "an in-memory store of its own"),
    ] {
        let scenario = bench.scenario(&broken(fault, ""));
        let mut command = bench.command(&scenario, &["--store", "memory"]);
        command.env(variable, value);
        let ended = finish(command);
        assert_eq!(ended.code, Some(2), "{fault}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{fault}: {}", ended.stderr);
    }
    let ended = bench.run(&bench.scenario(&broken(kill, "")), &["--nodes", "1"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("and there is one"),
        "{}",
        ended.stderr
    );
}

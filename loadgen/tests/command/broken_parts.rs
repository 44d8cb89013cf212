//! What is broken in mid-run between and behind the servers: every kind of network and store fault bites, is mended, and costs no
//! promise; what can't be had is said before anything is run.

use serde_json::Value;

use crate::{
    Bench,
    bad_store::{image, mongo_is_there},
};

/// People who talk while things break, for so many seconds.
fn scenario(seconds: u32, faults: &str) -> String {
    format!(
        "version = 1\nname = \"broken\"\nquestion = \"Does it hold?\"\nseed = 7\ndrain = \"40s\"\n\
         [server]\nsave_time = \"1ms-5ms\"\nread_time = \"1ms\"\n\
         [population]\nusers = 20\nrooms = 10\n\
         [[phases]]\nname = \"steady\"\nduration = \"{seconds}s\"\nrate = \"40/s\"\n{faults}\
         [thresholds]\n\"lost\" = \"== 0\"\n\"failed\" = \">= 0\"\n"
    )
}

fn fault(name: &str, at: u32, lasts: u32, lines: &str) -> String {
    let lines = lines.replace(", ", "\n");
    format!("[[faults]]\nname = \"{name}\"\nat = \"{at}s\"\nfor = \"{lasts}s\"\n{lines}\n")
}

/// Faults one after the other, each for a second and with two seconds after it.
fn in_turn(faults: &[&str]) -> (u32, String) {
    let mut text = String::new();
    let mut at = 1;
    for (nth, lines) in faults.iter().enumerate() {
        text += &fault(&format!("f{nth}"), at, 1, lines);
        at += 3;
    }
    (at, text)
}

/// The run's result: all faults were there, bit and were mended, and no promise was broken.
fn holds(bench: &Bench, text: &str, flags: &[&str]) -> Value {
    let ended = bench.run(&bench.scenario(text), flags);
    assert!(
        matches!(ended.code, Some(0 | 3 | 4)),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
    let run = bench.report("broken")["runs"][0].take();
    let faults = run["faults"].as_array().unwrap();
    assert_eq!(faults.len(), text.matches("[[faults]]").count());
    for fault in faults {
        assert!(
            fault["proof"].is_string() && fault["trouble"].is_null(),
            "{fault}"
        );
        assert!(fault["end"].as_u64() > fault["start"].as_u64(), "{fault}");
        eprintln!("{}: {}", fault["what"], fault["proof"]);
    }
    assert_eq!(
        run["findings"],
        Value::Array(Vec::new()),
        "{}",
        ended.stdout
    );
    run
}

#[test]
fn a_simulated_database_can_be_broken_in_each_way() {
    let (seconds, faults) = in_turn(&[
        "kind = \"store-slow\", time = \"300ms\"",
        "kind = \"store-failing\", share = \"50%\"",
        "kind = \"store-disconnect\", share = \"50%\"",
        "kind = \"store-reply-lost\", share = \"50%\"",
        "kind = \"store-frozen\"",
        "kind = \"store-restart\"",
    ]);
    holds(
        &Bench::new(),
        &scenario(seconds, &faults),
        &["--store", "memory"],
    );
}

#[test]
fn the_network_before_a_server_can_be_bad_in_each_way_and_several_at_once() {
    let faults = [
        fault(
            "late",
            1,
            3,
            "kind = \"network-latency\", time = \"20ms\", jitter = \"10ms\"",
        ),
        fault(
            "narrow",
            2,
            3,
            "kind = \"network-bandwidth\", bandwidth = \"64KiB/s\"",
        ),
        fault(
            "lossy",
            3,
            3,
            "kind = \"network-loss\", share = \"5%\", stall = \"50ms\"",
        ),
        fault(
            "slow",
            7,
            1,
            "kind = \"network-slow-reader\", bandwidth = \"100B/s\"",
        ),
    ];
    let run = holds(
        &Bench::new(),
        &scenario(10, &faults.concat()),
        &["--store", "memory"],
    );
    // Which of the two is longer is the machine's business: they are some microseconds apart.
    let cost = &run["proxy"];
    for way in ["direct", "through"] {
        assert!(cost[way].as_u64() > Some(0), "{cost}");
    }
}

#[test]
fn people_come_back_after_a_network_that_was_cut_or_dead() {
    let faults = [
        fault("cut", 2, 1, "kind = \"network-cut\""),
        fault("dead", 14, 2, "kind = \"network-half-open\""),
    ];
    holds(
        &Bench::new(),
        &scenario(26, &faults.concat()),
        &["--store", "memory"],
    );
}

#[test]
fn a_mongodb_can_be_broken_in_each_way_and_so_can_the_way_to_it() {
    if !mongo_is_there() {
        return;
    }
    let (seconds, faults) = in_turn(&[
        "kind = \"store-slow\", time = \"300ms\"",
        "kind = \"store-failing\", share = \"50%\"",
        "kind = \"store-write-concern\", share = \"50%\"",
        "kind = \"store-disconnect\", share = \"50%\"",
        "kind = \"store-reply-lost\", share = \"50%\"",
        "kind = \"store-frozen\"",
        "kind = \"network-latency\", time = \"20ms\", between = \"store\"",
        "kind = \"network-cut\", between = \"store\"",
        "kind = \"network-half-open\", between = \"store\"",
        "kind = \"store-restart\"",
    ]);
    let image = image();
    holds(
        &Bench::new(),
        &scenario(seconds + 2, &faults),
        &["--store", "docker", "--mongo-image", &image],
    );
}

#[test]
fn another_mongodb_takes_over_from_one_that_is_deposed() {
    if !mongo_is_there() {
        return;
    }
    let faults = fault("failover", 3, 5, "kind = \"store-stepdown\"");
    let image = image();
    let run = holds(
        &Bench::new(),
        &scenario(12, &faults),
        &["--store", "docker", "--mongo-image", &image],
    );
    let proof = run["faults"][0]["proof"].as_str().unwrap();
    assert!(proof.contains("has taken over"), "{proof}");
}

#[test]
fn what_a_store_or_a_target_can_not_have_is_said_before_anything_is_run() {
    let memory: &[&str] = &["--store", "memory"];
    let target: &[&str] = &["--target", "http://127.0.0.1:1"];
    for (lines, flags, why) in [
        (
            "kind = \"store-stepdown\"",
            memory,
            "the in-memory store can't",
        ),
        (
            "kind = \"store-write-concern\"",
            memory,
            "--store docker or mongod",
        ),
        (
            "kind = \"network-cut\", between = \"store\"",
            memory,
            "inside of the server",
        ),
        (
            "kind = \"store-slow\", time = \"1s\"",
            target,
            "leave --target out",
        ),
        (
            "kind = \"network-half-open\", between = \"store\"",
            target,
            "leave --target out",
        ),
    ] {
        let bench = Bench::new();
        let text = scenario(5, &fault("f", 1, 1, lines));
        let ended = bench.run(&bench.scenario(&text), flags);
        assert_eq!(ended.code, Some(2), "{lines}: {}", ended.stderr);
        assert!(ended.stderr.contains(why), "{lines}: {}", ended.stderr);
        assert!(!bench.path("out/broken.json").exists());
    }
}

//! The floor (rule 9), phases with thresholds of their own, and thresholds that end a run.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Stdio, thread, time::Duration};

use serde_json::Value;

use crate::{Bench, SMALL, child_of, ended};

const FLAGS: [&str; 5] = ["--store", "memory", "--no-machine-check", "--floor", "1s"];

fn n(metric: &Value) -> u64 {
    metric["n"].as_u64().unwrap()
}

#[test]
fn rule_09_the_same_load_goes_against_a_relay_before_and_after_each_run() {
    let bench = Bench::new();
    let text = SMALL.replace(
        "rooms = 5",
        "rooms = 5\n\n[[population.channels]]\ncount = 1\nmembers = 6",
    );
    let mut flags = FLAGS.to_vec();
    flags.extend(["--delivery", "persist-first,optimistic"]);
    let ended = bench.run(&bench.scenario(&text), &flags);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(!ended.stderr.contains("no floor"), "{}", ended.stderr);
    let report = bench.report("small");
    for run in report["runs"].as_array().unwrap() {
        let floor = &run["floor"];
        assert_eq!(floor["seconds"], 2.0);
        let windows = floor["windows"].as_array().unwrap();
        let sum = |key: &str| -> u64 {
            let of_each = windows.iter().map(|window| window[key].as_u64().unwrap());
            of_each.sum()
        };
        assert!(sum("scheduled") > 100, "{floor}");
        assert_eq!(sum("sent"), sum("scheduled"));
        assert_eq!(sum("deliveries"), n(&floor["delivery"]));
        // A channel of six delivers five times.
        assert!(n(&floor["delivery"]) > sum("sent"), "{floor}");
        // Of each measured message one is the slowest.
        assert_eq!(n(&floor["slowest"]), sum("sent"), "{floor}");
        let seconds: Vec<_> = windows.iter().map(|window| &window["second"]).collect();
        assert_eq!(seconds, [0, 1, 2, 3]);
        // What a busy machine leaves no difference of is not quoted.
        let ratio = &floor["ratio_p50"];
        assert!(ratio.is_null() || ratio.as_f64().unwrap() > 0.0, "{floor}");
        // The confirmations of the server's own run came, and no messages of the floor are among its own.
        assert_eq!(run["totals"]["lost"], 0);
    }
    assert!(
        ended.said().contains("over a bare relay"),
        "{}",
        ended.stdout
    );
    // What a relay replays twice is the same: the plan is.
    let scheduled = |run: usize, window: usize| {
        report["runs"][run]["floor"]["windows"][window]["scheduled"].clone()
    };
    assert_eq!(scheduled(0, 0), scheduled(1, 2));
}

#[test]
fn rule_09_where_there_is_no_floor_it_is_said_why() {
    let bench = Bench::new();
    let closed = SMALL.replace(
        "duration = \"2s\"\nrate = \"200/s\"",
        "duration = \"2s\"\nthink_time = \"20ms\"",
    );
    let ended = bench.run(&bench.scenario(&closed), &FLAGS);
    assert!(
        ended
            .stderr
            .contains("no floor: no measured phase is an open one"),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(bench.report("small")["runs"][0]["floor"], Value::Null);
}

#[test]
fn a_run_that_is_killed_during_its_floor_leaves_no_relay_behind() {
    let bench = Bench::new();
    let scenario = bench.scenario(&SMALL.replace("\"2s\"", "\"60s\""));
    let mut flags = FLAGS.to_vec();
    flags[4] = "30s";
    let mut child = bench
        .command(&scenario, &flags)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let relay = (0..200).find_map(|_| {
        thread::sleep(Duration::from_millis(50));
        child_of(child.id(), "floor")
    });
    let relay = relay.unwrap_or_else(|| panic!("no relay appeared"));
    child.kill().unwrap();
    child.wait().unwrap();
    let gone = (0..200).any(|_| {
        thread::sleep(Duration::from_millis(50));
        !Path::new(&format!("/proc/{relay}/exe")).exists()
    });
    assert!(gone, "the relay {relay} is still running");
}

#[test]
fn an_interrupt_between_two_runs_leaves_the_first_one_whole() {
    let bench = Bench::new();
    let mut flags = FLAGS.to_vec();
    flags[4] = "2s";
    flags.extend(["--delivery", "persist-first,optimistic"]);
    let child = bench
        .command(&bench.scenario(SMALL), &flags)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let relay_after = |known: Option<u32>| {
        let relay = (0..1_200).find_map(|_| {
            thread::sleep(Duration::from_millis(50));
            child_of(pid, "floor").filter(|relay| Some(*relay) != known)
        });
        relay.unwrap_or_else(|| panic!("no relay appeared"))
    };
    let first = relay_after(None);
    relay_after(Some(first));
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ended = ended(child);
    assert_eq!(ended.code, Some(3), "{}{}", ended.stdout, ended.stderr);
    let report = bench.report("small");
    assert_eq!(report["verdict"], "INCONCLUSIVE");
    let runs = report["runs"].as_array().unwrap();
    let told = |run: &Value| (run["complete"].clone(), run["incomplete_because"].clone());
    let told: Vec<_> = runs.iter().map(told).collect();
    let expected: [(Value, Value); 2] = [
        (true.into(), Value::Null),
        (false.into(), "interrupted".into()),
    ];
    assert_eq!(told, expected, "{}", ended.stderr);
    assert!(runs[0]["totals"]["delivered"].as_u64().unwrap() > 0);
}

#[test]
fn a_server_that_does_not_start_again_takes_nothing_from_the_run_before() {
    let bench = Bench::new();
    let (once, mark) = (bench.path("once.sh"), bench.path("mark"));
    let mark = mark.display();
    let script = format!(
        "#!/bin/sh\n[ -e {mark} ] && exit 3\ntouch {mark}\nexec {} serve \"$@\"\n",
        env!("CARGO_BIN_EXE_loadgen")
    );
    fs::write(&once, script).unwrap();
    fs::set_permissions(&once, fs::Permissions::from_mode(0o755)).unwrap();
    let system = format!("own:{}", once.display());
    let flags = [
        "--store",
        "memory",
        "--no-machine-check",
        "--system",
        &system,
    ];
    let modes = ["--delivery", "persist-first,optimistic"];
    let ended = bench.run(&bench.scenario(SMALL), &[&flags[..], &modes].concat());
    assert_eq!(ended.code, Some(5), "{}{}", ended.stdout, ended.stderr);
    assert!(
        ended.stderr.contains("the server ended before it listened"),
        "{}",
        ended.stderr
    );
    let report = bench.report("small");
    assert_eq!(report["runs"][0]["complete"], true);
    assert_eq!(report["runs"][1]["complete"], false);
    assert_eq!(report["verdict"], "INCONCLUSIVE");
}

#[test]
fn rule_14_a_threshold_with_a_delay_ends_the_run_and_says_so() {
    let bench = Bench::new();
    let text = SMALL.replace("\"2s\"", "\"60s\"").replace(
        "\"lost\" = \"== 0\"",
        "\"delivery.p50\" = { condition = \"< 1ns\", abort_after = \"1s\" }",
    );
    let child = bench
        .command(
            &bench.scenario(&text),
            &["--store", "memory", "--no-machine-check"],
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ended = ended(child);
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    assert!(
        ended.said().starts_with("FAIL small: ")
            && ended.said().contains("A limit was missed: aborted after "),
        "{}",
        ended.stdout
    );
    assert!(
        ended.said().contains("delivery.p50 < 1ns: "),
        "{}",
        ended.stdout
    );
    let report = bench.report("small");
    let run = &report["runs"][0];
    assert_eq!(run["complete"], false);
    let why = run["incomplete_because"].as_str().unwrap();
    assert!(why.starts_with("aborted after "), "{why}");
    // It ended long before its time, and in order.
    let seconds = run["windows"].as_array().unwrap().len();
    assert!(seconds < 50, "{seconds}");
    assert_eq!(run["totals"]["lost"], 0);
}

#[test]
fn a_phase_has_its_own_thresholds_and_its_own_numbers() {
    let bench = Bench::new();
    let text = SMALL.replace(
        "rate = \"200/s\"",
        "rate = \"200/s\"\nthresholds = { lost = \"== 0\", \"confirm.p50\" = \"< 1ns\" }",
    );
    let ended = bench.run(
        &bench.scenario(&text),
        &["--store", "memory", "--no-machine-check"],
    );
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    let report = bench.report("small");
    let run = &report["runs"][0];
    let judged: Vec<_> = run["judgement"]["thresholds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|judged| {
            let text = |key: &str| judged[key].as_str().unwrap();
            (text("threshold"), text("verdict"))
        })
        .collect();
    assert_eq!(
        judged,
        [
            ("lost == 0", "PASS"),
            ("lost == 0 (phase steady)", "PASS"),
            ("confirm.p50 < 1ns (phase steady)", "FAIL"),
            ("failed == 0", "PASS"),
        ]
    );
    let phases = run["phases"].as_array().unwrap();
    assert_eq!(phases.len(), 1);
    assert_eq!(phases[0]["name"], "steady");
    assert_eq!(n(&phases[0]["delivery"]), phases[0]["totals"]["delivered"]);
    let sizes = run["sizes"].as_array().unwrap();
    assert_eq!(sizes.len(), 1);
    assert_eq!(
        (&sizes[0]["least"], &sizes[0]["most"]),
        (&2.into(), &2.into())
    );
    assert_eq!(n(&sizes[0]["delivery"]), n(&phases[0]["delivery"]));
    let windows = run["windows"].as_array().unwrap();
    let scheduled: u64 = windows
        .iter()
        .map(|w| w["scheduled"].as_u64().unwrap())
        .sum();
    assert_eq!(scheduled, phases[0]["totals"]["scheduled"]);
    assert!(
        windows
            .iter()
            .all(|window| window["hiccup_max"].as_u64() > Some(0))
    );
    let cpu = run["generator"]["worker_cpu"][0].as_array().unwrap();
    assert!(
        cpu.len() >= 2 && cpu.iter().all(|cpu| cpu.as_f64() > Some(0.0)),
        "{cpu:?}"
    );
    let usage = run["server"]["usage"].as_array().unwrap();
    assert!(
        usage.iter().any(|second| second["queue"].is_u64()),
        "{usage:?}"
    );
}

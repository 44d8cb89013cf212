//! Who is blamed (rules 10 and 14): what stops the generator is not the server's fault, and what stops the server is.

use std::{
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::{Bench, SMALL, child_of, ended};

/// Long enough for seconds to be judged, with enough deliveries for 99 %.
fn scenario() -> String {
    let limit = "\"delivery.within_5ms\" = \">= 99%\"";
    SMALL
        .replace("\"2s\"", "\"7s\"")
        .replace("\"lost\" = \"== 0\"", limit)
}

fn started(bench: &Bench) -> Child {
    bench
        .command(&bench.scenario(&scenario()), &["--store", "memory"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Stops a process for 60 ms again and again, until `over` says that there is nobody to be stopped.
fn stop_now_and_then(every: Duration, over: impl Fn() -> Option<u32>) {
    let signal = |name: &str, process: u32| {
        let _ = Command::new("kill")
            .args([name, &process.to_string()])
            .stderr(Stdio::null())
            .status();
    };
    while let Some(process) = over() {
        thread::sleep(every);
        signal("-STOP", process);
        thread::sleep(Duration::from_millis(60));
        signal("-CONT", process);
    }
}

#[test]
fn rule_10_what_stops_the_generator_is_not_the_servers_fault() {
    let bench = Bench::new();
    let mut child = started(&bench);
    let generator = child.id();
    thread::scope(|scope| {
        let stopping = scope.spawn(move || {
            // Gone, or a zombie, once it has no command line any more.
            stop_now_and_then(Duration::from_millis(400), || {
                let line = std::fs::read(format!("/proc/{generator}/cmdline"));
                line.is_ok_and(|line| !line.is_empty()).then_some(generator)
            });
        });
        child.wait().unwrap();
        stopping.join().unwrap();
    });
    let ended = ended(child);
    assert_eq!(ended.code, Some(4), "{}{}", ended.stdout, ended.stderr);
    assert!(
        ended.stdout.contains("seconds were disturbed (in ")
            && ended.stdout.contains("--no-machine-check"),
        "{}",
        ended.stdout
    );
    let report = bench.report("small");
    let stood_still = report["runs"][0]["windows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|window| window["machine"]["paused"].as_f64() > Some(0.04))
        .count();
    assert!(stood_still >= 4, "{report}");
}

#[test]
fn rule_14_a_server_that_stops_now_and_then_never_passes() {
    let bench = Bench::new();
    let child = started(&bench);
    let generator = child.id();
    let stopping = thread::spawn(move || {
        let first = (0..200).find_map(|_| {
            thread::sleep(Duration::from_millis(50));
            child_of(generator, "serve")
        });
        assert!(first.is_some(), "no server appeared");
        stop_now_and_then(Duration::from_millis(500), || child_of(generator, "serve"));
    });
    let ended = ended(child);
    stopping.join().unwrap();
    // Where something else ran as well, nobody can be blamed.
    let blamed = ended.code == Some(1);
    assert!(
        blamed || ended.code == Some(4),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
}

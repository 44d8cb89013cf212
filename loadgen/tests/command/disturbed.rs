//! Who is blamed (rules 10 and 14): what stops the generator is not the server's fault, and what stops the server is.

use std::{
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::{Bench, SMALL, child_of, ended};

/// Long enough for seconds to be judged, with enough deliveries for 99 %. The limit is one that this build keeps on any
/// machine as long as nobody stops anything, and that nobody keeps who is stopped for 60 ms.
fn scenario() -> String {
    let limit = "\"delivery.within_25ms\" = \">= 99%\"";
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

/// Whether the process is there, and no zombie. Its command line would not tell: it is empty for a moment after `exec`, too.
fn runs(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
    // The name before the state is in parentheses and may hold any.
    stat.is_ok_and(|stat| {
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| !rest.starts_with('Z'))
    })
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
            stop_now_and_then(Duration::from_millis(400), || {
                runs(generator).then_some(generator)
            });
        });
        child.wait().unwrap();
        stopping.join().unwrap();
    });
    let ended = ended(child);
    assert_eq!(ended.code, Some(4), "{}{}", ended.stdout, ended.stderr);
    assert!(
        ended.said().contains("seconds were disturbed (in ")
            && ended.said().contains("--no-machine-check"),
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

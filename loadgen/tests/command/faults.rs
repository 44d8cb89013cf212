//! Faults, end to end on our own server: brought about, proved, mended, and told in three parts.

use std::{env, fs, process::Stdio, thread, time::Duration};

use serde_json::Value;

use super::bad_store::mongo_is_there;
use crate::{Bench, Ended, child_of, ended};

/// Eight seconds of a small chat, in which something breaks.
fn broken(kind: &str, thresholds: &str) -> String {
    format!(
        "version = 1\nname = \"broken\"\nquestion = \"Does it hold?\"\nseed = 7\ndrain = \"10s\"\n\
         [server]\nsave_time = \"1ms-5ms\"\nread_time = \"1ms\"\n\
         [population]\nusers = 20\nrooms = 10\n\
         [[phases]]\nname = \"steady\"\nduration = \"12s\"\nrate = \"40/s\"\n\
         [[faults]]\nname = \"f\"\nat = \"4s\"\nfor = \"1500ms\"\nkind = \"{kind}\"\n\
         [thresholds]\n\"lost\" = \"== 0\"\n{thresholds}"
    )
}

fn fates(run: &Value) -> Vec<(String, u64, u64)> {
    let fates = run["fates"].as_array().unwrap().iter();
    let fates = fates.map(|met| {
        let fate = met["fate"].as_str().unwrap().to_owned();
        let number = |key: &str| met[key].as_u64().unwrap();
        (fate, number("count"), number("broken"))
    });
    fates.filter(|(_, count, _)| *count > 0).collect()
}

/// Every limit and every promise was kept. Only how long a recovery took may be open, since a busy machine can leave too few
/// calm seconds to tell; that it took too long would need more time than such a run has.
pub fn everything_was_kept(ended: &Ended, run: &Value) {
    let told = format!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(run["findings"], Value::Array(Vec::new()), "{told}");
    let limits = run["judgement"]["thresholds"].as_array().unwrap();
    assert!(!limits.is_empty(), "{told}");
    let (of_recovery, others): (Vec<_>, Vec<_>) = limits.iter().partition(|limit| {
        let limit = limit["threshold"].as_str().unwrap();
        limit.contains(".recovery@")
    });
    let all_pass = |limits: &[&Value]| limits.iter().all(|limit| limit["verdict"] == "PASS");
    assert!(all_pass(&others), "{told}");
    let failed = of_recovery.iter().any(|limit| limit["verdict"] == "FAIL");
    assert!(!failed, "{told}");
    // Then the run is undecided, and nothing else.
    let codes = match all_pass(&of_recovery) {
        true => [0, 0],
        false => [3, 4],
    };
    assert!(
        codes.map(Some).contains(&ended.code),
        "{:?} {told}",
        ended.code
    );
}

#[test]
fn a_server_that_stood_still_is_told_in_three_parts() {
    let bench = Bench::new();
    let text = broken(
        "server-freeze",
        "\"delivery.max@f\" = \"> 500ms\"\n\"delivery.recovery@f\" = \"< 30s\"\n",
    );
    // On a busy machine five calm seconds may be long in coming.
    let text = text.replace("\"12s\"", "\"25s\"");
    // What is asked is whether it was slow enough, which a busy machine must not leave open.
    let flags = ["--store", "memory", "--no-machine-check"];
    let ended = bench.run(&bench.scenario(&text), &flags);
    let report = bench.report("broken");
    let run = &report["runs"][0];
    everything_was_kept(&ended, run);
    let fault = &run["faults"][0];
    let at = |key: &str| fault[key].as_u64().unwrap();
    assert!(at("start") >= 4_000_000_000, "{fault}");
    assert!(at("end") - at("start") >= 1_400_000_000, "{fault}");
    let proof = fault["proof"].as_str().unwrap();
    assert!(proof.contains("stood still"), "{proof}");
    // What waited for the server is inside, and nothing of it outside.
    let part = |kind: &str| {
        let parts = run["parts"].as_array().unwrap().iter();
        let mut parts = parts.filter(|part| part["metric"] == "delivery" && part["part"] == kind);
        parts.next().unwrap().clone()
    };
    let longest = part("inside")["max"].as_u64().unwrap();
    assert!(longest > 500_000_000, "{longest}");
    assert!(part("outside")["n"].as_u64().unwrap() > 0);
    assert_eq!(part("recovery")["fault"], "f");
    let fates = fates(run);
    assert!(fates.iter().all(|(_, _, broken)| *broken == 0), "{fates:?}");
    let later = fates.iter().any(|(fate, ..)| fate == "confirmed_later");
    assert!(later, "{fates:?}");
    let page = fs::read_to_string(bench.path("out").join("broken.html")).unwrap();
    for said in [
        "What broke, and what it cost",
        "inside f",
        "What became of the messages",
        "inside of a fault: f",
    ] {
        assert!(page.contains(said), "{said}");
    }
    assert!(
        ended.said().contains("fault f: server-freeze"),
        "{}",
        ended.stdout
    );
}

#[test]
fn clients_that_are_cut_off_at_once_come_back_and_miss_nothing_that_they_were_owed() {
    for (kind, proof) in [
        ("clients-disconnect", "10 connected clients did so"),
        ("clients-silent", "10 connected clients did so"),
        ("clients-stop-reading", "10 connected clients did so"),
    ] {
        let bench = Bench::new();
        let kind = format!("{kind}\"\nshare = \"50%");
        let ended = bench.run(&bench.scenario(&broken(&kind, "")), &["--store", "memory"]);
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        let report = bench.report("broken");
        let run = &report["runs"][0];
        assert_eq!(run["faults"][0]["proof"], proof);
        assert_eq!(run["findings"], Value::Array(Vec::new()));
    }
}

#[test]
fn what_cannot_be_broken_here_is_told_before_the_run() {
    let bench = Bench::new();
    let scenario = bench.scenario(&broken("server-kill", ""));
    for (flags, said) in [
        (
            vec!["--store", "memory"],
            "the fault \"f\" (server-kill) can't be brought about: the in-memory store would go with its server",
        ),
        (
            vec!["--target", "http://127.0.0.1:1"],
            "nobody may stop a server that this program did not start",
        ),
    ] {
        let ended = bench.run(&scenario, &flags);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
        assert!(!bench.path("out").join("broken.json").exists());
    }
    // A store that is inside of a server that stands still can't be told when its fault is over.
    let slow = "[[faults]]\nname = \"s\"\nat = \"3s\"\nfor = \"2s\"\nkind = \"store-slow\"\ntime = \"100ms\"\n[thresholds]";
    let both = broken("server-freeze", "").replace("[thresholds]", slow);
    let ended = bench.run(&bench.scenario(&both), &["--store", "memory"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let said = "the in-memory store is inside of the server, which stands still meanwhile";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    assert!(!bench.path("out").join("broken.json").exists());
    let scenario = bench.scenario(&broken("server-kill", ""));
    let ended = {
        let mut command = crate::loadgen();
        command.arg("search").arg(&scenario);
        crate::finish(command)
    };
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("[[faults]]"), "{}", ended.stderr);
}

#[test]
fn after_a_kill_everybody_is_back_and_all_that_was_confirmed_is_stored() {
    if !mongo_is_there() {
        return;
    }
    let image = env::var("MONGO_IMAGE").unwrap_or_else(|_| "mongo:8.0".to_owned());
    for (kind, proof) in [
        ("server-kill", "killed by signal 9"),
        ("server-stop", "exit status 0"),
    ] {
        let bench = Bench::new();
        let text = broken(kind, "\"confirm.recovery@f\" = \"< 60s\"\n");
        let text = text.replace("\"12s\"", "\"25s\"");
        let flags = ["--store", "docker", "--mongo-image", &image];
        let ended = bench.run(&bench.scenario(&text), &flags);
        let report = bench.report("broken");
        let run = &report["runs"][0];
        everything_was_kept(&ended, run);
        let said = run["faults"][0]["proof"].as_str().unwrap();
        assert!(said.contains(proof), "{said}");
        assert_eq!(run["audited"], true);
        assert_eq!(run["totals"]["stored"], run["totals"]["confirmed"]);
        assert_eq!(run["thrown_off"], 20);
        let fates = fates(run);
        assert!(fates.iter().all(|(_, _, broken)| *broken == 0), "{fates:?}");
        let not_sent = fates.iter().find(|(fate, ..)| fate == "not_sent");
        assert_eq!(not_sent.map(|met| met.1), run["totals"]["dropped"].as_u64());
    }
}

#[test]
fn an_interrupted_run_mends_what_is_broken_and_leaves_nothing() {
    let bench = Bench::new();
    let text = broken("server-freeze", "").replace("\"1500ms\"", "\"7s\"");
    let child = bench
        .command(&bench.scenario(&text), &["--store", "memory"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let stands = |server: u32| {
        let stat = fs::read_to_string(format!("/proc/{server}/stat")).unwrap_or_default();
        stat.rsplit(')')
            .next()
            .unwrap_or_default()
            .trim_start()
            .starts_with('T')
    };
    let server = (0..1_200)
        .find_map(|_| {
            thread::sleep(Duration::from_millis(50));
            child_of(pid, "serve").filter(|server| stands(*server))
        })
        .unwrap();
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ended = ended(child);
    assert_eq!(ended.code, Some(3), "{}{}", ended.stdout, ended.stderr);
    assert!(!fs::exists(format!("/proc/{server}/cmdline")).unwrap());
    let report = bench.report("broken");
    let fault = &report["runs"][0]["faults"][0];
    // It ended in order, and not after it had been waited for in vain and killed.
    assert!(fault["end"].is_u64(), "{fault}");
    assert!(
        !ended.stderr.contains("did not end in order"),
        "{}",
        ended.stderr
    );
}

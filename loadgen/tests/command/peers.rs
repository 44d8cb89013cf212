//! Peers: how they are found, what they are not asked, and what is said of one that is not installed. That they keep their
//! promises is tested where they are installed (`interop/peers/run`).

use std::fs;

use crate::{Bench, SMALL, finish, loadgen};

#[test]
fn a_peer_that_is_not_there_or_not_installed_says_how_it_would_be() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    let absent = bench.path("nowhere");
    let flags = ["--system", "peer:node", "--store", "memory", "--peers"];
    let ended = bench.run(
        &scenario,
        &[&flags[..], &[absent.to_str().unwrap()]].concat(),
    );
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("nowhere") && ended.stderr.contains("--peers"),
        "{}",
        ended.stderr
    );

    let peers = bench.path("peers");
    fs::create_dir(&peers).unwrap();
    fs::write(peers.join("install"), "exit 9").unwrap();
    for (peer, language) in [("node", "node"), ("python", "python")] {
        let system = format!("peer:{peer}");
        let flags = ["--system", &system, "--store", "memory", "--peers"];
        let ended = bench.run(
            &scenario,
            &[&flags[..], &[peers.to_str().unwrap()]].concat(),
        );
        assert_eq!(ended.code, Some(5), "{}", ended.stderr);
        let command = format!("peers/install {language}");
        assert!(ended.stderr.contains(&command), "{}", ended.stderr);
        assert_eq!(
            ended
                .stderr
                .lines()
                .filter(|line| line.starts_with("error"))
                .count(),
            1
        );
    }
}

#[test]
fn what_a_peer_does_not_speak_is_refused_before_anything_is_started() {
    let signed = SMALL.replace(
        "[population]",
        "[connections]\ntoken = { secret = \"hush\" }\n\n[population]",
    );
    for (text, flags, word) in [
        (&*signed, &["--system", "peer:node"][..], "`token`"),
        (
            SMALL,
            &["--system", "peer:node", "--dialect", "reference"],
            "--dialect readme",
        ),
        (SMALL, &["--system", "peer:deno"], "peer:python"),
        (SMALL, &["--system", "relay"], "--floor"),
        (SMALL, &["--system", "http://h"], "--target"),
        (SMALL, &["--system", "cmd:x {port}"], "--command"),
        (
            SMALL,
            &["--system", "peer:node", "--target", "http://h"],
            "--target",
        ),
    ] {
        let bench = Bench::new();
        let scenario = bench.scenario(text);
        let ended = bench.run(&scenario, flags);
        assert_eq!(ended.code, Some(2), "{flags:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(word), "{flags:?}: {}", ended.stderr);
    }
    let bench = Bench::new();
    let mut command = loadgen();
    command
        .arg("ab")
        .arg(bench.scenario(SMALL))
        .args(["--base", "own", "--change", "relay"]);
    let ended = finish(command);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("--change relay"), "{}", ended.stderr);
}

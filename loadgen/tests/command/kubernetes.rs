//! `kubernetes`: objects that can work, or one error and nothing on standard output.

use std::{fs, path::Path, time::Duration};

use crate::{Bench, Ended, SMALL, finish, loadgen};

/// `loadgen kubernetes <scenario>` from the folder of the bench, with these flags after those that are needed.
fn kubernetes(bench: &Bench, scenario: &Path, flags: &[&str]) -> Ended {
    let mut command = loadgen();
    command.arg("kubernetes").arg(scenario);
    command.args([
        "--shards",
        "2",
        "--image",
        "loadgen:1",
        "--claim",
        "results",
    ]);
    if !flags.contains(&"--target") {
        command.args(["--target", "http://chat:3000"]);
    }
    command.args(flags).current_dir(bench.folder.path());
    finish(command)
}

/// The words that follow a flag in the arguments of a container.
fn after(flag: &str, ended: &Ended) -> String {
    let mut words = ended.stdout.split_whitespace();
    words.find(|word| *word == flag).unwrap();
    words.nth(1).unwrap().to_owned()
}

#[test]
fn what_can_not_work_in_a_cluster_is_refused() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    for (flags, told) in [
        (
            ["--target", "chat:3000"],
            "--target: it has no http:// or https:// before the host; write http://host:port",
        ),
        (
            ["--start-at", "2020-01-01T00:00:00Z"],
            "--start-at: that is past: name a moment at which all pods can be there",
        ),
        (
            ["--start-at", "2199-01-01T00:00:00Z"],
            "more than 365d from now, and `merge` waits no longer",
        ),
        (["--name", "2nd-run"], "a letter first, as in chat-load"),
    ] {
        let ended = kubernetes(&bench, &scenario, &flags);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{flags:?}");
        assert!(ended.stderr.contains(told), "{flags:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
}

#[test]
fn files_are_found_in_a_pod_wherever_they_lie_here() {
    let bench = Bench::new();
    fs::create_dir(bench.path("chats")).unwrap();
    let users: String = (0..10).map(|user| format!("u{user},t{user}\n")).collect();
    fs::write(bench.path("users.csv"), users).unwrap();
    let with = |file: &str| format!("{SMALL}\n[connections]\ntoken = {{ file = \"{file}\" }}\n");
    let scenario = bench.path("chats/scenario.toml");
    fs::write(&scenario, with("../users.csv")).unwrap();
    for named in [&*scenario, Path::new("chats/scenario.toml")] {
        let ended = kubernetes(&bench, named, &[]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        for part in [
            "path: chats/scenario.toml\n",
            "path: users.csv\n",
            "- /scenario/chats/scenario.toml\n",
            "kind: Secret\n",
        ] {
            assert!(ended.stdout.contains(part), "{part:?}: {}", ended.stdout);
        }
    }
    let users = bench.path("users.csv").display().to_string();
    fs::write(&scenario, with(&users)).unwrap();
    for named in [&*scenario, Path::new("chats/scenario.toml")] {
        let ended = kubernetes(&bench, named, &[]);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""));
        assert!(
            ended
                .stderr
                .contains("none by its path from /\nchats/scenario.toml:"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn what_may_be_a_secret_lies_in_one() {
    let bench = Bench::new();
    let users: String = (0..10).map(|user| format!("u{user},{user}\n")).collect();
    fs::write(bench.path("users.csv"), format!("id,pin\n{users}")).unwrap();
    for (connections, kind) in [
        ("", "ConfigMap"),
        ("headers = { authorization = \"Bearer x\" }", "Secret"),
        ("query = { key = \"x\" }", "Secret"),
        ("auth = { key = \"x\" }", "Secret"),
        (
            "token = { file = \"users.csv\", template = \"{id}:{pin}\" }",
            "Secret",
        ),
        ("token = { secret = \"s\" }", "Secret"),
    ] {
        let scenario = bench.scenario(&format!("{SMALL}\n[connections]\n{connections}\n"));
        let ended = kubernetes(&bench, &scenario, &[]);
        assert_eq!(ended.code, Some(0), "{connections}: {}", ended.stderr);
        let first = format!("kind: {kind}\n");
        assert!(ended.stdout.contains(&first), "{connections}");
    }
}

#[test]
fn a_start_that_is_far_ahead_is_waited_for() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    let hours = std::time::SystemTime::now() + Duration::from_secs(10 * 3600);
    let start = humantime::format_rfc3339_seconds(hours).to_string();
    let ended = kubernetes(&bench, &scenario, &["--start-at", &start]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let wait: u64 = after("--wait", &ended)
        .trim_end_matches('s')
        .parse()
        .unwrap();
    assert!((37_000..37_900).contains(&wait), "{wait}");
}

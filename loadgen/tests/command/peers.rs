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
    for (peer, language) in [
        ("node", "node"),
        ("python", "python"),
        ("socketioxide", "rust"),
    ] {
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
        (
            SMALL,
            &["--system", "peer:python", "--nodes", "2"],
            "peer:node",
        ),
        (
            SMALL,
            &[
                "--system",
                "peer:node",
                "--nodes",
                "2",
                "--bus-mode",
                "ordered",
            ],
            "`bus_mode`",
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

/// What of a command line a system can't obey, and what is said of it.
const NOT_OBEYED: [(&[&str], &str); 21] = [
    (
        &[
            "run",
            "S",
            "--system",
            "peer:node",
            "--delivery",
            "persist-first",
        ],
        "--delivery persist-first for --system peer:node: its delivery is optimistic and can't be chosen: leave --delivery out, or measure peer:node-persist-first",
    ),
    (
        &[
            "run",
            "S",
            "--system",
            "peer:node",
            "--delivery",
            "persist-first,optimistic",
        ],
        "peer:node-persist-first",
    ),
    (
        &[
            "search",
            "S",
            "--system",
            "peer:node-persist-first",
            "--delivery",
            "optimistic",
        ],
        "or measure peer:node",
    ),
    (
        &[
            "search",
            "S",
            "--system",
            "http://127.0.0.1:1",
            "--delivery",
            "optimistic",
        ],
        "somebody else wrote it",
    ),
    (
        &[
            "search",
            "S",
            "--system",
            "relay",
            "--delivery",
            "optimistic",
        ],
        "a relay saves nothing",
    ),
    (
        &["ladder", "S", "--delivery", "persist-first"],
        "--delivery persist-first for --systems peer:node",
    ),
    (
        &[
            "ab",
            "S",
            "--base",
            "own",
            "--change",
            "cmd:x {port}",
            "--delivery",
            "optimistic",
        ],
        "for --change cmd:x {port}: somebody else wrote it",
    ),
    (
        &[
            "ab",
            "S",
            "--base",
            "peer:python",
            "--change",
            "own",
            "--delivery",
            "persist-first",
        ],
        "for --base peer:python",
    ),
    (
        &[
            "ab", "S", "--base", "http://h", "--change", "http://i", "--store", "memory",
        ],
        "--store memory: nothing that is measured saves",
    ),
    (
        &[
            "search",
            "S",
            "--system",
            "cmd:x {port}",
            "--store",
            "docker",
        ],
        "--store docker: nothing that is measured saves",
    ),
    (
        &["search", "S", "--system", "relay", "--mongo-image", "x:1"],
        "--mongo-image x:1: nothing that is measured saves",
    ),
    (
        &[
            "run",
            "S",
            "--target",
            "http://127.0.0.1:1",
            "--mongo-image",
            "x:1",
        ],
        "--mongo-image x:1: nothing that is measured saves",
    ),
    (
        &["run", "S", "--store", "memory", "--mongo-image", "x:1"],
        "--mongo-image x:1: --store memory starts no container",
    ),
    (
        &["search", "S", "--system", "own@memory", "--store", "docker"],
        "--store docker: all that is measured names a store of its own (--system own@memory)",
    ),
    (
        &[
            "ladder",
            "S",
            "--systems",
            "own@memory,relay",
            "--mongo-image",
            "x:1",
        ],
        "--mongo-image x:1: no store of what is measured is in a container",
    ),
    (
        &["search", "S", "--system", "relay@memory"],
        "relay saves into no store of this program: leave @memory out",
    ),
    (
        &["search", "S", "--system", "own@mongodb://u:secret@h:x"],
        "mongodb://***@h:x",
    ),
    (
        &["run", "S", "--system", "own@docker"],
        "the store of a run is named with --store docker",
    ),
    (
        &["run", "S", "--peers", "nowhere"],
        "--peers nowhere: no peer is measured",
    ),
    (
        &[
            "ladder",
            "S",
            "--systems",
            "own,relay",
            "--peers",
            "nowhere",
        ],
        "--peers nowhere: no peer is measured",
    ),
    (
        &[
            "run",
            "MAP",
            "--target",
            "http://127.0.0.1:1",
            "--dialect",
            "readme",
        ],
        "[server.events]: leave one of them out",
    ),
];

#[test]
fn what_a_system_can_not_obey_is_one_error_before_anything_is_started() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    let map = bench.path("map.toml");
    let events = "[server.events]\nroom = { join = \"enter\", send = \"say\", received = \"said\", id_field = \"room\" }\n\n[population]";
    fs::write(&map, SMALL.replace("[population]", events)).unwrap();
    for (flags, words) in NOT_OBEYED {
        let mut command = loadgen();
        for flag in flags {
            match *flag {
                "S" => command.arg(&scenario),
                "MAP" => command.arg(&map),
                flag => command.arg(flag),
            };
        }
        command.arg("--out").arg(bench.path("out"));
        let ended = finish(command);
        assert_eq!(ended.code, Some(2), "{flags:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{flags:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.matches("error: ").count(), 1, "{flags:?}");
        assert!(!bench.path("out").exists(), "{flags:?}");
    }
}

/// What it had confirmed would be gone with it, and would be held against it.
#[test]
fn a_peer_that_simulates_its_store_is_not_killed() {
    let bench = Bench::new();
    let peers = bench.path("peers");
    for package in [
        "socket.io",
        "mongodb",
        "ioredis",
        "@socket.io/redis-streams-adapter",
    ] {
        fs::create_dir_all(peers.join("node_modules").join(package)).unwrap();
    }
    fs::write(peers.join("install"), "exit 9").unwrap();
    let fault =
        "[[faults]]\nkind = \"server-kill\"\nname = \"f\"\nat = \"600ms\"\nfor = \"500ms\"\n";
    let scenario = bench.scenario(&format!("{SMALL}\n{fault}"));
    let flags = ["--system", "peer:node", "--store", "memory", "--peers"];
    let ended = bench.run(
        &scenario,
        &[&flags[..], &[peers.to_str().unwrap()]].concat(),
    );
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("the in-memory store would go with its server"),
        "{}",
        ended.stderr
    );
}

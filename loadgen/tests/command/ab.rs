//! `ab`: the change against its base, started and ended block by block.

use crate::{Bench, Ended, SMALL, finish, loadgen};

/// `loadgen ab` on the small scenario.
fn ab(bench: &Bench, flags: &[&str]) -> Ended {
    let scenario = bench.scenario(SMALL);
    let mut command = loadgen();
    command.arg("ab").arg(scenario).args(flags);
    command.arg("--out").arg(bench.path("out"));
    finish(command)
}

#[test]
fn what_can_never_be_decided_is_refused_before_anything_is_started() {
    let both = ["--base", "own", "--change", "own"];
    for (flags, word) in [
        (
            &["--base", "own", "--change", "node server.js"][..],
            "cmd:COMMAND",
        ),
        (
            &["--base", "own", "--change", "cmd:node server.js"],
            "{port}",
        ),
        (
            &["--base", "own", "--change", "own:/no/such/file"],
            "no file",
        ),
        (&[&both[..], &["--cycles", "3"]].concat(), "from 4 to 100"),
        (&[&both[..], &["--cycles", "6"]].concat(), "or more"),
        (&[&both[..], &["--block", "500ms"]].concat(), "1s at least"),
        (
            &[&both[..], &["--phase", "loud"]].concat(),
            "warm-up, steady",
        ),
        (&[&both[..], &["--metric", "lost"]].concat(), "no time"),
        (&[&both[..], &["--margin", "10"]].concat(), "10%"),
        (
            &[
                &both[..],
                &["--metric", "delivery.p50", "--metric", "delivery.p50=5%"],
            ]
            .concat(),
            "twice",
        ),
        (
            &[&both[..], &["--block", "2s"]].concat(),
            "needs 1000 samples",
        ),
        (
            &[&both[..], &["--metric", "confirm.p99", "--block", "4s"]].concat(),
            "confirm.p99 needs 1000 samples",
        ),
        (
            &[
                &both[..],
                &["--metric", "confirm.p50", "--delivery", "persist-first"],
            ]
            .concat(),
            "there are none of --base own",
        ),
        (
            &[&both[..], &["--block", "365d"]].concat(),
            "--block 31536000s after --warm-up 2s: all phases together last longer than 365d",
        ),
        (
            &[&both[..], &["--block", "364d"]].concat(),
            "messages: at most 100000000 can be planned for one run",
        ),
        (
            &[
                "--base",
                "own",
                "--change",
                "http://127.0.0.1:1",
                "--metric",
                "server.cpu",
            ],
            "--change be started here",
        ),
    ] {
        let bench = Bench::new();
        let ended = ab(&bench, flags);
        assert_eq!(ended.code, Some(2), "{flags:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(word), "{flags:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn a_system_that_does_not_start_is_named() {
    let bench = Bench::new();
    let flags = [
        "--base",
        "cmd:exit 3; {port}",
        "--change",
        "own",
        "--store",
        "memory",
        // In this order the base comes first: of what comes before it a busy machine may make a FAIL.
        "--order-seed",
        "5",
    ];
    let ended = ab(&bench, &[&flags[..], &["--metric", "server.cpu"]].concat());
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("the command ended"),
        "{}",
        ended.stderr
    );
}

#[test]
fn both_sides_and_a_relay_are_measured_in_turn_until_it_is_certain() {
    let bench = Bench::new();
    let program = env!("CARGO_BIN_EXE_loadgen");
    let server = format!(
        "cmd:exec {program} serve --host 127.0.0.1 --port {{port}} --store memory --save-time 1ms"
    );
    // As few and as short blocks as can decide, on any machine: by a number that nobody sees ten times as large.
    let sides = ["--base", "own", "--change", &server, "--store", "memory"];
    let short = ["--cycles", "7", "--warm-up", "0s", "--block", "1s"];
    let number = ["--metric", "server.cpu=900%", "--no-machine-check"];
    let ended = ab(&bench, &[&sides[..], &short[..], &number[..]].concat());
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(
        ended
            .stdout
            .starts_with("PASS: server.cpu: not slower by 900 %"),
        "{}",
        ended.stdout
    );
    let folder = bench.path("out");
    for extension in ["html", "md", "junit.xml"] {
        assert!(folder.join(format!("small.ab.{extension}")).exists());
    }
    let result = bench.report("small.ab");
    assert_eq!(result["verdict"], "PASS");
    for cycle in result["cycles"].as_array().unwrap() {
        let blocks = cycle["blocks"].as_array().unwrap().iter();
        let mut sides: Vec<&str> = blocks.filter_map(|block| block["side"].as_str()).collect();
        sides.sort_unstable();
        assert_eq!(sides, ["base", "change", "relay"]);
    }
}

#[test]
fn a_start_that_fails_is_tried_again_and_takes_no_finished_cycle_away() {
    let program = env!("CARGO_BIN_EXE_loadgen");
    // The third start alone, or each from then on.
    for (fails, code) in [("= 2", 0), ("-ge 2", 5)] {
        let bench = Bench::new();
        let starts = bench.path("starts").display().to_string();
        let server = format!(
            "cmd:n=$(cat {starts} || echo 0); echo $((n + 1)) > {starts}; [ $n {fails} ] && exit 3; \
             exec {program} serve --host 127.0.0.1 --port {{port}} --store memory --save-time 1ms"
        );
        let sides = ["--base", "own", "--change", &server, "--store", "memory"];
        let short = ["--cycles", "7", "--warm-up", "0s", "--block", "1s"];
        let number = ["--metric", "server.cpu=900%", "--no-machine-check"];
        let ended = ab(&bench, &[&sides[..], &short[..], &number[..]].concat());
        assert_eq!(ended.code, Some(code), "{}{}", ended.stdout, ended.stderr);
        let told = "it is tried again, since the command ended before it answered";
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
        let result = bench.report("small.ab");
        let cycles = result["cycles"].as_array().unwrap();
        assert!(!cycles.is_empty(), "{result}");
        let mut blocks = cycles
            .iter()
            .flat_map(|cycle| cycle["blocks"].as_array().unwrap());
        if code == 0 {
            let repeated = blocks.any(|block| block["repeated"] == true);
            assert!(repeated, "{result}");
        } else {
            let first = result["reasons"][0].as_str().unwrap();
            assert!(first.starts_with("change: the command ended"), "{first}");
        }
    }
}

/// By the CPU that a message costs, which no other process changes by much. A server without optimisation on a busy machine spends
/// a millisecond on each: the change's spends two more. `benches/false-alarms --busy-work 200us` is the same as people build it.
#[test]
fn a_server_that_works_longer_on_each_message_is_found_and_the_same_one_is_not() {
    let program = env!("CARGO_BIN_EXE_loadgen");
    let server = format!(
        "cmd:exec {program} serve --host 127.0.0.1 --port {{port}} --store memory --save-time 1ms"
    );
    let busy = format!("{server} --busy-work 2ms");
    let calm = SMALL.replace("rate = \"200/s\"", "rate = \"100/s\"");
    let gate = |change: &str| {
        let bench = Bench::new();
        let scenario = bench.scenario(&calm);
        let mut command = loadgen();
        command.arg("ab").arg(scenario);
        command.args(["--base", &server, "--change", change, "--no-machine-check"]);
        command.args(["--cycles", "8", "--warm-up", "0s", "--block", "1s"]);
        command.args(["--metric", "server.cpu=50%"]);
        command.arg("--out").arg(bench.path("out"));
        let ended = finish(command);
        let effect = bench.report("small.ab")["effects"][0].clone();
        (ended.code, effect)
    };
    let (code, effect) = gate(&busy);
    assert_eq!(code, Some(1), "{effect}");
    assert_eq!(effect["slower_for_certain"], true, "{effect}");
    let (code, effect) = gate(&server);
    assert_ne!(code, Some(1), "{effect}");
}

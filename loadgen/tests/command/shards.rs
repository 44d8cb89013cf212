//! `run --shard` and `merge`: what several processes record is judged as one run, and what is less than one run is not.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime},
};

use serde_json::Value;

use crate::{Bench, Ended, SMALL, bad_target::Server, ended, finish, loadgen};

/// When all shards can be there, on a busy machine too, and so much later.
fn soon(later: Duration) -> String {
    let at = SystemTime::now() + Duration::from_secs(6) + later;
    humantime::format_rfc3339_nanos(at).to_string()
}

/// A shard of the scenario in the bench, not started yet.
fn shard(bench: &Bench, server: &Server, which: &str, flags: &[&str]) -> Command {
    let scenario = bench.path("scenario.toml");
    let of_all = [
        "--shard",
        which,
        "--target",
        &server.url,
        "--no-machine-check",
    ];
    bench.command(
        &scenario,
        &[&of_all[..], &["--floor", "off"], flags].concat(),
    )
}

fn spawned(mut command: Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn file(bench: &Bench, which: &str) -> PathBuf {
    let (number, of) = which.split_once('/').unwrap();
    bench
        .path("out")
        .join(format!("shard-{number}-of-{of}.json"))
}

fn merge(bench: &Bench, which: &[&str], flags: &[&str]) -> Ended {
    let mut command = loadgen();
    command
        .arg("merge")
        .args(which.iter().map(|which| file(bench, which)));
    command.arg("--out").arg(bench.path("merged")).args(flags);
    finish(command)
}

fn merged(bench: &Bench) -> Value {
    let text = fs::read_to_string(bench.path("merged").join("small.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn follows_its_schema(file: &Path) {
    let mut command = loadgen();
    command.args(["merge", "--schema"]);
    let schema = serde_json::from_str(&finish(command).stdout).unwrap();
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("shard.json", schema).unwrap();
    let schema = compiler.compile("shard.json", &mut schemas).unwrap();
    let mut recording: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    if let Err(error) = schemas.validate(&recording, schema) {
        panic!("{error}");
    }
    recording["shard"]["number"] = "two".into();
    assert!(schemas.validate(&recording, schema).is_err());
}

const WHOLE: [&str; 3] = ["1/3", "2/3", "3/3"];

#[test]
fn shards_are_judged_together_and_not_alone() {
    let (bench, server) = (Bench::new(), Server::start(&["--save-time", "1ms"], &[]));
    bench.scenario(SMALL);
    let start = soon(Duration::ZERO);
    let began = WHOLE.map(|which| spawned(shard(&bench, &server, which, &["--start-at", &start])));
    for (which, child) in WHOLE.iter().zip(began) {
        let ended = ended(child);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(
            ended.stdout.starts_with("RECORDED small: shard "),
            "{}",
            ended.stdout
        );
        assert!(file(&bench, which).exists());
    }
    follows_its_schema(&file(&bench, "2/3"));
    let whole = merge(&bench, &WHOLE, &[]);
    assert_eq!(whole.code, Some(0), "{}{}", whole.stdout, whole.stderr);
    assert!(bench.path("merged").join("small.html").exists());
    let report = merged(&bench);
    let totals = &report["runs"][0]["totals"];
    assert_eq!(totals["sent"], report["scenario"]["messages"]);
    assert_eq!(totals["lost"], 0);
    assert_eq!(totals["stored"], totals["sent"]);
    assert_eq!(report["shards"].as_array().unwrap().len(), 3);

    let missing = merge(&bench, &["1/3", "3/3"], &["--quiet"]);
    assert_eq!(missing.code, Some(4), "{}", missing.stdout);
    assert!(
        missing.stdout.contains("shard 2 of 3 is missing"),
        "{}",
        missing.stdout
    );
    let waiting = ["--quiet", "--start-at", &start, "--wait", "1s"];
    let waited = merge(&bench, &["1/3", "2/9"], &waiting);
    assert_eq!(waited.code, Some(4), "{}{}", waited.stdout, waited.stderr);
    let twice = merge(&bench, &["1/3", "2/3", "2/3", "3/3"], &["--quiet"]);
    assert_eq!(twice.code, Some(4), "{}", twice.stdout);
    assert!(
        twice.stdout.contains("shard 2 of 3 is there 2 times"),
        "{}",
        twice.stdout
    );
    let text = fs::read_to_string(file(&bench, "3/3")).unwrap();
    fs::write(file(&bench, "3/3"), &text[..text.len() / 2]).unwrap();
    let torn = merge(&bench, &WHOLE, &["--quiet"]);
    assert_eq!(torn.code, Some(4), "{}", torn.stdout);
    assert!(
        torn.stdout.contains("breaks off in the middle"),
        "{}",
        torn.stdout
    );
    fs::write(
        file(&bench, "3/3"),
        text.replacen("\"seed\":7", "\"seed\":8", 1),
    )
    .unwrap();
    let other = merge(&bench, &WHOLE, &[]);
    assert_eq!((other.code, other.stdout.as_str()), (Some(2), ""));
    assert!(
        other.stderr.contains("seeds differ (7 and 8)"),
        "{}",
        other.stderr
    );
    assert_eq!(other.stderr.lines().count(), 1);
}

#[test]
fn a_shard_that_is_late_or_cut_short_spoils_the_whole() {
    let (bench, server) = (Bench::new(), Server::start(&["--save-time", "1ms"], &[]));
    bench.scenario(&SMALL.replace("duration = \"2s\"", "duration = \"30s\""));
    let (start, late) = (soon(Duration::ZERO), soon(Duration::from_millis(200)));
    let on_time = spawned(shard(&bench, &server, "1/2", &["--start-at", &start]));
    let late = spawned(shard(&bench, &server, "2/2", &["--start-at", &late]));
    std::thread::sleep(Duration::from_secs(12));
    for child in [&on_time, &late] {
        let id = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
    }
    for child in [on_time, late] {
        let ended = ended(child);
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        assert!(
            ended.stdout.starts_with("CUT SHORT small: "),
            "{}",
            ended.stdout
        );
    }
    let both = merge(&bench, &["1/2", "2/2"], &["--quiet"]);
    assert_eq!(both.code, Some(4), "{}", both.stdout);
    assert!(both.stdout.contains("ms may be"), "{}", both.stdout);
    let reasons = merged(&bench)["reasons"].to_string();
    assert!(reasons.contains("interrupted"), "{reasons}");
    // What one of them alone can't be is whole.
    let one = merge(&bench, &["1/2"], &["--quiet"]);
    assert_eq!(one.code, Some(4), "{}", one.stdout);
    assert!(
        merged(&bench)["reasons"]
            .to_string()
            .contains("was cut short and others were not")
    );
}

#[test]
fn clocks_that_are_wrong_are_known_to_be_and_change_nothing() {
    let (bench, server) = (Bench::new(), Server::start(&["--save-time", "1ms"], &[]));
    bench.scenario(SMALL);
    let start = soon(Duration::ZERO);
    // Held until it is given to shard 1, so that nobody else has it.
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let sync = held.local_addr().unwrap().to_string();
    drop(held);
    let shifts = ["137ms", "2h", "-2s"];
    let began: Vec<Child> = WHOLE
        .iter()
        .zip(shifts)
        .map(|(which, shift)| {
            let shift = format!("--clock-shift={shift}");
            let flags = ["--start-at", &start, "--sync", &sync, &shift];
            spawned(shard(&bench, &server, which, &flags))
        })
        .collect();
    for child in began {
        let ended = ended(child);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    let whole = merge(&bench, &WHOLE, &["--quiet"]);
    assert_eq!(whole.code, Some(0), "{}{}", whole.stdout, whole.stderr);
    let ahead = merged(&bench)["shards"][1]["clock"]["ahead"]
        .as_i64()
        .unwrap();
    assert!((ahead - 7_199_863_000_000).abs() < 100_000_000, "{ahead}");
}

#[test]
fn what_a_shard_lacks_is_told_before_anything_runs() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    let start = soon(Duration::ZERO);
    let target = ["--target", "http://127.0.0.1:9"];
    let with = |flags: &[&'static str]| {
        [&target[..], &["--start-at", "2099-01-01T00:00:00Z"], flags].concat()
    };
    for (flags, told) in [
        (
            vec!["--shard", "1/2", target[0], target[1]],
            "say when with --start-at",
        ),
        (
            vec!["--shard", "1/2", "--start-at", &start],
            "name it with --target",
        ),
        (vec!["--start-at", &start], "say which with --shard"),
        (vec!["--sync", "h:1"], "say which with --shard"),
        (with(&["--shard", "3/2"]), "as in 2/4"),
        (
            with(&["--shard", "1/2", "--repeat", "2"]),
            "leave --repeat out",
        ),
        (with(&["--shard", "1/2", "--json"]), "leave --json out"),
        (
            with(&["--shard", "1/2", "--floor", "10s"]),
            "leave --floor out",
        ),
        (
            with(&["--shard", "1/2", "--report", "csv"]),
            "give --report to `merge`",
        ),
        (
            with(&["--shard", "6/6"]),
            "into 5 groups, the largest of 2 of 10 users",
        ),
        (
            vec![
                "--shard",
                "1/2",
                target[0],
                target[1],
                "--start-at",
                "2020-01-01T00:00:00Z",
            ],
            "s ago: name a moment",
        ),
        (
            vec!["--shard", "1/2", target[0], target[1], "--start-at", "noon"],
            "write it as in 2026-11-26T12:00:00Z",
        ),
    ] {
        let ended = bench.run(&scenario, &flags);
        assert_eq!(ended.code, Some(2), "{flags:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(told), "{flags:?}: {}", ended.stderr);
    }
    let mut check = loadgen();
    check.args(["check", "--shard", "2/5"]).arg(&scenario);
    let checked = finish(check);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    assert!(
        checked.said().contains("shard 2/5: 2 users (20 %), "),
        "{}",
        checked.stdout
    );
    let mut merge = loadgen();
    merge
        .arg("merge")
        .arg(&scenario)
        .arg("--out")
        .arg(bench.path("merged"));
    let none = finish(merge);
    assert_eq!(none.code, Some(2), "{}", none.stderr);
    assert!(
        none.stderr
            .contains("is not what `loadgen run --shard` wrote"),
        "{}",
        none.stderr
    );
}

#[test]
fn what_was_waited_for_and_did_not_come_is_named() {
    let bench = Bench::new();
    let waiting = ["--start-at", "2026-11-26T12:00:00Z", "--wait", "1s"];
    let none = merge(&bench, &["1/2", "2/2"], &waiting);
    let file = |which| file(&bench, which).display().to_string();
    assert_eq!((none.code, none.stdout.as_str()), (Some(2), ""));
    let told = format!(
        "error: not there after 1s: {}, {}: give",
        file("1/2"),
        file("2/2")
    );
    assert!(none.stderr.starts_with(&told), "{}", none.stderr);
    fs::create_dir_all(bench.path("out")).unwrap();
    fs::write(file("1/2"), "{\"version\":").unwrap();
    let torn = merge(&bench, &["1/2", "2/2"], &waiting);
    assert_eq!(torn.code, Some(2), "{}", torn.stderr);
    let told = format!("; not there after 1s: {}\n", file("2/2"));
    assert!(torn.stderr.ends_with(&told), "{}", torn.stderr);
}

#[test]
fn what_an_earlier_run_has_left_is_not_merged_for_this_one() {
    let (bench, server) = (Bench::new(), Server::start(&["--save-time", "1ms"], &[]));
    bench.scenario(SMALL);
    let start = soon(Duration::ZERO);
    let both = ["1/2", "2/2"];
    let began = both.map(|which| spawned(shard(&bench, &server, which, &["--start-at", &start])));
    for child in began {
        let ended = ended(child);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    for wait in [&[][..], &["--wait", "1s"]] {
        let flags = [&["--quiet", "--start-at", &start][..], wait].concat();
        let whole = merge(&bench, &both, &flags);
        assert_eq!(whole.code, Some(0), "{}{}", whole.stdout, whole.stderr);
    }
    let unsaid = merge(&bench, &both, &["--wait", "1s"]);
    assert_eq!((unsaid.code, unsaid.stdout.as_str()), (Some(2), ""));
    assert!(
        unsaid.stderr.contains("say which run is waited for"),
        "{}",
        unsaid.stderr
    );

    // A second run, of which nothing is there yet.
    let later = soon(Duration::from_secs(3_600));
    for (wait, after) in [(&[][..], ""), (&["--wait", "1s"], " after 1s")] {
        let flags = [&["--start-at", &later][..], wait].concat();
        let stale = merge(&bench, &both, &flags);
        assert_eq!((stale.code, stale.stdout.as_str()), (Some(2), ""));
        let file = file(&bench, "1/2").display().to_string();
        let told = format!("error: of another run{after}: {file} (--start-at {start}), ");
        assert!(stale.stderr.starts_with(&told), "{}", stale.stderr);
    }
    // One of its shards does not come so far as to record anything.
    let nowhere = ["--target", "http://127.0.0.1:9", "--shard", "2/2"];
    let flags = [&nowhere[..], &["--start-at", &later]].concat();
    let failed = bench.run(&bench.path("scenario.toml"), &flags);
    assert_eq!(failed.code, Some(5), "{}", failed.stderr);
    assert!(!file(&bench, "2/2").exists());
}

#[test]
fn what_takes_the_place_of_an_earlier_file_is_waited_for() {
    let (bench, server) = (Bench::new(), Server::start(&["--save-time", "1ms"], &[]));
    bench.scenario(SMALL);
    let first = soon(Duration::ZERO);
    let run = |start: &str| spawned(shard(&bench, &server, "1/1", &["--start-at", start]));
    let earlier = ended(run(&first));
    assert_eq!(earlier.code, Some(0), "{}", earlier.stderr);
    let second = soon(Duration::ZERO);
    let mut merging = loadgen();
    merging
        .arg("merge")
        .arg(file(&bench, "1/1"))
        .args(["--start-at", &second, "--wait", "5m", "--quiet", "--out"])
        .arg(bench.path("merged"));
    // It is there before the second run has begun, and so is the first one's file.
    let merging = spawned(merging);
    std::thread::sleep(Duration::from_secs(1));
    let later = ended(run(&second));
    assert_eq!(later.code, Some(0), "{}", later.stderr);
    let merged_run = ended(merging);
    assert_eq!(merged_run.code, Some(0), "{}", merged_run.stderr);
    let recording: Value =
        serde_json::from_str(&fs::read_to_string(file(&bench, "1/1")).unwrap()).unwrap();
    assert_eq!(merged(&bench)["run_id"], recording["run_id"]);
}

//! `run --repeat`: a fresh server each time, and all runs judged together.

use crate::{Bench, SMALL};

#[test]
fn every_run_is_left_and_all_are_judged_together() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    let ended = bench.run(&scenario, &["--store", "memory", "--repeat", "2"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    for part in [
        "run 1 of 2: PASS small",
        "run 2 of 2: PASS small",
        "PASS small, 2 runs: all of 2 runs kept",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    assert!(bench.path("out/small.runs.html").exists());
    let all = bench.report("small.runs");
    assert_eq!(
        (&all["verdict"], all["runs"].as_array().unwrap().len()),
        (&"PASS".into(), 2)
    );
    let numbers = all["numbers"].as_array().unwrap();
    let lost = numbers.iter().find(|one| one["key"] == "lost").unwrap();
    assert_eq!(lost["runs"], serde_json::json!([0.0, 0.0]));
    // Each server had a port of its own and knew nothing of the other's messages.
    let (one, other) = (bench.report("small.run-1"), bench.report("small.run-2"));
    assert_ne!(one["run_id"], other["run_id"]);
    for report in [one, other] {
        let totals = &report["runs"][0]["totals"];
        assert_eq!(totals["stored"], totals["confirmed"]);
    }
}

#[test]
fn a_file_that_would_be_written_over_is_refused_before_anything_is_run() {
    let bench = Bench::new();
    let one = bench.scenario(SMALL);
    let other = bench.path("other.toml");
    std::fs::write(&other, SMALL.replace("\"small\"", "\"other\"")).unwrap();
    let mut command = bench.command(&one, &["--store", "memory", "--report", "junit=all.xml"]);
    command.arg(&other);
    let ended = crate::finish(command);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let words = "--report FORMAT=PATH names one file and 2 scenarios leave one each";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
    for (file, other) in [
        ("csv=all.xml", "junit is written there, too"),
        ("csv=./all.xml", "junit is written there, too"),
        ("csv=out/small.json", "json is written there, too"),
    ] {
        let flags = [
            "--store",
            "memory",
            "--report",
            "junit=all.xml",
            "--report",
            file,
        ];
        let ended = bench.run(&one, &flags);
        assert_eq!(ended.code, Some(2), "{file}: {}", ended.stderr);
        assert!(ended.stderr.contains(other), "{file}: {}", ended.stderr);
    }
    assert!(!bench.path("all.xml").exists() && !bench.path("out/small.json").exists());
}

#[test]
fn one_file_for_several_results_is_refused() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    for (flags, word) in [
        (["--repeat", "2", "--report", "junit=all.xml"], "several"),
        (["--repeat", "0", "--store", "memory"], "1..=100"),
    ] {
        let ended = bench.run(&scenario, &flags);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
    }
}

/// The second server does not start: what was left once said what the first run had come to.
#[test]
fn what_broke_off_passes_nothing() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    let starts = bench.path("starts").display().to_string();
    let program = env!("CARGO_BIN_EXE_loadgen");
    let server = format!(
        "n=$(cat {starts} || echo 0); echo $((n + 1)) > {starts}; [ $n -ge 1 ] && exit 3; \
         exec {program} serve --host 127.0.0.1 --port {{port}} --store memory --save-time 1ms"
    );
    let ended = bench.run(&scenario, &["--command", &server, "--repeat", "3"]);
    assert_eq!(ended.code, Some(5), "{}{}", ended.stdout, ended.stderr);
    let all = bench.report("small.runs");
    assert_eq!(all["asked"], 3, "{all}");
    assert_eq!(all["runs"].as_array().unwrap().len(), 1, "{all}");
    assert_ne!(all["verdict"], "PASS", "{all}");
    let why = "only 1 of the 3 runs that were asked for were measured; ";
    assert!(all["reason"].as_str().unwrap().starts_with(why), "{all}");
}

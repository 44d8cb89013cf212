//! `search`: what it refuses, what it leaves, and how it ends.

use serde_json::Value;

use crate::{Bench, Ended, SMALL, finish, loadgen};

/// `loadgen search` on a scenario.
fn search(bench: &Bench, text: &str, flags: &[&str]) -> Ended {
    let scenario = bench.scenario(text);
    let mut command = loadgen();
    command.arg("search").arg(scenario).args(flags);
    command.arg("--out").arg(bench.path("out"));
    finish(command)
}

#[test]
fn what_can_not_be_searched_is_refused_before_anything_is_started() {
    let closed = SMALL.replace("rate = \"200/s\"", "think_time = \"1s\"");
    let silent = SMALL.replace("rate = \"200/s\"", "");
    for (text, flags, word) in [
        (&*closed, &[][..], "phase \"steady\" is closed"),
        (&*silent, &[], "no measured phase sends anything"),
        (SMALL, &["--system", "node server.js"], "cmd:COMMAND"),
        (SMALL, &["--system", "own", "--system", "own"], "twice"),
        (SMALL, &["--hold", "2s"], "10s at least"),
        (SMALL, &["--budget", "20s"], "--budget 20s"),
        (SMALL, &["--up-to", "0/s"], "above 0/s"),
        (SMALL, &["--up-to", "9"], "\"9\""),
    ] {
        let bench = Bench::new();
        let ended = search(&bench, text, flags);
        assert_eq!(ended.code, Some(2), "{flags:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(word), "{flags:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
}

/// What a busy machine makes of the rates is not this test's: only that all of it is there and says the same.
#[test]
fn a_search_leaves_all_its_holds_and_ends_as_its_verdict_says() {
    let bench = Bench::new();
    let flags = ["--store", "memory", "--up-to", "120/s", "--hold", "10s"];
    let flags = [&flags[..], &["--no-machine-check", "--budget", "55s"]].concat();
    let ended = search(&bench, SMALL, &flags);
    let path = bench.path("out").join("small.search.json");
    let text = std::fs::read_to_string(path).unwrap_or_else(|_| panic!("{}", ended.stderr));
    let found: Value = serde_json::from_str(&text).unwrap();
    let verdict = found["verdict"].as_str().unwrap();
    let code = match verdict {
        "PASS" => 0,
        "FAIL" => 1,
        "INCONCLUSIVE" => 3,
        _ => 4,
    };
    assert_eq!(ended.code, Some(code), "{}{}", ended.stdout, ended.stderr);
    let system = &found["systems"][0];
    let first = format!(
        "{verdict} small, own: {}\n",
        system["sentence"].as_str().unwrap()
    );
    assert!(ended.stdout.starts_with(&first), "{}", ended.stdout);
    let holds = system["holds"].as_array().unwrap();
    assert_eq!(holds[0]["purpose"], "settle");
    assert_eq!(holds[0]["rate"], 60.0);
    for hold in holds {
        // At the rate that was asked for, with the warm-up of half its rate before it.
        let rate = hold["rate"].as_f64().unwrap();
        let seconds = if hold["length"] == "full" { 10.0 } else { 8.0 };
        let due = rate * seconds * (1.0 + 0.25 * 0.5);
        let sent = hold["sent"].as_f64().unwrap();
        let chance = 5.0 * due.sqrt();
        assert!(rate <= 120.0 && (sent - due).abs() < chance, "{hold}");
        assert!(hold["server_cpu"].as_f64().unwrap() > 0.0, "{hold}");
        let outcome = hold["outcome"]
            .as_str()
            .unwrap()
            .replace("backlog-grew", "backlog grew");
        let line = format!("own: {} at ", hold["purpose"].as_str().unwrap());
        assert!(ended.stderr.contains(&line) && ended.stderr.contains(&outcome));
    }
    assert_eq!(system["limits"].as_array().unwrap().len(), 5);
    for file in ["small.search.html", "small.search.md"] {
        let text = std::fs::read_to_string(bench.path("out").join(file)).unwrap();
        assert!(text.contains(verdict) && text.contains("settle"), "{file}");
    }
}

#[test]
fn a_system_that_does_not_start_is_named() {
    let bench = Bench::new();
    let ended = search(&bench, SMALL, &["--system", "cmd:exit 3; {port}"]);
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert!(ended.stderr.contains("ended"), "{}", ended.stderr);
}

#[test]
fn the_schema_of_results_is_the_published_one() {
    let mut command = loadgen();
    command.args(["search", "--schema"]);
    let ended = finish(command);
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/search.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &ended.stdout).unwrap();
    }
    let published = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        ended.stdout == published,
        "docs/search.schema.json is not the code's: `loadgen search --schema` prints it, UPDATE_SCHEMA=1 writes it"
    );
}

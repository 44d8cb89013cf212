//! `check`, `list` and `schema`: what is said of scenarios without running them.

use std::fs;

use crate::{Bench, Ended, SMALL, finish, loadgen};

/// A command in the bench's folder, with that folder taken out of what it says.
fn run(bench: &Bench, arguments: &[&str]) -> Ended {
    let mut command = loadgen();
    command.args(arguments).current_dir(bench.folder.path());
    finish(command)
}

fn write(bench: &Bench, name: &str, text: &str) {
    let path = bench.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The error of a check, after which nothing is on standard output.
fn error_of(bench: &Bench, arguments: &[&str]) -> String {
    let ended = run(bench, arguments);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    ended.stderr
}

const BASE: &str = r#"version = 1
question = "Does it work for ${users} users?"

[variables]
users = 10
rate = 5
skewed = 1.0
warm = false

[population]
users = "${users}"
rooms = 5

[[phases]]
name = "steady"
duration = "2s"
rate = "${rate}/s"
measured = "${warm}"
skew = "${skewed}"
"#;

const MAIN: &str = r#"include = ["parts/_base.toml"]
name = "main"

[variables]
warm = true
"#;

fn with_base() -> Bench {
    let bench = Bench::new();
    write(&bench, "main.toml", MAIN);
    write(&bench, "parts/_base.toml", BASE);
    bench
}

#[test]
fn how_long_connecting_takes_is_told_where_there_is_a_rate() {
    let bench = Bench::new();
    let text = SMALL.replace("rooms = 5", "rooms = 5\nconnect_rate = \"2/s\"");
    write(&bench, "slow.toml", &text);
    let ended = run(&bench, &["check", "slow.toml"]);
    let told = "about 5s of connecting, then 2s 500ms, and up to 10s of drain";
    assert!(ended.said().contains(told), "{}", ended.said());
}

#[test]
fn a_plan_is_printed_without_connecting() {
    let bench = Bench::new();
    write(
        &bench,
        "plan.toml",
        &SMALL
            .replace("rate = \"100/s\"", "rate = \"100/s\"\narrivals = \"uniform\"")
            .replace(
                "rate = \"200/s\"",
                "rate = \"100/s\"\nramp_to = \"200/s\"\nsteps = 2\narrivals = \"uniform\"\nburst = { messages = 5, every = \"1s\" }",
            ),
    );
    let ended = run(&bench, &["check", "plan.toml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // The machine's cores decide on the workers, and these on the histograms; of the limits another test knows.
    let mut apart = false;
    let mut stable = Vec::new();
    for line in ended.stdout.lines() {
        let name = line.trim_start();
        // What is wrapped begins below its beginning.
        let goes_on = line.starts_with("      ");
        apart = name.starts_with("memory") || name.starts_with("limits") || (apart && goes_on);
        if !apart {
            stable.push(line);
        }
    }
    assert!(ended.stdout.contains("ledger"), "{}", ended.stdout);
    insta::assert_snapshot!(stable.join("\n"));
}

#[test]
fn a_broken_file_does_not_hide_the_others() {
    let bench = Bench::new();
    write(&bench, "good.toml", SMALL);
    write(&bench, "bad.toml", &SMALL.replace("rooms = 5", "rooms = 0"));
    let ended = run(&bench, &["check", "bad.toml", "good.toml"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("bad.toml:12:9: nobody can talk"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stdout.starts_with("good.toml: small"),
        "{}",
        ended.stdout
    );
}

#[test]
fn variables_are_set_and_shown() {
    let bench = with_base();
    let ended = run(
        &bench,
        &[
            "check",
            "main.toml",
            "--set",
            "users=20",
            "--set",
            "skewed=2",
        ],
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for line in [
        "Does it work for 20 users?",
        "rate = 5, skewed = 2, users = 20, warm = true",
        "skew 2",
    ] {
        assert!(ended.stdout.contains(line), "{line:?}\n{}", ended.stdout);
    }
}

#[test]
fn a_setting_that_does_not_fit_is_refused() {
    let bench = with_base();
    let said: Vec<String> = ["user=20", "users=many", "rate=1.5", "warm=yes", "users"]
        .iter()
        .map(|setting| error_of(&bench, &["check", "main.toml", "--set", setting]))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
    for command in ["check", "run"] {
        let said = error_of(&bench, &[command, "main.toml", "--set", "user=20"]);
        assert!(
            said.contains("there are rate, skewed, users, warm"),
            "{said}"
        );
    }
}

#[test]
fn a_mistake_by_a_variable_is_shown_where_it_is_used() {
    let bench = with_base();
    insta::assert_snapshot!(error_of(
        &bench,
        &["check", "main.toml", "--set", "users=1"]
    ));
    insta::assert_snapshot!(error_of(
        &bench,
        &["check", "main.toml", "--set", "rate=-1"]
    ));
}

#[test]
fn a_mistake_in_an_included_file_is_shown_there() {
    let bench = with_base();
    write(
        &bench,
        "parts/_base.toml",
        &BASE.replace("rooms = 5", "rooms = 500"),
    );
    insta::assert_snapshot!(error_of(&bench, &["check", "main.toml"]));
    write(
        &bench,
        "parts/_base.toml",
        &BASE.replace("[population]", "[population"),
    );
    insta::assert_snapshot!(error_of(&bench, &["check", "main.toml"]));
    write(
        &bench,
        "parts/_base.toml",
        &format!("include = [\"../main.toml\"]\n{BASE}"),
    );
    insta::assert_snapshot!(error_of(&bench, &["check", "main.toml"]));
}

#[test]
fn what_is_said_of_scenarios_fits_a_terminal() {
    let bench = Bench::new();
    for arguments in [
        &["list", "--shipped"][..],
        &["check", "hot-channel"],
        &["check", "reconnect-churn"],
        &["check", "soak"],
    ] {
        let ended = run(&bench, arguments);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        for line in ended.stdout.lines() {
            assert!(line.chars().count() <= 80, "{line}");
            assert_eq!(line, line.trim_end());
        }
    }
}

#[test]
fn scenarios_are_listed_and_broken_ones_are_shown_as_broken() {
    let bench = with_base();
    write(&bench, "scenarios/one.toml", SMALL);
    write(
        &bench,
        "scenarios/deep/two.toml",
        &SMALL.replace("\"small\"", "\"two\""),
    );
    write(&bench, "scenarios/_part.toml", "[population]\nusers = 3\n");
    let ended = run(&bench, &["list"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stderr, "");
    insta::assert_snapshot!(ended.stdout);

    write(
        &bench,
        "scenarios/broken.toml",
        "version = 1\nname = \"broken\"\n",
    );
    let ended = run(&bench, &["list", "scenarios"]);
    assert_eq!(ended.code, Some(2));
    insta::assert_snapshot!(format!("{}\n{}", ended.stdout, ended.stderr));
    let said = error_of(&bench, &["list", "nowhere"]);
    assert!(said.contains("nowhere: No such file"), "{said}");
}

#[test]
fn the_schema_is_printed() {
    let bench = Bench::new();
    let ended = run(&bench, &["schema"]);
    assert_eq!(ended.code, Some(0));
    let printed: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(printed == loadgen::scenario::schema());
}

/// The limits that `check` names, without a word on which are implied.
fn named(text: &str) -> Vec<String> {
    let mut lines = text
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("limits"));
    let first = lines.next().unwrap().trim_start();
    let first = first.strip_prefix("limits").unwrap();
    // What is wrapped begins below its beginning.
    let further = lines.take_while(|line| line.starts_with("      "));
    let words = std::iter::once(first)
        .chain(further)
        .flat_map(str::split_whitespace);
    let line = words.collect::<Vec<_>>().join(" ");
    let limits = line.trim().split(", ");
    limits
        .map(|limit| limit.trim_end_matches(" (implied)").to_owned())
        .collect()
}

#[test]
fn check_names_every_limit_that_run_judges() {
    for thresholds in ["\"lost\" = \"== 0\"", "", "\"failed\" = \"<= 9\""] {
        let bench = Bench::new();
        let text = SMALL.replace("\"lost\" = \"== 0\"", thresholds);
        let scenario = bench.scenario(&text);
        let mut check = loadgen();
        check.arg("check").arg(&scenario);
        let checked = finish(check);
        assert_eq!(checked.code, Some(0), "{}", checked.stderr);
        bench.run(&scenario, &["--store", "memory"]);
        let report = bench.report("small");
        let judged = report["runs"][0]["judgement"]["thresholds"].as_array();
        let mut judged: Vec<String> = judged
            .unwrap()
            .iter()
            .map(|one| one["threshold"].as_str().unwrap().to_owned())
            .collect();
        judged.push("no finding of any check".to_owned());
        let mut named = named(&checked.stdout);
        judged.sort();
        named.sort();
        assert_eq!(named, judged, "{}", checked.stdout);
    }
}

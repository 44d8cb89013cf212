//! The recipes and the pages that describe them, held against the code.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use clap::ValueEnum;
use loadgen::{command::exit_code::Exit, report::Format, scenario::Scenario};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The gate with a program that ends with these codes, one after the other: its exit code, and how it was called.
fn calls(codes: &str, variables: &[(&str, &str)]) -> (i32, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("loadgen");
    let script = format!(
        "#!/usr/bin/env bash\ncodes=({codes})\necho \"$@\" >>calls\nexit \"${{codes[$(($(wc -l <calls) - 1))]}}\"\n"
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let status = Command::new(root().join("ci-recipes/gate").canonicalize().unwrap())
        .current_dir(folder.path())
        .env("LOADGEN", &program)
        .env_remove("BASE")
        .envs(variables.iter().copied())
        .status()
        .unwrap();
    let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
    let calls = calls.lines().map(str::to_owned).collect();
    (status.code().unwrap(), calls)
}

/// Without a base: its exit code, and how often the program ran.
fn gate(codes: &str, inconclusive: &str) -> (i32, usize) {
    let (code, calls) = calls(codes, &[("INCONCLUSIVE", inconclusive)]);
    for call in &calls {
        assert!(call.starts_with("run scenarios/ci-gate.toml"), "{call}");
    }
    (code, calls.len())
}

#[test]
fn the_gate_runs_an_invalid_run_once_more_and_no_other() {
    assert_eq!(gate("0", ""), (0, 1));
    assert_eq!(gate("1 0", ""), (1, 1));
    assert_eq!(gate("2 0", ""), (2, 1));
    assert_eq!(gate("3 0", ""), (3, 1));
    assert_eq!(gate("3 0", "pass"), (0, 1));
    assert_eq!(gate("4 0", ""), (0, 2));
    assert_eq!(gate("4 1", ""), (1, 2));
    assert_eq!(gate("4 4 0", ""), (4, 2));
    assert_eq!(gate("5 0", ""), (5, 1));
}

#[test]
fn with_a_base_the_gate_asks_whether_the_change_is_slower_once_the_change_keeps_its_promises() {
    let node = "cmd:cd base && PORT={port} node server.js";
    let both = [("BASE", node), ("CHANGE", "own:a build")];
    let (code, made) = calls("0 1", &both);
    assert_eq!((code, made.len()), (1, 2));
    let expected = format!(
        "ab scenarios/ci-gate.toml --base {node} --change own:a build --out reports/latest --store memory"
    );
    assert_eq!(made[1], expected);
    assert_eq!(calls("1 0", &both).0, 1);
    assert_eq!(calls("0 4 0", &both).0, 0);
    assert_eq!(calls("0 4 4", &both).0, 4);
    assert_eq!(calls("0 3", &both).0, 3);
    let lenient = [
        &both[..],
        &[("INCONCLUSIVE", "pass"), ("AB_FLAGS", "--cycles 9")],
    ]
    .concat();
    let (code, made) = calls("0 3", &lenient);
    assert_eq!(code, 0);
    assert!(made[1].ends_with("--cycles 9"), "{}", made[1]);
    // A commit that is not there can't be built, and nothing is held against it.
    let (code, made) = calls("0 0", &[("BASE", "no-such-commit"), ("CHANGE", "own")]);
    assert_eq!((code, made.len()), (5, 1));
}

/// The first cells of the rows of the table after a heading.
fn first_cells(page: &str, heading: &str) -> Vec<String> {
    let (_, rest) = page.split_once(heading).expect(heading);
    let lines = rest.lines().skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    let cell = |row: &str, place| {
        row.split('|')
            .nth(place)
            .map(|cell: &str| cell.trim().to_owned())
    };
    rows.filter_map(|row| Some(format!("{} {}", cell(row, 1)?, cell(row, 2)?)))
        .collect()
}

#[test]
fn every_format_is_described_with_its_ending() {
    let known: Vec<String> = Format::value_variants()
        .iter()
        .map(|format| {
            let name = format.to_possible_value().unwrap().get_name().to_owned();
            format!("`{name}` `.{}`", format.extension())
        })
        .collect();
    assert_eq!(first_cells(&read("docs/REPORTS.md"), "## Formats"), known);
}

#[test]
fn the_exit_codes_of_the_recipe_are_the_programs() {
    let known = [
        (Exit::Pass, "PASS"),
        (Exit::Fail, "FAIL"),
        (Exit::Usage, ""),
        (Exit::Inconclusive, "INCONCLUSIVE"),
        (Exit::Invalid, "INVALID"),
        (Exit::Setup, ""),
    ]
    .map(|(exit, verdict)| format!("{} {verdict}", exit as u8));
    assert_eq!(first_cells(&read("docs/CI.md"), "## In plain shell"), known);
}

/// The names of a workflow's jobs, whose steps each do one thing.
fn jobs(text: &str) -> BTreeSet<String> {
    let workflow: serde_json::Value = serde_yaml_ng::from_str(text).unwrap();
    let jobs = workflow["jobs"].as_object().unwrap();
    for (name, job) in jobs {
        for step in job["steps"].as_array().unwrap() {
            assert!(
                step["uses"].is_string() != step["run"].is_string(),
                "{name}: {step}"
            );
        }
    }
    jobs.keys().cloned().collect()
}

#[test]
fn the_workflow_of_a_node_server_starts_it_and_its_scenario_is_right() {
    let text = read("ci-recipes/node-server.yml");
    assert_eq!(jobs(&text), BTreeSet::from(["chat".to_owned()]));
    assert!(text.contains("--command 'PORT={port} node server.js'"));
    Scenario::load(&root().join("ci-recipes/node-server.toml"), &[]).unwrap();
}

#[test]
fn the_workflow_is_well_formed_and_calls_what_there_is() {
    let text = read("ci-recipes/github-actions.yml");
    let names = ["compare", "dependencies", "gate", "publish"].map(str::to_owned);
    assert_eq!(jobs(&text), BTreeSet::from(names));
    for path in ["ci-recipes/gate", "scenarios/ci-gate.toml"] {
        assert!(text.contains(path) && root().join(path).exists(), "{path}");
    }
}

//! The workflows and the action, held as YAML against the program, the scripts and the page that describes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use clap::CommandFactory;
use loadgen::{command::Cli, scenario::Scenario};
use serde_json::Value;

use crate::recipes::{read, root};

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
    for path in [
        "ci-recipes/gate",
        "ci-recipes/history",
        "ci-recipes/comment",
        "scenarios/ci-gate.toml",
    ] {
        assert!(text.contains(path) && root().join(path).exists(), "{path}");
    }
}

const RECIPES: [&str; 3] = [
    "action.yml",
    "ci-recipes/github-actions.yml",
    "ci-recipes/node-server.yml",
];

#[test]
fn every_action_is_pinned_by_a_commit_with_its_version_beside_it() {
    let mut pinned: BTreeMap<String, String> = BTreeMap::new();
    for recipe in RECIPES {
        let text = read(recipe);
        let uses = text.lines().filter_map(|line| line.split_once("uses: "));
        for (_, used) in uses.filter(|(_, used)| !used.starts_with("./")) {
            let (action, commit) = used.split_once('@').unwrap();
            let (commit, version) = commit
                .split_once(" # v")
                .unwrap_or_else(|| panic!("{used}"));
            let is_commit = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
            assert!(
                is_commit && version.split('.').count() == 3,
                "{recipe}: {used}"
            );
            let before = pinned.insert(action.to_owned(), commit.to_owned());
            assert!(
                before.is_none_or(|before| before == commit),
                "{action} has two commits"
            );
        }
    }
    assert!(pinned.len() > 7, "{pinned:?}");
}

/// All texts below a key of a document, however deep.
fn texts<'v>(value: &'v Value, wanted: &str, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value.as_str() {
                    Some(text) if key == wanted => found.push(text),
                    _ => texts(value, wanted, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| texts(value, wanted, found)),
        _ => {}
    }
}

/// The flags of a script's calls of the program, each with its command.
fn flags(script: &str) -> Vec<(String, String)> {
    let script = script.replace("\\\n", " ");
    let mut found = Vec::new();
    for line in script
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        // What is quoted is for somebody else: a command with flags of its own.
        let unquoted: Vec<&str> = line.split('\'').step_by(2).collect();
        let line = unquoted.join(" ");
        let mut words = line.split_whitespace().map(|word| word.trim_matches('"'));
        let mut command = None;
        while let Some(word) = words.next() {
            if word.ends_with("/loadgen") || ["loadgen", "$loadgen"].contains(&word) {
                // A path that ends so is followed by a flag of something else.
                command = words.next().filter(|word| !word.starts_with('-'));
            } else if word.ends_with("ci-recipes/gate") {
                command = Some("run");
            } else if let (Some(command), true) = (command, word.starts_with("--")) {
                let flag = word[2..].split('=').next().unwrap_or_default();
                found.push((command.to_owned(), flag.to_owned()));
            }
        }
    }
    found
}

#[test]
fn the_recipes_call_the_program_by_commands_and_flags_that_it_has() {
    let mut calls = Vec::new();
    for recipe in RECIPES {
        let document: Value = serde_yaml_ng::from_str(&read(recipe)).unwrap();
        for (key, command) in [
            ("run", None),
            ("flags", Some("run")),
            ("ab-flags", Some("ab")),
        ] {
            let mut found = Vec::new();
            texts(&document, key, &mut found);
            if let Some(input) = document["inputs"].get(key) {
                found.push(input["default"].as_str().unwrap());
            }
            for text in found {
                let call = command.map(|command| format!("loadgen {command} {text}"));
                calls.extend(flags(call.as_deref().unwrap_or(text)));
            }
        }
    }
    for script in ["gate", "history"] {
        calls.extend(flags(&read(&format!("ci-recipes/{script}"))));
    }
    assert!(calls.len() > 12, "{calls:?}");
    all_known(calls);
}

/// Holds calls against the program's commands.
fn all_known(calls: Vec<(String, String)>) {
    let program = Cli::command();
    for (command, flag) in calls {
        let known = program.find_subcommand(&command);
        let known = known.unwrap_or_else(|| panic!("there is no command {command}"));
        let is_known = known
            .get_arguments()
            .any(|argument| argument.get_long() == Some(&flag));
        assert!(is_known, "{command} --{flag}");
    }
}

#[test]
fn the_pages_type_commands_and_flags_that_the_program_has() {
    let mut calls = Vec::new();
    let pages = fs::read_dir(root().join("docs")).unwrap();
    let pages = pages.map(|entry| format!("docs/{}", entry.unwrap().file_name().display()));
    let pages = pages.filter(|page| page.ends_with(".md"));
    for page in pages.chain(["README.md", "scenarios/README.md"].map(str::to_owned)) {
        let text = read(&page);
        for block in text.split("```sh\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let lines = block.lines().map(|line| line.split(" #").next().unwrap());
            let script: Vec<&str> = lines.collect();
            let script = script.join("\n");
            calls.extend(flags(&script.replace("cargo run --release --", "loadgen")));
        }
    }
    assert!(calls.len() > 20, "{calls:?}");
    all_known(calls);
}

#[test]
fn the_action_says_to_the_gate_what_the_gate_reads_and_the_page_names_it_all() {
    let action: Value = serde_yaml_ng::from_str(&read("action.yml")).unwrap();
    let page = read("docs/CI.md");
    for (kind, values) in [("input", &action["inputs"]), ("output", &action["outputs"])] {
        let (_, table) = page.split_once(&format!("| {kind} | meaning |")).unwrap();
        let table = table.split("\n\n").next().unwrap();
        for (name, about) in values.as_object().unwrap() {
            assert!(table.contains(&format!("`{name}`")), "{name}");
            assert!(
                about["description"]
                    .as_str()
                    .is_some_and(|text| text.ends_with(['.', '\'']))
            );
        }
    }
    let steps = action["runs"]["steps"].as_array().unwrap();
    let gate = steps.iter().find(|step| step["id"] == "gate").unwrap();
    let script = read("ci-recipes/gate");
    for (variable, value) in gate["env"].as_object().unwrap() {
        let (run, value) = (gate["run"].as_str().unwrap(), value.as_str().unwrap());
        let is_read = run.contains(variable) || script.contains(&format!("${{{variable}"));
        assert!(is_read, "{variable} is not read");
        if let Some(input) = value.strip_prefix("${{ inputs.") {
            let input = input.trim_end_matches(" }}");
            assert!(action["inputs"][input].is_object(), "{input}");
        }
    }
    for (name, output) in action["outputs"].as_object().unwrap() {
        assert_eq!(
            output["value"],
            format!("${{{{ steps.gate.outputs.{name} }}}}")
        );
        assert!(script.contains(&format!("\"{name}=")), "{name}");
    }
    // Inputs are texts of somebody's workflow: none may become a part of a script.
    for step in steps {
        assert!(
            !step["run"].as_str().unwrap_or_default().contains("${{"),
            "{step}"
        );
    }
    let default = action["inputs"]["scenario"]["default"].as_str().unwrap();
    Scenario::named(Path::new(default), &[]).unwrap();
    let node: Value = serde_yaml_ng::from_str(&read("ci-recipes/node-server.yml")).unwrap();
    let steps = node["jobs"]["chat"]["steps"].as_array().unwrap();
    let used = steps
        .iter()
        .find(|step| step["uses"] == "./loadgen")
        .unwrap();
    for input in used["with"].as_object().unwrap().keys() {
        assert!(action["inputs"][input].is_object(), "{input}");
    }
}

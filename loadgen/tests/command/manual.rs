//! What shells and people read of the commands: completions and manual pages.

use std::{collections::BTreeSet, fs, process::Command};

use clap::CommandFactory;
use loadgen::command::Cli;

use crate::{Bench, finish, loadgen};

fn said(arguments: &[&str]) -> String {
    let mut command = loadgen();
    command.args(arguments);
    let ended = finish(command);
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
    ended.stdout
}

fn first_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().take(12).collect();
    lines.join("\n")
}

#[test]
fn shells_are_told_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = said(&["completions", shell]);
        for command in ["run", "check", "completions"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    insta::assert_snapshot!(first_lines(&said(&["completions", "bash"])));
    let bench = Bench::new();
    fs::write(bench.path("loadgen.bash"), said(&["completions", "bash"])).unwrap();
    // As a shell does for `loadgen ru<Tab>`.
    let typed = "source ./loadgen.bash && COMP_WORDS=(loadgen ru) COMP_CWORD=1 && _loadgen loadgen ru loadgen \
                 && echo \"${COMPREPLY[@]}\"";
    for arguments in [&["-n", "loadgen.bash"][..], &["-c", typed]] {
        let mut bash = Command::new("bash");
        let ended = bash.args(arguments).current_dir(bench.path("")).output();
        let ended = ended.unwrap();
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && told.is_empty(), "{told}");
        if arguments[0] == "-c" {
            assert_eq!(ended.stdout, b"run\n");
        }
    }
    let mut command = loadgen();
    command.args(["completions", "tcsh"]);
    assert_eq!(finish(command).code, Some(2));
}

#[test]
fn every_command_has_its_page() {
    let version = said(&["--version"]);
    let version = version.trim().strip_prefix("loadgen ").unwrap();
    let page = said(&["man"]).replace(version, "VERSION");
    insta::assert_snapshot!(first_lines(&page));
    let bench = Bench::new();
    let folder = bench.path("share/man1");
    said(&["man", folder.to_str().unwrap()]);
    let pages: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let command = Cli::command();
    let commands = command.get_subcommands().filter(|one| !one.is_hide_set());
    let mut known: BTreeSet<String> = commands
        .map(|one| format!("loadgen-{}.1", one.get_name()))
        .collect();
    known.insert("loadgen.1".to_owned());
    assert_eq!(pages, known);
    let whole = fs::read_to_string(folder.join("loadgen.1")).unwrap();
    assert_eq!(whole.replace(version, "VERSION"), page);
    let run = fs::read_to_string(folder.join("loadgen-run.1")).unwrap();
    assert!(run.contains("\\-\\-store"), "{run}");
    fs::write(bench.path("file"), "").unwrap();
    let mut command = loadgen();
    command.args(["man", "file"]).current_dir(bench.path(""));
    let ended = finish(command);
    assert_eq!(ended.code, Some(5));
    assert!(
        ended.stderr.starts_with("error: file: "),
        "{}",
        ended.stderr
    );
}

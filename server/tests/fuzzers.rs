//! The fuzzers have a lock file of their own: they fuzz what the workspace builds as long as both say the same.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// What a lock file says of the packages of one name.
#[derive(Default)]
struct Locked {
    versions: Vec<String>,
    needs: Vec<String>,
}

fn locked(file: &str) -> BTreeMap<String, Locked> {
    let mut packages = BTreeMap::<String, Locked>::new();
    for package in file.split("[[package]]").skip(1) {
        let value = |key: &str| {
            let mut values = package.lines().filter_map(|line| line.strip_prefix(key));
            values.next().unwrap().trim_matches('"').to_owned()
        };
        let entry = packages.entry(value("name = ")).or_default();
        entry.versions.push(value("version = "));
        // A version stands behind a name where the file has several of them.
        let needs = package
            .lines()
            .filter_map(|line| line.strip_prefix(" \"")?.split([' ', '"']).next());
        entry.needs.extend(needs.map(str::to_owned));
    }
    packages
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn their_lock_file_says_what_the_workspaces_says() {
    let (workspace, fuzzers) = (
        locked(&read("../Cargo.lock")),
        locked(&read("fuzz/Cargo.lock")),
    );
    // What they need beside the server.
    let mut own = BTreeSet::from(["server-fuzz"]);
    let mut next = vec!["libfuzzer-sys"];
    while let Some(name) = next.pop() {
        if own.insert(name) {
            next.extend(fuzzers[name].needs.iter().map(String::as_str));
        }
    }
    for (name, package) in &fuzzers {
        assert!(
            workspace.contains_key(name) || own.contains(&**name),
            "the server needs {name} there, and in the workspace nobody does; {HOW}"
        );
        let known = workspace.get(name).map_or(&[][..], |known| &known.versions);
        let other = |version: &&String| !known.is_empty() && !known.contains(version);
        let other = package.versions.iter().find(other);
        assert_eq!(
            other, None,
            "{name} has the versions {known:?} in the workspace; {HOW}"
        );
    }
    let manifest = read("Cargo.toml");
    let (_, dependencies) = manifest.split_once("[dependencies]\n").unwrap();
    for line in dependencies.lines().take_while(|line| !line.is_empty()) {
        let name = line.split(['.', ' ']).next().unwrap();
        // This repository's own crates are published under a longer name.
        let own = format!("loadgen-{name}");
        assert!(
            (fuzzers["server"].needs.iter()).any(|needed| *needed == name || *needed == own),
            "the server depends on {name}, and there it does not; {HOW}"
        );
    }
}

const HOW: &str = "docs/CI.md says how server/fuzz/Cargo.lock is made";

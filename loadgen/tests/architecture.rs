//! Which room of the load generator may import which: a room stands on those beneath it, and on none above.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not the functions that they call"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The rooms from the ground up. A room may import those that come before it, but for what [`APART`] keeps apart.
const ROOMS: [&str; 17] = [
    "model",
    "scenario",
    "plan",
    "observed",
    "judge",
    "result",
    "shards",
    "report",
    "compare",
    "search",
    "verify",
    "dial",
    "rig",
    "drive",
    "experiment",
    "command",
    "main",
];

/// Rooms that know nothing of each other: what is measured, who measures it, and what is said of it.
const APART: [(&str, &str); 5] = [
    ("drive", "rig"),
    ("drive", "report"),
    ("rig", "report"),
    ("dial", "report"),
    ("experiment", "report"),
];

/// Rooms that touch nothing: no clock, no network, no files. That they know no runtime their package sees to.
const PURE: [&str; 8] = [
    "model", "plan", "observed", "judge", "shards", "compare", "search", "verify",
];

/// What a pure room must not name.
const IMPURE: [&str; 5] = [
    "std::net",
    "std::fs",
    "std::process",
    "std::thread",
    "SystemTime",
];

fn sources() -> Vec<(String, PathBuf, String)> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let roots = [package.join("src"), package.join("../loadgen-core/src")];
    roots.iter().flat_map(|root| sources_of(root)).collect()
}

/// The files of a package: each with its room, its place in the package, and its code.
fn sources_of(root: &Path) -> Vec<(String, PathBuf, String)> {
    let mut folders = vec![root.to_owned()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let place = path.strip_prefix(root).unwrap().to_owned();
                let room = place.components().next().unwrap();
                let room = room.as_os_str().to_str().unwrap().trim_end_matches(".rs");
                sources.push((room.to_owned(), place, code(&path)));
            }
        }
    }
    sources
}

/// A file without its comments and its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The rooms that a text names after `crate::` or `loadgen::`.
fn named(text: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for root in ["crate::", "loadgen::"] {
        for (at, _) in text.match_indices(root) {
            let rest = &text[at + root.len()..];
            match rest.strip_prefix('{') {
                Some(group) => rooms.extend(heads(group)),
                None => rooms.extend(word(rest)),
            }
        }
    }
    rooms
}

/// The first words of a group in braces: `a::{b, c}, d` has `a` and `d`.
fn heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut depth = 0;
    let mut begins = true;
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            letter if begins && !letter.is_whitespace() => {
                heads.extend(word(&group[at..]));
                begins = false;
            }
            _ => {}
        }
    }
    heads
}

fn word(text: &str) -> Option<String> {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_')?;
    (end > 0).then(|| text[..end].to_owned())
}

#[test]
fn a_room_imports_only_those_beneath_it() {
    let level = |room: &str| ROOMS.iter().position(|known| *known == room);
    let mut wrong = Vec::new();
    for (room, place, text) in sources() {
        if room == "lib" {
            continue;
        }
        let here = level(&room).unwrap_or_else(|| panic!("{room} is no room"));
        let tests = place.components().any(|part| part.as_os_str() == "tests")
            || place.ends_with("tests.rs");
        for other in named(&text).iter().filter(|other| **other != room) {
            let Some(there) = level(other) else { continue };
            let apart = APART.contains(&(&room, other)) || APART.contains(&(other, &room));
            if !tests && (there > here || apart) {
                wrong.push(format!("{} imports {other}", place.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_pure_rooms_touch_nothing() {
    let mut wrong = Vec::new();
    for (room, place, text) in sources() {
        if PURE.contains(&room.as_str()) {
            let named = IMPURE.iter().filter(|name| {
                text.contains(&format!("use {name}")) || text.contains(&format!("{name}::"))
            });
            wrong.extend(named.map(|name| format!("{} names {name}", place.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

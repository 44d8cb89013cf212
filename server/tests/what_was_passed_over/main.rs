//! The last test target of `cargo test --workspace`: says which tests were passed over, why, and what they need. Without libtest,
//! which would hide it.

#![allow(clippy::print_stdout, reason = "saying it is all that this does")]

#[path = "../support/passed_over.rs"]
mod passed_over;

use std::{collections::BTreeMap, env, fs};

fn main() {
    // Whoever asks for a list of tests asks in vain.
    if env::args().any(|argument| argument == "--list") {
        return;
    }
    let list = passed_over::list();
    let text = fs::read_to_string(&list).unwrap_or_default();
    print!("{}", summary(&text));
    // Said is said. Should it stay, it is said again.
    let _ = fs::remove_file(list);
}

/// What a list of `test: why` says, by reason.
fn summary(list: &str) -> String {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in list.lines() {
        if let Some((test, why)) = line.split_once(": ") {
            let tests = by_reason.entry(why).or_default();
            if !tests.contains(&test) {
                tests.push(test);
            }
        }
    }
    if by_reason.is_empty() {
        return "\nno test was passed over\n\n".to_owned();
    }
    let all: usize = by_reason.values().map(Vec::len).sum();
    let mut text = format!("\n{all} tests were PASSED OVER, and did not pass:\n");
    for (why, tests) in by_reason {
        text += &format!("  {} need it: {why}\n", tests.len());
        for test in tests {
            text += &format!("    {test}\n");
        }
    }
    text + "with REQUIRE_MONGO=1, as in CI, each of them is a failure\n\n"
}

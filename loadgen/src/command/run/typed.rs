//! The command line as it was typed, without secrets.

use std::ffi::OsString;

use crate::experiment::divided;

/// The command line as it was typed, for the report.
pub fn typed(arguments: impl Iterator<Item = OsString>) -> Vec<String> {
    arguments
        .map(|argument| argument.to_string_lossy().into_owned())
        .map(|argument| without_secrets(&argument))
        .collect()
}

/// Of several systems in one argument each may have its own.
fn without_secrets(argument: &str) -> String {
    let systems = divided(argument, |_| true);
    let systems: Vec<String> = systems.iter().map(|one| redacted(one)).collect();
    systems.join(",")
}

/// Without what may be a secret in a URL: who logs in, and what a server is told in its query.
fn redacted(argument: &str) -> String {
    let Some(scheme) = argument.find("://") else {
        return argument.to_owned();
    };
    let (before, mut rest) = argument.split_at(scheme + 3);
    let mut login = "";
    if let Some(at) = rest.rfind('@').filter(|&at| at > 0) {
        (login, rest) = ("…", &rest[at..]);
    }
    let database = before.contains("mongodb");
    match rest.split_once('?') {
        Some((place, _)) if !database => format!("{before}{login}{place}?…"),
        _ => format!("{before}{login}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_does_not_reach_the_report() {
        assert_eq!(
            without_secrets("--store=mongodb://me:secret@db:27017/chat"),
            "--store=mongodb://…@db:27017/chat"
        );
        let address = "http://127.0.0.1:3000";
        assert_eq!(without_secrets(address), address);
        for (typed, recorded) in [
            (
                "--target=https://u:p@ss@h/ns?token=t",
                "--target=https://…@h/ns?…",
            ),
            ("http://h:1/?token=t", "http://h:1/?…"),
            ("http://u:p?x@h", "http://…@h"),
            ("mongodb://h/chat?w=1", "mongodb://h/chat?w=1"),
            ("mongodb://u:p,w@a,b/", "mongodb://…@a,b/"),
            (
                "own@mongodb://u:p@h,own@memory,http://u:p@h,relay",
                "own@mongodb://…@h,own@memory,http://…@h,relay",
            ),
        ] {
            assert_eq!(without_secrets(typed), recorded);
        }
    }
}

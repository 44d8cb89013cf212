//! The recipes' scripts, run, and the pages that describe them, held against the code.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use clap::ValueEnum;
use loadgen::{command::exit_code::Exit, report::Format};

/// The repository's folder.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A file of the repository.
pub fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The gate with a program that ends with these codes, one after the other: its exit code, and how it was called.
fn calls(codes: &str, variables: &[(&str, &str)]) -> (i32, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("loadgen");
    // Its files come after the gate began, also for a clock of whole ticks.
    let script = format!(
        "#!/usr/bin/env bash\ncodes=({codes})\necho \"$@\" >>calls\nsleep 0.02\nmkdir -p reports/latest\n\
         case $1 in ab) touch reports/latest/x.ab.json ;; *) touch reports/latest/x.json reports/latest/x.benchmark.json ;; esac\n\
         exit \"${{codes[$(($(wc -l <calls) - 1))]}}\"\n"
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let status = Command::new(root().join("ci-recipes/gate").canonicalize().unwrap())
        .current_dir(folder.path())
        .env("LOADGEN", &program)
        .env_remove("BASE")
        .env_remove("GITHUB_OUTPUT")
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
fn with_a_base_the_gate_asks_whether_the_change_is_slower_unless_the_change_breaks_its_promises() {
    let node = "cmd:cd base && PORT={port} node server.js";
    let both = [("BASE", node), ("CHANGE", "own:a build")];
    let (code, made) = calls("0 1", &both);
    assert_eq!((code, made.len()), (1, 2));
    let expected = format!(
        "ab scenarios/ci-gate.toml --base {node} --change own:a build --out reports/latest --store memory"
    );
    assert_eq!(made[1], expected);
    // Two servers of somebody else's have no store to be told of.
    let (_, made) = calls("0 1", &[("BASE", node), ("CHANGE", node)]);
    assert!(made[1].ends_with("--out reports/latest"), "{}", made[1]);
    // Every system of `ab` is one: none is taken for a commit.
    for base in ["own", "own:a build", "peer:node", "relay", "http://h:1"] {
        let (code, made) = calls("0 0", &[("BASE", base), ("CHANGE", node)]);
        assert_eq!((code, made.len()), (0, 2), "{base}: {made:?}");
        assert!(made[1].contains(&format!("--base {base} ")), "{}", made[1]);
    }
    let (code, made) = calls("1 0", &both);
    assert_eq!((code, made.len()), (1, 1));
    // What the run could not tell is no reason not to ask of the change, and stays where that passes.
    for (codes, expected) in [
        ("3 0", 3),
        ("3 1", 1),
        ("4 4 0", 4),
        ("4 4 1", 1),
        ("4 4 3", 3),
    ] {
        let (code, made) = calls(codes, &both);
        assert_eq!(code, expected, "{codes}");
        assert!(made.last().unwrap().starts_with("ab "), "{made:?}");
    }
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

/// What the gate says to a job of GitHub's, with a program that leaves files as the real one does.
#[test]
fn the_gate_says_its_verdict_and_where_the_results_are() {
    let said = |codes: &str, variables: &[(&str, &str)]| {
        let outputs = tempfile::NamedTempFile::new().unwrap();
        let path = outputs.path().to_str().unwrap();
        calls(codes, &[variables, &[("GITHUB_OUTPUT", path)]].concat());
        fs::read_to_string(outputs.path()).unwrap()
    };
    let result = "result=reports/latest/x.json\n";
    let both = [("BASE", "own"), ("CHANGE", "own")];
    for (codes, variables, verdict, comparison) in [
        ("0", &[][..], "PASS", ""),
        ("1", &[], "FAIL", ""),
        ("3", &[], "INCONCLUSIVE", ""),
        ("3", &[("INCONCLUSIVE", "pass")], "INCONCLUSIVE", ""),
        ("4 4", &[], "INVALID", ""),
        ("4 0", &[], "PASS", ""),
        ("5", &[], "ERROR", ""),
        ("0 1", &both, "FAIL", "reports/latest/x.ab.json"),
        ("3 0", &both, "INCONCLUSIVE", "reports/latest/x.ab.json"),
    ] {
        let expected = format!("verdict={verdict}\n{result}comparison={comparison}\n");
        assert_eq!(said(codes, variables), expected, "{codes} {variables:?}");
    }
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    let identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
    git.current_dir(folder).args(identity).args(arguments);
    let output = git.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

/// A repository with one commit beside the remote that it came from.
struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "-q", "--bare", "remote"]);
        git(folder.path(), &["clone", "-q", "remote", "here"]);
        let repository = Self { folder };
        let here = repository.path("here");
        fs::write(here.join("README.json"), "{}").unwrap();
        git(&here, &["add", "."]);
        git(&here, &["commit", "-q", "-m", "all"]);
        git(&here, &["push", "-q", "origin", "HEAD"]);
        repository
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `ci-recipes/history` with these results.
    fn history(&self, program: &Path, results: &[PathBuf]) -> (bool, String) {
        let output = Command::new(root().join("ci-recipes/history").canonicalize().unwrap())
            .current_dir(self.path("here"))
            .args(results)
            .env("LOADGEN", program)
            .env_remove("HISTORY_BRANCH")
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        (output.status.success(), told)
    }

    /// The files of the branch, and how many commits it has.
    fn kept(&self) -> (Vec<String>, usize) {
        let remote = self.path("remote");
        let files = git(
            &remote,
            &["ls-tree", "-r", "--name-only", "latency-history"],
        );
        let commits = git(&remote, &["rev-list", "latency-history"]);
        (
            files.lines().map(str::to_owned).collect(),
            commits.lines().count(),
        )
    }
}

/// Published results of this repository, to be kept again.
fn published() -> Vec<PathBuf> {
    let folders =
        ["quickstart", "ci-gate", "hot-channel"].map(|name| root().join("reports").join(name));
    let mut files: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path().canonicalize().unwrap())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn the_history_begins_by_itself_and_has_json_alone() {
    let program = Path::new(env!("CARGO_BIN_EXE_loadgen"));
    let repository = Repository::new();
    let results = published();
    let (ended, told) = repository.history(program, &results[..1]);
    assert!(ended, "{told}");
    let (files, commits) = repository.kept();
    assert_eq!((files.len(), commits), (1, 1), "{files:?}");
    let (ended, told) = repository.history(program, &results[1..2]);
    assert!(ended, "{told}");
    let (files, commits) = repository.kept();
    assert_eq!((files.len(), commits), (2, 2), "{files:?}");
    assert!(
        files.iter().all(|file| file.ends_with(".json")),
        "{files:?}"
    );
    // What is kept already makes no commit, and the site is of all.
    let (ended, told) = repository.history(program, &results[..1]);
    assert!(ended && told.contains("nothing is new"), "{told}");
    assert_eq!(repository.kept(), (files.clone(), 2));
    for file in &files {
        let page = repository
            .path("here/site")
            .join(file)
            .with_extension("html");
        assert!(page.exists(), "{}", page.display());
    }
    assert!(repository.path("here/site/index.html").exists());
    // Beside the site nothing is left in the work tree, and no branch of it.
    assert_eq!(
        git(&repository.path("here"), &["status", "--short"]),
        "?? site/\n"
    );
    assert_eq!(
        git(&repository.path("here"), &["branch", "--list"])
            .lines()
            .count(),
        1
    );
}

#[test]
fn who_pushes_in_between_loses_nothing_and_a_refused_push_is_told() {
    let program = env!("CARGO_BIN_EXE_loadgen");
    let repository = Repository::new();
    let results = published();
    // The first time, somebody else's result comes to the branch while ours is being published.
    let script = format!(
        "#!/usr/bin/env bash\nif mkdir {0}/once 2>/dev/null; then (cd {0}/here && env -u GIT_INDEX_FILE LOADGEN={program} SITE={0}/their \
         {1} {2}) || exit; fi\nexec {program} \"$@\"\n",
        repository.path("").display(),
        root()
            .join("ci-recipes/history")
            .canonicalize()
            .unwrap()
            .display(),
        results[1].display(),
    );
    let between = repository.path("between");
    fs::write(&between, script).unwrap();
    fs::set_permissions(&between, fs::Permissions::from_mode(0o755)).unwrap();
    let (ended, told) = repository.history(&between, &results[..1]);
    assert!(ended && told.contains("attempt 1 to push"), "{told}");
    let (files, commits) = repository.kept();
    assert_eq!((files.len(), commits), (2, 2), "{files:?}");

    let hook = repository.path("remote/hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let (ended, told) = repository.history(Path::new(program), &results[2..3]);
    assert!(
        !ended && told.contains("takes no push to latency-history"),
        "{told}"
    );
    // What is no result is not tried again.
    let (ended, told) =
        repository.history(Path::new(program), &[repository.path("here/README.json")]);
    assert!(!ended && !told.contains("attempt"), "{told}");
    // Nor is a remote that nobody reaches taken for one without the branch.
    fs::remove_dir_all(repository.path("remote")).unwrap();
    let (ended, told) = repository.history(Path::new(program), &results[2..3]);
    assert!(!ended && !told.contains("attempt"), "{told}");
}

/// What the comment's recipe asks of GitHub's client, where these comments are there already.
fn comment(there: &str, files: &[(&str, &str)]) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("ids", there);
    // The last argument but one is body=@FILE.
    write(
        "gh",
        "#!/usr/bin/env bash\necho \"$@\" >>calls\ncase $* in\n*--paginate*) cat ids ;;\n\
         *) for word; do case $word in body=@*) cat \"${word#body=@}\" >body ;; esac; done ;;\nesac\n",
    );
    fs::set_permissions(folder.path().join("gh"), fs::Permissions::from_mode(0o755)).unwrap();
    for (name, text) in files {
        write(name, text);
    }
    let path = format!(
        "{}:{}",
        folder.path().display(),
        std::env::var("PATH").unwrap()
    );
    let status = Command::new(root().join("ci-recipes/comment").canonicalize().unwrap())
        .args(files.iter().map(|(name, _)| *name).chain(["missing.md"]))
        .current_dir(folder.path())
        .env("PATH", path)
        .env("GITHUB_REPOSITORY", "we/chat")
        .env("PULL_REQUEST", "12")
        .status()
        .unwrap();
    assert!(status.success());
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    (read("calls"), read("body"))
}

#[test]
fn a_pull_request_has_one_comment() {
    let said = [("a.md", "# FAIL\n"), ("b.md", "more\n")];
    let (calls, body) = comment("", &said);
    assert_eq!(
        body,
        "<!-- loadgen: delivery latency -->\n# FAIL\n\nmore\n\n"
    );
    let last = calls.lines().last().unwrap();
    assert!(
        last.starts_with("api --method POST repos/we/chat/issues/12/comments "),
        "{last}"
    );
    let (calls, _) = comment("77\n78\n", &said);
    let last = calls.lines().last().unwrap();
    assert!(
        last.starts_with("api --method PATCH repos/we/chat/issues/comments/77 "),
        "{last}"
    );
    assert!(
        calls.contains("startswith(\"<!-- loadgen: delivery latency -->\")"),
        "{calls}"
    );
    assert_eq!(comment("", &[]).0, "", "there is nothing to say");
    let long = "ä line of a table that is far too long\n".repeat(3_000);
    let (_, body) = comment("", &[("a.md", &long)]);
    assert!(
        body.len() < 65_536 && body.ends_with("summary.\n"),
        "{}",
        body.len()
    );
}

//! The program in a folder that has nothing of the repository: shipped scenarios by name, one that it writes, and one from
//! standard input.

use std::{fs, io::Write, process::Stdio};

use loadgen::scenario;

use crate::{Bench, Ended, SMALL, ended, finish, loadgen};

/// `loadgen <arguments>` in an empty folder.
fn run(bench: &Bench, arguments: &[&str]) -> Ended {
    let mut command = loadgen();
    command.args(arguments).current_dir(bench.path(""));
    finish(command)
}

/// The same with a text on standard input.
fn fed(bench: &Bench, arguments: &[&str], text: &str) -> Ended {
    let mut command = loadgen();
    command.args(arguments).current_dir(bench.path(""));
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    ended(child)
}

#[test]
fn shipped_scenarios_are_listed_where_no_folder_has_any() {
    let bench = Bench::new();
    let listed = run(&bench, &["list"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    // Below each stands its question, indented.
    let names = listed.stdout.lines().skip(1);
    let names = names.filter(|line| !line.starts_with(' '));
    let names = names.map(|line| line.split_whitespace().next());
    let names: Vec<&str> = names.map(Option::unwrap).collect();
    let shipped: Vec<String> = scenario::shipped().collect();
    assert_eq!(names, shipped);
    // Their own come first, and the others can be asked for.
    fs::create_dir(bench.path("scenarios")).unwrap();
    fs::write(bench.path("scenarios/own.toml"), SMALL).unwrap();
    let own = run(&bench, &["list"]);
    let rows = own.stdout.lines().filter(|line| !line.starts_with(' '));
    assert_eq!(rows.count(), 2, "{}", own.stdout);
    assert_eq!(run(&bench, &["list", "--shipped"]).stdout, listed.stdout);
}

#[test]
fn shipped_scenarios_are_checked_by_name_with_what_they_include() {
    let bench = Bench::new();
    let names: Vec<String> = scenario::shipped().collect();
    let arguments: Vec<&str> = names.iter().map(String::as_str).collect();
    let checked = run(&bench, &[&["check"], &arguments[..]].concat());
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    for name in &names {
        let head = format!("{name} (shipped): {name}\n");
        assert!(checked.stdout.contains(&head), "{head}");
    }
    let wrong = run(&bench, &["check", "capacity-5000", "--set", "rate=-1"]);
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong.stderr.starts_with("error: capacity-1000 (shipped):"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn a_shipped_scenario_is_run_by_name() {
    let bench = Bench::new();
    let flags = ["--store", "memory", "--no-floor", "--out", "out"];
    let ended = run(
        &bench,
        &[&["run", "soak", "--set", "length=2s"], &flags[..]].concat(),
    );
    assert!(
        matches!(ended.code, Some(0 | 1 | 3 | 4)),
        "{}",
        ended.stderr
    );
    let report = bench.report("soak");
    assert_eq!(report["scenario"]["file"], "soak (shipped)");
    assert_eq!(report["runs"][0]["complete"], true);
}

#[test]
fn a_file_of_a_shipped_name_is_asked_for_by_its_path() {
    let bench = Bench::new();
    for file in ["quickstart", "quickstart.toml"] {
        fs::write(bench.path(file), SMALL).unwrap();
    }
    let name = |asked: &str| {
        let checked = run(&bench, &["check", asked]);
        assert_eq!(checked.code, Some(0), "{}", checked.stderr);
        let head = checked.stdout.lines().next().unwrap().to_owned();
        head.rsplit(": ").next().unwrap().to_owned()
    };
    assert_eq!(name("quickstart"), "quickstart");
    assert_eq!(name("./quickstart"), "small");
    assert_eq!(name("quickstart.toml"), "small");
    // What is not shipped needs no path.
    fs::write(bench.path("chat"), SMALL).unwrap();
    assert_eq!(name("chat"), "small");
}

#[test]
fn a_name_that_is_nothing_is_told_once_with_all_that_there_are() {
    let bench = Bench::new();
    for command in [
        &["check", "quikstart"][..],
        &["run", "quikstart"],
        &["search", "quikstart"],
        &["ab", "quikstart", "--base", "own", "--change", "own"],
        &["probe", "http://127.0.0.1:1", "--scenario", "quikstart"],
    ] {
        let ended = run(&bench, command);
        assert_eq!(ended.code, Some(2), "{command:?}");
        assert_eq!(ended.stdout, "");
        let words = "error: quikstart: neither a file nor a shipped scenario; did you mean quickstart? Shipped are ";
        assert!(ended.stderr.starts_with(words), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        for name in scenario::shipped() {
            assert!(ended.stderr.contains(&name), "{name}: {}", ended.stderr);
        }
    }
}

#[test]
fn what_init_writes_is_checked_and_run_as_it_is() {
    let bench = Bench::new();
    let made = run(&bench, &["init", "chats/my chat.toml"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let text = fs::read_to_string(bench.path("chats/my chat.toml")).unwrap();
    assert!(
        text.starts_with("#:schema ./loadgen.schema.json\n"),
        "{text}"
    );
    let schema = fs::read_to_string(bench.path("chats/loadgen.schema.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert!(schema == scenario::schema());
    let checked = run(&bench, &["check", "chats/my chat.toml"]);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    let path = bench.path("chats/my chat.toml");
    let ended = bench.run(&path, &["--store", "memory", "--set", "length=2s"]);
    assert!(
        matches!(ended.code, Some(0 | 1 | 3 | 4)),
        "{}",
        ended.stderr
    );
    assert_eq!(bench.report("my-chat")["runs"][0]["complete"], true);
}

#[test]
fn init_writes_over_nothing_unless_it_is_told_to() {
    let bench = Bench::new();
    fs::write(bench.path("chat.toml"), "mine").unwrap();
    fs::write(bench.path("loadgen.schema.json"), "{}").unwrap();
    let refused = run(&bench, &["init", "chat.toml"]);
    assert_eq!(refused.code, Some(2));
    let words =
        "error: chat.toml is there already: name another file, or write over it with --force\n";
    assert_eq!(refused.stderr, words);
    let read = |file: &str| fs::read_to_string(bench.path(file)).unwrap();
    assert_eq!(read("chat.toml"), "mine");
    let made = run(&bench, &["init", "other.toml"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert_eq!(read("loadgen.schema.json"), "{}");
    assert!(
        made.stdout.contains("--force brings it up to date"),
        "{}",
        made.stdout
    );
    let forced = run(&bench, &["init", "chat.toml", "--force"]);
    assert_eq!(forced.code, Some(0), "{}", forced.stderr);
    assert!(read("chat.toml").contains("name = \"chat\""));
    assert!(read("loadgen.schema.json").len() > 1000);
    // What could be taken for a shipped one is shown as a path.
    let made = run(&bench, &["init", "quickstart"]);
    assert!(
        made.stdout.contains("loadgen check ./quickstart, "),
        "{}",
        made.stdout
    );
}

#[test]
fn a_scenario_comes_from_standard_input() {
    let bench = Bench::new();
    let checked = fed(&bench, &["check", "-"], SMALL);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    assert!(
        checked.stdout.starts_with("<stdin>: small\n"),
        "{}",
        checked.stdout
    );
    let flags = [
        "run",
        "-",
        "--store",
        "memory",
        "--no-floor",
        "--out",
        "out",
    ];
    let ended = fed(&bench, &flags, SMALL);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(bench.report("small")["scenario"]["file"], "<stdin>");

    let wrong = fed(&bench, &["check", "-"], "version = 2\n");
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong.stderr.starts_with("error: <stdin>:1:11: "),
        "{}",
        wrong.stderr
    );
    // What it includes lies in the working folder.
    fs::write(bench.path("base.toml"), SMALL).unwrap();
    let includes = "include = [\"base.toml\"]\nname = \"fed\"\n";
    let checked = fed(&bench, &["check", "-"], includes);
    assert!(
        checked.stdout.starts_with("<stdin>: fed\n"),
        "{}",
        checked.stderr
    );
    let twice = fed(&bench, &["run", "-", "-"], SMALL);
    assert_eq!(twice.code, Some(2));
    let words = "error: <stdin> and <stdin> are both called \"small\"";
    assert!(twice.stderr.starts_with(words), "{}", twice.stderr);
}

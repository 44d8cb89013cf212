//! The shipped scenarios, the schema that editors read, and the page about the format, each held against the code.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not the functions that they call"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use boon::{Compiler, SchemaIndex, Schemas};
use loadgen::{
    plan::Plan,
    scenario::{self, Scenario},
};
use serde_json::Value;

/// The repository's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All scenario files below `scenarios/`.
fn shipped() -> Vec<PathBuf> {
    let folder = root().join("scenarios");
    let mut files: Vec<PathBuf> = [folder.clone(), folder.join("capacity")]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
}

struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    fn new() -> Self {
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler
            .add_resource("schema.json", scenario::schema())
            .unwrap();
        let index = compiler.compile("schema.json", &mut schemas).unwrap();
        Self { schemas, index }
    }

    /// Holds a file as it is written against the schema.
    fn accepts(&self, text: &str) -> Result<(), String> {
        let file: Value = toml::from_str(text).map_err(|error| error.to_string())?;
        self.schemas
            .validate(&file, self.index)
            .map_err(|error| error.to_string())
    }
}

#[test]
fn the_kept_schema_is_the_codes() {
    let kept: Value = serde_json::from_str(&read(&root().join("scenarios/schema.json"))).unwrap();
    assert!(
        kept == scenario::schema(),
        "scenarios/schema.json is not what the code says: cargo run -- schema > scenarios/schema.json"
    );
}

#[test]
fn every_shipped_scenario_can_be_planned() {
    let files = shipped();
    assert!(files.len() >= 20, "{files:?}");
    for file in files {
        let scenario = Scenario::load(&file, &[]).unwrap_or_else(|error| panic!("{error}"));
        let plan =
            Plan::new(&scenario).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(plan.users.len(), scenario.population.users as usize);
        assert!(
            scenario.question.ends_with('?'),
            "{}: {}",
            file.display(),
            scenario.question
        );
        let stem = file.file_stem().unwrap().to_str().unwrap();
        assert!(
            scenario.name.ends_with(stem),
            "{}: {}",
            file.display(),
            scenario.name
        );
    }
}

#[test]
fn every_shipped_scenario_names_the_schema_and_fits_it() {
    let schema = Schema::new();
    for file in shipped() {
        let text = read(&file);
        let path = match file.parent().unwrap().ends_with("scenarios") {
            true => "#:schema ./schema.json\n",
            false => "#:schema ../schema.json\n",
        };
        assert!(text.starts_with(path), "{}", file.display());
        schema
            .accepts(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

#[test]
fn the_readme_of_the_scenarios_names_each_of_them() {
    let page = read(&root().join("scenarios/README.md"));
    for file in shipped() {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let named = page.contains(&format!("[{stem}]({stem}.toml)"));
        let in_folder =
            file.parent().unwrap().ends_with("capacity") && page.contains("(capacity/)");
        assert!(named || in_folder, "{stem}");
    }
}

#[test]
fn the_schema_refuses_what_the_program_refuses() {
    let schema = Schema::new();
    let whole = "version = 1\nname = \"t\"\nquestion = \"?\"\n[population]\nusers = 10\nrooms = 5\n\
                 [[phases]]\nname = \"p\"\nduration = \"1s\"\nrate = \"10/s\"\n";
    schema.accepts(whole).unwrap();
    for (right, wrong) in [
        ("version = 1", "version = 2"),
        ("version = 1\n", ""),
        ("name = \"t\"", "name = \"a b\""),
        ("users = 10", "users = 1"),
        ("users = 10", "users = \"many\""),
        ("users = 10\n", ""),
        ("rooms = 5", "rooom = 5"),
        ("rooms = 5", "rooms = 5\nsilent = 0.9"),
        ("rooms = 5", "channels = [{ count = 1 }]"),
        (
            "rooms = 5",
            "channels = [{ count = 1, members = { least = 5 } }]",
        ),
        ("\"1s\"", "\"1 parsec\""),
        ("\"1s\"", "1"),
        ("\"10/s\"", "\"10\""),
        ("\"10/s\"", "\"10/s\"\narrivals = \"never\""),
        ("\"10/s\"", "\"10/s\"\nspike = { rate = \"1/s\" }"),
        ("[[phases]]", "[thresholds]\nlate = \"== 0\"\n[[phases]]"),
        ("[[phases]]", "[thresholds]\nlost = \"0\"\n[[phases]]"),
        (
            "[[phases]]",
            "[connections]\ntoken = { secret = \"s\", template = \"{id}\" }\n[[phases]]",
        ),
        (
            "[[phases]]",
            "[server.events.room]\njoin = \"j\"\n[[phases]]",
        ),
    ] {
        let text = whole.replacen(right, wrong, 1);
        assert_ne!(text, whole);
        assert!(schema.accepts(&text).is_err(), "the schema accepts\n{text}");
        assert!(
            Scenario::parse(Path::new("t.toml"), &text).is_err(),
            "the program accepts\n{text}"
        );
    }
    // A variable stands for any number, name or switch, and a part of any text.
    for (number, variable) in [
        ("users = 10", "users = \"${users}\""),
        ("\"1s\"", "\"${length}\""),
        (
            "\"10/s\"",
            "\"${rate}/s\"\nmeasured = \"${m}\"\narrivals = \"${a}\"\nskew = \"${s}\"",
        ),
    ] {
        schema
            .accepts(&whole.replacen(number, variable, 1))
            .unwrap();
    }
    // What an included file can give need not be here.
    schema
        .accepts("include = [\"base.toml\"]\n[population]\nrooms = 3\n")
        .unwrap();
    // Nor how many users there are where a file says who.
    let unsaid = whole.replacen("users = 10\n", "", 1);
    for file in [
        unsaid.replacen("rooms = 5", "rooms = { file = \"r.csv\" }", 1),
        unsaid.replacen("rooms = 5", "channels = { file = \"c.csv\" }", 1),
        format!("{unsaid}[connections]\ntoken = {{ file = \"u.csv\", secret = \"s\" }}\n"),
    ] {
        schema.accepts(&file).unwrap();
    }
}

/// The TOML examples of docs/SCENARIOS.md.
fn examples() -> Vec<String> {
    let page = read(&root().join("docs/SCENARIOS.md"));
    let mut examples = Vec::new();
    let mut rest = page.as_str();
    while let Some((_, after)) = rest.split_once("```toml\n") {
        let (example, after) = after.split_once("```").unwrap();
        examples.push(example.to_owned());
        rest = after;
    }
    examples
}

#[test]
fn every_example_of_the_page_can_be_run() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let whole = "version = 1\nname = \"t\"\nquestion = \"?\"\n[population]\nusers = 1000\nrooms = 5\n\
                 channels = [{ count = 1, members = 5 }]\n\
                 [[phases]]\nname = \"p\"\nduration = \"1s\"\nrate = \"10/s\"\n";
    write("base.toml", whole);
    let users: Vec<String> = (0..1000)
        .map(|user| format!("user-{user},token-{user}\n"))
        .collect();
    write("users.csv", &users.concat());
    let people = (0..1000).map(|user| format!("user-{user},{user}\n"));
    write(
        "people.csv",
        &format!("id,pin\n{}", people.collect::<String>()),
    );
    write("rooms.csv", "room,user_a,user_b\nr1,user-0,user-1\n");
    write("channels.csv", "channel,user\nc1,user-0\nc1,user-2\n");
    write("lines.txt", "Hello!\nHow are you?\n");
    let schema = Schema::new();
    let examples = examples();
    assert!(examples.len() >= 18, "{}", examples.len());
    for example in examples {
        // A part stands on what the other tables need.
        let part = match example.contains("question = ") && example.contains("[[phases]]") {
            true => example.clone(),
            false if example.contains("include = ") => example.clone(),
            false => format!("include = [\"base.toml\"]\n{example}"),
        };
        schema
            .accepts(&part)
            .unwrap_or_else(|error| panic!("{error}\n{part}"));
        let path = write("example.toml", &part);
        let scenario = Scenario::load(&path, &[]).unwrap_or_else(|error| panic!("{error}\n{part}"));
        Plan::new(&scenario).unwrap_or_else(|error| panic!("{error}\n{part}"));
    }
}

#[test]
fn the_page_names_every_key_and_has_it_in_an_example() {
    fn keys(schema: &Value, known: &mut BTreeSet<String>) {
        match schema {
            Value::Object(object) => {
                for (key, value) in object {
                    if let ("properties", Value::Object(properties)) = (key.as_str(), value) {
                        known.extend(properties.keys().cloned());
                    }
                    keys(value, known);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| keys(value, known)),
            _ => {}
        }
    }
    let mut known = BTreeSet::new();
    keys(&scenario::schema(), &mut known);
    let examples = examples().concat();
    let words: BTreeSet<&str> = examples
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .collect();
    let missing: Vec<&String> = known
        .iter()
        .filter(|key| !words.contains(key.as_str()))
        .collect();
    assert_eq!(missing, Vec::<&String>::new());
}

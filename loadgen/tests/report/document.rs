//! The JSON itself: its schema, its versions, and that reading and writing change nothing.

use std::{fs, path::Path};

use loadgen::{
    report::Format,
    result::{self, Document, ParseError},
};
use serde_json::Value;

use crate::fixtures;

fn published() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/result.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, result::schema()).unwrap();
    }
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_published_schema_is_the_codes() {
    assert!(
        published() == result::schema(),
        "docs/result.schema.json is not the code's: `loadgen report --schema` prints it, UPDATE_SCHEMA=1 writes it"
    );
}

#[test]
fn every_result_follows_the_published_schema() {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    let schema = serde_json::from_str(&published()).unwrap();
    compiler.add_resource("result.json", schema).unwrap();
    let schema = compiler.compile("result.json", &mut schemas).unwrap();
    for (name, document) in fixtures::all() {
        let mut value: Value = serde_json::from_str(document.text()).unwrap();
        if let Err(error) = schemas.validate(&value, schema) {
            panic!("{name}: {error}");
        }
        value["runs"][0]["totals"]["lost"] = "none".into();
        assert!(schemas.validate(&value, schema).is_err(), "{name}");
    }
}

#[test]
fn what_is_read_is_written_byte_for_byte() {
    for (name, document) in fixtures::all() {
        let again = Document::parse(document.text().to_owned()).unwrap();
        assert_eq!(again.text(), document.text(), "{name}");
        let json = Format::Json.render(&again, Default::default()).unwrap();
        assert_eq!(json, document.text(), "{name}");
    }
}

#[test]
fn version_1_is_read() {
    let old = Document::parse(include_str!("version-1.json").to_owned()).unwrap();
    let report = old.report();
    assert_eq!(report.version, result::VERSION);
    assert_eq!(report.scenario.name, "small");
    assert_eq!(report.runs[0].generator.client, "native");
    assert_eq!(report.runs[0].metrics[0].n, 816);
    assert!(report.runs[0].windows[0].histogram.is_empty());
    // Brought up to date once, it stays as it is.
    let again = Document::parse(old.text().to_owned()).unwrap();
    assert_eq!(again.text(), old.text());
}

#[test]
fn version_2_is_read() {
    for (name, document) in fixtures::all() {
        let mut old: Value = serde_json::from_str(document.text()).unwrap();
        old["version"] = 2.into();
        old.as_object_mut().unwrap().remove("labels");
        for run in old["runs"].as_array_mut().unwrap() {
            let run = run.as_object_mut().unwrap();
            run.remove("own");
            run.remove("target_version");
        }
        let old = Document::parse(old.to_string()).unwrap();
        let (old, new) = (old.report(), document.report());
        assert_eq!(old.version, result::VERSION, "{name}");
        assert_eq!(old.runs[0].own, new.runs[0].own, "{name}");
        assert_eq!(old.runs[0].target_version, None);
        assert_eq!(old.runs[0].metrics, new.runs[0].metrics);
    }
}

/// Each would be drawn second by second, or on an axis without an end.
#[test]
fn what_was_never_measured_is_refused_at_its_place() {
    let whole: Value = serde_json::from_str(fixtures::named("pass").text()).unwrap();
    let last = whole["runs"][1]["windows"].as_array().unwrap().len() - 1;
    let planted: [(String, Value); 8] = [
        (
            format!("windows/{last}/second"),
            4_000_000_000_000_u64.into(),
        ),
        (format!("windows/{last}/second"), 0.into()),
        ("windows/1/machine/busy".to_owned(), 1e307.into()),
        ("windows/1/machine/stolen".to_owned(), (-1e307).into()),
        ("generator/worker_cpu/0/1".to_owned(), 1e300.into()),
        ("generator/usage/1/cpu_seconds".to_owned(), 1e300.into()),
        ("server/usage/1/at".to_owned(), 1e300.into()),
        (
            "floor/windows/0/second".to_owned(),
            4_000_000_000_000_u64.into(),
        ),
    ];
    for (pointer, planted) in planted {
        let mut changed = whole.clone();
        *changed.pointer_mut(&format!("/runs/1/{pointer}")).unwrap() = planted;
        let told = Document::parse(changed.to_string())
            .unwrap_err()
            .to_string();
        let parts = pointer.split('/').map(|part| match part.parse::<usize>() {
            Ok(index) => format!("[{index}]"),
            Err(_) => format!(".{part}"),
        });
        let place = format!("runs[1]{} is ", parts.collect::<String>());
        assert!(told.contains(&place), "{place:?} is not in {told:?}");
    }
}

#[test]
fn other_versions_and_other_files_are_refused_in_clear_words() {
    let text = fixtures::all()[0].1.text().to_owned();
    let with = |version: &str| text.replacen("\"version\": 4", version, 1);
    let error = |text: String| Document::parse(text).unwrap_err();
    assert!(matches!(
        error(with("\"version\": 5")),
        ParseError::Newer { found: 5 }
    ));
    assert!(
        error(with("\"version\": 5"))
            .to_string()
            .contains("reads up to 4")
    );
    assert!(matches!(
        error(with("\"version\": 0")),
        ParseError::Unknown { found: 0 }
    ));
    assert!(matches!(error("{}".to_owned()), ParseError::NotAResult(_)));
    assert!(matches!(
        error("version = 1".to_owned()),
        ParseError::NotAResult(_)
    ));
    let malformed = error("{ \"version\": 4 }".to_owned()).to_string();
    assert!(malformed.contains("missing field"), "{malformed}");
}

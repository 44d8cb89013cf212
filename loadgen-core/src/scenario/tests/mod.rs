//! Tests of the format; what all of them use is here.

mod bounds;
mod events;
mod existing;
mod faults;
mod files;
mod keys;
mod mistakes;
mod several;

use std::{fs, path::Path, time::Duration};

use tempfile::TempDir;

use super::*;
use crate::model::{Answers, Blank, Form};

const HEAD: &str = "version = 1\nname = \"t\"\nquestion = \"?\"\n";
const PEOPLE: &str =
    "[population]\nusers = 10\nrooms = 5\nchannels = [{ count = 1, members = 5 }]\n";
const STEADY: &str = "[[phases]]\nname = \"steady\"\nduration = \"10s\"\nrate = \"10/s\"\n";

fn parse(text: &str) -> Scenario {
    Scenario::parse(Path::new("t.toml"), text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn error(text: &str) -> Located {
    match Scenario::parse(Path::new("t.toml"), text) {
        Err(ScenarioError::Wrong(mut mistakes)) => mistakes.0.remove(0),
        other => panic!("{other:?}\n{text}"),
    }
}

/// A folder of files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn load(folder: &TempDir, settings: &[(&str, &str)]) -> Result<Scenario, String> {
    let settings: Vec<Setting> = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let root = folder.path().display().to_string() + "/";
    Scenario::load(&folder.path().join("main.toml"), &settings)
        .map_err(|error| error.to_string().replace(&root, ""))
}

fn seconds(low: u64, high: u64) -> Range<Span> {
    Range {
        low: Span(Duration::from_secs(low)),
        high: Span(Duration::from_secs(high)),
    }
}

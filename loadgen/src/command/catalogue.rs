//! The shipped scenarios or those below a folder, a line each.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    model::numbers::count,
    report::table::{align_right, plain_table},
    scenario::{self, PART, Scenario, ScenarioError, Span},
};

/// What there is.
#[derive(Debug)]
pub struct Catalogue {
    /// A line for each scenario.
    pub text: String,
    /// Why some of them can't be run.
    pub errors: Vec<String>,
}

/// Reads all scenario files (`*.toml`) below a folder, in the order of their names.
///
/// # Errors
/// When a folder can't be read.
pub fn read(folder: &Path) -> Result<Catalogue, io::Error> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    let read = |file: &PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let path = file.display().to_string();
        (name.into_owned(), path, Scenario::load(file, &[]))
    };
    Ok(listed(files.iter().map(read)))
}

/// All shipped scenarios.
pub fn shipped() -> Catalogue {
    listed(scenario::shipped().map(|name| {
        let read = Scenario::named(Path::new(&name), &[]);
        (name, "(shipped)".to_owned(), read)
    }))
}

/// Scenarios with their names and their files.
fn listed(
    scenarios: impl Iterator<Item = (String, String, Result<Scenario, ScenarioError>)>,
) -> Catalogue {
    let mut table = plain_table();
    table.set_header(["scenario", "users", "duration", "file", "question"]);
    align_right(&mut table, [1, 2]);
    let mut errors = Vec::new();
    for (name, file, scenario) in scenarios {
        match scenario {
            Ok(scenario) => {
                let runs = scenario.delivery.len() as u32;
                table.add_row([
                    scenario.name.clone(),
                    count(u64::from(scenario.population.users)),
                    Span(scenario.duration() * runs).to_string(),
                    file,
                    scenario.question,
                ]);
            }
            Err(error) => {
                table.add_row([&*name, "-", "-", &file, "BROKEN, see below"]);
                errors.push(error.to_string());
            }
        }
    }
    Catalogue {
        text: table
            .lines()
            .map(|line| line.trim().to_owned() + "\n")
            .collect(),
        errors,
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), io::Error> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy());
        if name.is_none_or(|name| name.starts_with('.') || name.starts_with(PART)) {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    Ok(())
}

//! The shipped scenarios or those below a folder, a line each.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    model::numbers::count,
    report::table::{Width, align_right, paragraph, plain_table},
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
pub fn read(folder: &Path, width: Width) -> Result<Catalogue, io::Error> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    let read = |file: &PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let path = file.display().to_string();
        (name.into_owned(), path, Scenario::load(file, &[]))
    };
    Ok(listed(files.iter().map(read), width))
}

/// All shipped scenarios.
pub fn shipped(width: Width) -> Catalogue {
    listed(
        scenario::shipped().map(|name| {
            let read = Scenario::named(Path::new(&name), &[]);
            (name, "(shipped)".to_owned(), read)
        }),
        width,
    )
}

/// A scenario in short: its name, users, duration and file, and what it asks.
struct Entry {
    cells: [String; 4],
    question: String,
}

/// Scenarios with their names and their files.
fn listed(
    scenarios: impl Iterator<Item = (String, String, Result<Scenario, ScenarioError>)>,
    width: Width,
) -> Catalogue {
    let mut entries = Vec::new();
    let mut errors = Vec::new();
    for (name, file, scenario) in scenarios {
        match scenario {
            Ok(scenario) => {
                let runs = scenario.delivery.len() as u32;
                entries.push(Entry {
                    cells: [
                        scenario.name.clone(),
                        count(u64::from(scenario.population.users)),
                        Span(scenario.duration() * runs).to_string(),
                        file,
                    ],
                    question: scenario.question,
                });
            }
            Err(error) => {
                entries.push(Entry {
                    cells: [name, "-".into(), "-".into(), file],
                    question: "BROKEN, see below".to_owned(),
                });
                errors.push(error.to_string());
            }
        }
    }
    Catalogue {
        text: told(&entries, width),
        errors,
    }
}

/// A line for each, or more where its question has no room beside the rest.
fn told(entries: &[Entry], width: Width) -> String {
    let heads = ["scenario", "users", "duration", "file"];
    let lines = |with_questions: bool| -> Vec<String> {
        let mut table = plain_table();
        let question = with_questions.then_some("question");
        table.set_header(heads.into_iter().chain(question));
        align_right(&mut table, [1, 2]);
        for entry in entries {
            let question = with_questions.then_some(&entry.question);
            table.add_row(entry.cells.iter().chain(question));
        }
        let lines = table.lines();
        lines.map(|line| line.trim().to_owned()).collect()
    };
    let fits = |line: &String| width.is_none_or(|width| line.chars().count() <= width);
    let questions = entries.iter().map(|entry| {
        let question = paragraph(&entry.question, true, width);
        format!("\n{question}")
    });
    let head = std::iter::once(String::new());
    let apart = lines(false).into_iter().zip(head.chain(questions));
    let both = lines(true).into_iter().zip(apart);
    both.map(|(whole, (line, question))| match fits(&whole) {
        true => whole + "\n",
        false => line + &question + "\n",
    })
    .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_question_that_has_no_room_stands_beneath() {
        let entry = |name: &str, question: &str| Entry {
            cells: [name, "10", "2s", "(shipped)"].map(str::to_owned),
            question: question.to_owned(),
        };
        let entries = [
            entry("short", "Does it work?"),
            entry(
                "long",
                "Does it work where the question is much longer than the rest of the line?",
            ),
        ];
        let text = told(&entries, Some(60));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("question"), "{text}");
        assert!(
            lines[1].starts_with("short") && lines[1].ends_with("Does it work?"),
            "{text}"
        );
        assert!(
            lines[2].starts_with("long") && lines[2].ends_with("(shipped)"),
            "{text}"
        );
        assert!(
            lines[3].trim_start().starts_with("Does it work where"),
            "{text}"
        );
        assert!(
            lines.iter().all(|line| line.chars().count() <= 60),
            "{text}"
        );
        assert!(
            !told(&entries, None).contains("\n "),
            "without a width all have room"
        );
    }
}

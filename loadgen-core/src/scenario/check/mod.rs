//! The checks that turn what a file says into a [`Scenario`] that can be run, each mistake shown in place.

mod connections;
mod events;
mod messages;
mod phases;
mod population;
mod thresholds;

use std::{fs, ops::Range as ByteRange, path::Path, time::Duration};

use sha2::{Digest, Sha256};

use super::{
    Behaviour, Located, Range, Scenario, Span,
    file::{File, FileBehaviour, FileServer},
    sources::Sources,
    variables::Variables,
    written::Placed,
};
use crate::model::{Delivery, Dialect, Vocabulary};

/// Checks a file.
pub(super) fn check(
    file: File,
    path: &Path,
    sources: &Sources,
    variables: &Variables<'_>,
) -> Result<Scenario, Located> {
    let mut checker = Checker {
        sources,
        data: Vec::new(),
    };
    let name = checker.name(file.name)?;
    let population = checker.population(file.population)?;
    let server = checker.server(file.server, &population)?;
    let vocabulary = server
        .events
        .clone()
        .unwrap_or_else(|| Vocabulary::of(server.dialect));
    let connections =
        checker.connections(file.connections, population.users, server.events.is_some())?;
    let messages = checker.messages(file.messages)?;
    let phases = checker.phases(file.phases, &population, &vocabulary)?;
    let thresholds = checker.thresholds(file.thresholds, &vocabulary)?;
    let variables = variables.values();
    let hash = hash(sources, &checker.data, variables.iter());
    Ok(Scenario {
        path: path.to_owned(),
        hash,
        name,
        question: file.question,
        seed: file.seed,
        dialect: server.dialect,
        events: server.events,
        variables,
        delivery: server.delivery,
        save_time: server.save_time,
        read_time: server.read_time,
        population,
        connections,
        messages,
        behaviour: behaviour(&file.behaviour),
        phases,
        drain: file.drain.0,
        thresholds,
    })
}

/// Knows where a value stands, so that every mistake can be shown in place.
struct Checker<'a> {
    sources: &'a Sources,
    /// What was read from files of users and of messages.
    data: Vec<String>,
}

struct Server {
    dialect: Dialect,
    events: Option<Vocabulary>,
    delivery: Vec<Delivery>,
    save_time: Range<Span>,
    read_time: Range<Span>,
}

/// A file that a scenario names, read.
struct DataFile {
    name: String,
    text: String,
}

impl DataFile {
    /// Its lines without their ends, each with its place; blank ones are left out.
    fn lines(&self) -> impl Iterator<Item = (ByteRange<usize>, &str)> {
        let mut start = 0;
        self.text.split_inclusive('\n').filter_map(move |whole| {
            let line = whole.trim_end_matches(['\n', '\r']);
            let span = start..start + line.len();
            start += whole.len();
            (!line.trim().is_empty()).then_some((span, line))
        })
    }

    fn wrong(&self, span: ByteRange<usize>, message: impl Into<String>) -> Located {
        Located::at(&self.name, &self.text, span, message)
    }
}

impl Checker<'_> {
    fn wrong(&self, span: &ByteRange<usize>, message: impl Into<String>) -> Located {
        self.sources.wrong(span.clone(), message)
    }

    fn name(&self, name: Placed<String>) -> Result<String, Located> {
        let valid = !name.value.is_empty()
            && name
                .value
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if valid {
            Ok(name.value)
        } else {
            Err(self.wrong(
                &name.span,
                "a name has letters, digits, - and _ only: result files are named after it",
            ))
        }
    }

    fn server(&self, file: FileServer, population: &super::Population) -> Result<Server, Located> {
        if let (Some(dialect), Some(_)) = (&file.dialect, &file.events) {
            return Err(self.wrong(
                &dialect.span,
                "`events` are instead of a dialect: leave one of the two out",
            ));
        }
        let events = file
            .events
            .map(|events| self.events(events, population))
            .transpose()?;
        let delivery = match file.delivery {
            None => vec![Delivery::Optimistic],
            Some(modes) if modes.value.is_empty() => {
                return Err(self.wrong(
                    &modes.span,
                    "name at least one delivery: \"optimistic\" or \"persist-first\"",
                ));
            }
            Some(modes) => {
                if let Some(twice) = Delivery::repeated(&modes.value) {
                    let what = format!(
                        "\"{}\" is named twice: name each delivery once",
                        twice.name()
                    );
                    return Err(self.wrong(&modes.span, what));
                }
                modes.value
            }
        };
        Ok(Server {
            dialect: file
                .dialect
                .map_or_else(Default::default, |dialect| dialect.value),
            events,
            delivery,
            save_time: file.save_time.unwrap_or(milliseconds(50, 200)),
            read_time: file.read_time.unwrap_or(milliseconds(20, 50)),
        })
    }

    /// Reads a file that is named in the scenario, relative to the file that names it.
    fn data_file(&mut self, name: &Placed<String>) -> Result<DataFile, Located> {
        let path = self.sources.beside(&name.span, &name.value);
        let text = fs::read_to_string(&path)
            .map_err(|error| self.wrong(&name.span, format!("{}: {error}", path.display())))?;
        self.data.push(text.clone());
        Ok(DataFile {
            name: path.display().to_string(),
            text,
        })
    }
}

fn behaviour(file: &FileBehaviour) -> Behaviour {
    Behaviour {
        away: file.away.unwrap_or(milliseconds(1_000, 3_000)),
        stall: file.stall.unwrap_or(milliseconds(5_000, 10_000)),
    }
}

fn milliseconds(low: u64, high: u64) -> Range<Span> {
    Range {
        low: Span(Duration::from_millis(low)),
        high: Span(Duration::from_millis(high)),
    }
}

/// SHA-256 of the file alone where it stands alone, so that anybody can compute it; else of all that belongs to it too.
fn hash<'a>(
    sources: &Sources,
    data: &[String],
    variables: impl Iterator<Item = (&'a String, &'a String)>,
) -> String {
    let mut hash = Sha256::new();
    let mut part = |label: &str, text: &str| {
        // TOML has no zero bytes, so that no text can look like two.
        hash.update([0]);
        hash.update(label);
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    let mut texts = sources.texts();
    let first = texts.next().unwrap_or_default();
    let mut whole = Sha256::new();
    whole.update(first);
    let mut belongs = false;
    for text in texts {
        belongs = true;
        part("include", text);
    }
    for text in data {
        belongs = true;
        part("data", text);
    }
    for (name, value) in variables {
        belongs = true;
        part(name, value);
    }
    if belongs {
        whole.update(hash.finalize());
    }
    whole
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

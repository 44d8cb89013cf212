//! The checks that turn what a file says into a [`Scenario`] that can be run, each mistake shown in place.

pub(super) mod connections;
mod conversations;
mod events;
mod faults;
mod messages;
mod phases;
mod population;
mod rows;
mod shapes;
mod store;
mod thresholds;
mod users;

use std::{cell::RefCell, ops::Range as ByteRange, path::Path};

use sha2::{Digest, Sha256};

pub(super) use self::{
    connections::{OWN_HEADERS, OWN_PARAMETERS},
    population::{MOST_ROOMS, MOST_USERS},
    thresholds::{AT_THE_END, WHOLE_RUN},
};
use super::{
    Documents, LONGEST_NAME, Located, Mistakes, Range, Scenario, SourceFile, Span,
    file::{File, FileServer},
    is_name,
    sources::Sources,
    variables::Variables,
    written::Placed,
};
use crate::model::{BusMode, Delivery, Dialect, Vocabulary};

/// Servers of one chat at most: they are all on this machine.
pub const MOST_NODES: u16 = 16;

/// Checks a file. Every mistake is found that does not follow from another: what depends on something that is wrong is not
/// looked at.
///
/// # Errors
/// All mistakes.
pub(super) fn check(
    file: File,
    path: &Path,
    sources: &Sources,
    variables: &Variables<'_>,
) -> Result<Scenario, Mistakes> {
    let mut checker = Checker {
        sources,
        data: Vec::new(),
        has_faults: !file.faults.is_empty(),
        mistakes: RefCell::default(),
    };
    let checked = checker.scenario(file, path, variables);
    let mistakes = checker.mistakes.into_inner();
    match checked {
        Some(scenario) if mistakes.is_empty() => Ok(scenario),
        _ => Err(Mistakes(mistakes)),
    }
}

impl Checker<'_> {
    /// `None`: something was noted that all rests on.
    fn scenario(&mut self, file: File, path: &Path, variables: &Variables<'_>) -> Option<Scenario> {
        let name = self.name(file.name);
        let name = self.note(name);
        let joined = file.population.value.joined.as_ref();
        let joined = joined.map(|joined| joined.span.clone());
        let mut connections = file.connections;
        let own_events = file.server.events.is_some();
        let identity = self.identity(connections.token.take(), own_events);
        let identity = self.note(identity)?;
        let secret = identity.secret;
        let population = self.population(file.population, identity.known);
        let (population, known) = self.note(population)?;
        let server = self.server(file.server, &population);
        let server = self.note(server)?;
        let vocabulary = server
            .events
            .clone()
            .unwrap_or_else(|| Vocabulary::of(server.dialect));
        let can_join = self.can_join_later(joined.as_ref(), &population, &vocabulary);
        self.note(can_join);
        let connections = self.connections(connections, identity.token, known);
        let connections = self.note(connections);
        let messages = self.messages(file.messages);
        let messages = self.note(messages);
        let phases = self.phases(file.phases, &population, &vocabulary);
        let phases = self.note(phases);
        let run = phases.iter().flatten().map(|phase| phase.duration).sum();
        // Without phases nobody knows when a run ends.
        let written = file.faults.len();
        let faults = phases
            .as_ref()
            .map(|_| self.faults(file.faults, run, server.nodes));
        // A threshold may name one that is wrong.
        let named = faults.as_deref().filter(|right| right.len() == written);
        let thresholds = self.thresholds(file.thresholds, &vocabulary, named);
        // What asks may be one that is wrong.
        let asks = match (&file.asks, &phases, self.mistakes.borrow().is_empty()) {
            (Some(asks), Some(phases), true) => Some(self.asks(asks, &thresholds, phases)),
            _ => None,
        };
        let asks = asks.map(|asks| self.note(asks));
        let variables = variables.values();
        let hash = hash(self.sources, &self.data, variables.iter());
        let mut files = self.sources.kept(secret.as_ref());
        files.append(&mut self.data);
        Some(Scenario {
            path: path.to_owned(),
            files: files.into(),
            hash,
            texts: self.sources.to_record(),
            name: name?,
            question: file.question,
            asks: asks.flatten(),
            seed: file.seed,
            dialect: server.dialect,
            events: server.events,
            one_order: server.one_order,
            nodes: server.nodes,
            bus_mode: server.bus_mode,
            documents: server.documents,
            variables,
            delivery: server.delivery,
            save_time: server.save_time,
            read_time: server.read_time,
            population,
            connections: connections?,
            messages: messages?,
            behaviour: file.behaviour,
            phases: phases?,
            faults: faults?,
            drain: file.drain.0,
            thresholds,
        })
    }
}

/// Knows where a value stands, so that every mistake can be shown in place.
struct Checker<'a> {
    sources: &'a Sources,
    /// What was read from files of users and of messages.
    data: Vec<SourceFile>,
    /// Whether something breaks in mid-run.
    has_faults: bool,
    mistakes: RefCell<Vec<Located>>,
}

struct Server {
    dialect: Dialect,
    events: Option<Vocabulary>,
    one_order: bool,
    nodes: u16,
    bus_mode: BusMode,
    documents: Documents,
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
    /// Remembers a mistake, and goes on without what it spoils.
    fn note<T>(&self, checked: Result<T, Located>) -> Option<T> {
        checked
            .map_err(|mistake| self.mistakes.borrow_mut().push(mistake))
            .ok()
    }

    fn wrong(&self, span: &ByteRange<usize>, message: impl Into<String>) -> Located {
        self.sources.wrong(span.clone(), message)
    }

    /// Refuses what does not hold.
    fn demand(
        &self,
        holds: bool,
        span: &ByteRange<usize>,
        message: impl Into<String>,
    ) -> Result<(), Located> {
        match holds {
            true => Ok(()),
            false => Err(self.wrong(span, message)),
        }
    }

    fn name(&self, name: Placed<String>) -> Result<String, Located> {
        let other = "a name has letters, digits, - and _ only: result files are named after it";
        self.demand(is_name(&name.value), &name.span, other)?;
        let letters = name.value.len();
        let long = format!(
            "{letters} characters: a name has at most {LONGEST_NAME}, since result files are named after it"
        );
        self.demand(letters <= LONGEST_NAME, &name.span, long)?;
        Ok(name.value)
    }

    fn server(&self, file: FileServer, population: &super::Population) -> Result<Server, Located> {
        if let (Some(dialect), Some(_)) = (&file.dialect, &file.events) {
            let both = "`events` are instead of a dialect: leave one of the two out";
            return Err(self.wrong(&dialect.span, both));
        }
        let events = file
            .events
            .map(|events| self.events(events, population))
            .transpose()?;
        let delivery = match file.delivery {
            None => vec![Delivery::Optimistic],
            Some(modes) => {
                let none = "name at least one delivery: \"optimistic\" or \"persist-first\"";
                self.demand(!modes.value.is_empty(), &modes.span, none)?;
                if let Some(twice) = Delivery::repeated(&modes.value).map(Delivery::name) {
                    let what = format!("\"{twice}\" is named twice: name each delivery once");
                    return Err(self.wrong(&modes.span, what));
                }
                modes.value
            }
        };
        let nodes = file.nodes.as_ref().map_or(1, |nodes| nodes.value);
        if let Some(placed) = &file.nodes {
            let number = format!("write a number of servers from 1 to {MOST_NODES}");
            self.demand((1..=MOST_NODES).contains(&nodes), &placed.span, number)?;
            let foreign = "several servers are started of this program's own, which do not speak these `events`";
            self.demand(nodes == 1 || events.is_none(), &placed.span, foreign)?;
        }
        Ok(Server {
            nodes,
            bus_mode: file
                .bus_mode
                .map_or_else(Default::default, |mode| mode.value),
            dialect: file
                .dialect
                .map_or_else(Default::default, |dialect| dialect.value),
            events,
            one_order: file.one_order,
            documents: self.store(file.store)?,
            delivery,
            save_time: file.save_time.unwrap_or(Range::milliseconds(50, 200)),
            read_time: file.read_time.unwrap_or(Range::milliseconds(20, 50)),
        })
    }

    /// Reads a file that is named in the scenario, relative to the file that names it.
    fn data_file(&mut self, name: &Placed<String>) -> Result<DataFile, Located> {
        let (path, file) = self.sources.beside(&name.span, &name.value);
        let file = file.map_err(|why| self.sources.unread(&name.span, &path, why))?;
        let text = file.text.clone();
        self.data.push(file);
        Ok(DataFile {
            name: path.display().to_string(),
            text,
        })
    }
}

/// SHA-256 of the file alone where it stands alone, so that anybody can compute it; else of all that belongs to it too.
fn hash<'a>(
    sources: &Sources,
    data: &[SourceFile],
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
    let mut whole = Sha256::new();
    whole.update(texts.next().unwrap_or_default());
    let included = texts.map(|text| ("include", text));
    let data = data.iter().map(|file| ("data", file.text.as_str()));
    let variables = variables.map(|(name, value)| (name.as_str(), value.as_str()));
    let mut belonging = included.chain(data).chain(variables).peekable();
    if belonging.peek().is_some() {
        belonging.for_each(|(label, text)| part(label, text));
        whole.update(hash.finalize());
    }
    whole
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

//! What a scenario file says, checked: the question, the population, the phases and the thresholds.

mod alike;
mod block;
mod check;
mod connections;
mod documents;
mod error;
mod event_map;
mod fault;
mod file;
mod kept;
mod message;
mod phase;
mod population;
mod rate;
mod reading;
mod rules;
mod scaled;
mod schema;
mod shelf;
mod shipped;
mod sources;
mod starter;
mod template;
#[cfg(test)]
mod tests;
mod threshold;
mod units;
mod variables;
mod written;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use self::{shelf::Shelf, sources::Sources, variables::Variables};
use crate::model::{BusMode, Delivery, Dialect, Vocabulary};

pub use self::{
    block::Block,
    check::{
        MOST_NODES,
        connections::{OWN_PARAMETERS, check_path},
    },
    connections::{Connections, KnownUser, Token, Transport},
    documents::{Documents, IdType},
    error::{Located, Mistakes, ScenarioError},
    fault::{
        Between, ClientDamage, Damage, Distribution, Fault, FaultKind, NetworkDamage, ServerDamage,
        StoreDamage, Unfit,
    },
    kept::SourceFile,
    message::{Messages, Sizes},
    phase::{
        Arrivals, Behaviour, Burst, Churn, Load, MOST_ACTIONS, MOST_MESSAGES, Open, Phase, Spike,
    },
    population::{ChannelGroup, ChannelSize, Existing, Population, Zipf},
    rate::{Segment, expected, segments},
    scaled::ScaleError,
    schema::schema,
    shipped::{PART, shipped},
    sources::ScenarioText,
    starter::{SCHEMA_FILE, starter},
    template::{Filling, Pattern, Template},
    threshold::{Comparison, Subject, Threshold, parse_condition, parse_subject, parse_subject_at},
    units::{Bandwidth, Often, Range, Rate, Share, Size, Span},
    variables::Setting,
};
pub use crate::model::BodyText;

/// A checked scenario: everything in it can be run.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The file it came from, or what it is told as where it is none: `quickstart (shipped)`.
    pub path: PathBuf,
    /// It and all files that belong to it, as they were read: the scenario can be made of them again, without a disk.
    pub files: Arc<[SourceFile]>,
    /// SHA-256 of the file, of all that it includes and of the variables that were set, in hexadecimal: results of
    /// different questions are not compared unseen.
    pub hash: String,
    /// The text of the file and of all that it includes, the file itself first.
    pub texts: Vec<ScenarioText>,
    /// A short name, also the name of its result file.
    pub name: String,
    /// The question it answers, in one sentence.
    pub question: String,
    /// The number that answers it, where the file says which: the left side of one of the thresholds.
    pub asks: Option<String>,
    /// The seed of everything that is drawn at random.
    pub seed: u64,
    /// The names that the server speaks.
    pub dialect: Dialect,
    /// Names of another server's own, instead of a dialect's.
    pub events: Option<Vocabulary>,
    /// Whether all members of a conversation see its messages in one order.
    pub one_order: bool,
    /// How many servers are started as one chat.
    pub nodes: u16,
    /// Which order these promise.
    pub bus_mode: BusMode,
    /// How another server keeps its messages.
    pub documents: Documents,
    /// The variables of the file as they were set, by name: part of what was asked.
    pub variables: BTreeMap<String, String>,
    /// The delivery modes to run, in order: limits judge the last, earlier ones are its baselines.
    pub delivery: Vec<Delivery>,
    /// The simulated database's save time, where no real one serves.
    pub save_time: Range<Span>,
    /// The simulated database's read time, where no real one serves.
    pub read_time: Range<Span>,
    /// Who is there, and where they talk.
    pub population: Population,
    /// How users connect, and who they say they are.
    pub connections: Connections,
    /// What is said: the sizes and the texts of bodies.
    pub messages: Messages,
    /// How long people are away, and how long they don't read.
    pub behaviour: Behaviour,
    /// What happens, in order.
    pub phases: Vec<Phase>,
    /// What breaks in mid-run, in the order of the file.
    pub faults: Vec<Fault>,
    /// How long to wait for what is still under way after the last send.
    pub drain: Duration,
    /// The conditions of the verdict, beside the correctness checks, which always hold.
    pub thresholds: Vec<Threshold>,
}

impl Scenario {
    /// Reads and checks what is asked for: a shipped scenario by its name, any other as a file. So a file that is called
    /// as a shipped one is asked for by a path: `./quickstart`, or with its ending.
    ///
    /// # Errors
    /// [`ScenarioError`] names the file, the line and the column, and what would be right.
    pub fn named(asked: &Path, settings: &[Setting]) -> Result<Self, ScenarioError> {
        if let Some((path, text)) = shipped::find(asked) {
            return Self::parse_from(shipped::SHELF, Path::new(path), text, settings);
        }
        match Self::load(asked, settings) {
            Err(ScenarioError::Unreadable { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Err(shipped::not_there(asked, source))
            }
            read => read,
        }
    }

    /// Reads and checks a scenario file, with these values for its variables.
    ///
    /// # Errors
    /// [`ScenarioError`] names the file, the line and the column, and what would be right.
    pub fn load(path: &Path, settings: &[Setting]) -> Result<Self, ScenarioError> {
        let bytes = fs::read(path).map_err(|source| ScenarioError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse_with(path, &shelf::text_of(bytes, path)?, settings)
    }

    /// The text of a scenario that came in bytes; `path` is what it is called in an error.
    ///
    /// # Errors
    /// [`ScenarioError`] names the line and the column of the first byte that is no UTF-8.
    pub fn text_of(path: &Path, bytes: Vec<u8>) -> Result<String, ScenarioError> {
        Ok(shelf::text_of(bytes, path)?)
    }

    /// Checks a scenario that another process read: its files, the one that was named first, and the values of its variables.
    ///
    /// # Errors
    /// [`ScenarioError`] names the file, the line and the column, and what would be right.
    pub fn of_files(
        files: &Arc<[SourceFile]>,
        settings: &[Setting],
    ) -> Result<Self, ScenarioError> {
        let none = SourceFile::default();
        let SourceFile { path, text } = files.first().unwrap_or(&none);
        Self::parse_from(Shelf::Kept(Arc::clone(files)), path, text, settings)
    }

    /// Checks the text of a scenario file; `path` serves its errors, its report, and to find the files that it names.
    ///
    /// # Errors
    /// [`ScenarioError`] names the file, the line and the column, and what would be right.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ScenarioError> {
        Self::parse_with(path, text, &[])
    }

    /// The same, with these values for its variables.
    ///
    /// # Errors
    /// Likewise.
    pub fn parse_with(
        path: &Path,
        text: &str,
        settings: &[Setting],
    ) -> Result<Self, ScenarioError> {
        Self::parse_from(Shelf::Disk, path, text, settings)
    }

    /// The scenario of texts that a result recorded, [`Scenario::texts`], with the values of its variables. What it names
    /// beside them, as a file of bodies, is read where it lies.
    ///
    /// # Errors
    /// [`ScenarioError`], where the texts are no scenario or such a file is not there.
    pub fn recorded(texts: &[ScenarioText], settings: &[Setting]) -> Result<Self, ScenarioError> {
        let path = texts.first().map_or("", |one| one.file.as_str());
        Self::check(Sources::recorded(texts)?, Path::new(path), settings)
    }

    fn parse_from(
        shelf: Shelf,
        path: &Path,
        text: &str,
        settings: &[Setting],
    ) -> Result<Self, ScenarioError> {
        let sources = Sources::read(shelf.clone(), path, text)?;
        Self::check(sources, &shelf.told(path), settings)
    }

    fn check(sources: Sources, path: &Path, settings: &[Setting]) -> Result<Self, ScenarioError> {
        let mut table = sources.merged()?;
        let variables = Variables::take(table.get_mut(), &sources, path, settings)?;
        let table = variables.substitute(table, &sources, path)?;
        let reading::Read { file, mut mistakes } = reading::read(table, &sources);
        let checked = file.map(|file| check::check(file, path, &sources, &variables));
        match checked {
            Some(Ok(scenario)) if mistakes.is_empty() => return Ok(scenario),
            Some(Err(found)) => mistakes.extend(found.0),
            _ => {}
        }
        mistakes.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        mistakes.dedup();
        Err(Mistakes(mistakes).into())
    }

    /// The names that are spoken: the file's own, or those of its dialect.
    pub fn vocabulary(&self) -> Vocabulary {
        Vocabulary {
            one_order: self.one_order && self.nodes_promise_one_order(),
            ..self
                .events
                .clone()
                .unwrap_or_else(|| Vocabulary::of(self.dialect))
        }
    }

    /// A bus that comes back with nothing is told again by each server what that one had said, and knows no common order of it.
    fn nodes_promise_one_order(&self) -> bool {
        let forgets = (self.faults.iter()).any(|fault| matches!(fault.damage, Damage::Bus));
        self.nodes == 1 || (self.bus_mode == BusMode::Ordered && !forgets)
    }

    /// How many messages all phases have, on average.
    pub fn messages_due(&self) -> f64 {
        let users = self.population.users;
        let phases = self.phases.iter();
        phases
            .map(|phase| phase.load.messages(phase.duration, users))
            .sum()
    }

    /// From the first intended send to the last possible one.
    pub fn duration(&self) -> Duration {
        let phases = self.phases.iter();
        phases.fold(Duration::ZERO, |all, phase| {
            all.saturating_add(phase.duration)
        })
    }
}

/// A scenario's name is no longer: with what is added to it, it must be the name of a file.
const LONGEST_NAME: usize = 100;

/// Whether a text has letters, digits, - and _ only: fit for the name of a file, and for a variable's.
fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.chars().all(plain)
}

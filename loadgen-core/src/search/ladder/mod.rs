//! A ladder: the same searches of several systems for several scenarios, as they are recorded and read again.

mod carried;
mod headline;
mod show;
mod site;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    carried::{Carried, carried},
    headline::{Headline, headline},
    show::LadderFormat,
    site::{PICTURE, README_MARKS, between_marks, files, newest, of_index},
};
use super::{Ended, Found};
use crate::{judge::Verdict, result::Environment};

/// The server of this project, as ladders name it.
const OWN: &str = "own";
/// Divides a system from the store that it alone has.
const AT: char = '@';

/// The version of this schema.
pub const LADDER_VERSION: u32 = 1;

/// The names of its files are no longer, before their endings: few folders take more.
const LONGEST_NAME: usize = 200;

/// All that a ladder has found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ladder {
    /// The version of this schema: [`LADDER_VERSION`].
    pub ladder_version: u32,
    /// The weightiest verdict on any of the systems in any of the scenarios; INCONCLUSIVE at best where one was not searched.
    pub verdict: Verdict,
    /// The command line, as it was typed.
    pub command: Vec<String>,
    /// What the user says of it (`--label`), by key.
    pub labels: BTreeMap<String, String>,
    /// When this program began: RFC 3339, UTC.
    pub started: String,
    /// When the last hold was judged: RFC 3339, UTC.
    pub ended: String,
    /// Where it was measured.
    pub environment: Environment,
    /// The scenarios that were asked for, by name: where it broke off, more than were searched. Empty in results of before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<String>,
    /// What `search` has found, of all systems together, for one scenario after the other.
    pub searches: Vec<Found>,
}

/// Why a text is no ladder.
#[derive(Debug, thiserror::Error)]
pub enum LadderError {
    /// It is something else.
    #[error("{}: no result of `loadgen ladder`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A later program wrote it.
    #[error(
        "{}: a ladder of version {found}, and this program reads up to version {LADDER_VERSION}",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version that it names.
        found: u32,
    },
}

impl Ladder {
    /// What was broken off, by the user, by a system's own end or by a system that did not start: what is known then is no answer
    /// to be published.
    pub fn broken_off(&self) -> Option<String> {
        let mut systems = self.searches.iter().flat_map(|search| &search.systems);
        let broken = systems.find(|found| matches!(found.ended, Ended::Interrupted | Ended::Died));
        let broken = broken.map(|found| format!("the search of {} was broken off", found.system));
        let missing = self.missing().first();
        broken.or_else(|| missing.map(|name| format!("{name} was not searched")))
    }

    /// The scenarios that were asked for and not searched, by name: it broke off before the first of them.
    pub fn missing(&self) -> &[String] {
        self.asked.get(self.searches.len()..).unwrap_or_default()
    }

    /// The weightiest verdict on each of its systems, in the order of its systems.
    pub fn standings(&self) -> Vec<(&str, Verdict)> {
        let of = |system| {
            let all = self.searches.iter().flat_map(|search| &search.systems);
            let mine = all.filter(|found| found.system == system);
            let mine = mine.map(|found| found.verdict);
            Some((system, mine.chain(at_best(self.missing())).max()?))
        };
        self.systems().into_iter().filter_map(of).collect()
    }

    /// The verdict on the server of this project, beside which others stand; without it, on all of them.
    pub fn verdict_on_own(&self) -> Verdict {
        let mut standings = self.standings().into_iter();
        let own = standings.find(|(system, _)| is_own(system));
        own.map_or(self.verdict, |(_, verdict)| verdict)
    }

    /// Of the searches, the first of which began before all others, and of the names of the scenarios that were asked for, where
    /// these are known; `None` of no search.
    pub fn of(searches: Vec<Found>, asked: Vec<String>) -> Option<Self> {
        let (first, last) = (searches.first()?, searches.last()?);
        let mut ladder = Self {
            ladder_version: LADDER_VERSION,
            verdict: first.verdict,
            command: first.command.clone(),
            labels: first.labels.clone(),
            started: first.started.clone(),
            ended: last.ended.clone(),
            environment: first.environment.clone(),
            asked,
            searches,
        };
        let verdicts = ladder.searches.iter().map(|found| found.verdict);
        ladder.verdict = verdicts.chain(at_best(ladder.missing())).max()?;
        Some(ladder)
    }

    /// Whether a JSON text is meant to be a ladder, be it a right one or not.
    pub fn is_meant(text: &str) -> bool {
        #[derive(Deserialize)]
        struct Meant {
            ladder_version: Option<u32>,
        }
        serde_json::from_str::<Meant>(text).is_ok_and(|meant| meant.ladder_version.is_some())
    }

    /// Of the text of a file.
    ///
    /// # Errors
    /// [`LadderError`] says what the file is instead.
    pub fn parse(path: &Path, text: &str) -> Result<Self, LadderError> {
        let unreadable = |source| LadderError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let ladder: Self = serde_json::from_str(text).map_err(unreadable)?;
        match ladder.ladder_version {
            LADDER_VERSION => Ok(ladder),
            found => Err(LadderError::Newer {
                path: path.to_owned(),
                found,
            }),
        }
    }

    /// The names of its files, without their endings: when it began and what was asked. Whatever stands in its text, they are
    /// names of files in the folder where they belong.
    pub fn name(&self) -> String {
        let started = self.started.chars().filter(char::is_ascii_alphanumeric);
        let asked = self.searches.iter();
        let asked: Vec<_> = asked.map(|found| plain(&found.scenario.name)).collect();
        let mut name = format!("{}-{}", started.collect::<String>(), asked.join("-"));
        name.truncate(LONGEST_NAME);
        name
    }

    /// The systems, each once, in the order of the command line.
    pub fn systems(&self) -> Vec<&str> {
        let mut systems: Vec<&str> = Vec::new();
        for system in self.searches.iter().flat_map(|found| &found.systems) {
            if !systems.contains(&&*system.system) {
                systems.push(&system.system);
            }
        }
        systems
    }
}

/// Whether a system is the server of this project as this program has it, on the store of all or on one of its own.
fn is_own(system: &str) -> bool {
    let store = system.strip_prefix(OWN);
    store.is_some_and(|store| store.is_empty() || store.starts_with(AT))
}

/// What all of it comes to at best, where scenarios are missing.
fn at_best(missing: &[String]) -> Option<Verdict> {
    (!missing.is_empty()).then_some(Verdict::Inconclusive)
}

/// What a name may have, with a `-` for all else.
fn plain(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    name.replace(|c: char| !fits(c), "-")
}

/// The JSON Schema of ladders, as text. `docs/ladder.schema.json` is a copy that a test holds against the code.
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(Ladder);
    let title = format!("Result of `loadgen ladder`, version {LADDER_VERSION}");
    schema.insert("title".to_owned(), title.into());
    // A schema is a JSON value: it can always be written.
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}

//! What one shard leaves: the whole of what it saw, and all that is needed to see whether others are of the same run.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MergeError;
use crate::{
    model::{Dialect, json},
    observed::Record,
    plan::Shard,
    result::{ClockOffset, Environment},
    scenario::{Scenario, Setting, SourceFile},
};

/// The version of this format. A recording is merged soon after it was made, so that no other version is read.
pub const VERSION: u32 = 2;

/// What one shard recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// The version of this format: [`VERSION`].
    pub version: u32,
    /// Which of how many it is.
    pub shard: Shard,
    /// What was asked.
    pub scenario: Question,
    /// SHA-256 of the whole plan, in hexadecimal: the same in all shards.
    pub plan: String,
    /// The eight digits that all bodies of these messages carry.
    pub run_id: String,
    /// When it began.
    pub start: Start,
    /// What was measured, and with what.
    pub told: Told,
    /// The command line, as it was typed.
    pub command: Vec<String>,
    /// What the user says of it, by key.
    pub labels: BTreeMap<String, String>,
    /// When the program began: RFC 3339, UTC.
    pub started: String,
    /// When all had been seen: RFC 3339, UTC.
    pub ended: String,
    /// Where it was measured.
    pub environment: Environment,
    /// All that was seen.
    pub observed: Record,
}

/// What was asked, such that it can be planned again without any other file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The scenario's name.
    pub name: String,
    /// What the scenario was asked for as: a path, or `quickstart (shipped)`.
    pub file: PathBuf,
    /// The scenario's files with their texts, the one that was named first. The secret that signs tokens is taken out; a
    /// file of users is there with all that it says.
    pub files: Vec<SourceFile>,
    /// The variables that were set on the command line.
    pub settings: Vec<(String, String)>,
    /// SHA-256 of the files and of the variables.
    pub sha256: String,
    /// The seed.
    pub seed: u64,
    /// The names that the server speaks.
    pub dialect: Dialect,
}

impl Question {
    /// What a scenario asks, whose variables were set so.
    pub fn of(scenario: &Scenario, settings: &[Setting]) -> Self {
        Self {
            name: scenario.name.clone(),
            file: scenario.path.clone(),
            files: scenario.files.to_vec(),
            settings: settings.to_vec(),
            sha256: scenario.hash.clone(),
            seed: scenario.seed,
            dialect: scenario.dialect,
        }
    }

    /// The scenario, made of its files again.
    ///
    /// # Errors
    /// [`MergeError::Scenario`] when it can't be.
    pub fn scenario(&self) -> Result<Scenario, MergeError> {
        let files = self.files.as_slice().into();
        let scenario = Scenario::of_files(&files, &self.settings)?;
        Ok(Scenario {
            path: self.file.clone(),
            hash: self.sha256.clone(),
            seed: self.seed,
            dialect: self.dialect,
            ..scenario
        })
    }
}

/// When a shard's schedule began, in nanoseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// When it was to begin, on the clock of shard 1.
    pub planned: u64,
    /// When it did, on its own clock; `None`: something ended it before.
    pub actual: Option<u64>,
    /// How its own clock stood to that of shard 1; `None`: nobody measured, and all clocks are believed.
    pub clock: Option<ClockOffset>,
}

impl Start {
    /// When it began, on the clock of shard 1 as far as that is known: nanoseconds since 1970; `None`: it did not.
    pub fn began(&self) -> Option<i128> {
        let ahead = self.clock.map_or(0, |clock| clock.ahead);
        Some(i128::from(self.actual?) - i128::from(ahead))
    }
}

/// What was measured, and with what, as a result says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Where the server was: its URL, without credentials.
    pub target: String,
    /// Which version the user says that it is.
    pub target_version: Option<String>,
    /// Which store it saved into, in words.
    pub store: String,
    /// The client that was driven.
    pub client: String,
    /// Whether that client asked for acknowledgements.
    pub asks_for_acks: bool,
    /// Whether it is known when the server delivers.
    pub delivery_known: bool,
}

/// The name of a shard's file.
pub fn file_name(shard: Shard) -> String {
    format!("shard-{}-of-{}.json", shard.number(), shard.of())
}

/// A recording under the name of its file.
#[derive(Debug)]
pub struct Given {
    /// The name.
    pub name: String,
    /// What was recorded, as far as it is there.
    pub recording: Result<Box<Recording>, Torn>,
}

/// What was recorded breaks off: where, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn(pub String);

/// What all versions have.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
    /// What no other file of this program has.
    #[serde(rename = "shard")]
    _shard: serde::de::IgnoredAny,
}

impl Recording {
    /// As the text of its file.
    ///
    /// # Errors
    /// When it can't be written as JSON, as a number that is none.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        Ok(json::line(self)? + "\n")
    }
}

impl Given {
    /// Reads a text. One that breaks off in the middle is no error, but what a whole can't do without.
    ///
    /// # Errors
    /// [`MergeError`] says what the text is instead, or which version it has.
    pub fn read(name: &str, text: &str) -> Result<Self, MergeError> {
        let given = |recording| Self {
            name: name.to_owned(),
            recording,
        };
        let name = || name.to_owned();
        let version = match serde_json::from_str::<Versioned>(text) {
            Ok(Versioned { version, .. }) => version,
            Err(error) if error.is_eof() => return Ok(given(Err(Torn(error.to_string())))),
            Err(source) => {
                return Err(MergeError::NoRecording {
                    name: name(),
                    source,
                });
            }
        };
        if version != VERSION {
            return Err(MergeError::Version {
                name: name(),
                found: version,
            });
        }
        let recording: Recording =
            serde_json::from_str(text).map_err(|source| MergeError::Malformed {
                name: name(),
                source,
            })?;
        if !recording.shard.is_possible() {
            return Err(MergeError::NoShard {
                name: name(),
                shard: recording.shard,
            });
        }
        Ok(given(Ok(Box::new(recording))))
    }
}

/// The JSON Schema of a recording, as text.
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(Recording);
    schema.insert(
        "title".to_owned(),
        format!("What a shard of `loadgen run` recorded, version {VERSION}").into(),
    );
    // A schema is a JSON value: it can always be written.
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}

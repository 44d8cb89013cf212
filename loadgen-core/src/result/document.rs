//! A result as a document: its text, read and written, with the version and the schema that it follows.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Report, VERSION, possible, upgrade};
use crate::model::json;

/// A result together with the text that it was read from.
///
/// Every format is made from this text and nothing else, also right after the run: so the same file gives the same bytes
/// whenever it is asked.
#[derive(Debug, Clone)]
pub struct Document {
    text: String,
    /// As it stands in its file, of an older version.
    recorded: Option<String>,
    report: Report,
}

/// Why a text is no result that this program can read.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Not JSON, or JSON of another kind.
    #[error("this is not a result of `loadgen run`: {0}")]
    NotAResult(#[source] serde_json::Error),
    /// Written by a newer program.
    #[error(
        "this result has version {found} and this program reads up to {VERSION}: use the loadgen that wrote it, or a newer one"
    )]
    Newer {
        /// The version that the text says it has.
        found: u32,
    },
    /// A version that there never was.
    #[error("this result has version {found}: the versions are 1 to {VERSION}")]
    Unknown {
        /// The version that the text says it has.
        found: u32,
    },
    /// A value that nothing can have measured: of seconds without an end, pages without an end would be made.
    #[error("this result was never measured: {place} is {said}, and would be {right}")]
    Impossible {
        /// Where it stands, as in `runs[0].windows[3].second`.
        place: String,
        /// What stands there.
        said: String,
        /// What would be right.
        right: String,
    },
    /// The version is right, the content is not.
    #[error("this result says that it has version {version}, and does not look like it: {what}")]
    Malformed {
        /// The version that the text says it has.
        version: u32,
        /// What is wrong and, in a text of the present version, where.
        what: String,
    },
}

/// Why a result could not be read from a file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file can't be read.
    #[error("{} could not be read: {source}", path.display())]
    Unreadable {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its content can't be used.
    #[error("{}: {source}", path.display())]
    Unusable {
        /// The file that was read.
        path: PathBuf,
        /// Why its text is no result.
        source: ParseError,
    },
}

/// Why something could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{} could not be written: {source}", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// The one field that all versions have.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Document {
    /// The document of a result that was just recorded.
    ///
    /// # Errors
    /// [`ParseError`] if what was written can't be read back.
    pub fn of(report: &Report) -> Result<Self, ParseError> {
        let open = json::indented(report).map_err(ParseError::NotAResult)?;
        let sealed = Report {
            seal: seal(&open)?,
            ..report.clone()
        };
        let text = json::indented(&sealed).map_err(ParseError::NotAResult)?;
        Self::parse(text + "\n")
    }

    /// Reads a text. An older version is brought up to the present one.
    ///
    /// # Errors
    /// [`ParseError`] says what the text is instead, or which version it has.
    pub fn parse(text: String) -> Result<Self, ParseError> {
        let Versioned { version } = serde_json::from_str(&text).map_err(ParseError::NotAResult)?;
        let malformed = |source: serde_json::Error| ParseError::Malformed {
            version,
            what: source.to_string(),
        };
        match version {
            0 => Err(ParseError::Unknown { found: version }),
            VERSION => {
                let mut report = serde_json::from_str(&text).map_err(malformed)?;
                upgrade::early_accounts(&mut report);
                possible::check(&report)?;
                Ok(Self {
                    text,
                    recorded: None,
                    report,
                })
            }
            1..VERSION => {
                let old = serde_json::from_str(&text).map_err(malformed)?;
                let new = match version {
                    1 => upgrade::from_1(old),
                    2 => upgrade::from_2(old),
                    _ => upgrade::from_3(old),
                };
                // By way of a text, so that a result's types are read from texts alone: their code is built once.
                let new = new.to_string();
                let mut report: Report =
                    serde_json::from_str(&new).map_err(|source| ParseError::Malformed {
                        version,
                        what: without_place(&source),
                    })?;
                upgrade::early_accounts(&mut report);
                possible::check(&report)?;
                let brought_up = json::indented(&report).map_err(malformed)? + "\n";
                Ok(Self {
                    text: brought_up,
                    recorded: Some(text),
                    report,
                })
            }
            _ => Err(ParseError::Newer { found: version }),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ReadError`] names the file and says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let text = fs::read_to_string(path).map_err(|source| ReadError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(text).map_err(|source| ReadError::Unusable {
            path: path.to_owned(),
            source,
        })
    }

    /// The JSON in the present version.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The JSON, byte for byte as it stands in its file: one of an older version says less than the present one asks for.
    pub fn recorded(&self) -> &str {
        self.recorded.as_deref().unwrap_or(&self.text)
    }

    /// The result that the JSON holds, brought up to [`VERSION`].
    pub fn report(&self) -> &Report {
        &self.report
    }
}

/// What is wrong with a text that nobody sees, so that a place in it says nothing.
fn without_place(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let said = error.to_string();
    said.strip_suffix(&place).unwrap_or(&said).to_owned()
}

/// What a result's `seal` has to be, whatever it is: SHA-256 of all its other values.
///
/// # Errors
/// [`ParseError::NotAResult`] where the text is no JSON.
pub fn seal(text: &str) -> Result<String, ParseError> {
    let mut value: Value = serde_json::from_str(text).map_err(ParseError::NotAResult)?;
    if let Some(object) = value.as_object_mut() {
        object.remove("seal");
    }
    let digest = Sha256::digest(sorted(value).to_string());
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// With the keys of each object in their order, whichever order a map of this build keeps.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<(String, Value)> = object.into_iter().collect();
            entries.sort_by(|one, other| one.0.cmp(&other.0));
            let entries = entries.into_iter();
            Value::Object(
                entries
                    .map(|(key, value)| (key, sorted(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        plain => plain,
    }
}

/// Writes a text to a file, whose folder is made where it is missing.
///
/// # Errors
/// [`WriteError`] with the path.
pub fn write(path: &Path, text: &str) -> Result<(), WriteError> {
    let fail = |source| WriteError {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(fail)?;
    }
    fs::write(path, text).map_err(fail)
}

/// Writes a text to a file that somebody waits for: who finds it finds all of it.
///
/// # Errors
/// [`WriteError`] with the path.
pub fn write_whole(path: &Path, text: &str) -> Result<(), WriteError> {
    let partly = path.with_extension("part");
    write(&partly, text)?;
    fs::rename(&partly, path).map_err(|source| WriteError {
        path: path.to_owned(),
        source,
    })
}

/// Appends a text to a file, which is made where it is missing.
///
/// # Errors
/// [`WriteError`] with the path.
pub fn append(path: &Path, text: &str) -> Result<(), WriteError> {
    use io::Write as _;
    fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| WriteError {
            path: path.to_owned(),
            source,
        })
}

/// The JSON Schema of a result, as text. `docs/result.schema.json` is a copy that a test holds against the code.
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(Report);
    schema.insert(
        "title".to_owned(),
        format!("Result of `loadgen run`, version {VERSION}").into(),
    );
    let id = format!("urn:loadgen:result:{VERSION}");
    schema.insert("$id".to_owned(), id.into());
    // A schema is a JSON value: it can always be written.
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}

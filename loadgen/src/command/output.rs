//! Brings results to where they are wanted: files, a bucket, the job's summary, standard output.

use std::{
    env,
    fmt::Display,
    fs,
    io::{self, IsTerminal, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use console::Term;

use super::{
    bucket::{self, BucketError},
    exit_code::Exit,
};
use crate::{
    experiment::RunError,
    report::{Choice, Format, RenderError},
    result::{self, Document, WriteError},
    scenario::ScenarioError,
    search::ladder::LadderError,
};

/// Why a result could not be brought there.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// It could not be read again.
    #[error(transparent)]
    Parse(#[from] result::ParseError),
    /// One that was there before could not be read.
    #[error(transparent)]
    Read(#[from] result::ReadError),
    /// A ladder that was there before could not be read.
    #[error(transparent)]
    Ladder(#[from] LadderError),
    /// It could not be put into a format.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A file that was asked for could not be read.
    #[error("{} could not be read: {source}", path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What an earlier run has left could not be removed.
    #[error("{}, of an earlier run, could not be removed: {source}", path.display())]
    Unremoved {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It could not be brought into a bucket, or fetched from there.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The folder for it takes no file.
    #[error("no result can be written to {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The width of what is no terminal, or does not say how wide it is.
const UNKNOWN_WIDTH: usize = 80;

/// Names the file of a GitHub job's summary.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// Adds the result to the summary of a GitHub job, where this is one
/// (<https://docs.github.com/actions/reference/workflow-commands-for-github-actions#adding-a-job-summary>).
pub(super) fn summary(document: &Document) -> Result<(), OutputError> {
    summarize(&Format::Markdown.render(document, Choice::default())?)
}

/// Adds a text in Markdown to the summary of a GitHub job, likewise.
pub(super) fn summarize(markdown: &str) -> Result<(), OutputError> {
    if let Some(path) = env::var_os(STEP_SUMMARY).filter(|path| !path.is_empty()) {
        result::append(Path::new(&path), &format!("{markdown}\n"))?;
    }
    Ok(())
}

/// Writes a format of a result to a file.
pub(super) fn save(document: &Document, format: Format, path: &Path) -> Result<(), OutputError> {
    write(path, &format.render(document, in_a_file())?)
}

/// Writes a text to a file or into a bucket.
pub(super) fn write(path: &Path, text: &str) -> Result<(), OutputError> {
    match bucket::is_address(path) {
        true => Ok(bucket::put(path, text)?),
        false => Ok(result::write(path, text)?),
    }
}

/// Likewise, where somebody waits for it: who finds it finds all of it.
pub(super) fn write_whole(path: &Path, text: &str) -> Result<(), OutputError> {
    match bucket::is_address(path) {
        true => Ok(bucket::put(path, text)?),
        false => Ok(result::write_whole(path, text)?),
    }
}

/// The text of a file, or of what lies in a bucket.
pub(super) fn read(path: &Path) -> Result<String, OutputError> {
    match bucket::is_address(path) {
        true => Ok(bucket::get(path)?),
        false => fs::read_to_string(path).map_err(|source| {
            let path = path.to_owned();
            OutputError::Unread { path, source }
        }),
    }
}

/// The same of what may not be there: `None`, where it is not.
pub(super) fn find(path: &Path) -> Result<Option<String>, OutputError> {
    if bucket::is_address(path) {
        return Ok(bucket::find(path)?);
    }
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => {
            let path = path.to_owned();
            Err(OutputError::Unread { path, source })
        }
    }
}

/// What a file is told apart by from one that takes its place; `None` where there is none.
pub(super) fn stamp(path: &Path) -> Result<Option<String>, OutputError> {
    match bucket::is_address(path) {
        true => Ok(bucket::stamp(path)?),
        false => Ok(fs::metadata(path).ok().map(|file| {
            let (inode, length) = (file.ino(), file.len());
            format!("{inode} {length} {:?}", file.modified().ok())
        })),
    }
}

/// Removes what lies there, if anything does.
pub(super) fn remove(path: &Path) -> Result<(), OutputError> {
    if bucket::is_address(path) {
        return Ok(bucket::remove(path)?);
    }
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            let path = path.to_owned();
            Err(OutputError::Unremoved { path, source })
        }
        _ => Ok(()),
    }
}

/// A text to a file, or to standard output where none is named.
pub(super) fn to(path: Option<&PathBuf>, text: &str) -> Result<(), Exit> {
    match path {
        Some(path) => write(path, text).map_err(failed),
        None => match print(text) {
            Exit::Pass => Ok(()),
            exit => Err(exit),
        },
    }
}

/// Writes a file into a folder and removes it again, so that a folder that takes none is found before the run and not
/// after it.
pub(super) fn try_folder(folder: &Path) -> Result<(), OutputError> {
    if bucket::is_address(folder) {
        return Ok(bucket::try_folder(folder)?);
    }
    let fail = |source| OutputError::Folder {
        path: folder.to_owned(),
        source,
    };
    fs::create_dir_all(folder).map_err(fail)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(fail)?;
    // A full disk takes the name and not what is in it.
    file.write_all(&[b' '; 4096])
        .and_then(|()| file.as_file().sync_data())
        .and_then(|()| file.close())
        .map_err(fail)?;
    Ok(())
}

/// What was asked for can't be done, and this is why.
pub(super) fn wrong(error: impl Display) -> Exit {
    eprintln!("error: {error}");
    Exit::Usage
}

/// A scenario can't be run, for all of these reasons.
pub(super) fn all_wrong(error: &ScenarioError) -> Exit {
    let told = error.each().into_iter().map(wrong);
    told.fold(Exit::Usage, Exit::worse)
}

/// Something that is needed failed, and this is why.
pub(super) fn failed(error: impl Display) -> Exit {
    eprintln!("error: {error}");
    Exit::Setup
}

/// Nothing could be measured, and this is why: the question is wrong, or something that is needed failed.
pub(super) fn not_measured(error: RunError) -> Exit {
    match error.is_the_questions() {
        true => wrong(error),
        false => failed(error),
    }
}

/// As wide as the terminal, with colour where somebody looks at it, the terminal knows colours (`TERM`) and nobody has
/// said no (<https://no-color.org>).
pub(super) fn on_stdout() -> Choice {
    let stdout = io::stdout();
    let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
    let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Choice {
        colour: stdout.is_terminal() && !is_dumb && !refused,
        width: Some(width()),
        ..Choice::default()
    }
}

/// The width of the terminal on standard output, in columns.
pub(super) fn width() -> usize {
    let size = Term::stdout().size_checked();
    size.map_or(UNKNOWN_WIDTH, |(_, columns)| usize::from(columns))
}

/// As in a file.
pub(super) fn in_a_file() -> Choice {
    Choice {
        width: Some(UNKNOWN_WIDTH),
        ..Choice::default()
    }
}

/// Prints a text. Whoever closed the pipe does not want the rest; files are written all the same.
pub(super) fn print(text: &str) -> Exit {
    let mut stdout = io::stdout();
    let printed = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            failed(format_args!("standard output: {error}"))
        }
        _ => Exit::Pass,
    }
}

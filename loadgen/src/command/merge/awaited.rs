//! The files of one run's shards: read as they are, or waited for until they are of that run.

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::Args;
use crate::{
    command::{
        arguments::written,
        bucket,
        output::{self, OutputError},
    },
    scenario::Span,
    shards::{Given, MergeError},
};

/// How often is looked for files that are not there yet.
const LOOK: Duration = Duration::from_millis(250);
/// In a bucket each look is a request.
const LOOK_AFAR: Duration = Duration::from_secs(2);

/// Why files can't be merged.
#[derive(Debug, thiserror::Error)]
pub(super) enum ComeError {
    /// One could not be read.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// One is something else.
    #[error(transparent)]
    Merge(#[from] MergeError),
}

/// What there is of a run.
pub(super) struct Come {
    /// What its shards recorded, in the order of their names.
    pub(super) given: Vec<Given>,
    /// Which files are not there, or of another run, in words.
    pub(super) left_out: Option<String>,
}

/// What lies under a name.
enum Content {
    Nothing,
    /// What was recorded, as far as it is there.
    Recorded(Given),
    /// What was recorded in the run that was to begin then, nanoseconds since 1970.
    OfAnotherRun(u64),
    /// What this program can't read.
    Else(MergeError),
}

impl Content {
    /// Of a text that lies under a name, where that run is asked for.
    fn of(name: &str, text: &str, start_at: Option<u64>) -> Self {
        let given = match Given::read(name, text) {
            Ok(given) => given,
            Err(error) => return Self::Else(error),
        };
        let planned = given.recording.as_ref().map(|one| one.start.planned);
        match (planned, start_at) {
            (Ok(planned), Some(start_at)) if planned != start_at => Self::OfAnotherRun(planned),
            _ => Self::Recorded(given),
        }
    }

    /// Whether nothing else is to come: of a text that breaks off, or that can't be read, nobody knows which run left it.
    fn is_whole(&self) -> bool {
        matches!(self, Self::Recorded(given) if given.recording.is_ok())
    }
}

/// A name, what lies there, and what that is told apart by.
struct File<'a> {
    path: &'a Path,
    stamp: Option<String>,
    content: Content,
}

impl File<'_> {
    /// Reads it again where something else lies there now.
    fn look(&mut self, start_at: Option<u64>) -> Result<(), OutputError> {
        let stamp = output::stamp(self.path)?;
        if self.content.is_whole() || stamp == self.stamp {
            return Ok(());
        }
        let name = self.path.display().to_string();
        // It may have been removed just now.
        self.content = match output::find(self.path)? {
            None => Content::Nothing,
            Some(text) => Content::of(&name, &text, start_at),
        };
        self.stamp = stamp;
        Ok(())
    }
}

/// What the shards have left, once all have left it or it has been waited for long enough; at once where nobody wants to wait.
///
/// # Errors
/// [`ComeError`]: a file can't be read, or is not what a shard leaves.
pub(super) fn come(args: &Args) -> Result<Come, ComeError> {
    let contents = match args.wait {
        None => args
            .shards
            .iter()
            .map(|path| {
                let name = path.display().to_string();
                Ok(Content::of(&name, &output::read(path)?, args.start_at))
            })
            .collect::<Result<_, OutputError>>()?,
        Some(Span(wait)) => awaited(&args.shards, args.start_at, wait)?,
    };
    let mut given = Vec::new();
    let (mut absent, mut others) = (Vec::new(), Vec::new());
    for (path, content) in args.shards.iter().zip(contents) {
        let name = path.display();
        match content {
            Content::Nothing => absent.push(name.to_string()),
            Content::Recorded(one) => given.push(one),
            Content::OfAnotherRun(planned) => {
                others.push(format!("{name} (--start-at {})", written(planned)));
            }
            Content::Else(error) => return Err(error.into()),
        }
    }
    Ok(Come {
        given,
        left_out: left_out(args.wait, &absent, &others),
    })
}

/// What lies under these names, once it is of the run or has been waited for so long.
fn awaited(
    paths: &[PathBuf],
    start_at: Option<u64>,
    wait: Duration,
) -> Result<Vec<Content>, OutputError> {
    let began = Instant::now();
    let is_afar = paths.iter().any(|path| bucket::is_address(path));
    let files = paths.iter().map(|path| File {
        path,
        stamp: None,
        content: Content::Nothing,
    });
    let mut files: Vec<File<'_>> = files.collect();
    loop {
        for file in &mut files {
            file.look(start_at)?;
        }
        if files.iter().all(|file| file.content.is_whole()) || began.elapsed() >= wait {
            return Ok(files.into_iter().map(|file| file.content).collect());
        }
        thread::sleep(if is_afar { LOOK_AFAR } else { LOOK });
    }
}

/// Which files are not of the run, in words.
fn left_out(wait: Option<Span>, absent: &[String], others: &[String]) -> Option<String> {
    let after = wait.map(|wait| format!(" after {wait}"));
    let after = after.unwrap_or_default();
    let absent = (!absent.is_empty()).then(|| format!("not there{after}: {}", absent.join(", ")));
    let others =
        (!others.is_empty()).then(|| format!("of another run{after}: {}", others.join(", ")));
    let told: Vec<String> = absent.into_iter().chain(others).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

//! Brings results to where they are wanted: files, the job's summary, standard output.

use std::{
    env, fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

use crate::{
    command::{cli, exit_code::Exit},
    compare,
    report::{Choice, Format, RenderError, publish},
    result,
    result::{Document, Report, WriteError},
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
    /// It could not be put into a format.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// The folder of a site that `run` writes to unless it is told otherwise.
const LATEST: &str = "latest";
/// Names the file of a GitHub job's summary.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";
/// What `run` leaves in its folder whatever else is asked for.
const ALWAYS: [Format; 2] = [Format::Json, Format::Html];

/// Everything that `run` leaves behind of a result, with a word on each file to standard error.
///
/// # Errors
/// [`OutputError`] at the first that could not be made.
pub fn of_run(report: &Report, run: &cli::Run) -> Result<(), OutputError> {
    let document = Document::of(report)?;
    let shown = if run.json {
        Format::Json
    } else {
        Format::Terminal
    };
    let text = shown.render(&document, on_stdout())?;
    if run.quiet {
        // The verdict and its reason.
        print(text.split_inclusive('\n').next().unwrap_or_default());
    } else {
        print(&text);
    }
    let name = &report.scenario.name;
    for format in ALWAYS {
        let path = run.out.join(format!("{name}.{}", format.extension()));
        save(&document, format, &path)?;
    }
    for wanted in &run.report {
        let extension = wanted.format.extension();
        match &wanted.path {
            Some(path) => save(&document, wanted.format, path)?,
            None if ALWAYS.contains(&wanted.format) => {}
            None => save(
                &document,
                wanted.format,
                &run.out.join(format!("{name}.{extension}")),
            )?,
        }
    }
    summary(&document)
}

/// Adds the result to the summary of a GitHub job, where this is one
/// (<https://docs.github.com/actions/reference/workflow-commands-for-github-actions#adding-a-job-summary>).
fn summary(document: &Document) -> Result<(), OutputError> {
    let Some(path) = env::var_os(STEP_SUMMARY).filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let text = Format::Markdown.render(document, Choice::default())?;
    result::append(Path::new(&path), &format!("{text}\n"))?;
    Ok(())
}

fn save(document: &Document, format: Format, path: &Path) -> Result<(), OutputError> {
    result::write(path, &format.render(document, Choice::default())?)?;
    eprintln!("report: {}", path.display());
    Ok(())
}

/// `loadgen report`: a result that was recorded before, in any format.
pub fn again(args: &cli::Report) -> Exit {
    let Some(path) = &args.result else {
        print(&result::schema());
        return Exit::Pass;
    };
    let document = match Document::read(path) {
        Ok(document) => document,
        Err(error) => return wrong(&error),
    };
    let choice = Choice {
        metric: args.metric,
        ..match args.out {
            Some(_) => Choice::default(),
            None => on_stdout(),
        }
    };
    let text = match args.format.render(&document, choice) {
        Ok(text) => text,
        Err(error) => return wrong(&error),
    };
    to(args.out.as_ref(), &text)
}

/// `loadgen compare`: two results that were recorded before.
pub fn compared(args: &cli::Compare) -> Exit {
    let (before, after) = match (Document::read(&args.before), Document::read(&args.after)) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(error), _) | (_, Err(error)) => return wrong(&error),
    };
    let (before, after) = (before.report(), after.report());
    let comparison = match compare::compare(before, after, &args.fail_on_regression, args.anyway) {
        Ok(comparison) => comparison,
        Err(error) => return wrong(&error),
    };
    let text = match comparison.render(args.format, before, after) {
        Ok(text) => text,
        Err(error) => return wrong(&error),
    };
    match (to(args.out.as_ref(), &text), comparison.verdict) {
        (Exit::Pass, Some(verdict)) => verdict.into(),
        (exit, _) => exit,
    }
}

/// `loadgen publish`: results that were recorded before, as a site.
pub fn published(args: &cli::Publish) -> Exit {
    // All are read before the first is written: a mistake in the last one leaves the site as it was.
    let added: Result<Vec<Document>, _> = args
        .results
        .iter()
        .map(|path| Document::read(path))
        .collect();
    let added = match added {
        Ok(added) => added,
        Err(error) => return wrong(&error),
    };
    match publish_all(&added, &args.to) {
        Ok(index) => {
            print(&format!("{}\n", index.display()));
            Exit::Pass
        }
        Err(error) => {
            eprintln!("error: {error}");
            Exit::Setup
        }
    }
}

fn publish_all(added: &[Document], site: &Path) -> Result<PathBuf, OutputError> {
    for document in added {
        for file in publish::pages(document)? {
            result::write(&site.join(file.path), &file.text)?;
        }
    }
    let all = published_before(site)?;
    let reports: Vec<&Report> = all.iter().map(Document::report).collect();
    let index = publish::index(&reports)?;
    let path = site.join(index.path);
    result::write(&path, &index.text)?;
    Ok(path)
}

/// The results of a site: those in its scenarios' folders.
fn published_before(site: &Path) -> Result<Vec<Document>, OutputError> {
    let unreadable = |source| result::ReadError::Unreadable {
        path: site.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for folder in fs::read_dir(site).map_err(unreadable)?.flatten() {
        // `run` writes to `reports/latest`, which is no part of the site.
        if folder.file_name() == LATEST || !folder.path().is_dir() {
            continue;
        }
        let files = fs::read_dir(folder.path()).map_err(unreadable)?.flatten();
        paths.extend(files.map(|file| file.path()));
    }
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    paths.sort();
    let documents = paths.iter().map(|path| Document::read(path));
    Ok(documents.collect::<Result<_, _>>()?)
}

/// A text to a file, or to standard output where none is named.
fn to(path: Option<&PathBuf>, text: &str) -> Exit {
    let Some(path) = path else {
        print(text);
        return Exit::Pass;
    };
    match result::write(path, text) {
        Ok(()) => Exit::Pass,
        Err(error) => {
            eprintln!("error: {error}");
            Exit::Setup
        }
    }
}

fn wrong(error: &dyn std::error::Error) -> Exit {
    eprintln!("error: {error}");
    Exit::Usage
}

/// With colour where somebody looks at it and has not said no (<https://no-color.org>).
fn on_stdout() -> Choice {
    Choice {
        colour: io::stdout().is_terminal()
            && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        ..Choice::default()
    }
}

/// Whoever closed the pipe does not want the rest; files are written all the same.
pub fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

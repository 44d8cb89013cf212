//! What `run` leaves behind of a result: its text, its files, the summary of a job.

use std::{
    collections::HashMap,
    path::{self, Path, PathBuf},
};

use super::flags::{self, Args, Wanted};
use crate::{
    command::{
        exit_code::Exit,
        output::{self, OutputError, print},
    },
    compare::{CompareFormat, Repeats},
    dial::Target,
    report::{self, Choice, Format, RenderError},
    result::{Document, Report},
    scenario::Scenario,
};

/// What is wanted of a result, and where.
pub(in crate::command) struct Kept<'a> {
    /// The folder.
    pub out: &'a Path,
    /// Further formats.
    pub report: &'a [Wanted],
    /// All metrics in the tables.
    pub all: bool,
    /// Only the verdict and its reason.
    pub quiet: bool,
    /// JSON instead of tables.
    pub json: bool,
}

impl<'a> Kept<'a> {
    /// Of a run.
    pub(super) fn of(run: &'a Args) -> Self {
        Self {
            out: &run.out,
            report: &run.report,
            all: run.all,
            quiet: run.quiet,
            json: run.json,
        }
    }
}

/// What `run` leaves in its folder whatever else is asked for.
const ALWAYS: [Format; 2] = [Format::Json, Format::Html];

/// Everything that `run` leaves behind of a result. Where it is shown as tables, these end with the files.
///
/// # Errors
/// [`OutputError`] at the first that could not be made.
pub(in crate::command) fn leave(report: &Report, run: &Kept<'_>) -> Result<Exit, OutputError> {
    let document = Document::of(report)?;
    let choice = Choice {
        all: run.all,
        ..output::on_stdout()
    };
    let mut exit = match (run.quiet, run.json) {
        (true, _) => print(&format!(
            "{} {}: {}\n",
            report.verdict.name(),
            report.scenario.name,
            report::headline(report).map_err(RenderError::from)?
        )),
        (_, true) => print(&Format::Json.render(&document, choice)?),
        _ => print(&Format::Terminal.render(&document, choice)?),
    };
    exit = exit.worse(save(&document, run, &report.scenario.name)?);
    // A page beside the result, which another file of the same machine's may be.
    if let Err(error) = output::summary(&document) {
        eprintln!("warning: the job has no summary: {error}");
    }
    Ok(exit)
}

/// What is left of one of several runs: its verdict in a line, and its files under its number.
///
/// # Errors
/// [`OutputError`] at the first that could not be made.
pub(super) fn leave_one(report: &Report, run: &Args, nth: u16) -> Result<Exit, OutputError> {
    let document = Document::of(report)?;
    let line = format!(
        "run {nth} of {}: {} {}: {}\n",
        run.repeat,
        report.verdict.name(),
        report.scenario.name,
        report::headline(report).map_err(RenderError::from)?
    );
    let printed = match run.quiet || run.json {
        true => {
            eprint!("{line}");
            Exit::Pass
        }
        false => print(&line),
    };
    let name = format!("{}.run-{nth}", report.scenario.name);
    Ok(printed.worse(save(&document, &Kept::of(run), &name)?))
}

/// What is left of all runs together.
///
/// # Errors
/// [`OutputError`] at the first that could not be made.
pub(super) fn leave_all(repeats: &Repeats, run: &Args) -> Result<Exit, OutputError> {
    let shown = match run.json {
        true => repeats.render(CompareFormat::Json)?,
        false => repeats.render(CompareFormat::Terminal)?,
    };
    let printed = match run.quiet {
        true => print(shown.split_inclusive('\n').next().unwrap_or_default()),
        false => print(&shown),
    };
    for (format, extension) in [
        (CompareFormat::Json, "json"),
        (CompareFormat::Html, "html"),
        (CompareFormat::Markdown, "md"),
    ] {
        let name = format!("{}.runs.{extension}", repeats.scenario);
        let path = run.out.join(name);
        output::write(&path, &repeats.render(format)?)?;
        eprintln!("report: {}", path.display());
    }
    if let Err(error) = output::summarize(&repeats.render(CompareFormat::Markdown)?) {
        eprintln!("warning: the job has no summary: {error}");
    }
    Ok(printed)
}

/// Which files a result becomes under a name.
fn files(run: &Kept<'_>, name: &str) -> impl Iterator<Item = (Format, PathBuf)> {
    let always = ALWAYS.map(|format| Wanted { format, path: None });
    let asked = run.report.iter().cloned();
    // What is left always is not left twice.
    let asked = asked.filter(|one| one.path.is_some() || !ALWAYS.contains(&one.format));
    let all = always.into_iter().chain(asked);
    all.map(move |Wanted { format, path }| {
        let beside = || run.out.join(format!("{name}.{}", format.extension()));
        (format, path.unwrap_or_else(beside))
    })
}

/// The files of one result, which are told.
fn save(document: &Document, run: &Kept<'_>, name: &str) -> Result<Exit, OutputError> {
    let mut exit = Exit::Pass;
    for (format, path) in files(run, name) {
        output::save(document, format, &path)?;
        let told = format!("  report: {}\n", path.display());
        match run.quiet || run.json {
            true => eprint!("{}", told.trim_start()),
            false => exit = exit.worse(print(&told)),
        }
    }
    Ok(exit)
}

/// No format of a result may be written over another one.
///
/// # Errors
/// Which two would be.
pub(in crate::command) fn are_apart(run: &Kept<'_>, name: &str) -> Result<(), String> {
    let mut formats: HashMap<PathBuf, Format> = HashMap::new();
    for (format, path) in files(run, name) {
        let whole = path::absolute(&path).unwrap_or_else(|_| path.clone());
        match formats.insert(whole, format) {
            Some(other) if other != format => {
                return Err(format!(
                    "--report {}={}: {} is written there, too: give each format a file of its own",
                    flags::name(format),
                    path.display(),
                    flags::name(other)
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// No two results may have one name, and each must find its place, or hours later there is none.
pub(super) fn can_be(scenarios: &[(Scenario, Option<Target>)], run: &Args) -> Result<(), Exit> {
    let mut files: HashMap<&str, &Path> = HashMap::new();
    for (scenario, _) in scenarios {
        if let Some(other) = files.insert(&scenario.name, &scenario.path) {
            return Err(output::wrong(format_args!(
                "{} and {} are both called {:?}, and results are named after it: give each `name` once",
                other.display(),
                scenario.path.display(),
                scenario.name
            )));
        }
    }
    let own_place = run.report.iter().any(|wanted| wanted.path.is_some());
    let several = match (run.repeat, scenarios.len()) {
        (2.., _) => Some("--repeat leaves several".to_owned()),
        (_, all @ 2..) => Some(format!("{all} scenarios leave one each")),
        _ => None,
    };
    if let (true, Some(several)) = (own_place, several) {
        return Err(output::wrong(format_args!(
            "--report FORMAT=PATH names one file and {several}: leave its path out, and they lie in the folder of --out",
        )));
    }
    for (scenario, _) in scenarios {
        are_apart(&Kept::of(run), &scenario.name).map_err(output::wrong)?;
    }
    let wanted = run
        .report
        .iter()
        .filter_map(|wanted| wanted.path.as_deref());
    let folders = wanted.filter_map(Path::parent).map(|folder| match folder {
        folder if folder.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    });
    for folder in [run.out.as_path()].into_iter().chain(folders) {
        output::try_folder(folder).map_err(output::failed)?;
    }
    Ok(())
}

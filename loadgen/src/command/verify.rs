//! `verify`: results, pages and sites that were recorded before, worked out again.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    exit_code::Exit,
    output::{print, wrong},
};
use crate::{
    report::publish::LATEST,
    result::Document,
    verify::{self, Verification},
};

/// Of one file, so many wrong values are told.
const TOLD: usize = 100;

/// Flags of `verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = VERIFY_EXIT_CODES)]
pub struct Args {
    /// What is verified: results that `run`, `ab`, `search` or `ladder` wrote, pages that were made of results of `run`, or the folder of a
    /// site that `publish` made.
    #[arg(required = true, value_name = "RESULT")]
    pub results: Vec<PathBuf>,
    /// Tell only what does not follow.
    #[arg(long, short)]
    pub quiet: bool,
}

const VERIFY_EXIT_CODES: &str = "\
Exit codes of `verify`:
  0  everything that can be worked out again follows from what was seen
  1  something does not
  2  the command line is wrong, or something is no result";

/// `loadgen verify`: works out again what was recorded.
pub fn run(args: &Args) -> Result<Exit, Exit> {
    let mut exit = Exit::Pass;
    for path in &args.results {
        let verified = match path.is_dir() {
            true => folder(path),
            false => file(path).map(|one| BTreeMap::from([(path.clone(), one)])),
        };
        match verified {
            Ok(all) => {
                for (path, one) in all {
                    exit = exit.worse(tell(&path, &one, args.quiet));
                }
            }
            Err(why) => exit = exit.worse(wrong(format!("{}: {why}", path.display()))),
        }
    }
    Ok(exit)
}

/// What was found of one file.
fn tell(path: &Path, found: &Verification, quiet: bool) -> Exit {
    let place = path.display();
    let mut text = String::new();
    let wrong = found.wrong.len();
    let counted = format!("{} follow, {} are taken as told", found.follow, found.given);
    // Writing to a string can't fail.
    let _ = match (found.is_clean(), quiet) {
        (true, true) => Ok(()),
        (true, false) => {
            let far = if found.open.is_empty() {
                ""
            } else {
                " as far as it goes"
            };
            writeln!(
                text,
                "{place}: nothing is wrong{far}; of its values {counted}"
            )
        }
        (false, _) => writeln!(
            text,
            "{place}: {wrong} values don't follow; of the others {counted}"
        ),
    };
    for one in found.wrong.iter().take(TOLD) {
        let (said, follows) = (&one.said, &one.follows);
        let _ = writeln!(
            text,
            "  {}: says {said}; what was seen gives {follows}",
            one.place
        );
    }
    if wrong > TOLD {
        let _ = writeln!(text, "  and {} others", wrong - TOLD);
    }
    for why in found.open.iter().filter(|_| !quiet) {
        let _ = writeln!(text, "  not worked out again: {why}");
    }
    let printed = print(&text);
    match found.is_clean() {
        true => printed,
        false => Exit::Fail.worse(printed),
    }
}

/// Whatever a file is: the result of a run, a gate, a search, a ladder or several runs, or a page.
fn file(path: &Path) -> Result<Verification, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    if text.trim_start().starts_with('<') {
        let beside = fs::read_to_string(path.with_extension("json")).ok();
        return verify::page(&text, beside.as_deref()).map_err(|error| error.to_string());
    }
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| format!("this is neither a result nor a page: {error}"))?;
    let has = |key: &str| value.get(key).is_some();
    if has("ab_version") {
        return verify::ab(&text).map_err(|error| error.to_string());
    }
    if has("ladder_version") {
        return verify::ladder(&text).map_err(|error| error.to_string());
    }
    if has("search_version") {
        return verify::search(&text).map_err(|error| error.to_string());
    }
    if has("repeats_version") {
        let runs = runs_beside(path, &value).map_err(|error| error.to_string())?;
        return verify::repeats(&text, &runs).map_err(|error| error.to_string());
    }
    verify::result(&text).map_err(|error| error.to_string())
}

/// The results that several runs left beside their sum: `NAME.run-1.json` and so on beside `NAME.runs.json`. One beyond those that
/// the sum names belongs to it only if it was begun after them: else it is left over from a longer set of before.
fn runs_beside(path: &Path, sum: &Value) -> Result<Vec<Document>, crate::result::ReadError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some(name) = name.strip_suffix(".runs.json") else {
        return Ok(Vec::new());
    };
    let named = sum["runs"].as_array().map_or(0, Vec::len);
    let mut runs: Vec<Document> = Vec::new();
    for nth in 1.. {
        let path = path.with_file_name(format!("{name}.run-{nth}.json"));
        if !path.is_file() {
            break;
        }
        let run = Document::read(&path)?;
        let is_older = |last: &Document| run.report().started < last.report().started;
        if nth > named && runs.last().is_some_and(is_older) {
            break;
        }
        runs.push(run);
    }
    Ok(runs)
}

/// The results and pages of a site: those at its root and in the folders of its scenarios.
fn folder(root: &Path) -> Result<BTreeMap<PathBuf, Verification>, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let read = |error| format!("{}: {error}", folder.display());
        for entry in fs::read_dir(&folder).map_err(read)? {
            let path = entry.map_err(read)?.path();
            let is = |extension| path.extension().is_some_and(|one| one == extension);
            if folder == root && path.is_dir() && !path.ends_with(LATEST) {
                folders.push(path);
            } else if is("html") || is("json") && folder != root {
                let text = fs::read_to_string(&path);
                let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
                let place = path.strip_prefix(root).unwrap_or(&path).to_owned();
                files.insert(place, text);
            }
        }
    }
    if files.is_empty() {
        return Err("there is no result and no page in it".to_owned());
    }
    let found = verify::site(&files).map_err(|error| error.to_string())?;
    let found = found.into_iter();
    Ok(found.map(|(path, one)| (root.join(path), one)).collect())
}

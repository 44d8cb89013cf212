//! `publish`: results that were recorded before, as a site.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    exit_code::Exit,
    output::{self, OutputError, print, wrong},
};
use crate::{
    report::publish::{self, SiteFile},
    result::{self, Document},
    search::ladder::{Headline, Ladder, README_MARKS, between_marks, files, newest, of_index},
};

/// Flags of `publish`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Results to add: the JSON files that `run` and `ladder` wrote. Without any, the site is made again of those that are kept.
    #[arg(value_name = "RESULT.json")]
    pub results: Vec<PathBuf>,
    /// The folder in which results are kept, as JSON. What is in it already stays in the site, and in its trends.
    #[arg(long, default_value = "reports", value_name = "FOLDER")]
    pub to: PathBuf,
    /// The folder that the site is made in: its pages, and the JSON beside them. Default: the same.
    #[arg(long, value_name = "FOLDER")]
    pub site: Option<PathBuf>,
    /// A page in Markdown that gets the picture and the sentence of the newest ladder between its marks.
    #[arg(long, value_name = "FILE")]
    pub readme: Option<PathBuf>,
}

/// What is published.
#[derive(Default)]
struct Kept {
    runs: Vec<Document>,
    /// Each with its text, which is kept as it is.
    ladders: Vec<(Ladder, String)>,
}

impl Kept {
    /// Reads results, each for what it is meant to be.
    fn read<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) -> Result<Self, OutputError> {
        let mut kept = Self::default();
        for path in paths {
            let text = fs::read_to_string(path).unwrap_or_default();
            match Ladder::is_meant(&text) {
                true => kept.ladders.push((Ladder::parse(path, &text)?, text)),
                // Which also says what is wrong with a file that can't be read.
                false => kept.runs.push(Document::read(path)?),
            }
        }
        Ok(kept)
    }

    /// What the newest ladder comes to, and its picture.
    fn newest(&self) -> Option<(Option<SiteFile>, Headline)> {
        newest(self.ladders.iter().map(|(ladder, _)| ladder))
    }
}

/// `loadgen publish`: results that were recorded before, as a site.
pub fn run(args: &Args) -> Result<Exit, Exit> {
    // All are read before the first is written: a mistake in the last one leaves the site as it was.
    let added = Kept::read(&args.results).map_err(wrong)?;
    let mut ladders = added.ladders.iter();
    if let Some(why) = ladders.find_map(|(ladder, _)| ladder.broken_off()) {
        return Err(wrong(format!(
            "{why}, so that the ladder is not whole: measure it again"
        )));
    }
    if args.results.is_empty() && !args.to.is_dir() {
        let none = format!("there are no results in {}: name some", args.to.display());
        return Err(wrong(none));
    }
    let readme = args
        .readme
        .as_ref()
        .map(|path| marked(path).map(|text| (path, text)));
    let readme = readme.transpose().map_err(wrong)?;
    let site = args.site.as_deref().unwrap_or(&args.to);
    let index = publish_all(&added, &args.to, site).map_err(output::failed)?;
    if let Some((path, text)) = readme {
        tell(path, &text, &args.to)?;
    }
    Ok(print(&format!("{}\n", index.display())))
}

fn publish_all(added: &Kept, kept: &Path, site: &Path) -> Result<PathBuf, OutputError> {
    for document in &added.runs {
        write(kept, &publish::kept(document))?;
    }
    for (ladder, text) in &added.ladders {
        // The page is made again with all others.
        let [json, _] = files(ladder, text)?;
        write(kept, &json)?;
    }
    let all = Kept::read(&published_before(kept)?)?;
    let comparisons = all.ladders.iter().map(|(ladder, _)| of_index(ladder));
    let mut made = publish::site(&all.runs, &comparisons.collect::<Vec<_>>())?;
    for (ladder, text) in &all.ladders {
        made.extend(files(ladder, text)?);
    }
    made.extend(all.newest().and_then(|(picture, _)| picture));
    for file in made {
        let path = site.join(&file.path);
        // What is as it was is not written again: its time says when it changed.
        if fs::read_to_string(&path).is_ok_and(|there| there == file.text) {
            continue;
        }
        write(site, &file)?;
    }
    Ok(site.join("index.html"))
}

fn write(folder: &Path, file: &SiteFile) -> Result<(), OutputError> {
    Ok(result::write(&folder.join(&file.path), &file.text)?)
}

/// A page that has the marks.
fn marked(path: &Path) -> Result<String, String> {
    let place = path.display();
    let text = fs::read_to_string(path).map_err(|error| format!("{place}: {error}"))?;
    let [from, to] = README_MARKS;
    match between_marks(&text, "") {
        Some(_) => Ok(text),
        None => Err(format!(
            "{place}: there is no place for a ladder: write a line {from} and beneath it a line {to}"
        )),
    }
}

/// Puts what the newest ladder comes to into a page; the picture is where it was published.
fn tell(path: &Path, text: &str, kept: &Path) -> Result<(), Exit> {
    let all = published_before(kept).and_then(|paths| Kept::read(&paths));
    let all = all.map_err(output::failed)?;
    let Some((_, told)) = all.newest() else {
        return Err(wrong(format!(
            "there is no ladder with this server in {}",
            kept.display()
        )));
    };
    let told = told.markdown(&kept.display().to_string());
    let text = between_marks(text, &told).unwrap_or_default();
    result::write(path, &text).map_err(output::failed)
}

/// The results of a site: those in its scenarios' folders, and in that of comparisons.
fn published_before(site: &Path) -> Result<Vec<PathBuf>, OutputError> {
    let unreadable = |source| result::ReadError::Unreadable {
        path: site.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for folder in fs::read_dir(site).map_err(unreadable)?.flatten() {
        if folder.file_name() == publish::LATEST || !folder.path().is_dir() {
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
    Ok(paths)
}

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
    report::publish,
    result::{self, Document},
};

/// The folder of a site that `run` writes to unless it is told otherwise.
const LATEST: &str = "latest";

/// Flags of `publish`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Results to add: the JSON files that `run` wrote. Without any, the site is made again of those that are kept.
    #[arg(value_name = "RESULT.json")]
    pub results: Vec<PathBuf>,
    /// The folder in which results are kept, as JSON. What is in it already stays in the site, and in its trends.
    #[arg(long, default_value = "reports", value_name = "FOLDER")]
    pub to: PathBuf,
    /// The folder that the site is made in: its pages, and the JSON beside them. Default: the same.
    #[arg(long, value_name = "FOLDER")]
    pub site: Option<PathBuf>,
}

/// `loadgen publish`: results that were recorded before, as a site.
pub fn run(args: &Args) -> Result<Exit, Exit> {
    // All are read before the first is written: a mistake in the last one leaves the site as it was.
    let added = args.results.iter().map(|path| Document::read(path));
    let added: Vec<Document> = added.collect::<Result<_, _>>().map_err(wrong)?;
    if added.is_empty() && !args.to.is_dir() {
        let none = format!("there are no results in {}: name some", args.to.display());
        return Err(wrong(none));
    }
    let site = args.site.as_deref().unwrap_or(&args.to);
    let index = publish_all(&added, &args.to, site).map_err(output::failed)?;
    Ok(print(&format!("{}\n", index.display())))
}

fn publish_all(added: &[Document], kept: &Path, site: &Path) -> Result<PathBuf, OutputError> {
    for document in added {
        let file = publish::kept(document);
        result::write(&kept.join(file.path), &file.text)?;
    }
    for file in publish::site(&published_before(kept)?)? {
        let path = site.join(file.path);
        // What is as it was is not written again: its time says when it changed.
        if fs::read_to_string(&path).is_ok_and(|there| there == file.text) {
            continue;
        }
        result::write(&path, &file.text)?;
    }
    Ok(site.join("index.html"))
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

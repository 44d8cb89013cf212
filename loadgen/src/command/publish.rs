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
    result::{self, Document, Report},
};

/// The folder of a site that `run` writes to unless it is told otherwise.
const LATEST: &str = "latest";

/// Flags of `publish`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Results to add to the site: the JSON files that `run` wrote.
    #[arg(required = true, value_name = "RESULT.json")]
    pub results: Vec<PathBuf>,
    /// The folder of the site. Results that it has already stay in it, and in its trends.
    #[arg(long, default_value = "reports")]
    pub to: PathBuf,
}

/// `loadgen publish`: results that were recorded before, as a site.
pub fn run(args: &Args) -> Result<Exit, Exit> {
    // All are read before the first is written: a mistake in the last one leaves the site as it was.
    let added = args.results.iter().map(|path| Document::read(path));
    let added: Vec<Document> = added.collect::<Result<_, _>>().map_err(wrong)?;
    let index = publish_all(&added, &args.to).map_err(output::failed)?;
    Ok(print(&format!("{}\n", index.display())))
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

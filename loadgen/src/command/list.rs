//! `list`: the shipped scenarios or those below a folder, each with its question.

use std::path::{Path, PathBuf};

use super::{
    catalogue,
    exit_code::Exit,
    output::{self, print, wrong},
};

/// Where a repository has its scenarios.
const FOLDER: &str = "scenarios";

/// Flags of `list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder [default: scenarios, or where there is none the shipped scenarios].
    pub folder: Option<PathBuf>,
    /// List the shipped scenarios, which are run by their names.
    #[arg(long, conflicts_with = "folder")]
    pub shipped: bool,
}

/// `loadgen list`.
pub fn run(list: &Args) -> Result<Exit, Exit> {
    let (usual, width) = (Path::new(FOLDER), Some(output::width()));
    let usual = (!list.shipped && usual.is_dir()).then_some(usual);
    let catalogue = match list.folder.as_deref().or(usual) {
        Some(folder) => catalogue::read(folder, width)
            .map_err(|error| wrong(format!("{}: {error}", folder.display())))?,
        None => catalogue::shipped(width),
    };
    let printed = print(&catalogue.text);
    let broken = catalogue.errors.iter().map(wrong);
    Ok(broken.fold(printed, Exit::worse))
}

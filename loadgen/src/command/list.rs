//! `list`: the scenarios below a folder, each with its question.

use std::path::PathBuf;

use super::{
    catalogue,
    exit_code::Exit,
    output::{print, wrong},
};

/// Flags of `list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder.
    #[arg(default_value = "scenarios")]
    pub folder: PathBuf,
}

/// `loadgen list`.
pub fn run(list: &Args) -> Result<Exit, Exit> {
    let catalogue = catalogue::read(&list.folder);
    let catalogue =
        catalogue.map_err(|error| wrong(format!("{}: {error}", list.folder.display())))?;
    let printed = print(&catalogue.text);
    let broken = catalogue.errors.iter().map(wrong);
    Ok(broken.fold(printed, Exit::worse))
}

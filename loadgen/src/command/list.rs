//! `list`: the scenarios below a folder, each with its question.

use std::path::PathBuf;

use super::{catalogue, exit_code::Exit, output::print};

/// Flags of `list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder.
    #[arg(default_value = "scenarios")]
    pub folder: PathBuf,
}

/// `loadgen list`.
pub fn run(list: &Args) -> Exit {
    match catalogue::read(&list.folder) {
        Ok(catalogue) => {
            print(&catalogue.text);
            for error in &catalogue.errors {
                eprintln!("error: {error}");
            }
            match catalogue.errors.is_empty() {
                true => Exit::Pass,
                false => Exit::Usage,
            }
        }
        Err(error) => {
            eprintln!("error: {}: {error}", list.folder.display());
            Exit::Usage
        }
    }
}

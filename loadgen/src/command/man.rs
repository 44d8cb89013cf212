//! `man`: the manual pages of this program, one for each command.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::CommandFactory;
use clap_mangen::{Man, generate_to};

use super::{
    Cli,
    exit_code::Exit,
    output::{failed, print},
};

/// Flags of `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "As in: loadgen man ~/.local/share/man/man1")]
pub struct Args {
    /// The folder for the pages of the program and of its commands [default: the program's to standard output].
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

/// `loadgen man`.
pub fn run(args: &Args) -> Result<Exit, Exit> {
    let Some(folder) = &args.folder else {
        let mut text = Vec::new();
        // `help` is no command of its own, and has no page in a folder either.
        let command = Cli::command().disable_help_subcommand(true);
        Man::new(command).render(&mut text).map_err(failed)?;
        let text = String::from_utf8(text).map_err(failed)?;
        return Ok(print(&text));
    };
    let written = written(folder);
    let written = written.map_err(|error| failed(format!("{}: {error}", folder.display())))?;
    Ok(print(&written))
}

/// Writes the pages into a folder, and says where they are.
fn written(folder: &Path) -> Result<String, io::Error> {
    fs::create_dir_all(folder)?;
    generate_to(Cli::command(), folder)?;
    let first = folder.join(format!("{}.1", Cli::command().get_name()));
    Ok(format!(
        "the pages are in {}; to read the first: man -l {}\n",
        folder.display(),
        first.display()
    ))
}

//! The commands, one file each: what is typed, what is shown, and how the program ends.

mod ab;
mod arguments;
mod bucket;
mod catalogue;
mod check;
mod cli;
mod compare;
mod completions;
pub mod exit_code;
mod init;
mod kubernetes;
mod ladder;
mod list;
mod live;
mod man;
mod merge;
mod named;
mod obeyed;
mod output;
mod preview;
mod probe;
mod progress;
mod publish;
mod report;
mod run;
mod schema;
mod search;
mod verify;

use std::{io, process::ExitCode};

use self::cli::Command;
pub use self::{
    cli::{Cli, spelt_out},
    exit_code::Exit,
};
use crate::rig::{floor, guard};

/// Does what was typed.
pub fn dispatch(cli: Cli) -> ExitCode {
    // An error has been told where it came up, and is how the program ends.
    let exit = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Ab(args) => ab::run(&args),
        Command::Search(args) => search::run(&args),
        Command::Ladder(args) => ladder::run(&args),
        Command::Probe(args) => probe::run(&args),
        Command::Check(args) => Ok(check::run(&args)),
        Command::Init(args) => init::run(&args),
        Command::List(args) => list::run(&args),
        Command::Schema => schema::run(),
        Command::Merge(args) => merge::run(&args),
        Command::Kubernetes(args) => kubernetes::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Publish(args) => publish::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        // A server says itself how it ended.
        Command::Serve(args) => match server::serve(*args) {
            Ok(stopped) => return stopped.exit_code(),
            Err(error) => Err(output::failed(error)),
        },
        Command::Guard => done(guard::serve()),
        Command::Floor { port, ends_after } => done(floor::serve(port, ends_after)),
    };
    exit.unwrap_or_else(|exit| exit).into()
}

/// Of the two commands that are started by `run` and not by people.
fn done(ended: io::Result<()>) -> Result<Exit, Exit> {
    ended.map(|()| Exit::Pass).map_err(output::failed)
}

//! The `loadgen` program: the only place that ends the process.

use std::process::ExitCode;

use clap::Parser;
use loadgen::command::{Cli, dispatch};

fn main() -> ExitCode {
    dispatch(Cli::parse())
}

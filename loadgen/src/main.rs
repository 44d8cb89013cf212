//! The `loadgen` program: the only place that ends the process.

use std::{env, process::ExitCode};

use clap::Parser;
use loadgen::command::{Cli, dispatch, spelt_out};

fn main() -> ExitCode {
    dispatch(Cli::parse_from(spelt_out(env::args_os())))
}

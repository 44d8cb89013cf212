//! The `server` program: the only place that ends the process.

use std::process::ExitCode;

use clap::Parser;

/// A Socket.IO chat server with optimistic delivery.
#[derive(Parser)]
#[command(version = server::provenance::FULL)]
struct Cli {
    #[command(flatten)]
    args: server::config::Args,
}

fn main() -> ExitCode {
    match server::serve(Cli::parse().args) {
        Ok(stopped) => stopped.exit_code(),
        Err(error) => {
            eprintln!("server: {error}");
            ExitCode::FAILURE
        }
    }
}

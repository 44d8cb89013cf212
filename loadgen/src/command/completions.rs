//! `completions`: what makes a shell complete the commands and flags of this program.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::{
    Cli,
    exit_code::Exit,
    output::{failed, print},
};

/// Flags of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "As in: source <(loadgen completions bash)")]
pub struct Args {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `loadgen completions`.
pub fn run(args: &Args) -> Result<Exit, Exit> {
    let mut command = Cli::command();
    let program = command.get_name().to_owned();
    let mut text = Vec::new();
    generate(args.shell, &mut command, program, &mut text);
    let text = String::from_utf8(text).map_err(failed)?;
    Ok(print(&text))
}

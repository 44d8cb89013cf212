//! `compare`: two results that were recorded before, number by number.

use std::path::PathBuf;

use super::{
    exit_code::Exit,
    output::{self, wrong},
};
use crate::{
    compare::{self, Allowance, CompareFormat},
    result::Document,
};

/// Flags of `compare`.
#[derive(Debug, clap::Args)]
#[command(after_help = COMPARE_EXIT_CODES)]
pub struct Args {
    /// The earlier result.
    #[arg(value_name = "BEFORE.json")]
    pub before: PathBuf,
    /// The later result.
    #[arg(value_name = "AFTER.json")]
    pub after: PathBuf,
    /// How much worse a number may be, as in delivery.p99=10%, delivery.p50=200us, delivery.within_5ms=0.5% or lost=0.
    #[arg(long, value_name = "NUMBER=LIMIT")]
    pub fail_on_regression: Vec<Allowance>,
    /// Compare also results of different scenarios or delivery modes.
    #[arg(long)]
    pub anyway: bool,
    /// What to make of it.
    #[arg(long, short, default_value = "terminal")]
    pub format: CompareFormat,
    /// The file to write, instead of standard output.
    #[arg(long, short)]
    pub out: Option<PathBuf>,
}

const COMPARE_EXIT_CODES: &str = "\
Exit codes of `compare`:
  0  nothing got worse than --fail-on-regression allows, or it was not given
  1  something did, and its whole interval
  2  the command line or a result is wrong, or they answer different questions
  3  the runs can't tell
  4  one of the results is INVALID";

/// `loadgen compare`: two results that were recorded before.
pub fn run(args: &Args) -> Result<Exit, Exit> {
    let before = Document::read(&args.before).map_err(wrong)?;
    let after = Document::read(&args.after).map_err(wrong)?;
    let (before, after) = (before.report(), after.report());
    let comparison = compare::compare(before, after, &args.fail_on_regression, args.anyway);
    let comparison = comparison.map_err(wrong)?;
    let text = comparison.render(args.format, before, after);
    output::to(args.out.as_ref(), &text.map_err(wrong)?)?;
    Ok(comparison.verdict.map_or(Exit::Pass, Exit::from))
}

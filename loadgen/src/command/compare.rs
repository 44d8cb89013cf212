//! `compare`: results that were recorded before, number by number.

use std::path::PathBuf;

use super::{
    exit_code::Exit,
    output::{self, wrong},
};
use crate::{
    compare::{self, Allowance, CompareFormat, Insist},
    result::{Document, Report},
};

/// Flags of `compare`.
#[derive(Debug, clap::Args)]
#[command(after_help = COMPARE_EXIT_CODES, override_usage = USAGE)]
pub struct Args {
    /// The result before the change.
    #[arg(value_name = "BASE.json", requires = "after")]
    pub before: Option<PathBuf>,
    /// The result with the change.
    #[arg(value_name = "CHANGE.json")]
    pub after: Option<PathBuf>,
    /// Results before the change, each of one run.
    #[arg(
        long,
        num_args = 1..,
        value_name = "RESULT.json",
        required_unless_present = "before",
        conflicts_with = "before",
        requires = "change"
    )]
    pub base: Vec<PathBuf>,
    /// Results with the change.
    #[arg(long, num_args = 1.., value_name = "RESULT.json", requires = "base")]
    pub change: Vec<PathBuf>,
    /// How much worse a number may be, as in delivery.p99=10%, delivery.p50=200us, delivery.within_5ms=0.5% or lost=0.
    #[arg(long, value_name = "NUMBER=LIMIT")]
    pub fail_on_regression: Vec<Allowance>,
    /// Judge by the plain ratio or difference what has no interval, as of one run against one. Chance fails it often.
    #[arg(long, requires = "fail_on_regression")]
    pub by_plain_ratio: bool,
    /// Compare also results of different scenarios or delivery modes, or of different targets, stores, machines or labels
    /// on one side.
    #[arg(long)]
    pub anyway: bool,
    /// What to make of it.
    #[arg(long, short, default_value = "terminal")]
    pub format: CompareFormat,
    /// The file to write, instead of standard output.
    #[arg(long, short)]
    pub out: Option<PathBuf>,
}

const USAGE: &str = "\
loadgen compare [OPTIONS] <BASE.json> <CHANGE.json>
       loadgen compare [OPTIONS] --base <RESULT.json>... --change <RESULT.json>...";

const COMPARE_EXIT_CODES: &str = "\
Exit codes of `compare`:
  0  nothing got worse than --fail-on-regression allows, or it was not given
  1  something did, and its whole interval (or, with --by-plain-ratio, by itself)
  2  the command line or a result is wrong, or they answer different questions
  3  the runs can't tell: always so of one run against one
  4  all results of one side are INVALID";

/// `loadgen compare`: results that were recorded before.
pub fn run(args: &Args) -> Result<Exit, Exit> {
    let read = |one: &Option<PathBuf>, more: &[PathBuf]| {
        let read = one.iter().chain(more).map(|path| Document::read(path));
        read.collect::<Result<Vec<Document>, _>>().map_err(wrong)
    };
    let (base, change) = (
        read(&args.before, &args.base)?,
        read(&args.after, &args.change)?,
    );
    let base: Vec<&Report> = base.iter().map(Document::report).collect();
    let change: Vec<&Report> = change.iter().map(Document::report).collect();
    let insist = Insist {
        anyway: args.anyway,
        by_plain_ratio: args.by_plain_ratio,
    };
    let comparison = compare::compare(&base, &change, &args.fail_on_regression, insist);
    let comparison = comparison.map_err(wrong)?;
    let text = match args.format {
        CompareFormat::Terminal => comparison.text(Some(output::width())),
        format => comparison.render(format, &base, &change).map_err(wrong)?,
    };
    output::to(args.out.as_ref(), &text)?;
    Ok(comparison.verdict.map_or(Exit::Pass, Exit::from))
}

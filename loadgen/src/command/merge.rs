//! `merge`: what the shards of one run have recorded, judged as one run and left as one result.

mod awaited;

use std::{env, path::PathBuf};

use self::awaited::Come;
use super::{
    arguments::moment,
    exit_code::Exit,
    output::{self, print, wrong},
    run::{
        flags::Wanted,
        left::{self, Kept},
        typed,
    },
};
use crate::{
    experiment,
    scenario::Span,
    shards::{self, Whole},
};

/// Flags of `merge`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the shards have left: all of shard-K-of-N.json, here or in a bucket.
    #[arg(required_unless_present = "schema", value_name = "SHARD")]
    pub shards: Vec<PathBuf>,
    /// Which run it is, by the --start-at of its shards: what another run has left under these names is no part of it.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub start_at: Option<u64>,
    /// Wait so long for the files of the run of --start-at that are not there yet; those that do not come are missing.
    #[arg(long, value_name = "DURATION")]
    pub wait: Option<Span>,
    /// The folder for the result, as JSON; also one in a bucket, as in s3://bucket/folder.
    #[arg(long, default_value = "reports/latest")]
    pub out: PathBuf,
    /// A further format of the result; without a path, into the folder of `--out`.
    #[arg(long, value_name = "FORMAT[=PATH]")]
    pub report: Vec<Wanted>,
    /// All metrics in the tables, and not only those that limits name.
    #[arg(long)]
    pub all: bool,
    /// Print only the verdict and its reason.
    #[arg(long, short)]
    pub quiet: bool,
    /// Print the result as JSON instead of tables.
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Print the JSON Schema of what a shard leaves instead.
    #[arg(long, conflicts_with_all = ["shards", "start_at", "wait", "out", "report", "all", "quiet", "json"])]
    pub schema: bool,
}

/// `loadgen merge`: the exit code is that of a run.
pub fn run(args: &Args) -> Result<Exit, Exit> {
    if args.schema {
        return Ok(print(&shards::schema()));
    }
    if args.wait.is_some() && args.start_at.is_none() {
        return Err(wrong(
            "--wait: an earlier run may have left files of these names, which are there at once: say which run is waited for, with the --start-at of its shards",
        ));
    }
    output::try_folder(&args.out).map_err(output::failed)?;
    let Come { given, left_out } = awaited::come(args).map_err(wrong)?;
    if let (true, Some(left_out)) = (given.is_empty(), &left_out) {
        return Err(wrong(format!(
            "{left_out}: give --wait more time, or the names of what the shards have left"
        )));
    }
    let whole = Whole::of(given).map_err(|error| match &left_out {
        Some(left_out) => wrong(format!("{error}; {left_out}")),
        None => wrong(error),
    })?;
    if let Some(left_out) = left_out {
        eprintln!("warning: {left_out}");
    }
    let report = whole.report(typed::typed(env::args_os()), &experiment::now());
    let kept = Kept {
        out: &args.out,
        report: &args.report,
        all: args.all,
        quiet: args.quiet,
        json: args.json,
    };
    left::are_apart(&kept, &report.scenario.name).map_err(wrong)?;
    let left = left::leave(&report, &kept).map_err(output::failed)?;
    Ok(Exit::from(report.verdict).worse(left))
}

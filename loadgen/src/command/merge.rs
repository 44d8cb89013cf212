//! `merge`: what the shards of one run have recorded, judged as one run and left as one result.

use std::{
    env,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use super::{
    bucket,
    exit_code::Exit,
    output::{self, OutputError, print, wrong},
    run::{
        flags::Wanted,
        left::{self, Kept},
        typed,
    },
};
use crate::{
    experiment,
    scenario::Span,
    shards::{self, Given, Whole},
};

/// How often is looked for files that are not there yet.
const LOOK: Duration = Duration::from_millis(250);
/// In a bucket each look is a request.
const LOOK_AFAR: Duration = Duration::from_secs(2);

/// Flags of `merge`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the shards have left: all of shard-K-of-N.json, here or in a bucket.
    #[arg(required_unless_present = "schema", value_name = "SHARD")]
    pub shards: Vec<PathBuf>,
    /// Wait so long for the files that are not there yet; those that do not come are missing.
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
    #[arg(long, conflicts_with_all = ["shards", "wait", "out", "report", "all", "quiet", "json"])]
    pub schema: bool,
}

/// `loadgen merge`: the exit code is that of a run.
pub fn run(args: &Args) -> Result<Exit, Exit> {
    if args.schema {
        return Ok(print(&shards::schema()));
    }
    output::try_folder(&args.out).map_err(output::failed)?;
    let there = there(args).map_err(wrong)?;
    let absent = absent(args, &there);
    if let (true, Some(absent)) = (there.is_empty(), &absent) {
        return Err(wrong(format!(
            "{absent}: give --wait more time, or the names of what the shards have left"
        )));
    }
    let given: Vec<Given> = there
        .iter()
        .map(|path| {
            let name = path.display().to_string();
            let text = output::read(path).map_err(wrong)?;
            Given::read(&name, &text).map_err(wrong)
        })
        .collect::<Result<_, _>>()?;
    let whole = Whole::of(given).map_err(|error| match &absent {
        Some(absent) => wrong(format!("{error}; {absent}")),
        None => wrong(error),
    })?;
    let report = whole.report(typed::typed(env::args_os()), &experiment::now());
    let kept = Kept {
        out: &args.out,
        report: &args.report,
        all: args.all,
        quiet: args.quiet,
        json: args.json,
    };
    let left = left::leave(&report, &kept).map_err(output::failed)?;
    Ok(Exit::from(report.verdict).worse(left))
}

/// The files that there are, once all are there or it has been waited for long enough; all of them where nobody wants to wait.
fn there(args: &Args) -> Result<Vec<PathBuf>, OutputError> {
    let Some(Span(wait)) = args.wait else {
        return Ok(args.shards.clone());
    };
    let began = Instant::now();
    let mut there = Vec::new();
    loop {
        for path in &args.shards {
            if !there.contains(path) && output::is_there(path)? {
                there.push(path.clone());
            }
        }
        if there.len() == args.shards.len() || began.elapsed() >= wait {
            let mut all = args.shards.clone();
            all.retain(|path| there.contains(path));
            return Ok(all);
        }
        let is_afar = args.shards.iter().any(|path| bucket::is_address(path));
        thread::sleep(if is_afar { LOOK_AFAR } else { LOOK });
    }
}

/// Which files did not come while they were waited for, in words.
fn absent(args: &Args, there: &[PathBuf]) -> Option<String> {
    let wait = args.wait?;
    let absent = args.shards.iter().filter(|path| !there.contains(path));
    let absent: Vec<String> = absent.map(|path| path.display().to_string()).collect();
    (!absent.is_empty()).then(|| format!("not there after {wait}: {}", absent.join(", ")))
}

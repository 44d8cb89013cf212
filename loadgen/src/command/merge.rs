//! `merge`: what the shards of one run have recorded, judged as one run and left as one result.

use std::{
    env, fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use super::{
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
    shards::{self, Given, Whole},
};

/// How often is looked for files that are not there yet.
const LOOK: Duration = Duration::from_millis(250);

/// Flags of `merge`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the shards have left: all of shard-K-of-N.json.
    #[arg(required_unless_present = "schema", value_name = "SHARD")]
    pub shards: Vec<PathBuf>,
    /// Wait so long for the files that are not there yet; those that do not come are missing.
    #[arg(long, value_name = "DURATION")]
    pub wait: Option<Span>,
    /// The folder for the result, as JSON.
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
    let given: Vec<Given> = there(args)
        .iter()
        .map(|path| {
            let name = path.display().to_string();
            let text = fs::read_to_string(path);
            let text = text.map_err(|error| wrong(format!("{name} could not be read: {error}")))?;
            Given::read(&name, &text).map_err(wrong)
        })
        .collect::<Result<_, _>>()?;
    let whole = Whole::of(given).map_err(wrong)?;
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
fn there(args: &Args) -> Vec<PathBuf> {
    let Some(Span(wait)) = args.wait else {
        return args.shards.clone();
    };
    let began = Instant::now();
    loop {
        let there: Vec<PathBuf> = args
            .shards
            .iter()
            .filter(|path| path.exists())
            .cloned()
            .collect();
        if there.len() == args.shards.len() || began.elapsed() >= wait {
            return there;
        }
        thread::sleep(LOOK);
    }
}

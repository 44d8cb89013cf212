//! `report`: a result that was recorded before, in any format.

use std::path::PathBuf;

use super::{
    exit_code::Exit,
    output::{self, in_a_file, on_stdout, print, wrong},
};
use crate::{
    model::Metric,
    report::{Choice, Format},
    result::{self, Document},
};

/// Flags of `report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The result of a run: the JSON file that `run` wrote.
    #[arg(required_unless_present = "schema")]
    pub result: Option<PathBuf>,
    /// What to make of it.
    #[arg(long, short, default_value = "terminal")]
    pub format: Format,
    /// The file to write, instead of standard output.
    #[arg(long, short)]
    pub out: Option<PathBuf>,
    /// The metric of a format that holds only one, as `hgrm` does.
    #[arg(long, default_value = "delivery", value_parser = metric)]
    pub metric: Metric,
    /// All metrics in the tables of a terminal, and not only those that limits name.
    #[arg(long)]
    pub all: bool,
    /// Print the JSON Schema of results instead.
    #[arg(long, conflicts_with_all = ["result", "format", "out", "metric", "all"])]
    pub schema: bool,
}

/// `loadgen report`: a result that was recorded before, in any format.
pub fn run(args: &Args) -> Result<Exit, Exit> {
    let Some(path) = &args.result else {
        return Ok(print(&result::schema()));
    };
    let document = Document::read(path).map_err(wrong)?;
    let choice = Choice {
        metric: args.metric,
        all: args.all,
        ..match args.out {
            Some(_) => in_a_file(),
            None => on_stdout(),
        }
    };
    let text = args.format.render(&document, choice).map_err(wrong)?;
    output::to(args.out.as_ref(), &text)?;
    Ok(Exit::Pass)
}

fn metric(key: &str) -> Result<Metric, String> {
    Metric::from_key(key).ok_or_else(|| {
        let known = Metric::ALL.map(|metric| metric.definition().key);
        format!("there are {}", known.join(", "))
    })
}

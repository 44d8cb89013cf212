//! `ladder`: the highest rates of several systems in several scenarios, over each other.

use std::{path::PathBuf, str::FromStr};

use tokio::runtime::Builder;

use super::{
    arguments::{Load, Servers},
    exit_code::Exit,
    output::{self, OutputError, print},
    run,
    search::{self, Reach},
};
use crate::{
    experiment::{Entrant, Interrupt},
    scenario::Scenario,
    search::ladder::{self, Ladder, LadderFormat},
};

/// Flags of `ladder`.
#[derive(Debug, clap::Args)]
#[command(after_help = LADDER_EXIT_CODES)]
pub struct Args {
    /// The scenario files, one after another.
    #[arg(value_name = "SCENARIO", required_unless_present = "schema")]
    pub scenarios: Vec<PathBuf>,
    /// What is held against each other: own, own:PATH of a build of the server, peer:NAME, relay, cmd:COMMAND with {port} in it,
    /// or a URL.
    ///
    /// A store of its own stands behind a server or peer, as in own@docker.
    /// Peers are node, node-persist-first, python and socketioxide. The relay only passes messages on: it shows what the machine leaves.
    /// A comma in a command divides only where one of these names follows.
    #[arg(
        long,
        value_name = "SYSTEM[,SYSTEM]",
        default_value = "own,peer:node,relay"
    )]
    pub systems: Vec<Systems>,
    /// How long is searched, and how far.
    #[command(flatten)]
    pub reach: Reach,
    /// The servers that are started here, and their stores.
    #[command(flatten)]
    pub servers: Servers,
    /// What is asked of them, by which generator, and what is said of it.
    #[command(flatten)]
    pub load: Load,
    /// The folder for the result as JSON, as a page and as Markdown.
    #[arg(long, default_value = "reports/latest")]
    pub out: PathBuf,
    /// Print only the verdict and what it comes to.
    #[arg(long, short)]
    pub quiet: bool,
    /// Print the result as JSON instead of tables.
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Print the JSON Schema of such results instead.
    #[arg(long, conflicts_with = "scenarios")]
    pub schema: bool,
}

/// Systems that are named in one word.
#[derive(Debug, Clone)]
pub struct Systems(Vec<Entrant>);

impl FromStr for Systems {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Entrant::several(text).map(Self)
    }
}

impl Args {
    fn systems(&self) -> Vec<Entrant> {
        let named = self.systems.iter().flat_map(|Systems(all)| all);
        named.cloned().collect()
    }
}

const LADDER_EXIT_CODES: &str = "\
Exit codes of `ladder`; of several systems and scenarios, the weightiest:
  0  PASS          each highest rate is found and confirmed
  1  FAIL          a system keeps the limits at no rate, however low
  2                the command line or a scenario file is wrong; nothing was run
  3  INCONCLUSIVE  a budget ended, a highest rate could not be confirmed, a rate missed the limits below one that kept them, or
                   a scenario was not searched
  4  INVALID       the generator or the machine, not the server, ended a search
  5                a store or a system could not be set up, or died";

/// `loadgen ladder`: searches for one scenario after the other, and leaves all of it as one result.
pub fn run(args: &Args) -> Result<Exit, Exit> {
    if args.scenarios.is_empty() {
        return Ok(print(&ladder::schema()));
    }
    let systems = args.systems();
    let systems = ("--systems", &systems[..]);
    let scenario = |path: &PathBuf| search::scenario(path, systems, &args.servers, &args.load);
    let scenarios = args.scenarios.iter().map(scenario);
    let scenarios: Vec<Scenario> = scenarios.collect::<Result<_, _>>()?;
    output::try_folder(&args.out).map_err(output::failed)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(output::failed)?;
    run::arm_guard();
    let exit = runtime.block_on(async {
        let interrupt = Interrupt::listen().map_err(output::failed)?;
        tokio::select! {
            exit = measure(&scenarios, args, &interrupt) => Ok(exit),
            () = interrupt.nth(2) => Ok(Exit::Inconclusive),
        }
    });
    runtime.shutdown_background();
    exit
}

/// What was found until something ended it is left all the same.
async fn measure(scenarios: &[Scenario], args: &Args, interrupt: &Interrupt) -> Exit {
    let options = args.servers.options(&args.load);
    let asked = args.reach.of(&args.systems());
    let mut searches = Vec::new();
    let mut exit = Exit::Pass;
    for scenario in scenarios {
        match search::found(scenario, &options, &asked, args.quiet, interrupt).await {
            Ok(finished) => {
                searches.push(finished.found);
                exit = finished.died.map_or(exit, output::failed);
            }
            Err(failed) => exit = failed,
        }
        if exit != Exit::Pass || interrupt.has_come() {
            break;
        }
    }
    if interrupt.has_come() {
        exit = exit.worse(Exit::Inconclusive);
    }
    let names = scenarios.iter().map(|scenario| scenario.name.clone());
    let Some(ladder) = Ladder::of(searches, names.collect()) else {
        return exit;
    };
    let left = leave(&ladder, args).unwrap_or_else(output::failed);
    exit.worse(ladder.verdict.into()).worse(left)
}

/// The result to standard output, into the folder, and into a job's summary.
fn leave(ladder: &Ladder, args: &Args) -> Result<Exit, OutputError> {
    let shown = match args.json {
        true => LadderFormat::Json,
        false => LadderFormat::Terminal,
    };
    let text = shown.render(ladder)?;
    let printed = match args.quiet {
        // The first paragraph is what it comes to.
        true => print(&format!(
            "{}\n",
            text.split("\n\n").next().unwrap_or_default()
        )),
        false => print(&text),
    };
    for format in LadderFormat::FILES {
        let path = args.out.join(format!("systems.{}", format.extension()));
        output::write(&path, &format.render(ladder)?)?;
        eprintln!("report: {}", path.display());
    }
    if let Err(error) = output::summarize(&LadderFormat::Markdown.render(ladder)?) {
        eprintln!("warning: the job has no summary: {error}");
    }
    Ok(printed)
}

//! `ab`: the change against its base, in turn, until it is known whether the change is slower.

use std::path::PathBuf;

use tokio::runtime::Builder;

use super::{
    arguments::{Load, Servers},
    exit_code::Exit,
    named,
    output::{self, OutputError, print},
    progress::{Progress, Silence},
    run,
};
use crate::{
    compare::ab::{
        self, AbFormat, AbResult, CYCLES, Compared, MOST_CYCLES, Number, Trial, sequential::FEWEST,
    },
    experiment::{self, AbFinished, AbOptions, Entrant, Interrupt, SystemChoice, Watcher},
    scenario::{Block, Scenario, Span},
};

/// A shorter block has no second of its own.
const SHORTEST: Span = Span(std::time::Duration::from_secs(1));

/// Flags of `ab`.
#[derive(Debug, clap::Args)]
#[command(after_help = AB_EXIT_CODES)]
pub struct Args {
    /// The scenario, a file or a shipped one's name: a block has the load of its busiest measured phase.
    #[arg(value_name = "SCENARIO")]
    pub scenario: PathBuf,
    /// What the change is held against: own, own:PATH of a build of the server, peer:NAME, cmd:COMMAND with {port} in it, or a
    /// URL.
    ///
    /// What is not a URL is started anew for each block, on an empty store, and ended with its children. A store of its own
    /// stands behind a server or peer, as in own@docker.
    #[arg(long, value_name = "SYSTEM")]
    pub base: Entrant,
    /// What is judged, likewise.
    #[arg(long, value_name = "SYSTEM")]
    pub change: Entrant,
    /// A number to compare, with its margin where it has one of its own, as in delivery.p99=30%; can be given again.
    ///
    /// Percentiles, means and largest of the metrics of thresholds, and server.cpu: the CPU of the server for each message
    /// [default: delivery.p50, delivery.p99, server.cpu].
    #[arg(long, value_name = "NUMBER[=MARGIN]")]
    pub metric: Vec<Compared>,
    /// By how much numbers may be larger [default: 10%, of tails 20%]; a time always by 50 µs.
    #[arg(long, value_name = "PERCENT", value_parser = ab::margin)]
    pub margin: Option<f64>,
    /// Cycles at most, each of base, change and a bare relay.
    #[arg(long, default_value_t = CYCLES, value_parser = cycles)]
    pub cycles: usize,
    /// How long the load goes before a block, unmeasured.
    #[arg(long, default_value = "2s", value_name = "DURATION")]
    pub warm_up: Span,
    /// How long a block is.
    #[arg(long, default_value = "8s", value_name = "DURATION", value_parser = block)]
    pub block: Span,
    /// The phase whose load a block has [default: the busiest measured one].
    #[arg(long, value_name = "NAME")]
    pub phase: Option<String>,
    /// The seed of the orders in the cycles [default: drawn].
    #[arg(long, value_name = "SEED")]
    pub order_seed: Option<u64>,
    /// The servers that are started here, and their stores.
    #[command(flatten)]
    pub servers: Servers,
    /// What is asked of them, by which generator, and what is said of it.
    #[command(flatten)]
    pub load: Load,
    /// The folder for the result as JSON, as a page, as Markdown and as JUnit XML.
    #[arg(long, default_value = "reports/latest")]
    pub out: PathBuf,
    /// Print only the verdict and its reason.
    #[arg(long, short)]
    pub quiet: bool,
    /// Print the result as JSON instead of tables.
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
}

const AB_EXIT_CODES: &str = "\
Exit codes of `ab`:
  0  PASS          no number is slower by its margin, for certain
  1  FAIL          a number is slower for certain and by more than its margin, or the change broke a promise
  2                the command line or the scenario file is wrong; nothing was run
  3  INCONCLUSIVE  neither; where the base would not pass against itself either, it says so
  4  INVALID       most cycles were disturbed: the machine, not the change, decided the numbers
  5                a store or a system could not be set up, or died in mid-run";

fn cycles(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(cycles) if (FEWEST..=MOST_CYCLES).contains(&cycles) => Ok(cycles),
        _ => Err(format!(
            "{text:?} is no number of cycles from {FEWEST} to {MOST_CYCLES}"
        )),
    }
}

fn block(text: &str) -> Result<Span, String> {
    match text.parse::<Span>()? {
        span if span < SHORTEST => Err(format!("a block is {SHORTEST} at least")),
        span => Ok(span),
    }
}

/// `loadgen ab`: measures both sides in turn, and leaves the result where it is wanted.
pub fn run(args: &Args) -> Result<Exit, Exit> {
    let compared = compared(args).map_err(output::wrong)?;
    let scenario = scenario(args)?;
    output::try_folder(&args.out).map_err(output::failed)?;
    let ab = AbOptions {
        base: args.base.clone(),
        change: args.change.clone(),
        compared,
        block: Block {
            phase: args.phase.clone(),
            warm_up: args.warm_up.0,
            length: args.block.0,
        },
        cycles: args.cycles,
        order_seed: args.order_seed.unwrap_or_else(rand::random),
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(output::failed)?;
    run::arm_guard();
    let exit = runtime.block_on(async {
        let interrupt = Interrupt::listen().map_err(output::failed)?;
        tokio::select! {
            exit = measure(&scenario, &ab, args, &interrupt) => Ok(exit),
            () = interrupt.nth(2) => Ok(Exit::Inconclusive),
        }
    });
    runtime.shutdown_background();
    exit
}

/// By which numbers, each once, and each such that a change can fail by it.
fn compared(args: &Args) -> Result<Vec<Compared>, String> {
    let mut compared = args.metric.clone();
    let hidden = [("--base", &args.base), ("--change", &args.change)];
    let hidden = hidden
        .into_iter()
        .find(|(_, side)| side.system.hides_its_processes());
    if compared.is_empty() {
        compared = ab::defaults();
        // Nobody was promised it.
        compared.retain(|one| one.number != Number::ServerCpu || hidden.is_none());
    }
    for (place, one) in compared.iter().enumerate() {
        if compared[..place]
            .iter()
            .any(|other| other.number == one.number)
        {
            return Err(format!(
                "--metric names {} twice: name each once",
                one.number
            ));
        }
        if let (Number::ServerCpu, Some((flag, _))) = (one.number, hidden) {
            return Err(format!(
                "--metric {}: nobody knows the processes of a URL; let {flag} be started here (own, or cmd:COMMAND), or compare times",
                one.number
            ));
        }
    }
    for one in &mut compared {
        one.margin = one.margin.or(args.margin);
    }
    if Trial::new(compared.clone(), args.cycles)
        .soonest()
        .is_none()
    {
        let numbers = compared.len();
        let enough = (args.cycles..=MOST_CYCLES)
            .find(|cycles| Trial::new(compared.clone(), *cycles).soonest().is_some())
            .unwrap_or(MOST_CYCLES);
        return Err(format!(
            "--cycles {}: with {numbers} numbers no change can fail for certain in so few; write {enough} or more, or compare fewer numbers",
            args.cycles
        ));
    }
    Ok(compared)
}

/// The scenario with the flags of the command line.
fn scenario(args: &Args) -> Result<Scenario, Exit> {
    let mut scenario = named::scenario(&args.scenario, &args.load.set).map_err(output::wrong)?;
    let systems = [("--base", &args.base), ("--change", &args.change)];
    let obeyed = args.servers.can_be_told(systems, &args.load);
    obeyed.map_err(output::wrong)?;
    args.servers.ask(&mut scenario);
    args.load.ask(&mut scenario).map_err(output::wrong)?;
    for (flag, entrant) in systems {
        let asked = match &entrant.system {
            SystemChoice::Relay => Err("it is measured in every cycle beside both".to_owned()),
            system => system.can_be_asked(&scenario),
        };
        asked.map_err(|why| output::wrong(format!("{flag} {entrant}: {why}")))?;
    }
    Ok(scenario)
}

async fn measure(scenario: &Scenario, ab: &AbOptions, args: &Args, interrupt: &Interrupt) -> Exit {
    let options = args.servers.options(&args.load);
    let mut watcher: Box<dyn Watcher> = match args.quiet {
        true => Box::new(Silence),
        false => Box::new(Progress::on_stderr()),
    };
    let finished = experiment::ab(scenario, &options, ab, interrupt, watcher.as_mut()).await;
    drop(watcher);
    let finished: AbFinished = match finished {
        Ok(finished) => finished,
        Err(error) => return output::not_measured(error),
    };
    for what in finished.not_cleaned_up {
        eprintln!("warning: {what}");
    }
    let left = match leave(&finished.result, args) {
        Ok(left) => left,
        Err(error) => return output::failed(error),
    };
    let exit = match finished.died {
        Some(why) => output::failed(why),
        None => finished.result.verdict.into(),
    };
    exit.worse(left)
}

/// The result to standard output, into the folder, and into a job's summary.
fn leave(result: &AbResult, args: &Args) -> Result<Exit, OutputError> {
    let text = match args.json {
        true => AbFormat::Json.render(result)?,
        false => AbFormat::Terminal.render(result)?,
    };
    let printed = match args.quiet {
        true => print(text.split_inclusive('\n').next().unwrap_or_default()),
        false => print(&text),
    };
    for format in AbFormat::FILES {
        let name = format!("{}.{}", result.scenario.name, format.extension());
        let path = args.out.join(name);
        output::write(&path, &format.render(result)?)?;
        eprintln!("report: {}", path.display());
    }
    if let Err(error) = output::summarize(&AbFormat::Markdown.render(result)?) {
        eprintln!("warning: the job has no summary: {error}");
    }
    Ok(printed)
}

//! `search`: the highest rate that keeps the limits of a scenario, of one system or of several.

use std::path::{Path, PathBuf};

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
    experiment::{self, Entrant, Interrupt, Options, SearchFinished, SearchOptions, Watcher},
    scenario::{Rate, Scenario, Span},
    search::{self, Found, SearchFormat},
};

/// Flags of `search`.
#[derive(Debug, clap::Args)]
#[command(after_help = SEARCH_EXIT_CODES)]
pub struct Args {
    /// The scenario, a file or a shipped one's name: all its rates are scaled by one factor.
    #[arg(value_name = "SCENARIO", required_unless_present = "schema")]
    pub scenario: Option<PathBuf>,
    /// What is searched: own, own:PATH of a build of the server, peer:NAME, relay, cmd:COMMAND with {port} in it, or a URL; can
    /// be given again. A store of its own stands behind a server or peer, as in own@docker.
    ///
    /// Each is started once. The holds of several take turns. Peers are node, node-persist-first, python and socketioxide.
    #[arg(long, value_name = "SYSTEM", default_value = "own")]
    pub system: Vec<Entrant>,
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
    /// Print only the verdict and what was found, a line for each system.
    #[arg(long, short)]
    pub quiet: bool,
    /// Print the result as JSON instead of tables.
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Print the JSON Schema of such results instead.
    #[arg(long, conflicts_with = "scenario")]
    pub schema: bool,
}

/// How long is searched, and how far: the same of one scenario and of a ladder.
#[derive(Debug, Clone, clap::Args)]
pub struct Reach {
    /// How long the search of each system may take.
    #[arg(long, value_name = "DURATION", default_value = "15min")]
    pub budget: Span,
    /// The measured time of a hold of full length [default: the scenario's, or less where the budget has no room for 16].
    #[arg(long, value_name = "DURATION", value_parser = hold)]
    pub hold: Option<Span>,
    /// The highest rate to ask for, as in 20000/s [default: 256 times the scenario's].
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub up_to: Option<Rate>,
}

const SEARCH_EXIT_CODES: &str = "\
Exit codes of `search`; of several systems, the weightiest:
  0  PASS          the highest rate is found and confirmed
  1  FAIL          no rate keeps the limits, however low
  2                the command line or the scenario file is wrong; nothing was run
  3  INCONCLUSIVE  the budget ended, the highest rate could not be confirmed, or a rate missed the limits below one that
                   kept them
  4  INVALID       the generator or the machine, not the server, ended the search
  5                a store or a system could not be set up, or died";

fn hold(text: &str) -> Result<Span, String> {
    let span = text.parse::<Span>()?;
    let shortest = Span(search::shortest());
    match span < shortest {
        true => Err(format!("a hold that can decide is {shortest} at least")),
        false => Ok(span),
    }
}

fn rate(text: &str) -> Result<Rate, String> {
    match text.parse::<Rate>()? {
        Rate(rate) if rate <= 0.0 => Err("write a rate above 0/s".to_owned()),
        rate => Ok(rate),
    }
}

/// `loadgen search`: holds rates until the highest is known, and leaves the result where it is wanted.
pub fn run(args: &Args) -> Result<Exit, Exit> {
    let Some(path) = &args.scenario else {
        return Ok(print(&search::schema()));
    };
    let systems = ("--system", &args.system[..]);
    let scenario = scenario(path, systems, &args.servers, &args.load)?;
    output::try_folder(&args.out).map_err(output::failed)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(output::failed)?;
    run::arm_guard();
    let exit = runtime.block_on(async {
        let interrupt = Interrupt::listen().map_err(output::failed)?;
        tokio::select! {
            exit = measure(&scenario, args, &interrupt) => Ok(exit),
            () = interrupt.nth(2) => Ok(Exit::Inconclusive),
        }
    });
    runtime.shutdown_background();
    exit
}

/// The scenario with the flags of the command line, and only if all these systems can be searched with it.
pub(super) fn scenario(
    path: &Path,
    (flag, systems): (&'static str, &[Entrant]),
    servers: &Servers,
    load: &Load,
) -> Result<Scenario, Exit> {
    let mut scenario = named::scenario(path, &load.set).map_err(output::wrong)?;
    let told = systems.iter().map(|system| (flag, system));
    servers.can_be_told(told, load).map_err(output::wrong)?;
    servers.ask(&mut scenario);
    load.ask(&mut scenario).map_err(output::wrong)?;
    let names: Vec<String> = systems.iter().map(ToString::to_string).collect();
    for (place, name) in names.iter().enumerate() {
        if names[..place].contains(name) {
            return Err(output::wrong(format!(
                "{flag} names {name} twice: name each once"
            )));
        }
    }
    let rate = scenario.measured_rate();
    rate.map_err(|error| output::wrong(format!("{}: {error}", scenario.path.display())))?;
    for entrant in systems {
        let asked = entrant.system.can_be_asked(&scenario);
        asked.map_err(|why| output::wrong(format!("{flag} {entrant}: {why}")))?;
    }
    Ok(scenario)
}

impl Reach {
    /// What is searched, with this budget and no further than that.
    pub(super) fn of(&self, systems: &[Entrant]) -> SearchOptions {
        SearchOptions {
            systems: systems.to_vec(),
            budget: self.budget.0,
            hold: self.hold.map(|hold| hold.0),
            up_to: self.up_to.map(|rate| rate.0),
        }
    }
}

/// Searches, and tells how it goes unless nobody wants to know.
///
/// # Errors
/// After it was told why nothing could be measured.
pub(super) async fn found(
    scenario: &Scenario,
    options: &Options,
    asked: &SearchOptions,
    quiet: bool,
    interrupt: &Interrupt,
) -> Result<SearchFinished, Exit> {
    let mut watcher: Box<dyn Watcher> = match quiet {
        true => Box::new(Silence),
        false => Box::new(Progress::on_stderr()),
    };
    let finished = experiment::search(scenario, options, asked, interrupt, watcher.as_mut()).await;
    drop(watcher);
    let finished = finished.map_err(output::not_measured)?;
    for what in &finished.not_cleaned_up {
        eprintln!("warning: {what}");
    }
    Ok(finished)
}

async fn measure(scenario: &Scenario, args: &Args, interrupt: &Interrupt) -> Exit {
    let options = args.servers.options(&args.load);
    let asked = args.reach.of(&args.system);
    let finished = match found(scenario, &options, &asked, args.quiet, interrupt).await {
        Ok(finished) => finished,
        Err(exit) => return exit,
    };
    let left = match leave(&finished.found, args) {
        Ok(left) => left,
        Err(error) => return output::failed(error),
    };
    let exit = match finished.died {
        Some(why) => output::failed(why),
        None => finished.found.verdict.into(),
    };
    exit.worse(left)
}

/// The result to standard output, into the folder, and into a job's summary.
fn leave(found: &Found, args: &Args) -> Result<Exit, OutputError> {
    let shown = match args.json {
        true => SearchFormat::Json,
        false => SearchFormat::Terminal,
    };
    let text = shown.render(found)?;
    let printed = match args.quiet {
        true => {
            let lines = text.split_inclusive('\n').take(found.systems.len());
            print(&lines.collect::<String>())
        }
        false => print(&text),
    };
    for format in SearchFormat::FILES {
        let name = format!("{}.{}", found.scenario.name, format.extension());
        let path = args.out.join(name);
        output::write(&path, &format.render(found)?)?;
        eprintln!("report: {}", path.display());
    }
    if let Err(error) = output::summarize(&SearchFormat::Markdown.render(found)?) {
        eprintln!("warning: the job has no summary: {error}");
    }
    Ok(printed)
}

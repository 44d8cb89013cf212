//! `run`: measures scenarios one after another, judges them, and leaves their results.

use std::{
    collections::{BTreeSet, HashMap},
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process,
    str::FromStr,
    time::Duration,
};

use clap::ValueEnum;
use tokio::runtime::Builder;

use super::{
    arguments::{Where, label, setting, words},
    exit_code::Exit,
    output::{self, OutputError, print},
    progress::{Progress, Silence},
};
use crate::{
    dial::{Target, TargetMistake},
    drive::Driver,
    experiment::{self, Interrupt, Options, RunError, Watcher},
    model::{Delivery, Dialect},
    report::{self, Format},
    result::{Document, Report},
    rig::{StoreChoice, guard},
    scenario::{Scenario, ScenarioError, Setting, Span},
};

/// The MongoDB image of a store in a container.
const MONGO_IMAGE: &str = "mongo:8.0";
/// A shorter floor has no second of its own.
const SHORTEST_FLOOR: Duration = Duration::from_secs(1);
/// What `run` leaves in its folder whatever else is asked for.
const ALWAYS: [Format; 2] = [Format::Json, Format::Html];

/// Flags of `run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Scenario files, run one after another.
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    /// The store behind the server: auto, memory, docker, mongod, or mongodb://host:port.
    ///
    /// `auto` takes MONGODB_URI if it is set, else MongoDB in a container if Docker answers, else `mongod` on the
    /// PATH in a temporary folder, else the in-memory simulation. Any other is an error where it is missing.
    #[arg(long, default_value = "auto", conflicts_with_all = ["target", "command"])]
    pub store: StoreChoice,
    /// The image of a MongoDB in a container.
    #[arg(long, env = "MONGO_IMAGE", default_value = MONGO_IMAGE)]
    pub mongo_image: String,
    /// Where a server runs that is measured instead of one that is started here.
    #[command(flatten)]
    pub place: Where,
    /// Start the target by a shell's command, as in 'PORT={port} node server.js', and end it with all its children.
    ///
    /// {port} is a free port, here and in --target [default then: http://127.0.0.1:{port}].
    #[arg(long, value_name = "COMMAND")]
    pub command: Option<String>,
    /// Which version the target is, where it does not say so itself (`version` and `commit` of its /health), or wrongly.
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub target_version: Option<String>,
    /// What to tell the result apart by, as in build=nightly; can be given again with other keys.
    ///
    /// `compare` and `publish` keep results of other labels apart.
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub label: Vec<(String, String)>,
    /// The MongoDB database of a running target (mongodb://host:port/database), to look confirmed messages up.
    #[arg(long, value_name = "URI", value_parser = database)]
    pub audit: Option<(String, String)>,
    /// Delivery modes to run one after another; limits judge the last, earlier ones are its baselines.
    #[arg(
        long,
        value_name = "MODE[,MODE]",
        value_delimiter = ',',
        conflicts_with_all = ["target", "command"]
    )]
    pub delivery: Vec<Delivery>,
    /// The names of events that the server speaks, instead of the scenario's.
    #[arg(long)]
    pub dialect: Option<Dialect>,
    /// The seed, instead of the scenario's.
    #[arg(long)]
    pub seed: Option<u64>,
    /// The value of a variable of the scenarios, instead of its default; can be given again for others.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub set: Vec<Setting>,
    /// The client that connects users: native, or the rust_socketio crate [default: native where it can].
    #[arg(long)]
    pub client: Option<Driver>,
    /// Worker threads of the generator [default: one for every two cores].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Processors to bind the worker threads to, in turn, as in `1` or `2,3` [default: the system decides].
    #[arg(long, value_name = "CPU[,CPU]", value_delimiter = ',')]
    pub cpus: Vec<usize>,
    /// Judge every second, also those in which other processes or the hypervisor had the machine.
    #[arg(long)]
    pub no_machine_check: bool,
    /// How long the same load goes against a bare relay, before and after each run, or `off`.
    ///
    /// What the relay takes is the machine's and the generator's own part: the floor under the server's numbers.
    #[arg(long, value_name = "DURATION", default_value = "3s")]
    pub floor: Floor,
    /// The same as `--floor off`.
    #[arg(long, conflicts_with = "floor")]
    pub no_floor: bool,
    /// The folder for the result of each scenario, as JSON.
    #[arg(long, default_value = "reports/latest")]
    pub out: PathBuf,
    /// A further format of the result; without a path, into the folder of `--out`.
    #[arg(long, value_name = "FORMAT[=PATH]")]
    pub report: Vec<Wanted>,
    /// Print only the verdict and its reason.
    #[arg(long, short)]
    pub quiet: bool,
    /// Print the result as JSON instead of tables.
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
}

/// `loadgen run`: measures, judges, and leaves the results where they are wanted.
pub fn run(run: &Args) -> Result<Exit, Exit> {
    if let Some(twice) = Delivery::repeated(&run.delivery).map(Delivery::name) {
        let error = format!("--delivery names {twice} twice: name each once");
        return Err(output::wrong(error));
    }
    if let Some(twice) = repeated(&run.label) {
        let error = format!("--label names {twice} twice: give each key one value");
        return Err(output::wrong(error));
    }
    // All files are checked before the first is run: a mistake in the last one is not found an hour later.
    let (url, target_command) = target(run).map_err(output::wrong)?;
    let scenarios = run.scenarios.iter();
    let scenarios = scenarios.map(|path| read(path, run, url.as_deref()));
    let scenarios: Vec<_> = scenarios.collect::<Result<_, _>>().map_err(output::wrong)?;
    can_be_left(&scenarios, run)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(output::failed)?;
    arm_guard();
    let exit = runtime.block_on(async {
        let interrupt = Interrupt::listen().map_err(output::failed)?;
        tokio::select! {
            exit = run_all(&scenarios, run, target_command, &interrupt) => Ok(exit),
            // The first signal ends the run in order; at the second one, what was started is removed and no more.
            () = interrupt.nth(2) => Ok(Exit::Inconclusive),
        }
    });
    runtime.shutdown_background();
    exit
}

/// A key that has two values.
fn repeated(labels: &[(String, String)]) -> Option<&str> {
    let mut known = BTreeSet::new();
    let mut keys = labels.iter().map(|(key, _)| key.as_str());
    keys.find(|key| !known.insert(*key))
}

/// A mistake in what is to be run.
#[derive(Debug, thiserror::Error)]
enum Mistake {
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error(transparent)]
    Target(#[from] TargetMistake),
}

/// A scenario with the flags of the command line, and where it is to be measured.
fn read(path: &Path, run: &Args, url: Option<&str>) -> Result<(Scenario, Option<Target>), Mistake> {
    let scenario = with_flags(Scenario::load(path, &run.set)?, run);
    let target = run.place.target(url, &scenario.connections)?;
    Ok((scenario, target))
}

fn with_flags(mut scenario: Scenario, run: &Args) -> Scenario {
    if !run.delivery.is_empty() {
        scenario.delivery.clone_from(&run.delivery);
    }
    scenario.dialect = run.dialect.unwrap_or(scenario.dialect);
    scenario.seed = run.seed.unwrap_or(scenario.seed);
    scenario
}

/// A free port, in the places of a text that are for it.
const PORT: &str = "{port}";

/// Where the server is that is measured, and the command that starts it, where one does.
fn target(run: &Args) -> Result<(Option<String>, Option<String>), String> {
    let Some(command) = &run.command else {
        let about = [
            ("--audit", run.audit.is_some()),
            ("--target-version", run.target_version.is_some()),
        ];
        return match (
            &run.place.target,
            about.into_iter().find(|(_, given)| *given),
        ) {
            (None, Some((flag, _))) => Err(format!(
                "{flag} says something of a target: name it with --target or --command"
            )),
            (target, _) => Ok((target.clone(), None)),
        };
    };
    let url = match &run.place.target {
        Some(url) => url.clone(),
        None if command.contains(PORT) => format!("http://127.0.0.1:{PORT}"),
        None => {
            return Err(format!(
                "--command: say where it is to listen with {PORT}, as in 'PORT={PORT} node server.js', or where it does with --target"
            ));
        }
    };
    // Nobody else is given it by the system for some time.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|free| free.local_addr())
        .map_err(|error| format!("no free port: {error}"))?
        .port()
        .to_string();
    Ok((
        Some(url.replace(PORT, &port)),
        Some(command.replace(PORT, &port)),
    ))
}

/// Without a guard all is removed too, unless this process is killed.
fn arm_guard() {
    let armed = env::current_exe().map(|program| {
        let mut command = process::Command::new(program);
        command.arg("guard");
        guard::arm(command)
    });
    match armed {
        Ok(Ok(())) => {}
        Ok(Err(error)) => eprintln!("warning: {error}"),
        Err(error) => eprintln!("warning: this program can't be found again: {error}"),
    }
}

async fn run_all(
    scenarios: &[(Scenario, Option<Target>)],
    run: &Args,
    target_command: Option<String>,
    interrupt: &Interrupt,
) -> Exit {
    let options = Options {
        store: run.store.clone(),
        mongo_image: run.mongo_image.clone(),
        target: None,
        target_version: run.target_version.clone(),
        target_command,
        audit: run.audit.clone(),
        client: run.client,
        workers: run.workers.map(usize::from),
        cpus: run.cpus.clone(),
        machine_check: !run.no_machine_check,
        floor: run.floor(),
        command: typed(env::args_os()),
        labels: run.label.iter().cloned().collect(),
    };
    let mut exit = Exit::Pass;
    let mut reports = Vec::new();
    for (scenario, target) in scenarios {
        let options = Options {
            target: target.clone(),
            ..options.clone()
        };
        let (one, report) = run_one(scenario, &options, run, interrupt).await;
        exit = exit.worse(one);
        reports.extend(report);
        if matches!(one, Exit::Setup) || interrupt.has_come() {
            break;
        }
    }
    if scenarios.len() > 1 && !run.quiet && !run.json {
        exit = exit.worse(print(&format!("\n{}", report::summary(&reports))));
    }
    exit
}

async fn run_one(
    scenario: &Scenario,
    options: &Options,
    run: &Args,
    interrupt: &Interrupt,
) -> (Exit, Option<Report>) {
    let mut watcher: Box<dyn Watcher> = match run.quiet {
        true => Box::new(Silence),
        false => Box::new(Progress::on_stderr()),
    };
    let finished = experiment::run(scenario, options, interrupt, watcher.as_mut()).await;
    drop(watcher);
    let finished = match finished {
        Ok(finished) => finished,
        Err(error @ RunError::Mistaken(_)) => return (output::wrong(error), None),
        Err(error) => return (output::failed(error), None),
    };
    let report = finished.report;
    let left = match leave(&report, run) {
        Ok(left) => left,
        Err(error) => return (output::failed(error), Some(report)),
    };
    for what in finished.not_cleaned_up {
        eprintln!("warning: {what}");
    }
    let exit = match finished.target_died {
        Some(why) => output::failed(format!(
            "{why}; what was measured until then is in the report, marked incomplete"
        )),
        None => report.verdict.into(),
    };
    (exit.worse(left), Some(report))
}

/// Everything that `run` leaves behind of a result, with a word on each file to standard error.
///
/// # Errors
/// [`OutputError`] at the first that could not be made.
fn leave(report: &Report, run: &Args) -> Result<Exit, OutputError> {
    let document = Document::of(report)?;
    let shown = if run.json {
        Format::Json
    } else {
        Format::Terminal
    };
    let text = shown.render(&document, output::on_stdout())?;
    let printed = match run.quiet {
        // The verdict and its reason.
        true => print(text.split_inclusive('\n').next().unwrap_or_default()),
        false => print(&text),
    };
    let name = &report.scenario.name;
    let always = ALWAYS.map(|format| Wanted { format, path: None });
    let asked = run.report.iter().cloned();
    // What is left always is not left twice.
    let asked = asked.filter(|one| one.path.is_some() || !ALWAYS.contains(&one.format));
    for Wanted { format, path } in always.into_iter().chain(asked) {
        let beside = || run.out.join(format!("{name}.{}", format.extension()));
        output::save(&document, format, &path.unwrap_or_else(beside))?;
    }
    // A page beside the result, which another file of the same machine's may be.
    if let Err(error) = output::summary(&document) {
        eprintln!("warning: the job has no summary: {error}");
    }
    Ok(printed)
}

/// No two results may have one name, and each must find its place, or hours later there is none.
fn can_be_left(scenarios: &[(Scenario, Option<Target>)], run: &Args) -> Result<(), Exit> {
    let mut files: HashMap<&str, &Path> = HashMap::new();
    for (scenario, _) in scenarios {
        if let Some(other) = files.insert(&scenario.name, &scenario.path) {
            return Err(output::wrong(format_args!(
                "{} and {} are both called {:?}, and results are named after it: give each `name` once",
                other.display(),
                scenario.path.display(),
                scenario.name
            )));
        }
    }
    let wanted = run
        .report
        .iter()
        .filter_map(|wanted| wanted.path.as_deref());
    let folders = wanted.filter_map(Path::parent).map(|folder| match folder {
        folder if folder.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    });
    for folder in [run.out.as_path()].into_iter().chain(folders) {
        output::try_folder(folder).map_err(output::failed)?;
    }
    Ok(())
}

/// A format, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What the result is written as.
    pub format: Format,
    /// The file; `None`: named after the scenario, in the folder of all.
    pub path: Option<PathBuf>,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, path) = match text.split_once('=') {
            Some((_, "")) => return Err(format!("{text:?} lacks its path")),
            Some((format, path)) => (format, Some(path.into())),
            None => (text, None),
        };
        let format = Format::from_str(format, false).map_err(|_| {
            let known: Vec<_> = Format::value_variants()
                .iter()
                .filter_map(|format| Some(format.to_possible_value()?.get_name().to_owned()))
                .collect();
            format!("unknown format {format:?}; there are {}", known.join(", "))
        })?;
        Ok(Self { format, path })
    }
}

/// How long a floor lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor(Option<Duration>);

impl Args {
    /// How long a floor lasts before and after each run; `None`: there is none.
    pub fn floor(&self) -> Option<Duration> {
        self.floor.0.filter(|_| !self.no_floor)
    }
}

impl FromStr for Floor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        match text.parse::<Span>()?.0 {
            length if length < SHORTEST_FLOOR => {
                Err(format!("write at least {SHORTEST_FLOOR:?}, or \"off\""))
            }
            length => Ok(Self(Some(length))),
        }
    }
}

/// A connection string with its database.
fn database(uri: &str) -> Result<(String, String), String> {
    let wrong = || "expected mongodb://host:port/database".to_owned();
    let rest = uri
        .strip_prefix("mongodb://")
        .or_else(|| uri.strip_prefix("mongodb+srv://"))
        .ok_or_else(wrong)?;
    let (_, path) = rest.split_once('/').ok_or_else(wrong)?;
    let name = path.split('?').next().unwrap_or_default();
    if name.is_empty() {
        return Err(wrong());
    }
    Ok((uri.to_owned(), name.to_owned()))
}

/// The command line as it was typed, for the report.
pub fn typed(arguments: impl Iterator<Item = OsString>) -> Vec<String> {
    arguments
        .map(|argument| argument.to_string_lossy().into_owned())
        .map(|argument| redacted(&argument))
        .collect()
}

/// Without what may be a secret in a URL: who logs in, and what a server is told in its query.
fn redacted(argument: &str) -> String {
    let Some(scheme) = argument.find("://") else {
        return argument.to_owned();
    };
    let (before, mut rest) = argument.split_at(scheme + 3);
    let mut login = "";
    if let Some(at) = rest.rfind('@').filter(|&at| at > 0) {
        (login, rest) = ("…", &rest[at..]);
    }
    let database = before.contains("mongodb");
    match rest.split_once('?') {
        Some((place, _)) if !database => format!("{before}{login}{place}?…"),
        _ => format!("{before}{login}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_has_a_length_or_is_off() {
        assert_eq!("off".parse(), Ok(Floor(None)));
        assert_eq!("2s".parse(), Ok(Floor(Some(Duration::from_secs(2)))));
        assert!("10ms".parse::<Floor>().unwrap_err().contains("off"));
        assert!("3".parse::<Floor>().is_err());
    }

    #[test]
    fn a_password_does_not_reach_the_report() {
        assert_eq!(
            redacted("--store=mongodb://me:secret@db:27017/chat"),
            "--store=mongodb://…@db:27017/chat"
        );
        assert_eq!(redacted("http://127.0.0.1:3000"), "http://127.0.0.1:3000");
        for (typed, recorded) in [
            (
                "--target=https://u:p@ss@h/ns?token=t",
                "--target=https://…@h/ns?…",
            ),
            ("http://h:1/?token=t", "http://h:1/?…"),
            ("http://u:p?x@h", "http://…@h"),
            ("mongodb://h/chat?w=1", "mongodb://h/chat?w=1"),
        ] {
            assert_eq!(redacted(typed), recorded);
        }
    }
}

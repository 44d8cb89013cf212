//! The `loadgen` program: the only place that ends the process.

use std::{
    env,
    path::Path,
    process::{self, ExitCode},
};

use clap::Parser;
use loadgen::{
    command::{
        catalogue,
        cli::{self, Cli, Command},
        exit_code::Exit,
        output::{self, print},
        preview,
        progress::{Progress, Silence},
    },
    experiment::{self, Interrupt, Options, Watcher},
    model::vocabulary::Delivery,
    plan::Plan,
    report,
    result::Report,
    rig::{floor, guard},
    scenario::{self, Scenario, Setting},
};

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(run) => ExitCode::from(run_scenarios(&run)),
        Command::Check(check) => ExitCode::from(check_scenarios(&check)),
        Command::List(list) => ExitCode::from(list_scenarios(&list)),
        Command::Schema => ExitCode::from(print_schema()),
        Command::Report(report) => ExitCode::from(output::again(&report)),
        Command::Compare(compare) => ExitCode::from(output::compared(&compare)),
        Command::Publish(publish) => ExitCode::from(output::published(&publish)),
        Command::Serve(args) => match server::serve(*args) {
            Ok(stopped) => stopped.exit_code(),
            Err(error) => done(Err(error)),
        },
        Command::Guard => done(guard::serve()),
        Command::Floor => done(floor::serve()),
    }
}

/// Of the two commands that are started by `run` and not by people.
fn done<E: std::fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(Exit::Setup)
        }
    }
}

fn check_scenarios(check: &cli::Check) -> Exit {
    let mut exit = Exit::Pass;
    for path in &check.scenarios {
        match checked(path, &check.set) {
            Ok(text) => print(&text),
            Err(error) => {
                eprintln!("error: {error}");
                exit = Exit::Usage;
            }
        }
    }
    exit
}

/// The plan of a scenario in words, or why there is none.
fn checked(path: &Path, settings: &[Setting]) -> Result<String, String> {
    let scenario = Scenario::load(path, settings).map_err(|error| error.to_string())?;
    let plan = Plan::new(&scenario).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(preview::render(&scenario, &plan))
}

fn list_scenarios(list: &cli::List) -> Exit {
    match catalogue::read(&list.folder) {
        Ok(catalogue) => {
            print(&catalogue.text);
            for error in &catalogue.errors {
                eprintln!("error: {error}");
            }
            match catalogue.errors.is_empty() {
                true => Exit::Pass,
                false => Exit::Usage,
            }
        }
        Err(error) => {
            eprintln!("error: {}: {error}", list.folder.display());
            Exit::Usage
        }
    }
}

fn print_schema() -> Exit {
    match serde_json::to_string_pretty(&scenario::schema()) {
        Ok(text) => {
            print(&(text + "\n"));
            Exit::Pass
        }
        Err(error) => {
            eprintln!("error: {error}");
            Exit::Usage
        }
    }
}

fn run_scenarios(run: &cli::Run) -> Exit {
    if let Some(twice) = Delivery::repeated(&run.delivery) {
        eprintln!(
            "error: --delivery names {} twice: name each once",
            twice.name()
        );
        return Exit::Usage;
    }
    // All files are checked before the first is run: a mistake in the last one is not found an hour later.
    let scenarios: Result<Vec<Scenario>, _> = run
        .scenarios
        .iter()
        .map(|path| Scenario::load(path, &run.set).map(|scenario| with_flags(scenario, run)))
        .collect();
    let scenarios = match scenarios {
        Ok(scenarios) => scenarios,
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::Usage;
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::Setup;
        }
    };
    arm_guard();
    let exit = runtime.block_on(async {
        let interrupt = match Interrupt::listen() {
            Ok(interrupt) => interrupt,
            Err(error) => {
                eprintln!("error: {error}");
                return Exit::Setup;
            }
        };
        tokio::select! {
            exit = run_all(&scenarios, run, &interrupt) => exit,
            // The first signal ends the run in order; at the second one, what was started is removed and no more.
            () = interrupt.nth(2) => Exit::Inconclusive,
        }
    });
    runtime.shutdown_background();
    exit
}

fn with_flags(mut scenario: Scenario, run: &cli::Run) -> Scenario {
    if !run.delivery.is_empty() {
        scenario.delivery.clone_from(&run.delivery);
    }
    scenario.dialect = run.dialect.unwrap_or(scenario.dialect);
    scenario.seed = run.seed.unwrap_or(scenario.seed);
    scenario
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

async fn run_all(scenarios: &[Scenario], run: &cli::Run, interrupt: &Interrupt) -> Exit {
    let options = Options {
        store: run.store.clone(),
        mongo_image: run.mongo_image.clone(),
        target: run.target.clone(),
        audit: run.audit.clone(),
        client: run.client,
        workers: run.workers.map(usize::from),
        cpus: run.cpus.clone(),
        machine_check: !run.no_machine_check,
        floor: run.floor(),
        command: cli::typed(env::args_os()),
    };
    let mut exit = Exit::Pass;
    let mut reports = Vec::new();
    for scenario in scenarios {
        let (one, report) = run_one(scenario, &options, run, interrupt).await;
        exit = exit.worse(one);
        reports.extend(report);
        if matches!(one, Exit::Setup) || interrupt.has_come() {
            break;
        }
    }
    if scenarios.len() > 1 && !run.quiet && !run.json {
        print(&format!("\n{}", report::summary(&reports)));
    }
    exit
}

async fn run_one(
    scenario: &Scenario,
    options: &Options,
    run: &cli::Run,
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
        Err(error) => {
            eprintln!("error: {error}");
            return (Exit::Setup, None);
        }
    };
    let report = finished.report;
    if let Err(error) = output::of_run(&report, run) {
        eprintln!("error: {error}");
        return (Exit::Setup, Some(report));
    }
    let exit = match finished.target_died {
        Some(why) => {
            eprintln!(
                "error: {why}; what was measured until then is in the report, marked incomplete"
            );
            Exit::Setup
        }
        None => report.verdict.into(),
    };
    (exit, Some(report))
}

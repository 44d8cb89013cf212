//! `run`: measures scenarios one after another, judges them, and leaves their results.

mod asked;
pub(super) mod flags;
pub(super) mod left;
mod shard;
pub(super) mod typed;

use std::{env, process};

use tokio::runtime::Builder;

pub use self::flags::Args;
use self::{
    asked::{Asked, asked},
    left::Kept,
};
use super::{
    exit_code::Exit,
    live::Live,
    output::{self, OutputError, print},
    progress::{Progress, Silence},
};
use crate::{
    compare::Repeats,
    dial::Target,
    experiment::{self, Interrupt, Options, Watcher},
    report::{self, RenderError},
    result::Report,
    rig::guard,
    scenario::Scenario,
};

/// `loadgen run`: measures, judges, and leaves the results where they are wanted.
pub fn run(run: &Args) -> Result<Exit, Exit> {
    let shard = shard::asked(run).map_err(output::wrong)?;
    let Asked {
        scenarios,
        target_command,
    } = asked(run)?;
    left::can_be(&scenarios, run)?;
    let live = live(run)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(output::failed)?;
    arm_guard();
    let exit = runtime.block_on(async {
        let around = Around {
            interrupt: Interrupt::listen().map_err(output::failed)?,
            live: live.as_ref(),
        };
        tokio::select! {
            exit = async {
                match &shard {
                    Some(options) => shard::run(&scenarios, run, options, &around.interrupt).await,
                    None => run_all(&scenarios, run, target_command, &around).await,
                }
            } => Ok(exit),
            // The first signal ends the run in order; at the second one, what was started is removed and no more.
            () = around.interrupt.nth(2) => Ok(Exit::Inconclusive),
        }
    });
    runtime.shutdown_background();
    if let Some(live) = live {
        live.end();
    }
    exit
}

/// Who is heard and who is told while scenarios are run.
struct Around<'a> {
    interrupt: Interrupt,
    live: Option<&'a Live>,
}

/// The live view, where one is wanted; its address is told.
fn live(run: &Args) -> Result<Option<Live>, Exit> {
    let Some(place) = &run.live else {
        return Ok(None);
    };
    let labels = run.load.label.iter().cloned().collect();
    let live = Live::start(place, labels).map_err(output::failed)?;
    eprintln!("live: {}", live.url());
    Ok(Some(live))
}

/// Without a guard all is removed too, unless this process is killed.
pub(super) fn arm_guard() {
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
    around: &Around<'_>,
) -> Exit {
    let options = options(run, target_command);
    let mut exit = Exit::Pass;
    let mut all = Vec::new();
    for (scenario, target) in scenarios {
        let options = Options {
            target: target.clone(),
            ..options.clone()
        };
        let (one, left) = run_scenario(scenario, &options, run, around).await;
        exit = exit.worse(one);
        all.extend(left);
        if matches!(one, Exit::Setup) || around.interrupt.has_come() {
            break;
        }
    }
    if scenarios.len() > 1 && !run.quiet && !run.json {
        exit = exit.worse(print(&format!("\n{}", closing(all))));
    }
    exit
}

/// What is left of a scenario.
enum Left {
    /// Of one run.
    Run(Box<Report>),
    /// Of several that are judged together.
    Runs(Repeats),
}

/// All scenarios once more, a line each. Of several runs of one, what all of them come to: no number is of all.
fn closing(all: Vec<Left>) -> String {
    let (mut runs, mut sets) = (Vec::new(), String::new());
    for left in all {
        match left {
            Left::Run(report) => runs.push(*report),
            Left::Runs(repeats) => sets += &format!("{}\n", repeats.headline()),
        }
    }
    match sets.is_empty() {
        true => report::summary(&runs, Some(output::width())),
        false => sets,
    }
}

/// What the command line asks for, of a target that is not named yet.
fn options(run: &Args, target_command: Option<String>) -> Options {
    Options {
        target_version: run.target_version.clone(),
        target_command,
        system: run.system.clone(),
        audit: run.audit.clone(),
        floor: run.floor(),
        ..run.load.options(&run.store, &run.mongo_image)
    }
}

/// A scenario in one run, or in several that are judged together.
async fn run_scenario(
    scenario: &Scenario,
    options: &Options,
    run: &Args,
    around: &Around<'_>,
) -> (Exit, Option<Left>) {
    if run.repeat == 1 {
        let leave = |report: &Report| left::leave(report, &Kept::of(run));
        let (exit, report) = run_one(scenario, options, run, around, &leave).await;
        return (exit, report.map(|report| Left::Run(Box::new(report))));
    }
    let mut reports = Vec::new();
    // How those ended that did not end with their own verdict.
    let mut exit = Exit::Pass;
    for nth in 1..=run.repeat {
        let leave = |report: &Report| left::leave_one(report, run, nth);
        let (one, report) = run_one(scenario, options, run, around, &leave).await;
        if report.as_ref().map(|report| Exit::from(report.verdict)) != Some(one) {
            exit = exit.worse(one);
        }
        reports.extend(report);
        if matches!(exit, Exit::Setup | Exit::Usage) || around.interrupt.has_come() {
            break;
        }
    }
    if around.interrupt.has_come() {
        exit = exit.worse(Exit::Inconclusive);
    }
    let repeats = match Repeats::of(&reports, Some(run.repeat.into())) {
        Ok(Some(repeats)) => repeats,
        Ok(None) => return (exit, None),
        Err(error) => return (exit.worse(output::failed(RenderError::from(error))), None),
    };
    let left = left::leave_all(&repeats, run).unwrap_or_else(output::failed);
    let exit = exit.worse(repeats.verdict.into()).worse(left);
    (exit, Some(Left::Runs(repeats)))
}

async fn run_one(
    scenario: &Scenario,
    options: &Options,
    run: &Args,
    around: &Around<'_>,
    leave: &dyn Fn(&Report) -> Result<Exit, OutputError>,
) -> (Exit, Option<Report>) {
    let watcher: Box<dyn Watcher> = match run.quiet {
        true => Box::new(Silence),
        false => Box::new(Progress::on_stderr()),
    };
    let mut watcher = match around.live {
        Some(live) => live.beside(watcher),
        None => watcher,
    };
    let finished = experiment::run(scenario, options, &around.interrupt, watcher.as_mut()).await;
    drop(watcher);
    let finished = match finished {
        Ok(finished) => finished,
        Err(error) => return (output::not_measured(error), None),
    };
    let report = finished.report;
    if let Some(live) = around.live {
        live.finished(&report);
    }
    let left = match leave(&report) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{compare::REPEATS_VERSION, judge::Verdict};

    /// The last run's verdict once stood there.
    #[test]
    fn several_runs_of_a_scenario_close_with_what_all_of_them_come_to() {
        let set = |scenario: &str, verdict| {
            Left::Runs(Repeats {
                repeats_version: REPEATS_VERSION,
                scenario: scenario.to_owned(),
                verdict,
                reason: "as told".to_owned(),
                asked: Some(2),
                runs: Vec::new(),
                numbers: Vec::new(),
            })
        };
        let told = closing(vec![set("one", Verdict::Fail), set("other", Verdict::Pass)]);
        assert_eq!(
            told,
            "FAIL one, 0 runs: as told\nPASS other, 0 runs: as told\n"
        );
    }
}

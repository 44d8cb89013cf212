//! `run --shard`: drives one part of a scenario's users and leaves what was seen of it, for `merge`.

use super::{Args, options};
use crate::{
    command::{
        exit_code::Exit,
        output::{self, print},
        progress::{Progress, Silence},
    },
    dial::Target,
    experiment::{self, Interrupt, Options, ShardFinished, ShardOptions, WallClock, Watcher},
    model::numbers::count,
    observed::Ended,
    scenario::Scenario,
    shards,
};

/// So long ago a start is a mistake, and not a process that came late.
const LONG_AGO: u64 = 60_000_000_000;

/// Which shard is to be driven, and when; `None`: all users are, in one run.
///
/// # Errors
/// What is missing, or does not go together with it, and what would be right.
pub(super) fn asked(run: &Args) -> Result<Option<ShardOptions>, String> {
    let Some(shard) = run.shard else {
        let about = [
            ("--start-at", run.start_at.is_some()),
            ("--sync", run.sync.is_some()),
        ];
        let about = about.into_iter().find(|(_, given)| *given);
        return match about {
            Some((flag, _)) => Err(format!(
                "{flag} is for one of several processes: say which with --shard, as in --shard 1/4"
            )),
            None => Ok(None),
        };
    };
    let Some(start_at) = run.start_at else {
        return Err(format!(
            "--shard {shard}: all shards begin at one moment: say when with --start-at, as in --start-at 2026-11-26T12:00:00Z"
        ));
    };
    if run.place.target.is_none() || run.command.is_some() {
        return Err(format!(
            "--shard {shard}: several processes load one server, which none of them starts: name it with --target"
        ));
    }
    for (given, what) in [
        (run.scenarios.len() > 1, "one scenario at a time"),
        (
            run.wants_floor(),
            "a run without a floor, which is of one machine: leave --floor out",
        ),
        (run.repeat > 1, "one run at a time: leave --repeat out"),
        (run.json, "no result by itself: leave --json out"),
        (run.all, "no result by itself: leave --all out"),
        (
            run.live.is_some(),
            "a run that is seen as a whole when it is over: leave --live out",
        ),
        (
            !run.report.is_empty(),
            "no result by itself: give --report to `merge`",
        ),
    ] {
        if given {
            return Err(format!("--shard {shard}: a shard is of {what}"));
        }
    }
    let clock = WallClock {
        shift: run.clock_shift,
    };
    // By a clock that nobody compared with that of shard 1 nothing can be said of another's moment.
    let ago = clock.now().saturating_sub(start_at);
    if ago > LONG_AGO && (run.sync.is_none() || shard.number() == 1) {
        return Err(format!(
            "--start-at: that was {} s ago: name a moment at which all shards can be there",
            ago / 1_000_000_000
        ));
    }
    Ok(Some(ShardOptions {
        shard,
        start_at,
        sync: run.sync.clone(),
        clock,
        settings: run.load.set.clone(),
    }))
}

/// Drives it, and leaves its file. It passes if it was recorded whole: what it recorded is judged with the others.
pub(super) async fn run(
    scenarios: &[(Scenario, Option<Target>)],
    run: &Args,
    shard: &ShardOptions,
    interrupt: &Interrupt,
) -> Exit {
    let mut exit = Exit::Pass;
    for (scenario, target) in scenarios {
        let options = Options {
            target: target.clone(),
            // A floor is of one machine, and a run is judged as a whole.
            floor: None,
            ..options(run, None)
        };
        exit = exit.worse(drive(scenario, &options, run, shard, interrupt).await);
    }
    exit
}

async fn drive(
    scenario: &Scenario,
    options: &Options,
    run: &Args,
    shard: &ShardOptions,
    interrupt: &Interrupt,
) -> Exit {
    let mut watcher: Box<dyn Watcher> = match run.quiet {
        true => Box::new(Silence),
        false => Box::new(Progress::on_stderr()),
    };
    let path = run.out.join(shards::file_name(shard.shard));
    // However this one ends, nobody is to find what an earlier run has left here.
    if let Err(error) = output::remove(&path) {
        return output::failed(error);
    }
    let finished = experiment::shard(scenario, options, shard, interrupt, watcher.as_mut()).await;
    drop(watcher);
    let finished: ShardFinished = match finished {
        Ok(finished) => finished,
        Err(error) if error.is_the_questions() => return output::wrong(error),
        Err(error) => return output::failed(error),
    };
    for what in &finished.not_cleaned_up {
        eprintln!("warning: {what}");
    }
    let text = match finished.recording.text() {
        Ok(text) => text,
        Err(error) => return output::failed(error),
    };
    if let Err(error) = output::write_whole(&path, &text) {
        return output::failed(error);
    }
    let exit = match &finished.ended {
        None => Exit::Pass,
        Some(Ended::Interrupted) => Exit::Inconclusive,
        Some(ended) => output::failed(format!(
            "{ended}; what was seen until then is recorded, and cut short"
        )),
    };
    let whole = match &finished.ended {
        None => "RECORDED",
        Some(_) => "CUT SHORT",
    };
    let told = format!(
        "{whole} {}: shard {}, {} bytes: {}\n",
        scenario.name,
        shard.shard,
        count(text.len() as u64),
        path.display()
    );
    exit.worse(print(&told))
}

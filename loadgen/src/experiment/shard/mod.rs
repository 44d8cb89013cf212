//! One shard of a run that several processes drive: its part of the plan, begun at one moment with the others, and recorded
//! for a merge. It has no verdict, since only the whole is judged.

mod appointment;
mod sync;

use std::sync::Arc;

pub use self::appointment::WallClock;
use self::appointment::{Appointment, Timepiece};
use self::sync::Timekeeper;
use super::{
    Interrupt, Options, RunError,
    arm::{self, Arm},
    environment,
    measure::Bench,
    now,
    session::Session,
    watch::{Event, Watcher},
    way,
};
use crate::{
    drive::Driver,
    judge::verdict,
    model::RunId,
    observed::{Ended, Record},
    plan::{Part, Plan, Shard, Share},
    result::ClockOffset,
    scenario::{Scenario, Setting},
    shards::{Question, Recording, Start, Told, VERSION},
};

/// Which shard is driven, and when.
#[derive(Debug, Clone)]
pub struct ShardOptions {
    /// Which of how many.
    pub shard: Shard,
    /// When the schedule begins, on the clock of shard 1: nanoseconds since 1970, UTC.
    pub start_at: u64,
    /// Where shard 1 tells its time, `host:port`; `None`: all clocks are believed.
    pub sync: Option<String>,
    /// The clock by which this process knows the time of day.
    pub clock: WallClock,
    /// The variables that were set on the command line.
    pub settings: Vec<Setting>,
}

/// What a shard recorded, and whether the target could be measured to the end.
pub struct ShardFinished {
    /// All that was seen, be it complete or not.
    pub recording: Recording,
    /// What ended it before its time.
    pub ended: Option<Ended>,
    /// What was started for the run and is still there, and why: one sentence each.
    pub not_cleaned_up: Vec<String>,
}

/// The part of a plan that a run drives, and when it begins.
pub(super) struct Duty {
    pub(super) share: Share,
    pub(super) appointment: Appointment,
}

/// Drives a shard against a running target.
///
/// # Errors
/// [`RunError`] when nothing could be measured. A target that dies in mid-run is no error, as it is none of a whole run.
pub async fn shard(
    scenario: &Scenario,
    options: &Options,
    shard: &ShardOptions,
    interrupt: &Interrupt,
    watcher: &mut dyn Watcher,
) -> Result<ShardFinished, RunError> {
    let target = options.target.as_ref().ok_or(RunError::NeedsTarget)?;
    arm::several(scenario, false)?;
    let started = now();
    let scenario = Arc::new(scenario.clone());
    let plan = Arc::new(Plan::new(&scenario)?);
    let part = Part::of(&plan, shard.shard)?;
    let driver = Driver::choose(options.client, &scenario, &plan, Some(target))?;
    let users = part.users().len() as u32;
    environment::allow_open_files(users, way::files_of_a_user(&plan))?;
    let environment = environment::read();
    tell(&scenario, &plan, watcher);
    let digest = plan.digest();
    let mut sync = tokio::select! {
        sync = Timekeeper::start(shard, &digest) => sync?,
        () = interrupt.nth(1) => return Err(RunError::Interrupted),
    };
    let duty = Duty {
        share: Share::of(part.clone()),
        appointment: appointment(shard, sync.as_ref(), watcher),
    };
    let run_id = run_id(&digest, shard.start_at);
    let mut session = Session {
        bench: Bench {
            options,
            driver,
            interrupt,
            duty: Some(&duty),
        },
        watcher,
        floor_of: None,
        resident_before: None,
    };
    let mut arms = arm::running(&scenario, &plan, target, options, &run_id);
    let mut arm = arms.pop().ok_or(RunError::NeedsTarget)?;
    let (observed, left) = session.observe(&mut arm).await?;
    let start = start(&duty.appointment, shard, sync.as_mut()).await;
    let recording = Recording {
        version: VERSION,
        shard: shard.shard,
        scenario: Question::of(&scenario, &shard.settings),
        plan: digest,
        run_id: run_id.as_str().to_owned(),
        start,
        told: told(&arm, options, driver),
        command: options.command.clone(),
        labels: options.labels.clone(),
        started,
        ended: now(),
        environment,
        observed: Record::of(&observed, &plan, &part),
    };
    Ok(ShardFinished {
        recording,
        ended: observed.ended,
        not_cleaned_up: left.into_iter().collect(),
    })
}

/// When it begins, by its own clock, of which it is told how that stands.
fn appointment(
    shard: &ShardOptions,
    sync: Option<&Timekeeper>,
    watcher: &mut dyn Watcher,
) -> Appointment {
    let clock = sync.map(Timekeeper::told);
    if let Some(told) = clock.filter(|_| shard.shard.number() > 1).map(in_words) {
        watcher.event(Event::Notice(told));
    }
    let believed = Timepiece::Believed(shard.clock);
    let own = sync.map_or(believed, Timekeeper::timepiece);
    Appointment::new(shard.start_at, own)
}

/// When it was to begin and did, and how its clock stood then.
async fn start(
    appointment: &Appointment,
    shard: &ShardOptions,
    sync: Option<&mut Timekeeper>,
) -> Start {
    let actual = appointment.kept();
    Start {
        planned: shard.start_at,
        actual,
        clock: match sync {
            Some(sync) => Some(sync.stood(actual).await),
            None => None,
        },
    }
}

/// What was measured, and with what.
fn told(arm: &Arm<'_>, options: &Options, driver: Driver) -> Told {
    Told {
        target: arm.system.address().to_owned(),
        target_version: options.target_version.clone(),
        store: arm.system.store(),
        client: driver.name().to_owned(),
        asks_for_acks: driver.asks_for_acks(),
        delivery_known: arm.has_known_delivery(),
    }
}

/// What must be known of such a run before it begins.
fn tell(scenario: &Scenario, plan: &Plan, watcher: &mut dyn Watcher) {
    for sentence in verdict::unjudgeable(scenario, plan) {
        watcher.event(Event::Notice(format!("warning: {sentence}")));
    }
    let of_phases = scenario.phases.iter().flat_map(|phase| &phase.thresholds);
    let mut thresholds = scenario.thresholds.iter().chain(of_phases);
    if thresholds.any(|threshold| threshold.abort_after.is_some()) {
        watcher.event(Event::Notice(
            "warning: no threshold ends a shard (`abort_after`): only the whole is judged, when it is merged".to_owned(),
        ));
    }
}

fn in_words(clock: ClockOffset) -> String {
    let millis = |nanos: f64| nanos / 1e6;
    format!(
        "this clock is {:.3} ms {} that of shard 1, ±{:.3} ms",
        millis(clock.ahead.unsigned_abs() as f64),
        if clock.ahead < 0 {
            "behind"
        } else {
            "ahead of"
        },
        millis(clock.bound as f64),
    )
}

/// The same in all shards of a run, since each must know the messages of the others where a server mistakes them; and
/// another in each run, since a store keeps those of all.
fn run_id(plan: &str, start_at: u64) -> RunId {
    // FNV-1a, 32 bits: two runs differ in their starts, and no more than that is asked of it.
    let bytes = plan.bytes().chain(start_at.to_le_bytes());
    RunId::new(bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_known_by_its_plan_and_its_start() {
        let id = |plan: &str, at: u64| run_id(plan, at).as_str().to_owned();
        assert_eq!(id("ab", 7), id("ab", 7));
        assert_ne!(id("ab", 7), id("ab", 8));
        assert_ne!(id("ab", 7), id("ac", 7));
    }

    #[test]
    fn an_offset_is_told_with_its_error() {
        let told = |ahead| {
            in_words(ClockOffset {
                ahead,
                bound: 41_000,
            })
        };
        assert_eq!(
            told(-2_000_000_000),
            "this clock is 2000.000 ms behind that of shard 1, ±0.041 ms"
        );
        assert_eq!(
            told(137_500_000),
            "this clock is 137.500 ms ahead of that of shard 1, ±0.041 ms"
        );
    }
}

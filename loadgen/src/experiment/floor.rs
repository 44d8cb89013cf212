//! The floor (rule 9): the busiest seconds of the run against a bare relay, before it and after it.

use std::{ops::Range, sync::Arc, time::Duration};

use super::{
    arm::{Arm, Part},
    watch::{Event, Watcher},
};
use crate::{
    drive::Driver,
    model::{Delivery, Dialect, RunId},
    observed::Observed,
    plan::{Plan, PlannedPhase, WARM_UP},
    rig::OwnServer,
    scenario::{Load, Phase, Scenario},
};

/// How long the relay's last messages are waited for.
const DRAIN: Duration = Duration::from_secs(2);

/// The arm that replays the busiest seconds of the measured open phases, as many as there are in that time, and which
/// these are.
///
/// # Errors
/// Why there can be no floor, in words.
pub(super) fn arm<'a>(
    scenario: &Scenario,
    plan: &Plan,
    driver: Driver,
    length: Duration,
) -> Result<(Arm<'a>, Range<usize>), String> {
    if driver != Driver::Native {
        return Err(format!(
            "the relay is measured with the native client alone, and this run drives {}",
            driver.name()
        ));
    }
    let mut phases = scenario.phases.iter();
    let of_phase = phases
        .find(|phase| phase.measured && matches!(phase.load, Load::Open(_)))
        .ok_or("no measured phase is an open one, and a floor replays a schedule")?;
    let most = length.as_secs_f64().ceil() as usize;
    let seconds = plan
        .busiest(most)
        .ok_or("no whole second of the schedule has messages of measured open phases alone")?;
    let plan = plan
        .replay(&seconds, WARM_UP)
        .ok_or("its busiest seconds have more deliveries than can be accounted for")?;
    let arm = Arm {
        name: "floor".to_owned(),
        system: Box::new(OwnServer::relay()),
        scenario: Arc::new(floor_scenario(scenario, &plan, of_phase)),
        plan: Arc::new(plan),
        // Without ends: a relay confirms nothing.
        delivery: Delivery::PersistFirst,
        part: Part::Floor,
        is_foreign: false,
        run_id: RunId::new(rand::random()),
    };
    Ok((arm, seconds))
}

/// Whether a floor can be gone by.
///
/// # Errors
/// Why not, in words.
pub(super) fn usable(plan: &Plan, observed: &Observed) -> Result<(), String> {
    if let Some(why) = observed.incomplete() {
        return Err(why);
    }
    let missing = (0..plan.slots)
        .filter(|&slot| observed.ledger.slot(slot).deliveries() == 0)
        .count();
    match missing {
        0 => Ok(()),
        _ => Err(format!(
            "{missing} of {} deliveries did not come through the relay within {DRAIN:?}",
            plan.slots
        )),
    }
}

/// The scenario as the relay knows it: its names, no reason to wait, no conditions but the same limits.
fn floor_scenario(scenario: &Scenario, plan: &Plan, of_phase: &Phase) -> Scenario {
    let phase = |planned: &PlannedPhase| Phase {
        duration: Duration::from_nanos(planned.end - planned.start),
        measured: planned.measured,
        thresholds: Vec::new(),
        ..of_phase.clone()
    };
    let mut floor = Scenario {
        dialect: Dialect::Readme,
        events: None,
        phases: plan.phases.iter().map(phase).collect(),
        drain: DRAIN,
        ..scenario.clone()
    };
    floor.population.connect_rate = None;
    let of_phases = scenario.phases.iter().flat_map(|phase| &phase.thresholds);
    floor.thresholds.extend(of_phases.cloned());
    for threshold in &mut floor.thresholds {
        threshold.abort_after = None;
    }
    floor
}

/// A floor is shown as one stage.
pub(super) struct AsFloor<'a>(pub(super) &'a mut dyn Watcher);

impl Watcher for AsFloor<'_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Stage("connect") => self.0.event(Event::Stage("floor")),
            Event::Stage(_) => {}
            Event::Turn(turn) => self.0.event(Event::Turn(turn)),
            Event::Progress(snapshot) => {
                let mut snapshot = snapshot.clone();
                snapshot.phase = format!("floor, {}", snapshot.phase);
                self.0.event(Event::Progress(&snapshot));
            }
            // What is told of every arm; why there is no floor is told by whoever wanted one.
            Event::Notice(_) => {}
        }
    }
}

//! The floor (rule 9): the same users, schedule and payloads against a bare relay, before and after the run.

use std::{sync::Arc, time::Duration};

use super::{
    arm::{Arm, Part},
    watch::{Event, Watcher},
};
use crate::{
    drive::Driver,
    model::{Delivery, Dialect, Nanos, RunId, nanos},
    observed::Observed,
    plan::{Plan, PlannedPhase},
    rig::Relay,
    scenario::{Load, Phase, Scenario},
};

/// Of a floor's load, the beginning that is not measured: the relay is as cold as the machine's caches.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long the relay's last messages are waited for.
const DRAIN: Duration = Duration::from_secs(2);
/// Index of the measured phase of a floor; the first is its warm-up.
const MEASURED: u16 = 1;

/// The arm that replays the beginning of the first measured open phase for that long, and the index of that phase.
///
/// # Errors
/// Why there can be no floor, in words.
pub(super) fn arm<'a>(
    scenario: &Scenario,
    plan: &Plan,
    driver: Driver,
    length: Duration,
) -> Result<(Arm<'a>, u16), String> {
    if driver != Driver::Native {
        return Err(format!(
            "the relay is measured with the native client alone, and this run drives {}",
            driver.name()
        ));
    }
    let of_phase = scenario
        .phases
        .iter()
        .position(|phase| phase.measured && matches!(phase.load, Load::Open(_)))
        .ok_or("no measured phase is an open one, and a floor replays a schedule")?;
    let slice = plan.slice(nanos(WARM_UP + length));
    let plan = slice
        .map(|slice| with_warm_up(slice, nanos(WARM_UP)))
        .filter(|plan| plan.sends.iter().any(|send| send.phase == MEASURED))
        .ok_or("the first measured open phase begins without messages")?;
    let arm = Arm {
        name: "floor".to_owned(),
        system: Box::new(Relay::default()),
        scenario: Arc::new(floor_scenario(scenario, &plan, of_phase)),
        plan: Arc::new(plan),
        // Without ends: a relay confirms nothing.
        delivery: Delivery::PersistFirst,
        part: Part::Floor,
        run_id: RunId::new(rand::random()),
    };
    Ok((arm, u16::try_from(of_phase).unwrap_or(u16::MAX)))
}

/// Whether a floor can be gone by.
///
/// # Errors
/// Why not, in words.
pub(super) fn usable(plan: &Plan, observed: &Observed) -> Result<(), String> {
    if let Some(why) = observed.incomplete() {
        return Err(why.to_owned());
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

/// The slice with a first phase that is not measured, a third of it at most.
fn with_warm_up(mut slice: Plan, warm_up: Nanos) -> Plan {
    let end = slice.end();
    let begin = warm_up.min(end / 3);
    if let Some(mut phase) = slice.phases.pop() {
        let mut warming = phase.clone();
        warming.name = "warm-up".to_owned();
        warming.measured = false;
        warming.end = begin;
        phase.start = begin;
        slice.phases = vec![warming, phase];
    }
    for send in &mut slice.sends {
        send.phase = if send.at < begin { 0 } else { MEASURED };
    }
    slice
}

/// The scenario as the relay knows it: its names, no reason to wait, no conditions but the same limits.
fn floor_scenario(scenario: &Scenario, plan: &Plan, of_phase: usize) -> Scenario {
    let phase = |planned: &PlannedPhase| Phase {
        duration: Duration::from_nanos(planned.end - planned.start),
        measured: planned.measured,
        thresholds: Vec::new(),
        ..scenario.phases[of_phase].clone()
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

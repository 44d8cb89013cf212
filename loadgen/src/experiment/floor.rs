//! The floor (rule 9): the same users, schedule and payloads against a bare relay, before and after the run.

use std::{sync::Arc, time::Duration};

use super::{
    Event, Interrupt, RunError, SERVER_PATIENCE, Watcher,
    measure::{self, Measurement, Where},
    session::Session,
};
use crate::{
    drive::client::Driver,
    judge::{
        checks::Promises,
        verdict::{FloorSecond, floor_seconds},
    },
    model::{
        body::RunId,
        clock::{Nanos, nanos},
        metric::Metric,
        percentile,
        vocabulary::{Delivery, Dialect},
    },
    observed::{
        ledger::Ledger,
        recorder::{Recorded, Samples},
    },
    plan::{Plan, PlannedPhase},
    result,
    result::FloorResult,
    rig::RunningServer,
    scenario::{Load, Phase, Scenario},
};

/// Of a floor's load, the beginning that is not measured: the relay is as cold as the machine's caches.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long the relay's last messages are waited for.
const DRAIN: Duration = Duration::from_secs(2);
/// Index of the measured phase of a floor; the first is its warm-up.
const MEASURED: u16 = 1;

/// What a floor replays.
pub(super) struct Floor {
    scenario: Scenario,
    plan: Arc<Plan>,
    /// Index of the phase whose beginning it is.
    pub(super) of_phase: u16,
    workers: Option<usize>,
    cpus: Vec<usize>,
    machine_check: bool,
}

/// One floor, measured: before or after a run.
pub(super) struct Part {
    measurement: Measurement,
    /// Seconds of measured load.
    length: f64,
}

impl Floor {
    /// The beginning of the first measured open phase, for that long.
    ///
    /// # Errors
    /// Why there can be no floor, in words.
    fn new(session: &Session<'_>, length: Duration) -> Result<Self, String> {
        let scenario = session.scenario;
        if session.driver != Driver::Native {
            return Err(format!(
                "the relay is measured with the native client alone, and this run drives {}",
                session.driver.name()
            ));
        }
        let of_phase = scenario
            .phases
            .iter()
            .position(|phase| phase.measured && matches!(phase.load, Load::Open(_)))
            .ok_or("no measured phase is an open one, and a floor replays a schedule")?;
        let slice = session.plan.slice(nanos(WARM_UP + length));
        let plan = slice
            .map(|slice| with_warm_up(slice, nanos(WARM_UP)))
            .filter(|plan| plan.sends.iter().any(|send| send.phase == MEASURED))
            .ok_or("the first measured open phase begins without messages")?;
        Ok(Self {
            scenario: floor_scenario(scenario, &plan, of_phase),
            plan: Arc::new(plan),
            of_phase: u16::try_from(of_phase).unwrap_or(u16::MAX),
            workers: session.options.workers,
            cpus: session.options.cpus.clone(),
            machine_check: session.options.machine_check,
        })
    }

    /// Starts a relay, measures it and stops it.
    ///
    /// # Errors
    /// [`RunError::Interrupted`] ends the run; of all else the floor is missing, and says why.
    pub(super) async fn measure(
        &self,
        interrupt: &Interrupt,
        watcher: &mut dyn Watcher,
    ) -> Result<Part, RunError> {
        let mut relay = RunningServer::start_floor(SERVER_PATIENCE).await?;
        let measured = self.against(&mut relay, interrupt, watcher).await;
        let stopped = relay.stop(SERVER_PATIENCE).await;
        let part = measured?;
        stopped?;
        Ok(part)
    }

    async fn against(
        &self,
        relay: &mut RunningServer,
        interrupt: &Interrupt,
        watcher: &mut dyn Watcher,
    ) -> Result<Part, RunError> {
        let url = relay.url().to_owned();
        let ledger = Arc::new(Ledger::new(self.plan.sends.len(), self.plan.slots));
        let measurement = measure::run(
            Where {
                scenario: &self.scenario,
                // Without ends: a relay confirms nothing.
                promises: Promises::of(&self.scenario.vocabulary(), Delivery::PersistFirst),
                vocabulary: self.scenario.vocabulary(),
                plan: &self.plan,
                ledger: &ledger,
                run: &RunId::new(rand::random()),
                url: &url,
                driver: Driver::Native,
                workers: self.workers,
                cpus: &self.cpus,
                machine_check: self.machine_check,
                subject: false,
            },
            Some(relay),
            interrupt,
            &mut AsFloor(watcher),
        )
        .await?;
        if measurement.interrupted {
            return Err(RunError::Interrupted);
        }
        let missing = (0..self.plan.slots)
            .filter(|&slot| ledger.slot(slot).deliveries() == 0)
            .count();
        match measurement.incomplete() {
            Some(why) => Err(RunError::Floor(why)),
            None if missing > 0 => Err(RunError::Floor(format!(
                "{missing} of {} deliveries did not come through the relay within {DRAIN:?}",
                self.plan.slots
            ))),
            None => Ok(Part {
                measurement,
                length: self
                    .plan
                    .phases
                    .iter()
                    .filter(|phase| phase.measured)
                    .map(seconds)
                    .sum(),
            }),
        }
    }
}

fn seconds(phase: &PlannedPhase) -> f64 {
    Duration::from_nanos(phase.end - phase.start).as_secs_f64()
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
struct AsFloor<'a>(&'a mut dyn Watcher);

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
            notice @ Event::Notice(_) => self.0.event(notice),
        }
    }
}

impl Part {
    fn recorded(&self) -> &Recorded {
        &self.measurement.recorded
    }

    /// Its seconds, as far as a verdict rests on them.
    pub(super) fn seconds(&self) -> impl Iterator<Item = FloorSecond> + '_ {
        floor_seconds(self.recorded(), &self.measurement.machine)
    }
}

/// What the parts say, beside the server's deliveries in the phase that they replay.
pub(super) fn result(parts: &[Arc<Part>], server: &Samples) -> Option<FloorResult> {
    let mut parts_left = parts.iter();
    let mut recorded = parts_left.next()?.recorded().clone();
    for part in parts_left {
        recorded.merge(part.recorded());
    }
    let relay = &recorded.samples(Metric::Delivery).histogram;
    let both = |percentile| {
        let server = percentile::of(&server.histogram, percentile).ok()?;
        Some((server, percentile::of(relay, percentile).ok()?))
    };
    let ratio = |percentile| both(percentile).map(|(server, relay)| server as f64 / relay as f64);
    let difference = |percentile| {
        let (server, relay) = both(percentile)?;
        Some(server.cast_signed() - relay.cast_signed())
    };
    let mut windows = Vec::new();
    let mut passed = 0;
    for part in parts {
        let measurement = &part.measurement;
        for mut window in result::windows(
            part.recorded(),
            &measurement.machine,
            measurement.hiccups.as_ref(),
        ) {
            window.second += passed;
            windows.push(window);
        }
        passed = windows.last().map_or(0, |last| last.second + 1);
    }
    Some(FloorResult {
        seconds: parts.iter().map(|part| part.length).sum(),
        delivery: result::metric(Metric::Delivery, &recorded),
        windows,
        ratio_p50: ratio(50.0),
        ratio_p95: ratio(95.0),
        difference_p99: difference(99.0),
        difference_p999: difference(99.9),
    })
}

/// The floors of a session, one between each two runs.
pub(super) struct Floors {
    floor: Floor,
    /// The one after the last run, which is also the one before the next.
    last: Option<Arc<Part>>,
}

impl Session<'_> {
    /// Works out the floor, or says why there is none.
    pub(super) fn plan_floor(&mut self) {
        let Some(length) = self.options.floor else {
            return;
        };
        match Floor::new(self, length) {
            Ok(floor) => {
                if self.options.target.is_some() {
                    self.watcher.event(Event::Notice(
                        "the floor is this machine's own loopback, not the way to the target"
                            .to_owned(),
                    ));
                }
                self.floor = Some(Floors { floor, last: None });
            }
            Err(why) => self
                .watcher
                .event(Event::Notice(format!("no floor: {why}"))),
        }
    }

    /// The floor before a run: the one after the last run, where there was one.
    ///
    /// # Errors
    /// [`RunError::Interrupted`] alone. What else goes wrong is told, and there is no floor.
    pub(super) async fn floor_before(&mut self) -> Result<Option<Arc<Part>>, RunError> {
        let last = self.floor.as_mut().and_then(|floors| floors.last.take());
        match last {
            Some(last) => Ok(Some(last)),
            None => self.measure_floor().await,
        }
    }

    /// The floor after a run. An interruption ends it, and the run before it is complete all the same.
    pub(super) async fn floor_after(&mut self) -> Option<Arc<Part>> {
        let part = self.measure_floor().await.ok().flatten();
        if let Some(floors) = &mut self.floor {
            floors.last.clone_from(&part);
        }
        part
    }

    async fn measure_floor(&mut self) -> Result<Option<Arc<Part>>, RunError> {
        let Some(Floors { floor, .. }) = &self.floor else {
            return Ok(None);
        };
        match floor.measure(self.interrupt, self.watcher).await {
            Ok(part) => {
                let resident_before = part.measurement.generator.resident_before;
                self.resident_before.get_or_insert(resident_before);
                Ok(Some(Arc::new(part)))
            }
            Err(RunError::Interrupted) => Err(RunError::Interrupted),
            Err(error) => {
                self.watcher
                    .event(Event::Notice(format!("no floor: {error}")));
                Ok(None)
            }
        }
    }

    /// What the floor says beside the phase that it replays.
    pub(super) fn floor_result(
        &self,
        parts: &[Arc<Part>],
        recorded: &Recorded,
    ) -> Option<FloorResult> {
        let Floors { floor, .. } = self.floor.as_ref()?;
        result(parts, recorded.samples_in(floor.of_phase, Metric::Delivery))
    }
}

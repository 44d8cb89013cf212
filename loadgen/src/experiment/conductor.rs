//! Brings a plan's faults about at their times, has it proved that they bit, mends them, and notes when all that was.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use async_trait::async_trait;

use super::RunError;
use crate::{
    drive::worker::Progress,
    model::{Clock, Nanos, nanos},
    observed::FaultSeen,
    plan::{Plan, PlannedFault},
    rig::{
        Death, System,
        fault::{self, Fault, FaultError},
        proxy::Proxy,
    },
    scenario::{Damage, Scenario},
};

/// What a fault began shows so long after it at most: a server that goes on finds its clients silent, and they come back.
const AFTERMATH: Nanos = 10_000_000_000;

/// The faults of one run.
pub(super) struct Conductor {
    parts: Vec<Part>,
    /// What the workers are told of them.
    progress: Arc<Progress>,
    clock: Clock,
    /// When the schedule began.
    began: Option<Instant>,
}

struct Part {
    planned: PlannedFault,
    fault: Box<dyn Fault>,
    stage: Stage,
    seen: FaultSeen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Ahead,
    On,
    Over,
}

/// Whether all of a plan's faults can be brought about in this system.
///
/// # Errors
/// [`RunError::Fault`] of the first that can't.
pub(super) fn check(plan: &Plan, system: &mut dyn System) -> Result<(), RunError> {
    for planned in &plan.faults {
        fault::prepare(planned, system, &[])?;
    }
    Ok(())
}

/// Refuses a scenario with faults, for what compares times that must be alike.
///
/// # Errors
/// [`RunError::Asked`].
pub(super) fn none(scenario: &Scenario) -> Result<(), RunError> {
    match scenario.faults.is_empty() {
        true => Ok(()),
        false => Err(RunError::Asked(format!(
            "{}: its [[faults]] break something in mid-run, and `loadgen run` alone does that: leave them out here",
            scenario.path.display()
        ))),
    }
}

impl Conductor {
    /// Of a plan's faults, in this system, to which clients come through proxies where the network before it is to be bad.
    ///
    /// # Errors
    /// As [`check`].
    pub(super) fn new(
        plan: &Plan,
        system: &mut dyn System,
        progress: &Arc<Progress>,
        clock: Clock,
        proxies: &[Arc<Proxy>],
    ) -> Result<Self, RunError> {
        let mut parts = Vec::new();
        for (index, planned) in plan.faults.iter().enumerate() {
            let by_clients = || -> Box<dyn Fault> {
                Box::new(ByClients {
                    progress: Arc::clone(progress),
                    index,
                })
            };
            parts.push(Part {
                fault: fault::prepare(planned, system, proxies)?.unwrap_or_else(by_clients),
                stage: Stage::Ahead,
                seen: FaultSeen::of(&planned.name),
                planned: planned.clone(),
            });
        }
        Ok(Self {
            parts,
            progress: Arc::clone(progress),
            clock,
            began: None,
        })
    }

    /// The schedule begins at that time.
    pub(super) fn begin(&mut self, began: Instant) {
        self.began = Some(began);
    }

    /// Whether anything is broken right now.
    pub(super) fn is_on(&self) -> bool {
        self.parts.iter().any(|part| part.stage == Stage::On)
    }

    /// Whether all faults have been, and are mended.
    pub(super) fn is_over(&self) -> bool {
        self.parts.iter().all(|part| part.stage == Stage::Over)
    }

    /// Resolves when the next step is due. May be dropped and called again.
    pub(super) async fn due(&self) {
        match self.next() {
            Some((at, _)) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    }

    /// Takes the next step.
    ///
    /// # Errors
    /// What stays broken.
    pub(super) async fn step(&mut self, system: &mut dyn System) -> Result<(), Death> {
        let (Some((_, place)), Some(began)) = (self.next(), self.began) else {
            return Ok(());
        };
        let part = &mut self.parts[place];
        if part.stage == Stage::Ahead {
            let damage = part.planned.damage;
            if damage.ends_connections() {
                let now = self.clock.now();
                let excuse = &self.progress.excuse;
                excuse.begin(server(damage), now, damage.swallows());
            }
            part.apply(system, began).await;
            return Ok(());
        }
        let mended = part.mend(system, began).await;
        self.excuse_no_more(place);
        mended
    }

    /// When the last fault is over that ends connections to a server.
    fn excuse_no_more(&self, mended: usize) {
        let over = self.parts[mended].planned.damage;
        let mut on = self.parts.iter().filter(|part| part.stage == Stage::On);
        let other = on.any(|part| {
            let damage = part.planned.damage;
            damage.ends_connections() && damage.node() == over.node()
        });
        if over.ends_connections() && !other {
            let until = self.clock.now() + AFTERMATH;
            self.progress.excuse.end(server(over), until);
        }
    }

    /// Mends all that is broken now, whatever the plan says.
    ///
    /// # Errors
    /// What stays broken.
    pub(super) async fn mend(&mut self, system: &mut dyn System) -> Result<(), Death> {
        let mut mended = Ok(());
        let Some(began) = self.began else {
            return mended;
        };
        for place in (0..self.parts.len()).rev() {
            let part = &mut self.parts[place];
            if part.stage == Stage::On {
                mended = mended.and(part.mend(system, began).await);
                self.excuse_no_more(place);
            }
        }
        mended
    }

    /// What was seen of each.
    pub(super) fn seen(&self) -> Vec<FaultSeen> {
        self.parts.iter().map(|part| part.seen.clone()).collect()
    }

    fn next(&self) -> Option<(Instant, usize)> {
        let began = self.began?;
        let parts = self.parts.iter().enumerate();
        let due = parts.filter_map(|(place, part)| Some((part.next()?, place)));
        let (at, place) = due.min()?;
        Some((began + Duration::from_nanos(at), place))
    }
}

impl Part {
    fn next(&self) -> Option<Nanos> {
        match self.stage {
            Stage::Ahead => Some(self.planned.start),
            Stage::On => Some(self.planned.end),
            Stage::Over => None,
        }
    }

    async fn apply(&mut self, system: &mut dyn System, began: Instant) {
        self.stage = Stage::On;
        self.seen.start = Some(since(began));
        let applied = self.fault.apply(system).await;
        self.note(applied);
    }

    async fn mend(&mut self, system: &mut dyn System, began: Instant) -> Result<(), Death> {
        self.stage = Stage::Over;
        self.prove(system).await;
        if let Err(error) = self.fault.heal(system).await {
            let what = format!(
                "the fault {:?} could not be mended: {error}",
                self.planned.name
            );
            self.seen.trouble.get_or_insert(error.to_string());
            return Err(Death {
                what,
                at: Instant::now(),
            });
        }
        self.seen.end = Some(since(began));
        if self.seen.proof.is_none() {
            self.prove(system).await;
        }
        Ok(())
    }

    async fn prove(&mut self, system: &mut dyn System) {
        let proved = self.fault.prove(system).await;
        self.seen.proof = self.note(proved).flatten();
    }

    /// What goes wrong first says most.
    fn note<T>(&mut self, step: Result<T, FaultError>) -> Option<T> {
        match step {
            Ok(done) => Some(done),
            Err(error) => {
                self.seen.trouble.get_or_insert(error.to_string());
                None
            }
        }
    }
}

/// The place of the server among several whose connections a fault ends; `None`: of all that there are.
fn server(damage: Damage) -> Option<u16> {
    damage.node().map(|number| number - 1)
}

fn since(began: Instant) -> Nanos {
    nanos(Instant::now().saturating_duration_since(began))
}

/// What clients do by themselves, as the plan tells them to.
struct ByClients {
    progress: Arc<Progress>,
    index: usize,
}

#[async_trait(?Send)]
impl Fault for ByClients {
    async fn apply(&mut self, _: &mut dyn System) -> Result<(), FaultError> {
        Ok(())
    }

    async fn prove(&mut self, _: &mut dyn System) -> Result<Option<String>, FaultError> {
        let struck = self.progress.struck.get(self.index);
        let clients = struck.map_or(0, |struck| struck.load(Relaxed));
        Ok((clients > 0).then(|| format!("{clients} connected clients did so")))
    }

    async fn heal(&mut self, _: &mut dyn System) -> Result<(), FaultError> {
        Ok(())
    }
}

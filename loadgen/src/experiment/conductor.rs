//! Brings a plan's faults about at their times, has it proved that they bit, mends them, and notes when all that was.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use async_trait::async_trait;

use super::RunError;
use crate::{
    drive::worker::Progress,
    model::{Clock, Nanos, nanos, numbers},
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

/// A step is taken so soon after it is due, unless another one takes its time.
const PROMPT: Nanos = 50_000_000;

/// A fault that lasted so much of what was planned is the one that was planned.
const ENOUGH: f64 = 0.9;

/// The faults of one run.
pub(super) struct Conductor {
    parts: Vec<Part>,
    /// When all must be mended, from the schedule's start: the drain needs all as it was.
    end: Nanos,
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

/// Whether all of a plan's faults can be brought about in this system, each by itself and all together.
///
/// # Errors
/// [`RunError::Fault`] of the first that can't.
pub(super) fn check(plan: &Plan, system: &mut dyn System) -> Result<(), RunError> {
    for planned in &plan.faults {
        fault::prepare(planned, system, &[])?;
    }
    Ok(fault::together(&plan.faults, system)?)
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
            end: plan.end(),
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
        part.note_if_cut_short(since(began));
        let mended = part.mend(system, began).await;
        self.excuse_no_more(place);
        mended
    }

    /// Ends the excuse of each server of which the last fault is over that ends connections to it.
    fn excuse_no_more(&self, mended: usize) {
        let over = self.parts[mended].planned.damage;
        if !over.ends_connections() {
            return;
        }
        let on = self.parts.iter().filter(|part| part.stage == Stage::On);
        let on = on.map(|part| part.planned.damage);
        let on: Vec<Option<u16>> = on
            .filter(|damage| damage.ends_connections())
            .map(server)
            .collect();
        let until = self.clock.now() + AFTERMATH;
        self.progress.excuse.end(server(over), &on, until);
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

    /// When the next step is due, and whose it is. Of two at once, what ends comes before what begins.
    fn next(&self) -> Option<(Instant, usize)> {
        let began = self.began?;
        let parts = self.parts.iter().enumerate();
        let due = parts.filter_map(|(place, part)| {
            let begins = part.stage == Stage::Ahead;
            Some((self.due_of(part)?, begins, place))
        });
        let (at, _, place) = due.min()?;
        Some((began + Duration::from_nanos(at), place))
    }

    /// When the next step of a part is due. One that was held up may be on when another is to begin that breaks the same thing:
    /// that one waits for its end.
    fn due_of(&self, part: &Part) -> Option<Nanos> {
        let due = part.due(self.end)?;
        let on = self.parts.iter().filter(|other| {
            part.stage == Stage::Ahead
                && other.stage == Stage::On
                && other.planned.damage.collides_with(part.planned.damage)
        });
        let over = on.filter_map(|other| other.due(self.end)).max();
        Some(due.max(over.unwrap_or(0)))
    }
}

impl Part {
    /// When its next step is due, if all must be mended at `end`. What another fault's step held up lasts as long as was planned.
    fn due(&self, end: Nanos) -> Option<Nanos> {
        match (self.stage, self.seen.start) {
            (Stage::Ahead, _) => Some(self.planned.start),
            (Stage::On, Some(start)) if !self.is_by_clients() => {
                Some(end.min(start + self.lasts()))
            }
            (Stage::On, _) => Some(self.planned.end),
            (Stage::Over, _) => None,
        }
    }

    /// How long it was to last.
    fn lasts(&self) -> Nanos {
        self.planned.end - self.planned.start
    }

    /// Whether clients do it by themselves: then it is on when the plan says so, whenever this here comes to it.
    fn is_by_clients(&self) -> bool {
        matches!(self.planned.damage, Damage::Clients(..))
    }

    /// When a step is taken that was due then.
    fn taken(&self, due: Nanos, now: Nanos) -> Nanos {
        match self.is_by_clients() {
            true => now.min(due + PROMPT),
            false => now,
        }
    }

    /// Before it is mended: whether the schedule leaves it less time than was planned, since it began so late.
    fn note_if_cut_short(&mut self, now: Nanos) {
        let start = self.seen.start.unwrap_or(now);
        let (lasted, planned) = (now.saturating_sub(start), self.lasts());
        if !self.is_by_clients() && (lasted as f64) < ENOUGH * planned as f64 {
            self.seen.trouble.get_or_insert(format!(
                "it began {} late, and all must be mended when the phases end: it lasted {} where {} were planned",
                numbers::duration(start.saturating_sub(self.planned.start)),
                numbers::duration(lasted),
                numbers::duration(planned)
            ));
        }
    }

    async fn apply(&mut self, system: &mut dyn System, began: Instant) {
        self.stage = Stage::On;
        self.seen.start = Some(self.taken(self.planned.start, since(began)));
        let applied = self.fault.apply(system).await;
        self.note(applied);
    }

    async fn mend(&mut self, system: &mut dyn System, began: Instant) -> Result<(), Death> {
        self.stage = Stage::Over;
        self.prove(system).await;
        let begun = since(began);
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
        // How long a server takes to drain and to be back is its own doing, and a part of what its recovery takes.
        let over = match self.planned.damage.restarts_the_server() {
            true => begun,
            false => since(began),
        };
        self.seen.end = Some(self.taken(self.planned.end, over));
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

#[cfg(test)]
mod tests;

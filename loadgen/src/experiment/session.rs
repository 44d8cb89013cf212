//! The arms of one scenario, one after the other: each that is no floor is judged beside the floors around it.

use std::{cmp::Reverse, ops::Range, sync::Arc};

use printable::escaped;

use super::{
    RunError, SystemChoice,
    arm::{self, Arm, Part},
    conductor,
    floor::{self, AsFloor},
    measure::{self, Bench},
    order::order,
    watch::{Event, Watcher},
};
use crate::{
    judge::{account, judge},
    observed::{Ended, FaultSeen, Layout, Ledger, Observed, Recorded},
    plan::Plan,
    result::{self, Run},
    rig::{RunningStore, StoreNeeds},
    scenario::Scenario,
};

/// Of what was ignored, so many names are told; the result has all.
const TOLD: usize = 8;

/// What all arms of one scenario share.
pub(super) struct Session<'a> {
    pub(super) bench: Bench<'a>,
    pub(super) watcher: &'a mut dyn Watcher,
    /// The seconds of the schedule that the floor replays.
    pub(super) floor_of: Option<Range<usize>>,
    /// Resident bytes before the first connection of all: later ones find memory that earlier ones have left.
    pub(super) resident_before: Option<u64>,
}

/// The runs so far, and why the target died, if it did.
pub(super) struct Measured {
    pub(super) runs: Vec<Run>,
    pub(super) died: Option<String>,
    /// What is still there that was started for them, and why.
    pub(super) not_cleaned_up: Vec<String>,
}

/// An arm that was measured and still waits for the floor after it.
struct Waiting {
    arm: usize,
    observed: Observed,
    before: Option<Arc<Observed>>,
}

impl Session<'_> {
    /// The store that a system is to save into, of which that much is needed; `None` of one that has its own, or none.
    pub(super) async fn store_of(
        &mut self,
        system: &SystemChoice,
        needs: StoreNeeds,
    ) -> Result<Option<RunningStore>, RunError> {
        if !system.saves_here() {
            return Ok(None);
        }
        let watcher = &mut *self.watcher;
        watcher.event(Event::Stage("store"));
        let mut notice = |text| watcher.event(Event::Notice(text));
        let options = self.bench.options;
        let (choice, image) = (&options.store, &options.mongo_image);
        tokio::select! {
            store = RunningStore::start_for(needs, choice, image, &mut notice) => Ok(Some(store?)),
            () = self.bench.interrupt.nth(1) => Err(RunError::Interrupted),
        }
    }

    /// The floor's arm; where there is none although one is wanted, it is said why.
    pub(super) fn floor<'a>(&mut self, scenario: &Scenario, plan: &Plan) -> Option<Arm<'a>> {
        let options = self.bench.options;
        match floor::arm(scenario, plan, self.bench.driver, options.floor?) {
            Ok((arm, seconds)) => {
                if options.target.is_some() {
                    self.notice(
                        "the floor is this machine's own loopback, not the way to the target",
                    );
                }
                self.floor_of = Some(seconds);
                Some(arm)
            }
            Err(why) => {
                self.notice(format!("no floor: {why}"));
                None
            }
        }
    }

    /// Measures the arms in their order, until one does not go to its end. What was measured before one that could not be measured
    /// at all is complete all the same; that one is told as cut off.
    ///
    /// # Errors
    /// [`RunError`] when nothing could be measured, or what was asked can't be.
    pub(super) async fn measure(
        &mut self,
        arms: impl Iterator<Item = Arm<'_>>,
    ) -> Result<Measured, RunError> {
        let mut arms: Vec<Arm<'_>> = arms.collect();
        arm::distinct(&arms)?;
        for arm in &mut arms {
            conductor::check(&arm.plan, &mut *arm.system)?;
        }
        let mut turns = order(&arms).into_iter();
        let mut measured = Measured {
            runs: Vec::new(),
            died: None,
            not_cleaned_up: Vec::new(),
        };
        let mut last_floor = None;
        let mut waiting: Option<Waiting> = None;
        let mut cut_off: Option<(usize, Ended)> = None;
        while let Some(turn) = turns.next() {
            let arm = &mut arms[turn];
            let is_floor = arm.part == Part::Floor;
            let floor = match is_floor {
                false => None,
                true => match self.measure_floor(arm).await {
                    Err(RunError::Interrupted) if waiting.is_some() => {
                        cut_off = turns.next().map(|next| (next, Ended::Interrupted));
                        None
                    }
                    floor => floor?.map(Arc::new),
                },
            };
            let judged = waiting
                .take()
                .map(|one| self.conclude(&arms, one, floor.clone()));
            measured.runs.extend(judged);
            if cut_off.is_some() {
                break;
            }
            if is_floor {
                last_floor = floor;
                continue;
            }
            let seen = measure::measure(&mut arms[turn], &self.bench, self.watcher).await;
            let (observed, left) = match seen {
                Ok(seen) => seen,
                Err(error) if measured.runs.is_empty() || error.is_the_questions() => {
                    return Err(error);
                }
                Err(RunError::Interrupted) => {
                    cut_off = Some((turn, Ended::Interrupted));
                    break;
                }
                Err(error) => {
                    measured.died = Some(error.to_string());
                    cut_off = Some((turn, Ended::Died(error.to_string())));
                    break;
                }
            };
            measured.not_cleaned_up.extend(left);
            let ended = observed.ended.clone();
            self.tell_ignored(&observed);
            waiting = Some(Waiting {
                arm: turn,
                observed: self.with_resident_before(observed),
                before: last_floor.clone(),
            });
            if let Some(ended) = ended {
                if let Ended::Died(why) = ended {
                    measured.died = Some(why);
                }
                break;
            }
        }
        if let Some((arm, ended)) = cut_off {
            self.notice(format!("{}: not measured: {ended}", arms[arm].name));
            waiting = Some(Waiting {
                arm,
                observed: self.with_resident_before(nothing_of(&arms[arm], ended)),
                before: None,
            });
        }
        let judged = waiting.map(|one| self.conclude(&arms, one, None));
        measured.runs.extend(judged);
        Ok(measured)
    }

    /// One arm by itself, without floors.
    pub(super) async fn alone(&mut self, mut arm: Arm<'_>) -> Result<Measured, RunError> {
        let measured = measure::measure(&mut arm, &self.bench, self.watcher).await;
        let (observed, left) = measured?;
        let died = match &observed.ended {
            Some(Ended::Died(why)) => Some(why.clone()),
            _ => None,
        };
        let waiting = Waiting {
            arm: 0,
            observed: self.with_resident_before(observed),
            before: None,
        };
        Ok(Measured {
            runs: vec![self.conclude(&[arm], waiting, None)],
            died,
            not_cleaned_up: left.into_iter().collect(),
        })
    }

    /// One arm by itself, not judged: what was seen, and what is still there that was started for it.
    pub(super) async fn observe(
        &mut self,
        arm: &mut Arm<'_>,
    ) -> Result<(Observed, Option<String>), RunError> {
        let measured = measure::measure(arm, &self.bench, self.watcher).await;
        let (observed, left) = measured?;
        self.tell_ignored(&observed);
        Ok((self.with_resident_before(observed), left))
    }

    /// What the floor saw, where it can be gone by.
    ///
    /// # Errors
    /// [`RunError::Interrupted`] alone. What else goes wrong is told, and there is no floor.
    async fn measure_floor(&mut self, arm: &mut Arm<'_>) -> Result<Option<Observed>, RunError> {
        let measured = measure::measure(arm, &self.bench, &mut AsFloor(self.watcher)).await;
        let why = match measured.map(|(observed, _)| observed) {
            Err(RunError::Interrupted) => return Err(RunError::Interrupted),
            Err(error) => error.to_string(),
            Ok(observed) if observed.ended == Some(Ended::Interrupted) => {
                return Err(RunError::Interrupted);
            }
            Ok(mut observed) => match floor::usable(&arm.plan, &observed) {
                Ok(()) => {
                    // All came: none is to be left out as lost.
                    observed.record_slowest(&arm.plan, |_| false);
                    return Ok(Some(self.with_resident_before(observed)));
                }
                Err(why) => why,
            },
        };
        self.notice(format!("no floor: {why}"));
        Ok(None)
    }

    fn with_resident_before(&mut self, mut observed: Observed) -> Observed {
        let before = &mut observed.generator.resident_before;
        *before = *self.resident_before.get_or_insert(*before);
        observed
    }

    /// Judges an arm beside the floors around it.
    fn conclude(&self, arms: &[Arm<'_>], waiting: Waiting, after: Option<Arc<Observed>>) -> Run {
        let Waiting {
            arm,
            mut observed,
            before,
        } = waiting;
        let arm = &arms[arm];
        let beside: Vec<&Observed> = before.iter().chain(&after).map(|floor| &**floor).collect();
        let promises = arm.promises(self.bench.driver.asks_for_acks());
        let account = account(&arm.plan, promises, &observed);
        observed.record_slowest(&arm.plan, |message| account.missing.has(message));
        let judgement = judge(&arm.scenario, &arm.plan, &observed, &account, &beside);
        let floor = arms.iter().find(|arm| arm.part == Part::Floor);
        let floor = floor.zip(self.floor_of.as_ref());
        let options = self.bench.options;
        Run {
            floor: floor.and_then(|(floor, seconds)| {
                result::floor(&floor.plan, &beside, &observed, seconds)
            }),
            ..result::run(
                result::About {
                    scenario: &arm.scenario,
                    plan: &arm.plan,
                    delivery: arm.delivery,
                    delivery_known: arm.has_known_delivery(),
                    promises,
                    // The port of what is started here is another one each time.
                    target: match arm.is_foreign {
                        true => &arm.name,
                        false => arm.system.address(),
                    },
                    own: !arm.is_foreign,
                    target_version: options.target_version.as_deref(),
                    store: arm.system.store(),
                    client: self.bench.driver.name(),
                },
                observed,
                account,
                judgement,
            )
        }
    }

    /// What came and was nobody's, the most frequent first: a map that does not know an event is found by it.
    fn tell_ignored(&mut self, observed: &Observed) {
        let mut counts: Vec<_> = observed.ignored.counts().iter().collect();
        if counts.is_empty() {
            return;
        }
        counts.sort_by_key(|(name, count)| (Reverse(**count), (*name).clone()));
        let beyond = counts.len().saturating_sub(TOLD);
        let mut told: Vec<String> = counts
            .into_iter()
            .take(TOLD)
            .map(|(name, count)| format!("{count} {}", escaped(name)))
            .collect();
        if beyond > 0 {
            told.push(format!("and {beyond} other names"));
        }
        self.notice(format!("came and was ignored: {}", told.join(", ")));
    }

    pub(super) fn notice(&mut self, text: impl Into<String>) {
        self.watcher.event(Event::Notice(text.into()));
    }
}

/// What was seen of an arm that was cut off before anything could be.
fn nothing_of(arm: &Arm<'_>, ended: Ended) -> Observed {
    let recorded = Recorded::empty(Arc::new(Layout::of(&arm.scenario)));
    let faults = arm.plan.faults.iter();
    Observed {
        faults: faults.map(|fault| FaultSeen::of(&fault.name)).collect(),
        ended: Some(ended),
        ..Observed::of(recorded, Arc::new(Ledger::of(&arm.plan)))
    }
}

//! What one process saw of its part, as text that another merges: all of it, and nothing that does not fit the plan.

use std::{ops::Range, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Breaks, Ended, Entry, FaultSeen, GeneratorUse, Hiccups, Ignored, Layout, Ledger, MachineSecond,
    Observed, ProcessUse, ProxyCost, Refusals, Step, Strays, ledger::LedgerRecord, pack::PackError,
    recorder::RecordedRecord, stored::StoredRecord,
};
use crate::{
    model::{HistogramError, Nanos, histogram},
    plan::{Part, Plan, Thread},
};

/// Why a record can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A histogram can't be read.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
    /// Numbers can't be read.
    #[error("{what}: {source}")]
    Packed {
        /// Which.
        what: &'static str,
        /// What is wrong with them.
        source: PackError,
    },
    /// Something in it is of another plan or of another part of it.
    #[error("{0} in it are not those of this part of the plan")]
    Misfit(&'static str),
    /// The counts within limits are of other limits.
    #[error("counts within {found} limits, and the scenario has {wanted}")]
    Limits {
        /// How many there are.
        found: usize,
        /// How many the scenario has.
        wanted: usize,
    },
}

/// [`Observed`] of one part of a plan, as it is written. Times are nanoseconds on the clock of the process that saw it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    recorded: RecordedRecord,
    ledger: LedgerRecord,
    strays: Strays,
    ignored: Ignored,
    refusals: Refusals,
    presence: Vec<Entry>,
    broken: Breaks,
    /// CPU seconds of each thread, by second of the schedule.
    threads: Vec<(Thread, Vec<f64>)>,
    connecting: Vec<MachineSecond>,
    machine: Vec<MachineSecond>,
    hiccups: Option<HiccupsRecord>,
    elsewhere: bool,
    generator: GeneratorUse,
    server: Option<ProcessUse>,
    faults: Vec<FaultSeen>,
    proxy: Option<ProxyCost>,
    ended: Option<Ended>,
    durability: Option<String>,
    version: Option<String>,
    stored: StoredRecord,
    left: Option<[u64; 3]>,
    /// Not in older ones.
    #[serde(default)]
    left_unanswered: bool,
}

/// How long a thread overslept that only sleeps, nanoseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HiccupsRecord {
    /// HdrHistogram V2, compressed, base64.
    all: String,
    longest: Vec<Nanos>,
    paused: Vec<Nanos>,
}

/// A message of a part, and its ledger slots.
pub(super) struct Own {
    pub(super) message: u32,
    pub(super) slots: Range<usize>,
}

/// The messages of a part, in the order of the plan.
pub(super) fn own<'a>(plan: &'a Plan, part: &'a Part) -> impl Iterator<Item = Own> + 'a {
    let sends = (0..).zip(&plan.sends);
    let sends = sends.filter(|(_, send)| part.place(send.sender).is_some());
    sends.map(|(message, send)| {
        let first = send.slot as usize;
        Own {
            message,
            slots: first..first + plan.conversation_of(send).members.len(),
        }
    })
}

impl Record {
    /// What was seen of a part.
    pub fn of(observed: &Observed, plan: &Plan, part: &Part) -> Self {
        let hiccups = observed.hiccups.as_ref();
        Self {
            recorded: RecordedRecord::of(&observed.recorded),
            ledger: LedgerRecord::of(&observed.ledger, plan, part),
            strays: observed.strays.clone(),
            ignored: observed.ignored.clone(),
            refusals: observed.refusals.clone(),
            presence: observed.presence.clone(),
            broken: observed.broken.clone(),
            threads: observed.threads.clone().into_iter().collect(),
            connecting: observed.connecting.clone(),
            machine: observed.machine.clone(),
            hiccups: hiccups.map(|hiccups| HiccupsRecord {
                all: histogram::encode(&hiccups.all),
                longest: hiccups.longest.clone(),
                paused: hiccups.paused.clone(),
            }),
            elsewhere: observed.elsewhere,
            generator: observed.generator.clone(),
            server: observed.server.clone(),
            faults: observed.faults.clone(),
            proxy: observed.proxy,
            ended: observed.ended.clone(),
            durability: observed.durability.clone(),
            version: observed.version.clone(),
            stored: StoredRecord::of(&observed.stored, plan, part),
            left: observed.left,
            left_unanswered: observed.left_unanswered,
        }
    }

    /// What ended it before its time.
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Which version of itself the system said it is.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// How durable a confirmed message is in the store, as the system said.
    pub fn durability(&self) -> Option<&str> {
        self.durability.as_deref()
    }

    /// Whether its messages were to be looked up in the store, be it in vain.
    pub fn is_audited(&self) -> bool {
        self.stored != StoredRecord::NotAsked
    }

    /// Back: what was seen, of all of whose numbers it is known that they are in the plan.
    ///
    /// # Errors
    /// [`RecordError`] says what does not fit.
    pub fn restored(
        self,
        plan: &Plan,
        layout: &Arc<Layout>,
        part: &Part,
    ) -> Result<Observed, RecordError> {
        self.check(plan, part)?;
        let recorded = self.recorded.restored(layout)?;
        let ledger = Ledger::of(plan);
        self.ledger.restore(&ledger, plan, part)?;
        let hiccups = self.hiccups.map(HiccupsRecord::restored).transpose()?;
        Ok(Observed {
            strays: self.strays,
            ignored: self.ignored,
            refusals: self.refusals,
            presence: self.presence,
            broken: self.broken,
            threads: self.threads.into_iter().collect(),
            connecting: self.connecting,
            machine: self.machine,
            hiccups,
            elsewhere: self.elsewhere,
            generator: self.generator,
            server: self.server,
            faults: self.faults,
            proxy: self.proxy,
            ended: self.ended,
            durability: self.durability,
            version: self.version,
            stored: self.stored.restored(plan, part)?,
            left: self.left,
            left_unanswered: self.left_unanswered,
            ..Observed::of(recorded, Arc::new(ledger))
        })
    }

    /// Whether those of whom it speaks are users of the part, and where they are are places of theirs.
    fn check(&self, plan: &Plan, part: &Part) -> Result<(), RecordError> {
        let is_own = |user: u32| part.place(user).is_some();
        let moved = self.presence.iter().all(|entry| {
            let places = match entry.step {
                Step::Joining(place)
                | Step::Joined(place)
                | Step::Leaving(place)
                | Step::Left(place) => place as usize + 1,
                Step::Deaf | Step::Gone => 0,
            };
            is_own(entry.user) && places <= plan.places[entry.user as usize].len()
        });
        let mut broken = [
            &self.broken.lost,
            &self.broken.violated,
            &self.broken.limited,
            &self.broken.excused,
        ]
        .into_iter()
        .flat_map(|kind| kind.cases());
        let shard = part.shard().number();
        for (fits, what) in [
            (self.recorded.has_phases_of(plan.phases.len()), "the phases"),
            (moved, "the comings and goings"),
            (self.faults.len() <= plan.faults.len(), "the faults"),
            (broken.all(|one| is_own(one.user)), "the broken connections"),
            (self.strays.all().all(|one| is_own(one.user)), "the strays"),
            (
                self.threads.iter().all(|(thread, _)| thread.shard == shard),
                "the threads",
            ),
        ] {
            if !fits {
                return Err(RecordError::Misfit(what));
            }
        }
        Ok(())
    }
}

impl HiccupsRecord {
    fn restored(self) -> Result<Hiccups, RecordError> {
        let mut hiccups = Hiccups {
            longest: self.longest,
            paused: self.paused,
            ..Hiccups::default()
        };
        let all = histogram::decode(&self.all)?;
        hiccups.all.add(all).map_err(HistogramError::from)?;
        Ok(hiccups)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::plan::Shard;

    /// The part of some users of a plan by its number.
    pub(in crate::observed) fn part(plan: &Plan, shard: &str) -> Part {
        Part::of(plan, shard.parse::<Shard>().unwrap()).unwrap()
    }

    /// Through the text and back.
    pub(in crate::observed) fn through(
        observed: &Observed,
        plan: &Plan,
        part: &Part,
    ) -> Result<Observed, RecordError> {
        let text = serde_json::to_string(&Record::of(observed, plan, part)).unwrap();
        let record: Record = serde_json::from_str(&text).unwrap();
        record.restored(plan, observed.recorded.layout(), part)
    }
}

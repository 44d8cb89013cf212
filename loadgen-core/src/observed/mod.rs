//! What a run saw, in one value that its parts merge into: what each thread saw, and whatever is measured apart.

mod broken;
mod due;
pub mod fault;
mod first;
mod ignored;
pub mod ledger;
pub mod machine;
mod pack;
pub mod presence;
mod proxy;
mod record;
pub mod recorder;
mod refusals;
mod rules;
mod stored;
pub mod strays;
pub mod usage;

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

pub use self::{
    broken::{Breaks, Broken, Closed},
    due::Due,
    fault::FaultSeen,
    first::First,
    ignored::Ignored,
    ledger::Ledger,
    machine::{Cause, Hiccups, MachineSecond},
    pack::PackError,
    presence::{Entry, Step},
    proxy::ProxyCost,
    record::{Record, RecordError},
    recorder::{
        DeliverySample, Finished, Layout, Over, PROMISE, Recorded, RecordedRecord, Recorder, SIZES,
        Samples, Sends, SizeClass, WINDOW, Watched, Window,
    },
    refusals::Refusals,
    rules::Rules,
    stored::{Differs, Lookup, Stored},
    strays::{Stray, StrayKind, Strays},
    usage::{GeneratorUse, Moment, ProcessUse, ThreadUse, Whose},
};
use crate::{
    model::Metric,
    plan::{Plan, Thread},
};

/// All that was seen of one arm: of a whole run, or of the part of it that one thread drove.
#[derive(Debug, Clone)]
pub struct Observed {
    /// By which rules it is judged.
    pub rules: Rules,
    /// How long it took.
    pub recorded: Recorded,
    /// Who sent and who received. Threads of one process write into one.
    pub ledger: Arc<Ledger>,
    /// What came and belongs nowhere.
    pub strays: Strays,
    /// What came, is legal, and is nobody's here.
    pub ignored: Ignored,
    /// Acknowledgements that refused a message.
    pub refusals: Refusals,
    /// Who came and went in mid-run, each user's steps in the order of time.
    pub presence: Vec<Entry>,
    /// Connections that ended, though their users had not meant them to.
    pub broken: Breaks,
    /// CPU seconds of each thread, second by second of the schedule.
    pub threads: BTreeMap<Thread, Vec<f64>>,
    /// What kept users from connecting, second by second, the last one cut short; empty where nobody watched.
    pub connecting: Vec<MachineSecond>,
    /// What kept the run from going on, second by second of the schedule; empty where nobody watched.
    pub machine: Vec<MachineSecond>,
    /// How long a thread overslept that only sleeps; `None` where nobody watched.
    pub hiccups: Option<Hiccups>,
    /// Whether the server is on another machine, so that nothing that happens to the generator is its doing.
    pub elsewhere: bool,
    /// What the generator took.
    pub generator: GeneratorUse,
    /// What the server took, where its process is known.
    pub server: Option<ProcessUse>,
    /// What broke and when, in the order of the plan; empty where nothing was to break.
    pub faults: Vec<FaultSeen>,
    /// What the proxy before the server costs while it only passes on; `None` where there was none.
    pub proxy: Option<ProxyCost>,
    /// What the threads of server, store and generator used and lacked, as far as their processes are on this machine.
    pub busy: Vec<ThreadUse>,
    /// What ended it before its time.
    pub ended: Option<Ended>,
    /// How durable a confirmed message is in the store, as the system says.
    pub durability: Option<String>,
    /// Which version of itself the system says it is.
    pub version: Option<String>,
    /// What is in the store.
    pub stored: Lookup,
    /// Users, rooms and sockets that the server still had when everybody had gone; `None` where it could not say.
    pub left: Option<[u64; 3]>,
    /// The server told before the run who is on it, and afterwards did not answer until there was no more time to ask.
    pub left_unanswered: bool,
}

/// What ends a run before its time, the weightier the later.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// The user stopped it.
    Interrupted,
    /// A threshold says that going on is of no use, and why.
    Aborted(String),
    /// The target was gone, and why.
    Died(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ended::Interrupted => "interrupted",
            Ended::Aborted(why) | Ended::Died(why) => why,
        })
    }
}

impl Observed {
    /// What one thread saw of its share.
    pub fn of(recorded: Recorded, ledger: Arc<Ledger>) -> Self {
        Self {
            rules: Rules::NOW,
            recorded,
            ledger,
            strays: Strays::default(),
            ignored: Ignored::default(),
            refusals: Refusals::default(),
            presence: Vec::new(),
            broken: Breaks::default(),
            threads: BTreeMap::new(),
            connecting: Vec::new(),
            machine: Vec::new(),
            hiccups: None,
            elsewhere: false,
            generator: GeneratorUse::default(),
            server: None,
            busy: Vec::new(),
            faults: Vec::new(),
            proxy: None,
            ended: None,
            durability: None,
            version: None,
            stored: Lookup::NotAsked,
            left: None,
            left_unanswered: false,
        }
    }

    /// Adds what another part saw: the order of parts makes no difference, as long as they drove different users.
    pub fn merge(&mut self, other: Observed) {
        self.recorded.merge(other.recorded);
        self.ledger.merge(&other.ledger);
        self.strays.merge(other.strays);
        self.ignored.merge(other.ignored);
        self.refusals.merge(other.refusals);
        self.presence.extend(other.presence);
        // Stable: each user's steps stay in their order.
        self.presence.sort_by_key(|entry| entry.user);
        self.broken.merge(other.broken);
        for (thread, cpu) in other.threads {
            let mine = self.threads.entry(thread).or_default();
            by_place(mine, cpu, |mine, theirs| *mine = mine.max(theirs));
        }
        by_place(&mut self.connecting, other.connecting, MachineSecond::merge);
        by_place(&mut self.machine, other.machine, MachineSecond::merge);
        merge_some(&mut self.hiccups, other.hiccups, Hiccups::merge);
        self.elsewhere |= other.elsewhere;
        self.generator.merge(other.generator);
        merge_some(&mut self.server, other.server, ProcessUse::merge);
        by_place(&mut self.faults, other.faults, FaultSeen::merge);
        self.proxy = self.proxy.max(other.proxy);
        self.busy.extend(other.busy);
        self.ended = self.ended.take().max(other.ended);
        self.durability = self.durability.take().max(other.durability);
        self.version = self.version.take().max(other.version);
        self.stored.merge(other.stored);
        merge_some(&mut self.left, other.left, |mine, theirs| {
            *mine = std::array::from_fn(|place| mine[place].max(theirs[place]));
        });
        self.left_unanswered |= other.left_unanswered;
    }

    /// Adds the metric that only the whole ledger knows: of each measured message, its slowest delivery. One that some
    /// member never got has none.
    pub fn record_slowest(&mut self, plan: &Plan, lost: impl Fn(u32) -> bool) {
        let mut slowest = Recorder::new(Arc::clone(self.recorded.layout()));
        slowest.begin(0);
        let due = Due::of(plan, &self.ledger);
        for (message, send) in (0..).zip(&plan.sends) {
            if plan.phase_of(send).measured
                && let Some(latency) = self.ledger.slowest(message)
                && !lost(message)
            {
                let (metric, at) = (Metric::DeliverySlowest, due.at(message, send));
                slowest.record_in(send.phase, metric, at, at + latency);
            }
        }
        self.recorded.merge(slowest.finish());
    }

    /// Why it did not go to its end, in words, if so.
    pub fn incomplete(&self) -> Option<String> {
        self.ended.as_ref().map(Ended::to_string)
    }

    /// Whether something outside disturbed a second of the schedule; one that nobody watched counts as undisturbed.
    pub fn is_disturbed(&self, second: usize) -> bool {
        let seen = self.machine.get(second);
        seen.is_some_and(|second| second.disturbed)
    }
}

/// Merges what two parts have at the same places, as for the same seconds.
fn by_place<T>(mine: &mut Vec<T>, theirs: Vec<T>, mut merge: impl FnMut(&mut T, T)) {
    for (place, theirs) in theirs.into_iter().enumerate() {
        match mine.get_mut(place) {
            Some(mine) => merge(mine, theirs),
            None => mine.push(theirs),
        }
    }
}

/// Merges what both parts have; what only one has is the whole.
fn merge_some<T>(mine: &mut Option<T>, theirs: Option<T>, merge: impl FnOnce(&mut T, T)) {
    match (mine, theirs) {
        (Some(mine), Some(theirs)) => merge(mine, theirs),
        (mine @ None, theirs) => *mine = theirs,
        (Some(_), None) => {}
    }
}

#[cfg(test)]
mod tests;

//! From the recordings of all shards to one observation of the whole plan, and what keeps it from being whole.

use std::{collections::BTreeMap, sync::Arc};

use super::{Given, Recording, VERSION};
use crate::{
    judge::{Gap, Promises, account, judge},
    model::Vocabulary,
    observed::{Layout, Lookup, Observed, RecordError},
    plan::{Part, PartError, Plan, PlanError, Shard, Share},
    result::{self, Report, Run, ShardResult},
    scenario::{Scenario, ScenarioError},
};

/// Why recordings can't be merged at all.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// There is nothing to be merged.
    #[error("none of these holds a whole recording: {0}")]
    Nothing(String),
    /// Not JSON, or JSON of another kind.
    #[error("{name}: this is not what `loadgen run --shard` wrote: {source}")]
    NoRecording {
        /// The name under which it was given.
        name: String,
        /// What is wrong with it, and where.
        source: serde_json::Error,
    },
    /// Of another version.
    #[error(
        "{name}: this recording has version {found} and this program merges version {VERSION}: merge it with the loadgen that wrote it"
    )]
    Version {
        /// The name under which it was given.
        name: String,
        /// The version that it says it has.
        found: u32,
    },
    /// The version is right, the content is not.
    #[error(
        "{name}: this recording says that it has version {VERSION}, and does not look like it: {source}"
    )]
    Malformed {
        /// The name under which it was given.
        name: String,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// A shard that there can't be.
    #[error("{name}: there is no shard {shard}")]
    NoShard {
        /// The name under which it was given.
        name: String,
        /// What it says it is.
        shard: Shard,
    },
    /// Two recordings are not of one run.
    #[error("{first} and {name} are not of one run: their {what} differ ({theirs} and {its})")]
    Differ {
        /// The name of the first.
        first: String,
        /// The name of the other.
        name: String,
        /// In what they differ.
        what: &'static str,
        /// What the first has.
        theirs: String,
        /// What the other has.
        its: String,
    },
    /// The scenario in them can't be read.
    #[error("the scenario in the recordings: {0}")]
    Scenario(#[from] ScenarioError),
    /// The scenario in them can't be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The scenario in them gives another plan here.
    #[error(
        "the scenario in the recordings is planned otherwise here (plan {here}, there {there}): merge them with the loadgen that made them"
    )]
    OtherPlan {
        /// The plan's digest.
        here: String,
        /// What the recordings say.
        there: String,
    },
    /// The plan can't be dealt out so.
    #[error(transparent)]
    Part(#[from] PartError),
    /// What a shard saw does not fit.
    #[error("{name}: {source}")]
    Record {
        /// The name under which it was given.
        name: String,
        /// What is wrong with it.
        source: RecordError,
    },
}

/// A run that several processes drove, together again.
pub struct Whole {
    scenario: Scenario,
    plan: Plan,
    observed: Observed,
    gaps: Vec<Gap>,
    /// The recording of the shard with the least number, which says what is the same in all.
    first: Recording,
    /// When the first of them began: RFC 3339, UTC.
    started: String,
    /// By number, each once.
    shards: Vec<ShardResult>,
}

/// What of a recording must be the same in all.
type Trait = (&'static str, fn(&Recording) -> String);

const SAME: [Trait; 13] = [
    ("numbers of shards", |one| one.shard.of().to_string()),
    ("scenarios", |one| one.scenario.name.clone()),
    ("scenario files (SHA-256)", |one| {
        one.scenario.sha256.clone()
    }),
    ("seeds", |one| one.scenario.seed.to_string()),
    ("dialects", |one| one.scenario.dialect.name().to_owned()),
    ("plans (SHA-256)", |one| one.plan.clone()),
    ("labels", |one| format!("{:?}", one.labels)),
    // A merged result says once what was measured and with what. Only the target may have several addresses.
    ("programs", program),
    ("clients", |one| one.told.client.clone()),
    ("acknowledgements", |one| {
        let asked = one.told.asks_for_acks;
        if asked { "asked for" } else { "not asked for" }.to_owned()
    }),
    ("delivery modes", |one| {
        let known = one.told.delivery_known;
        if known { "known" } else { "not known" }.to_owned()
    }),
    ("versions of the target", |one| {
        let version = one.told.target_version.clone();
        version.unwrap_or_else(|| "not said".to_owned())
    }),
    ("stores", |one| one.told.store.clone()),
];

/// What the target says of itself to a shard: `None` is no other answer, but none in time, as of a busy one.
type Saying = (&'static str, fn(&Recording) -> Option<&str>);

const SAID: [Saying; 2] = [
    ("versions of the target, as it says itself,", |one| {
        one.observed.version()
    }),
    ("durabilities of the store, as the target says,", |one| {
        one.observed.durability()
    }),
];

/// The program that drove a shard: its version, and what it was built from as far as that is known.
fn program(one: &Recording) -> String {
    let of = |part: &Option<String>| part.clone().unwrap_or_else(|| "unknown".to_owned());
    let environment = &one.environment;
    format!(
        "loadgen {}, commit {}, lockfile {}",
        environment.loadgen,
        of(&environment.commit),
        of(&environment.lockfile)
    )
}

impl Whole {
    /// Brings recordings together, in whatever order. What is missing, doubled, cut short or out of step makes it less than
    /// a whole, which its verdict says.
    ///
    /// # Errors
    /// [`MergeError`]: what was given can't be recordings of one run.
    pub fn of(given: Vec<Given>) -> Result<Self, MergeError> {
        let mut gaps = Vec::new();
        let mut named: Vec<(String, Box<Recording>)> = Vec::new();
        for Given { name, recording } in given {
            match recording {
                Ok(recording) => named.push((name, recording)),
                Err(torn) => gaps.push(Gap::Torn { name, why: torn.0 }),
            }
        }
        gaps.sort_by_key(ToString::to_string);
        let Some((_, one)) = named.first() else {
            if gaps.is_empty() {
                return Err(nothing());
            }
            let torn: Vec<String> = gaps.iter().map(ToString::to_string).collect();
            return Err(MergeError::Nothing(torn.join("; ")));
        };
        same(&named)?;
        let scenario = one.scenario.scenario()?;
        let plan = Plan::new(&scenario)?;
        let (here, there) = (plan.digest(), one.plan.clone());
        if here != there {
            return Err(MergeError::OtherPlan { here, there });
        }
        let started = named.iter().map(|(_, one)| one.started.clone()).min();
        let mut once = numbered(named);
        let (observed, shards) = together(&scenario, &plan, &mut once)?;
        gaps.extend(super::gaps(&shards));
        let (_, first) = once.into_iter().next().ok_or_else(nothing)?;
        Ok(Self {
            observed,
            scenario,
            plan,
            gaps,
            first: *first.recording,
            started: started.unwrap_or_default(),
            shards,
        })
    }

    /// The name of the scenario.
    pub fn name(&self) -> &str {
        &self.scenario.name
    }

    /// What keeps it from being whole.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Judges it as one run is judged: the result, made by this command line and ended then (RFC 3339, UTC).
    pub fn report(self, command: Vec<String>, ended: &str) -> Report {
        let scenario = result::of_scenario(&self.scenario, &self.plan);
        let (started, shards) = (self.started.clone(), self.shards.clone());
        let Recording {
            told,
            labels,
            run_id,
            environment,
            ..
        } = self.first.clone();
        let run = self.judged(&told);
        Report {
            version: result::VERSION,
            verdict: run.judgement.verdict,
            reasons: run.judgement.reasons.clone(),
            scenario,
            command,
            labels,
            run_id,
            started,
            ended: ended.to_owned(),
            environment,
            runs: vec![run],
            shards,
            // Of what is written.
            seal: String::new(),
        }
    }

    fn judged(self, told: &super::Told) -> Run {
        let vocabulary = self.scenario.vocabulary();
        let vocabulary = Vocabulary {
            acknowledges_messages: vocabulary.acknowledges_messages && told.asks_for_acks,
            ..vocabulary
        };
        let delivery = self.scenario.delivery.last().copied().unwrap_or_default();
        let promises = Promises::of(&vocabulary, delivery);
        let mut observed = self.observed;
        let account = account(&self.plan, promises, &observed);
        observed.record_slowest(&self.plan, |message| account.missing.has(message));
        let judgement = judge(&self.scenario, &self.plan, &observed, &account, &[]);
        result::run(
            result::About {
                scenario: &self.scenario,
                plan: &self.plan,
                delivery,
                delivery_known: told.delivery_known,
                promises,
                target: &told.target,
                own: false,
                target_version: told.target_version.as_deref(),
                store: told.store.clone(),
                client: &told.client,
            },
            observed,
            account,
            judgement.with_gaps(self.gaps),
        )
    }
}

/// Whether all are of one run.
fn same(named: &[(String, Box<Recording>)]) -> Result<(), MergeError> {
    for (what, of) in SAME {
        alike(what, named.iter().map(|(name, one)| (name, of(one))))?;
    }
    for (what, of) in SAID {
        let said = named.iter();
        let said = said.filter_map(|(name, one)| Some((name, of(one)?.to_owned())));
        alike(what, said)?;
    }
    Ok(())
}

/// Whether what each is or says is the same.
fn alike<'a>(
    what: &'static str,
    mut each: impl Iterator<Item = (&'a String, String)>,
) -> Result<(), MergeError> {
    let Some((first, theirs)) = each.next() else {
        return Ok(());
    };
    match each.find(|(_, its)| *its != theirs) {
        None => Ok(()),
        Some((name, its)) => Err(MergeError::Differ {
            first: first.clone(),
            name: name.clone(),
            what,
            theirs,
            its,
        }),
    }
}

/// Each shard once, by its number.
type Once = BTreeMap<u16, Named>;

/// A shard, the names under which it was given, and what it recorded.
struct Named {
    names: Vec<String>,
    recording: Box<Recording>,
}

/// What all saw together, and what is said of each. What each has recorded is taken.
fn together(
    scenario: &Scenario,
    plan: &Plan,
    once: &mut Once,
) -> Result<(Observed, Vec<ShardResult>), MergeError> {
    let layout = Arc::new(Layout::of(scenario));
    let planned = once.values().map(|one| one.recording.start.planned);
    let first = planned.min().unwrap_or_default();
    let is_audited = once.values().any(|one| one.recording.observed.is_audited());
    let mut shards = Vec::new();
    let mut together: Option<Observed> = None;
    for Named { names, recording } in once.values_mut() {
        let part = Part::of(plan, recording.shard)?;
        let record = std::mem::take(&mut recording.observed);
        let ended = record.ended().map(ToString::to_string);
        let seen = record.restored(plan, &layout, &part);
        let mut seen = seen.map_err(|source| MergeError::Record {
            name: names.first().cloned().unwrap_or_default(),
            source,
        })?;
        let shard = shard_result(recording, names, part, plan, first, ended);
        // One store has the messages of all: who did not look, though others did and it sent some, could not. They would be taken
        // for messages that are not there.
        if is_audited && shard.messages > 0 && seen.stored == Lookup::NotAsked {
            seen.stored = Lookup::Failed;
        }
        match &mut together {
            Some(all) => all.merge(seen),
            None => together = Some(seen),
        }
        shards.push(shard);
    }
    Ok((together.ok_or_else(nothing)?, shards))
}

fn nothing() -> MergeError {
    MergeError::Nothing("there is no shard".to_owned())
}

/// What is said of a shard, where the first of all was to begin at a moment, in nanoseconds since 1970.
fn shard_result(
    recording: &Recording,
    names: &[String],
    part: Part,
    plan: &Plan,
    first: u64,
    ended: Option<String>,
) -> ShardResult {
    let start = recording.start;
    let began = start.began().map(|began| began - i128::from(start.planned));
    ShardResult {
        number: recording.shard.number(),
        of: recording.shard.of(),
        users: part.users().len(),
        messages: Share::of(part).sends(plan).count(),
        target: recording.told.target.clone(),
        run_id: Some(recording.run_id.clone()),
        began: began.and_then(|began| i64::try_from(began).ok()),
        planned_later: start.planned - first,
        clock: start.clock,
        ended,
        given_as: match names {
            [_] => Vec::new(),
            several => several.to_vec(),
        },
        environment: recording.environment.clone(),
    }
}

/// Each shard once, by its number. Which of several is kept does not depend on their order.
fn numbered(mut named: Vec<(String, Box<Recording>)>) -> Once {
    named.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut once = Once::new();
    for (name, recording) in named {
        let named = once
            .entry(recording.shard.number())
            .or_insert_with(|| Named {
                names: Vec::new(),
                recording,
            });
        named.names.push(name);
    }
    once
}

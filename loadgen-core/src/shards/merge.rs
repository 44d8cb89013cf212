//! From the recordings of all shards to one observation of the whole plan, and what keeps it from being whole.

use std::{collections::BTreeMap, sync::Arc};

use super::{Given, Recording, VERSION};
use crate::{
    judge::{Gap, Promises, account, judge},
    model::{Nanos, Vocabulary},
    observed::{Layout, Observed, RecordError},
    plan::{Part, PartError, Plan, PlanError, Shard, Share},
    result::{self, Report, Run, ShardResult},
    scenario::{Scenario, ScenarioError},
};

/// So much later than the first one a shard may begin: two of the promise's lengths, in which a thousandth of a short run's
/// messages is sent.
pub const MOST_APART: Nanos = 10_000_000;

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
    /// By number, each once.
    shards: Vec<Recording>,
    users: Users,
}

/// What of a recording must be the same in all.
type Trait = (&'static str, fn(&Recording) -> String);

const SAME: [Trait; 7] = [
    ("numbers of shards", |one| one.shard.of().to_string()),
    ("scenarios", |one| one.scenario.name.clone()),
    ("scenario files (SHA-256)", |one| {
        one.scenario.sha256.clone()
    }),
    ("seeds", |one| one.scenario.seed.to_string()),
    ("dialects", |one| one.scenario.dialect.name().to_owned()),
    ("plans (SHA-256)", |one| one.plan.clone()),
    ("labels", |one| format!("{:?}", one.labels)),
];

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
        let of = one.shard.of();
        let mut once = numbered(named, of, &mut gaps);
        gaps.extend(cut_short(&once, of));
        gaps.extend(apart(&once));
        let (observed, users) = together(&scenario, &plan, &mut once)?;
        Ok(Self {
            observed,
            scenario,
            plan,
            gaps,
            shards: once
                .into_values()
                .map(|(_, recording)| *recording)
                .collect(),
            users,
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
    pub fn report(mut self, command: Vec<String>, ended: &str) -> Report {
        // There is one at least.
        let first = self.shards.remove(0);
        let shards: Vec<ShardResult> = std::iter::once(&first)
            .chain(&self.shards)
            .map(|one| self.shard_result(one))
            .collect();
        let scenario = result::of_scenario(&self.scenario, &self.plan);
        let begins = shards
            .iter()
            .zip(std::iter::once(&first).chain(&self.shards));
        let started = begins.map(|(_, one)| one.started.as_str()).min();
        let started = started.unwrap_or(ended).to_owned();
        let Recording {
            told,
            labels,
            run_id,
            environment,
            ..
        } = first;
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

    fn shard_result(&self, recording: &Recording) -> ShardResult {
        let number = recording.shard.number();
        let (users, messages) = self.users.get(&number).copied().unwrap_or_default();
        let planned = i128::from(recording.start.planned);
        let began = recording.start.began().map(|began| began - planned);
        ShardResult {
            number,
            of: recording.shard.of(),
            users,
            messages,
            target: recording.told.target.clone(),
            began: began.and_then(|began| i64::try_from(began).ok()),
            clock: recording.start.clock,
            environment: recording.environment.clone(),
        }
    }
}

/// Whether all are of one run.
fn same(named: &[(String, Box<Recording>)]) -> Result<(), MergeError> {
    for ((first, one), (name, other)) in named.iter().zip(named.iter().skip(1)) {
        for (what, of) in SAME {
            if of(one) != of(other) {
                return Err(MergeError::Differ {
                    first: first.clone(),
                    name: name.clone(),
                    what,
                    theirs: of(one),
                    its: of(other),
                });
            }
        }
    }
    Ok(())
}

/// What all saw together, and how many users and messages each had. What each has recorded is taken.
fn together(
    scenario: &Scenario,
    plan: &Plan,
    once: &mut Once,
) -> Result<(Observed, Users), MergeError> {
    let layout = Arc::new(Layout::of(scenario));
    let mut users = BTreeMap::new();
    let mut together: Option<Observed> = None;
    for (number, (name, recording)) in once {
        let part = Part::of(plan, recording.shard)?;
        let record = std::mem::take(&mut recording.observed);
        let seen = record.restored(plan, &layout, &part);
        let seen = seen.map_err(|source| MergeError::Record {
            name: name.clone(),
            source,
        })?;
        let count = part.users().len();
        users.insert(*number, (count, Share::of(part).sends(plan).count()));
        match &mut together {
            Some(all) => all.merge(seen),
            None => together = Some(seen),
        }
    }
    let nothing = || MergeError::Nothing("there is no shard".to_owned());
    Ok((together.ok_or_else(nothing)?, users))
}

/// How many users and messages each shard had, by its number.
type Users = BTreeMap<u16, (usize, usize)>;

/// Each shard once, by its number, with the name of its file.
type Once = BTreeMap<u16, (String, Box<Recording>)>;

/// Each shard once, by its number; which are missing or more than once is a gap.
fn numbered(named: Vec<(String, Box<Recording>)>, of: u16, gaps: &mut Vec<Gap>) -> Once {
    let mut names: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    let mut once = Once::new();
    for (name, recording) in named {
        let number = recording.shard.number();
        names.entry(number).or_default().push(name.clone());
        // Which of several is kept does not depend on their order.
        match once.get(&number) {
            Some((known, _)) if *known <= name => {}
            _ => drop(once.insert(number, (name, recording))),
        }
    }
    let missing: Vec<u16> = (1..=of)
        .filter(|number| !once.contains_key(number))
        .collect();
    if !missing.is_empty() {
        gaps.push(Gap::Missing {
            shards: missing,
            of,
        });
    }
    for (shard, mut names) in names {
        if names.len() > 1 {
            names.sort_unstable();
            gaps.push(Gap::Twice { shard, of, names });
        }
    }
    once
}

/// Those that did not go to their end, where others did: what ends all of them, as a server that dies, is the run's own end.
fn cut_short(once: &Once, of: u16) -> Vec<Gap> {
    let ended = |(_, recording): &(String, Box<Recording>)| recording.observed.ended().cloned();
    if once.len() == usize::from(of) && once.values().all(|one| ended(one).is_some()) {
        return Vec::new();
    }
    let cut = once.iter().filter_map(|(shard, one)| {
        Some(Gap::CutShort {
            shard: *shard,
            of,
            why: ended(one)?.to_string(),
        })
    });
    cut.collect()
}

/// Whether they began at one moment.
fn apart(once: &Once) -> Option<Gap> {
    let starts = || once.iter().map(|(number, (_, one))| (*number, &one.start));
    // One that never began was cut short.
    let began = || starts().filter_map(|(number, start)| Some((start.began()?, number)));
    let ((earliest, first), (latest, last)) = (began().min()?, began().max()?);
    let planned = || starts().map(|(_, start)| start.planned);
    let spread = planned().max()? - planned().min()?;
    let most = i128::from(MOST_APART);
    let later = (latest - earliest).max(i128::from(spread));
    let micros = |nanos: i128| u64::try_from(nanos / 1_000).unwrap_or(u64::MAX);
    if later > most {
        return Some(Gap::Apart {
            first,
            last,
            micros: micros(later),
            most: micros(most),
        });
    }
    let bound = |start: &super::Start| start.clock.map_or(0, |clock| clock.bound);
    let (shard, least) = starts().max_by_key(|(_, start)| bound(start))?;
    (bound(least) > MOST_APART).then(|| Gap::Unsure {
        shard,
        micros: bound(least) / 1_000,
        most: micros(most),
    })
}

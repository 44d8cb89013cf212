//! What was seen of a run or of a floor, as a result records it: all that its numbers and its verdict are worked out from.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, de::Error as _};

use crate::{
    judge::{Outcomes, RecordedOutcomes},
    model::{
        Nanos, json,
        packed::{self, UnpackError},
    },
    observed::{
        Broken, Closed, Ended, FaultSeen, Hiccups, Layout, Ledger, Lookup, MachineSecond, Observed,
        ProxyCost, RecordError, RecordedRecord, Refusals, Rules, Stored,
    },
    plan::{Plan, Share, Thread},
};

/// No run has more connections that ended.
const MOST_BROKEN: u64 = 1 << 20;

/// [`Evidence`] as text: its JSON, compressed by DEFLATE, in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PackedEvidence(String);

/// What was seen of a run or of a floor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// [`Plan::digest_of_messages`] of what was to be done.
    plan: String,
    /// By which rules it is judged; not in older results.
    #[serde(default)]
    rules: Rules,
    #[serde(flatten)]
    recorded: RecordedRecord,
    /// The longest oversleep of each second, nanoseconds.
    hiccups: Option<Vec<Nanos>>,
    /// CPU seconds of each worker thread, by second of the schedule.
    threads: Vec<Vec<f64>>,
    connecting: Vec<MachineSecond>,
    machine: Vec<MachineSecond>,
    elsewhere: bool,
    faults: Vec<FaultSeen>,
    proxy: Option<ProxyCost>,
    ended: Option<Ended>,
    /// Connections that went unheard, and what was said of the first of them.
    beyond_limit: Option<(u64, String)>,
    /// Connections that a fault of the plan ended.
    thrown_off: u64,
    lookup: LookupSeen,
    left: Option<[u64; 3]>,
    /// Not in older results.
    #[serde(default)]
    left_unanswered: bool,
    durability: Option<String>,
    refusals: Vec<(String, u64)>,
    /// What became of each message; a floor's all came, or there is none.
    outcomes: Option<RecordedOutcomes>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LookupSeen {
    NotAsked,
    Failed,
    Found,
}

/// Why evidence can't be read.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// It can't be unpacked.
    #[error(transparent)]
    Packed(#[from] UnpackError),
    /// What is in it is something else.
    #[error("what was seen is not told as this program tells it: {0}")]
    Content(#[from] serde_json::Error),
    /// What was recorded can't be read, or is of another scenario.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl PackedEvidence {
    /// What is in it.
    ///
    /// # Errors
    /// [`EvidenceError`] where it is something else.
    pub fn unpacked(&self) -> Result<Evidence, EvidenceError> {
        let bytes = packed::unpack(&self.0)?;
        let text = str::from_utf8(&bytes).map_err(serde_json::Error::custom)?;
        Ok(serde_json::from_str(text)?)
    }
}

impl JsonSchema for PackedEvidence {
    fn schema_name() -> Cow<'static, str> {
        "PackedEvidence".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = String::json_schema(generator);
        let about = "What was seen: JSON, compressed by DEFLATE (RFC 1951), in base64. `loadgen verify` reads it.";
        schema.insert("description".to_owned(), about.into());
        schema
    }
}

impl Evidence {
    /// What is to be recorded of what was seen, with what became of each message where that was accounted for.
    pub fn of(plan: &Plan, observed: &Observed, outcomes: Option<&Outcomes>) -> Self {
        let limited = &observed.broken.limited;
        Self {
            plan: plan.digest_of_messages(),
            rules: observed.rules,
            recorded: RecordedRecord::of(&observed.recorded),
            hiccups: observed.hiccups.as_ref().map(|one| one.longest.clone()),
            threads: observed.threads.values().cloned().collect(),
            connecting: observed.connecting.clone(),
            machine: observed.machine.clone(),
            elsewhere: observed.elsewhere,
            faults: observed.faults.clone(),
            proxy: observed.proxy,
            ended: observed.ended.clone(),
            beyond_limit: limited.cases().first().map(|first| {
                let why = match &first.why {
                    Closed::Limit(why) => why.clone(),
                    other => other.to_string(),
                };
                (limited.count(), why)
            }),
            thrown_off: observed.broken.excused.count(),
            lookup: match observed.stored {
                Lookup::NotAsked => LookupSeen::NotAsked,
                Lookup::Failed => LookupSeen::Failed,
                Lookup::Found(_) => LookupSeen::Found,
            },
            left: observed.left,
            left_unanswered: observed.left_unanswered,
            durability: observed.durability.clone(),
            refusals: observed
                .refusals
                .by_words()
                .into_iter()
                .map(|(words, times)| (words.to_owned(), times))
                .collect(),
            outcomes: outcomes.map(RecordedOutcomes::from),
        }
    }

    /// As a result holds it.
    pub fn packed(&self) -> PackedEvidence {
        // Plain values: they can always be written.
        PackedEvidence(packed::pack(
            json::line(self).unwrap_or_default().as_bytes(),
        ))
    }

    /// [`Plan::digest_of_messages`] of what was to be done.
    pub fn plan(&self) -> &str {
        &self.plan
    }

    /// What became of each message, where that was accounted for.
    ///
    /// # Errors
    /// [`EvidenceError`] where it can't be read.
    pub fn outcomes(&self) -> Result<Option<Outcomes>, EvidenceError> {
        let outcomes = self.outcomes.as_ref().map(Outcomes::try_from);
        Ok(outcomes.transpose()?)
    }

    /// As it was observed, as far as anything is judged by it. `layout` is that of the scenario.
    ///
    /// # Errors
    /// [`EvidenceError`] where something in it can't be read, or is of another scenario.
    pub fn observed(&self, layout: &Arc<Layout>) -> Result<Observed, EvidenceError> {
        let recorded = self.recorded.restored(layout)?;
        let shares = Share::WHOLE.split(self.threads.len());
        let threads = shares.map(|share| share.thread());
        let threads: BTreeMap<Thread, Vec<f64>> = threads.zip(self.threads.clone()).collect();
        let mut observed = Observed {
            rules: self.rules,
            threads,
            connecting: self.connecting.clone(),
            machine: self.machine.clone(),
            hiccups: self.hiccups.clone().map(|longest| Hiccups {
                longest,
                ..Hiccups::default()
            }),
            elsewhere: self.elsewhere,
            faults: self.faults.clone(),
            proxy: self.proxy,
            ended: self.ended.clone(),
            stored: match self.lookup {
                LookupSeen::NotAsked => Lookup::NotAsked,
                LookupSeen::Failed => Lookup::Failed,
                LookupSeen::Found => Lookup::Found(Stored::new(0)),
            },
            left: self.left,
            left_unanswered: self.left_unanswered,
            durability: self.durability.clone(),
            refusals: Refusals::recorded(
                self.refusals
                    .iter()
                    .map(|(words, times)| (words.as_str(), *times)),
            ),
            ..Observed::of(recorded, Arc::new(Ledger::new(0, 0)))
        };
        let broken = |why: &str| Broken {
            at: 0,
            user: 0,
            why: Closed::Limit(why.to_owned()),
        };
        if let Some((count, why)) = &self.beyond_limit {
            for _ in 0..(*count).min(MOST_BROKEN) {
                observed.broken.limited.add(broken(why));
            }
        }
        for _ in 0..self.thrown_off.min(MOST_BROKEN) {
            observed.broken.excused.add(broken(""));
        }
        Ok(observed)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::{observed::Recorded, scenario::Scenario};

    #[test]
    fn nothing_is_in_it_that_nobody_reads() {
        let recorded = Recorded::empty(Arc::new(Layout::new(&[], &[])));
        let observed = Observed::of(recorded, Arc::new(Ledger::new(0, 0)));
        let text = "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = { users = 2, rooms = 1 }\n\
                    [[phases]]\nname = \"s\"\nduration = \"9s\"\nrate = \"9/s\"\n";
        let plan = Plan::new(&Scenario::parse(Path::new("t.toml"), text).unwrap()).unwrap();
        let mut value = serde_json::to_value(Evidence::of(&plan, &observed, None)).unwrap();
        assert!(serde_json::from_value::<Evidence>(value.clone()).is_ok());
        assert_eq!(value["sends"], json!([]));
        let mut older = value.clone();
        for later in ["rules", "left_unanswered"] {
            assert!(older.as_object_mut().unwrap().remove(later).is_some());
        }
        let older: Evidence = serde_json::from_value(older).unwrap();
        assert!(!older.rules.know_all_parts() && Rules::NOW.know_all_parts());
        value["nobody"] = 1.into();
        let error = serde_json::from_value::<Evidence>(value).unwrap_err();
        assert!(error.to_string().contains("nobody"), "{error}");
    }
}

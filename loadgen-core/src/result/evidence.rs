//! What was seen of a run or of a floor, as a result records it: all that its numbers and its verdict are worked out from.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::{
    judge::{Outcomes, RecordedOutcomes},
    model::{
        HistogramError, Metric, Nanos, histogram,
        packed::{self, UnpackError},
    },
    observed::{
        Broken, Closed, Ended, FaultSeen, Finished, Hiccups, Layout, Ledger, Lookup, MachineSecond,
        Observed, Over, ProxyCost, Recorded, Refusals, Samples, Sends, Stored, Window,
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
    /// [`Plan::fingerprint`] of what was to be done.
    plan: String,
    metrics: Vec<MetricSeen>,
    /// Deliveries by the size of their conversation: the place of the size, and its samples.
    sizes: Vec<(usize, SamplesSeen)>,
    /// By second of the schedule: messages that were scheduled, those that were sent, and the latest of them.
    sends: Vec<(u64, u64, Option<Nanos>)>,
    clock_wrong: u64,
    too_long: u64,
    unread: u64,
    /// The longest oversleep of each second, nanoseconds.
    hiccups: Option<Vec<Nanos>>,
    /// CPU seconds of each worker thread, by second of the schedule.
    threads: Vec<Vec<f64>>,
    connecting: Vec<MachineSecond>,
    machine: Vec<MachineSecond>,
    elsewhere: bool,
    faults: Vec<FaultSeen>,
    proxy: Option<ProxyCost>,
    ended: Option<EndedSeen>,
    /// Connections that went unheard, and what was said of the first of them.
    beyond_limit: Option<(u64, String)>,
    /// Connections that a fault of the plan ended.
    thrown_off: u64,
    lookup: LookupSeen,
    left: Option<[u64; 3]>,
    durability: Option<String>,
    refusals: Vec<(String, u64)>,
    /// What became of each message; a floor's all came, or there is none.
    outcomes: Option<RecordedOutcomes>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricSeen {
    metric: Metric,
    all: SamplesSeen,
    phases: Vec<(u16, SamplesSeen)>,
    seconds: Vec<SecondSeen>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SamplesSeen {
    within: Vec<u64>,
    histogram: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecondSeen {
    n: u64,
    /// By limit: how many were over it, where the first of them starts and the last ends, and how long the longest takes.
    over: Vec<[u64; 4]>,
    /// HdrHistogram V2, base64.
    histogram: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EndedSeen {
    Interrupted,
    Aborted(String),
    Died(String),
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
    /// A histogram in it can't be read.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
    /// The counts within limits are of other limits.
    #[error("counts within {found} limits, and the scenario has {wanted}")]
    Limits {
        /// How many there are.
        found: usize,
        /// How many the scenario has.
        wanted: usize,
    },
}

impl PackedEvidence {
    /// What is in it.
    ///
    /// # Errors
    /// [`EvidenceError`] where it is something else.
    pub fn unpacked(&self) -> Result<Evidence, EvidenceError> {
        Ok(serde_json::from_slice(&packed::unpack(&self.0)?)?)
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
        let recorded = &observed.recorded;
        let sizes = (0..).zip(recorded.sizes());
        let limited = &observed.broken.limited;
        Self {
            plan: plan.fingerprint(),
            metrics: recorded.kept().map(metric_seen).collect(),
            sizes: sizes
                .filter_map(|(place, (_, samples))| Some((place, samples_seen(samples?))))
                .collect(),
            sends: recorded
                .sends
                .iter()
                .map(|one| (one.scheduled, one.sent, one.lateness_max))
                .collect(),
            clock_wrong: recorded.negative,
            too_long: recorded.clamped,
            unread: recorded.unread,
            hiccups: observed.hiccups.as_ref().map(|one| one.longest.clone()),
            threads: observed.threads.values().cloned().collect(),
            connecting: observed.connecting.clone(),
            machine: observed.machine.clone(),
            elsewhere: observed.elsewhere,
            faults: observed.faults.clone(),
            proxy: observed.proxy,
            ended: observed.ended.clone().map(|ended| match ended {
                Ended::Interrupted => EndedSeen::Interrupted,
                Ended::Aborted(why) => EndedSeen::Aborted(why),
                Ended::Died(why) => EndedSeen::Died(why),
            }),
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
        PackedEvidence(packed::pack(&serde_json::to_vec(self).unwrap_or_default()))
    }

    /// [`Plan::fingerprint`] of what was to be done.
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
        let recorded = self.recorded(layout)?;
        let shares = Share::WHOLE.split(self.threads.len());
        let threads = shares.map(|share| share.thread());
        let threads: BTreeMap<Thread, Vec<f64>> = threads.zip(self.threads.clone()).collect();
        let mut observed = Observed {
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
            ended: self.ended.clone().map(|ended| match ended {
                EndedSeen::Interrupted => Ended::Interrupted,
                EndedSeen::Aborted(why) => Ended::Aborted(why),
                EndedSeen::Died(why) => Ended::Died(why),
            }),
            stored: match self.lookup {
                LookupSeen::NotAsked => Lookup::NotAsked,
                LookupSeen::Failed => Lookup::Failed,
                LookupSeen::Found => Lookup::Found(Stored::new(0)),
            },
            left: self.left,
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

    fn recorded(&self, layout: &Arc<Layout>) -> Result<Recorded, EvidenceError> {
        let limits = layout.limits().all().len();
        let mut recorded = Recorded::empty(Arc::clone(layout));
        for one in &self.metrics {
            let phases = one.phases.iter();
            let phases = phases.map(|(phase, samples)| Ok((*phase, samples.samples(limits)?)));
            let windows = one.seconds.iter().map(|second| second.window(limits));
            let kept = Finished {
                all: one.all.samples(limits)?,
                phases: phases.collect::<Result<_, EvidenceError>>()?,
                windows: windows.collect::<Result<_, EvidenceError>>()?,
            };
            recorded = recorded.with(one.metric, kept);
        }
        for (place, samples) in &self.sizes {
            recorded = recorded.with_size(*place, samples.samples(limits)?);
        }
        let sends = self.sends.iter();
        recorded.sends = sends
            .map(|&(scheduled, sent, lateness_max)| Sends {
                scheduled,
                sent,
                lateness_max,
            })
            .collect();
        recorded.negative = self.clock_wrong;
        recorded.clamped = self.too_long;
        recorded.unread = self.unread;
        Ok(recorded)
    }
}

fn metric_seen((metric, kept): (Metric, &Finished)) -> MetricSeen {
    let phases = kept.phases.iter();
    MetricSeen {
        metric,
        all: samples_seen(&kept.all),
        phases: phases
            .map(|(phase, samples)| (*phase, samples_seen(samples)))
            .collect(),
        seconds: kept.windows.iter().map(second_seen).collect(),
    }
}

fn samples_seen(samples: &Samples) -> SamplesSeen {
    SamplesSeen {
        within: samples.within.clone(),
        histogram: histogram::encode(&samples.histogram),
    }
}

fn second_seen(window: &Window) -> SecondSeen {
    let over = window.over.iter();
    SecondSeen {
        n: window.n,
        over: over
            .map(|over| [over.n, over.first, over.until, over.longest])
            .collect(),
        histogram: STANDARD.encode(window.bytes()),
    }
}

impl SamplesSeen {
    fn samples(&self, limits: usize) -> Result<Samples, EvidenceError> {
        of_all(&self.within, limits)?;
        Ok(Samples {
            within: self.within.clone(),
            histogram: histogram::merged([self.histogram.as_str()])?,
        })
    }
}

impl SecondSeen {
    fn window(&self, limits: usize) -> Result<Window, EvidenceError> {
        // A second without samples has no counts either.
        if !self.over.is_empty() {
            of_all(&self.over, limits)?;
        }
        let over = self.over.iter().map(|&[n, first, until, longest]| Over {
            n,
            first,
            until,
            longest,
        });
        // It must be one that can be added to others.
        histogram::merged([self.histogram.as_str()])?;
        let bytes = STANDARD.decode(&self.histogram);
        Ok(Window::of(
            self.n,
            over.collect(),
            bytes.map_err(HistogramError::from)?,
        ))
    }
}

fn of_all<T>(counts: &[T], limits: usize) -> Result<(), EvidenceError> {
    match counts.len() == limits {
        true => Ok(()),
        false => Err(EvidenceError::Limits {
            found: counts.len(),
            wanted: limits,
        }),
    }
}

//! What was recorded as text, and back: every histogram with what is counted beside it. A shard's recording and a result keep it
//! in this one shape.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Over, Samples, Sends, Window,
    recorded::{Finished, Recorded},
};
use crate::{
    model::{
        Metric, Nanos,
        histogram::{self, HistogramError},
    },
    observed::{Layout, RecordError},
};

/// [`Recorded`] as it is written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordedRecord {
    /// Of each metric that has samples.
    metrics: Vec<MetricRecord>,
    /// Deliveries by the size of their conversation: the place of the size, the smallest at 0, and its samples.
    sizes: Vec<(usize, SamplesRecord)>,
    /// Messages of measured phases, by second of the schedule: those that were scheduled, those that were sent, and the latest
    /// of them.
    sends: Vec<(u64, u64, Option<Nanos>)>,
    /// Receipts before the intended time.
    clock_wrong: u64,
    /// Samples cut to the largest that a histogram keeps.
    too_long: u64,
    /// Deliveries to members that did not read at the time.
    unread: u64,
}

/// All that was kept of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MetricRecord {
    metric: Metric,
    all: SamplesRecord,
    /// By the index of a phase.
    phases: Vec<(u16, SamplesRecord)>,
    /// By second of the schedule.
    seconds: Vec<SecondRecord>,
}

/// Samples: how many were at or under each limit; and HdrHistogram V2, compressed, base64.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SamplesRecord {
    within: Vec<u64>,
    histogram: String,
}

/// A second of the schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SecondRecord {
    n: u64,
    /// By limit: how many were over it, where the first of them starts and the last ends, and how long the longest takes.
    over: Vec<[u64; 4]>,
    /// HdrHistogram V2, base64, empty without samples.
    histogram: String,
}

impl RecordedRecord {
    /// What was recorded.
    pub fn of(recorded: &Recorded) -> Self {
        let sizes = (0..).zip(recorded.sizes());
        let sends = recorded.sends.iter();
        Self {
            metrics: recorded.kept().map(MetricRecord::of).collect(),
            sizes: sizes
                .filter_map(|(place, (_, samples))| Some((place, SamplesRecord::of(samples?))))
                .collect(),
            sends: sends
                .map(|one| (one.scheduled, one.sent, one.lateness_max))
                .collect(),
            clock_wrong: recorded.negative,
            too_long: recorded.clamped,
            unread: recorded.unread,
        }
    }

    /// Whether it speaks of no phase beyond so many.
    pub(in crate::observed) fn has_phases_of(&self, phases: usize) -> bool {
        let mut known = self.metrics.iter().flat_map(|one| &one.phases);
        known.all(|(phase, _)| usize::from(*phase) < phases)
    }

    /// Back, for a run that keeps that apart.
    ///
    /// # Errors
    /// [`RecordError`] when something in it can't be read, or is of another run.
    pub fn restored(&self, layout: &Arc<Layout>) -> Result<Recorded, RecordError> {
        let mut recorded = Recorded::empty(Arc::clone(layout));
        for record in &self.metrics {
            let kind = &mut recorded.kinds[record.metric.index()];
            if kind.replace(record.restored(layout)?).is_some() {
                return Err(RecordError::Misfit("the metrics"));
            }
        }
        for (place, samples) in &self.sizes {
            let size = recorded.sizes.get_mut(*place);
            let size = size.ok_or(RecordError::Misfit("the sizes of conversations"))?;
            *size = Some(samples.restored(layout)?);
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

impl MetricRecord {
    fn of((metric, kept): (Metric, &Finished)) -> Self {
        let phases = kept.phases.iter();
        Self {
            metric,
            all: SamplesRecord::of(&kept.all),
            phases: phases
                .map(|(phase, samples)| (*phase, SamplesRecord::of(samples)))
                .collect(),
            seconds: kept.windows.iter().map(SecondRecord::of).collect(),
        }
    }

    fn restored(&self, layout: &Layout) -> Result<Finished, RecordError> {
        let phases = self.phases.iter();
        let phases = phases.map(|(phase, samples)| Ok((*phase, samples.restored(layout)?)));
        let seconds = self.seconds.iter();
        let seconds = seconds.map(|second| second.restored(layout));
        Ok(Finished {
            all: self.all.restored(layout)?,
            phases: phases.collect::<Result<_, RecordError>>()?,
            windows: seconds.collect::<Result<_, RecordError>>()?,
        })
    }
}

impl SamplesRecord {
    fn of(samples: &Samples) -> Self {
        Self {
            within: samples.within.clone(),
            histogram: histogram::encode(&samples.histogram),
        }
    }

    fn restored(&self, layout: &Layout) -> Result<Samples, RecordError> {
        // Into one of the bounds that all have, so that parts can be added.
        let histogram = histogram::merged([self.histogram.as_str()])?;
        let limits = layout.limits().all().len();
        if self.within.len() != limits {
            return Err(RecordError::Limits {
                found: self.within.len(),
                wanted: limits,
            });
        }
        if self.within.iter().any(|within| *within > histogram.len()) {
            return Err(RecordError::Misfit("the counts within limits"));
        }
        Ok(Samples {
            histogram,
            within: self.within.clone(),
        })
    }
}

impl SecondRecord {
    fn of(window: &Window) -> Self {
        let over = window.over.iter();
        Self {
            n: window.n,
            over: over
                .map(|over| [over.n, over.first, over.until, over.longest])
                .collect(),
            histogram: STANDARD.encode(&window.encoded),
        }
    }

    fn restored(&self, layout: &Layout) -> Result<Window, RecordError> {
        let (found, wanted) = (self.over.len(), layout.limits().all().len());
        // A second without samples has no counts either.
        if found != wanted && !(self.n == 0 && found == 0) {
            return Err(RecordError::Limits { found, wanted });
        }
        // One that can be added to others.
        let samples = histogram::merged([self.histogram.as_str()])?.len();
        if samples != self.n {
            return Err(RecordError::Misfit("the seconds"));
        }
        let over = self.over.iter().map(|&[n, first, until, longest]| Over {
            n,
            first,
            until,
            longest,
        });
        Ok(Window {
            n: self.n,
            over: over.collect(),
            encoded: STANDARD
                .decode(&self.histogram)
                .map_err(HistogramError::from)?,
        })
    }
}

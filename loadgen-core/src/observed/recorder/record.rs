//! What was recorded as text, and back: every histogram with what is counted beside it.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Kind, Over, SIZES, Samples, Sends, Window,
    recorded::{Finished, Recorded},
};
use crate::{
    model::{
        Metric,
        histogram::{self, HistogramError},
    },
    observed::{Layout, RecordError},
};

/// [`Recorded`] as it is written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordedRecord {
    /// Of each metric that has samples.
    metrics: BTreeMap<Metric, MetricRecord>,
    /// Deliveries by the size of their conversation, smallest first.
    sizes: Vec<Option<SamplesRecord>>,
    /// Messages of measured phases, by second of the schedule.
    sends: Vec<Sends>,
    /// Samples cut to the largest that a histogram keeps.
    clamped: u64,
    /// Receipts before the intended time.
    negative: u64,
    /// Deliveries to members that did not read at the time.
    unread: u64,
}

/// All that was kept of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MetricRecord {
    all: SamplesRecord,
    /// By the index of a phase.
    phases: BTreeMap<u16, SamplesRecord>,
    /// By second of the schedule.
    windows: Vec<WindowRecord>,
}

/// Samples: HdrHistogram V2, compressed, base64; and how many were at or under each limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SamplesRecord {
    histogram: String,
    within: Vec<u64>,
}

/// A second: HdrHistogram V2, base64, empty without samples; and what was over each limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WindowRecord {
    n: u64,
    over: Vec<Over>,
    histogram: String,
}

impl RecordedRecord {
    /// What was recorded.
    pub(in crate::observed) fn of(recorded: &Recorded) -> Self {
        let metrics = Metric::ALL.into_iter().zip(&recorded.kinds);
        Self {
            metrics: metrics
                .filter_map(|(metric, kind)| Some((metric, MetricRecord::of(kind.as_ref()?))))
                .collect(),
            sizes: recorded
                .sizes
                .iter()
                .map(|samples| samples.as_ref().map(SamplesRecord::of))
                .collect(),
            sends: recorded.sends.clone(),
            clamped: recorded.clamped,
            negative: recorded.negative,
            unread: recorded.unread,
        }
    }

    /// Back, for a run that keeps that apart and has so many phases.
    ///
    /// # Errors
    /// [`RecordError`] when it is of another run.
    pub(in crate::observed) fn restored(
        self,
        layout: &Arc<Layout>,
        phases: usize,
    ) -> Result<Recorded, RecordError> {
        let mut recorded = Recorded::empty(Arc::clone(layout));
        for (metric, record) in self.metrics {
            let finished = record.restored(metric, layout, phases)?;
            recorded.kinds[metric.index()] = Some(finished);
        }
        if self.sizes.len() != SIZES.len() {
            return Err(RecordError::Misfit("the sizes of conversations"));
        }
        for (mine, record) in recorded.sizes.iter_mut().zip(self.sizes) {
            *mine = record.map(|one| one.restored(layout)).transpose()?;
        }
        recorded.sends = self.sends;
        recorded.clamped = self.clamped;
        recorded.negative = self.negative;
        recorded.unread = self.unread;
        Ok(recorded)
    }
}

impl MetricRecord {
    fn of(kind: &Finished) -> Self {
        let phases = kind.phases.iter();
        Self {
            all: SamplesRecord::of(&kind.all),
            phases: phases
                .map(|(phase, samples)| (*phase, SamplesRecord::of(samples)))
                .collect(),
            windows: kind.windows.iter().map(WindowRecord::of).collect(),
        }
    }

    fn restored(
        self,
        metric: Metric,
        layout: &Arc<Layout>,
        phases: usize,
    ) -> Result<Finished, RecordError> {
        let mut finished = Finished::of(Kind::new(metric, layout));
        finished.all = self.all.restored(layout)?;
        if self
            .phases
            .keys()
            .any(|phase| usize::from(*phase) >= phases)
        {
            return Err(RecordError::Misfit("the phases"));
        }
        let restored = self.phases.into_iter();
        finished.phases = restored
            .map(|(phase, samples)| Ok((phase, samples.restored(layout)?)))
            .collect::<Result<_, RecordError>>()?;
        let restored = self.windows.into_iter();
        finished.windows = restored
            .map(|window| window.restored(layout))
            .collect::<Result<_, _>>()?;
        Ok(finished)
    }
}

impl SamplesRecord {
    fn of(samples: &Samples) -> Self {
        Self {
            histogram: histogram::encode(&samples.histogram),
            within: samples.within.clone(),
        }
    }

    fn restored(self, layout: &Layout) -> Result<Samples, RecordError> {
        let mut samples = Samples::new(layout.limits());
        if self.within.len() != samples.within.len() {
            return Err(RecordError::Misfit("the limits"));
        }
        let histogram = histogram::decode(&self.histogram)?;
        // Into one of the bounds that all have, so that parts can be added.
        samples
            .histogram
            .add(histogram)
            .map_err(HistogramError::from)?;
        let most = samples.histogram.len();
        if self.within.iter().any(|within| *within > most) {
            return Err(RecordError::Misfit("the counts within limits"));
        }
        samples.within = self.within;
        Ok(samples)
    }
}

impl WindowRecord {
    fn of(window: &Window) -> Self {
        Self {
            n: window.n,
            over: window.over.clone(),
            histogram: STANDARD.encode(&window.encoded),
        }
    }

    fn restored(self, layout: &Layout) -> Result<Window, RecordError> {
        let limits = layout.limits().all().len();
        let encoded = STANDARD
            .decode(&self.histogram)
            .map_err(HistogramError::from)?;
        let samples = match encoded.is_empty() {
            true => 0,
            false => Window::read(&encoded).map_err(HistogramError::from)?.len(),
        };
        if samples != self.n || !(self.over.len() == limits || self.n == 0 && self.over.is_empty())
        {
            return Err(RecordError::Misfit("the seconds"));
        }
        Ok(Window {
            n: self.n,
            over: self.over,
            encoded,
        })
    }
}

//! What one worker recorded, or by merging all of them: complete, and ready to be judged and shown.

use std::sync::Arc;

use hdrhistogram::Histogram;

use super::{Kind, Limits, SIZES, Sends, SizeClass};
use crate::{
    model::Metric,
    observed::{Layout, Recorder, Samples, Window, by_place, merge_some},
};

/// What one worker, or by merging all of them, recorded.
#[derive(Debug, Clone)]
pub struct Recorded {
    layout: Arc<Layout>,
    pub(super) kinds: Vec<Option<Finished>>,
    pub(super) sizes: [Option<Samples>; SIZES.len()],
    none: Samples,
    /// Messages of measured phases, by second of the schedule.
    pub sends: Vec<Sends>,
    /// Samples cut to the largest that a histogram keeps.
    pub clamped: u64,
    /// Receipts before the intended time.
    pub negative: u64,
    /// Deliveries to members that did not read at the time.
    pub unread: u64,
}

/// All that was kept of one metric.
#[derive(Debug, Clone)]
pub struct Finished {
    /// All samples.
    pub all: Samples,
    /// Those of phases that are kept apart, by the phase's index.
    pub phases: Vec<(u16, Samples)>,
    /// By second of the schedule.
    pub windows: Vec<Window>,
}

impl Finished {
    pub(super) fn of(kind: Kind) -> Self {
        Self {
            all: kind.all,
            phases: kind.phases,
            windows: kind.windows.map(|w| w.finish()).unwrap_or_default(),
        }
    }

    fn merge(&mut self, other: Finished) {
        self.all.merge(&other.all);
        for (phase, theirs) in other.phases {
            match self.phases.iter_mut().find(|(known, _)| *known == phase) {
                Some((_, mine)) => mine.merge(&theirs),
                None => self.phases.push((phase, theirs)),
            }
        }
        by_place(&mut self.windows, other.windows, Window::merge);
    }
}

impl Recorded {
    /// Without a sample.
    pub fn empty(layout: Arc<Layout>) -> Self {
        Recorder::new(layout).finish()
    }

    pub(super) fn of(recorder: Recorder) -> Self {
        Self {
            none: Samples::new(recorder.layout.limits()),
            layout: recorder.layout,
            kinds: recorder
                .kinds
                .into_iter()
                .map(|kind| kind.map(|kind| Finished::of(*kind)))
                .collect(),
            sizes: recorder.sizes.map(|samples| samples.map(|one| *one)),
            sends: recorder.sends,
            clamped: recorder.clamped,
            negative: recorder.negative,
            unread: recorder.unread,
        }
    }

    /// What was kept apart.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The limits that were counted.
    pub fn limits(&self) -> &Limits {
        self.layout.limits()
    }

    /// The samples of a metric.
    pub fn samples(&self, metric: Metric) -> &Samples {
        self.kind(metric).map_or(&self.none, |kind| &kind.all)
    }

    /// The samples of what has none.
    pub fn none(&self) -> &Samples {
        &self.none
    }

    /// The samples of a metric in one phase: of measured phases, the deliveries and what their thresholds name.
    pub fn samples_in(&self, phase: u16, metric: Metric) -> &Samples {
        let phases = self.kind(metric).map_or(&[][..], |kind| &kind.phases);
        let found = phases.iter().find(|(known, _)| *known == phase);
        found.map_or(&self.none, |(_, samples)| samples)
    }

    /// The windows of a metric by second of the schedule, for deliveries and every metric that a threshold names.
    pub fn windows(&self, metric: Metric) -> &[Window] {
        self.kind(metric).map_or(&[], |kind| &kind.windows)
    }

    /// Deliveries by the size of their conversation, smallest first; `None` where there are none.
    pub fn sizes(&self) -> impl Iterator<Item = (SizeClass, Option<&Samples>)> {
        let sizes = SIZES.into_iter().zip(&self.sizes);
        sizes.map(|(class, samples)| (class, samples.as_ref()))
    }

    /// All that was kept, by metric.
    pub fn kept(&self) -> impl Iterator<Item = (Metric, &Finished)> {
        let kinds = Metric::ALL.into_iter().zip(&self.kinds);
        kinds.filter_map(|(metric, kind)| Some((metric, kind.as_ref()?)))
    }

    /// Takes over what others timed, whose histogram may have other bounds. Its counts within limits are as exact as a
    /// histogram of three digits.
    pub fn adopt(&mut self, metric: Metric, histogram: &Histogram<u64>) {
        let layout = &*self.layout;
        let kind = self.kinds[metric.index()]
            .get_or_insert_with(|| Finished::of(Kind::new(metric, layout)));
        for recorded in histogram.iter_recorded() {
            kind.all.record_n(
                recorded.value_iterated_to(),
                recorded.count_at_value(),
                layout.limits(),
            );
        }
    }

    /// Adds another worker's counts.
    pub fn merge(&mut self, other: Recorded) {
        for (mine, theirs) in self.kinds.iter_mut().zip(other.kinds) {
            merge_some(mine, theirs, Finished::merge);
        }
        for (mine, theirs) in self.sizes.iter_mut().zip(other.sizes) {
            merge_some(mine, theirs, |mine, theirs| mine.merge(&theirs));
        }
        by_place(&mut self.sends, other.sends, Sends::merge);
        self.clamped += other.clamped;
        self.negative += other.negative;
        self.unread += other.unread;
    }

    fn kind(&self, metric: Metric) -> Option<&Finished> {
        self.kinds[metric.index()].as_ref()
    }
}

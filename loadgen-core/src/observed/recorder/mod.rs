//! Latencies of one worker: a histogram for each metric, exact counts within limits, by phase, by size and by second.

mod layout;
mod record;
mod recorded;
mod windows;

use std::sync::Arc;

use hdrhistogram::Histogram;

use crate::model::{Metric, Nanos, histogram};

pub use self::{
    layout::{Layout, Limits, SIZES, SizeClass, Watched},
    record::RecordedRecord,
    recorded::{Finished, Recorded},
    windows::{Over, Sends, Window},
};
use windows::Windows;

/// The limit of the system's promise.
pub const PROMISE: Nanos = 5_000_000;
/// The length of a window.
pub const WINDOW: Nanos = 1_000_000_000;

/// The samples of one metric.
#[derive(Debug, Clone)]
pub struct Samples {
    /// All of them, in nanoseconds.
    pub histogram: Histogram<u64>,
    /// How many were at or under each limit.
    pub within: Vec<u64>,
}

/// A message that came to another than its sender.
#[derive(Debug, Clone, Copy)]
pub struct DeliverySample {
    /// When it was meant to be sent, on the run's clock.
    pub intended: Nanos,
    /// When its bytes were read, on the run's clock.
    pub received: Nanos,
    /// Index of its phase.
    pub phase: u16,
    /// Members of its conversation.
    pub members: usize,
}

/// What one worker records. Merged by adding counts, never by averaging.
///
/// Memory for a kind of sample is taken when the first of its kind comes, and for none after it.
pub struct Recorder {
    layout: Arc<Layout>,
    /// When the schedule began; before it, no sample has a window.
    began: Option<Nanos>,
    kinds: Vec<Option<Box<Kind>>>,
    sizes: [Option<Box<Samples>>; SIZES.len()],
    sends: Vec<Sends>,
    /// Samples that had to be cut to the largest that a histogram keeps: these make a run invalid.
    pub clamped: u64,
    /// Receipts before the intended time: these make a run invalid.
    pub negative: u64,
    /// Deliveries to members that did not read at the time: late by their own doing, and no samples.
    pub unread: u64,
}

/// All that is kept of one metric.
#[derive(Debug, Clone)]
struct Kind {
    all: Samples,
    phases: Vec<(u16, Samples)>,
    windows: Option<Windows>,
}

impl Recorder {
    /// An empty one.
    pub fn new(layout: Arc<Layout>) -> Self {
        Self {
            layout,
            began: None,
            kinds: Metric::ALL.map(|_| None).into(),
            sizes: SIZES.map(|_| None),
            sends: Vec::new(),
            clamped: 0,
            negative: 0,
            unread: 0,
        }
    }

    /// The schedule begins at this time of the run's clock: windows are counted from here.
    pub fn begin(&mut self, start: Nanos) {
        self.began = Some(start);
    }

    /// Records `end - start` under a metric that belongs to no phase.
    pub fn record(&mut self, metric: Metric, start: Nanos, end: Nanos) {
        self.add(metric, None, start, end);
    }

    /// Records `end - start` under a metric, for a message of a phase.
    pub fn record_in(&mut self, phase: u16, metric: Metric, start: Nanos, end: Nanos) {
        self.add(metric, Some(phase), start, end);
    }

    /// Records a delivery to another than the sender, also under the size of its conversation.
    pub fn record_delivery(&mut self, sample: DeliverySample) {
        let (start, end) = (sample.intended, sample.received);
        if let Some(value) = self.add(Metric::Delivery, Some(sample.phase), start, end) {
            let limits = self.layout.limits();
            self.sizes[SizeClass::place(sample.members)]
                .get_or_insert_with(|| Box::new(Samples::new(limits)))
                .record(value, limits);
        }
    }

    /// Counts a message of a measured phase in the window of its intended time: sent at `sent`, or not at all.
    pub fn record_send(&mut self, intended: Nanos, sent: Option<Nanos>) {
        let Some(start) = self.in_schedule(intended) else {
            return;
        };
        let second = (start / WINDOW) as usize;
        if self.sends.len() <= second {
            self.sends.resize(second + 1, Sends::default());
        }
        self.sends[second].add(sent.map(|sent| sent.saturating_sub(intended)));
    }

    fn add(
        &mut self,
        metric: Metric,
        phase: Option<u16>,
        start: Nanos,
        end: Nanos,
    ) -> Option<Nanos> {
        let value = self.difference(start, end)?;
        let in_schedule = self.in_schedule(start);
        let layout = &*self.layout;
        let kind =
            self.kinds[metric.index()].get_or_insert_with(|| Box::new(Kind::new(metric, layout)));
        kind.all.record(value, layout.limits());
        if let Some(phase) = phase
            && layout.keeps(phase, metric)
        {
            kind.phase(phase, layout).record(value, layout.limits());
        }
        if let (Some(start), Some(windows)) = (in_schedule, &mut kind.windows) {
            windows.record(start, value, layout.limits().all());
        }
        Some(value)
    }

    fn difference(&mut self, start: Nanos, end: Nanos) -> Option<Nanos> {
        let Some(value) = end.checked_sub(start) else {
            self.negative += 1;
            return None;
        };
        if value > histogram::MOST_NANOS {
            self.clamped += 1;
        }
        Some(value.min(histogram::MOST_NANOS))
    }

    /// A time from the start of the schedule; none before it.
    fn in_schedule(&self, at: Nanos) -> Option<Nanos> {
        at.checked_sub(self.began?)
    }

    /// Shows others what the layout says is watched while the run goes on, in the order of [`Layout::watched`].
    pub fn publish(&self, shown: &mut Vec<Samples>) {
        let limits = self.layout.limits();
        shown.clear();
        shown.extend(self.layout.watched().iter().map(|watched| {
            let kind = self.kinds[watched.metric.index()].as_deref();
            kind.and_then(|kind| match watched.phase {
                None => Some(&kind.all),
                Some(phase) => kind.of_phase(phase),
            })
            .cloned()
            .unwrap_or_else(|| Samples::new(limits))
        }));
    }

    /// Ends recording.
    pub fn finish(self) -> Recorded {
        Recorded::of(self)
    }
}

impl Kind {
    fn new(metric: Metric, layout: &Layout) -> Self {
        Self {
            all: Samples::new(layout.limits()),
            phases: Vec::new(),
            windows: layout
                .has_windows(metric)
                .then(|| Windows::new(layout.limits().all().len())),
        }
    }

    fn phase(&mut self, phase: u16, layout: &Layout) -> &mut Samples {
        let place = self.phases.iter().position(|(known, _)| *known == phase);
        let place = place.unwrap_or_else(|| {
            self.phases.push((phase, Samples::new(layout.limits())));
            self.phases.len() - 1
        });
        &mut self.phases[place].1
    }

    fn of_phase(&self, phase: u16) -> Option<&Samples> {
        let found = self.phases.iter().find(|(known, _)| *known == phase);
        found.map(|(_, samples)| samples)
    }
}

impl Samples {
    /// Without a sample.
    pub fn new(limits: &Limits) -> Self {
        Self {
            histogram: histogram::empty(),
            within: vec![0; limits.all().len()],
        }
    }

    fn record(&mut self, value: Nanos, limits: &Limits) {
        self.record_n(value, 1, limits);
    }

    fn record_n(&mut self, value: Nanos, count: u64, limits: &Limits) {
        self.histogram.saturating_record_n(value, count);
        for (within, &limit) in self.within.iter_mut().zip(limits.all()) {
            if value <= limit {
                *within += count;
            }
        }
    }

    /// How many were over a limit, by its place.
    pub fn over(&self, place: usize) -> u64 {
        let within = self.within.get(place).copied().unwrap_or(0);
        self.histogram.len().saturating_sub(within)
    }

    /// What came after an earlier look at the same samples.
    pub fn since(&self, earlier: &Samples) -> Self {
        let mut since = self.clone();
        // A part of the same counts, with the same bounds: subtracting can't fail.
        let _ = since.histogram.subtract(&earlier.histogram);
        for (mine, theirs) in since.within.iter_mut().zip(&earlier.within) {
            *mine = mine.saturating_sub(*theirs);
        }
        since
    }

    /// Adds those of a second.
    pub fn add(&mut self, window: &Window) {
        // Same bounds by construction: adding can't fail.
        let _ = self.histogram.add(window.histogram());
        for (place, within) in self.within.iter_mut().enumerate() {
            *within += window.n - window.over.get(place).map_or(0, |over| over.n);
        }
    }

    /// Adds the counts of samples under the same limits.
    pub fn merge(&mut self, other: &Samples) {
        // Same bounds by construction: adding can't fail.
        let _ = self.histogram.add(&other.histogram);
        add(&mut self.within, &other.within);
    }
}

fn add(mine: &mut [u64], theirs: &[u64]) {
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        *mine += theirs;
    }
}

#[cfg(test)]
pub(crate) mod tests;

//! Latencies of one worker: a histogram for each metric, exact counts within limits, and one-second windows.

use hdrhistogram::Histogram;

use crate::{
    clock::Nanos,
    metric::Metric,
    scenario::{Subject, Threshold},
};

/// Largest sample that is kept as it is: one hour. Anything longer is counted as clamped.
const MOST_NANOS: u64 = 3_600_000_000_000;
/// Significant decimal digits of every histogram.
const DIGITS: u8 = 3;
/// The limit of the system's promise.
pub const PROMISE: Nanos = 5_000_000;
/// The length of a window.
pub const WINDOW: Nanos = 1_000_000_000;

/// The durations whose "share within" is counted exactly: the promise, and those that thresholds name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits(Vec<Nanos>);

impl Limits {
    /// The promise and the limits of these thresholds.
    pub fn of(thresholds: &[Threshold]) -> Self {
        let mut limits = vec![PROMISE];
        for threshold in thresholds {
            if let Subject::Within(_, limit) = threshold.subject {
                let limit = crate::clock::nanos(limit);
                if !limits.contains(&limit) {
                    limits.push(limit);
                }
            }
        }
        Self(limits)
    }

    /// The place of a limit, where it is counted.
    pub fn place(&self, limit: Nanos) -> Option<usize> {
        self.0.iter().position(|&known| known == limit)
    }

    /// All of them, the promise first.
    pub fn all(&self) -> &[Nanos] {
        &self.0
    }
}

/// An empty histogram with the bounds that all share, so that counts can be added.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MOST_NANOS, DIGITS).unwrap_or_else(|error| {
        unreachable!("the bounds are constants that a test builds: {error}")
    })
}

/// The samples of one metric.
#[derive(Debug, Clone)]
pub struct Samples {
    /// All of them, in nanoseconds.
    pub histogram: Histogram<u64>,
    /// How many were at or under each limit.
    pub within: Vec<u64>,
}

/// The deliveries to others whose intended times lie in one second of the schedule.
#[derive(Debug, Clone)]
pub struct Window {
    /// How many came.
    pub deliveries: u64,
    /// How many of them were over each limit.
    pub over: Vec<u64>,
    /// Their latencies, as an HdrHistogram V2 without compression: a few hundred bytes.
    pub encoded: Vec<u8>,
}

/// What one worker records. Merged by adding counts, never by averaging.
pub struct Recorder {
    limits: Limits,
    samples: Vec<Samples>,
    windows: Windows,
    /// Samples that had to be cut to the largest that a histogram keeps: these make a run invalid.
    pub clamped: u64,
    /// Receipts before the intended time: these make a run invalid.
    pub negative: u64,
    /// Deliveries to members that did not read at the time: late by their own doing, and no samples.
    pub unread: u64,
}

impl Recorder {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        let samples = Samples {
            histogram: histogram(),
            within: vec![0; limits.all().len()],
        };
        Self {
            samples: vec![samples; Metric::ALL.len()],
            windows: Windows::new(limits.all().len()),
            limits,
            clamped: 0,
            negative: 0,
            unread: 0,
        }
    }

    /// Records `end - start` under a metric.
    pub fn record(&mut self, metric: Metric, start: Nanos, end: Nanos) {
        let Some(value) = self.difference(start, end) else {
            return;
        };
        let samples = &mut self.samples[metric.index()];
        samples.histogram.saturating_record(value);
        for (within, &limit) in samples.within.iter_mut().zip(self.limits.all()) {
            *within += u64::from(value <= limit);
        }
    }

    /// Records a delivery to another than the sender, also in the window of its intended time, which is counted
    /// from the start of the schedule.
    pub fn record_delivery(&mut self, intended: Nanos, schedule_start: Nanos, received: Nanos) {
        self.record(Metric::Delivery, intended, received);
        let window = (intended.saturating_sub(schedule_start) / WINDOW) as usize;
        let value = received.saturating_sub(intended).min(MOST_NANOS);
        self.windows.record(window, value, self.limits.all());
    }

    fn difference(&mut self, start: Nanos, end: Nanos) -> Option<Nanos> {
        let Some(value) = end.checked_sub(start) else {
            self.negative += 1;
            return None;
        };
        if value > MOST_NANOS {
            self.clamped += 1;
        }
        Some(value.min(MOST_NANOS))
    }

    /// The deliveries so far, to be shown while the run goes on.
    pub fn deliveries(&self) -> &Histogram<u64> {
        &self.samples[Metric::Delivery.index()].histogram
    }

    /// Ends recording.
    pub fn finish(self) -> Recorded {
        Recorded {
            limits: self.limits,
            samples: self.samples,
            windows: self.windows.finish(),
            clamped: self.clamped,
            negative: self.negative,
            unread: self.unread,
        }
    }
}

/// What one worker, or by merging all of them, recorded.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The limits that were counted.
    pub limits: Limits,
    samples: Vec<Samples>,
    /// By second of the schedule.
    pub windows: Vec<Window>,
    /// Samples cut to the largest that a histogram keeps.
    pub clamped: u64,
    /// Receipts before the intended time.
    pub negative: u64,
    /// Deliveries to members that did not read at the time.
    pub unread: u64,
}

impl Recorded {
    /// Nothing.
    pub fn empty(limits: Limits) -> Self {
        Recorder::new(limits).finish()
    }

    /// The samples of a metric.
    pub fn samples(&self, metric: Metric) -> &Samples {
        &self.samples[metric.index()]
    }

    /// Takes over what the server timed itself, whose histogram may have other bounds. Its counts within limits are as
    /// exact as a histogram of three digits.
    pub fn adopt(&mut self, metric: Metric, histogram: &Histogram<u64>) {
        let samples = &mut self.samples[metric.index()];
        for recorded in histogram.iter_recorded() {
            let value = recorded.value_iterated_to();
            let count = recorded.count_at_value();
            samples.histogram.saturating_record_n(value, count);
            for (within, &limit) in samples.within.iter_mut().zip(self.limits.all()) {
                if value <= limit {
                    *within += count;
                }
            }
        }
    }

    /// Adds another worker's counts.
    pub fn merge(&mut self, other: &Recorded) {
        for (mine, theirs) in self.samples.iter_mut().zip(&other.samples) {
            // Same bounds by construction: adding can't fail.
            let _ = mine.histogram.add(&theirs.histogram);
            add(&mut mine.within, &theirs.within);
        }
        for (index, theirs) in other.windows.iter().enumerate() {
            match self.windows.get_mut(index) {
                Some(mine) => mine.merge(theirs),
                None => self.windows.push(theirs.clone()),
            }
        }
        self.clamped += other.clamped;
        self.negative += other.negative;
        self.unread += other.unread;
    }
}

impl Window {
    /// Its latencies.
    pub fn histogram(&self) -> Histogram<u64> {
        windows::decode(&self.encoded)
    }

    fn merge(&mut self, other: &Window) {
        self.deliveries += other.deliveries;
        add(&mut self.over, &other.over);
        let mut histogram = self.histogram();
        let _ = histogram.add(other.histogram());
        self.encoded = windows::encode(&histogram);
    }
}

fn add(mine: &mut [u64], theirs: &[u64]) {
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        *mine += theirs;
    }
}

use windows::Windows;

/// The window that is being filled, the finished ones, and what came too late for its own.
mod windows {
    use hdrhistogram::{
        Histogram,
        serialization::{Deserializer, Serializer, V2Serializer},
    };

    use super::{Nanos, Window, histogram};

    pub(super) struct Windows {
        current: usize,
        histogram: Histogram<u64>,
        done: Vec<Window>,
        late: Vec<(usize, Nanos)>,
        limits: usize,
    }

    impl Windows {
        pub(super) fn new(limits: usize) -> Self {
            Self {
                current: 0,
                histogram: histogram(),
                done: Vec::new(),
                late: Vec::new(),
                limits,
            }
        }

        pub(super) fn record(&mut self, window: usize, value: Nanos, limits: &[Nanos]) {
            while window >= self.done.len() {
                self.done.push(Window {
                    deliveries: 0,
                    over: vec![0; self.limits],
                    encoded: Vec::new(),
                });
            }
            let counts = &mut self.done[window];
            counts.deliveries += 1;
            for (over, &limit) in counts.over.iter_mut().zip(limits) {
                *over += u64::from(value > limit);
            }
            if window > self.current {
                self.close();
                self.current = window;
            }
            if window == self.current {
                self.histogram.saturating_record(value);
            } else {
                self.late.push((window, value));
            }
        }

        fn close(&mut self) {
            if let Some(window) = self.done.get_mut(self.current) {
                window.encoded = encode(&self.histogram);
            }
            self.histogram.reset();
        }

        pub(super) fn finish(mut self) -> Vec<Window> {
            self.close();
            self.late.sort_unstable();
            for late in self.late.chunk_by(|a, b| a.0 == b.0) {
                let window = &mut self.done[late[0].0];
                let mut histogram = decode(&window.encoded);
                for (_, value) in late {
                    histogram.saturating_record(*value);
                }
                window.encoded = encode(&histogram);
            }
            self.done
        }
    }

    pub(super) fn encode(histogram: &Histogram<u64>) -> Vec<u8> {
        let mut bytes = Vec::new();
        if !histogram.is_empty() {
            // Writing to a vector can't fail.
            let _ = V2Serializer::new().serialize(histogram, &mut bytes);
        }
        bytes
    }

    /// Bytes that `encode` made; none for an empty histogram.
    pub(super) fn decode(bytes: &[u8]) -> Histogram<u64> {
        Deserializer::new()
            .deserialize(&mut &*bytes)
            .unwrap_or_else(|_| histogram())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn recorded(samples: &[(Nanos, Nanos)]) -> Recorded {
        let mut recorder = Recorder::new(Limits::of(&[]));
        for &(intended, latency) in samples {
            recorder.record_delivery(intended, 0, intended + latency);
        }
        recorder.finish()
    }

    #[test]
    fn a_sample_at_the_limit_is_within_it() {
        let recorded = recorded(&[(0, PROMISE), (0, PROMISE + 1)]);
        assert_eq!(recorded.samples(Metric::Delivery).within, [1]);
        assert_eq!(recorded.windows[0].over, [1]);
    }

    #[test]
    fn a_receipt_before_its_send_is_counted_and_not_recorded() {
        let mut recorder = Recorder::new(Limits::of(&[]));
        recorder.record(Metric::Echo, 10, 9);
        assert_eq!(recorder.negative, 1);
        assert!(recorder.finish().samples(Metric::Echo).histogram.is_empty());
    }

    #[test]
    fn a_sample_of_hours_is_counted_as_clamped() {
        let mut recorder = Recorder::new(Limits::of(&[]));
        recorder.record(Metric::Echo, 0, 2 * MOST_NANOS);
        assert_eq!(recorder.clamped, 1);
    }

    proptest! {
        /// However the samples fall on workers, and however late they come, the merged result is the same.
        #[test]
        fn merging_adds_counts(samples in prop::collection::vec((0u64..5 * WINDOW, 1u64..20_000_000, any::<bool>()), 1..200)) {
            let all: Vec<_> = samples.iter().map(|s| (s.0, s.1)).collect();
            let (left, right): (Vec<_>, Vec<_>) = samples.iter().partition(|s| s.2);
            let side = |side: Vec<&(u64, u64, bool)>| recorded(&side.iter().map(|s| (s.0, s.1)).collect::<Vec<_>>());
            let whole = recorded(&all);
            let mut merged = side(left);
            merged.merge(&side(right));
            prop_assert_eq!(&merged.samples(Metric::Delivery).histogram, &whole.samples(Metric::Delivery).histogram);
            for (a, b) in merged.windows.iter().zip(&whole.windows) {
                prop_assert_eq!(a.deliveries, b.deliveries);
                prop_assert_eq!(&a.over, &b.over);
                prop_assert_eq!(a.histogram(), b.histogram());
                prop_assert_eq!(a.histogram().len(), a.deliveries);
            }
        }
    }
}

//! One-second windows: the one that is being filled, the finished ones, and what came too late for its own.

use hdrhistogram::{
    Histogram,
    serialization::{DeserializeError, Deserializer, Serializer, V2Serializer},
};

use crate::{
    model::{Nanos, histogram},
    observed::{WINDOW, by_place},
};

/// The samples of one metric that start in one second of the schedule: deliveries by their intended times.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// How many came.
    pub n: u64,
    /// Those of them that were over each limit.
    pub over: Vec<Over>,
    /// Their latencies, as an HdrHistogram V2 without compression: a few hundred bytes.
    pub(super) encoded: Vec<u8>,
}

/// Samples of a second over a limit, and the time that they take up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// How many.
    pub n: u64,
    /// Where the first of them starts, from the start of the schedule; the latest time of all where there is none.
    pub first: Nanos,
    /// Where the last of them ends.
    pub until: Nanos,
    /// How long the longest takes.
    pub longest: Nanos,
}

impl Over {
    /// Of a second with nothing over the limit.
    pub(crate) const NONE: Self = Self {
        n: 0,
        first: Nanos::MAX,
        until: 0,
        longest: 0,
    };

    fn add(&mut self, start: Nanos, value: Nanos) {
        self.merge(&Self {
            n: 1,
            first: start,
            until: start + value,
            longest: value,
        });
    }

    /// Adds those of another second, or another worker.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.n += other.n;
        self.first = self.first.min(other.first);
        self.until = self.until.max(other.until);
        self.longest = self.longest.max(other.longest);
    }
}

impl Window {
    /// Of a second without samples.
    pub(crate) const EMPTY: Self = Self {
        n: 0,
        over: Vec::new(),
        encoded: Vec::new(),
    };

    /// The latencies of its samples.
    pub fn histogram(&self) -> Histogram<u64> {
        decode(&self.encoded)
    }

    pub(super) fn merge(&mut self, other: Window) {
        if other.n == 0 {
            return;
        }
        self.n += other.n;
        let mut histogram = self.histogram();
        // Same bounds by construction: adding can't fail.
        let _ = histogram.add(other.histogram());
        by_place(&mut self.over, other.over, |mine, theirs| {
            mine.merge(&theirs)
        });
        self.encoded = encode(&histogram);
    }
}

/// The messages of measured phases whose intended times lie in one second of the schedule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sends {
    /// How many there were.
    pub scheduled: u64,
    /// How many of them were sent.
    pub sent: u64,
    /// The latest of these, nanoseconds after its intended time; `None` when none was sent.
    pub lateness_max: Option<Nanos>,
}

impl Sends {
    /// Counts a message by its lateness, or one that was not sent.
    pub(super) fn add(&mut self, lateness: Option<Nanos>) {
        self.scheduled += 1;
        self.sent += u64::from(lateness.is_some());
        self.lateness_max = self.lateness_max.max(lateness);
    }

    pub(super) fn merge(&mut self, other: Sends) {
        self.scheduled += other.scheduled;
        self.sent += other.sent;
        self.lateness_max = self.lateness_max.max(other.lateness_max);
    }
}

/// The windows of one metric while they are filled.
#[derive(Debug, Clone)]
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
            histogram: histogram::empty(),
            done: Vec::new(),
            late: Vec::new(),
            limits,
        }
    }

    /// A sample that starts so long after the schedule's start.
    pub(super) fn record(&mut self, start: Nanos, value: Nanos, limits: &[Nanos]) {
        let window = (start / WINDOW) as usize;
        while window >= self.done.len() {
            self.done.push(Window {
                over: vec![Over::NONE; self.limits],
                ..Window::default()
            });
        }
        let counts = &mut self.done[window];
        counts.n += 1;
        for (over, &limit) in counts.over.iter_mut().zip(limits) {
            if value > limit {
                over.add(start, value);
            }
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
            let mut histogram = window.histogram();
            for (_, value) in late {
                histogram.saturating_record(*value);
            }
            window.encoded = encode(&histogram);
        }
        self.done
    }
}

fn encode(histogram: &Histogram<u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if !histogram.is_empty() {
        // Writing to a vector can't fail.
        let _ = V2Serializer::new().serialize(histogram, &mut bytes);
    }
    bytes
}

/// Bytes that `encode` made; none for an empty histogram.
fn decode(bytes: &[u8]) -> Histogram<u64> {
    let read = Deserializer::new().deserialize(&mut &*bytes);
    read.unwrap_or_else(|_: DeserializeError| histogram::empty())
}

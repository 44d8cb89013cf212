//! How the rate of a phase goes over its time: steady, ramped, in steps, with a spike.

use std::time::Duration;

use super::Open;
use crate::model::{Nanos, nanos};

/// How many sends a phase has on average, bursts included; exact to one for uniform arrivals.
pub fn expected(open: &Open, duration: Duration) -> f64 {
    let steady: f64 = segments(open, duration).iter().map(Segment::total).sum();
    let burst = open.burst.map_or(0.0, |burst| {
        let bursts = nanos(duration).div_ceil(nanos(burst.every.0).max(1));
        bursts as f64 * f64::from(burst.messages)
    });
    steady + burst
}

/// A stretch in which the rate changes linearly; seconds, and events per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    start: f64,
    length: f64,
    from: f64,
    to: f64,
}

impl Segment {
    /// A rate that stays the same.
    pub fn steady(rate: f64, duration: Duration) -> Self {
        Self::new(0.0, duration.as_secs_f64(), rate, rate)
    }

    fn new(start: f64, length: f64, from: f64, to: f64) -> Self {
        Self {
            start,
            length,
            from,
            to,
        }
    }

    /// Events in it.
    pub fn total(&self) -> f64 {
        (self.from + self.to) / 2.0 * self.length
    }

    /// When the integral of the rate from the segment's start reaches `passed`.
    pub fn time_of(&self, passed: f64) -> Nanos {
        // slope/2 · t² + from · t = passed, in the form that stays exact when the slope is zero.
        let slope = (self.to - self.from) / self.length;
        let root = (self.from * self.from + 2.0 * slope * passed)
            .max(0.0)
            .sqrt();
        let sum = self.from + root;
        let seconds = if sum > 0.0 { 2.0 * passed / sum } else { 0.0 };
        let at = self.start + seconds.min(self.length);
        nanos(Duration::from_secs_f64(at))
    }

    fn end(&self) -> f64 {
        self.start + self.length
    }

    fn rate_at(&self, at: f64) -> f64 {
        self.from + (self.to - self.from) * (at - self.start) / self.length
    }

    /// The part between two times, if any of it is there.
    fn part(&self, from: f64, to: f64) -> Option<Segment> {
        let (start, end) = (self.start.max(from), self.end().min(to));
        let (first, last) = (self.rate_at(start), self.rate_at(end));
        (end > start).then(|| Segment::new(start, end - start, first, last))
    }
}

/// The stretches of a phase, one after the other.
pub fn segments(open: &Open, duration: Duration) -> Vec<Segment> {
    let length = duration.as_secs_f64();
    let base = match open.steps {
        Some(steps) => {
            let rise = (open.ramp_to - open.rate) / f64::from(steps.saturating_sub(1).max(1));
            let step = length / f64::from(steps.max(1));
            let stair = |index| {
                let rate = open.rate + rise * f64::from(index);
                Segment::new(step * f64::from(index), step, rate, rate)
            };
            (0..steps).map(stair).collect()
        }
        None => vec![Segment::new(0.0, length, open.rate, open.ramp_to)],
    };
    let Some(spike) = open.spike else {
        return base;
    };
    let start = spike.after.0.as_secs_f64();
    let end = (start + spike.lasts.0.as_secs_f64()).min(length);
    let parts = |from: f64, to: f64| {
        let base = &base;
        base.iter()
            .filter_map(move |segment| segment.part(from, to))
    };
    let steep = Segment::new(start, end - start, spike.rate.0, spike.rate.0);
    parts(0.0, start)
        .chain([steep])
        .chain(parts(end, length))
        .collect()
}

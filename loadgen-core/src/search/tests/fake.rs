//! Targets in simulated time, each with a capacity that is known.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    judge::verdict::{Allowed, Decision, Misses, Second},
    search::{Growth, Outcome, growth},
};

/// Something that a rate can be asked of, for so many seconds.
pub(super) trait Target {
    fn hold(&mut self, rate: f64, seconds: u64) -> Outcome;
}

impl<F: FnMut(f64) -> Outcome> Target for F {
    fn hold(&mut self, rate: f64, _: u64) -> Outcome {
        self(rate)
    }
}

/// Seconds for a message.
pub(super) const SERVICE: f64 = 0.000_25;

/// One worker that takes the same time for each message (M/D/1), in the order in which they come.
pub(super) struct Worker {
    service: f64,
    /// 99 % of the messages have to be delivered within so many seconds.
    limit: f64,
    /// Seconds of work that may wait behind a delivery that has been made already.
    buffer: f64,
    /// Seconds of work that is left over from the hold before.
    left: f64,
    random: ChaCha8Rng,
}

impl Worker {
    /// Within five times what a message takes.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            service: SERVICE,
            limit: 5.0 * SERVICE,
            buffer: 0.0,
            left: 0.0,
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    pub(super) fn within(self, limit: f64) -> Self {
        Self { limit, ..self }
    }

    pub(super) fn buffering(self, buffer: f64) -> Self {
        Self { buffer, ..self }
    }
}

impl Target for Worker {
    fn hold(&mut self, rate: f64, seconds: u64) -> Outcome {
        let mut seen = vec![Second::default(); seconds as usize];
        let mut backlog = vec![0.0; seconds as usize];
        let (mut now, mut free) = (0.0, self.left);
        loop {
            now += -self.random.random_range(f64::EPSILON..1.0).ln() / rate;
            let Some(second) = seen.get_mut(now as usize) else {
                break;
            };
            let waits = f64::max(free - now, 0.0);
            free = f64::max(free, now) + self.service;
            backlog[now as usize] = free - now;
            let latency = f64::max(waits - self.buffer, 0.0) + self.service;
            second.n += 1;
            second.missed += u64::from(latency > self.limit);
        }
        self.left = f64::max(free - seconds as f64, 0.0);
        if growth(&backlog).is_some_and(Growth::is_backlog) {
            return Outcome::BacklogGrew;
        }
        let allowed = Allowed {
            share: 0.01,
            below: false,
        };
        match Misses::of(&seen, 1.0).decide(allowed) {
            Decision::Kept => Outcome::Kept,
            Decision::Missed => Outcome::Missed,
            Decision::Open(_) => Outcome::Undecided,
        }
    }
}

/// The highest rate at which 99 % of the messages of an M/D/1 queue are done within a limit, by Erlang's series for how long
/// they wait.
pub(super) fn capacity(service: f64, limit: f64) -> f64 {
    let within = |rate: f64| {
        let waits = limit - service;
        let idle = 1.0 - rate * service;
        let mut factor = 1.0;
        let mut sum = 0.0;
        for k in 0..=(waits / service).round() as i32 {
            let shifted = rate * (f64::from(k) * service - waits);
            if k > 0 {
                factor /= f64::from(k);
            }
            sum += shifted.powi(k) * factor * (-shifted).exp();
        }
        idle * sum
    };
    let (mut low, mut high) = (0.0, 1.0 / service);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        match within(middle) >= 0.99 {
            true => low = middle,
            false => high = middle,
        }
    }
    low
}

//! Servers whose long run is known, each with another way to miss a limit, and what their runs are taken for.

use loadgen_core::judge::verdict::{Allowed, Decision, Misses, Second};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Binomial, Distribution, Exp, Poisson};

/// Messages in a second, on average.
const RATE: f64 = 100.0;
/// A stall comes once in so many seconds.
const MINUTE: f64 = 60.0;
/// Of the seconds of [`Shape::Seconds`].
const SLOW_SECONDS: f64 = 0.05;
/// Length of a spell in seconds, and the share of messages over the limit in it.
const SPELL: (f64, f64) = (4.0, 0.25);

/// How a server misses a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Each message by itself.
    Evenly,
    /// One second in twenty, part of its messages.
    Seconds,
    /// One stall in each minute, all messages that are due in it.
    Stalls,
    /// Spells of four seconds, a quarter of their messages.
    Spells,
    /// More and more, or less and less, from the run's beginning to its end.
    Drift,
}

impl Shape {
    pub const ALL: [Shape; 5] = [
        Shape::Evenly,
        Shape::Seconds,
        Shape::Stalls,
        Shape::Spells,
        Shape::Drift,
    ];

    /// In the rows of a table.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Evenly => "each message by itself",
            Shape::Seconds => "one second in 20",
            Shape::Stalls => "one stall a minute",
            Shape::Spells => "spells of 4 s, 25 % over",
            Shape::Drift => "drift",
        }
    }

    /// The share over the limit, in the long run, that its coverage is shown for.
    pub fn example(self) -> f64 {
        match self {
            Shape::Evenly => 0.01,
            // 40 % in each.
            Shape::Seconds => 0.02,
            // 900 ms.
            Shape::Stalls | Shape::Spells | Shape::Drift => 0.015,
        }
    }

    /// A run of this server, of which `over` misses the limit in the long run.
    pub fn run(self, over: f64, seconds: usize, seed: u64) -> Vec<Second> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let shares = self.shares(over, seconds, &mut rng);
        let messages = Poisson::new(RATE).expect("a rate");
        shares
            .into_iter()
            .map(|share| {
                let n = messages.sample(&mut rng) as u64;
                let over = Binomial::new(n, share.min(1.0)).expect("a share");
                Second {
                    missed: over.sample(&mut rng),
                    n,
                }
            })
            .collect()
    }

    /// The share over the limit that each second has.
    fn shares(self, over: f64, seconds: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
        match self {
            Shape::Evenly => vec![over; seconds],
            Shape::Seconds => (0..seconds)
                .map(|_| f64::from(rng.random_bool(SLOW_SECONDS)) * over / SLOW_SECONDS)
                .collect(),
            Shape::Stalls => {
                let first = (rng.random::<f64>() - 1.0) * MINUTE;
                let starts = (0..).map(|minute| first + f64::from(minute) * MINUTE);
                let starts = starts.take_while(|start| *start < seconds as f64);
                stretches(starts, over * MINUTE, 1.0, seconds)
            }
            Shape::Spells => {
                let (length, part) = SPELL;
                let pause = length * part / over - length;
                let pauses = Exp::new(1.0 / pause).expect("a pause");
                let mut start = match rng.random_bool(length / (length + pause)) {
                    true => -rng.random::<f64>() * length,
                    false => pauses.sample(rng),
                };
                let mut starts = Vec::new();
                while start < seconds as f64 {
                    starts.push(start);
                    start += length + pauses.sample(rng);
                }
                stretches(starts.into_iter(), length, part, seconds)
            }
            Shape::Drift => {
                let up = rng.random_bool(0.5);
                let passed = |second: usize| (second as f64 + 0.5) / seconds as f64;
                (0..seconds)
                    .map(passed)
                    .map(|passed| 2.0 * over * if up { passed } else { 1.0 - passed })
                    .collect()
            }
        }
    }
}

/// Stretches of time, and which part of each second's messages they put over the limit.
fn stretches(
    starts: impl Iterator<Item = f64>,
    length: f64,
    part: f64,
    seconds: usize,
) -> Vec<f64> {
    let mut shares = vec![0.0; seconds];
    for start in starts {
        for (second, share) in shares.iter_mut().enumerate() {
            let (begin, end) = (second as f64, second as f64 + 1.0);
            *share += part * ((start + length).min(end) - start.max(begin)).max(0.0);
        }
    }
    shares
}

/// What many runs of one server were taken for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    pub runs: u32,
    /// The long run's interval held the truth.
    pub covered: u32,
    pub passed: u32,
    pub failed: u32,
}

impl Tally {
    /// Against "99 % within the limit".
    pub fn of(shape: Shape, over: f64, seconds: usize, runs: u32) -> Self {
        let allowed = Allowed {
            share: 0.01,
            below: false,
        };
        let mut tally = Self::default();
        for seed in 0..runs {
            let misses = Misses::of(&shape.run(over, seconds, u64::from(seed)), 1.0);
            let decision = misses.decide(allowed);
            let covered = misses.long.low <= over && over <= misses.long.high;
            tally.runs += 1;
            tally.covered += u32::from(covered);
            tally.passed += u32::from(decision == Decision::Kept);
            tally.failed += u32::from(decision == Decision::Missed);
        }
        tally
    }

    /// A part of the runs.
    pub fn share(&self, part: u32) -> f64 {
        f64::from(part) / f64::from(self.runs)
    }
}

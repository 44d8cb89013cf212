//! What a run might have been: its blocks of seconds, weighed anew at random, since one second shares its accidents and so do
//! neighbours.
//!
//! The Bayesian bootstrap (Rubin 1981) over blocks: each block weighs as an exponential variable. Unlike drawing with
//! replacement, it never leaves all that is rare out at once.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::Exp1;

/// Draws: enough for a stable second digit of the 2.5 % tails.
const DRAWS: usize = 1_000;
/// Fixed, so that the same result always gets the same verdict.
const SEED: u64 = 0x5eed;
/// Blocks at most: more say nothing more, and cost time.
const MOST_BLOCKS: usize = 100;
/// Blocks at least: of fewer nobody sees how they vary.
const FEWEST_BLOCKS: usize = 5;

/// Blocks of one length, and the chance that weighs them.
pub struct Resampling {
    /// Where each block ends, as a number of seconds.
    ends: Vec<usize>,
    rng: ChaCha8Rng,
}

/// One run that might have been.
pub struct Draw<'a> {
    weights: &'a [f64],
    rng: &'a mut ChaCha8Rng,
}

impl Resampling {
    /// One for each length of block that so many seconds allow, each twice as long as the one before.
    pub fn lengths(seconds: usize) -> impl Iterator<Item = Self> {
        let shortest = seconds.div_ceil(MOST_BLOCKS).max(1);
        let longer = std::iter::successors(Some(shortest), |length| Some(length * 2));
        longer
            .take_while(move |&length| length == shortest || seconds / length >= FEWEST_BLOCKS)
            .map(move |length| Self::of(seconds, (seconds / length).max(1)))
    }

    fn of(seconds: usize, blocks: usize) -> Self {
        Self {
            ends: (1..=blocks).map(|block| block * seconds / blocks).collect(),
            rng: ChaCha8Rng::seed_from_u64(SEED),
        }
    }

    /// What the seconds of each block are together.
    pub fn blocks<S, B>(&self, seconds: &[S], together: impl Fn(&[S]) -> B) -> Vec<B> {
        let mut start = 0;
        let mut block = |&end: &usize| {
            let block = together(&seconds[start..end]);
            start = end;
            block
        };
        self.ends.iter().map(&mut block).collect()
    }

    /// Weighs the blocks anew, again and again.
    pub fn draw(&mut self, mut each: impl FnMut(&mut Draw<'_>)) {
        let mut weights = vec![0.0; self.ends.len()];
        for _ in 0..DRAWS {
            for weight in &mut weights {
                *weight = self.rng.sample(Exp1);
            }
            each(&mut Draw {
                weights: &weights,
                rng: &mut self.rng,
            });
        }
    }
}

impl Draw<'_> {
    /// Of each block.
    pub fn weights(&self) -> &[f64] {
        self.weights
    }

    /// Of one more block.
    pub fn weight(&mut self) -> f64 {
        self.rng.sample(Exp1)
    }

    /// Any number from 0 to 1.
    pub fn luck(&mut self) -> f64 {
        self.rng.random()
    }
}

/// The quantile (0 to 1) of some draws.
pub fn at(draws: &mut [f64], quantile: f64) -> f64 {
    let place = (draws.len().saturating_sub(1) as f64 * quantile).round() as usize;
    match draws.is_empty() {
        true => f64::NAN,
        false => *draws.select_nth_unstable_by(place, f64::total_cmp).1,
    }
}

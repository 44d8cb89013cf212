//! How often chance alone, sharing the same runs out, makes any of several numbers differ as much.
//!
//! Westfall and Young, Resampling-Based Multiple Testing: each number's difference against the largest of all numbers', each in
//! its own spread, in every way to share the runs out. Numbers that move together are counted as what they are, since they are
//! shared out together.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::Values;

/// Ways that are all gone through; of more, some are drawn.
const MOST_WAYS: u64 = 50_000;
/// So many are drawn then: enough for a stable second digit of 5 %.
const DRAWN: u64 = 10_000;
/// Fixed, so that the same runs always get the same answer.
const SEED: u64 = 0x5eed;
/// Two sums of the same numbers in another order.
const HAIR: f64 = 1e-9;

/// Of two sets, number by number.
pub(super) fn of_sets(base: usize, change: usize, numbers: &[Values]) -> Vec<f64> {
    let scaled = |values: &Values| {
        let all: Vec<f64> = values.base.iter().chain(&values.change).copied().collect();
        if all.iter().all(|value| *value == all[0]) {
            return None;
        }
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        in_own_spread(all.into_iter().map(|value| value - mean).collect())
    };
    let numbers: Vec<Option<Vec<f64>>> = numbers.iter().map(scaled).collect();
    let runs = base + change;
    // The sum of one side says it all: the other is what is left, since all of them together are zero.
    let mut signs = vec![0.0; base];
    signs.resize(runs, 1.0);
    shares(
        &numbers,
        signs,
        binomial(runs as u64, base as u64),
        |signs, way| match way {
            // The next combination: the last one that has room moves on, and those behind it follow closely.
            Way::Next => next_combination(signs),
            Way::Any(rng) => signs.shuffle(rng),
        },
    )
}

/// Of pairs, number by number: in each pair, either run might have been the other.
pub(super) fn of_pairs(pairs: usize, numbers: &[Values]) -> Vec<f64> {
    let numbers = numbers.iter();
    let numbers: Vec<Option<Vec<f64>>> = numbers
        .map(|values| in_own_spread(values.differences()))
        .collect();
    let ways = 1_u64.checked_shl(pairs as u32).unwrap_or(u64::MAX);
    shares(&numbers, vec![1.0; pairs], ways, |signs, way| match way {
        // Counts in binary.
        Way::Next => {
            for sign in signs {
                *sign = -*sign;
                if *sign < 0.0 {
                    break;
                }
            }
        }
        Way::Any(rng) => {
            for sign in signs {
                *sign = if rand::RngExt::random_bool(rng, 0.5) {
                    1.0
                } else {
                    -1.0
                };
            }
        }
    })
}

/// Where to go from one way to the next.
enum Way<'a> {
    Next,
    Any(&'a mut ChaCha8Rng),
}

/// Of each number, the share of ways, beginning with the observed one, in which any differs as much as it does in that; 1 of what
/// is the same in all runs.
fn shares(
    numbers: &[Option<Vec<f64>>],
    mut signs: Vec<f64>,
    ways: u64,
    mut go: impl FnMut(&mut [f64], Way<'_>),
) -> Vec<f64> {
    let known: Vec<&Vec<f64>> = numbers.iter().flatten().collect();
    let observed = numbers
        .iter()
        .map(|number| Some(size(number.as_ref()?, &signs) - HAIR));
    let observed: Vec<Option<f64>> = observed.collect();
    let all = ways <= MOST_WAYS;
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let ways = if all { ways } else { DRAWN };
    let mut as_large = vec![1_u64; numbers.len()];
    for _ in 1..ways {
        go(&mut signs, if all { Way::Next } else { Way::Any(&mut rng) });
        let sizes = known.iter().map(|number| size(number, &signs));
        let largest = sizes.fold(0.0, f64::max);
        for (as_large, observed) in as_large.iter_mut().zip(&observed) {
            *as_large += u64::from(observed.is_none_or(|observed| largest >= observed));
        }
    }
    let share = |as_large| as_large as f64 / ways as f64;
    as_large.into_iter().map(share).collect()
}

fn size(number: &[f64], signs: &[f64]) -> f64 {
    let signed = number.iter().zip(signs).map(|(value, sign)| value * sign);
    signed.sum::<f64>().abs()
}

/// Divided by their root mean square; `None` of what is the same in all runs.
fn in_own_spread(values: Vec<f64>) -> Option<Vec<f64>> {
    let spread =
        (values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64).sqrt();
    (spread > 0.0 && spread.is_finite())
        .then(|| values.into_iter().map(|value| value / spread).collect())
}

/// From `0 … 0 1 … 1` through all orders of these, each once, and then to the first again.
fn next_combination(signs: &mut [f64]) {
    let rising = (1..signs.len())
        .rev()
        .find(|&place| signs[place - 1] < signs[place]);
    let Some(place) = rising else {
        signs.reverse();
        return;
    };
    // The next larger word of the same letters.
    let from = place - 1;
    let last = (place..signs.len())
        .rev()
        .find(|&other| signs[other] > signs[from]);
    signs.swap(from, last.unwrap_or(place));
    signs[place..].reverse();
}

/// `u64::MAX` where it is more.
fn binomial(n: u64, k: u64) -> u64 {
    let ways = (1..=k).try_fold(1_u64, |ways, step| {
        Some(ways.checked_mul(n - k + step)? / step)
    });
    ways.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_combination_comes_once() {
        let mut signs = vec![0.0, 0.0, 0.0, 1.0, 1.0];
        let mut seen = BTreeSet::new();
        for _ in 0..binomial(5, 2) {
            seen.insert(signs.iter().map(|sign| *sign as u8).collect::<Vec<_>>());
            next_combination(&mut signs);
        }
        assert_eq!((seen.len(), signs), (10, vec![0.0, 0.0, 0.0, 1.0, 1.0]));
        assert_eq!(
            (binomial(8, 4), binomial(20, 10), binomial(200, 100)),
            (70, 184_756, u64::MAX)
        );
    }
}

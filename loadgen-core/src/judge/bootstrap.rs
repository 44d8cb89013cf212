//! What a run might have been: its seconds drawn again and again, since the deliveries of one second share its accidents.
//!
//! Percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13) with whole seconds as the
//! unit of resampling.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Fixed, so that the same result always gets the same verdict.
const SEED: u64 = 0x5eed;

/// Draws as many of the seconds as there are, with repetition, and shows them; so often. `stream` keeps the draws of two
/// runs apart.
pub fn resample(seconds: usize, times: usize, stream: u64, mut each: impl FnMut(&[usize])) {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    rng.set_stream(stream);
    let mut drawn = vec![0; seconds];
    for _ in 0..times {
        for place in &mut drawn {
            *place = rng.random_range(0..seconds);
        }
        each(&drawn);
    }
}

/// The ends of the 95 % interval of what was drawn.
pub fn ends(mut draws: Vec<f64>) -> (f64, f64) {
    draws.sort_unstable_by(f64::total_cmp);
    let at = |quantile: f64| {
        let place = (draws.len().saturating_sub(1) as f64 * quantile).round() as usize;
        draws.get(place).copied().unwrap_or(f64::NAN)
    };
    (at(0.025), at(0.975))
}

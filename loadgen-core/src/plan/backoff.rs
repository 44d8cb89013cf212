//! How long a client that was thrown off waits before it tries again: as the official client does.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::model::Nanos;

/// Before the first attempt, as a rule.
const FIRST: Nanos = 1_000_000_000;
/// Before any attempt at most.
const MOST: Nanos = 5_000_000_000;
/// How far a delay is drawn around what it would be, as a fraction of it.
const RANDOMIZATION: f64 = 0.5;

/// The delays of one user: 1 s, doubled each time, drawn half as much shorter or longer, never more than 5 s.
#[derive(Debug, Clone)]
pub struct Backoff {
    rng: ChaCha8Rng,
    attempts: u32,
}

impl Backoff {
    /// Of a user in a plan of that seed: the same each time.
    pub fn of(seed: u64, user: u32) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(super::Stream::Backoff as u64);
        // Far enough apart that no user's draws are another's.
        rng.set_word_pos(u128::from(user) << 16);
        Self { rng, attempts: 0 }
    }

    /// From now to the next attempt.
    pub fn delay(&mut self) -> Nanos {
        let usual = FIRST.saturating_mul(1 << self.attempts.min(16));
        self.attempts += 1;
        let drawn = self.rng.random_range(-RANDOMIZATION..=RANDOMIZATION);
        let delay = usual as f64 * (1.0 + drawn);
        (delay as Nanos).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn delays_grow_within_their_bounds(seed in any::<u64>(), user in any::<u32>()) {
            let mut backoff = Backoff::of(seed, user);
            for usual in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0] {
                let delay = backoff.delay() as f64 / 1e9;
                prop_assert!(delay >= f64::min(usual / 2.0, 5.0) - 1e-6, "{delay} of {usual}");
                prop_assert!(delay <= f64::min(usual * 1.5, 5.0), "{delay} of {usual}");
            }
            prop_assert_eq!(backoff.delay(), MOST);
        }
    }

    #[test]
    fn a_users_delays_are_the_same_each_time_and_others_are_others() {
        let delays = |user| {
            let mut backoff = Backoff::of(7, user);
            [(); 4].map(|()| backoff.delay())
        };
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
    }
}

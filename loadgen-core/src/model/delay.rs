//! How long something is held up: a time, or a distribution of times.

use std::time::Duration;

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp, Normal};

/// How long something is held up, each time anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delay {
    /// Always as long.
    Constant(Duration),
    /// Each time between these as likely as any other, both included.
    Uniform {
        /// The shortest.
        least: Duration,
        /// The longest.
        most: Duration,
    },
    /// Around a mean, with two thirds of the times within one deviation of it; never less than nothing.
    Normal {
        /// The mean.
        mean: Duration,
        /// The standard deviation.
        deviation: Duration,
    },
    /// At least so long, and then mostly little and seldom much more: the tail of a busy line.
    Exponential {
        /// The shortest.
        least: Duration,
        /// How much more it is on average.
        mean: Duration,
    },
}

impl Delay {
    /// One time.
    pub fn sample(&self, rng: &mut impl Rng) -> Duration {
        match *self {
            Delay::Constant(time) => time,
            Delay::Uniform { least, most } => rng.random_range(least.min(most)..=most.max(least)),
            Delay::Normal { mean, deviation } => {
                let normal = Normal::new(mean.as_secs_f64(), deviation.as_secs_f64());
                normal.map_or(mean, |normal| seconds(normal.sample(rng)))
            }
            Delay::Exponential { least, mean } => match Exp::new(1.0 / mean.as_secs_f64()) {
                Ok(beyond) if !mean.is_zero() => least + seconds(beyond.sample(rng)),
                _ => least,
            },
        }
    }

    /// Its mean, in seconds: of a normal distribution the one that it has without its cut at nothing.
    pub fn mean(&self) -> Duration {
        match *self {
            Delay::Constant(time) => time,
            Delay::Uniform { least, most } => (least + most) / 2,
            Delay::Normal { mean, .. } => mean,
            Delay::Exponential { least, mean } => least + mean,
        }
    }
}

/// Nothing of what is negative; and no distribution draws what no duration holds.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn mean_of(delay: Delay) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let drawn: Duration = (0..20_000).map(|_| delay.sample(&mut rng)).sum();
        drawn.as_secs_f64() / 20_000.0
    }

    #[test]
    fn each_distribution_has_its_mean() {
        for delay in [
            Delay::Constant(ms(20)),
            Delay::Uniform {
                least: ms(10),
                most: ms(30),
            },
            Delay::Normal {
                mean: ms(20),
                deviation: ms(4),
            },
            Delay::Exponential {
                least: ms(5),
                mean: ms(15),
            },
        ] {
            assert_eq!(delay.mean(), ms(20));
            let mean = mean_of(delay);
            assert!((mean - 0.020).abs() < 0.0005, "{delay:?}: {mean}");
        }
    }

    #[test]
    fn an_exponential_one_has_a_tail_and_a_normal_one_two_thirds_near_its_mean() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let delay = Delay::Exponential {
            least: ms(5),
            mean: ms(10),
        };
        let late = (0..10_000)
            .filter(|_| delay.sample(&mut rng) > ms(35))
            .count();
        assert!((400..600).contains(&late), "e^-3 of 10,000 are 498: {late}");
        let delay = Delay::Normal {
            mean: ms(100),
            deviation: ms(10),
        };
        let near = (0..10_000)
            .filter(|_| delay.sample(&mut rng).abs_diff(ms(100)) < ms(10))
            .count();
        assert!((6_600..7_050).contains(&near), "{near}");
    }

    proptest! {
        #[test]
        fn no_time_is_beyond_its_bounds_and_the_same_seed_draws_the_same(
            least in 0_u64..5_000, more in 0_u64..5_000, seed: u64,
        ) {
            let (low, high) = (ms(least), ms(least + more));
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let even = Delay::Uniform { least: low, most: high }.sample(&mut rng);
            prop_assert!(low <= even && even <= high);
            let tail = Delay::Exponential { least: low, mean: ms(more) };
            let drawn = tail.sample(&mut rng);
            prop_assert!(drawn >= low);
            let twice = [0, 1].map(|_| tail.sample(&mut ChaCha8Rng::seed_from_u64(seed)));
            prop_assert_eq!(twice[0], twice[1]);
            // A deviation as large as its mean draws many below nothing.
            let normal = Delay::Normal { mean: ms(more), deviation: ms(more) };
            prop_assert!(normal.sample(&mut rng) <= ms(more * 10 + 1));
        }
    }
}

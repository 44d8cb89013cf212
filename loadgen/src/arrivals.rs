//! Send times of one phase: an open-model arrival process whose rate is constant or changes linearly.

use std::time::Duration;

use rand::{Rng, RngExt};

use crate::{
    clock::Nanos,
    scenario::{Arrivals, Phase},
};

/// The intended times of a phase's sends, in nanoseconds from the phase's start, ascending.
///
/// A process with a changing rate λ(t) is a process of rate one on the scale Λ(t) = ∫λ (time rescaling), so that
/// equal or exponential gaps on that scale, mapped back, give uniform or Poisson arrivals at any ramp.
pub fn times<'a, R: Rng>(phase: &'a Phase, rng: &'a mut R) -> impl Iterator<Item = Nanos> + 'a {
    let ramp = Ramp::new(phase);
    let mut passed = 0.0;
    let mut first = true;
    std::iter::from_fn(move || {
        passed += match phase.arrivals {
            Arrivals::Uniform if std::mem::take(&mut first) => 0.0,
            Arrivals::Uniform => 1.0,
            // 1 - u is in (0, 1], so the logarithm is finite.
            Arrivals::Poisson => -(1.0 - rng.random::<f64>()).ln(),
        };
        ramp.time_of(passed)
    })
}

/// A rate that changes linearly from `from` to `to` over `length` seconds.
struct Ramp {
    from: f64,
    to: f64,
    length: f64,
}

impl Ramp {
    fn new(phase: &Phase) -> Self {
        Self {
            from: phase.rate,
            to: phase.ramp_to,
            length: phase.duration.as_secs_f64(),
        }
    }

    /// When the integral of the rate reaches `passed`; `None` after the phase's end.
    fn time_of(&self, passed: f64) -> Option<Nanos> {
        let total = (self.from + self.to) / 2.0 * self.length;
        if passed >= total {
            return None;
        }
        // slope/2 · t² + from · t = passed, in the form that stays exact when the slope is zero.
        let slope = (self.to - self.from) / self.length;
        let root = (self.from * self.from + 2.0 * slope * passed)
            .max(0.0)
            .sqrt();
        let sum = self.from + root;
        let seconds = if sum > 0.0 { 2.0 * passed / sum } else { 0.0 };
        Some(Duration::from_secs_f64(seconds.min(self.length)).as_nanos() as Nanos)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn phase(rate: f64, ramp_to: f64, seconds: u64, arrivals: Arrivals) -> Phase {
        Phase {
            name: "phase".into(),
            duration: Duration::from_secs(seconds),
            rate,
            ramp_to,
            arrivals,
            measured: true,
        }
    }

    fn times_of(phase: &Phase, seed: u64) -> Vec<Nanos> {
        times(phase, &mut ChaCha8Rng::seed_from_u64(seed)).collect()
    }

    #[test]
    fn uniform_arrivals_have_equal_gaps() {
        let times = times_of(&phase(100.0, 100.0, 2, Arrivals::Uniform), 1);
        assert_eq!(times.len(), 200);
        assert_eq!(times[..3], [0, 10_000_000, 20_000_000]);
    }

    #[test]
    fn a_ramp_sends_three_quarters_in_its_second_half() {
        let times = times_of(&phase(0.0, 1000.0, 10, Arrivals::Uniform), 1);
        assert_eq!(times.len(), 5000);
        let late = times.iter().filter(|&&at| at >= 5_000_000_000).count();
        assert!((3749..=3751).contains(&late), "{late}");
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_the_spread_of_an_exponential() {
        let times = times_of(&phase(1000.0, 1000.0, 100, Arrivals::Poisson), 7);
        let gaps: Vec<f64> = times.windows(2).map(|w| (w[1] - w[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean / 1e6 - 1.0).abs() < 0.02, "mean {mean}");
        // An exponential's standard deviation is its mean.
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.03);
    }

    proptest! {
        #[test]
        fn times_ascend_and_stay_in_the_phase(from in 0.0..500.0f64, to in 0.0..500.0f64, seed: u64, poisson: bool) {
            let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Uniform };
            let phase = phase(from, to, 3, arrivals);
            let times = times_of(&phase, seed);
            prop_assert!(times.is_sorted());
            prop_assert!(times.iter().all(|&at| at <= 3_000_000_000));
            prop_assert_eq!(&times, &times_of(&phase, seed));
        }
    }
}

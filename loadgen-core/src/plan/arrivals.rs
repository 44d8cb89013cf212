//! When something happens in a phase: an open-model arrival process of any shape of rate.

use std::time::Duration;

use rand::{Rng, RngExt};

use crate::{
    model::{Nanos, nanos},
    scenario::{Arrivals, Open, Segment, segments},
};

/// The intended times of a phase's sends, in nanoseconds from the phase's start, ascending.
pub fn times(open: &Open, duration: Duration, rng: &mut impl Rng) -> Vec<Nanos> {
    let mut times = process(&segments(open, duration), open.arrivals, rng);
    if let Some(burst) = open.burst {
        let every = nanos(burst.every.0).max(1);
        let moments = (0..nanos(duration)).step_by(usize::try_from(every).unwrap_or(usize::MAX));
        times.extend(moments.flat_map(|at| std::iter::repeat_n(at, burst.messages as usize)));
        times.sort_unstable();
    }
    times
}

/// The times of a Poisson process of constant rate, for what is done beside sending.
pub fn constant(rate: f64, duration: Duration, rng: &mut impl Rng) -> Vec<Nanos> {
    let steady = Segment::steady(rate, duration);
    process(&[steady], Arrivals::Poisson, rng)
}

/// A process with a changing rate λ(t) is a process of rate one on the scale Λ(t) = ∫λ (time rescaling), so that
/// equal or exponential gaps on that scale, mapped back, give uniform or Poisson arrivals at any shape.
fn process(segments: &[Segment], arrivals: Arrivals, rng: &mut impl Rng) -> Vec<Nanos> {
    let mut times = Vec::new();
    let mut gap = |first: bool| match arrivals {
        Arrivals::Uniform if first => 0.0,
        Arrivals::Uniform => 1.0,
        // 1 - u is in (0, 1], so the logarithm is finite.
        Arrivals::Poisson => -(1.0 - rng.random::<f64>()).ln(),
    };
    let mut next = gap(true);
    let mut passed = 0.0;
    for segment in segments {
        let total = segment.total();
        while next < passed + total {
            times.push(segment.time_of(next - passed));
            next += gap(false);
        }
        passed += total;
    }
    times
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::scenario::{Burst, Rate, Span, Spike, expected};

    const SECOND: Nanos = 1_000_000_000;

    fn open(rate: f64, ramp_to: f64, arrivals: Arrivals) -> Open {
        Open {
            rate,
            ramp_to,
            arrivals,
            ..Open::default()
        }
    }

    fn times_of(open: &Open, seconds: u64, seed: u64) -> Vec<Nanos> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        times(open, Duration::from_secs(seconds), &mut rng)
    }

    fn between(times: &[Nanos], from: Nanos, to: Nanos) -> usize {
        times.iter().filter(|&&at| (from..to).contains(&at)).count()
    }

    #[test]
    fn uniform_arrivals_have_equal_gaps() {
        let times = times_of(&open(100.0, 100.0, Arrivals::Uniform), 2, 1);
        assert_eq!(times.len(), 200);
        assert_eq!(times[..3], [0, 10_000_000, 20_000_000]);
    }

    #[test]
    fn a_ramp_sends_three_quarters_in_its_second_half() {
        let times = times_of(&open(0.0, 1000.0, Arrivals::Uniform), 10, 1);
        assert_eq!(times.len(), 5000);
        let late = times.iter().filter(|&&at| at >= 5 * SECOND).count();
        assert!((3749..=3751).contains(&late), "{late}");
    }

    #[test]
    fn steps_rise_from_the_first_rate_to_the_last() {
        let mut stairs = open(100.0, 300.0, Arrivals::Uniform);
        stairs.steps = Some(3);
        let times = times_of(&stairs, 6, 1);
        for (step, count) in [(0, 200), (1, 400), (2, 600)] {
            let from = 2 * step * SECOND;
            let sent = between(&times, from, from + 2 * SECOND);
            assert!(sent.abs_diff(count) <= 1, "step {step}: {sent}");
        }
    }

    #[test]
    fn a_spike_replaces_the_rate_for_its_time() {
        let mut phase = open(100.0, 100.0, Arrivals::Uniform);
        phase.spike = Some(Spike {
            rate: Rate(1000.0),
            after: Span(Duration::from_secs(2)),
            lasts: Span(Duration::from_secs(1)),
        });
        let times = times_of(&phase, 5, 1);
        assert!(between(&times, 0, 2 * SECOND).abs_diff(200) <= 1);
        assert!(between(&times, 2 * SECOND, 3 * SECOND).abs_diff(1000) <= 1);
        assert!(between(&times, 3 * SECOND, 5 * SECOND).abs_diff(200) <= 1);
    }

    #[test]
    fn a_burst_is_due_at_one_moment() {
        let mut phase = open(0.0, 0.0, Arrivals::Poisson);
        phase.burst = Some(Burst {
            messages: 100,
            every: Span(Duration::from_secs(1)),
        });
        let times = times_of(&phase, 3, 1);
        assert_eq!(times.len(), 300);
        assert!(times.iter().all(|at| at % SECOND == 0));
        assert_eq!(expected(&phase, Duration::from_secs(3)), 300.0);
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_the_spread_of_an_exponential() {
        let times = times_of(&open(1000.0, 1000.0, Arrivals::Poisson), 100, 7);
        let gaps: Vec<f64> = times.windows(2).map(|w| (w[1] - w[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean / 1e6 - 1.0).abs() < 0.02, "mean {mean}");
        // An exponential's standard deviation is its mean.
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.03);
    }

    proptest! {
        #[test]
        fn times_ascend_stay_in_the_phase_and_are_as_many_as_expected(
            from in 0.0..500.0f64, to in 0.0..500.0f64, seed: u64, poisson: bool,
            steps in prop::option::of(1u32..6), spike in prop::option::of((0.0..900.0f64, 0u64..2_900, 1u64..2_000)),
        ) {
            let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Uniform };
            let mut phase = open(from, to, arrivals);
            phase.steps = steps;
            phase.spike = spike.map(|(rate, after, lasts)| Spike {
                rate: Rate(rate),
                after: Span(Duration::from_millis(after)),
                lasts: Span(Duration::from_millis(lasts)),
            });
            let times = times_of(&phase, 3, seed);
            prop_assert!(times.is_sorted());
            prop_assert!(times.iter().all(|&at| at <= 3 * SECOND));
            prop_assert_eq!(&times, &times_of(&phase, 3, seed));
            if !poisson {
                let expected = expected(&phase, Duration::from_secs(3));
                prop_assert!((times.len() as f64 - expected).abs() <= 1.0, "{} {expected}", times.len());
            }
        }
    }
}

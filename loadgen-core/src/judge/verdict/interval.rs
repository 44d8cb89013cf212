//! The interval of a share, drawn from one-second windows.

use crate::judge::bootstrap;

/// Resamples of the bootstrap: enough for a stable second digit of the 2.5 % tails.
const RESAMPLES: usize = 4_000;
/// An estimate with its 95 % interval, as fractions of one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Of all windows together.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The share of successes over windows of (successes, trials), none empty, with failures that belong to no window.
///
/// The failures without a window are spread over all of them.
pub fn share_interval(windows: &[(u64, u64)], failures: u64) -> Interval {
    let counted: Vec<(f64, f64)> = windows
        .iter()
        .filter(|(_, trials)| *trials > 0)
        .map(|&(successes, trials)| (successes as f64, trials as f64))
        .collect();
    let extra = failures as f64 / counted.len().max(1) as f64;
    let share =
        |(successes, trials): (f64, f64)| successes / (trials + extra * counted.len() as f64);
    let sum = |sample: &mut dyn Iterator<Item = (f64, f64)>| {
        sample.fold((0.0, 0.0), |sum, window| {
            (sum.0 + window.0, sum.1 + window.1)
        })
    };
    let estimate = share(sum(&mut counted.iter().copied()));
    let mut shares = Vec::with_capacity(RESAMPLES);
    bootstrap::resample(counted.len(), RESAMPLES, 0, |drawn| {
        shares.push(share(sum(&mut drawn.iter().map(|&second| counted[second]))));
    });
    let (low, high) = bootstrap::ends(shares);
    Interval {
        estimate,
        low,
        high,
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn equal_windows_leave_no_doubt() {
        let interval = share_interval(&[(99, 100); 20], 0);
        assert_eq!((interval.low, interval.high), (0.99, 0.99));
    }

    #[test]
    fn rule_08_one_bad_second_among_many_widens_the_interval() {
        let mut windows = vec![(100, 100); 19];
        windows.push((60, 100));
        let interval = share_interval(&windows, 0);
        assert!((interval.estimate - 0.98).abs() < 1e-12);
        assert!(interval.low < 0.96 && interval.high > 0.99, "{interval:?}");
    }

    #[test]
    fn failures_without_a_window_count() {
        let interval = share_interval(&[(100, 100); 10], 1_000);
        assert!((interval.estimate - 0.5).abs() < 1e-12);
        assert!((interval.low - 0.5).abs() < 1e-12);
    }

    /// Over many simulated runs with correlated seconds, a 95 % interval holds the truth about 95 times in 100.
    #[test]
    fn rule_08_the_interval_covers_the_truth_as_often_as_it_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let (runs, windows, trials) = (300, 60, 100);
        let covered = (0..runs)
            .filter(|_| {
                let run: Vec<(u64, u64)> = (0..windows)
                    .map(|_| {
                        // A bad second has 20 % over the limit, a good one 1 %: 4.8 % on average.
                        let over = if rng.random_bool(0.2) { 0.2 } else { 0.01 };
                        let within = (0..trials).filter(|_| !rng.random_bool(over)).count();
                        (within as u64, trials)
                    })
                    .collect();
                let truth = 1.0 - (0.2 * 0.2 + 0.8 * 0.01);
                let interval = share_interval(&run, 0);
                interval.low <= truth && truth <= interval.high
            })
            .count();
        let coverage = covered as f64 / runs as f64;
        assert!((0.90..=0.98).contains(&coverage), "{coverage}");
    }
}

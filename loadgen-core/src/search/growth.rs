//! Whether something piles up from the start of a hold to its end: a trend of its seconds that a few odd ones can't make.

/// A trend is believed if chance makes one as strong less often than this (one-sided).
const CHANCE: f64 = 0.01;
/// Falling behind by less than this share of the time that passes is nothing: rates that differ by so little the search
/// does not tell apart either.
const BEHIND: f64 = 0.01;
/// More seconds than this say nothing more; of longer holds every second, third or later one is taken.
const MOST: usize = 240;

/// How something grew over a hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// Seconds by which it grew in each second: the median slope between any two seconds (Theil and Sen).
    pub slope: f64,
    /// How often chance alone makes a trend as strong (Mann and Kendall, one-sided, exact).
    pub chance: f64,
}

impl Growth {
    /// Whether something piles up: for certain, and by more than nothing.
    pub fn is_backlog(self) -> bool {
        self.chance < CHANCE && self.slope > BEHIND
    }
}

/// The trend of a backlog over the seconds of a hold. Each value is a backlog as the seconds of work that wait: messages that
/// wait, divided by the rate, or how late the generator is. `None` of fewer than five seconds, which show no trend for
/// certain.
pub fn growth(backlog: &[f64]) -> Option<Growth> {
    let every = backlog.len().div_ceil(MOST).max(1);
    let taken: Vec<f64> = backlog.iter().copied().step_by(every).collect();
    let n = taken.len();
    if n < 5 {
        return None;
    }
    let pairs = || (0..n).flat_map(|late| (0..late).map(move |early| (early, late)));
    let mut slopes: Vec<f64> = pairs()
        .map(|(early, late)| (taken[late] - taken[early]) / ((late - early) * every) as f64)
        .collect();
    slopes.sort_by(f64::total_cmp);
    let falls = pairs()
        .filter(|&(early, late)| taken[late] <= taken[early])
        .count();
    Some(Growth {
        slope: median(&slopes),
        chance: at_most(falls, n),
    })
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
        _ => sorted[middle],
    }
}

/// How likely a random order of `n` values has at most so many pairs that fall: the distribution of inversions. Pairs that
/// are equal count as falling, which makes a trend less certain, never more.
fn at_most(falls: usize, n: usize) -> f64 {
    // By inserting the k-th value, which falls behind 0 to k - 1 of those before it, each as likely.
    let mut orders = vec![1.0];
    for k in 2..=n {
        let length = (orders.len() + k - 1).min(falls + 1);
        let mut next = Vec::with_capacity(length);
        let mut window = 0.0;
        for inversions in 0..length {
            window += orders.get(inversions).copied().unwrap_or(0.0);
            if let Some(left) = inversions.checked_sub(k) {
                window -= orders.get(left).copied().unwrap_or(0.0);
            }
            next.push(window / k as f64);
        }
        orders = next;
    }
    orders.iter().take(falls + 1).sum::<f64>().clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grows(backlog: impl IntoIterator<Item = f64>) -> bool {
        let backlog: Vec<f64> = backlog.into_iter().collect();
        growth(&backlog).is_some_and(Growth::is_backlog)
    }

    #[test]
    fn the_chance_of_a_trend_is_the_one_of_the_tables() {
        // 5! = 120 orders: one has no fall, four have one, nine have two.
        for (falls, orders) in [(0, 1.0), (1, 5.0), (2, 14.0), (10, 120.0)] {
            assert!((at_most(falls, 5) - orders / 120.0).abs() < 1e-12);
        }
        // Half of all orders of four have at most two falls and a bit: 15 of 24 have at most three.
        assert!((at_most(3, 4) - 15.0 / 24.0).abs() < 1e-12);
    }

    #[test]
    fn what_piles_up_is_found_from_five_seconds_on() {
        assert!(!grows((0..4).map(|second| 0.1 * f64::from(second))));
        assert!(grows((0..5).map(|second| 0.1 * f64::from(second))));
        assert!(grows((0..600).map(|second| 0.02 * f64::from(second))));
    }

    #[test]
    fn a_spike_that_drains_again_is_no_trend() {
        assert!(!grows([0.0, 0.0, 0.9, 0.6, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0]));
        // Nor is a wait that is there from the first second on, or from the second one.
        assert!(!grows([0.1; 20]));
        assert!(!grows([0.0, 0.12, 0.12, 0.12, 0.12, 0.12, 0.12, 0.12]));
    }

    #[test]
    fn a_stall_in_a_growing_backlog_hides_nothing() {
        let with_a_dip = (0..20).map(|second| match second {
            7 => 0.0,
            second => 0.05 * f64::from(second),
        });
        assert!(grows(with_a_dip));
    }

    #[test]
    fn falling_behind_by_next_to_nothing_is_nothing() {
        assert!(!grows((0..60).map(|second| 0.005 * f64::from(second))));
        assert!(grows((0..60).map(|second| 0.015 * f64::from(second))));
    }

    #[test]
    fn a_backlog_that_shrinks_is_none() {
        assert!(!grows((0..30).map(|second| 3.0 - 0.1 * f64::from(second))));
    }
}

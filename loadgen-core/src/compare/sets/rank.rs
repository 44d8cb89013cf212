//! Exact intervals by ranks: of two sets by the distribution of Mann and Whitney, of pairs by that of Wilcoxon.
//!
//! Hollander and Wolfe, Nonparametric Statistical Methods, chapters 3 and 4.

use super::Values;

/// Every difference between a run of one side and a run of the other.
pub(super) fn differences(values: &Values) -> Vec<f64> {
    let of = |change: &f64| {
        values
            .base
            .iter()
            .map(move |base| change - base)
            .collect::<Vec<_>>()
    };
    values.change.iter().flat_map(of).collect()
}

/// The mean of every two of these, each with itself too.
pub(super) fn means(differences: &[f64]) -> Vec<f64> {
    let with_later = |(place, one): (usize, &f64)| {
        let later = differences[place..].iter();
        let one = *one;
        later
            .map(move |other| f64::midpoint(one, *other))
            .collect::<Vec<_>>()
    };
    differences
        .iter()
        .enumerate()
        .flat_map(with_later)
        .collect()
}

/// How likely it is, where nothing changed, that so many of the differences between two sets are negative: of 0, 1, and so on.
pub(super) fn unsigned(base: usize, change: usize) -> Vec<f64> {
    // Of the largest run of both: it beats all of the other side, or adds nothing.
    let mut rows: Vec<Vec<f64>> = vec![vec![1.0]; change + 1];
    for of_base in 1..=base {
        let mut next: Vec<Vec<f64>> = vec![vec![1.0]];
        for of_change in 1..=change {
            let share = of_base as f64 / (of_base + of_change) as f64;
            let mut row = vec![0.0; of_base * of_change + 1];
            for (place, likely) in rows[of_change].iter().enumerate() {
                row[place + of_change] += share * likely;
            }
            for (place, likely) in next[of_change - 1].iter().enumerate() {
                row[place] += (1.0 - share) * likely;
            }
            next.push(row);
        }
        rows = next;
    }
    rows.pop().unwrap_or_default()
}

/// How likely it is, where nothing changed, that so many of the means of two pairs' differences are negative.
pub(super) fn signed(pairs: usize) -> Vec<f64> {
    (1..=pairs).fold(vec![1.0], |likely, rank| {
        let mut next = vec![0.0; likely.len() + rank];
        for (sum, likely) in likely.iter().enumerate() {
            next[sum] += likely / 2.0;
            next[sum + rank] += likely / 2.0;
        }
        next
    })
}

/// How many of the sorted differences may be left out at each end; `None` if not even the outermost two hold the rest in at this
/// level.
pub(super) fn outside(likely: &[f64], level: f64) -> Option<usize> {
    let mut sum = 0.0;
    let fits = likely.iter().take_while(|likely| {
        sum += **likely;
        sum <= level / 2.0 + 1e-12
    });
    fits.count().checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest sum of ranks at which tables reject, two-sided at 5 %.
    #[test]
    fn the_critical_values_are_those_of_the_tables() {
        for (base, change, critical) in [
            (4, 4, 0),
            (5, 5, 2),
            (6, 6, 5),
            (3, 5, 0),
            (7, 9, 12),
            (10, 10, 23),
            (20, 20, 127),
        ] {
            let outside = outside(&unsigned(base, change), 0.05);
            assert_eq!(outside, Some(critical), "{base} {change}");
        }
        assert_eq!(outside(&unsigned(3, 4), 0.05), None);
        for (pairs, critical) in [(6, 0), (8, 3), (10, 8), (15, 25), (20, 52)] {
            assert_eq!(outside(&signed(pairs), 0.05), Some(critical), "{pairs}");
        }
        assert_eq!(outside(&signed(5), 0.05), None);
    }

    #[test]
    fn the_likelihoods_add_up() {
        for likely in [unsigned(5, 7), signed(9), unsigned(0, 3), unsigned(40, 30)] {
            assert!((likely.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
        assert_eq!(unsigned(5, 7).len(), 36);
        assert_eq!(signed(9).len(), 46);
    }
}

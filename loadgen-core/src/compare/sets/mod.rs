//! Two sets of runs and what of their difference is certain. The unit is the run: runs vary more than one shows of itself.
//!
//! Nothing is taken for granted of how runs vary but that, where nothing changed, any of them might have been on either side.
//! So the intervals are exact ones by ranks, and what all numbers say together is held against all ways to share the runs out.

mod chance;
mod rank;

/// Of intervals.
const LEVEL: f64 = 0.05;
/// Numbers that chance alone makes differ as much in a larger share of all ways to share the runs out are not certain: a little
/// below the 5 % of false alarms that are promised, since runs that follow each other are not quite any runs.
pub const CHANCE: f64 = 0.04;
/// Runs of each side that can tell a difference, be they interleaved or not.
pub const FEWEST: usize = 4;
/// Fewer pairs are taken as two sets: six could tell a difference, but only if all of them have it.
const FEWEST_PAIRS: usize = 8;

/// How the runs of two sides belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Design {
    /// The first of one side with the first of the other, and so on: neighbours in time, which share the machine's mood.
    Pairs,
    /// Two sets.
    Apart,
}

impl Design {
    /// By the times at which each side's runs began, in an order that the times' own order is: pairs, if there are enough of
    /// them, and of any two in time one is of each side.
    pub fn of<T: Ord>(base: &[T], change: &[T]) -> Self {
        let sides = in_time(base, change);
        let mixed = sides
            .chunks(2)
            .all(|pair| pair.len() == 2 && pair[0] != pair[1]);
        match base.len() == change.len() && base.len() >= FEWEST_PAIRS && mixed {
            true => Design::Pairs,
            false => Design::Apart,
        }
    }
}

/// Whether all runs of one side began before all of the other.
pub fn one_after_the_other<T: Ord>(base: &[T], change: &[T]) -> bool {
    let sides = in_time(base, change);
    sides.windows(2).filter(|two| two[0] != two[1]).count() == 1
}

/// Of each run in the order of time, whether it is of the change.
fn in_time<T: Ord>(base: &[T], change: &[T]) -> Vec<bool> {
    let mut all: Vec<(&T, bool)> = base.iter().map(|at| (at, false)).collect();
    all.extend(change.iter().map(|at| (at, true)));
    all.sort();
    all.into_iter().map(|(_, side)| side).collect()
}

/// One number in each run of both sides; of pairs, in the same order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values {
    /// Of the runs before the change.
    pub base: Vec<f64>,
    /// Of the runs with it.
    pub change: Vec<f64>,
}

impl Values {
    /// Each number seen through a function.
    #[must_use]
    pub fn map(&self, of: fn(f64) -> f64) -> Self {
        Self {
            base: self.base.iter().copied().map(of).collect(),
            change: self.change.iter().copied().map(of).collect(),
        }
    }

    /// Of each pair, how much more the change has.
    fn differences(&self) -> Vec<f64> {
        let pairs = self.base.iter().zip(&self.change);
        pairs.map(|(base, change)| change - base).collect()
    }
}

/// By how much a number is larger with the change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// The estimate of Hodges and Lehmann: the median of the differences between any two runs of both sides, or of the means of
    /// any two pairs' differences.
    pub value: f64,
    /// Its exact interval at 95 % or more; `None` of too few runs.
    pub interval: Option<(f64, f64)>,
}

/// Compares so many runs with so many.
#[derive(Debug, Clone)]
pub struct Sets {
    design: Design,
    base: usize,
    change: usize,
    /// How many of the differences lie outside the interval on each side; `None`: too few runs for one.
    outside: Option<usize>,
}

impl Sets {
    /// Of a design and so many runs of each side.
    pub fn new(design: Design, base: usize, change: usize) -> Self {
        let outside = match design {
            Design::Pairs => rank::outside(&rank::signed(base), LEVEL),
            Design::Apart => rank::outside(&rank::unsigned(base, change), LEVEL),
        };
        Self {
            design,
            base,
            change,
            outside,
        }
    }

    /// Whether there are runs enough to tell any difference.
    pub fn are_enough(&self) -> bool {
        self.outside.is_some()
    }

    /// How the runs belong together.
    pub fn design(&self) -> Design {
        self.design
    }

    /// By how much one number is larger with the change; `None` without runs on either side.
    pub fn shift(&self, values: &Values) -> Option<Shift> {
        let mut all = match self.design {
            Design::Pairs => rank::means(&values.differences()),
            Design::Apart => rank::differences(values),
        };
        all.sort_by(f64::total_cmp);
        let last = all.len().checked_sub(1)?;
        Some(Shift {
            value: (all[last / 2] + all[last.div_ceil(2)]) / 2.0,
            interval: self
                .outside
                .map(|outside| (all[outside], all[last - outside])),
        })
    }

    /// Which of these numbers differ for certain: those that differ more than chance makes any of them, and whose own interval
    /// leaves zero out.
    ///
    /// That any is certain which did not change happens in 5 % of comparisons at most, whatever became of the others.
    pub fn certain(&self, numbers: &[Values]) -> Vec<bool> {
        let excludes_none = |values| {
            let interval = self.shift(values)?.interval;
            interval.map(|(low, high)| 0.0 < low || high < 0.0)
        };
        let chances = self.chances(numbers).into_iter().zip(numbers);
        chances
            .map(|(chance, values)| chance <= CHANCE && excludes_none(values).unwrap_or(false))
            .collect()
    }

    /// Of each of these numbers, in which share of all ways to share the runs out any of them would differ as much as it does; 1
    /// of too few runs.
    ///
    /// Of numbers that did not change, the smallest of these is no more than a share in no more than that share of comparisons,
    /// however many numbers there are and however they hang together.
    pub fn chances(&self, numbers: &[Values]) -> Vec<f64> {
        match self.design {
            _ if !self.are_enough() => vec![1.0; numbers.len()],
            Design::Pairs => chance::of_pairs(self.base, numbers),
            Design::Apart => chance::of_sets(self.base, self.change, numbers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(base: &[f64], change: &[f64]) -> Values {
        Values {
            base: base.to_vec(),
            change: change.to_vec(),
        }
    }

    #[test]
    fn runs_in_turn_are_pairs_where_there_are_enough() {
        let turns = |n: u32| -> (Vec<u32>, Vec<u32>) { (0..n).map(|i| (2 * i, 2 * i + 1)).unzip() };
        let (mut base, mut change) = turns(8);
        assert_eq!(Design::of(&base, &change), Design::Pairs);
        // Who was first in a pair makes no difference.
        std::mem::swap(&mut base[2], &mut change[2]);
        assert_eq!(Design::of(&base, &change), Design::Pairs);
        assert!(!one_after_the_other(&base, &change));
        let (base, change) = turns(7);
        assert_eq!(Design::of(&base, &change), Design::Apart);
        assert_eq!(
            Design::of(&[1, 2, 3, 4, 5, 6, 7, 8], &[9, 10, 11, 12, 13, 14, 15, 16]),
            Design::Apart
        );
        assert!(one_after_the_other(&[1, 2], &[3, 4]));
        assert!(one_after_the_other(&[3, 4], &[1, 2]));
        assert_eq!(
            Design::of(
                &[1, 3, 5, 7, 9, 11, 13, 15, 17],
                &[2, 4, 6, 8, 10, 12, 14, 16]
            ),
            Design::Apart
        );
    }

    #[test]
    fn the_shift_is_the_median_of_all_differences_and_its_interval_leaves_the_outer_ones_out() {
        let sets = Sets::new(Design::Apart, 4, 4);
        let shift = sets.shift(&values(&[1.0, 2.0, 3.0, 4.0], &[11.0, 12.0, 13.0, 14.0]));
        let expected = Shift {
            value: 10.0,
            interval: Some((7.0, 13.0)),
        };
        assert_eq!(shift, Some(expected));
        let sets = Sets::new(Design::Pairs, 6, 6);
        let base = [1.0, 5.0, 2.0, 9.0, 4.0, 7.0];
        let change: Vec<f64> = base
            .iter()
            .zip(0..)
            .map(|(b, i)| b + 10.0 + f64::from(i))
            .collect();
        let shift = sets.shift(&values(&base, &change)).unwrap();
        assert_eq!((shift.value, shift.interval), (12.5, Some((10.0, 15.0))));
    }

    #[test]
    fn too_few_runs_have_no_interval() {
        for (base, change) in [(1, 1), (3, 3), (2, 7), (3, 4)] {
            let sets = Sets::new(Design::Apart, base, change);
            let some = values(&vec![1.0; base], &vec![2.0; change]);
            assert_eq!(sets.shift(&some).unwrap().interval, None, "{base} {change}");
            assert_eq!(sets.chances(&[some]), [1.0]);
        }
        for (base, change) in [(FEWEST, FEWEST), (3, 5), (2, 8), (20, 20), (60, 40)] {
            assert!(
                Sets::new(Design::Apart, base, change).are_enough(),
                "{base} {change}"
            );
        }
        assert_eq!(
            Sets::new(Design::Apart, 0, 3).shift(&values(&[], &[1.0; 3])),
            None
        );
    }

    #[test]
    fn what_differs_in_every_run_is_hardly_chance_and_what_is_mixed_may_be() {
        let sets = Sets::new(Design::Apart, 4, 4);
        let apart = values(&[1.0, 1.1, 1.2, 1.3], &[2.0, 2.1, 2.2, 2.3]);
        let mixed = values(&[1.0, 4.0, 2.0, 3.0], &[2.5, 1.5, 3.5, 2.0]);
        let same = values(&[1.0; 4], &[1.0; 4]);
        // The two ways of 70 that put these four together.
        let chance = |numbers: &[Values]| sets.chances(numbers).into_iter().fold(1.0, f64::min);
        assert!((chance(std::slice::from_ref(&apart)) - 2.0 / 70.0).abs() < 1e-9);
        assert!((chance(&[mixed.clone(), apart.clone(), same.clone()]) - 2.0 / 70.0).abs() < 1e-9);
        assert!(chance(std::slice::from_ref(&mixed)) > 0.5);
        assert_eq!(chance(&[same]), 1.0);
        assert_eq!(chance(&[]), 1.0);
        // What differs for certain makes nothing else certain.
        let chances = sets.chances(&[mixed.clone(), apart.clone()]);
        assert!(chances[0] > 0.5 && chances[1] < 0.03, "{chances:?}");
        let sets = Sets::new(Design::Pairs, 6, 6);
        let pairs = values(
            &[1.0, 9.0, 3.0, 5.0, 7.0, 2.0],
            &[1.1, 9.2, 3.1, 5.2, 7.1, 2.2],
        );
        assert!((sets.chances(&[pairs])[0] - 2.0 / 64.0).abs() < 1e-9);
    }

    #[test]
    fn of_many_runs_the_ways_are_drawn() {
        let runs: Vec<f64> = (0..30).map(|i| f64::from(i * 7 % 30)).collect();
        let sets = Sets::new(Design::Apart, 15, 15);
        let mixed = values(&runs[..15], &runs[15..]);
        let chance = sets.chances(std::slice::from_ref(&mixed))[0];
        assert!(chance > 0.05, "{chance}");
        let apart = Values {
            change: mixed.change.iter().map(|value| value + 40.0).collect(),
            ..mixed
        };
        assert!(sets.chances(&[apart])[0] < 0.001);
    }
}

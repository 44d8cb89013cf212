//! A test of pairs that may be read after every one of them: is the change's number larger for certain, and where does the
//! difference lie?
//!
//! Which of the two comes first is drawn for each pair. So, where nothing changed, every difference has either sign as often,
//! whatever the machine does meanwhile: its moods, drifts and bursts decide how large differences are, and never which sign they
//! have. Each difference is a step of a walk, forward or back, as long as its size ranks among those up to it (signed sequential
//! ranks: Reynolds, 1975). Given these lengths it is counted out, after each step, where walks end whose steps are fair coins, and
//! of the error that is allowed each look spends its part (alpha spending: Lan and DeMets, 1983). Nothing is taken for granted of
//! how numbers vary: neither how often they are far out, nor that one cycle knows nothing of the one before.

/// After fewer pairs nothing is decided.
pub const FEWEST: usize = 4;
/// The length of the longest step: a rank is a fraction of all.
const LONGEST: usize = 60;
/// The power of the share of pairs that is the share of the error: below one, so that changes that are plain are found early.
const EARLY: f64 = 0.65;
/// Two sums of the same probabilities in another order.
const HAIR: f64 = 1e-12;
/// Halvings of the stretch in which a bound lies: more than five digits.
const HALVINGS: u32 = 20;

/// How much error there may be, and after how many pairs all of it may have been spent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowed {
    /// A probability: how often differences that have either sign as often may be above zero for certain.
    pub error: f64,
    /// Pairs; there are no more of them.
    pub most: usize,
}

impl Allowed {
    /// Pairs that it takes at least: if all differences have the one sign.
    pub fn soonest(self) -> Option<usize> {
        let all_ahead = |&pairs: &usize| {
            let sure = vec![1.0; pairs];
            self.are_above_zero(&sure)
        };
        (FEWEST..=self.most).find(all_ahead)
    }

    /// Whether these differences are above zero for certain, seen after the last of them or after any before it.
    pub fn are_above_zero(self, differences: &[f64]) -> bool {
        let mut walk = Walk::new(self);
        differences.iter().any(|&difference| walk.goes(difference))
    }

    /// The largest number that all of these differences together lie above for certain; `None` while there is none. It is above
    /// `pivot` if and only if what they exceed `pivot` by is above zero for certain.
    pub fn below(self, differences: &[f64], pivot: f64) -> Option<f64> {
        let is_below = |bound: f64| {
            let above: Vec<f64> = differences.iter().map(|one| one - bound).collect();
            self.are_above_zero(&above)
        };
        let least = differences.iter().copied().reduce(f64::min)?;
        let most = differences.iter().copied().reduce(f64::max)?;
        let beyond = (most - least).max(f64::EPSILON);
        let least = least.min(pivot) - beyond;
        let (mut low, mut high) = match is_below(pivot) {
            true => (pivot, most.max(pivot)),
            false if is_below(least) => (least, pivot),
            false => return None,
        };
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            match is_below(middle) {
                true => low = middle,
                false => high = middle,
            }
        }
        Some(low)
    }

    /// The smallest number that they lie beneath for certain, likewise.
    pub fn above(self, differences: &[f64], pivot: f64) -> Option<f64> {
        let mirrored: Vec<f64> = differences.iter().map(|one| -one).collect();
        self.below(&mirrored, -pivot).map(|bound| -bound)
    }
}

/// One walk, and where all others are that fair coins make of its steps.
struct Walk {
    allowed: Allowed,
    /// The sizes of the differences so far.
    sizes: Vec<f64>,
    at: i64,
    /// Of the walks that have not crossed the bound: how likely each place is. The start is in the middle.
    places: Vec<f64>,
    spent: f64,
}

impl Walk {
    fn new(allowed: Allowed) -> Self {
        Self {
            allowed,
            sizes: Vec::new(),
            at: 0,
            places: vec![1.0],
            spent: 0.0,
        }
    }

    /// Takes the next step; whether it crossed the bound.
    fn goes(&mut self, difference: f64) -> bool {
        let size = difference.abs();
        self.sizes.push(size);
        let pairs = self.sizes.len();
        let rank = self.sizes.iter().filter(|other| **other <= size).count();
        let length = (LONGEST * rank).div_ceil(pairs);
        // No difference is no step forward.
        self.at += match difference > 0.0 {
            true => length as i64,
            false => -(length as i64),
        };
        let mut places = vec![0.0; self.places.len() + 2 * length];
        for (place, likely) in self.places.iter().enumerate() {
            places[place] += likely / 2.0;
            places[place + 2 * length] += likely / 2.0;
        }
        self.places = places;
        pairs >= FEWEST && self.at >= self.bound(pairs)
    }

    /// The nearest place from which on no more is spent than may be by now; what lies there is taken out.
    fn bound(&mut self, pairs: usize) -> i64 {
        let share = (pairs as f64 / self.allowed.most as f64).min(1.0);
        let may = self.allowed.error * share.powf(EARLY) + HAIR;
        let start = self.places.len() / 2;
        let mut bound = self.places.len();
        while bound > 0 && self.spent + self.places[bound - 1] <= may {
            bound -= 1;
            self.spent += std::mem::take(&mut self.places[bound]);
        }
        bound as i64 - start as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Allowed = Allowed {
        error: 0.01,
        most: 20,
    };

    /// Signs by the bits of a number, on sizes that differ.
    fn signed(sizes: &[f64], bits: u32) -> Vec<f64> {
        let sizes = sizes.iter().zip(0..);
        let sign = |place: u32| if bits >> place & 1 == 1 { 1.0 } else { -1.0 };
        sizes.map(|(size, place)| size * sign(place)).collect()
    }

    #[test]
    fn of_all_ways_to_toss_the_coins_no_more_than_the_error_is_certain() {
        // Whatever sizes there are: alike, growing, shrinking, one far out.
        let shapes: [fn(u32) -> f64; 4] = [
            |_| 1.0,
            |place| f64::from(place + 1).powi(3),
            |place| 1.0 / f64::from(place + 1),
            |place| {
                if place == 3 {
                    1e6
                } else {
                    f64::from(place % 5 + 1)
                }
            },
        ];
        for shape in shapes {
            let sizes: Vec<f64> = (0..10).map(shape).collect();
            for error in [0.02, 0.2] {
                let allowed = Allowed { error, most: 10 };
                let ways = 1_u32 << sizes.len();
                let certain =
                    (0..ways).filter(|&bits| allowed.are_above_zero(&signed(&sizes, bits)));
                let share = certain.count() as f64 / f64::from(ways);
                assert!(share <= error, "{share} of {error}");
                assert!(
                    share > error / 4.0,
                    "hardly anything is spent: {share} of {error}"
                );
            }
        }
    }

    #[test]
    fn it_takes_as_many_pairs_as_the_error_needs() {
        let soonest = |error, most| Allowed { error, most }.soonest();
        assert_eq!(soonest(0.01, 20), Some(8));
        assert_eq!(soonest(0.01 / 3.0, 20), Some(9));
        assert_eq!(soonest(0.025, 20), Some(7));
        assert_eq!(soonest(0.01, 6), None);
    }

    #[test]
    fn what_was_certain_once_stays_certain() {
        let mut differences = vec![1.0; 8];
        assert!(ALLOWED.are_above_zero(&differences));
        differences.extend([-9.0; 12]);
        assert!(ALLOWED.are_above_zero(&differences));
        assert!(!ALLOWED.are_above_zero(&[-1.0; 20]));
        assert!(!ALLOWED.are_above_zero(&[0.0; 20]));
        assert!(!ALLOWED.are_above_zero(&[]));
    }

    #[test]
    fn the_bounds_lie_around_the_differences_and_agree_with_the_test_at_the_pivot() {
        let differences: Vec<f64> = (0..16).map(|place| f64::from(place * 7 % 16)).collect();
        for pivot in [-5.0, 0.0, 3.0, 4.0, 5.0, 7.5, 20.0] {
            let low = ALLOWED.below(&differences, pivot).unwrap();
            let high = ALLOWED.above(&differences, pivot).unwrap();
            assert!(
                (0.0..7.5).contains(&low) && (7.5..=15.0).contains(&high),
                "{low} {high}"
            );
            let beyond: Vec<f64> = differences.iter().map(|one| one - pivot).collect();
            assert_eq!(low >= pivot, ALLOWED.are_above_zero(&beyond), "{pivot}");
        }
        assert_eq!(ALLOWED.below(&differences[..4], 0.0), None);
        assert_eq!(ALLOWED.below(&[], 0.0), None);
        let same = ALLOWED.below(&[0.5; 12], 0.0).unwrap();
        assert!((0.49..=0.5).contains(&same), "{same}");
    }
}

//! What the holds at all rates show of one limit: the last rate that kept it, the first that missed it.

use super::{Outcome, Rules};

/// Holds at one rate, that decide nothing, until the rate counts as not kept.
const ATTEMPTS: usize = 3;
/// Holds that were undecided without having been disturbed: the rate is too near to the limit, another would say no more.
const UNDECIDED: usize = 2;
/// Holds that saw what is believed for certain: a failure that ends a search, and both sides of a contradiction.
const BELIEVED: usize = 2;

/// The outcomes of the holds at one rate.
#[derive(Debug, Clone, PartialEq)]
struct AtRate {
    rate: f64,
    outcomes: Vec<Outcome>,
}

/// What the holds at one rate say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// More of them kept the limit than missed it.
    Kept,
    /// More of them missed it.
    Missed,
    /// The generator can't go there.
    Unreachable,
    /// Nothing yet, and another hold may say more.
    Open,
    /// Nothing, and more holds would not help.
    Exhausted,
}

impl AtRate {
    fn count(&self, which: impl Fn(Outcome) -> bool) -> usize {
        self.outcomes.iter().filter(|one| which(**one)).count()
    }

    fn side(&self) -> Side {
        let kept = self.count(|one| one == Outcome::Kept);
        let missed = self.count(Outcome::is_failure);
        let undecided = self.count(|one| one == Outcome::Undecided);
        match kept.cmp(&missed) {
            std::cmp::Ordering::Greater => Side::Kept,
            std::cmp::Ordering::Less => Side::Missed,
            _ if self.outcomes.contains(&Outcome::GeneratorBound) => Side::Unreachable,
            _ if self.outcomes.len() >= ATTEMPTS || undecided >= UNDECIDED => Side::Exhausted,
            _ => Side::Open,
        }
    }

    /// What stands for all of them where they did not keep the limit. A hold that decides nothing says nothing against one that
    /// does, and only what was disturbed each time was never let be seen.
    fn not_kept(&self, rules: Rules) -> Option<Outcome> {
        let mut latest = self.outcomes.iter().rev().copied();
        if rules < Rules::SeenTwice {
            return latest.find(|one| *one != Outcome::Kept);
        }
        match self.side() {
            Side::Kept => None,
            Side::Missed => latest.find(|one| one.is_failure()),
            Side::Unreachable => Some(Outcome::GeneratorBound),
            Side::Open | Side::Exhausted => {
                let disturbed = latest.all(|one| one == Outcome::Disturbed);
                Some(match disturbed {
                    true => Outcome::Disturbed,
                    false => Outcome::Undecided,
                })
            }
        }
    }
}

/// What is known of one limit, by rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    rules: Rules,
    rates: Vec<AtRate>,
}

/// Between which rates a limit ends.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bounds {
    /// The highest rate that kept it with none below that missed it. What was undecided below is outvoted by it.
    pub last_success: Option<f64>,
    /// The lowest rate that missed it for certain.
    pub first_failure: Option<f64>,
    /// The lowest rate above the last success that was held and did not keep it, for whatever reason, and what was seen there.
    pub not_kept: Option<(f64, Outcome)>,
    /// A rate that missed it below one that kept it: the limit ends nowhere.
    pub contradiction: Option<(f64, f64)>,
}

impl Evidence {
    /// Nothing held yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            rates: Vec::new(),
        }
    }

    /// Adds a hold.
    pub fn add(&mut self, rate: f64, outcome: Outcome) {
        let place = self.rates.partition_point(|known| known.rate < rate);
        match self.rates.get_mut(place) {
            Some(known) if known.rate == rate => known.outcomes.push(outcome),
            _ => self.rates.insert(
                place,
                AtRate {
                    rate,
                    outcomes: vec![outcome],
                },
            ),
        }
    }

    /// What all of it says together.
    pub fn bounds(&self) -> Bounds {
        let of = |side: Side| self.rates.iter().filter(move |one| one.side() == side);
        let missed = of(Side::Missed).next().map(|one| one.rate);
        let kept = of(Side::Kept).next_back().map(|one| one.rate);
        let below = |one: &&AtRate| missed.is_none_or(|missed| one.rate < missed);
        let last_success = of(Side::Kept).rfind(below).map(|one| one.rate);
        let above = |one: &&AtRate| last_success.is_none_or(|kept| one.rate > kept);
        let mut not_kept = self.rates.iter().filter(above);
        let not_kept = not_kept.find(|one| one.side() != Side::Kept);
        Bounds {
            last_success,
            first_failure: missed,
            not_kept: not_kept.and_then(|one| Some((one.rate, one.not_kept(self.rules)?))),
            contradiction: missed.zip(kept).filter(|(missed, kept)| missed < kept),
        }
    }

    /// The rate of a contradiction that was seen too seldom to be believed.
    pub(super) fn doubted(&self, (missed, kept): (f64, f64)) -> Option<f64> {
        let since = Rules::SeenTwice;
        let is_kept = |one| one == Outcome::Kept;
        if !self.believes(missed, Outcome::is_failure, since) {
            Some(missed)
        } else if !self.believes(kept, is_kept, since) {
            Some(kept)
        } else {
            None
        }
    }

    /// Whether a search may end at a failure: it was seen so often that chance is no excuse.
    pub(super) fn has_failed_enough(&self, rate: f64) -> bool {
        self.believes(rate, Outcome::is_failure, Rules::FailedTwice)
    }

    /// Whether so many holds at a rate saw this that chance is no excuse, or so many were held that another would say no more.
    /// Before these rules any of them counted.
    fn believes(&self, rate: f64, which: impl Fn(Outcome) -> bool, since: Rules) -> bool {
        self.at(rate).is_some_and(|known| {
            let (seen, held) = (known.count(which), known.outcomes.len());
            match self.rules < since {
                true => held >= BELIEVED,
                false => seen >= BELIEVED || held >= ATTEMPTS,
            }
        })
    }

    /// What the holds at a rate say together.
    pub(super) fn side(&self, rate: f64) -> Option<Side> {
        self.at(rate).map(AtRate::side)
    }

    /// What stands for the holds at a rate, where they did not keep the limit.
    pub(super) fn not_kept_at(&self, rate: f64) -> Option<Outcome> {
        self.at(rate)?.not_kept(self.rules)
    }

    /// The lowest rate at which another hold may still decide.
    pub(super) fn open(&self) -> Option<f64> {
        let mut open = self.rates.iter().filter(|one| one.side() == Side::Open);
        open.next().map(|one| one.rate)
    }

    /// The highest rate that was held.
    pub(super) fn highest(&self) -> Option<f64> {
        self.rates.last().map(|one| one.rate)
    }

    fn at(&self, rate: f64) -> Option<&AtRate> {
        self.rates.iter().find(|known| known.rate == rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(holds: &[(f64, Outcome)]) -> Bounds {
        let mut evidence = Evidence::new(Rules::LATEST);
        for &(rate, outcome) in holds {
            evidence.add(rate, outcome);
        }
        evidence.bounds()
    }

    #[test]
    fn a_limit_ends_between_the_last_success_and_the_first_failure() {
        use Outcome::{BacklogGrew, Kept, Missed, Undecided};
        let found = bounds(&[(1.0, Kept), (4.0, Missed), (2.0, Kept), (3.0, BacklogGrew)]);
        assert_eq!(found.last_success, Some(2.0));
        assert_eq!(found.first_failure, Some(3.0));
        assert_eq!(found.not_kept, Some((3.0, BacklogGrew)));
        assert_eq!(found.contradiction, None);
        // What was undecided is neither, and what lies above it is not vouched for.
        let found = bounds(&[
            (1.0, Kept),
            (2.0, Undecided),
            (2.0, Undecided),
            (2.0, Undecided),
            (4.0, Missed),
        ]);
        assert_eq!(found.last_success, Some(1.0));
        assert_eq!(found.first_failure, Some(4.0));
        assert_eq!(found.not_kept, Some((2.0, Undecided)));
        // A success above outvotes it.
        let found = bounds(&[(1.0, Undecided), (2.0, Kept), (4.0, Missed)]);
        assert_eq!(found.last_success, Some(2.0));
        assert_eq!(found.not_kept, Some((4.0, Missed)));
    }

    #[test]
    fn the_holds_at_a_rate_outvote_each_other() {
        use Outcome::{Kept, Missed};
        let found = bounds(&[(1.0, Kept), (2.0, Missed), (2.0, Kept), (2.0, Kept)]);
        assert_eq!(found.last_success, Some(2.0));
        assert_eq!(found.first_failure, None);
    }

    #[test]
    fn a_success_above_a_failure_is_a_contradiction() {
        use Outcome::{Kept, Missed};
        let found = bounds(&[(1.0, Kept), (2.0, Missed), (3.0, Kept)]);
        assert_eq!(found.contradiction, Some((2.0, 3.0)));
        assert_eq!(found.last_success, Some(1.0));
        assert_eq!(found.not_kept, Some((2.0, Missed)));
    }

    #[test]
    fn what_stands_for_the_holds_at_a_rate_is_what_most_of_them_say() {
        use Outcome::{Disturbed, GeneratorBound, Kept, Missed, Undecided};
        for (outcomes, stands) in [
            (&[Missed, Disturbed][..], Missed),
            (&[Missed, Undecided, GeneratorBound], Missed),
            (&[Missed, Kept, Disturbed], Undecided),
            (&[Undecided, Missed, Kept], Undecided),
            (&[Undecided, Disturbed, Disturbed], Undecided),
            (&[Disturbed, Disturbed, Disturbed], Disturbed),
            (&[GeneratorBound, Kept, Missed], GeneratorBound),
        ] {
            let holds: Vec<_> = outcomes.iter().map(|one| (2.0, *one)).collect();
            assert_eq!(bounds(&holds).not_kept, Some((2.0, stands)), "{outcomes:?}");
        }
        // Before, it was what came last.
        let mut before = Evidence::new(Rules::FailedTwice);
        for outcome in [Missed, Disturbed] {
            before.add(2.0, outcome);
        }
        assert_eq!(before.bounds().not_kept, Some((2.0, Disturbed)));
    }

    #[test]
    fn a_contradiction_is_doubted_until_both_rates_were_seen_twice_or_held_three_times() {
        use Outcome::{Disturbed, Kept, Missed, Undecided};
        let doubted = |rules, below: &[Outcome], above: &[Outcome]| {
            let mut evidence = Evidence::new(rules);
            for (rate, outcomes) in [(2.0, below), (3.0, above)] {
                for outcome in outcomes {
                    evidence.add(rate, *outcome);
                }
            }
            evidence.doubted((2.0, 3.0))
        };
        for (below, above, is_doubted) in [
            (&[Missed, Disturbed][..], &[Kept, Kept][..], Some(2.0)),
            (&[Missed, Disturbed, Undecided], &[Kept, Kept], None),
            (&[Missed, Kept, Missed], &[Undecided, Kept], Some(3.0)),
            (&[Missed, Missed], &[Undecided, Kept, Kept], None),
        ] {
            let now = doubted(Rules::SeenTwice, below, above);
            assert_eq!(now, is_doubted, "{below:?} {above:?}");
            assert_eq!(doubted(Rules::FailedTwice, below, above), None);
        }
    }

    #[test]
    fn a_contradiction_is_doubted_until_both_rates_were_held_twice() {
        use Outcome::{Kept, Missed};
        let mut evidence = Evidence::new(Rules::LATEST);
        for (rate, outcome, doubted) in [
            (2.0, Missed, Some(2.0)),
            (3.0, Kept, Some(2.0)),
            (2.0, Missed, Some(3.0)),
            (3.0, Kept, None),
        ] {
            evidence.add(rate, outcome);
            assert_eq!(evidence.doubted((2.0, 3.0)), doubted, "{evidence:?}");
        }
    }
}

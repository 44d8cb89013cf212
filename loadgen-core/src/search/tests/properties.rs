use std::time::Duration;

use proptest::prelude::*;

use super::{search, settings};
use crate::search::{Ended, Outcome, Purpose, Settings};

/// All that a hold can be, kept and missed most often.
fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Kept),
        4 => Just(Outcome::Missed),
        1 => Just(Outcome::BacklogGrew),
        1 => Just(Outcome::Undecided),
        1 => Just(Outcome::Disturbed),
        1 => Just(Outcome::GeneratorBound),
    ]
}

proptest! {
    /// Whatever happens: no rate above the highest one, no time beyond the budget, an end.
    #[test]
    fn a_search_stays_within_its_bounds(
        outcomes in proptest::collection::vec(outcome(), 1..200),
        start in 1.0..10_000.0_f64,
        most in 1.0..100.0_f64,
        full in 5..120_u64,
        budget in 0..3_600_u64,
    ) {
        let settings = Settings {
            most: start * most,
            full: Duration::from_secs(full),
            short: Duration::from_secs(full / 3 + 1),
            budget: Duration::from_secs(budget),
            ..settings(start)
        };
        let mut place = 0;
        let mut any = |_: f64| {
            place += 1;
            outcomes[(place - 1) % outcomes.len()]
        };
        let (answer, controller) = search(settings.clone(), &mut any);
        let took: Duration = controller.holds().iter().map(|held| held.took).sum();
        prop_assert!(took <= settings.budget);
        for held in controller.holds() {
            prop_assert!(held.ask.rate <= settings.most && held.ask.rate > 0.0);
        }
        let confirming = |rate: f64| {
            let holds = controller.holds().iter().filter(|held| held.ask.purpose == Purpose::Confirm);
            holds.filter(|held| held.ask.rate == rate).count()
        };
        for held in controller.holds() {
            prop_assert!(confirming(held.ask.rate) <= 3);
        }
        for pair in controller.holds().windows(2) {
            let [before, after] = [pair[0].ask.purpose, pair[1].ask.purpose];
            if before != Purpose::Beyond && pair[0].outcome == Outcome::BacklogGrew {
                prop_assert_eq!(after, Purpose::Drain);
            }
        }
        if let (Ended::Found, Some(kept), Some((not_kept, _))) =
            (answer.ended, answer.bounds.last_success, answer.bounds.not_kept)
        {
            prop_assert!(kept < not_kept);
            prop_assert!(answer.confirmed.is_some());
        }
    }

    /// A server with a capacity, some of whose holds are disturbed: the answer lies between a success and a failure.
    #[test]
    fn the_answer_lies_between_a_success_and_a_failure(
        capacity in 100.0..50_000.0_f64,
        start in 100.0..50_000.0_f64,
        disturbed in proptest::collection::vec(proptest::bool::weighted(0.2), 1..50),
    ) {
        let mut place = 0;
        let mut server = |rate: f64| {
            place += 1;
            match (disturbed[(place - 1) % disturbed.len()], rate < capacity) {
                (true, _) => Outcome::Disturbed,
                (false, true) => Outcome::Kept,
                (false, false) => Outcome::Missed,
            }
        };
        let settings = Settings { budget: Duration::from_secs(36_000), least: 1.0, ..settings(start) };
        let precision = settings.precision;
        let (answer, _) = search(settings, &mut server);
        if let Some(kept) = answer.bounds.last_success {
            prop_assert!(kept < capacity);
        }
        if let Some(missed) = answer.bounds.first_failure {
            prop_assert!(missed >= capacity);
        }
        if answer.ended == Ended::Found
            && let (Some(kept), Some((not_kept, Outcome::Missed))) = (answer.bounds.last_success, answer.bounds.not_kept)
        {
            prop_assert!(not_kept <= kept * (1.0 + precision) * 1.000_001);
        }
    }
}

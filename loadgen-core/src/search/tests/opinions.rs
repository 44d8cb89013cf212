//! What is a second opinion on a failure or on a contradiction, by the rules of today and by those of before.

use std::time::Duration;

use super::{search, settings, unhurried};
use crate::{
    judge::Verdict,
    search::{
        About, Answer, Ask, Bounds, Controller, Ended, Next, Outcome, Purpose, Rules, Settings,
        SystemFound,
    },
};

/// An undecided hold is no second opinion on a failure.
#[test]
fn a_failure_beside_an_undecided_hold_is_asked_again() {
    for rules in [Rules::HeldTwice, Rules::FailedTwice, Rules::SeenTwice] {
        let twice = rules > Rules::HeldTwice;
        let mut at_800 = [Outcome::Undecided, Outcome::Missed].into_iter();
        let mut unlucky = |rate: f64| match rate {
            800.0 => at_800.next().unwrap_or(Outcome::Kept),
            some if some < 900.0 => Outcome::Kept,
            _ => Outcome::Missed,
        };
        let settings = Settings {
            rules,
            ..unhurried(100.0)
        };
        let (answer, controller) = search(settings, &mut unlucky);
        assert_eq!(answer.ended, Ended::Found, "{answer:?}");
        let failure = answer.bounds.first_failure;
        // Before, that one failure was where the limit ended.
        assert_eq!(failure == Some(800.0), !twice, "{answer:?}");
        let again = controller.holds().iter();
        let again = again.filter(|held| held.ask.rate == 800.0).count();
        assert_eq!(again, if twice { 3 } else { 2 });
    }
}

/// Nor is a hold that was disturbed, or that the generator could not do, whichever came first.
#[test]
fn a_failure_that_was_asked_again_in_vain_is_asked_a_third_time() {
    use Outcome::{Disturbed, GeneratorBound, Missed, Undecided};
    let ended = |again: Outcome, rules: Rules| {
        let mut at_800 = [Missed, again].into_iter();
        let mut fails_from_800 = |rate: f64| match rate {
            800.0 => at_800.next().unwrap_or(Missed),
            some if some < 800.0 => Outcome::Kept,
            _ => Missed,
        };
        let settings = Settings {
            rules,
            ..unhurried(100.0)
        };
        let (answer, controller) = search(settings, &mut fails_from_800);
        let holds = controller.holds().iter();
        let asked = holds.filter(|held| held.ask.rate == 800.0).count();
        assert_eq!(answer.ended, Ended::Found, "{answer:?}");
        assert_eq!(answer.bounds.first_failure, Some(800.0), "{answer:?}");
        (answer.verdict(), asked)
    };
    for (again, before) in [
        (Disturbed, Verdict::Invalid),
        (GeneratorBound, Verdict::Invalid),
        (Undecided, Verdict::Pass),
    ] {
        assert_eq!(ended(again, Rules::FailedTwice), (before, 2));
        assert_eq!(ended(again, Rules::SeenTwice), (Verdict::Pass, 3));
    }
}

/// The fourth hold, at eight times the start, is missed by chance: half of what is searched would be thrown away.
#[test]
fn a_failure_is_asked_again_as_soon_as_a_full_hold_below_it_is_kept() {
    let asked_again = |rules: Rules| {
        let mut luck = 1;
        let mut unlucky = |rate: f64| {
            let is_missed = rate == 800.0 && std::mem::take(&mut luck) > 0;
            match rate < 2_900.0 && !is_missed {
                true => Outcome::Kept,
                false => Outcome::Missed,
            }
        };
        let settings = Settings {
            rules,
            ..unhurried(100.0)
        };
        let (answer, controller) = search(settings, &mut unlucky);
        let found = answer.bounds.last_success.unwrap();
        assert!(answer.ended == Ended::Found && (2_800.0..2_900.0).contains(&found));
        let mut holds = controller.holds().iter();
        let first = holds.position(|held| held.ask.rate == 800.0).unwrap();
        let again = controller.holds()[first + 1..].iter();
        let again = again.take_while(|held| held.ask.rate != 800.0).count();
        (again, controller.holds().len())
    };
    let (early, holds) = asked_again(Rules::DoubtedEarly);
    let (late, more) = asked_again(Rules::SeenTwice);
    assert_eq!(early, 1, "one full hold between 400 and 800");
    assert!(late > 3 && more > holds, "{late} {more} {holds}");
}

/// A server that kept nothing up is no matter of a bad second.
#[test]
fn what_piles_up_is_asked_again_only_where_the_search_would_end() {
    let mut grows = |rate: f64| match rate < 900.0 {
        true => Outcome::Kept,
        false => Outcome::BacklogGrew,
    };
    let (answer, controller) = search(unhurried(100.0), &mut grows);
    assert_eq!(answer.ended, Ended::Found);
    let at = |rate: f64| {
        let holds = controller.holds().iter();
        let counted = holds.filter(|held| held.ask.purpose.counts());
        counted.filter(|held| held.ask.rate == rate).count()
    };
    assert_eq!(at(1_600.0), 1);
    assert_eq!(at(answer.bounds.first_failure.unwrap()), 2);
}

/// One of three holds was missed, and no other was more than disturbed.
#[test]
fn a_failure_that_was_seen_in_one_of_three_holds_ends_a_search() {
    let mut at_800 = [Outcome::Missed, Outcome::Disturbed, Outcome::Disturbed].into_iter();
    let mut restless = |rate: f64| match rate {
        800.0 => at_800.next().unwrap_or(Outcome::Kept),
        some if some < 800.0 => Outcome::Kept,
        _ => Outcome::Missed,
    };
    let (answer, _) = search(unhurried(100.0), &mut restless);
    assert_eq!(answer.bounds.not_kept, Some((800.0, Outcome::Missed)));
    assert_eq!(answer.verdict(), Verdict::Pass);
}

/// How a search ends whose first confirmation is missed, then disturbed, and then as told. Up to 800 all others keep the limit.
fn ended_after_confirming(rules: Rules, then: Outcome) -> Ended {
    let mut controller = Controller::new(Settings {
        rules,
        ..unhurried(100.0)
    });
    let mut confirming = None;
    let mut unlucky = [Outcome::Missed, Outcome::Disturbed].into_iter();
    loop {
        let ask = match controller.next() {
            Next::Hold(ask) => ask,
            Next::Done(answer) => return answer.ended,
        };
        if ask.purpose == Purpose::Confirm {
            confirming.get_or_insert(ask.rate);
        }
        let outcome = match confirming == Some(ask.rate) {
            true => unlucky.next().unwrap_or(then),
            false if ask.rate < 800.0 => Outcome::Kept,
            false => Outcome::Missed,
        };
        controller.tell(ask, outcome, Duration::ZERO);
    }
}

#[test]
fn a_contradiction_that_was_asked_again_in_vain_is_asked_a_third_time() {
    for (then, ended) in [
        (Outcome::Kept, Ended::Found),
        (Outcome::Missed, Ended::NonMonotonic),
    ] {
        assert_eq!(ended_after_confirming(Rules::SeenTwice, then), ended);
        let before = ended_after_confirming(Rules::FailedTwice, then);
        assert_eq!(before, Ended::NonMonotonic);
    }
}

#[test]
fn what_contradicts_itself_is_told_by_most_of_its_holds() {
    let told = |rules: Rules| {
        let answer = Answer {
            ended: Ended::NonMonotonic,
            bounds: Bounds {
                contradiction: Some((985.0, 1_037.0)),
                ..Bounds::default()
            },
            confirmed: None,
            in_vain: None,
            rules,
        };
        SystemFound::of(About::default(), &answer, Vec::new()).sentence
    };
    let said = "it missed its limits at 985/s and kept them at 1,037/s, each";
    assert!(told(Rules::SeenTwice).starts_with(&format!("{said} in most of the holds that")));
    assert!(told(Rules::FailedTwice).starts_with(&format!("{said} time it was asked")));
}

/// A hold that took longer than any before leaves room for a full one, and none to drain as well.
#[test]
fn nothing_is_confirmed_on_a_server_that_there_is_no_time_to_drain() {
    let next = |rules: Rules| {
        let settings = Settings {
            budget: Duration::from_secs(150),
            rules,
            ..settings(100.0)
        };
        let mut controller = Controller::new(settings.clone());
        loop {
            let Next::Hold(ask) = controller.next() else {
                panic!("an end before a failure: {:#?}", controller.holds());
            };
            if ask.rate > 900.0 {
                let took = settings.short + Duration::from_secs(5);
                controller.tell(ask, Outcome::BacklogGrew, took);
                return controller.next();
            }
            controller.tell(ask, Outcome::Kept, settings.short);
        }
    };
    let Next::Done(answer) = next(Rules::SeenTwice) else {
        panic!("what piled up is not drained");
    };
    assert_eq!(answer.ended, Ended::OutOfBudget);
    assert_eq!(answer.bounds.last_success, Some(800.0));
    // Before, it was.
    let Next::Hold(Ask { purpose, .. }) = next(Rules::FailedTwice) else {
        panic!("the rules of before");
    };
    assert_eq!(purpose, Purpose::Confirm);
}

/// A search up to 800 whose confirmation comes to this each time, and how often that was asked.
fn confirming_comes_to(rules: Rules, outcome: Outcome) -> (Answer, usize) {
    let settings = Settings {
        rules,
        ..settings(100.0)
    };
    let mut controller = Controller::new(settings);
    loop {
        let ask = match controller.next() {
            Next::Hold(ask) => ask,
            Next::Done(answer) => {
                let holds = controller.holds().iter();
                let confirming = holds.filter(|held| held.ask.purpose == Purpose::Confirm);
                return (answer, confirming.count());
            }
        };
        let outcome = match (ask.purpose, ask.rate < 800.0) {
            (Purpose::Confirm, _) => outcome,
            (_, true) => Outcome::Kept,
            (_, false) => Outcome::Missed,
        };
        controller.tell(ask, outcome, controller.length(ask.length));
    }
}

/// What is asked again and again says no more, and takes the time of all systems that are searched beside it.
#[test]
fn a_confirmation_that_can_not_be_had_ends_a_search() {
    for (outcome, verdict, times, why) in [
        (Outcome::GeneratorBound, Verdict::Invalid, 1, "--workers"),
        (Outcome::Disturbed, Verdict::Invalid, 3, "nothing else runs"),
        (Outcome::Undecided, Verdict::Inconclusive, 2, "--hold"),
    ] {
        let (answer, asked) = confirming_comes_to(Rules::ChargedRightly, outcome);
        assert_eq!(answer.ended, Ended::NotConfirmed, "{outcome:?}");
        assert_eq!((answer.verdict(), asked), (verdict, times), "{outcome:?}");
        assert_eq!(answer.confirmed, None);
        assert!(answer.bounds.last_success.is_some_and(|kept| kept < 800.0));
        let sentence = SystemFound::of(About::default(), &answer, Vec::new()).sentence;
        assert!(
            sentence.contains("not confirmed, and misses them at 8") && sentence.contains(why),
            "{sentence}"
        );
        // Before, until there was no time left.
        let (answer, asked) = confirming_comes_to(Rules::DoubtedEarly, outcome);
        assert_eq!(answer.ended, Ended::OutOfBudget, "{outcome:?}");
        assert!(asked > times);
    }
}

/// Without a failure above it, and where no time is left for anything else.
#[test]
fn a_highest_rate_that_can_not_be_confirmed_is_none() {
    let settings = Settings {
        most: 400.0,
        ..unhurried(100.0)
    };
    let mut unconfirmed = |rate: f64| match rate {
        380.0 => Outcome::GeneratorBound,
        _ => Outcome::Kept,
    };
    let (answer, _) = search(settings, &mut unconfirmed);
    assert_eq!(answer.ended, Ended::NotConfirmed, "{answer:?}");
    assert_eq!(answer.in_vain, Some((380.0, Outcome::GeneratorBound)));
    assert_eq!(answer.verdict(), Verdict::Invalid);
}

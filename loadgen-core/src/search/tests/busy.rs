//! Searches on a busy machine: holds that are missed by chance, and an end that is never twice at the same rate.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

use super::settings;
use crate::search::{Answer, Controller, Ended, Next, Outcome, Rules, Settings};

/// Seconds of a hold of full length in a search of a quarter of an hour.
const FULL: u64 = 46;
/// Seconds that a hold takes beside its measured ones, and a bare relay after a hold that missed a limit.
const BESIDE: f64 = 3.5;
const RELAY: f64 = 4.5;
/// From this part of the end on, the tightest limit of all is missed.
const TIGHTEST: f64 = 0.5;
/// Of holds of full length, how many miss the limit at any rate.
const UNLUCKY: f64 = 0.06;
/// By how much the end differs from hold to hold: the standard deviation of the rate's logarithm.
const SPREAD: f64 = 0.025;

/// A server of that capacity, and a machine.
struct Busy {
    capacity: f64,
    random: ChaCha8Rng,
}

impl Busy {
    fn hold(&mut self, rate: f64, seconds: u64) -> Outcome {
        // Shorter holds say less.
        let less = (FULL as f64 / seconds as f64).sqrt();
        let spread = Normal::new(0.0, less * SPREAD).unwrap();
        let end = self.capacity * spread.sample(&mut self.random).exp();
        let unlucky = self.random.random_bool(less * UNLUCKY);
        let is_near = (rate / end - 1.0).abs() < 0.01 && self.random.random_bool(0.5);
        match (unlucky, is_near) {
            (true, _) => Outcome::Missed,
            (false, true) => Outcome::Undecided,
            (false, false) if rate < end => Outcome::Kept,
            (false, false) => Outcome::Missed,
        }
    }
}

fn searched(rules: Rules, capacity: f64, seed: u64) -> Answer {
    let settings = Settings {
        start: 2_000.0,
        least: 31.0,
        full: Duration::from_secs(FULL),
        rules,
        ..settings(2_000.0)
    };
    let random = ChaCha8Rng::seed_from_u64(seed);
    let mut busy = Busy { capacity, random };
    let mut controller = Controller::new(settings);
    loop {
        let ask = match controller.next() {
            Next::Done(answer) => return answer,
            Next::Hold(ask) => ask,
        };
        let length = controller.length(ask.length);
        let outcome = busy.hold(ask.rate, length.as_secs());
        // Since it is asked for each limit, a relay comes after a hold that kept the scenario's own.
        let tight = rules >= Rules::ChargedRightly && ask.rate > TIGHTEST * capacity;
        let relay = match tight || outcome == Outcome::Missed {
            true => RELAY,
            false => 0.0,
        };
        let took = length + Duration::from_secs_f64(BESIDE + relay);
        controller.tell(ask, outcome, took);
    }
}

/// Of so many pairs of searches of one server, how many have found an end, both of them, within 10 % of each other.
fn agree(rules: Rules, pairs: u64) -> u64 {
    let all = (0..pairs).filter(|pair| {
        let capacity = 3_000.0 * (1.0 + (pair % 40) as f64 / 4.0);
        let found = [0, 1].map(|nth| {
            let answer = searched(rules, capacity, 2 * pair + nth);
            let kept = answer.bounds.last_success;
            kept.filter(|_| answer.ended == Ended::Found)
        });
        let [Some(one), Some(other)] = found else {
            return false;
        };
        f64::max(one, other) <= 1.1 * f64::min(one, other)
    });
    all.count() as u64
}

#[test]
fn two_searches_on_a_busy_machine_agree_more_often_since_failures_are_doubted_early() {
    let pairs = 400;
    let [before, now] = [Rules::SeenTwice, Rules::DoubtedEarly].map(|rules| agree(rules, pairs));
    assert!(now * 100 >= pairs * 75, "{now} of {pairs}");
    assert!(now > before + pairs / 20, "{before} and {now} of {pairs}");
}

/// Although more holds are held against a bare relay, and a confirmation is given up.
#[test]
fn two_searches_on_a_busy_machine_agree_as_often_since_limits_are_charged_rightly() {
    let pairs = 400;
    let [before, now] = [Rules::DoubtedEarly, Rules::LATEST].map(|rules| agree(rules, pairs));
    assert!(now * 100 >= before * 98, "{before} and {now} of {pairs}");
}

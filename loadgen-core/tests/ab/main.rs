//! Holds the verdicts of `ab` against recorded runs and against noise of known kinds: a small version of
//! `cargo bench -p benches --bench ab`.

mod noise;

use noise::{Noise, Tally};

/// Of each kind: enough to see a promise that is far from kept.
const GATES: u64 = 40;

#[test]
fn rule_08_a_change_that_is_none_seldom_fails() {
    for noise in Noise::ALL {
        let tally = Tally::of(noise, 1.0, GATES);
        // One in a hundred, and what chance adds to that in so few.
        assert!(tally.failed <= 3, "{}: {tally:?}", noise.name());
    }
}

#[test]
fn a_change_that_takes_a_fifth_longer_is_found_and_never_passes() {
    for noise in [Noise::Quiet, Noise::HeavyTails, Noise::Drift] {
        let tally = Tally::of(noise, 1.2, GATES);
        assert!(
            tally.failed >= GATES * 9 / 10,
            "{}: {tally:?}",
            noise.name()
        );
        assert!(tally.passed == 0, "{}: {tally:?}", noise.name());
    }
}

#[test]
fn a_change_that_takes_twice_as_long_is_found_whatever_the_machine_does() {
    for noise in Noise::ALL {
        let tally = Tally::of(noise, 2.0, GATES);
        assert!(tally.passed == 0, "{}: {tally:?}", noise.name());
        assert!(
            tally.failed >= GATES * 7 / 10,
            "{}: {tally:?}",
            noise.name()
        );
    }
}

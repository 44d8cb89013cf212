//! Holds what the intervals and verdicts promise against servers whose truth is known: a small version of
//! `cargo bench -p benches --bench coverage`.

mod shapes;

use shapes::{Shape, Tally};

/// Of each kind of run: enough to see a promise that is far from kept.
const RUNS: u32 = 20;

#[test]
fn rule_08_the_long_run_is_where_the_interval_says() {
    for shape in Shape::ALL {
        for seconds in [20, 120] {
            let tally = Tally::of(shape, shape.example(), seconds, RUNS);
            let covered = tally.share(tally.covered);
            assert!(covered >= 0.93, "{}, {seconds} s: {covered}", shape.name());
        }
    }
}

#[test]
fn rule_14_half_a_point_over_the_limit_does_not_pass_in_five_minutes() {
    for shape in Shape::ALL {
        let tally = Tally::of(shape, 0.015, 300, RUNS);
        assert!(
            tally.share(tally.passed) <= 0.05,
            "{}: {tally:?}",
            shape.name()
        );
    }
}

#[test]
fn rule_14_a_healthy_server_passes_however_long_it_runs() {
    for shape in [Shape::Evenly, Shape::Stalls] {
        for seconds in [20, 60, 300] {
            let tally = Tally::of(shape, 0.001, seconds, RUNS);
            assert!(
                tally.share(tally.passed) >= 0.95 && tally.failed == 0,
                "{}, {seconds} s: {tally:?}",
                shape.name()
            );
        }
    }
}

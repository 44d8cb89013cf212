//! Holds what `compare` calls certain against recorded runs of one and the same server: a small version of
//! `cargo bench -p benches --bench comparisons`.

mod noise;

use noise::{Kind, Order, alarms};

/// Of each kind: enough to see a promise that is far from kept.
const COMPARISONS: u64 = 100;

#[test]
fn rule_08_two_sides_of_the_same_server_seldom_differ_for_certain() {
    for kind in Kind::ALL {
        for order in Order::ALL {
            for n in [4, 6] {
                let false_alarms = alarms(kind, order, n, 1.0, COMPARISONS);
                let most = match order {
                    // What the machine did in between looks like the change: that is what the caution is for.
                    Order::OneAfterTheOther => 0.2,
                    // 5 in 100, and what chance adds to that in so few.
                    Order::Random | Order::InTurn => 0.1,
                };
                assert!(
                    false_alarms <= most,
                    "{}, {}, {n} runs: {false_alarms}",
                    kind.name(),
                    order.name()
                );
            }
        }
    }
}

#[test]
fn a_server_that_takes_three_times_as_long_is_seen_in_six_runs() {
    for kind in Kind::ALL {
        let seen = alarms(kind, Order::InTurn, 6, 3.0, COMPARISONS);
        assert!(seen >= 0.9, "{}: {seen}", kind.name());
    }
}

#[test]
fn three_runs_of_each_side_tell_nothing() {
    assert_eq!(
        alarms(Kind::Quiet, Order::Random, 3, 100.0, COMPARISONS),
        0.0
    );
}

//! Who is owed what around a join, a leave and the end of a connection (rule 13).

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::scenario::Scenario;

const SECOND: Nanos = 1_000_000_000;
const IN: Standing = Standing::In { to_the_end: true };

fn plan() -> Plan {
    let text = "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = { users = 2, rooms = 1 }\n\
         [[phases]]\nname = \"steady\"\nduration = \"1s\"\nrate = \"20/s\"\n";
    Plan::new(&Scenario::parse(Path::new("t.toml"), text).unwrap()).unwrap()
}

fn presence(log: &[(Nanos, Step)]) -> Presence {
    let log: Vec<Entry> = log
        .iter()
        .map(|&(at, step)| Entry { user: 0, at, step })
        .collect();
    Presence::new(&plan(), &log)
}

fn at(presence: &Presence, sent: Nanos, received: Nanos) -> Standing {
    presence.standing(0, 0, (sent, handled_by(sent, Some(received), true)), 0)
}

#[test]
fn who_neither_comes_nor_goes_is_in() {
    let presence = presence(&[]);
    assert!(presence.is_constant());
    assert_eq!(at(&presence, 5, 9), IN);
    assert_eq!(
        presence.standing(0, 0, (5, handled_by(5, None, false)), 0),
        IN
    );
}

#[test]
fn rule_13_a_leave_has_a_grey_zone_from_its_request_to_its_acknowledgement() {
    let presence = presence(&[
        (20 * SECOND, Step::Leaving(0)),
        (20 * SECOND + 100, Step::Left(0)),
    ]);
    assert_eq!(at(&presence, SECOND, SECOND + 9), IN);
    let late = at(&presence, 19 * SECOND, 19 * SECOND + 9);
    assert_eq!(late, Standing::In { to_the_end: false });
    assert_eq!(
        at(&presence, 20 * SECOND - 5, 20 * SECOND + 5),
        Standing::Grey
    );
    assert_eq!(
        at(&presence, 20 * SECOND + 50, 20 * SECOND + 60),
        Standing::Grey
    );
    assert_eq!(
        at(&presence, 20 * SECOND + 100, 20 * SECOND + 110),
        Standing::Out
    );
}

#[test]
fn rule_13_a_message_without_a_receipt_is_grey_for_who_leaves_soon_after_and_for_nobody_else() {
    let presence = presence(&[
        (20 * SECOND, Step::Leaving(0)),
        (20 * SECOND + 100, Step::Left(0)),
    ]);
    let unheard = |sent, sign| presence.standing(0, 0, (sent, handled_by(sent, sign, false)), 0);
    assert_eq!(unheard(15 * SECOND + 1, None), Standing::Grey);
    assert!(matches!(
        unheard(15 * SECOND - 1, None),
        Standing::In { .. }
    ));
    // An acknowledgement or an end says earlier that it was handled, and never later.
    let sent = 19 * SECOND;
    let soon = unheard(sent, Some(sent + 9));
    assert!(matches!(soon, Standing::In { .. }));
    assert_eq!(unheard(sent, Some(20 * SECOND + 9)), Standing::Grey);
    let late = unheard(14 * SECOND, Some(21 * SECOND));
    assert!(matches!(late, Standing::In { .. }));
    // What somebody received so late was handled so late.
    assert_eq!(at(&presence, 14 * SECOND, 21 * SECOND), Standing::Grey);
}

#[test]
fn rule_13_a_join_has_a_grey_zone_too() {
    let presence = presence(&[
        (10, Step::Leaving(0)),
        (20, Step::Left(0)),
        (100, Step::Joining(0)),
        (200, Step::Joined(0)),
    ]);
    assert_eq!(at(&presence, 50, 90), Standing::Out);
    assert_eq!(at(&presence, 50, 150), Standing::Grey);
    assert_eq!(at(&presence, 150, 160), Standing::Grey);
    assert_eq!(at(&presence, 200, 210), IN);
}

#[test]
fn rule_13_what_was_on_the_way_to_a_connection_that_its_user_ended_is_grey() {
    let presence = presence(&[(5 * SECOND, Step::Gone)]);
    let shortly = 5 * SECOND - ON_THE_WAY / 2;
    assert_eq!(at(&presence, shortly - 10, shortly), Standing::Grey);
    let long = 5 * SECOND - 2 * ON_THE_WAY;
    let before = at(&presence, long - 10, long);
    assert_eq!(before, Standing::In { to_the_end: false });
    assert_eq!(at(&presence, 5 * SECOND, 5 * SECOND + 1), Standing::Out);
    assert!(presence.cut_short(0, shortly) && !presence.cut_short(0, SECOND));
    assert!(!presence.owes_ack(0, shortly) && presence.owes_ack(0, 6 * SECOND));
    assert_eq!(presence.connection(0, SECOND), 0);
    assert_eq!(presence.connection(0, 6 * SECOND), 1);
    // On a machine that stood still for a second it was on its way for longer.
    let presence = presence.with_stall(SECOND);
    assert_eq!(at(&presence, long - 10, long), Standing::Grey);
    let before = at(&presence, SECOND, 3 * SECOND);
    assert_eq!(before, Standing::In { to_the_end: false });
    assert!(presence.cut_short(0, 3 * SECOND + 1) && !presence.cut_short(0, 3 * SECOND - 1));
}

#[test]
fn rule_13_no_stall_explains_everything() {
    let presence = presence(&[(20 * SECOND, Step::Gone)]).with_stall(Nanos::MAX);
    let longest = UNHEARD + CUT_SHORT;
    assert!(!presence.cut_short(0, 20 * SECOND - longest - 1));
    let handled = 20 * SECOND - UNHEARD - ON_THE_WAY;
    let before = at(&presence, handled - 10, handled);
    assert_eq!(before, Standing::In { to_the_end: false });
}

#[test]
fn rule_13_who_did_not_read_and_was_cut_off_is_owed_nothing_from_then_on() {
    let presence = presence(&[(5 * SECOND, Step::Deaf), (20 * SECOND, Step::Gone)]);
    assert_eq!(at(&presence, 6 * SECOND, 7 * SECOND), Standing::Grey);
    assert_eq!(at(&presence, 20 * SECOND, 21 * SECOND), Standing::Out);
    assert!(!presence.owes_ack(0, 4 * SECOND));
    // What it sent may have waited where nobody took it any more, but no longer than anything waits.
    assert!(presence.cut_short(0, 16 * SECOND) && !presence.cut_short(0, 14 * SECOND));
}

/// A message that was sent and first seen then, to a member of another server who goes or comes then.
#[test]
fn rule_13_of_several_servers_each_handles_a_message_at_its_own_time() {
    let left = presence(&[
        (20 * SECOND + 500_000, Step::Leaving(0)),
        (20 * SECOND + 900_000, Step::Left(0)),
    ]);
    let came = presence(&[
        (SECOND, Step::Leaving(0)),
        (2 * SECOND, Step::Left(0)),
        (20 * SECOND + 500_000, Step::Joining(0)),
        (20 * SECOND + 900_000, Step::Joined(0)),
    ]);
    let (sent, seen) = (20 * SECOND - 9, 20 * SECOND);
    assert!(matches!(at(&left, sent, seen), Standing::In { .. }));
    assert_eq!(at(&came, sent, seen), Standing::Out);
    let (left, came) = (left.on_several(true), came.on_several(true));
    assert_eq!(at(&left, sent, seen), Standing::Grey);
    assert_eq!(at(&came, sent, seen), Standing::Grey);
    // What was first seen longer before, the other server has handled too; and who had gone before it was sent had gone.
    let (sent, seen) = (sent - ON_THE_WAY, seen - ON_THE_WAY);
    assert!(matches!(at(&left, sent, seen), Standing::In { .. }));
    assert_eq!(at(&came, sent, seen), Standing::Out);
    let after = 20 * SECOND + 900_000;
    assert_eq!(at(&left, after, after + 9), Standing::Out);
    assert_eq!(at(&came, after, after + 9), IN);
    // On a machine that stood still for a second the bus stood still too.
    let (left, came) = (left.with_stall(SECOND), came.with_stall(SECOND));
    let (sent, seen) = (sent - SECOND, seen - SECOND + 600_000);
    assert_eq!(at(&left, sent, seen), Standing::Grey);
    assert_eq!(at(&came, sent, seen), Standing::Grey);
}

#[test]
fn rule_13_what_waited_for_another_server_or_for_the_bus_is_handled_when_that_is_mended() {
    for broken in [
        "kind = \"bus-restart\"",
        "kind = \"server-freeze\"\nnode = 2",
        "kind = \"server-kill\"\nnode = 1",
    ] {
        let text = format!(
            "version = 1\nname = \"t\"\nquestion = \"?\"\nserver = {{ nodes = 2 }}\n\
             population = {{ users = 2, rooms = 1 }}\n\
             [[phases]]\nname = \"steady\"\nduration = \"60s\"\nrate = \"20/s\"\n\
             [[faults]]\nname = \"f\"\nat = \"20s\"\nfor = \"6s\"\n{broken}\n"
        );
        let plan = Plan::new(&Scenario::parse(Path::new("t.toml"), &text).unwrap()).unwrap();
        // The schedule began 5 s after the clock.
        let began = 5 * SECOND;
        let of = |steps: &[(Nanos, Step)], several| {
            let log = steps.iter().map(|&(at, step)| Entry {
                user: 0,
                at: began + at,
                step,
            });
            let presence = Presence::new(&plan, &log.collect::<Vec<_>>());
            presence.on_several(several).held_up(&plan)
        };
        let left = [
            (24 * SECOND, Step::Leaving(0)),
            (24 * SECOND + 9, Step::Left(0)),
        ];
        let came = [
            (SECOND, Step::Leaving(0)),
            (2 * SECOND, Step::Left(0)),
            (30 * SECOND, Step::Joining(0)),
            (30 * SECOND + 9, Step::Joined(0)),
        ];
        let stands = |presence: &Presence, sent: Nanos| {
            let sent = began + sent;
            presence.standing(0, 0, (sent, sent + 1_000_000), began)
        };
        let (held, shortly_before) = (22 * SECOND, 20 * SECOND - ON_THE_WAY);
        for sent in [held, shortly_before] {
            assert_eq!(stands(&of(&left, true), sent), Standing::Grey, "{broken}");
            assert_eq!(stands(&of(&came, true), sent), Standing::Grey, "{broken}");
            assert!(matches!(
                stands(&of(&left, false), sent),
                Standing::In { .. }
            ));
            assert_eq!(stands(&of(&came, false), sent), Standing::Out);
        }
        // What was handled by all before the fault, and what came after it.
        assert!(matches!(
            stands(&of(&left, true), 19 * SECOND),
            Standing::In { .. }
        ));
        for sent in [19 * SECOND, 27 * SECOND] {
            assert_eq!(stands(&of(&came, true), sent), Standing::Out, "{broken}");
        }
        assert_eq!(stands(&of(&came, true), 31 * SECOND), IN);
    }
}

/// A stay of times that may be far apart or close together, and a message around it.
fn stay_and_message() -> impl Strategy<Value = ([Nanos; 4], [Nanos; 3])> {
    let step = || prop_oneof![0..2_000_000_u64, 0..2 * ON_THE_WAY];
    let steps = [(); 4].map(|()| step());
    let message = (0..4 * ON_THE_WAY, step(), step());
    (steps, message).prop_map(|(steps, (after, took, seen_after))| {
        let mut at = SECOND;
        let stay = steps.map(|step| {
            at += step;
            at
        });
        let sent = SECOND - ON_THE_WAY + after;
        (stay, [sent, sent + took, sent + took + seen_after])
    })
}

proptest! {
    /// Whenever a server takes the join and the leave between request and answer, and the message when it hears of it: what
    /// it then rightly does is never a finding, and on one server never excused any further than the order of these times asks.
    #[test]
    fn rule_13_what_a_correct_server_does_is_no_finding(
        (stay, message) in stay_and_message(),
        (joins, leaves, hears) in (0.0..=1.0, 0.0..=1.0, 0.0..=1.0),
    ) {
        let [joining, joined, leaving, left] = stay;
        let [sent, handled, seen] = message;
        let between = |from: Nanos, to: Nanos, part: f64| from + ((to - from) as f64 * part) as Nanos;
        let (joins, leaves) = (between(joining, joined, joins), between(leaving, left, leaves));
        let log = [
            (0, Step::Leaving(0)),
            (1, Step::Left(0)),
            (joining, Step::Joining(0)),
            (joined, Step::Joined(0)),
            (leaving, Step::Leaving(0)),
            (left, Step::Left(0)),
        ];
        let one = at(&presence(&log), sent, seen);
        let several = at(&presence(&log).on_several(true), sent, seen);
        // Another server hears of it after the one that the sender is on.
        let heard = between(handled, seen + ON_THE_WAY, hears);
        for (standing, handled) in [(one, handled), (several, handled), (several, heard)] {
            // At the same moment, either of them may be the first.
            match standing {
                Standing::In { .. } => prop_assert!(joins <= handled && handled <= leaves),
                Standing::Out => prop_assert!(handled < joins || leaves <= handled),
                Standing::Grey => {}
            }
        }
        // One server's zone is as narrow as it can be.
        let certain = match one {
            Standing::In { .. } => joined <= sent && seen <= leaving,
            Standing::Out => left <= sent || seen < joining,
            Standing::Grey => (joined > sent || seen > leaving) && left > sent && seen >= joining,
        };
        prop_assert!(certain);
    }
}

#[test]
fn who_had_left_for_good_is_known_for_certain() {
    let left = [(10, Step::Leaving(0)), (20, Step::Left(0))];
    let gone = presence(&left);
    assert!(gone.had_left(0, 0, 20) && !gone.had_left(0, 0, 19));
    assert!(!gone.had_left(1, 0, 20), "who stays has not left");
    let back = presence(&[left[0], left[1], (100, Step::Joining(0))]);
    assert!(!back.had_left(0, 0, 50));
    assert!(!presence(&[left[0]]).had_left(0, 0, 50));
    assert!(!presence(&[(10, Step::Deaf)]).had_left(0, 0, 50));
    assert!(presence(&[(10, Step::Gone)]).had_left(0, 0, 50));
}

#[test]
fn a_join_that_was_never_answered_stays_grey() {
    let presence = presence(&[(5, Step::Gone), (10, Step::Joining(0))]);
    assert_eq!(at(&presence, 50, 60), Standing::Grey);
}

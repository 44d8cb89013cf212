//! What is owed to a member who comes or goes around a message (rule 13).

use super::*;

/// The account in which a recipient of message 5 did `steps` at times relative to its send, and got it or not.
fn with_steps(steps: &[(i64, Step)], delivered: bool) -> Account {
    with_steps_on(1, steps, delivered)
}

/// The same of so many servers.
fn with_steps_on(servers: u16, steps: &[(i64, Step)], delivered: bool) -> Account {
    Run::with(|run| {
        run.plan = Run::healthy_with(&format!("[server]\nnodes = {servers}\n")).plan;
        let recipient = run.recipient();
        run.log = log(run, recipient, steps);
        run.all_well(|position| position == recipient);
        if delivered {
            run.deliver(5, recipient, 51);
        }
    })
}

/// What the member at a position did, at times relative to the send of message 5.
fn log(run: &Run, position: usize, steps: &[(i64, Step)]) -> Vec<Entry> {
    let user = run.plan.conversations[0].members[position];
    let steps = steps.iter().map(|&(after, step)| Entry {
        user,
        at: sent_at(5).saturating_add_signed(after),
        step,
    });
    steps.collect()
}

/// What a member missed of all messages but the fifth says nothing here.
fn about_message_5(account: &Account) -> Vec<Check> {
    let of_5 = |finding: &&Finding| {
        finding
            .examples
            .iter()
            .any(|example| example.message == Some(5))
    };
    account
        .findings
        .iter()
        .filter(of_5)
        .map(|finding| finding.check)
        .collect()
}

#[test]
fn rule_13_in_the_grey_zone_a_delivery_is_neither_owed_nor_wrong() {
    let leaving = [(500, Step::Leaving(0)), (900, Step::Left(0))];
    for delivered in [false, true] {
        let account = with_steps(&leaving, delivered);
        assert_eq!(about_message_5(&account), [], "delivered: {delivered}");
        assert_eq!(account.grey, 1);
        // One of the others' two is not counted as expected.
        assert_eq!(account.phases[0].expected, account.totals.expected);
    }
}

#[test]
fn rule_13_a_delivery_to_somebody_who_had_left_is_cross_delivered() {
    let left = [(-900, Step::Leaving(0)), (-500, Step::Left(0))];
    assert_eq!(about_message_5(&with_steps(&left, false)), []);
    assert_eq!(
        about_message_5(&with_steps(&left, true)),
        [Check::CrossDelivered]
    );
}

#[test]
fn rule_13_a_member_that_goes_soon_after_is_owed_the_delivery_and_not_its_end() {
    let soon = [(3_000_000_000, Step::Gone)];
    assert_eq!(about_message_5(&with_steps(&soon, true)), []);
    assert_eq!(about_message_5(&with_steps(&soon, false)), [Check::Lost]);
    assert_eq!(about_message_5(&with_steps(&[], true)), [Check::EndMissing]);
}

#[test]
fn rule_13_the_end_of_a_message_to_somebody_who_had_left_before_it_is_cross_delivered() {
    let left = [(-900, Step::Leaving(0)), (-500, Step::Left(0))];
    let at_once = [(-900, Step::Leaving(0)), (500, Step::Left(0))];
    let back = [left[0], left[1], (700, Step::Joining(0))];
    let account = |steps: &[(i64, Step)], fails: bool| {
        Run::with(|run| {
            let recipient = run.recipient();
            run.log = log(run, recipient, steps);
            run.send(5);
            for position in 0..MEMBERS {
                if position != recipient {
                    run.deliver(5, position, 51);
                }
                match fails {
                    true => drop(run.ledger.failed(run.slot(5, position))),
                    false => run.confirm(5, position),
                }
            }
        })
    };
    for fails in [false, true] {
        let found = about_message_5(&account(&left, fails));
        let cross = found.iter().filter(|one| **one == Check::CrossDelivered);
        assert_eq!(cross.count(), 1, "{found:?}");
        // Who may have been a member, or is one again when it is told, may be told.
        for steps in [&at_once[..], &back[..]] {
            let found = about_message_5(&account(steps, fails));
            assert!(!found.contains(&Check::CrossDelivered), "{found:?}");
        }
    }
}

/// On another server than the one that answered first, the leave came before the message, or the join did.
#[test]
fn rule_13_of_several_servers_a_member_may_go_or_come_until_its_own_has_heard_of_a_message() {
    let went = [(2_000_000, Step::Leaving(0)), (3_000_000, Step::Left(0))];
    let came = [
        (-500_000_000, Step::Leaving(0)),
        (-400_000_000, Step::Left(0)),
        (2_000_000, Step::Joining(0)),
        (3_000_000, Step::Joined(0)),
    ];
    let lost = with_steps_on(1, &went, false);
    assert_eq!(about_message_5(&lost), [Check::Lost]);
    let crossed = with_steps_on(1, &came, true);
    assert_eq!(about_message_5(&crossed), [Check::CrossDelivered]);
    for (steps, delivered) in [(&went[..], false), (&came[..], true)] {
        let account = with_steps_on(2, steps, delivered);
        assert_eq!(about_message_5(&account), [], "delivered: {delivered}");
        assert_eq!(account.grey, 1);
    }
}

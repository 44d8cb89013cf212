//! What is owed to a member who comes or goes around a message (rule 13).

use super::*;

/// The account in which a recipient of message 5 did `steps` at times relative to its send, and got it or not.
fn with_steps(steps: &[(i64, Step)], delivered: bool) -> Account {
    Run::with(|run| {
        let recipient = run.recipient();
        let user = run.plan.conversations[0].members[recipient];
        run.log = steps
            .iter()
            .map(|&(after, step)| Entry {
                user,
                at: sent_at(5).saturating_add_signed(after),
                step,
            })
            .collect();
        run.all_well(|position| position == recipient);
        if delivered {
            run.deliver(5, recipient, 51);
        }
    })
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

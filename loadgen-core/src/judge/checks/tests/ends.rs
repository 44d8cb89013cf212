//! How messages ended, and whether the store says the same.

use super::*;

#[test]
fn no_end_two_ends_and_an_early_end_are_told_apart() {
    let missing = Run::with(|run| {
        let recipient = run.recipient();
        run.all_well(|position| position == recipient);
        run.deliver(5, recipient, 51);
    });
    assert_eq!(broken(&missing), [(Check::EndMissing, 1)]);
    let twice = Run::with(|run| {
        run.all_well(|_| false);
        run.ledger.failed(run.slot(5, 0));
    });
    assert_eq!(broken(&twice), [(Check::EndTwice, 1)]);
    let early = Run::with(|run| {
        let recipient = run.recipient();
        run.all_well(|position| position == recipient);
        run.confirm(5, recipient);
        run.deliver(5, recipient, 51);
    });
    assert_eq!(broken(&early), [(Check::EndEarly, 1)]);
}

#[test]
fn confirmed_must_be_stored_under_the_same_id_and_failed_must_not() {
    let not_stored = Run::with(|run| {
        run.all_well(|_| false);
        run.without_document();
    });
    assert_eq!(broken(&not_stored), [(Check::ConfirmedNotStored, 1)]);
    let failed = Run::with(|run| {
        run.send_refused();
        for position in 0..MEMBERS {
            run.deliver(5, position, 51);
            run.ledger.failed(run.slot(5, position));
        }
    });
    assert_eq!(broken(&failed), [(Check::FailedButStored, 1)]);
    assert_eq!(failed.totals.failed, 1);
    // Whichever of the two ids is the greater.
    for other in [1, 999] {
        let twice = Run::with(|run| {
            run.all_well(|_| false);
            run.stored.add(5, other);
        });
        assert_eq!(broken(&twice), [(Check::StoredTwice, 1)]);
        assert_eq!(twice.totals.stored, Some(20));
    }
}

#[test]
fn what_is_only_acknowledged_was_never_confirmed() {
    let account = |delivery| {
        let mut run = Run::healthy();
        let mut vocabulary = Vocabulary::of(Dialect::Readme);
        for names in [&mut vocabulary.room, &mut vocabulary.channel] {
            names.confirmed = None;
        }
        run.promises = Promises::of(&vocabulary, delivery);
        let totals = run.account().totals;
        (totals.confirmed, totals.acknowledged, totals.stored)
    };
    assert_eq!(account(Delivery::Optimistic), (0, 20, Some(20)));
    // A server that saves first says with its acknowledgement that it has saved.
    assert_eq!(account(Delivery::PersistFirst), (20, 20, Some(20)));
}

#[test]
fn a_server_without_ends_acknowledgements_and_echo_owes_deliveries_alone() {
    let account = Run::with(|run| {
        run.promises = Promises {
            ends: false,
            endless: None,
            acks: false,
            ack_confirms: false,
            echo: false,
            answered_apart: false,
            one_order: true,
            final_ids: false,
            whole_contract: false,
        };
        let sender = run.plan.sends[5].sender;
        run.ledger.sent(5, sent_at(5));
        for position in 0..MEMBERS {
            if run.plan.conversations[0].members[position] != sender {
                run.deliver(5, position, 51);
            }
        }
        run.without_document();
    });
    assert_eq!(broken(&account), []);
    assert_eq!(account.totals.lost, 0);
}

//! What members are told of one message: refusals, and answers that can't both be true.

use super::*;

fn persist_first(run: &mut Run) {
    run.promises = Promises::of(&Vocabulary::of(Dialect::Readme), Delivery::PersistFirst);
}

#[test]
fn what_was_refused_and_never_seen_is_failed_and_not_lost() {
    for first in [false, true] {
        let account = Run::with(|run| {
            if first {
                persist_first(run);
            }
            run.send_refused();
            run.without_document();
        });
        assert_eq!(broken(&account), [], "persist-first: {first}");
        let totals = account.totals;
        assert_eq!((totals.refused, totals.failed, totals.lost), (1, 1, 0));
        assert_eq!(totals.expected, 38);
    }
}

#[test]
fn a_refusal_that_is_confirmed_or_delivered_all_the_same_contradicts_itself() {
    let confirmed = Run::with(|run| {
        run.all_well(|_| false);
        run.send_refused();
    });
    assert_eq!(
        broken(&confirmed),
        [(Check::AckWrong, 1), (Check::AnswersContradict, 1)]
    );
    assert_eq!(
        (confirmed.totals.failed, confirmed.totals.confirmed),
        (0, 20)
    );
    let delivered = Run::with(|run| {
        persist_first(run);
        run.send_refused();
        run.deliver(5, run.recipient(), 51);
        run.without_document();
    });
    assert_eq!(broken(&delivered), [(Check::AnswersContradict, 1)]);
}

#[test]
fn a_save_that_failed_is_owed_to_all_who_were_promised_it_before() {
    let account = Run::with(|run| {
        let recipient = run.recipient();
        run.send_refused();
        run.without_document();
        for position in (0..MEMBERS).filter(|&position| position != recipient) {
            run.deliver(5, position, 51);
            run.ledger.failed(run.slot(5, position));
        }
    });
    assert_eq!(broken(&account), [(Check::Lost, 1)]);
    assert_eq!((account.totals.refused, account.totals.failed), (1, 1));
}

#[test]
fn members_that_are_told_different_ends_contradict_each_other() {
    let account = Run::with(|run| {
        let recipient = run.recipient();
        run.all_well(|position| position == recipient);
        run.deliver(5, recipient, 51);
        run.ledger.failed(run.slot(5, recipient));
    });
    assert_eq!(broken(&account), [(Check::AnswersContradict, 1)]);
}

#[test]
fn what_nobody_was_told_an_id_of_is_looked_up_by_its_body_alone() {
    let account = Run::with(|run| {
        run.all_well(|_| true);
        for position in 0..MEMBERS {
            run.deliver(5, position, 51);
            run.ledger.confirmed(run.slot(5, position), None);
        }
    });
    assert_eq!(broken(&account), []);
    assert_eq!(account.totals.stored, Some(20));
}

#[test]
fn rule_13_what_is_acknowledged_and_never_delivered_is_lost_whoever_leaves_later() {
    let account = Run::with(|run| {
        run.log = (0..MEMBERS as u32)
            .map(|user| Entry {
                user,
                at: sent_at(25),
                step: Step::Leaving(0),
            })
            .collect();
        run.send(5);
        run.ledger.sign_after(5, 30_000_000);
    });
    assert_eq!(
        broken(&account),
        [(Check::Lost, 2), (Check::EchoMissing, 1)]
    );
    assert_eq!(account.grey, 0);
}

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

#[test]
fn what_is_stored_and_not_as_it_was_sent_is_found_in_its_words() {
    for differs in Differs::ALL {
        let account = Run::with(|run| {
            run.all_well(|_| false);
            run.stored.differs(5, id(5), differs);
        });
        assert_eq!(broken(&account), [(Check::ConfirmedNotStored, 1)]);
        let note = account.findings[0].examples[0].note.as_deref();
        assert_eq!(note, Some(differs.words()));
        assert_eq!(account.totals.stored, Some(19));
    }
    let all = Run::with(|run| {
        run.all_well(|_| false);
        for differs in Differs::ALL {
            run.stored.differs(5, id(5), differs);
        }
    });
    let note = all.findings[0].examples[0].note.as_deref().unwrap();
    assert_eq!(note.matches("stored ").count(), Differs::ALL.len());
}

#[test]
fn a_second_document_that_differs_takes_nothing_from_the_one_that_was_told() {
    let account = Run::with(|run| {
        run.all_well(|_| false);
        run.stored.add(5, 7);
        run.stored.differs(5, 7, Differs::Body);
    });
    assert_eq!(broken(&account), [(Check::StoredTwice, 1)]);
    assert_eq!(account.totals.stored, Some(20));
}

#[test]
fn what_is_acknowledged_by_the_contract_is_held_against_the_store_also_without_its_end() {
    let acknowledged = |run: &mut Run| {
        run.send(5);
        run.without_document();
        // It was delivered, and its end came to nobody: all of them had gone.
        for position in 0..MEMBERS {
            run.deliver(5, position, 51);
        }
        run.log = (0..MEMBERS as u32)
            .map(|user| Entry {
                user,
                at: sent_at(5) + 30_000_000,
                step: Step::Gone,
            })
            .collect();
    };
    let found = |account: Account| {
        let found = broken(&account).into_iter();
        let of_the_store = found.filter(|(check, _)| *check == Check::ConfirmedNotStored);
        (of_the_store.count(), account.totals.confirmed)
    };
    assert_eq!(found(Run::with(acknowledged)), (1, 19));
    // Who promises no more than its names say may acknowledge what it has not saved yet.
    let names_alone = Run::with(|run| {
        run.promises.whole_contract = false;
        acknowledged(run);
    });
    assert_eq!(found(names_alone), (0, 19));
}

#[test]
fn what_a_server_that_saves_first_has_delivered_is_held_against_the_store_without_acknowledgements()
{
    let vocabulary = Vocabulary {
        acknowledges_messages: false,
        whole_contract: false,
        ..Vocabulary::of(Dialect::Readme)
    };
    for (delivery, found, stored) in [
        (Delivery::PersistFirst, 1, 19),
        // Under a temporary id, for all that is known.
        (Delivery::Optimistic, 0, 0),
    ] {
        let account = Run::with(|run| {
            run.promises = Promises {
                ends: false,
                ..Promises::of(&vocabulary, delivery)
            };
            run.ledger = Arc::new(Ledger::new(run.plan.sends.len(), run.plan.slots));
            for message in 0..run.plan.sends.len() as u32 {
                run.ledger.sent(message, sent_at(message));
                for position in 0..MEMBERS {
                    run.deliver(message, position, 10 * message + 1);
                }
            }
            run.without_document();
        });
        let findings: Vec<_> = broken(&account);
        let wanted: &[_] = &[(Check::ConfirmedNotStored, 1)];
        assert_eq!(findings, wanted[..found], "{}", delivery.name());
        assert_eq!(account.totals.stored, Some(stored));
    }
}

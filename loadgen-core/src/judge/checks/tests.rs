//! Each check on a small account in which exactly its promise is broken.

mod answers;
mod comings;
mod fates;

use std::{path::Path, sync::Arc, time::Duration};

use super::*;
use crate::{
    model::Dialect,
    observed::{Broken, Closed, Ended, Entry, Layout, Lookup, Recorded, Step, Strays, WINDOW},
    scenario::Scenario,
};

const MEMBERS: usize = 3;

/// A run of a few messages in one channel of three, in which everything went well.
struct Run {
    plan: Plan,
    ledger: Arc<Ledger>,
    stored: Stored,
    strays: Strays,
    promises: Promises,
    log: Vec<Entry>,
    ended: Option<Ended>,
}

impl Run {
    fn healthy() -> Self {
        Self::healthy_with("")
    }

    fn healthy_with(more: &str) -> Self {
        let text = format!(
            "version = 1\nname = \"t\"\nquestion = \"?\"\n\
             population = {{ users = 3, channels = [{{ count = 1, members = 3 }}] }}\n\
             [[phases]]\nname = \"steady\"\nduration = \"1s\"\nrate = \"20/s\"\narrivals = \"uniform\"\n{more}"
        );
        let plan = Plan::new(&Scenario::parse(Path::new("t.toml"), &text).unwrap()).unwrap();
        let mut run = Self {
            ledger: Arc::new(Ledger::new(plan.sends.len(), plan.slots)),
            stored: Stored::new(plan.sends.len()),
            strays: Strays::default(),
            promises: Promises::of(&Vocabulary::of(Dialect::Readme), Delivery::Optimistic),
            log: Vec::new(),
            ended: None,
            plan,
        };
        for message in 0..run.plan.sends.len() as u32 {
            run.send(message);
            for position in 0..MEMBERS {
                run.deliver(message, position, 10 * message + 1);
                run.confirm(message, position);
            }
            run.stored.add(message, id(message));
        }
        run
    }

    /// The account of a run whose message 5 went as `tell` says, and whose others went well.
    fn with(tell: impl FnOnce(&mut Run)) -> Account {
        let mut run = Self::healthy();
        let fresh = Arc::new(Ledger::new(run.plan.sends.len(), run.plan.slots));
        let healthy = std::mem::replace(&mut run.ledger, fresh);
        for message in (0..run.plan.sends.len() as u32).filter(|&message| message != 5) {
            run.send(message);
            for position in 0..MEMBERS {
                let arrival = healthy.slot(run.slot(message, position)).arrival();
                run.deliver(message, position, arrival);
                run.confirm(message, position);
            }
        }
        tell(&mut run);
        run.account()
    }

    fn slot(&self, message: u32, position: usize) -> usize {
        self.plan.sends[message as usize].slot as usize + position
    }

    fn send(&self, message: u32) {
        let send = self.plan.sends[message as usize];
        self.ledger.sent(message, sent_at(message));
        self.ledger
            .acked(self.plan.slot(&send, send.sender).unwrap(), true);
    }

    /// Message 5, which its sender is told was not taken.
    fn send_refused(&self) {
        let send = self.plan.sends[5];
        self.ledger.sent(5, sent_at(5));
        let own = self.plan.slot(&send, send.sender).unwrap();
        self.ledger.acked(own, false);
    }

    fn deliver(&self, message: u32, position: usize, arrival: u32) {
        self.ledger
            .delivered(self.slot(message, position), arrival, false);
        self.ledger.sign_after(message, 1_600);
    }

    fn confirm(&self, message: u32, position: usize) {
        self.ledger
            .confirmed(self.slot(message, position), Some(id(message)));
    }

    fn all_well(&self, but: impl Fn(usize) -> bool) {
        self.send(5);
        for position in (0..MEMBERS).filter(|&position| !but(position)) {
            self.deliver(5, position, 51);
            self.confirm(5, position);
        }
    }

    /// What it counts can be counted again from what a result records of it, but for the examples.
    fn account(&self) -> Account {
        let account = account(&self.plan, self.promises, &self.observed());
        let recorded = RecordedOutcomes::from(&account.outcomes);
        let recorded = serde_json::to_string(&recorded).unwrap();
        let recorded: RecordedOutcomes = serde_json::from_str(&recorded).unwrap();
        let outcomes = Outcomes::try_from(&recorded).unwrap();
        assert!(outcomes.is_of(&self.plan));
        let again = Account::again(&self.plan, outcomes);
        let mut without = account.clone();
        for finding in &mut without.findings {
            for example in &finding.examples {
                assert!(again.has(&self.plan, finding.check, example), "{example:?}");
            }
            finding.examples.clear();
        }
        assert_eq!(again, without);
        account
    }

    fn observed(&self) -> Observed {
        let recorded = Recorded::empty(Arc::new(Layout::new(&[], &[])));
        Observed {
            strays: self.strays.clone(),
            presence: self.log.clone(),
            ended: self.ended.clone(),
            stored: Lookup::Found(self.stored.clone()),
            left: Some([0, 0, 0]),
            ..Observed::of(recorded, Arc::clone(&self.ledger))
        }
    }

    /// The position of somebody other than the sender of message 5.
    fn recipient(&self) -> usize {
        let sender = self.plan.sends[5].sender;
        (0..MEMBERS)
            .find(|&position| self.plan.conversations[0].members[position] != sender)
            .unwrap()
    }
}

/// A second apart, so that the grey zones of two messages don't meet.
fn sent_at(message: u32) -> u64 {
    u64::from(message) * 1_000_000_000
}

fn id(message: u32) -> u64 {
    u64::from(message) + 100
}

fn broken(account: &Account) -> Vec<(Check, u64)> {
    account
        .findings
        .iter()
        .map(|finding| (finding.check, finding.count))
        .collect()
}

#[test]
fn a_healthy_run_has_no_findings_and_full_totals() {
    let account = Run::healthy().account();
    assert_eq!(broken(&account), []);
    let totals = account.totals;
    assert_eq!((totals.scheduled, totals.sent, totals.dropped), (20, 20, 0));
    assert_eq!(
        (totals.expected, totals.delivered, totals.lost),
        (40, 40, 0)
    );
    assert_eq!(
        (totals.confirmed, totals.failed, totals.stored),
        (20, 0, Some(20))
    );
}

#[test]
fn a_delivery_that_never_came_is_lost_and_named() {
    let account = Run::with(|run| {
        let recipient = run.recipient();
        run.all_well(|position| position == recipient);
    });
    assert_eq!(broken(&account), [(Check::Lost, 1)]);
    assert_eq!(account.totals.lost, 1);
    assert_eq!(account.findings[0].examples[0].message, Some(5));
}

#[test]
fn a_senders_own_copy_that_never_came_is_no_lost_delivery() {
    let account = Run::with(|run| {
        let sender = run.plan.sends[5].sender;
        let members = &run.plan.conversations[0].members;
        run.all_well(|position| members[position] == sender);
    });
    assert_eq!(broken(&account), [(Check::EchoMissing, 1)]);
    let totals = account.totals;
    assert_eq!((totals.lost, totals.echo_missing), (0, 1));
    assert_eq!((totals.expected, totals.delivered), (40, 40));
}

#[test]
fn all_copies_beyond_the_first_are_counted() {
    let account = Run::with(|run| {
        run.all_well(|_| false);
        for position in 0..MEMBERS {
            for _ in 0..30 {
                run.deliver(5, position, 52);
            }
        }
    });
    assert_eq!(broken(&account), [(Check::Duplicated, 90)]);
    assert_eq!(account.totals.duplicated, 90);
    let notes = account.findings[0].examples.iter();
    let notes: Vec<_> = notes
        .filter_map(|example| example.note.as_deref())
        .collect();
    // The sender's own copy is a cause of its own.
    assert_eq!(notes.len(), 2);
    let cases = account.findings[0].examples.iter();
    assert_eq!(
        cases.map(|example| 1 + example.more).sum::<u64>(),
        MEMBERS as u64
    );
    assert!(
        notes.iter().all(|note| note.contains("31 times")),
        "{notes:?}"
    );
}

#[test]
fn the_message_that_some_member_never_got_is_known() {
    let account = Run::with(|run| {
        let recipient = run.recipient();
        run.all_well(|position| position == recipient);
    });
    let missing = &account.missing;
    assert_eq!(
        (&missing.messages[..], &missing.messages_in[..]),
        (&[5][..], &[1][..])
    );
    assert!(missing.has(5) && !missing.has(4));
    assert_eq!(missing.deliveries_of.iter().sum::<u64>(), 1);
}

#[test]
fn a_second_delivery_is_a_duplicate() {
    let account = Run::with(|run| {
        run.all_well(|_| false);
        run.deliver(5, run.recipient(), 52);
    });
    assert_eq!(broken(&account), [(Check::Duplicated, 1)]);
    assert_eq!(account.totals.duplicated, 1);
}

#[test]
fn a_lost_delivery_is_counted_in_the_second_that_it_was_due_in() {
    let lose = |measured: bool| {
        let mut run = Run::healthy();
        run.plan.phases[0].measured = measured;
        // Two seconds later than the others, and its two deliveries to others never come.
        run.plan.sends[5].at += 2 * WINDOW;
        run.ledger = Arc::new(Ledger::new(run.plan.sends.len(), run.plan.slots));
        for message in 0..run.plan.sends.len() as u32 {
            run.send(message);
            let send = run.plan.sends[message as usize];
            let own = run.plan.slot(&send, send.sender).unwrap();
            for position in 0..MEMBERS {
                if message != 5 || run.slot(message, position) == own {
                    run.deliver(message, position, 10 * message + 1);
                }
            }
        }
        run.account()
    };
    let account = lose(true);
    assert_eq!(
        (account.totals.lost, account.missing.deliveries_in),
        (2, vec![0, 0, 2])
    );
    let account = lose(false);
    assert_eq!(
        (account.totals.lost, account.missing.deliveries_in),
        (2, Vec::new())
    );
}

#[test]
fn a_message_that_was_not_sent_is_dropped_and_not_lost() {
    let account = Run::with(|run| run.stored = Stored::new(run.plan.sends.len()));
    assert_eq!(account.totals.dropped, 1);
    assert_eq!(account.totals.lost, 0);
}

#[test]
fn what_a_cut_run_did_not_reach_was_neither_due_nor_lost() {
    for cut_short in [
        Run::with(|run| run.ended = Some(Ended::Interrupted)),
        Run::with(|run| {
            run.send(5);
            run.ended = Some(Ended::Interrupted);
        }),
    ] {
        for totals in cut_short.phases.iter().chain([&cut_short.totals]) {
            assert_eq!((totals.dropped, totals.lost), (0, 0));
            assert_eq!(totals.echo_missing, 0);
            assert_eq!(totals.scheduled, totals.sent);
        }
        assert_eq!(broken(&cut_short), []);
    }
}

#[test]
fn a_changed_body_is_found() {
    let account = Run::with(|run| {
        run.all_well(|_| false);
        run.ledger.changed(run.slot(5, 1));
    });
    assert_eq!(broken(&account), [(Check::ContentChanged, 1)]);
}

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
        let mut stored = Stored::new(run.plan.sends.len());
        for message in (0..20).filter(|&message| message != 5) {
            stored.add(message, id(message));
        }
        run.stored = stored;
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
fn a_senders_messages_out_of_order_are_found_even_if_all_members_agree() {
    let mut run = Run::healthy();
    // Two messages of one sender change places at every member.
    let sends = &run.plan.sends;
    let (first, second) = (0..20)
        .flat_map(|a| (a + 1..20).map(move |b| (a, b)))
        .find(|&(a, b)| sends[a].sender == sends[b].sender)
        .unwrap();
    run.ledger = Arc::new(Ledger::new(run.plan.sends.len(), run.plan.slots));
    for message in 0..20_u32 {
        run.send(message);
        let place = match message as usize {
            m if m == first => second,
            m if m == second => first,
            m => m,
        };
        for position in 0..MEMBERS {
            run.deliver(message, position, 10 * place as u32 + 1);
            run.confirm(message, position);
        }
    }
    let account = run.account();
    assert!(
        account
            .findings
            .iter()
            .all(|finding| finding.check == Check::Reordered),
        "{:?}",
        account.findings
    );
    assert!(!account.findings.is_empty());
}

#[test]
fn one_member_with_another_order_disagrees() {
    let mut run = Run::healthy();
    let sends = &run.plan.sends;
    let swapped = (0..19)
        .find(|&a: &usize| sends[a].sender != sends[a + 1].sender)
        .unwrap() as u32;
    run.ledger = Arc::new(Ledger::new(run.plan.sends.len(), run.plan.slots));
    for message in 0..20_u32 {
        run.send(message);
        for position in 0..MEMBERS {
            let place = match message {
                m if position == 2 && m == swapped => m + 1,
                m if position == 2 && m == swapped + 1 => m - 1,
                m => m,
            };
            run.deliver(message, position, 10 * place + 1);
            run.confirm(message, position);
        }
    }
    assert_eq!(broken(&run.account()), [(Check::OrderDisagrees, 1)]);
}

#[test]
fn what_is_left_on_the_server_and_broken_connections_are_findings() {
    let run = Run::healthy();
    let mut observed = Observed {
        stored: Lookup::NotAsked,
        left: Some([1, 2, 1]),
        ..run.observed()
    };
    for why in [
        Closed::Silent(Duration::from_secs(1)),
        Closed::Overfull(1),
        Closed::Protocol("hello".into()),
        Closed::Limit("17 MiB".into()),
    ] {
        observed.broken.add(Broken {
            at: 7,
            user: 0,
            why,
        });
    }
    let account = account(&run.plan, run.promises, &observed);
    // A limit of this program's own is no promise of the server's.
    assert_eq!(
        broken(&account),
        [
            (Check::ConnectionLost, 2),
            (Check::ProtocolViolated, 1),
            (Check::StateLeft, 4)
        ]
    );
    assert_eq!(account.totals.stored, None);
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
        run.stored = Stored::new(run.plan.sends.len());
        for message in (0..20).filter(|&message| message != 5) {
            run.stored.add(message, id(message));
        }
    });
    assert_eq!(broken(&account), []);
    assert_eq!(account.totals.lost, 0);
}

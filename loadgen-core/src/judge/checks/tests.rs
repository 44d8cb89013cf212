//! Each check on a small account in which exactly its promise is broken.

mod answers;
mod comings;
mod ends;
mod fates;
mod order;

use std::{path::Path, sync::Arc, time::Duration};

use super::*;
use crate::{
    model::Dialect,
    observed::{
        Broken, Closed, Differs, Ended, Entry, Layout, Lookup, Recorded, Step, Stored, Strays,
        WINDOW,
    },
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
        run.others_well();
        run.all_well(|_| false);
        for message in 0..run.plan.sends.len() as u32 {
            run.stored.add(message, id(message));
        }
        run
    }

    /// The account of a run whose message 5 went as `tell` says, and whose others went well.
    fn with(tell: impl FnOnce(&mut Run)) -> Account {
        let mut run = Self::healthy();
        run.ledger = Arc::new(Ledger::new(run.plan.sends.len(), run.plan.slots));
        run.others_well();
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

    /// All messages but the fifth.
    fn others(&self) -> impl Iterator<Item = u32> + use<> {
        (0..self.plan.sends.len() as u32).filter(|&message| message != 5)
    }

    fn others_well(&self) {
        for message in self.others() {
            self.send(message);
            for position in 0..MEMBERS {
                self.deliver(message, position, 10 * message + 1);
                self.confirm(message, position);
            }
        }
    }

    /// Nothing of message 5 is stored.
    fn without_document(&mut self) {
        self.stored = Stored::new(self.plan.sends.len());
        for message in self.others() {
            self.stored.add(message, id(message));
        }
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

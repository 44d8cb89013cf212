//! What became of messages when something broke, and what a fault excuses.

use super::*;
use crate::observed::FaultSeen;

const FAULT: &str =
    "[[faults]]\nname = \"f\"\nat = \"0s\"\nfor = \"500ms\"\nkind = \"server-kill\"\n";

/// A run with a fault in its first half second, whose message 5 (due at 250 ms) went as `tell` says.
fn with(tell: impl FnOnce(&mut Run)) -> Account {
    of(FAULT, tell)
}

/// The same with another fault.
fn of(fault: &str, tell: impl FnOnce(&mut Run)) -> Account {
    let mut run = Run::healthy_with(fault);
    let ledger = Ledger::new(run.plan.sends.len(), run.plan.slots).with_confirmations();
    run.ledger = Arc::new(ledger);
    run.others_well();
    for message in run.others() {
        run.ledger.confirmed_after(message, 1_000);
    }
    run.without_document();
    tell(&mut run);
    let observed = Observed {
        faults: vec![FaultSeen {
            name: "f".to_owned(),
            start: Some(1_000_000),
            end: Some(610_000_000),
            proof: Some("it did".to_owned()),
            trouble: None,
        }],
        ..run.observed()
    };
    account(&run.plan, run.promises, &observed)
}

/// Message 5 came to all, is stored, and was confirmed so long after its send.
fn stored_after(run: &mut Run, after: u64) {
    run.all_well(|_| false);
    run.stored.add(5, id(5));
    run.ledger.confirmed_after(5, after);
}

fn met(account: &Account, fate: Fate) -> &Met {
    account.fates.iter().find(|met| met.fate == fate).unwrap()
}

#[test]
fn every_message_has_one_fate_and_its_second() {
    let account = with(|run| stored_after(run, 1_000));
    let messages: u64 = account.fates.iter().map(|met| met.count).sum();
    assert_eq!(messages, 20);
    let confirmed = met(&account, Fate::Confirmed);
    assert_eq!((confirmed.count, confirmed.broken), (20, 0));
    assert_eq!(confirmed.seconds, [20]);
    assert_eq!(account.findings, []);
}

#[test]
fn what_is_confirmed_after_the_heal_waited_for_it() {
    let account = with(|run| stored_after(run, 400_000_000));
    assert_eq!(met(&account, Fate::ConfirmedLater).count, 1);
    assert_eq!(account.findings, []);
}

#[test]
fn no_fault_excuses_what_was_confirmed_and_is_not_stored() {
    let account = with(|run| run.all_well(|_| false));
    let lost = met(&account, Fate::Lost);
    assert_eq!((lost.count, lost.broken), (1, 1));
    assert_eq!(lost.first[0].message, Some(5));
    assert_eq!(account.findings[0].check, Check::ConfirmedNotStored);
}

#[test]
fn nor_what_was_acknowledged_before_the_kill_and_is_not_stored() {
    let account = with(|run| {
        run.send(5);
        let at = sent_at(5) + 1_000_000;
        for user in 0..MEMBERS as u32 {
            for (at, step) in [
                (at, Step::Gone),
                (at, Step::Joining(0)),
                (at + 1, Step::Joined(0)),
            ] {
                run.log.push(Entry { user, at, step });
            }
        }
    });
    let lost = met(&account, Fate::Lost);
    assert_eq!((lost.count, lost.broken), (1, 1));
    assert_eq!(account.findings[0].check, Check::ConfirmedNotStored);
}

#[test]
fn nor_what_never_came_to_who_was_there_all_the_time() {
    let account = with(|run| {
        let missed = run.recipient();
        run.all_well(|position| position == missed);
        run.stored.add(5, id(5));
    });
    let lost = met(&account, Fate::Lost);
    assert_eq!((lost.count, lost.broken), (1, 1));
}

#[test]
fn what_nobody_was_told_of_is_unknown_until_the_store_says() {
    // All went just after it was sent: neither its delivery nor its end is owed.
    let everybody_goes = |run: &mut Run| {
        run.ledger.sent(5, sent_at(5));
        for user in 0..MEMBERS as u32 {
            let at = sent_at(5) + 1_000_000;
            for step in [Step::Gone, Step::Joining(0)] {
                run.log.push(Entry { user, at, step });
            }
            let step = Step::Joined(0);
            run.log.push(Entry {
                user,
                at: at + 1,
                step,
            });
        }
    };
    let gone = with(everybody_goes);
    let unknown = met(&gone, Fate::UnknownGone);
    assert_eq!((unknown.count, unknown.broken), (1, 0));
    assert_eq!(unknown.first[0].message, Some(5));
    let stored = with(|run| {
        everybody_goes(run);
        run.stored.add(5, id(5));
    });
    assert_eq!(met(&stored, Fate::UnknownStored).count, 1);
}

#[test]
fn what_a_fault_kept_from_being_saved_and_was_told_as_failed_is_honest() {
    let account = with(failed);
    assert_eq!((account.totals.failed, account.failed_by_fault), (1, 1));
    let met = met(&account, Fate::Failed);
    assert_eq!((met.count, met.broken), (1, 0));
    assert_eq!(account.findings, []);
}

/// Message 5 came to all, and all were told that it could not be stored.
fn failed(run: &mut Run) {
    run.send_refused();
    for position in 0..MEMBERS {
        run.deliver(5, position, 51);
        run.ledger.failed(run.slot(5, position));
    }
}

#[test]
fn only_what_can_keep_messages_from_being_saved_excuses_that_they_failed() {
    let kind = |kind: &str| FAULT.replace("server-kill\"", &format!("{kind}\"\nshare = \"1%\""));
    for (fault, excused) in [
        (FAULT.to_owned(), 1),
        (kind("store-failing"), 1),
        (kind("network-loss"), 1),
        (kind("clients-stop-reading"), 0),
        (kind("clients-silent"), 0),
        (kind("clients-disconnect"), 0),
    ] {
        let account = of(&fault, failed);
        let seen = (account.totals.failed, account.failed_by_fault);
        assert_eq!(seen, (1, excused), "{fault}");
        assert_eq!(account.phases_by_fault, [excused], "{fault}");
    }
}

#[test]
fn what_failed_is_known_by_its_second_and_by_what_else_came_of_it() {
    let missing = |tell: fn(&mut Run)| {
        let missing = with(tell).missing;
        let counted = [
            missing.failed_in,
            missing.unacknowledged_in,
            missing.turned_away_in,
        ];
        counted.map(|seconds| seconds.iter().sum::<u64>())
    };
    assert_eq!(missing(|run| stored_after(run, 1_000)), [0, 0, 0]);
    assert_eq!(missing(failed), [1, 1, 0]);
    assert_eq!(missing(|run| run.send_refused()), [1, 1, 1]);
    // Acknowledged on receipt, and failed later.
    let later = |run: &mut Run| {
        run.send(5);
        for position in 0..MEMBERS {
            run.deliver(5, position, 51);
            run.ledger.failed(run.slot(5, position));
        }
    };
    assert_eq!(missing(later), [1, 0, 0]);
}

#[test]
fn what_could_not_be_sent_while_a_fault_had_its_sender_away_is_told_and_excused() {
    let account = with(|_| {});
    assert_eq!((account.totals.dropped, account.away), (1, 1));
    assert_eq!(met(&account, Fate::NotSent).count, 1);
    let without = Run::with(|_| {});
    assert_eq!((without.totals.dropped, without.away), (1, 0));
    assert_eq!(without.fates, []);
}

#[test]
fn of_a_bad_fate_the_first_ten_are_kept_and_those_that_break_a_promise_before_the_excused() {
    let mut fates = Fates::new();
    let plan = Run::healthy().plan;
    for message in 0..30_u32 {
        let send = &plan.sends[message as usize % plan.sends.len()];
        let broken = message % 5 == 4;
        fates.add(Fate::UnknownGone, send.at, broken, || Example {
            message: Some(message),
            ..Example::default()
        });
    }
    let met = fates.into_met();
    let gone = met
        .iter()
        .find(|met| met.fate == Fate::UnknownGone)
        .unwrap();
    assert_eq!((gone.count, gone.broken), (30, 6));
    let first: Vec<u32> = gone.first.iter().filter_map(|one| one.message).collect();
    assert_eq!(first, [4, 9, 14, 19, 24, 29, 0, 1, 2, 3]);
}

/// One of three servers is killed.
fn of_three(kind: &str, tell: impl FnOnce(&mut Run)) -> Account {
    let fault = FAULT.replace("server-kill\"", &format!("{kind}\"\nnode = 2"));
    of(&format!("{fault}[server]\nnodes = 3\n"), tell)
}

/// The sender's server took message 5, handed it on as `tell` says, and was killed; its sender is back later.
fn died_with_its_server(run: &mut Run, tell: impl FnOnce(&mut Run)) {
    let sender = run.plan.sends[5].sender;
    run.ledger.sent(5, sent_at(5));
    tell(run);
    let at = sent_at(5) + 50_000_000;
    for (at, step) in [
        (at, Step::Gone),
        (at + 1, Step::Joining(0)),
        (at + 2, Step::Joined(0)),
    ] {
        let user = sender;
        run.log.push(Entry { user, at, step });
    }
}

#[test]
fn what_a_killed_server_had_not_handed_on_is_gone_with_it_on_the_others_too() {
    // One member got it, and nobody was told its end.
    let tell = |run: &mut Run| {
        let got = run.recipient();
        died_with_its_server(run, |run| run.deliver(5, got, 51));
    };
    let account = of_three("server-kill", tell);
    assert_eq!(account.findings, []);
    assert_eq!(met(&account, Fate::UnknownGone).count, 1);
    // A server that drains hands on what it has taken.
    let stopped = of_three("server-stop", tell);
    let found: Vec<Check> = stopped.findings.iter().map(|one| one.check).collect();
    assert_eq!(found, [Check::Lost, Check::EndMissing]);
}

#[test]
fn what_a_killed_server_had_confirmed_is_owed_to_all() {
    let account = of_three("server-kill", |run| {
        let got = run.recipient();
        died_with_its_server(run, |run| {
            run.deliver(5, got, 51);
            run.confirm(5, got);
        });
        run.stored.add(5, id(5));
    });
    let found: Vec<(Check, u64)> = account
        .findings
        .iter()
        .map(|one| (one.check, one.count))
        .collect();
    assert_eq!(found, [(Check::Lost, 1)]);
}

#[test]
fn who_lost_no_connection_is_excused_by_no_other_server() {
    let account = of_three("server-kill", |run| {
        run.ledger.sent(5, sent_at(5));
        let got = run.recipient();
        run.deliver(5, got, 51);
    });
    let found: Vec<Check> = account.findings.iter().map(|one| one.check).collect();
    assert!(found.contains(&Check::Lost), "{found:?}");
    assert!(found.contains(&Check::EndMissing), "{found:?}");
}

#[test]
fn a_fault_excuses_what_was_sent_in_it_in_a_closed_phase_and_not_what_could_have_been() {
    const SECOND: u64 = 1_000_000_000;
    let mut run = Run::healthy_with(
        "[[phases]]\nname = \"closed\"\nduration = \"100s\"\nthink_time = \"1s\"\n\
         [[faults]]\nname = \"f\"\nat = \"60s\"\nfor = \"10s\"\nkind = \"store-failing\"\n",
    );
    run.ledger = Arc::new(Ledger::of(&run.plan));
    run.stored = Stored::new(run.plan.sends.len());
    let mut behind = [0; MEMBERS];
    let mut failed = 0;
    for (message, send) in (0..).zip(run.plan.sends.clone()) {
        let mut due = send.at;
        if run.plan.phase_of(&send).closed {
            // Each acknowledgement takes a quarter of a second.
            let behind = &mut behind[send.sender as usize];
            due += *behind;
            *behind += SECOND / 4;
        }
        if due >= run.plan.end() {
            continue;
        }
        let fails = (60 * SECOND..70 * SECOND).contains(&due);
        run.ledger.sent(message, 5 * SECOND + due);
        let own = run.plan.slot(&send, send.sender).unwrap();
        run.ledger.acked(own, !fails);
        for position in 0..MEMBERS {
            run.deliver(message, position, 10 * message + 1);
            if fails {
                run.ledger.failed(run.slot(message, position));
            } else {
                run.confirm(message, position);
            }
        }
        match fails {
            true => failed += 1,
            false => run.stored.add(message, id(message)),
        }
    }
    assert!(failed > 10, "{failed}");
    let observed = Observed {
        faults: vec![FaultSeen {
            name: "f".to_owned(),
            start: Some(60 * SECOND),
            end: Some(70 * SECOND),
            proof: Some("it did".to_owned()),
            trouble: None,
        }],
        ..run.observed()
    };
    let account = account(&run.plan, run.promises, &observed);
    let counted = (account.totals.failed, account.failed_by_fault);
    assert_eq!(counted, (failed, failed));
    let failed_in = account.missing.failed_in.iter();
    assert_eq!(failed_in.skip(60).take(10).sum::<u64>(), failed);
    // Counted up again from what a result records, too.
    let recorded = RecordedOutcomes::from(&account.outcomes);
    let outcomes = Outcomes::try_from(&recorded).unwrap();
    assert_eq!(Account::again(&run.plan, outcomes).missing, account.missing);
}

#[test]
fn a_fault_of_one_of_several_servers_excuses_no_failures_on_the_others() {
    let nodes = "[server]\nnodes = 3\n";
    let of_node = |number: u16| {
        let fault = FAULT.replace("server-kill\"", &format!("server-kill\"\nnode = {number}"));
        of(&format!("{nodes}{fault}"), failed)
    };
    let excused: Vec<u64> = (1..=3)
        .map(|number| of_node(number).failed_by_fault)
        .collect();
    // The sender was on one of them.
    assert_eq!(excused.iter().sum::<u64>(), 1, "{excused:?}");
}

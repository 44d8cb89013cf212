//! The promises, checked on the whole account of a run: every (message, recipient) pair and every end of a message.

mod check;
mod finding;
mod order;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use self::finding::{Case, Findings};
pub use self::{
    check::Check,
    finding::{Example, Finding},
};
use crate::{
    ledger::{Ledger, Slot},
    plan::{Plan, Send},
    scenario::{Delivery, Dialect},
    worker::{Broken, Stray, StrayKind, Strays},
};

/// The totals of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Messages in the plan.
    pub scheduled: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages not sent: scheduled = sent + dropped.
    pub dropped: u64,
    /// Deliveries to others that were due.
    pub expected: u64,
    /// Of these, how many came at least once.
    pub delivered: u64,
    /// Of these, how many never came.
    pub lost: u64,
    /// Deliveries beyond the first.
    pub duplicated: u64,
    /// Messages confirmed to their senders.
    pub confirmed: u64,
    /// Messages failed to their senders.
    pub failed: u64,
    /// Confirmed messages that were found in the store; `None` where nobody could look.
    pub stored: Option<u64>,
}

/// What is known of a run when it is over.
pub struct Evidence<'a> {
    /// What was to be done.
    pub plan: &'a Plan,
    /// What was seen.
    pub ledger: &'a Ledger,
    /// How the server delivers: the promises differ.
    pub delivery: Delivery,
    /// Who gets which events.
    pub dialect: Dialect,
    /// What came and belongs nowhere.
    pub strays: &'a Strays,
    /// Connections that broke: how many, and the first.
    pub broken: (u64, &'a [Broken]),
    /// What is in the store, where somebody could look.
    pub stored: Option<&'a Stored>,
    /// What the server says is left when everybody had gone: users, rooms, sockets.
    pub left: Option<[u64; 3]>,
}

/// The store's content: the hash of the `_id` under which each message of the run is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    ids: Vec<u64>,
    twice: HashSet<u32>,
}

impl Stored {
    /// An empty store, for a plan of so many messages.
    pub fn new(messages: usize) -> Self {
        Self {
            ids: vec![0; messages],
            twice: HashSet::new(),
        }
    }

    /// Notes a document of the message, by the hash of its `_id`.
    pub fn add(&mut self, message: u32, id: u64) {
        match self.ids.get_mut(message as usize) {
            Some(none @ 0) => *none = id,
            Some(_) => drop(self.twice.insert(message)),
            // A document of this run's prefix and of no planned message: the body check tells it.
            None => {}
        }
    }

    fn id(&self, message: usize) -> Option<u64> {
        (self.ids[message] != 0).then(|| self.ids[message])
    }
}

/// Totals, and every promise that was broken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Counts.
    pub totals: Totals,
    /// Broken promises, in the order of [`Check::ALL`].
    pub findings: Vec<Finding>,
}

impl Account {
    /// The account of a run that was cut off: what is missing was not waited for, so only what came can be wrong.
    pub fn of_a_cut_run(mut self) -> Self {
        self.findings.retain(|finding| {
            !matches!(
                finding.check,
                Check::Lost
                    | Check::EndMissing
                    | Check::AckWrong
                    | Check::FailedButStored
                    | Check::ConnectionLost
                    | Check::StateLeft
            )
        });
        self.totals.lost = 0;
        self
    }
}

/// Goes through the whole account of a run.
pub fn account(evidence: &Evidence<'_>) -> Account {
    let mut findings = Findings::new(evidence.plan);
    let mut totals = Totals {
        scheduled: evidence.plan.sends.len() as u64,
        stored: evidence.stored.map(|_| 0),
        ..Totals::default()
    };
    for (message, send) in evidence.plan.sends.iter().enumerate() {
        if evidence.ledger.lateness(message as u32).is_none() {
            totals.dropped += 1;
            continue;
        }
        totals.sent += 1;
        check_message(evidence, message as u32, send, &mut totals, &mut findings);
    }
    order::check(evidence, &mut findings);
    check_strays(evidence, &mut findings);
    check_connections(evidence, &mut findings);
    check_state(evidence, &mut findings);
    Account {
        totals,
        findings: findings.into_sorted(),
    }
}

/// What the members of a message were told about it.
#[derive(Clone, Copy, Default)]
struct Told {
    confirmed: bool,
    failed: bool,
    ids_differ: bool,
}

fn check_message(
    evidence: &Evidence<'_>,
    message: u32,
    send: &Send,
    totals: &mut Totals,
    findings: &mut Findings<'_>,
) {
    let optimistic = evidence.delivery == Delivery::Optimistic;
    let mut told = Told::default();
    for (position, &member) in evidence
        .plan
        .conversation_of(send)
        .members
        .iter()
        .enumerate()
    {
        let seen = evidence.ledger.slot(send.slot as usize + position);
        let own = member == send.sender;
        let case = || Case::of(message, send, member);
        check_delivery(&seen, own, case(), totals, findings);
        told.confirmed |= seen.confirmations() > 0;
        told.failed |= seen.failures() > 0;
        told.ids_differ |= seen.id_differs();
        if seen.id_differs() {
            findings.add(Check::IdDiffers, case());
        }
        if optimistic {
            check_end(&seen, case(), findings);
        }
        if own {
            totals.confirmed += u64::from(seen.confirmations() > 0);
            totals.failed += u64::from(seen.failures() > 0 || !optimistic && seen.ack_refused());
            if seen.acks() != 1 {
                let times = seen.acks();
                findings.add(Check::AckWrong, case().note(format!("{times} times")));
            }
            // Before the optimistic delivery came, the acknowledgement and the delivery were the confirmation.
            if !optimistic && seen.acks() > 0 {
                told.confirmed |= !seen.ack_refused();
                told.failed |= seen.ack_refused();
                totals.confirmed += u64::from(!seen.ack_refused());
            }
        }
    }
    check_stored(evidence, message, send, told, totals, findings);
}

fn check_delivery(
    seen: &Slot,
    own: bool,
    case: Case,
    totals: &mut Totals,
    findings: &mut Findings<'_>,
) {
    let deliveries = seen.deliveries();
    if !own {
        totals.expected += 1;
        totals.delivered += u64::from(deliveries > 0);
        totals.lost += u64::from(deliveries == 0);
    }
    match deliveries {
        0 => findings.add(Check::Lost, case.clone().own_copy(own)),
        1 => {}
        more => {
            totals.duplicated += u64::from(more - 1);
            findings.add(
                Check::Duplicated,
                case.clone().own_copy(own).note(format!("{more} times")),
            );
        }
    }
    if seen.changed() {
        findings.add(Check::ContentChanged, case);
    }
}

fn check_end(seen: &Slot, case: Case, findings: &mut Findings<'_>) {
    match (seen.confirmations(), seen.failures()) {
        (0, 0) if seen.deliveries() > 0 => findings.add(Check::EndMissing, case.clone()),
        (0, 0) | (1, 0) | (0, 1) => {}
        (confirmations, failures) => findings.add(
            Check::EndTwice,
            case.clone().note(format!(
                "Confirmed {confirmations}, Failed {failures} times"
            )),
        ),
    }
    // What was never delivered is lost, and its end is no second fault.
    if seen.ended_early() && seen.deliveries() > 0 {
        findings.add(Check::EndEarly, case);
    }
}

fn check_stored(
    evidence: &Evidence<'_>,
    message: u32,
    send: &Send,
    told: Told,
    totals: &mut Totals,
    findings: &mut Findings<'_>,
) {
    let Some(stored) = evidence.stored else {
        return;
    };
    let id = stored.id(message as usize);
    let case = Case::of(message, send, send.sender);
    if told.confirmed {
        // Which of two ids is the stored one, the finding about the ids leaves open.
        if id.is_some() && (id == evidence.ledger.id(message) || told.ids_differ) {
            totals.stored = totals.stored.map(|stored| stored + 1);
        } else {
            let note = match id {
                Some(_) => "stored under another _id",
                None => "no document",
            };
            findings.add(Check::ConfirmedNotStored, case.clone().note(note));
        }
    } else if told.failed && id.is_some() {
        findings.add(Check::FailedButStored, case.clone());
    }
    if stored.twice.contains(&message) {
        findings.add(Check::StoredTwice, case);
    }
}

fn check_strays(evidence: &Evidence<'_>, findings: &mut Findings<'_>) {
    for (kind, check) in [
        (StrayKind::CrossDelivered, Check::CrossDelivered),
        (StrayKind::Unexpected, Check::Unexpected),
        (StrayKind::OrphanedEnd, Check::EndOrphaned),
    ] {
        let examples = evidence.strays.examples(kind);
        findings.add_counted(
            check,
            evidence.strays.count(kind),
            examples.map(|stray: &Stray| Example {
                recipient: Some(evidence.plan.users[stray.user as usize].clone()),
                note: Some(stray.what.clone()),
                ..Example::default()
            }),
        );
    }
}

fn check_connections(evidence: &Evidence<'_>, findings: &mut Findings<'_>) {
    let (count, broken) = evidence.broken;
    findings.add_counted(
        Check::ConnectionLost,
        count,
        broken.iter().map(|broken| Example {
            recipient: Some(evidence.plan.users[broken.user as usize].clone()),
            note: Some(broken.why.to_string()),
            ..Example::default()
        }),
    );
}

fn check_state(evidence: &Evidence<'_>, findings: &mut Findings<'_>) {
    let Some([users, rooms, sockets]) = evidence.left else {
        return;
    };
    findings.add_counted(
        Check::StateLeft,
        users + rooms + sockets,
        [Example {
            note: Some(format!("{users} users, {rooms} rooms, {sockets} sockets")),
            ..Example::default()
        }]
        .into_iter(),
    );
}

#[cfg(test)]
mod tests;

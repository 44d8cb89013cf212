//! The promises, checked on the whole account of a run: every (message, recipient) pair and every end of a message.

mod check;
mod finding;
mod order;
mod totals;

use self::finding::{Case, Findings};
pub use self::{
    check::Check,
    finding::{Example, Finding},
    totals::{Missing, Totals},
};
use crate::{
    model::{Delivery, Vocabulary},
    observed::{
        Ledger, Observed, Stored, StrayKind,
        ledger::{Slot, id_bits},
        presence::{Presence, Standing},
    },
    plan::{Plan, Send},
};

/// What a server owes for each message, beside its delivery to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promises {
    /// Confirmed or Failed, to everybody who got it.
    pub ends: bool,
    /// An acknowledgement to the sender.
    pub acks: bool,
    /// An acknowledgement says that the message is stored, since nothing else does.
    pub ack_confirms: bool,
    /// A copy to the sender.
    pub echo: bool,
    /// The sender's copy is an event apart, whose order among the others' says nothing.
    pub answered_apart: bool,
}

impl Promises {
    /// Of a server that speaks so and delivers so.
    pub fn of(vocabulary: &Vocabulary, delivery: Delivery) -> Self {
        let persist_first = delivery == Delivery::PersistFirst;
        Self {
            ends: !persist_first && vocabulary.has_ends(),
            acks: vocabulary.acknowledges_messages,
            ack_confirms: persist_first && vocabulary.acknowledges_messages,
            echo: vocabulary.echoes,
            answered_apart: vocabulary.room.sent.is_some() || vocabulary.channel.sent.is_some(),
        }
    }
}

/// What the account of a run is drawn up from.
struct Evidence<'a> {
    plan: &'a Plan,
    promises: Promises,
    observed: &'a Observed,
    presence: Presence,
}

impl Evidence<'_> {
    fn ledger(&self) -> &Ledger {
        &self.observed.ledger
    }
}

/// Totals, and every promise that was broken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Counts.
    pub totals: Totals,
    /// Counts of each phase's messages.
    pub phases: Vec<Totals>,
    /// What never came of measured phases.
    pub missing: Missing,
    /// Deliveries to others in the grey zone of a join, a leave or a reconnect: neither due nor wrong.
    pub grey: u64,
    /// Broken promises, in the order of [`Check::ALL`].
    pub findings: Vec<Finding>,
}

impl Account {
    /// The account of a run that was cut off: what is missing was not waited for, so only what came can be wrong.
    fn of_a_cut_run(mut self) -> Self {
        self.findings.retain(|finding| {
            !matches!(
                finding.check,
                Check::Lost
                    | Check::EchoMissing
                    | Check::EndMissing
                    | Check::AckWrong
                    | Check::FailedButStored
                    | Check::ConnectionLost
                    | Check::StateLeft
            )
        });
        for totals in self.phases.iter_mut().chain([&mut self.totals]) {
            totals.lost = 0;
            totals.echo_missing = 0;
            // What was not reached any more was not due.
            totals.scheduled = totals.sent;
            totals.dropped = 0;
        }
        self.missing = Missing::default();
        self
    }
}

/// Goes through all that was seen of a run.
pub fn account(plan: &Plan, promises: Promises, observed: &Observed) -> Account {
    let evidence = Evidence {
        plan,
        promises,
        observed,
        presence: Presence::new(plan, &observed.presence),
    };
    let mut audit = Audit::new(&evidence);
    for (message, send) in (0..).zip(&plan.sends) {
        audit.message(message, send);
    }
    let Audit {
        nothing: mut totals,
        phases,
        missing,
        grey,
        mut findings,
        ..
    } = audit;
    order::check(&evidence, &mut findings);
    check_strays(&evidence, &mut findings);
    check_connections(&evidence, &mut findings);
    check_state(&evidence, &mut findings);
    for phase in &phases {
        totals.add(phase);
    }
    let account = Account {
        totals,
        phases,
        missing,
        grey,
        findings: findings.into_sorted(),
    };
    match observed.ended {
        None => account,
        Some(_) => account.of_a_cut_run(),
    }
}

/// Goes through the messages and counts.
struct Audit<'a> {
    evidence: &'a Evidence<'a>,
    stored: Option<&'a Stored>,
    /// What is counted before anything is.
    nothing: Totals,
    phases: Vec<Totals>,
    missing: Missing,
    grey: u64,
    findings: Findings<'a>,
}

/// What the members of a message were told about it.
#[derive(Clone, Copy, Default)]
struct Answers {
    confirmed: bool,
    acknowledged: bool,
    failed: bool,
    id: Option<u64>,
    ids_differ: bool,
}

impl<'a> Audit<'a> {
    fn new(evidence: &'a Evidence<'a>) -> Self {
        let stored = evidence.observed.stored.found();
        let nothing = Totals {
            stored: stored.map(|_| 0),
            ..Totals::default()
        };
        Self {
            evidence,
            stored,
            phases: vec![nothing.clone(); evidence.plan.phases.len()],
            missing: Missing::default(),
            nothing,
            grey: 0,
            findings: Findings::new(evidence.plan),
        }
    }

    fn message(&mut self, message: u32, send: &Send) {
        let evidence = self.evidence;
        let closed = evidence.plan.phase_of(send).closed;
        let Some(sent) = evidence.ledger().sent_at(message) else {
            // In a closed phase the plan has the most that could be said, and what was not reached was not due.
            let missed = u64::from(!closed);
            let totals = self.totals(send);
            totals.scheduled += missed;
            totals.dropped += missed;
            return;
        };
        let totals = self.totals(send);
        totals.scheduled += 1;
        totals.sent += 1;
        let first_receipt = evidence.ledger().first_receipt(message);
        let unheard = first_receipt.is_none() && evidence.presence.cut_short(send.sender, sent);
        let mut told = Answers::default();
        let members = &evidence.plan.conversation_of(send).members;
        for (position, &member) in members.iter().enumerate() {
            let seen = evidence.ledger().slot(send.slot as usize + position);
            let standing = match evidence.plan.place(member, send.conversation) {
                _ if unheard => Standing::Grey,
                Some(place) => {
                    evidence
                        .presence
                        .standing(member, place as u32, sent, first_receipt)
                }
                None => Standing::Out,
            };
            self.member(message, send, member, &seen, standing, &mut told);
            if member == send.sender {
                self.acknowledgement(message, send, sent, &seen, &mut told);
            }
        }
        let totals = self.totals(send);
        let Promises {
            ends, ack_confirms, ..
        } = evidence.promises;
        totals.confirmed += u64::from(told.confirmed && (ends || ack_confirms));
        totals.acknowledged += u64::from(told.acknowledged);
        totals.failed += u64::from(told.failed);
        self.stored(message, send, told);
    }

    fn totals(&mut self, send: &Send) -> &mut Totals {
        &mut self.phases[usize::from(send.phase)]
    }

    /// What one member saw of a message.
    fn member(
        &mut self,
        message: u32,
        send: &Send,
        member: u32,
        seen: &Slot,
        standing: Standing,
        told: &mut Answers,
    ) {
        let own = member == send.sender;
        let case = || Case::of(message, send, member);
        if !own || self.evidence.promises.echo {
            self.delivery(message, send, seen, standing, &case());
        }
        told.confirmed |= seen.confirmations() > 0;
        told.failed |= seen.failures() > 0;
        if let Some(id) = seen.id() {
            let differs = seen.id_differs() || told.id.is_some_and(|known| known != id);
            if differs {
                told.ids_differ = true;
                self.findings.add(Check::IdDiffers, case());
            }
            told.id.get_or_insert(id);
        }
        if self.evidence.promises.ends {
            let owed = standing == Standing::In { to_the_end: true };
            self.end(seen, owed, &case());
        }
    }

    fn delivery(
        &mut self,
        message: u32,
        send: &Send,
        seen: &Slot,
        standing: Standing,
        case: &Case,
    ) {
        let own = case.is_own();
        let deliveries = seen.deliveries();
        match (standing, deliveries) {
            (Standing::In { .. }, _) if own => self.own_copy(send, deliveries, case),
            (Standing::In { .. }, _) => self.due(message, send, deliveries, case),
            (Standing::Grey, _) => self.grey += u64::from(!own),
            (Standing::Out, 0) => {}
            (Standing::Out, _) => {
                let case = case.clone().named().note("who was no member at the time");
                self.findings.add(Check::CrossDelivered, case);
            }
        }
        if deliveries > 1 {
            let extra = deliveries - 1;
            self.totals(send).duplicated += extra;
            let case = case.clone().named().note(format!("{deliveries} times"));
            self.findings.add_times(Check::Duplicated, extra, case);
        }
        if seen.changed() {
            self.findings
                .add(Check::ContentChanged, case.clone().named());
        }
    }

    /// A delivery to another than the sender that was due.
    fn due(&mut self, message: u32, send: &Send, deliveries: u64, case: &Case) {
        let totals = self.totals(send);
        totals.expected += 1;
        totals.delivered += u64::from(deliveries > 0);
        totals.lost += u64::from(deliveries == 0);
        if deliveries == 0 {
            let plan = self.evidence.plan;
            if plan.phase_of(send).measured {
                let members = plan.conversation_of(send).members.len();
                self.missing.add(message, send.at, members);
            }
            self.findings.add(Check::Lost, case.clone());
        }
    }

    /// A sender's own copy that was due.
    fn own_copy(&mut self, send: &Send, deliveries: u64, case: &Case) {
        if deliveries == 0 {
            self.totals(send).echo_missing += 1;
            self.findings.add(Check::EchoMissing, case.clone());
        }
    }

    fn end(&mut self, seen: &Slot, owed: bool, case: &Case) {
        match (seen.confirmations(), seen.failures()) {
            (0, 0) if owed && seen.deliveries() > 0 => {
                self.findings.add(Check::EndMissing, case.clone());
            }
            (0, 0) | (1, 0) | (0, 1) => {}
            (confirmations, failures) => {
                let note = format!("Confirmed {confirmations}, Failed {failures} times");
                self.findings.add(Check::EndTwice, case.clone().note(note));
            }
        }
        // What was never delivered is lost, and its end is no second fault.
        if seen.ended_early() && seen.deliveries() > 0 {
            self.findings.add(Check::EndEarly, case.clone());
        }
    }

    fn acknowledgement(
        &mut self,
        message: u32,
        send: &Send,
        sent: u64,
        seen: &Slot,
        told: &mut Answers,
    ) {
        let Promises { acks, ends, .. } = self.evidence.promises;
        if !acks {
            return;
        }
        let owed = self.evidence.presence.owes_ack(send.sender, sent);
        if seen.acks() > 1 || owed && seen.acks() == 0 {
            let case = Case::of(message, send, send.sender);
            let note = format!("{} times", seen.acks());
            self.findings.add(Check::AckWrong, case.note(note));
        }
        told.acknowledged = seen.acks() > 0 && !seen.ack_refused();
        // Where no Confirmed comes, the acknowledgement is all that the store can be held against.
        if !ends && seen.acks() > 0 {
            told.confirmed |= !seen.ack_refused();
            told.failed |= seen.ack_refused();
        }
    }

    fn stored(&mut self, message: u32, send: &Send, told: Answers) {
        let Some(stored) = self.stored else {
            return;
        };
        let ids: Vec<u64> = stored.ids(message).collect();
        let case = || Case::of(message, send, send.sender);
        if told.confirmed {
            // Which of two ids is the stored one, the finding about the ids leaves open.
            let under = |id: &u64| told.ids_differ || told.id == Some(id_bits(*id));
            if ids.iter().any(under) {
                let totals = self.totals(send);
                totals.stored = totals.stored.map(|stored| stored + 1);
            } else {
                let note = match ids.is_empty() {
                    false => "stored under another _id",
                    true => "no document",
                };
                self.findings
                    .add(Check::ConfirmedNotStored, case().note(note));
            }
        } else if told.failed && !ids.is_empty() {
            self.findings.add(Check::FailedButStored, case());
        }
        if ids.len() > 1 {
            self.findings.add(Check::StoredTwice, case());
        }
    }
}

fn check_strays(evidence: &Evidence<'_>, findings: &mut Findings<'_>) {
    for (kind, check) in [
        (StrayKind::CrossDelivered, Check::CrossDelivered),
        (StrayKind::Unexpected, Check::Unexpected),
        (StrayKind::OrphanedEnd, Check::EndOrphaned),
    ] {
        let strays = &evidence.observed.strays;
        findings.add_counted(
            check,
            strays.count(kind),
            strays.cases(kind).iter().map(|stray| Example {
                recipient: Some(evidence.plan.users[stray.user as usize].clone()),
                note: Some(stray.what.clone()),
                ..Example::default()
            }),
        );
    }
}

fn check_connections(evidence: &Evidence<'_>, findings: &mut Findings<'_>) {
    let broken = &evidence.observed.broken;
    findings.add_counted(
        Check::ConnectionLost,
        broken.count(),
        broken.cases().iter().map(|broken| Example {
            recipient: Some(evidence.plan.users[broken.user as usize].clone()),
            note: Some(broken.why.to_string()),
            ..Example::default()
        }),
    );
}

fn check_state(evidence: &Evidence<'_>, findings: &mut Findings<'_>) {
    let Some([users, rooms, sockets]) = evidence.observed.left else {
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

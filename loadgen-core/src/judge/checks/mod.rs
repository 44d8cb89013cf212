//! The promises, checked on the whole account of a run: every (message, recipient) pair and every end of a message.

mod answers;
mod check;
mod fates;
mod finding;
mod order;
mod outcomes;
mod totals;

use self::{
    answers::Answers,
    fates::Fates,
    finding::{Case, Findings},
    outcomes::{Counted, Mark, Owed},
};
pub use self::{
    check::Check,
    fates::{Fate, Met},
    finding::{Example, Finding},
    outcomes::{Outcomes, RecordedOutcomes},
    totals::{Missing, Totals},
};
use crate::{
    model::{Delivery, Kind, Vocabulary},
    observed::{
        Ledger, Observed, Stored, StrayKind,
        ledger::{Slot, id_bits},
        presence::{self, Presence, Standing},
    },
    plan::{Plan, Send},
};

/// What a server owes for each message, beside its delivery to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promises {
    /// Confirmed or Failed, to everybody who got it.
    pub ends: bool,
    /// In these conversations a message has no end all the same.
    pub endless: Option<Kind>,
    /// An acknowledgement to the sender.
    pub acks: bool,
    /// An acknowledgement says that the message is stored, since nothing else does.
    pub ack_confirms: bool,
    /// A copy to the sender.
    pub echo: bool,
    /// The sender's copy is an event apart, whose order among the others' says nothing.
    pub answered_apart: bool,
    /// One order of a conversation's messages for all its members.
    pub one_order: bool,
    /// A delivery's id is the message's own, and no temporary one.
    pub final_ids: bool,
    /// All that the system's contract says, an acknowledgement after the save and no earlier among it.
    pub whole_contract: bool,
}

impl Promises {
    /// Of a server that speaks so and delivers so.
    pub fn of(vocabulary: &Vocabulary, delivery: Delivery) -> Self {
        let persist_first = delivery == Delivery::PersistFirst;
        Self {
            ends: !persist_first && vocabulary.has_ends(),
            endless: [Kind::Room, Kind::Channel]
                .into_iter()
                .find(|kind| vocabulary.names(*kind).confirmed.is_none()),
            acks: vocabulary.acknowledges_messages,
            ack_confirms: persist_first && vocabulary.acknowledges_messages,
            echo: vocabulary.echoes,
            answered_apart: vocabulary.room.sent.is_some() || vocabulary.channel.sent.is_some(),
            one_order: vocabulary.one_order,
            final_ids: persist_first,
            whole_contract: vocabulary.whole_contract,
        }
    }

    /// For messages in such conversations.
    pub fn in_a(self, kind: Kind) -> Self {
        Self {
            ends: self.ends && self.endless != Some(kind),
            ..self
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

    /// What is owed for a message.
    fn promises(&self, send: &Send) -> Promises {
        self.promises.in_a(self.plan.conversation_of(send).kind)
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
    /// Messages that could not be sent since a fault had their senders away.
    pub away: u64,
    /// Failed messages that a fault explains.
    pub failed_by_fault: u64,
    /// What became of each message, in the order of [`Fate::ALL`]; of a run without faults, nothing.
    pub fates: Vec<Met>,
    /// Broken promises, in the order of [`Check::ALL`].
    pub findings: Vec<Finding>,
    /// What all of it is counted from.
    pub outcomes: Outcomes,
}

impl Account {
    /// Counts outcomes up, beside what was found among them.
    fn counted(plan: &Plan, outcomes: Outcomes, findings: Vec<Finding>) -> Self {
        let Counted {
            phases,
            missing,
            grey,
        } = outcomes.counted(plan);
        let mut totals = Totals {
            stored: outcomes.looked_up.then_some(0),
            ..Totals::default()
        };
        for phase in &phases {
            totals.add(phase);
        }
        let cut = outcomes.cut;
        let account = Self {
            totals,
            phases,
            missing,
            grey,
            away: outcomes.away,
            failed_by_fault: outcomes.failed_by_fault,
            fates: outcomes.fates.clone(),
            findings,
            outcomes,
        };
        match cut {
            false => account,
            true => account.of_a_cut_run(),
        }
    }

    /// The account that recorded outcomes of a plan give. Findings have no examples: these are of what was seen.
    pub fn again(plan: &Plan, outcomes: Outcomes) -> Self {
        let mut broken = outcomes.broken();
        let whole = Self::counted(plan, outcomes, Vec::new());
        for (check, count) in [
            (Check::Lost, whole.totals.lost),
            (Check::EchoMissing, whole.totals.echo_missing),
            (Check::Duplicated, whole.totals.duplicated),
        ] {
            if count > 0 {
                *broken.entry(check).or_default() += count;
            }
        }
        let findings = broken.into_iter().map(|(check, count)| Finding {
            check,
            count,
            examples: Vec::new(),
        });
        let findings = findings.collect();
        match whole.outcomes.cut {
            false => Self { findings, ..whole },
            true => Self { findings, ..whole }.of_a_cut_run(),
        }
    }

    /// Whether an example of a finding is one of what was seen: a broken promise of that message, at its time, by its sender,
    /// to that member. What names no message is told of what belongs to none.
    pub fn has(&self, plan: &Plan, check: Check, example: &Example) -> bool {
        let Some(message) = example.message else {
            return self.findings.iter().any(|one| one.check == check);
        };
        let number = |id: &Option<String>| {
            let id = id.as_ref()?;
            plan.users.iter().position(|known| known == id)
        };
        let Some(send) = plan.sends.get(message as usize) else {
            return false;
        };
        let by = number(&example.sender) == Some(send.sender as usize);
        let to = number(&example.recipient)
            .is_some_and(|to| self.outcomes.has(plan, check, message, to as u32));
        by && to && example.at == Some(send.at)
    }

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
        presence: Presence::new(plan, &observed.presence).with_stall(observed.longest_stall()),
    };
    let mut audit = Audit::new(&evidence);
    for (message, send) in (0..).zip(&plan.sends) {
        audit.message(message, send);
    }
    let Audit {
        away,
        failed_by_fault,
        fates,
        mut findings,
        ..
    } = audit;
    order::check(&evidence, &mut findings);
    check_strays(&evidence, &mut findings);
    check_connections(&evidence, &mut findings);
    check_state(&evidence, &mut findings);
    let (findings, mut outcomes) = findings.into_sorted();
    outcomes.away = away;
    outcomes.failed_by_fault = failed_by_fault;
    outcomes.fates = fates.map(Fates::into_met).unwrap_or_default();
    outcomes.looked_up = observed.stored.found().is_some();
    outcomes.cut = observed.ended.is_some();
    Account::counted(plan, outcomes, findings)
}

/// Goes through the messages and notes what became of each.
struct Audit<'a> {
    evidence: &'a Evidence<'a>,
    stored: Option<&'a Stored>,
    away: u64,
    failed_by_fault: u64,
    fates: Option<Fates>,
    findings: Findings<'a>,
}

impl<'a> Audit<'a> {
    fn new(evidence: &'a Evidence<'a>) -> Self {
        Self {
            evidence,
            stored: evidence.observed.stored.found(),
            away: 0,
            failed_by_fault: 0,
            fates: (!evidence.plan.faults.is_empty()).then(Fates::new),
            findings: Findings::new(evidence.plan),
        }
    }

    fn message(&mut self, message: u32, send: &Send) {
        let evidence = self.evidence;
        let Some(sent) = evidence.ledger().sent_at(message) else {
            // What a closed phase did not reach was not due.
            if !evidence.plan.phase_of(send).closed {
                self.not_sent(message, send);
            }
            return;
        };
        let lost = self.findings.count_of(Check::Lost);
        let before = (self.findings.count(), lost);
        self.outcomes().note(message, Mark::Sent, true);
        let told = Answers::of(evidence, send);
        let turned_away = told.is_turned_away(evidence.promises(send));
        let first_sign = evidence.ledger().first_sign(message);
        let handled_by = presence::handled_by(sent, first_sign, told.delivered);
        let unheard = first_sign.is_none() && evidence.presence.cut_short(send.sender, sent);
        let members = &evidence.plan.conversation_of(send).members;
        for (position, &member) in members.iter().enumerate() {
            let slot = send.slot as usize + position;
            let seen = evidence.ledger().slot(slot);
            let standing = match evidence.plan.place(member, send.conversation) {
                _ if unheard => Standing::Grey,
                Some(place) => evidence
                    .presence
                    .standing(member, place as u32, sent, handled_by),
                None => Standing::Out,
            };
            let case = Case::of(message, send, member);
            if !turned_away {
                self.owed(slot, &seen, standing, &case);
            }
            self.member(send, slot, &seen, standing, &case);
            self.id(&seen, &told, &case);
            if member == send.sender {
                self.acknowledgement(member, sent, &seen, &case);
            }
        }
        self.told(message, send, &told);
        self.fate(message, send, &told, before);
    }

    /// A message that was due, and for which there was no connection.
    fn not_sent(&mut self, message: u32, send: &Send) {
        let is_away = fates::is_away(self.evidence, send);
        self.away += u64::from(is_away);
        let plan = self.evidence.plan;
        if let Some(fates) = &mut self.fates {
            let case = || finding::example(plan, Case::of(message, send, send.sender));
            fates.add(Fate::NotSent, send, false, case);
        }
    }

    /// What became of a message; `before` it so many promises were broken, and so many deliveries lost.
    fn fate(&mut self, message: u32, send: &Send, told: &Answers, before: (u64, u64)) {
        let lost = self.findings.count_of(Check::Lost) > before.1;
        let Some(fates) = &mut self.fates else {
            return;
        };
        let evidence = self.evidence;
        let stored = self
            .stored
            .map(|stored| stored.ids(message).next().is_some());
        let fate = fates::of_sent(evidence, message, send, told, lost, stored);
        let broken = self.findings.count() > before.0;
        let plan = evidence.plan;
        fates.add(fate, send, broken, || {
            finding::example(plan, Case::of(message, send, send.sender))
        });
    }

    fn outcomes(&mut self) -> &mut Outcomes {
        &mut self.findings.outcomes
    }

    /// What one member was owed of a message.
    fn owed(&mut self, slot: usize, seen: &Slot, standing: Standing, case: &Case) {
        let own = case.is_own();
        let (owed, missing) = match standing {
            _ if own && !self.evidence.promises.echo => return,
            Standing::In { .. } if own => (Owed::OwnCopy, Check::EchoMissing),
            Standing::In { .. } => (Owed::Delivery, Check::Lost),
            Standing::Grey if !own => {
                self.outcomes()
                    .owed(slot, Owed::Grey, seen.deliveries() > 0);
                return;
            }
            Standing::Grey | Standing::Out => return,
        };
        let arrived = seen.deliveries() > 0;
        self.outcomes().owed(slot, owed, arrived);
        if !arrived {
            self.findings.add(missing, case.clone());
        }
    }

    /// What one member saw of a message.
    fn member(&mut self, send: &Send, slot: usize, seen: &Slot, standing: Standing, case: &Case) {
        if !case.is_own() || self.evidence.promises.echo {
            self.delivery(slot, seen, standing, case);
        }
        for (wrong, check) in [
            (seen.by_wrong_event(), Check::WrongEvent),
            (seen.from_wrong_sender(), Check::WrongSender),
        ] {
            if wrong {
                self.findings.add(check, case.clone().named());
            }
        }
        if self.evidence.promises(send).ends {
            let owed = standing == Standing::In { to_the_end: true };
            self.end(seen, owed, case);
        }
    }

    fn delivery(&mut self, slot: usize, seen: &Slot, standing: Standing, case: &Case) {
        let deliveries = seen.deliveries();
        if standing == Standing::Out && deliveries > 0 {
            let case = case.clone().named().note("who was no member at the time");
            self.findings.add(Check::CrossDelivered, case);
        }
        if deliveries > 1 {
            let extra = deliveries - 1;
            self.outcomes().doubled(slot, extra);
            let case = case.clone().named().note(format!("{deliveries} times"));
            self.findings.add_times(Check::Duplicated, extra, case);
        }
        if seen.changed() {
            self.findings
                .add(Check::ContentChanged, case.clone().named());
        }
    }

    /// Two ids of one message: each member that was told another than the first one, or two.
    fn id(&mut self, seen: &Slot, told: &Answers, case: &Case) {
        if seen.id_differs() || seen.id().is_some_and(|id| told.id != Some(id)) {
            self.findings.add(Check::IdDiffers, case.clone());
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

    fn acknowledgement(&mut self, sender: u32, sent: u64, seen: &Slot, case: &Case) {
        if !self.evidence.promises.acks {
            return;
        }
        let owed = self.evidence.presence.owes_ack(sender, sent);
        if seen.acks() > 1 || owed && seen.acks() == 0 {
            let note = format!("{} times", seen.acks());
            self.findings.add(Check::AckWrong, case.clone().note(note));
        }
    }

    /// What all members together were told of a message.
    fn told(&mut self, message: u32, send: &Send, told: &Answers) {
        let promises = self.evidence.promises(send);
        if let Some(what) = told.contradiction(promises) {
            let case = Case::of(message, send, send.sender).note(what);
            self.findings.add(Check::AnswersContradict, case);
        }
        let says = promises.ends || promises.ack_confirms;
        let excused = told.is_failed() && fates::is_by_fault(self.evidence, send);
        self.failed_by_fault += u64::from(excused);
        let outcomes = self.outcomes();
        let confirmed = says && told.is_confirmed(promises);
        outcomes.note(message, Mark::Confirmed, confirmed);
        outcomes.note(message, Mark::Acknowledged, told.accepted);
        outcomes.note(message, Mark::Failed, told.is_failed());
        outcomes.note(message, Mark::Refused, told.refused);
        self.stored(message, send, told);
    }

    fn stored(&mut self, message: u32, send: &Send, told: &Answers) {
        let Some(stored) = self.stored else {
            return;
        };
        let ids: Vec<u64> = stored.ids(message).collect();
        let case = || Case::of(message, send, send.sender);
        if told.is_confirmed(self.evidence.promises(send)) {
            // Which of two ids is the stored one, the finding about the ids leaves open; and who was told no id, was told
            // no wrong one.
            let under =
                |id: &u64| told.ids_differ || told.id.is_none_or(|told| told == id_bits(*id));
            if ids.iter().any(under) {
                self.outcomes().note(message, Mark::Stored, true);
            } else {
                let note = match ids.is_empty() {
                    false => "stored under another _id",
                    true => "no document",
                };
                self.findings
                    .add(Check::ConfirmedNotStored, case().note(note));
            }
        } else if told.is_failed() && !ids.is_empty() {
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
    for (check, broken) in [
        (Check::ConnectionLost, &broken.lost),
        (Check::ProtocolViolated, &broken.violated),
    ] {
        findings.add_counted(
            check,
            broken.count(),
            broken.cases().iter().map(|broken| Example {
                recipient: Some(evidence.plan.users[broken.user as usize].clone()),
                note: Some(broken.why.to_string()),
                ..Example::default()
            }),
        );
    }
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

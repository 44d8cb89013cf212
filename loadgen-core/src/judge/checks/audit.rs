//! Goes through the messages of a run and notes what became of each: what every member was owed and saw, and all were told.

use std::collections::BTreeSet;

use super::{
    Check, Evidence, Fate,
    answers::Answers,
    fates::{self, Fates},
    finding::{self, Case, Findings},
    outcomes::{Mark, Outcomes, Owed},
};
use crate::{
    observed::{
        Differs, Stored,
        ledger::{Slot, id_bits},
        presence::{self, Standing},
    },
    plan::Send,
};

/// What became of the messages that were gone through.
pub(super) struct Audit<'a> {
    evidence: &'a Evidence<'a>,
    stored: Option<&'a Stored>,
    /// Messages that could not be sent since a fault had their senders away.
    pub(super) away: u64,
    /// Failed messages that a fault explains, by phase.
    pub(super) failed_by_fault: Vec<u64>,
    /// Of a run with faults.
    pub(super) fates: Option<Fates>,
    /// Broken promises.
    pub(super) findings: Findings<'a>,
}

impl<'a> Audit<'a> {
    /// Goes through all messages of the plan.
    pub(super) fn of(evidence: &'a Evidence<'a>) -> Self {
        let mut audit = Self::new(evidence);
        for (message, send) in (0..).zip(&evidence.plan.sends) {
            audit.message(message, send);
        }
        audit
    }

    fn new(evidence: &'a Evidence<'a>) -> Self {
        Self {
            evidence,
            stored: evidence.observed.stored.found(),
            away: 0,
            failed_by_fault: vec![0; evidence.plan.phases.len()],
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
        let began = sent.saturating_sub(evidence.due.at(message, send));
        let died = fates::died_with_its_server(evidence, message, send, sent);
        let unconfirmed = died && !told.is_confirmed(evidence.promises(send));
        let unheard =
            (first_sign.is_none() || unconfirmed) && evidence.presence.cut_short(send.sender, sent);
        let members = &evidence.plan.conversation_of(send).members;
        for (position, &member) in members.iter().enumerate() {
            let slot = send.slot as usize + position;
            let seen = evidence.ledger().slot(slot);
            let standing = match evidence.plan.place(member, send.conversation) {
                _ if unheard => Standing::Grey,
                Some(place) => {
                    evidence
                        .presence
                        .standing(member, place as u32, (sent, handled_by), began)
                }
                None => Standing::Out,
            };
            let case = Case::of(message, send, member);
            if !turned_away {
                self.owed(slot, &seen, standing, &case);
            }
            let ends = !died && standing == Standing::In { to_the_end: true };
            self.member(slot, &seen, standing, &case);
            if evidence.promises(send).ends {
                self.end(&seen, ends, &case);
                self.end_of_nothing(&seen, member, send, sent, &case);
            }
            self.id(&seen, &told, &case);
            if member == send.sender {
                self.acknowledgement(member, sent, &seen, &case);
            }
        }
        self.told(message, send, &told);
        self.fate(message, send, &told, before);
        let is_missing = told.is_failed() || self.findings.count_of(Check::Lost) > before.1;
        if is_missing && evidence.plan.phase_of(send).closed {
            let due = evidence.due.at(message, send);
            self.outcomes().was_due(message, due);
        }
    }

    /// A message that was due, and for which there was no connection.
    fn not_sent(&mut self, message: u32, send: &Send) {
        let is_away = fates::is_away(self.evidence, send);
        self.away += u64::from(is_away);
        let plan = self.evidence.plan;
        if let Some(fates) = &mut self.fates {
            let case = || finding::example(plan, Case::of(message, send, send.sender));
            fates.add(Fate::NotSent, send.at, false, case);
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
        let due = evidence.due.at(message, send);
        fates.add(fate, due, broken, || {
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
    fn member(&mut self, slot: usize, seen: &Slot, standing: Standing, case: &Case) {
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

    /// The end of a message to somebody who had left for good before it was sent, and was not given the message itself. The
    /// sender is told in any case.
    fn end_of_nothing(&mut self, seen: &Slot, member: u32, send: &Send, sent: u64, case: &Case) {
        let ended = seen.confirmations() + seen.failures() > 0;
        if case.is_own() || !ended || seen.deliveries() > 0 {
            return;
        }
        let place = self.evidence.plan.place(member, send.conversation);
        let presence = &self.evidence.presence;
        if place.is_some_and(|place| presence.had_left(member, place as u32, sent)) {
            let case = case
                .clone()
                .note("its end, to one who had left before it was sent");
            self.findings.add(Check::CrossDelivered, case);
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
        let due = self.evidence.due.at(message, send);
        let excused = told.is_failed() && fates::is_by_fault(self.evidence, send.sender, due);
        self.failed_by_fault[usize::from(send.phase)] += u64::from(excused);
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
        let promises = self.evidence.promises(send);
        if told.is_told_stored(promises) {
            // Of those that are counted as confirmed; where nothing is, of all that were told in another way.
            let counts = told.is_confirmed(promises) || !promises.ends && !promises.acks;
            match missing(stored, message, &ids, told) {
                None => self.outcomes().note(message, Mark::Stored, counts),
                Some(note) => {
                    self.findings
                        .add(Check::ConfirmedNotStored, case().note(note));
                }
            }
        } else if told.is_failed() && !ids.is_empty() {
            self.findings.add(Check::FailedButStored, case());
        }
        if ids.len() > 1 {
            self.findings.add(Check::StoredTwice, case());
        }
    }
}

/// Why a message is not there as it was sent, under the `_id` that was told; `None`: it is.
fn missing(stored: &Stored, message: u32, ids: &[u64], told: &Answers) -> Option<String> {
    // Which of two ids is the stored one, the finding about the ids leaves open; and who was told no id, was told no wrong one.
    let under = |id: &&u64| told.ids_differ || told.id.is_none_or(|told| told == id_bits(**id));
    let mut differs = BTreeSet::new();
    for id in ids.iter().filter(under) {
        let mut here = stored.differences(message, *id).peekable();
        here.peek()?;
        differs.extend(here);
    }
    let words: Vec<&str> = differs.into_iter().map(Differs::words).collect();
    Some(match (ids.is_empty(), words.is_empty()) {
        (true, _) => "no document".to_owned(),
        (false, true) => "stored under another _id".to_owned(),
        (false, false) => words.join(", "),
    })
}

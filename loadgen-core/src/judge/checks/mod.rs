//! The promises, checked on the whole account of a run: every (message, recipient) pair and every end of a message.

mod answers;
mod audit;
mod check;
mod fates;
mod finding;
mod order;
mod outcomes;
mod totals;

use self::{
    audit::Audit,
    fates::Fates,
    finding::{Case, Findings},
    outcomes::Counted,
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
    observed::{Due, Ledger, Observed, StrayKind, presence::Presence},
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

    /// Whether members may be on several servers, of which each handles a message at its own time: those of a plan, or what is
    /// behind the address of a server that promises no order of its own.
    pub fn may_be_several(self, plan: &Plan) -> bool {
        plan.nodes.count() > 1 || !(self.one_order || self.whole_contract)
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
    due: Due<'a>,
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
    /// The same of each phase; of older results, nothing.
    pub phases_by_fault: Vec<u64>,
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
            phases_by_fault: outcomes.phases_by_fault.clone(),
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
    let presence = Presence::new(plan, &observed.presence)
        .with_stall(observed.longest_stall())
        .on_several(promises.may_be_several(plan));
    let presence = match observed.rules.wait_for_what_was_broken() {
        true => presence.held_up(plan),
        false => presence,
    };
    let evidence = Evidence {
        plan,
        promises,
        observed,
        presence,
        due: Due::of(plan, &observed.ledger),
    };
    let Audit {
        away,
        failed_by_fault,
        fates,
        mut findings,
        ..
    } = Audit::of(&evidence);
    order::check(&evidence, &mut findings);
    check_strays(&evidence, &mut findings);
    check_connections(&evidence, &mut findings);
    check_state(&evidence, &mut findings);
    let (findings, mut outcomes) = findings.into_sorted();
    outcomes.away = away;
    outcomes.failed_by_fault = failed_by_fault.iter().sum();
    outcomes.phases_by_fault = failed_by_fault;
    outcomes.fates = fates.map(Fates::into_met).unwrap_or_default();
    outcomes.looked_up = observed.stored.found().is_some();
    outcomes.cut = observed.ended.is_some();
    Account::counted(plan, outcomes, findings)
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

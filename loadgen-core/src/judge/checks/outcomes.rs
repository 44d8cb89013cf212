//! What became of each message and of each of its deliveries: the one thing that totals, and what is missing, are counted from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Check, Met, Missing, Totals};
use crate::{
    model::{
        Nanos,
        packed::{self, UnpackError},
    },
    plan::{Plan, Send},
};

/// What became of a message, as bits of its byte.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark {
    /// It was sent.
    Sent = 0,
    /// Somebody was told that it is stored.
    Confirmed = 1,
    /// It was acknowledged with success.
    Acknowledged = 2,
    /// Somebody was told that it could not be stored.
    Failed = 3,
    /// Its acknowledgement said `success: false`.
    Refused = 4,
    /// It was found in the store.
    Stored = 5,
}

/// What was owed to a member: the two lowest bits of its byte, which are zero where nothing was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owed {
    /// A delivery to another than the sender.
    Delivery = 1,
    /// The sender's own copy.
    OwnCopy = 2,
    /// To another than the sender, in the grey zone of a join, a leave or a reconnect.
    Grey = 3,
}

/// The bits of what was owed.
const OWED: u8 = 0b11;
/// The bit of a member that got it.
const ARRIVED: u8 = 1 << 2;
/// Where the number of copies beyond the first begins.
const COPIES: u8 = 3;
/// As many copies as fit; more are kept apart.
const MOST_COPIES: u8 = u8::MAX >> COPIES;

/// A broken promise of one message to one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breach {
    /// The message's number in the plan.
    pub message: u32,
    /// The user's number in the plan.
    pub member: u32,
    /// How often.
    pub times: u32,
}

/// What became of all messages of a plan: a byte for each, and one for each member of its conversation, in the plan's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcomes {
    messages: Vec<u8>,
    slots: Vec<u8>,
    /// Copies of slots whose byte has no room for them.
    copies: BTreeMap<u32, u64>,
    /// When messages of closed phases were due that failed or did not come to all, from the schedule's start: the plan does not
    /// say. Nothing in older results.
    due: BTreeMap<u32, Nanos>,
    /// Broken promises that the bytes don't say.
    breaches: BTreeMap<Check, Vec<Breach>>,
    /// Broken promises that are no message's.
    apart: BTreeMap<Check, u64>,
    /// Messages that could not be sent since a fault had their senders away.
    pub(super) away: u64,
    /// Messages that failed since a fault kept them from being stored.
    pub(super) failed_by_fault: u64,
    /// The same of each phase; nothing where an older result does not say.
    pub(super) phases_by_fault: Vec<u64>,
    /// Of a run with faults, what became of its messages.
    pub(super) fates: Vec<Met>,
    /// Whether the store was looked up.
    pub(super) looked_up: bool,
    /// Whether the run was cut off.
    pub(super) cut: bool,
}

/// What [`Outcomes`] count up to.
pub(super) struct Counted {
    pub(super) phases: Vec<Totals>,
    pub(super) missing: Missing,
    pub(super) grey: u64,
}

impl Outcomes {
    /// Of a plan of which nothing was sent yet.
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            messages: vec![0; plan.sends.len()],
            slots: vec![0; plan.slots],
            ..Self::default()
        }
    }

    pub(super) fn note(&mut self, message: u32, mark: Mark, is_so: bool) {
        self.messages[message as usize] |= u8::from(is_so) << mark as u8;
    }

    /// What was owed to the member of a slot, and whether that came.
    pub(super) fn owed(&mut self, slot: usize, owed: Owed, arrived: bool) {
        self.slots[slot] |= owed as u8 | if arrived { ARRIVED } else { 0 };
    }

    /// Copies beyond the first.
    pub(super) fn doubled(&mut self, slot: usize, copies: u64) {
        let kept = copies.min(u64::from(MOST_COPIES));
        self.slots[slot] |= (kept as u8) << COPIES;
        if copies >= u64::from(MOST_COPIES) {
            self.copies.insert(slot as u32, copies);
        }
    }

    /// When a message of a closed phase was due.
    pub(super) fn was_due(&mut self, message: u32, due: Nanos) {
        self.due.insert(message, due);
    }

    /// A broken promise of a message to a member.
    pub(super) fn broke(&mut self, check: Check, breach: Breach) {
        if !is_in_the_bytes(check) {
            self.breaches.entry(check).or_default().push(breach);
        }
    }

    /// Broken promises that are no message's.
    pub(super) fn broke_apart(&mut self, check: Check, times: u64) {
        if times > 0 {
            *self.apart.entry(check).or_default() += times;
        }
    }

    /// Whether it is of such a plan: only then it says anything of it.
    pub fn is_of(&self, plan: &Plan) -> bool {
        let members = |send: &Send| plan.conversation_of(send).members.len();
        self.messages.len() == plan.sends.len()
            && self.slots.len() == plan.sends.iter().map(members).sum::<usize>()
    }

    /// Counted up.
    pub(super) fn counted(&self, plan: &Plan) -> Counted {
        let nothing = Totals {
            stored: self.looked_up.then_some(0),
            ..Totals::default()
        };
        let mut counted = Counted {
            phases: vec![nothing; plan.phases.len()],
            missing: Missing::default(),
            grey: 0,
        };
        for (message, send) in (0..).zip(&plan.sends) {
            self.count(plan, message, send, &mut counted);
        }
        counted
    }

    fn count(&self, plan: &Plan, message: u32, send: &Send, counted: &mut Counted) {
        let has = |mark: Mark| u64::from(self.messages[message as usize] >> mark as u8 & 1);
        let phase = plan.phase_of(send);
        let totals = &mut counted.phases[usize::from(send.phase)];
        if has(Mark::Sent) == 0 {
            // In a closed phase the plan has the most that could be said, and what was not reached was not due.
            let missed = u64::from(!phase.closed);
            totals.scheduled += missed;
            totals.dropped += missed;
            return;
        }
        totals.scheduled += 1;
        totals.sent += 1;
        totals.confirmed += has(Mark::Confirmed);
        totals.acknowledged += has(Mark::Acknowledged);
        totals.failed += has(Mark::Failed);
        totals.refused += has(Mark::Refused);
        totals.stored = totals.stored.map(|stored| stored + has(Mark::Stored));
        let due = self.due.get(&message).copied().unwrap_or(send.at);
        let members = plan.conversation_of(send).members.len();
        let slots = send.slot as usize..send.slot as usize + members;
        if has(Mark::Failed) == 1 && phase.measured {
            let came = slots.clone().any(|slot| self.slots[slot] & ARRIVED != 0);
            let turned_away = has(Mark::Refused) == 1 && !came;
            let acknowledged = has(Mark::Acknowledged) == 1;
            let missing = &mut counted.missing;
            missing.add_failed(due, acknowledged, turned_away);
        }
        for slot in slots {
            let seen = self.slots[slot];
            let arrived = u64::from(seen & ARRIVED != 0);
            totals.duplicated += self.copies(slot);
            match seen & OWED {
                owed if owed == Owed::Delivery as u8 => {
                    totals.expected += 1;
                    totals.delivered += arrived;
                    totals.lost += 1 - arrived;
                    if arrived == 0 && phase.measured {
                        counted.missing.add(message, due, members);
                    }
                }
                owed if owed == Owed::OwnCopy as u8 => totals.echo_missing += 1 - arrived,
                owed if owed == Owed::Grey as u8 => counted.grey += 1,
                _ => {}
            }
        }
    }

    fn copies(&self, slot: usize) -> u64 {
        let kept = self.slots[slot] >> COPIES;
        let apart = self.copies.get(&(slot as u32)).copied();
        apart.unwrap_or_else(|| u64::from(kept))
    }

    /// How often each promise was broken, those that the totals count aside.
    pub(super) fn broken(&self) -> BTreeMap<Check, u64> {
        let mut broken = self.apart.clone();
        for (check, breaches) in &self.breaches {
            let times = breaches.iter().map(|breach| u64::from(breach.times));
            *broken.entry(*check).or_default() += times.sum::<u64>();
        }
        broken
    }

    /// Whether a promise of that message to that member was broken.
    pub(super) fn has(&self, plan: &Plan, check: Check, message: u32, member: u32) -> bool {
        let Some(send) = plan.sends.get(message as usize) else {
            return false;
        };
        let mut members = plan.conversation_of(send).members.iter();
        let slot = members.position(|one| *one == member);
        let slot = slot.map(|position| send.slot as usize + position);
        let missing = |owed: Owed| {
            slot.is_some_and(|slot| {
                let seen = self.slots[slot];
                seen & OWED == owed as u8 && seen & ARRIVED == 0
            })
        };
        match check {
            Check::Lost => missing(Owed::Delivery),
            Check::EchoMissing => missing(Owed::OwnCopy),
            Check::Duplicated => slot.is_some_and(|slot| self.copies(slot) > 0),
            check => {
                let mut breaches = self.breaches.get(&check).into_iter().flatten();
                breaches.any(|one| one.message == message && one.member == member)
            }
        }
    }
}

/// What the bytes of slots say already.
const fn is_in_the_bytes(check: Check) -> bool {
    matches!(check, Check::Lost | Check::EchoMissing | Check::Duplicated)
}

/// As a result records it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedOutcomes {
    messages: String,
    slots: String,
    copies: Vec<(u32, u64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    due: Vec<(u32, Nanos)>,
    breaches: BTreeMap<Check, String>,
    apart: BTreeMap<Check, u64>,
    away: u64,
    failed_by_fault: u64,
    #[serde(default)]
    phases_by_fault: Vec<u64>,
    fates: Vec<Met>,
    looked_up: bool,
    cut: bool,
}

impl From<&Outcomes> for RecordedOutcomes {
    fn from(outcomes: &Outcomes) -> Self {
        let breaches = outcomes.breaches.iter().map(|(check, breaches)| {
            let numbers = breaches
                .iter()
                .flat_map(|one| [one.message, one.member, one.times]);
            let bytes: Vec<u8> = numbers.flat_map(u32::to_le_bytes).collect();
            (*check, packed::pack(&bytes))
        });
        Self {
            messages: packed::pack(&outcomes.messages),
            slots: packed::pack(&outcomes.slots),
            copies: outcomes
                .copies
                .iter()
                .map(|(&slot, &n)| (slot, n))
                .collect(),
            due: outcomes.due.iter().map(|(&one, &at)| (one, at)).collect(),
            breaches: breaches.collect(),
            apart: outcomes.apart.clone(),
            away: outcomes.away,
            failed_by_fault: outcomes.failed_by_fault,
            phases_by_fault: outcomes.phases_by_fault.clone(),
            fates: outcomes.fates.clone(),
            looked_up: outcomes.looked_up,
            cut: outcomes.cut,
        }
    }
}

impl TryFrom<&RecordedOutcomes> for Outcomes {
    type Error = UnpackError;

    fn try_from(recorded: &RecordedOutcomes) -> Result<Self, UnpackError> {
        let mut breaches = BTreeMap::new();
        for (check, text) in &recorded.breaches {
            let bytes = packed::unpack(text)?;
            let number = |at: &[u8]| u32::from_le_bytes([at[0], at[1], at[2], at[3]]);
            let three = bytes.chunks_exact(12).map(|one| Breach {
                message: number(&one[..4]),
                member: number(&one[4..8]),
                times: number(&one[8..]),
            });
            breaches.insert(*check, three.collect());
        }
        Ok(Self {
            messages: packed::unpack(&recorded.messages)?,
            slots: packed::unpack(&recorded.slots)?,
            copies: recorded.copies.iter().copied().collect(),
            due: recorded.due.iter().copied().collect(),
            breaches,
            apart: recorded.apart.clone(),
            away: recorded.away,
            failed_by_fault: recorded.failed_by_fault,
            phases_by_fault: recorded.phases_by_fault.clone(),
            fates: recorded.fates.clone(),
            looked_up: recorded.looked_up,
            cut: recorded.cut,
        })
    }
}

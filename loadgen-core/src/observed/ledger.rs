//! Who sent and who received: one slot for each message and member, written without locks while the run goes on.

mod record;
mod slot;

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

pub(super) use self::record::LedgerRecord;
use self::slot::{Beyond, Counter, Flag};
pub use self::slot::{Slot, id_bits};
use crate::{model::Nanos, plan::Plan};

/// The account of a run, shared by all workers. A slot has one writer, the worker of that user, so relaxed loads
/// and stores are enough; a message's own times are only ever raised or lowered.
///
/// 8 bytes a slot and 16 a message: 32 bytes for each delivery of a one-to-one chat.
#[derive(Debug)]
pub struct Ledger {
    slots: Box<[AtomicU64]>,
    /// What a slot's counters can't hold. Only a server that repeats itself more than twice gets an entry, so that the lock
    /// is never taken beside a healthy one.
    beyond: Mutex<HashMap<usize, Beyond>>,
    sent: Box<[AtomicU64]>,
    first: Box<[AtomicU32]>,
    slowest: Box<[AtomicU32]>,
    /// By message: when it was confirmed first; empty where nobody asks.
    confirmed: Box<[AtomicU32]>,
}

/// Latencies are kept in steps of 16 ns, so that 32 bits reach 68 seconds.
const STEP: u64 = 16;

impl Ledger {
    /// The empty account of a plan; where something breaks, also of when each message was confirmed.
    pub fn of(plan: &Plan) -> Self {
        let ledger = Self::new(plan.sends.len(), plan.slots);
        match plan.faults.is_empty() {
            true => ledger,
            false => ledger.with_confirmations(),
        }
    }

    /// An empty account.
    pub fn new(messages: usize, slots: usize) -> Self {
        let latencies = |none: u32| {
            std::iter::repeat_with(|| AtomicU32::new(none))
                .take(messages)
                .collect()
        };
        Self {
            slots: std::iter::repeat_with(AtomicU64::default)
                .take(slots)
                .collect(),
            beyond: Mutex::default(),
            sent: std::iter::repeat_with(AtomicU64::default)
                .take(messages)
                .collect(),
            first: latencies(u32::MAX),
            slowest: latencies(0),
            confirmed: Box::default(),
        }
    }

    /// One that also keeps when each message was confirmed first: 4 bytes more for each.
    #[must_use]
    pub fn with_confirmations(self) -> Self {
        let none = std::iter::repeat_with(|| AtomicU32::new(u32::MAX));
        Self {
            confirmed: none.take(self.sent.len()).collect(),
            ..self
        }
    }

    /// Notes that somebody was told that a message is stored, so long after its send.
    pub fn confirmed_after(&self, message: u32, after: Nanos) {
        if let Some(first) = self.confirmed.get(message as usize) {
            first.fetch_min(to_steps(after).0, Relaxed);
        }
    }

    /// How long after its send anybody was first told that a message is stored, exact to 16 ns; `None` also where nobody asked
    /// for it to be kept.
    pub fn first_confirmed(&self, message: u32) -> Option<Nanos> {
        let steps = self.confirmed.get(message as usize)?.load(Relaxed);
        (steps != u32::MAX).then(|| u64::from(steps) * STEP)
    }

    /// Bytes that an account of that size takes.
    pub fn bytes(messages: usize, slots: usize) -> usize {
        slots * size_of::<AtomicU64>()
            + messages * (2 * size_of::<AtomicU32>() + size_of::<AtomicU64>())
    }

    /// Notes when a message was sent, on the run's clock.
    pub fn sent(&self, message: u32, at: Nanos) {
        // 0 stands for "not sent".
        self.sent[message as usize].store(at.saturating_add(1), Relaxed);
    }

    /// When a message was sent, on the run's clock; `None` when it was not.
    pub fn sent_at(&self, message: u32) -> Option<Nanos> {
        self.sent[message as usize].load(Relaxed).checked_sub(1)
    }

    /// Notes a sign that the server has handled a message, so long after the send: a receipt, an acknowledgement, an end.
    pub fn sign_after(&self, message: u32, after: Nanos) {
        // What is longer than can be kept is as good as never: nobody is expected to have it by then.
        let (kept, _) = to_steps(after);
        self.first[message as usize].fetch_min(kept, Relaxed);
    }

    /// When anybody at all first saw that the server had handled a message, on the run's clock, exact to 16 ns.
    pub fn first_sign(&self, message: u32) -> Option<Nanos> {
        match self.first[message as usize].load(Relaxed) {
            u32::MAX => None,
            steps => Some(self.sent_at(message)? + u64::from(steps) * STEP),
        }
    }

    /// Notes a delivery's latency as a candidate for its message's slowest. `false`: longer than can be kept (68 s).
    pub fn latency(&self, message: u32, latency: Nanos) -> bool {
        let (kept, exact) = to_steps(latency.saturating_add(STEP));
        self.slowest[message as usize].fetch_max(kept, Relaxed);
        exact
    }

    /// The latency of a message's slowest delivery to another than its sender, exact to 16 ns.
    pub fn slowest(&self, message: u32) -> Option<Nanos> {
        let steps = self.slowest[message as usize].load(Relaxed);
        steps.checked_sub(1).map(|steps| u64::from(steps) * STEP)
    }

    /// Notes a delivery as the `arrival`-th event on its socket. `true` for the first one.
    pub fn delivered(&self, slot: usize, arrival: u32, changed: bool) -> bool {
        self.update(slot, |seen| {
            if changed {
                seen.set(Flag::Changed);
            }
            let first = seen.add(Counter::Delivered);
            if first {
                seen.bits |= u64::from(arrival);
            }
            first
        })
    }

    /// Notes a confirmation under an id (its hash), if it has one. `true` for the first end of the message here.
    pub fn confirmed(&self, slot: usize, id: Option<u64>) -> bool {
        self.update(slot, |seen| {
            if let Some(id) = id {
                seen.note_id(id);
            }
            seen.end(Counter::Confirmed)
        })
    }

    /// Notes a failure. `true` for the first end of the message here.
    pub fn failed(&self, slot: usize) -> bool {
        self.update(slot, |seen| seen.end(Counter::Failed))
    }

    /// Notes that a confirmation had another body than was sent.
    pub fn changed(&self, slot: usize) {
        self.update(slot, |seen| seen.set(Flag::Changed));
    }

    /// Notes that a message or its end came by an event that is not for this member, or not for such a conversation.
    pub fn wrong_event(&self, slot: usize) {
        self.update(slot, |seen| seen.set(Flag::WrongEvent));
    }

    /// Notes that a message or its confirmation named another sender, or none.
    pub fn wrong_sender(&self, slot: usize) {
        self.update(slot, |seen| seen.set(Flag::WrongSender));
    }

    /// Notes the sender's acknowledgement. `true` for the first one.
    pub fn acked(&self, slot: usize, accepted: bool) -> bool {
        self.update(slot, |seen| {
            if !accepted {
                seen.set(Flag::AckRefused);
            }
            seen.add(Counter::Acked)
        })
    }

    /// Notes the `_id` (its hash) under which a member was told that the message is stored.
    pub fn note_id(&self, slot: usize, id: u64) {
        self.update(slot, |seen| seen.note_id(id));
    }

    /// What a member saw.
    pub fn slot(&self, slot: usize) -> Slot {
        let mut seen = Slot {
            bits: self.slots[slot].load(Relaxed),
            beyond: Beyond::default(),
        };
        if seen.has_full_counter() {
            seen.beyond = self.beyond().get(&slot).copied().unwrap_or_default();
        }
        seen
    }

    fn beyond(&self) -> std::sync::MutexGuard<'_, HashMap<usize, Beyond>> {
        self.beyond.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what another process noted. A slot has one writer, so that what one has the other has not.
    pub(super) fn merge(&self, other: &Ledger) {
        if std::ptr::eq(self, other) {
            return;
        }
        for (mine, theirs) in self.slots.iter().zip(&other.slots) {
            mine.fetch_or(theirs.load(Relaxed), Relaxed);
        }
        let theirs = other.beyond().clone();
        let mut beyond = self.beyond();
        for (slot, theirs) in theirs {
            let mine = beyond.entry(slot).or_default();
            *mine = std::array::from_fn(|counter| mine[counter].max(theirs[counter]));
        }
        drop(beyond);
        for (mine, theirs) in self.sent.iter().zip(&other.sent) {
            mine.fetch_max(theirs.load(Relaxed), Relaxed);
        }
        for (mine, theirs) in self.first.iter().zip(&other.first) {
            mine.fetch_min(theirs.load(Relaxed), Relaxed);
        }
        for (mine, theirs) in self.confirmed.iter().zip(&other.confirmed) {
            mine.fetch_min(theirs.load(Relaxed), Relaxed);
        }
        for (mine, theirs) in self.slowest.iter().zip(&other.slowest) {
            mine.fetch_max(theirs.load(Relaxed), Relaxed);
        }
    }

    fn update<T>(&self, slot: usize, change: impl FnOnce(&mut Slot) -> T) -> T {
        let before = self.slot(slot);
        let mut seen = before;
        let result = change(&mut seen);
        self.slots[slot].store(seen.bits, Relaxed);
        if seen.beyond != before.beyond {
            self.beyond().insert(slot, seen.beyond);
        }
        result
    }
}

/// Steps, and whether these are not more than can be kept.
fn to_steps(nanos: Nanos) -> (u32, bool) {
    let steps = nanos / STEP;
    let kept = u32::try_from(steps).unwrap_or(u32::MAX);
    (kept, u64::from(kept) == steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_counts_what_its_member_saw() {
        let ledger = Ledger::new(1, 2);
        assert!(ledger.delivered(1, 77, false));
        assert!(!ledger.delivered(1, 99, false));
        assert!(ledger.confirmed(1, Some(5)));
        assert!(!ledger.failed(1));
        let slot = ledger.slot(1);
        assert_eq!((slot.deliveries(), slot.arrival()), (2, 77));
        assert_eq!((slot.confirmations(), slot.failures()), (1, 1));
        assert!(!slot.ended_early() && !slot.changed() && !slot.id_differs());
        assert_eq!(ledger.slot(0), Slot::default());
    }

    #[test]
    fn counters_go_on_beyond_their_bits_and_leave_their_neighbours_alone() {
        let ledger = Ledger::new(1, 2);
        for arrival in 0..91 {
            ledger.delivered(0, arrival, false);
        }
        for _ in 0..5 {
            ledger.confirmed(0, Some(7));
        }
        ledger.acked(0, true);
        let slot = ledger.slot(0);
        assert_eq!((slot.deliveries(), slot.arrival()), (91, 0));
        assert_eq!((slot.confirmations(), slot.failures()), (5, 0));
        assert_eq!((slot.acks(), slot.id()), (1, Some(7)));
        assert_eq!(ledger.slot(1), Slot::default());
    }

    #[test]
    fn beside_a_server_that_repeats_nothing_more_than_twice_nothing_is_kept_apart() {
        let ledger = Ledger::new(1, 1);
        for arrival in 0..3 {
            ledger.delivered(0, arrival, false);
            ledger.confirmed(0, Some(7));
        }
        assert!(ledger.beyond().is_empty());
    }

    #[test]
    fn an_end_before_the_delivery_is_early() {
        let ledger = Ledger::new(1, 1);
        ledger.failed(0);
        ledger.delivered(0, 1, true);
        assert!(ledger.slot(0).ended_early() && ledger.slot(0).changed());
    }

    #[test]
    fn what_is_noted_beside_the_counts_stays_apart_from_them() {
        let ledger = Ledger::new(1, 2);
        ledger.wrong_event(0);
        ledger.wrong_sender(1);
        let (event, sender) = (ledger.slot(0), ledger.slot(1));
        assert!(event.by_wrong_event() && !event.from_wrong_sender());
        assert!(sender.from_wrong_sender() && !sender.by_wrong_event());
        assert_eq!((event.id(), sender.id()), (None, None));
        assert!(!event.id_differs() && event.deliveries() == 0);
    }

    #[test]
    fn a_member_told_two_ids_is_noticed_and_an_id_of_zero_bits_is_one() {
        let ledger = Ledger::new(1, 2);
        ledger.note_id(0, 5);
        ledger.confirmed(0, Some(6));
        ledger.confirmed(1, Some(1 << 40));
        assert!(ledger.slot(0).id_differs() && !ledger.slot(1).id_differs());
        assert_eq!(ledger.slot(0).id(), Some(5));
        assert_eq!(ledger.slot(1).id(), Some(id_bits(1 << 40)));
        assert_eq!(ledger.slot(1).confirmations(), 1);
    }

    #[test]
    fn a_messages_times_are_exact_to_their_step() {
        let ledger = Ledger::new(2, 0);
        assert_eq!((ledger.sent_at(0), ledger.first_sign(0)), (None, None));
        ledger.sent(0, 0);
        assert_eq!(ledger.sent_at(0), Some(0));
        ledger.sent(0, 1_000);
        ledger.sign_after(0, 320);
        ledger.sign_after(0, 160);
        assert_eq!(ledger.first_sign(0), Some(1_160));
        assert_eq!(ledger.slowest(0), None);
        assert!(ledger.latency(0, 123_456) && ledger.latency(0, 5));
        assert_eq!(ledger.slowest(0), Some(123_456));
        assert!(!ledger.latency(1, 100_000_000_000));
    }

    #[test]
    fn when_a_message_was_confirmed_first_is_kept_where_somebody_asks() {
        let ledger = Ledger::new(2, 0).with_confirmations();
        ledger.confirmed_after(0, 320);
        ledger.confirmed_after(0, 1_600);
        let first = [0, 1].map(|message| ledger.first_confirmed(message));
        assert_eq!(first, [Some(320), None]);
        let without = Ledger::new(1, 0);
        without.confirmed_after(0, 320);
        assert_eq!(without.first_confirmed(0), None);
        without.merge(&ledger);
        ledger.merge(&without);
        assert_eq!(ledger.first_confirmed(0), Some(320));
    }

    #[test]
    fn an_account_stays_within_32_bytes_for_each_one_to_one_delivery() {
        assert!(Ledger::bytes(1_000, 2_000) <= 32 * 1_000);
    }
}

//! Who sent and who received: one slot for each message and member, written without locks while the run goes on.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::clock::Nanos;

/// The account of a run, shared by all workers. A slot has one writer, the worker of that user, so relaxed loads
/// and stores are enough; a message's own fields are written once each.
///
/// 8 bytes a slot and 16 a message: 32 bytes for each delivery of a one-to-one chat.
pub struct Ledger {
    slots: Box<[AtomicU64]>,
    lateness: Box<[AtomicU32]>,
    slowest: Box<[AtomicU32]>,
    ids: Box<[AtomicU64]>,
}

/// What one member saw of one message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slot(u64);

/// Counters in a slot are of two bits: none, once, twice, three times or more.
#[derive(Clone, Copy)]
enum Counter {
    Delivered = 32,
    Confirmed = 34,
    Failed = 36,
    Acked = 38,
}

/// Flags in a slot.
#[derive(Clone, Copy)]
enum Flag {
    EarlyEnd = 40,
    Changed = 41,
    AckRefused = 42,
    IdDiffers = 43,
}

/// A message's times are kept in steps of 16 ns, so that 32 bits reach 68 seconds; 0 means none.
const STEP: u64 = 16;

impl Ledger {
    /// An empty account.
    pub fn new(messages: usize, slots: usize) -> Self {
        Self {
            slots: std::iter::repeat_with(AtomicU64::default)
                .take(slots)
                .collect(),
            lateness: std::iter::repeat_with(AtomicU32::default)
                .take(messages)
                .collect(),
            slowest: std::iter::repeat_with(AtomicU32::default)
                .take(messages)
                .collect(),
            ids: std::iter::repeat_with(AtomicU64::default)
                .take(messages)
                .collect(),
        }
    }

    /// Bytes that an account of that size takes.
    pub fn bytes(messages: usize, slots: usize) -> usize {
        slots * size_of::<AtomicU64>()
            + messages * (2 * size_of::<AtomicU32>() + size_of::<AtomicU64>())
    }

    /// Notes that a message was sent, and how late. `false`: later than can be kept (68 s).
    pub fn sent(&self, message: u32, lateness: Nanos) -> bool {
        let (kept, exact) = to_steps(lateness);
        self.lateness[message as usize].store(kept, Relaxed);
        exact
    }

    /// How late a message was sent, exact to 16 ns; `None` when it was not sent.
    pub fn lateness(&self, message: u32) -> Option<Nanos> {
        from_steps(self.lateness[message as usize].load(Relaxed))
    }

    /// Notes a delivery's latency as a candidate for its message's slowest. `false`: longer than can be kept (68 s).
    pub fn latency(&self, message: u32, latency: Nanos) -> bool {
        let (kept, exact) = to_steps(latency);
        self.slowest[message as usize].fetch_max(kept, Relaxed);
        exact
    }

    /// The latency of a message's slowest delivery to another than its sender, exact to 16 ns.
    pub fn slowest(&self, message: u32) -> Option<Nanos> {
        from_steps(self.slowest[message as usize].load(Relaxed))
    }

    /// Notes a delivery as the `arrival`-th event on its socket. `true` for the first one.
    pub fn delivered(&self, slot: usize, arrival: u32, changed: bool) -> bool {
        self.update(slot, |seen| {
            if changed {
                seen.set(Flag::Changed);
            }
            let first = seen.count(Counter::Delivered) == 0;
            if first {
                seen.0 |= u64::from(arrival);
            }
            seen.add(Counter::Delivered);
            first
        })
    }

    /// Notes a confirmation under an id (its hash, not zero). `true` for the first end of the message here.
    pub fn confirmed(&self, message: u32, slot: usize, id: u64) -> bool {
        let same = self.note_id(message, id);
        self.update(slot, |seen| {
            if !same {
                seen.set(Flag::IdDiffers);
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

    /// Notes the sender's acknowledgement. `true` for the first one.
    pub fn acked(&self, slot: usize, accepted: bool) -> bool {
        self.update(slot, |seen| {
            if !accepted {
                seen.set(Flag::AckRefused);
            }
            let first = seen.count(Counter::Acked) == 0;
            seen.add(Counter::Acked);
            first
        })
    }

    /// Notes the `_id` under which the server says that the message is stored. `false`: it said another before.
    pub fn note_id(&self, message: u32, id: u64) -> bool {
        match self.ids[message as usize].compare_exchange(0, id, Relaxed, Relaxed) {
            Ok(_) => true,
            Err(known) => known == id,
        }
    }

    /// The hash of the `_id` that the server gave the message.
    pub fn id(&self, message: u32) -> Option<u64> {
        match self.ids[message as usize].load(Relaxed) {
            0 => None,
            id => Some(id),
        }
    }

    /// What a member saw.
    pub fn slot(&self, slot: usize) -> Slot {
        Slot(self.slots[slot].load(Relaxed))
    }

    fn update<T>(&self, slot: usize, change: impl FnOnce(&mut Slot) -> T) -> T {
        let mut seen = self.slot(slot);
        let result = change(&mut seen);
        self.slots[slot].store(seen.0, Relaxed);
        result
    }
}

fn to_steps(nanos: Nanos) -> (u32, bool) {
    let steps = nanos / STEP + 1;
    let kept = u32::try_from(steps).unwrap_or(u32::MAX);
    (kept, u64::from(kept) == steps)
}

fn from_steps(steps: u32) -> Option<Nanos> {
    steps.checked_sub(1).map(|steps| u64::from(steps) * STEP)
}

impl Slot {
    /// How often the message was delivered to this member; 3 stands for 3 or more, here and below.
    pub fn deliveries(self) -> u8 {
        self.count(Counter::Delivered)
    }

    /// How often it was confirmed to this member.
    pub fn confirmations(self) -> u8 {
        self.count(Counter::Confirmed)
    }

    /// How often it was told as failed to this member.
    pub fn failures(self) -> u8 {
        self.count(Counter::Failed)
    }

    /// How often it was acknowledged: a sender's slot only.
    pub fn acks(self) -> u8 {
        self.count(Counter::Acked)
    }

    /// The place of the first delivery among all events on that socket.
    pub fn arrival(self) -> u32 {
        self.0 as u32
    }

    /// Confirmed or Failed came before the delivery.
    pub fn ended_early(self) -> bool {
        self.has(Flag::EarlyEnd)
    }

    /// Some delivery or confirmation had another body than was sent.
    pub fn changed(self) -> bool {
        self.has(Flag::Changed)
    }

    /// The acknowledgement said `success: false`.
    pub fn ack_refused(self) -> bool {
        self.has(Flag::AckRefused)
    }

    /// This member was told another `_id` than somebody else.
    pub fn id_differs(self) -> bool {
        self.has(Flag::IdDiffers)
    }

    fn end(&mut self, counter: Counter) -> bool {
        if self.deliveries() == 0 {
            self.set(Flag::EarlyEnd);
        }
        let first = self.confirmations() == 0 && self.failures() == 0;
        self.add(counter);
        first
    }

    fn count(self, counter: Counter) -> u8 {
        (self.0 >> counter as u32 & 0b11) as u8
    }

    fn add(&mut self, counter: Counter) {
        if self.count(counter) < 0b11 {
            self.0 += 1 << counter as u32;
        }
    }

    fn has(self, flag: Flag) -> bool {
        self.0 >> flag as u32 & 1 == 1
    }

    fn set(&mut self, flag: Flag) {
        self.0 |= 1 << flag as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_counts_what_its_member_saw() {
        let ledger = Ledger::new(1, 2);
        assert!(ledger.delivered(1, 77, false));
        assert!(!ledger.delivered(1, 99, false));
        assert!(ledger.confirmed(0, 1, 5));
        assert!(!ledger.failed(1));
        let slot = ledger.slot(1);
        assert_eq!((slot.deliveries(), slot.arrival()), (2, 77));
        assert_eq!((slot.confirmations(), slot.failures()), (1, 1));
        assert!(!slot.ended_early() && !slot.changed() && !slot.id_differs());
        assert_eq!(ledger.slot(0), Slot::default());
    }

    #[test]
    fn counters_stop_at_three_and_leave_their_neighbours_alone() {
        let ledger = Ledger::new(1, 1);
        for arrival in 0..9 {
            ledger.delivered(0, arrival, false);
        }
        assert_eq!(ledger.slot(0).deliveries(), 3);
        assert_eq!(ledger.slot(0).confirmations(), 0);
    }

    #[test]
    fn an_end_before_the_delivery_is_early() {
        let ledger = Ledger::new(1, 1);
        ledger.failed(0);
        ledger.delivered(0, 1, true);
        assert!(ledger.slot(0).ended_early() && ledger.slot(0).changed());
    }

    #[test]
    fn members_told_different_ids_are_noticed() {
        let ledger = Ledger::new(1, 2);
        ledger.confirmed(0, 0, 5);
        ledger.confirmed(0, 1, 6);
        assert!(!ledger.slot(0).id_differs() && ledger.slot(1).id_differs());
        assert_eq!(ledger.id(0), Some(5));
    }

    #[test]
    fn lateness_is_exact_to_its_step_and_says_when_it_is_not() {
        let ledger = Ledger::new(2, 0);
        assert_eq!(ledger.lateness(0), None);
        assert!(ledger.sent(0, 123_456));
        assert_eq!(ledger.lateness(0), Some(123_456));
        assert!(!ledger.sent(1, 100_000_000_000));
    }

    #[test]
    fn an_account_stays_within_32_bytes_for_each_one_to_one_delivery() {
        assert!(Ledger::bytes(1_000, 2_000) <= 32 * 1_000);
    }
}

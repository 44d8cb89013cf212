//! What one member saw of one message: counters and flags in the bits of one number.

/// What one member saw of one message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slot {
    pub(super) bits: u64,
    pub(super) beyond: Beyond,
}

/// How often more than [`FULL`] each of a slot's counters was raised.
pub(super) type Beyond = [u32; 4];

/// Counters in a slot are of two bits, from this one on: none, once, twice, three times; more is kept apart.
#[derive(Clone, Copy)]
pub(super) enum Counter {
    Delivered = 32,
    Confirmed = 34,
    Failed = 36,
    Acked = 38,
}

/// As much as two bits hold.
const FULL: u64 = 0b11;

/// Flags in a slot.
#[derive(Clone, Copy)]
pub(super) enum Flag {
    EarlyEnd = 40,
    Changed = 41,
    AckRefused = 42,
    IdDiffers = 43,
    WrongEvent = 44,
    WrongSender = 45,
}

/// Where in a slot the id begins that its member was told; the slot's last bits.
const ID: u32 = 46;
/// An id is known by so many bits of its hash: one wrong id in 262,144 is not noticed, all of a faulty server's are.
const ID_BITS: u64 = (1 << (64 - ID)) - 1;

/// The bits by which the hash of an `_id` is known; never 0, which stands for none.
pub fn id_bits(hash: u64) -> u64 {
    (hash & ID_BITS).max(1)
}

impl Slot {
    /// How often the message was delivered to this member.
    pub fn deliveries(self) -> u64 {
        self.count(Counter::Delivered)
    }

    /// How often it was confirmed to this member.
    pub fn confirmations(self) -> u64 {
        self.count(Counter::Confirmed)
    }

    /// How often it was told as failed to this member.
    pub fn failures(self) -> u64 {
        self.count(Counter::Failed)
    }

    /// How often it was acknowledged: a sender's slot only.
    pub fn acks(self) -> u64 {
        self.count(Counter::Acked)
    }

    /// The place of the first delivery among all events on that socket.
    pub fn arrival(self) -> u32 {
        self.bits as u32
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

    /// The message or an end of it came by an event that is not for this member, or not for such a conversation.
    pub fn by_wrong_event(self) -> bool {
        self.has(Flag::WrongEvent)
    }

    /// The message or its confirmation named another sender, or none.
    pub fn from_wrong_sender(self) -> bool {
        self.has(Flag::WrongSender)
    }

    /// This member was told two different `_id`s.
    pub fn id_differs(self) -> bool {
        self.has(Flag::IdDiffers)
    }

    /// The `_id` that this member was told, as [`id_bits`] of its hash.
    pub fn id(self) -> Option<u64> {
        let id = self.bits >> ID;
        (id != 0).then_some(id)
    }

    pub(super) fn note_id(&mut self, hash: u64) {
        match self.id() {
            None => self.bits |= id_bits(hash) << ID,
            Some(known) if known != id_bits(hash) => self.set(Flag::IdDiffers),
            Some(_) => {}
        }
    }

    pub(super) fn end(&mut self, counter: Counter) -> bool {
        if self.deliveries() == 0 {
            self.set(Flag::EarlyEnd);
        }
        let first = self.confirmations() == 0 && self.failures() == 0;
        self.add(counter);
        first
    }

    fn count(self, counter: Counter) -> u64 {
        self.held(counter) + u64::from(self.beyond[counter.place()])
    }

    /// As much of a count as its two bits hold.
    fn held(self, counter: Counter) -> u64 {
        self.bits >> counter as u32 & FULL
    }

    pub(super) fn has_full_counter(self) -> bool {
        Counter::ALL
            .into_iter()
            .any(|counter| self.held(counter) == FULL)
    }

    /// Counts one more. `true` for the first.
    pub(super) fn add(&mut self, counter: Counter) -> bool {
        let held = self.held(counter);
        if held < FULL {
            self.bits += 1 << counter as u32;
        } else {
            let beyond = &mut self.beyond[counter.place()];
            *beyond = beyond.saturating_add(1);
        }
        held == 0
    }

    fn has(self, flag: Flag) -> bool {
        self.bits >> flag as u32 & 1 == 1
    }

    pub(super) fn set(&mut self, flag: Flag) {
        self.bits |= 1 << flag as u32;
    }
}

impl Counter {
    const ALL: [Counter; 4] = [
        Counter::Delivered,
        Counter::Confirmed,
        Counter::Failed,
        Counter::Acked,
    ];

    /// Its place in [`Beyond`].
    const fn place(self) -> usize {
        (self as usize - Counter::Delivered as usize) / 2
    }
}

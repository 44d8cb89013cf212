//! What waits for one connection: bounded in packets and bytes, and handed on only as fast as it is written.
//!
//! Pure bookkeeping: `T` is a packet in whatever form its owner keeps it. What is handed to the library is *in flight*
//! until the connection's writer, or the answer to a poll, has taken it.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

/// Bytes in flight at most. Below `maxPayload`, which is what one answer to a poll may hold: the library forgets
/// a packet that did not fit into the last answer before an upgrade, so all that is in flight must fit.
const WINDOW: usize = 900_000;
/// Packets in flight at most.
pub const WINDOW_PACKETS: usize = 512;
/// What a packet costs besides its payload: the event's name, quotes, the place in the queue.
const OVERHEAD: usize = 128;

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Packets waiting and in flight, for one connection.
    pub packets: usize,
    /// Bytes waiting and in flight, for one connection.
    pub bytes: usize,
}

/// What waits in all outboxes together, in bytes.
///
/// When it is more than the bound, a connection that holds more than an equal share of the bound is refused its next
/// packet: so those pay who hold the memory, and the sum stays near the bound.
#[derive(Debug)]
pub struct SendMemory {
    bound: usize,
    held: AtomicUsize,
    holders: AtomicUsize,
}

impl SendMemory {
    /// At most about `bound` bytes.
    #[must_use]
    pub const fn new(bound: usize) -> Self {
        Self {
            bound,
            held: AtomicUsize::new(0),
            holders: AtomicUsize::new(0),
        }
    }

    /// Bytes that wait now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    fn allows(&self, holds: usize, more: usize) -> bool {
        self.held() + more <= self.bound
            || holds + more <= self.bound / self.holders.load(Relaxed).max(1)
    }
}

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Hand it on, and say so with [`Outbox::handed`].
    Now,
    /// Keep it with [`Outbox::wait`].
    Later,
    /// There is no room for it here.
    Full,
    /// There is no room for it in the process.
    MemoryFull,
    /// The connection has ended.
    Closed,
}

/// What waits for one connection.
#[derive(Debug)]
pub struct Outbox<T> {
    bounds: Bounds,
    memory: Arc<SendMemory>,
    in_flight: VecDeque<usize>,
    in_flight_bytes: usize,
    waiting: VecDeque<(T, usize)>,
    waiting_bytes: usize,
    taken: u64,
    closed: bool,
}

impl<T> Outbox<T> {
    /// Nothing waits.
    #[must_use]
    pub const fn new(bounds: Bounds, memory: Arc<SendMemory>) -> Self {
        Self {
            bounds,
            memory,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            taken: 0,
            closed: false,
        }
    }

    /// What to do with a packet of `payload` bytes.
    #[must_use]
    pub fn offer(&self, payload: usize) -> Offer {
        let bytes = payload + OVERHEAD;
        if self.closed {
            Offer::Closed
        } else if self.in_flight.len() + self.waiting.len() >= self.bounds.packets
            || self.in_flight_bytes + self.waiting_bytes + bytes > self.bounds.bytes.max(bytes)
        {
            Offer::Full
        } else if self.waiting.is_empty() && self.has_room(bytes) {
            Offer::Now
        } else if self.memory.allows(self.waiting_bytes, bytes) {
            Offer::Later
        } else {
            Offer::MemoryFull
        }
    }

    /// A packet of `payload` bytes was handed on.
    pub fn handed(&mut self, payload: usize) {
        self.in_flight.push_back(payload + OVERHEAD);
        self.in_flight_bytes += payload + OVERHEAD;
    }

    /// Keeps a packet of `payload` bytes.
    pub fn wait(&mut self, packet: T, payload: usize) {
        if self.waiting.is_empty() {
            self.memory.holders.fetch_add(1, Relaxed);
        }
        self.waiting.push_back((packet, payload));
        self.waiting_bytes += payload + OVERHEAD;
        self.memory.held.fetch_add(payload + OVERHEAD, Relaxed);
    }

    /// The next packet that may be handed on, if there is one, with the bytes of its payload.
    pub fn pop(&mut self) -> Option<(T, usize)> {
        let (_, payload) = self.waiting.front()?;
        if !self.has_room(payload + OVERHEAD) {
            return None;
        }
        let (packet, payload) = self.waiting.pop_front()?;
        self.waiting_bytes -= payload + OVERHEAD;
        self.release(payload + OVERHEAD);
        Some((packet, payload))
    }

    /// The oldest `packets` in flight were taken by the connection. More than there are is as many as there are.
    pub fn taken(&mut self, packets: usize) {
        for bytes in self.in_flight.drain(..packets.min(self.in_flight.len())) {
            self.in_flight_bytes -= bytes;
            self.taken += 1;
        }
    }

    /// How many packets this connection has taken since its beginning.
    #[must_use]
    pub const fn taken_so_far(&self) -> u64 {
        self.taken
    }

    /// How many packets it has not taken yet.
    #[must_use]
    pub fn untaken(&self) -> usize {
        self.in_flight.len() + self.waiting.len()
    }

    /// Forgets all that waits; says how many packets nobody will get.
    pub fn clear(&mut self) -> usize {
        let lost = self.waiting.len();
        self.waiting = VecDeque::new();
        if lost > 0 {
            self.release(self.waiting_bytes);
        }
        self.waiting_bytes = 0;
        lost
    }

    /// Forgets all that waits and takes nothing any more; says how many packets nobody will get.
    pub fn close(&mut self) -> usize {
        self.closed = true;
        self.clear()
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.in_flight.is_empty()
            || self.in_flight_bytes + bytes <= WINDOW && self.in_flight.len() < WINDOW_PACKETS
    }

    /// Gives bytes back that waited, once they are out of the queue.
    fn release(&self, bytes: usize) {
        self.memory.held.fetch_sub(bytes, Relaxed);
        if self.waiting.is_empty() {
            self.memory.holders.fetch_sub(1, Relaxed);
        }
    }
}

impl<T> Drop for Outbox<T> {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOMY: Bounds = Bounds {
        packets: 10_000,
        bytes: 1 << 30,
    };

    fn outbox(bounds: Bounds, memory: usize) -> Outbox<usize> {
        Outbox::new(bounds, Arc::new(SendMemory::new(memory)))
    }

    /// Does with a packet what is to be done with it.
    fn push(outbox: &mut Outbox<usize>, packet: usize, payload: usize, out: &mut Vec<usize>) {
        match outbox.offer(payload) {
            Offer::Now => {
                outbox.handed(payload);
                out.push(packet);
            }
            Offer::Later => outbox.wait(packet, payload),
            full => panic!("{full:?}"),
        }
    }

    #[test]
    fn a_packet_beyond_the_window_goes_alone() {
        let mut outbox = outbox(ROOMY, usize::MAX);
        let mut out = Vec::new();
        push(&mut outbox, 0, 950_000, &mut out);
        push(&mut outbox, 1, 1, &mut out);
        assert_eq!(out, [0]);
        assert_eq!(outbox.pop(), None);
        outbox.taken(1);
        assert_eq!(outbox.pop(), Some((1, 1)));
    }

    #[test]
    fn it_is_full_in_packets_and_in_bytes() {
        let few = Bounds {
            packets: 2,
            ..ROOMY
        };
        let mut by_packets = outbox(few, usize::MAX);
        let mut out = Vec::new();
        push(&mut by_packets, 0, 1, &mut out);
        push(&mut by_packets, 1, 1, &mut out);
        assert_eq!(by_packets.offer(1), Offer::Full);
        by_packets.taken(1);
        assert_eq!(by_packets.offer(1), Offer::Now);

        let small = Bounds {
            bytes: 1000,
            ..ROOMY
        };
        let mut by_bytes = outbox(small, usize::MAX);
        push(&mut by_bytes, 0, 500, &mut out);
        assert_eq!(by_bytes.offer(500), Offer::Full);
        assert_eq!(by_bytes.close(), 0);
        assert_eq!(by_bytes.offer(1), Offer::Closed);
    }

    #[test]
    fn who_holds_more_than_a_share_of_a_full_process_is_refused() {
        let memory = Arc::new(SendMemory::new(4_000_000));
        let mut out = Vec::new();
        let mut fill = |packets| {
            let mut outbox = Outbox::new(ROOMY, Arc::clone(&memory));
            outbox.handed(WINDOW);
            for packet in 0..packets {
                push(&mut outbox, packet, 100_000, &mut out);
            }
            outbox
        };
        let greedy = fill(38);
        let modest = fill(1);
        assert_eq!(greedy.offer(100_000), Offer::MemoryFull);
        assert_eq!(modest.offer(100_000), Offer::Later);
        drop((greedy, modest));
        assert_eq!(memory.held(), 0);
        assert_eq!(memory.holders.load(Relaxed), 0);
    }

    proptest! {
        /// Whatever is pushed and taken in whatever rhythm: all packets come out, in order, and what is in flight
        /// fits into one answer to a poll.
        #[test]
        fn everything_comes_out_in_order_within_the_window(
            steps in proptest::collection::vec((0_usize..300_000, 0_usize..4), 1..200)
        ) {
            let mut outbox = outbox(ROOMY, usize::MAX);
            let mut out = Vec::new();
            let pump = |outbox: &mut Outbox<usize>, out: &mut Vec<usize>, packets| {
                outbox.taken(packets);
                while let Some((packet, payload)) = outbox.pop() {
                    outbox.handed(payload);
                    out.push(packet);
                }
                assert!(outbox.in_flight_bytes <= WINDOW || outbox.in_flight.len() == 1);
            };
            for (packet, (payload, packets)) in steps.iter().enumerate() {
                push(&mut outbox, packet, *payload, &mut out);
                pump(&mut outbox, &mut out, *packets);
            }
            while outbox.untaken() > 0 {
                pump(&mut outbox, &mut out, 1);
            }
            prop_assert_eq!(outbox.taken_so_far(), steps.len() as u64);
            prop_assert_eq!(out, (0..steps.len()).collect::<Vec<_>>());
            prop_assert_eq!(outbox.memory.held(), 0);
        }
    }
}

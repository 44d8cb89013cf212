//! What happens next in the simulated world: by time, and at one time in an order that the seed chooses.

use std::{cmp::Reverse, collections::BinaryHeap};

/// Milliseconds since the world began.
pub type Millis = u64;

/// What keeps its order: each a number of its own.
#[derive(Debug, Clone, Copy)]
pub enum Lane {
    /// From a client to the server.
    ToServer(u32),
    /// From the server to a client.
    ToClient(u32),
    /// What a device does.
    Device(usize),
    /// A command on its way to the database and back.
    Command(u64),
    /// What was planned before the world began.
    Plan,
    /// Looks at what must have ended by then.
    Watch,
}

impl Lane {
    const fn number(self) -> u64 {
        let (kind, number) = match self {
            Self::ToServer(id) => (0, id as u64),
            Self::ToClient(id) => (1, id as u64),
            Self::Device(number) => (2, number as u64),
            Self::Command(id) => (3, id),
            Self::Plan => (4, 0),
            Self::Watch => (5, 0),
        };
        number * 8 + kind
    }
}

/// Events to come. Those of one lane keep their order; at one time, lanes take turns as the seed has it.
pub struct Agenda<E> {
    seed: u64,
    count: u64,
    heap: BinaryHeap<Reverse<Entry<E>>>,
}

struct Entry<E> {
    key: (Millis, u64, u64, u64),
    event: E,
}

impl<E> Agenda<E> {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            count: 0,
            heap: BinaryHeap::new(),
        }
    }

    pub fn push(&mut self, at: Millis, lane: Lane, event: E) {
        self.count += 1;
        let lane = lane.number();
        let turn = mix(&[self.seed, at, lane]);
        let key = (at, turn, lane, self.count);
        self.heap.push(Reverse(Entry { key, event }));
    }

    /// The time of the next event.
    pub fn next_at(&self) -> Option<Millis> {
        self.heap.peek().map(|Reverse(entry)| entry.key.0)
    }

    /// The next event that is due.
    pub fn pop(&mut self, now: Millis) -> Option<E> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry.event)
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

/// One number from several, as random as any.
pub fn mix(parts: &[u64]) -> u64 {
    parts.iter().fold(0x9e37_79b9_7f4a_7c15, |mixed, part| {
        let mut mixed = (mixed ^ part).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^= mixed >> 29;
        mixed = mixed.wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_keep_their_order_and_seeds_choose_whose_turn_it_is() {
        let order = |seed| {
            let mut agenda = Agenda::new(seed);
            for number in 0..3 {
                for lane in 0..5 {
                    agenda.push(7, Lane::Device(lane), (lane, number));
                }
            }
            assert!(agenda.pop(6).is_none());
            std::iter::from_fn(|| agenda.pop(7)).collect::<Vec<_>>()
        };
        for seed in 0..20 {
            let order = order(seed);
            for lane in 0..5 {
                let of_lane = order.iter().filter(|event| event.0 == lane);
                assert!(of_lane.map(|event| event.1).eq(0..3));
            }
        }
        assert_ne!(order(1), order(2));
        assert_eq!(order(1), order(1));
    }
}

//! Which entries of the other servers have come, by their numbers: what came before, and what is missing. Pure.

use std::collections::HashMap;

use crate::bus::{NodeName, PARTITIONS};

/// What an entry's number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comes {
    /// It is the next one, or the first that is heard of this server.
    Next,
    /// It has come before: somebody said it again, not knowing that the bus had it.
    Again,
    /// So many before it have not come, and will not.
    After(u64),
}

/// The last numbers of each server.
#[derive(Debug, Default)]
pub struct Seen(HashMap<NodeName, Last>);

/// The last numbers of one server; 0 where none is known.
#[derive(Debug)]
struct Last {
    partitions: [u64; PARTITIONS],
    inbox: u64,
}

impl Default for Last {
    fn default() -> Self {
        Self {
            partitions: [0; PARTITIONS],
            inbox: 0,
        }
    }
}

impl Seen {
    /// Notes an entry of a partition.
    pub fn note(&mut self, node: &NodeName, partition: u8, number: u64) -> Comes {
        let seen = &mut self.of(node).partitions[usize::from(partition)];
        let last = *seen;
        if number <= last {
            return Comes::Again;
        }
        *seen = number;
        match number - last - 1 {
            missing if last > 0 && missing > 0 => Comes::After(missing),
            _ => Comes::Next,
        }
    }

    /// Notes what this server was told by another one; whether it is new. The other one's numbers rise over all that it tells
    /// anybody, so between two of them nothing need be missing; what the bus tells has none.
    pub fn note_told(&mut self, node: &NodeName, number: u64) -> bool {
        let last = &mut self.of(node).inbox;
        let is_new = number == 0 || number > *last;
        *last = number.max(*last);
        is_new
    }

    /// Forgets a partition that is not read any more.
    pub fn forget(&mut self, partition: u8) {
        for last in self.0.values_mut() {
            last.partitions[usize::from(partition)] = 0;
        }
    }

    fn of(&mut self, node: &NodeName) -> &mut Last {
        self.0.entry(node.clone()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn gaps_and_repetitions_are_told_apart() {
        let (mut seen, a, b) = (Seen::default(), NodeName::of("a"), NodeName::of("b"));
        assert_eq!(
            seen.note(&a, 1, 7),
            Comes::Next,
            "nothing is known of before"
        );
        assert_eq!(seen.note(&b, 1, 1), Comes::Next);
        assert_eq!(seen.note(&a, 2, 3), Comes::Next);
        assert_eq!(seen.note(&a, 1, 8), Comes::Next);
        assert_eq!(seen.note(&a, 1, 8), Comes::Again);
        assert_eq!(seen.note(&a, 1, 7), Comes::Again);
        assert_eq!(seen.note(&a, 1, 12), Comes::After(3));
        seen.forget(1);
        assert_eq!(seen.note(&a, 1, 20), Comes::Next);
        assert_eq!(seen.note(&a, 2, 4), Comes::Next);
    }

    #[test]
    fn what_a_server_is_told_counts_once_and_may_have_gaps() {
        let (mut seen, a, b) = (Seen::default(), NodeName::of("a"), NodeName::of("b"));
        let told = [(&a, 3), (&a, 3), (&a, 9), (&b, 1), (&a, 4), (&a, 10)];
        let new = told.map(|(node, number)| seen.note_told(node, number));
        assert_eq!(new, [true, false, true, true, false, true]);
        assert!(
            seen.note_told(&a, 0) && seen.note_told(&a, 0),
            "what the bus tells"
        );
        assert!(!seen.note_told(&a, 10));
    }

    proptest! {
        #[test]
        fn however_often_the_last_ones_are_said_again_each_counts_once(
            repeats in proptest::collection::vec((1..20_u64, 0..10_u64), 1..20),
        ) {
            let (mut seen, node) = (Seen::default(), NodeName::of("a"));
            let (mut last, mut came) = (0_u64, Vec::new());
            for (more, back) in repeats {
                let from = last.saturating_sub(back) + 1;
                last += more;
                for number in from..=last {
                    match seen.note(&node, 0, number) {
                        Comes::Next => came.push(number),
                        Comes::Again => {}
                        Comes::After(missing) => prop_assert!(false, "{missing} missing"),
                    }
                }
            }
            prop_assert_eq!(came, (1..=last).collect::<Vec<_>>());
        }
    }
}

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

/// The last number of each server in each partition; 0 where none is known.
#[derive(Debug, Default)]
pub struct Seen(HashMap<NodeName, [u64; PARTITIONS]>);

impl Seen {
    /// Notes an entry.
    pub fn note(&mut self, node: &NodeName, partition: u8, number: u64) -> Comes {
        let partition = usize::from(partition);
        let numbers = match self.0.get_mut(node) {
            Some(numbers) => numbers,
            None => self.0.entry(node.clone()).or_insert([0; PARTITIONS]),
        };
        let last = numbers[partition];
        if number <= last {
            return Comes::Again;
        }
        numbers[partition] = number;
        match number - last - 1 {
            missing if last > 0 && missing > 0 => Comes::After(missing),
            _ => Comes::Next,
        }
    }

    /// Forgets a partition that is not read any more.
    pub fn forget(&mut self, partition: u8) {
        for numbers in self.0.values_mut() {
            numbers[usize::from(partition)] = 0;
        }
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

//! Which of several servers each user connects to: drawn from the seed, and the same in every process.

use crate::{model::Metric, scenario::Scenario};

/// The servers of a chat, by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nodes {
    seed: u64,
    count: u16,
}

impl Nodes {
    /// One server for all.
    pub const ONE: Self = Self { seed: 0, count: 1 };

    /// Those of a scenario.
    pub fn of(scenario: &Scenario) -> Self {
        Self {
            seed: scenario.seed,
            count: scenario.nodes.max(1),
        }
    }

    /// How many there are.
    pub const fn count(self) -> u16 {
        self.count
    }

    /// Where a user connects.
    pub fn of_user(self, user: u32) -> u16 {
        // SplitMix64: neighbours land anywhere.
        let mut mixed = self.seed ^ (u64::from(user) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed % u64::from(self.count)) as u16
    }

    /// What a delivery counts as beside the others, where there are several servers.
    pub fn metric(self, sender: u32, recipient: u32) -> Option<Metric> {
        if self.count < 2 {
            return None;
        }
        Some(match self.of_user(sender) == self.of_user(recipient) {
            true => Metric::DeliverySameNode,
            false => Metric::DeliveryCrossNode,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_spread_evenly_and_by_the_seed() {
        for count in [2, 3, 7] {
            let nodes = Nodes { seed: 5, count };
            let mut users = vec![0_u32; usize::from(count)];
            for user in 0..10_000 {
                users[usize::from(nodes.of_user(user))] += 1;
            }
            let fair = 10_000 / u32::from(count);
            assert!(
                users.iter().all(|n| n.abs_diff(fair) < fair / 10),
                "{users:?}"
            );
            let other = Nodes { seed: 6, count };
            let moved = (0..1000).filter(|&user| nodes.of_user(user) != other.of_user(user));
            assert!(moved.count() > 400);
        }
    }

    #[test]
    fn a_delivery_is_of_one_server_or_of_two_and_of_neither_where_there_is_one() {
        let nodes = Nodes { seed: 1, count: 4 };
        let pairs = (0..1000).map(|user| nodes.metric(2 * user, 2 * user + 1));
        let same = pairs.filter(|metric| *metric == Some(Metric::DeliverySameNode));
        assert!((200..300).contains(&same.count()));
        assert_eq!(nodes.metric(3, 3), Some(Metric::DeliverySameNode));
        assert_eq!(Nodes::ONE.metric(1, 2), None);
        assert_eq!(Nodes::ONE.of_user(17), 0);
    }
}

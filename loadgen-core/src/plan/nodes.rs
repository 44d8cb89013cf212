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
        (self.mixed(user) % u64::from(self.count)) as u16
    }

    /// Where a user connects whose server is down, `turn` others being down too: users of one server are spread over all that
    /// are left, as by what balances the load before them. Never where it was before all the others were tried.
    pub fn elsewhere(self, user: u32, was: u16, turn: u16) -> u16 {
        let others = u64::from(self.count.max(2) - 1);
        // Another number than the one that chose its first server, or all of that server's users would go the same way.
        let first = (self.mixed(user) >> 32) % others;
        let step = 1 + (first + u64::from(turn)) % others;
        ((u64::from(was) + step) % u64::from(self.count)) as u16
    }

    fn mixed(self, user: u32) -> u64 {
        // SplitMix64: neighbours land anywhere.
        let mut mixed = self.seed ^ (u64::from(user) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// What a delivery counts as beside the others, from a sender on one server to a recipient on another or the same one;
    /// `None` where there is one server.
    pub fn metric(self, sender: u16, recipient: u16) -> Option<Metric> {
        if self.count < 2 {
            return None;
        }
        Some(match sender == recipient {
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
    fn users_of_a_server_that_is_down_are_spread_over_all_others_and_each_is_tried_once() {
        for count in [2, 3, 5] {
            let nodes = Nodes { seed: 5, count };
            let mut users = vec![0_u32; usize::from(count)];
            let down = (0..10_000).filter(|&user| nodes.of_user(user) == 1);
            for user in down {
                users[usize::from(nodes.elsewhere(user, 1, 0))] += 1;
                let mut tried: Vec<u16> = (0..count - 1)
                    .map(|turn| nodes.elsewhere(user, 1, turn))
                    .collect();
                tried.sort_unstable();
                let others: Vec<u16> = (0..count).filter(|&node| node != 1).collect();
                assert_eq!(tried, others);
            }
            assert_eq!(users[1], 0);
            let all: u32 = users.iter().sum();
            let fair = all / u32::from(count - 1);
            let others = users.iter().enumerate().filter(|(node, _)| *node != 1);
            assert!(
                others.map(|(_, n)| n).all(|n| n.abs_diff(fair) < fair / 5),
                "{users:?}"
            );
        }
    }

    #[test]
    fn a_delivery_is_of_one_server_or_of_two_and_of_neither_where_there_is_one() {
        let nodes = Nodes { seed: 1, count: 4 };
        assert_eq!(nodes.metric(3, 3), Some(Metric::DeliverySameNode));
        assert_eq!(nodes.metric(3, 0), Some(Metric::DeliveryCrossNode));
        assert_eq!(Nodes::ONE.metric(0, 0), None);
        assert_eq!(Nodes::ONE.of_user(17), 0);
    }
}

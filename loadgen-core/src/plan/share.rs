//! The part of a plan's users that one thread drives.

use super::{Action, Plan, Send};

/// Every so-many-th user, from one of the first on. Shares of one split have no user in common, and all users together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share {
    first: usize,
    step: usize,
}

impl Share {
    /// All users.
    pub const WHOLE: Share = Share { first: 0, step: 1 };

    /// As many shares of this one, as even as can be.
    pub fn split(self, parts: usize) -> impl Iterator<Item = Share> {
        (0..parts).map(move |part| Share {
            first: self.first + self.step * part,
            step: self.step * parts,
        })
    }

    /// Whether a user belongs to it.
    pub fn has(self, user: u32) -> bool {
        user as usize % self.step == self.first
    }

    /// Its users among so many.
    pub fn users(self, all: usize) -> impl Iterator<Item = u32> {
        (self.first..all).step_by(self.step).map(|user| user as u32)
    }

    /// The place of one of its users among them: less than [`Share::places`].
    pub fn place(self, user: u32) -> usize {
        user as usize / self.step
    }

    /// Places that are enough for its users among so many.
    pub fn places(self, all: usize) -> usize {
        all.div_ceil(self.step)
    }

    /// What its users send, with the messages' numbers, in the order of the plan.
    pub fn sends(self, plan: &Plan) -> impl Iterator<Item = (u32, &Send)> {
        let sends = (0..).zip(&plan.sends);
        sends.filter(move |(_, send)| self.has(send.sender))
    }

    /// What its users do beside sending, in the order of the plan.
    pub fn actions(self, plan: &Plan) -> impl Iterator<Item = &Action> {
        let actions = plan.actions.iter();
        actions.filter(move |action| self.has(action.user))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_user_has_one_place_in_one_share(users in 0_usize..50, parts in 1_usize..6, again in 1_usize..4) {
            let shares: Vec<Share> = Share::WHOLE.split(parts).flat_map(|part| part.split(again)).collect();
            let mut seen = Vec::new();
            for share in shares {
                for (place, user) in share.users(users).enumerate() {
                    prop_assert!(share.has(user));
                    prop_assert_eq!(share.place(user), place);
                    prop_assert!(place < share.places(users));
                    seen.push(user as usize);
                }
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..users).collect::<Vec<_>>());
        }
    }
}

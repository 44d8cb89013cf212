//! The part of a plan's users that one thread drives.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Part, Plan, Send, Shard};

/// Every so-many-th user, from one of the first on: of all users, or of those of one part. Shares of one split have no user
/// in common, and all users together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// `None`: of all users.
    part: Option<Arc<Part>>,
    first: usize,
    step: usize,
}

/// Whose thread it is: what of a share tells it from all others of a run.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Thread {
    /// The number of the shard, counted from 1; of a run in one process, too.
    pub shard: u16,
    /// The place of its first user among those of the shard.
    pub first: u32,
    /// From each of its users to the next.
    pub step: u32,
}

impl Share {
    /// All users.
    pub const WHOLE: Share = Share {
        part: None,
        first: 0,
        step: 1,
    };

    /// All users of a part.
    pub fn of(part: Part) -> Self {
        Self {
            part: Some(Arc::new(part)),
            ..Self::WHOLE
        }
    }

    /// As many shares of this one, as even as can be.
    pub fn split(self, parts: usize) -> impl Iterator<Item = Share> {
        (0..parts).map(move |part| Share {
            part: self.part.clone(),
            first: self.first + self.step * part,
            step: self.step * parts,
        })
    }

    /// The part that it is of; `None`: of all users.
    pub fn part(&self) -> Option<&Arc<Part>> {
        self.part.as_ref()
    }

    /// Whose thread drives it.
    pub fn thread(&self) -> Thread {
        let shard = self.part().map_or(Shard::ONLY, |part| part.shard());
        Thread {
            shard: shard.number(),
            first: self.first as u32,
            step: self.step as u32,
        }
    }

    /// Whether a user belongs to it.
    pub fn has(&self, user: u32) -> bool {
        let place = match &self.part {
            None => Some(user as usize),
            Some(part) => part.place(user),
        };
        place.is_some_and(|place| place % self.step == self.first)
    }

    /// Its users among so many.
    pub fn users(&self, all: usize) -> impl Iterator<Item = u32> + use<'_> {
        let places = (self.first..self.known(all)).step_by(self.step);
        places.map(|place| match &self.part {
            None => place as u32,
            Some(part) => part.users()[place],
        })
    }

    /// The place of one of its users among them: less than [`Share::places`].
    pub fn place(&self, user: u32) -> usize {
        let place = match &self.part {
            None => user as usize,
            // Of a user of another part there is no place, and nobody asks for it.
            Some(part) => part.place(user).unwrap_or(usize::MAX),
        };
        place / self.step
    }

    /// Places that are enough for its users among so many.
    pub fn places(&self, all: usize) -> usize {
        self.known(all).div_ceil(self.step)
    }

    /// What its users send, with the messages' numbers, in the order of the plan.
    pub fn sends<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = (u32, &'a Send)> {
        let sends = (0..).zip(&plan.sends);
        sends.filter(move |(_, send)| self.has(send.sender))
    }

    /// What its users do beside sending, in the order of the plan.
    pub fn actions<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = &'a Action> {
        let actions = plan.actions.iter();
        actions.filter(move |action| self.has(action.user))
    }

    /// How many users it is a share of.
    fn known(&self, all: usize) -> usize {
        self.part.as_ref().map_or(all, |part| part.users().len())
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

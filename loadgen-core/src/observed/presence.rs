//! Who was where when, as far as the generator can know it: the log of comings and goings, and its grey zone.
//!
//! The server takes a join or a leave at some moment between the request and its acknowledgement, and a message at some
//! moment between its send and the first sign of it ([`handled_by`]). Where these overlap, both outcomes are right: the
//! pair of message and member is *grey*, neither owed nor wrong (`docs/MEASUREMENT.md`, "the grey zone"). Of several servers
//! each handles a message for its own members, when it hears of it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{
    model::Nanos,
    plan::{Plan, Share},
};

/// What nobody received may wait in a server for so long: who leaves later would have got it.
const UNHEARD: Nanos = 5_000_000_000;
/// What is on its way to a connection that its own user ends is lost with it: a message that somebody else received so
/// shortly before is not owed. From one of several servers to another it takes as long.
const ON_THE_WAY: Nanos = 250_000_000;
/// What waited for one of several servers, or for what joins them, is handled so long after that was mended at the latest.
const CAUGHT_UP: Nanos = 10_000_000_000;
/// A member that goes within so long after a message is not owed its end, nor a sender its acknowledgement: longer than
/// a server takes that gives up a save after 10 s.
pub const END_OWED: Nanos = 12_000_000_000;
/// A message that its sender sent so shortly before cutting the connection may never have left the sender's machine.
const CUT_SHORT: Nanos = 1_000_000_000;

/// Something that changed where a user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Entry {
    /// Index of the user.
    pub user: u32,
    /// On the run's clock.
    pub at: Nanos,
    /// What.
    pub step: Step,
}

/// A change of where a user is. Numbers are indices of the user's places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// From here on the server may count the user as a member.
    Joining(u32),
    /// The join was acknowledged.
    Joined(u32),
    /// From here on the server may no longer count the user as a member.
    Leaving(u32),
    /// The leave was acknowledged.
    Left(u32),
    /// From here on nothing was heard until the connection ended: the user stopped reading, or what came could not be read.
    Deaf,
    /// The connection is gone, by the generator's own doing: out of all places.
    Gone,
}

/// How a member stood to a conversation when a message was handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Certainly a member: the message is owed.
    In {
        /// And stayed long enough to be owed its end too.
        to_the_end: bool,
    },
    /// Nobody can know.
    Grey,
    /// Certainly no member: the message must not come.
    Out,
}

/// One membership from the join to the leave; times that never came are [`Nanos::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stay {
    joining: Nanos,
    joined: Nanos,
    leaving: Nanos,
    left: Nanos,
    /// Ended by the end of the connection, with what was on its way.
    gone: bool,
}

impl Stay {
    const FROM_THE_START: Stay = Stay {
        joining: 0,
        joined: 0,
        leaving: Nanos::MAX,
        left: Nanos::MAX,
        gone: false,
    };

    fn begun(at: Nanos) -> Self {
        Stay {
            joining: at,
            joined: Nanos::MAX,
            ..Stay::FROM_THE_START
        }
    }

    fn is_open(&self) -> bool {
        self.left == Nanos::MAX
    }

    fn standing(&self, sent: Nanos, handled_by: Nanos, stall: Nanos) -> Standing {
        if self.left <= sent || handled_by < self.joining {
            return Standing::Out;
        }
        let on_the_way = if self.gone { ON_THE_WAY + stall } else { 0 };
        let stayed = handled_by.saturating_add(on_the_way) <= self.leaving;
        if self.joined <= sent && stayed {
            let to_the_end = self.leaving == Nanos::MAX || sent + END_OWED <= self.leaving;
            Standing::In { to_the_end }
        } else {
            Standing::Grey
        }
    }
}

/// By when the server had handled a message for certain: at the first sign of it, and what nobody received some seconds
/// after its send at the latest, whatever was said of it later.
pub fn handled_by(sent: Nanos, first_sign: Option<Nanos>, received: bool) -> Nanos {
    let unheard = sent.saturating_add(UNHEARD);
    match first_sign {
        Some(sign) if received => sign,
        Some(sign) => sign.min(unheard),
        None => unheard,
    }
}

/// Where everybody was, over the whole run.
#[derive(Debug, Default)]
pub struct Presence {
    /// Of those who came or went only; everybody else is in all places from the start to the end.
    stays: HashMap<(u32, u32), Vec<Stay>>,
    /// When users' connections ended by the generator's own doing, ascending.
    gone: HashMap<u32, Vec<Nanos>>,
    /// How long everything may have stood still beside what is usual.
    stall: Nanos,
    /// Whether members may be on several servers, of which each handles a message at its own time.
    several: bool,
    /// From when to when one of these servers, or what joins them, was to be broken: from the schedule's start, ascending.
    broken: Vec<(Nanos, Nanos)>,
    /// From when to when nothing was heard before that.
    deaf: HashMap<u32, Vec<(Nanos, Nanos)>>,
}

impl Presence {
    /// From the plan's start and the log, in which each user's entries are in the order of time.
    pub fn new(plan: &Plan, log: &[Entry]) -> Self {
        let mut presence = Self::at_the_start(plan, &Share::WHOLE);
        for entry in log {
            presence.note(plan, entry);
        }
        presence
    }

    /// On a machine on which everything stood still for so long at most: what is on its way takes so much longer.
    #[must_use]
    pub fn with_stall(self, stall: Nanos) -> Self {
        Self {
            stall: stall.min(UNHEARD),
            ..self
        }
    }

    /// Of members who may be on several servers: the last of these handles a message some time after the first sign of it.
    #[must_use]
    pub fn on_several(self, several: bool) -> Self {
        Self { several, ..self }
    }

    /// Where what one of several servers was to hear of had to wait for the end of a fault.
    #[must_use]
    pub fn held_up(self, plan: &Plan) -> Self {
        let faults = plan.faults.iter();
        let faults = faults.filter(|fault| fault.damage.holds_up_other_servers());
        let mut broken: Vec<_> = faults.map(|fault| (fault.start, fault.end)).collect();
        broken.sort_unstable();
        Self { broken, ..self }
    }

    /// Where the users of a share are before anybody comes or goes.
    pub fn at_the_start(plan: &Plan, share: &Share) -> Self {
        let mut presence = Self::default();
        for user in share.users(plan.places.len()) {
            let user = user as usize;
            let (places, connected) = (&plan.places[user], plan.connected[user]);
            for (place, _) in places
                .iter()
                .enumerate()
                .filter(|(_, place)| !connected || !place.joined)
            {
                presence
                    .stays
                    .insert((user as u32, place as u32), Vec::new());
            }
        }
        presence
    }

    /// Adds a user's next step.
    pub fn note(&mut self, plan: &Plan, entry: &Entry) {
        let &Entry { user, at, step } = entry;
        match step {
            Step::Joining(place) => self.stays(user, place).push(Stay::begun(at)),
            Step::Joined(place) => {
                if let Some(stay) = self.stays(user, place).last_mut() {
                    stay.joined = at;
                }
            }
            Step::Leaving(place) => self.end(user, place, |stay| stay.leaving = at),
            Step::Left(place) => self.end(user, place, |stay| stay.left = at),
            Step::Deaf | Step::Gone => {
                self.gone.entry(user).or_default().push(at);
                let deaf = self.deaf.entry(user).or_default();
                match (step, deaf.last_mut()) {
                    (Step::Deaf, _) => deaf.push((at, Nanos::MAX)),
                    (_, Some((_, to))) if *to == Nanos::MAX => *to = at,
                    _ => {}
                }
                for place in 0..plan.places[user as usize].len() as u32 {
                    self.end(user, place, |stay| {
                        stay.leaving = stay.leaving.min(at);
                        stay.gone = true;
                        if step == Step::Gone {
                            stay.left = at;
                        }
                    });
                }
            }
        }
    }

    fn stays(&mut self, user: u32, place: u32) -> &mut Vec<Stay> {
        self.stays
            .entry((user, place))
            .or_insert_with(|| vec![Stay::FROM_THE_START])
    }

    fn end(&mut self, user: u32, place: u32, change: impl FnOnce(&mut Stay)) {
        if let Some(stay) = self.stays(user, place).last_mut()
            && stay.is_open()
        {
            change(stay);
        }
    }

    /// How a user stood at one of its places to a message: sent then, and [handled by](handled_by) then. `began` is the
    /// schedule's start on the same clock.
    pub fn standing(
        &self,
        user: u32,
        place: u32,
        (sent, handled_by): (Nanos, Nanos),
        began: Nanos,
    ) -> Standing {
        let Some(stays) = self.stays.get(&(user, place)) else {
            return Standing::In { to_the_end: true };
        };
        let handled_by = match self.several {
            true => self.handled_by_all(handled_by, began),
            false => handled_by,
        };
        let mut best = Standing::Out;
        for stay in stays {
            match stay.standing(sent, handled_by, self.stall) {
                Standing::In { to_the_end } => return Standing::In { to_the_end },
                Standing::Grey => best = Standing::Grey,
                Standing::Out => {}
            }
        }
        best
    }

    /// By when the last of several servers had handled what one of them had handled by then.
    fn handled_by_all(&self, one: Nanos, began: Nanos) -> Nanos {
        let usual = one.saturating_add(ON_THE_WAY + self.stall);
        self.broken.iter().fold(usual, |last, &(from, to)| {
            let (from, to) = (began.saturating_add(from), began.saturating_add(to));
            match from <= last && one <= to {
                true => last.max(to.saturating_add(CAUGHT_UP + self.stall)),
                false => last,
            }
        })
    }

    /// Whether a user had left one of its places for good when a message was sent then, or never came there: what is said of that
    /// message is not for it. Who has joined since may hear of it what comes later.
    pub fn had_left(&self, user: u32, place: u32, sent: Nanos) -> bool {
        let stays = self.stays.get(&(user, place));
        stays.is_some_and(|stays| stays.iter().all(|stay| stay.left <= sent))
    }

    /// Whether anybody came or went at all: if not, everybody is owed everything.
    pub fn is_constant(&self) -> bool {
        self.stays.is_empty() && self.gone.is_empty()
    }

    /// Whether a sender is owed the acknowledgement of what it sent then.
    pub fn owes_ack(&self, sender: u32, sent: Nanos) -> bool {
        !self.went_within(sender, sent, END_OWED)
    }

    /// Whether what a sender sent then may have been cut off before it left, or before the server took it.
    pub fn cut_short(&self, sender: u32, sent: Nanos) -> bool {
        let deaf = self.deaf.get(&sender);
        // It may have waited, until the end, where the server had not read it yet.
        let waited = |&(_, to): &(Nanos, Nanos)| sent <= to && to <= sent.saturating_add(UNHEARD);
        let unheard = deaf.is_some_and(|deaf| deaf.iter().any(waited));
        unheard || self.went_within(sender, sent, CUT_SHORT + self.stall)
    }

    fn went_within(&self, user: u32, from: Nanos, time: Nanos) -> bool {
        self.gone.get(&user).is_some_and(|gone| {
            gone.iter()
                .any(|&at| from <= at && at <= from.saturating_add(time))
        })
    }

    /// Which of a user's connections was in use then, counted from 0: order is promised on one connection only.
    pub fn connection(&self, user: u32, at: Nanos) -> usize {
        self.gone
            .get(&user)
            .map_or(0, |gone| gone.partition_point(|&gone| gone < at))
    }
}

#[cfg(test)]
mod tests;

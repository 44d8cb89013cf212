//! The users of closed phases, who send again when they were answered and have thought.

use std::{
    cell::RefCell,
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    rc::Rc,
    sync::Arc,
};

use tokio::sync::Notify;

use crate::{
    model::Nanos,
    plan::{Plan, Share},
};

/// The users of closed phases: who thinks until when, and who waits for an acknowledgement.
pub(super) struct Dialogue {
    plan: Arc<Plan>,
    share: Share,
    state: RefCell<Turns>,
    /// Somebody thinks who did not before.
    pub(super) changed: Notify,
}

#[derive(Default)]
struct Turns {
    /// By user of this worker: the messages that it can still send, in order.
    queues: Vec<VecDeque<u32>>,
    /// Users of this worker who think, by when they will have thought, from the schedule's start.
    thinking: BinaryHeap<Reverse<(Nanos, usize)>>,
    /// By user of this worker: the message whose acknowledgement it waits for.
    waiting_for: Vec<Option<u32>>,
    /// How many wait for one.
    waiting: usize,
}

impl Dialogue {
    /// For the users of a share.
    pub(super) fn new(plan: &Arc<Plan>, share: Share) -> Rc<Self> {
        let mut turns = Turns::default();
        if plan.phases.iter().any(|phase| phase.closed) {
            let users = share.places(plan.users.len());
            turns.queues = vec![VecDeque::new(); users];
            turns.waiting_for = vec![None; users];
            for (message, send) in share.sends(plan) {
                if plan.phase_of(send).closed {
                    turns.queues[share.place(send.sender)].push_back(message);
                }
            }
            for user in 0..turns.queues.len() {
                turns.think(plan, user, None);
            }
        }
        Rc::new(Self {
            plan: Arc::clone(plan),
            share,
            state: RefCell::new(turns),
            changed: Notify::new(),
        })
    }

    /// When the next user will have thought.
    pub(super) fn next(&self) -> Option<Nanos> {
        let turns = self.state.borrow();
        turns.thinking.peek().map(|Reverse((at, _))| *at)
    }

    /// The end of the last closed phase, while somebody still waits.
    pub(super) fn end(&self) -> Option<Nanos> {
        let closed = self.plan.phases.iter().rev().find(|phase| phase.closed)?;
        (self.state.borrow().waiting > 0).then_some(closed.end)
    }

    /// The message of the user who has thought longest.
    pub(super) fn take(&self) -> Option<u32> {
        let mut turns = self.state.borrow_mut();
        let Reverse((_, user)) = turns.thinking.pop()?;
        let message = turns.queues[user].pop_front()?;
        turns.waiting_for[user] = Some(message);
        turns.waiting += 1;
        Some(message)
    }

    /// A message was acknowledged, so long after the schedule's start: its sender thinks, then sends again. An answer that
    /// nobody waits for any more counts for nothing.
    pub(super) fn acknowledged(&self, message: u32, at: Nanos) {
        let send = &self.plan.sends[message as usize];
        if !self.plan.phase_of(send).closed {
            return;
        }
        let mut turns = self.state.borrow_mut();
        let user = self.share.place(send.sender);
        let waited = turns.waiting_for[user].take_if(|waited| *waited == message);
        if waited.is_none() {
            return;
        }
        turns.waiting -= 1;
        turns.think(&self.plan, user, Some((message, at)));
        drop(turns);
        self.changed.notify_one();
    }

    /// A user's connection is gone, so long after the schedule's start: the answer that it waits for can't come any more, so
    /// it thinks of something else.
    pub(super) fn gone(&self, user: u32, at: Nanos) {
        let place = self.share.place(user);
        let turns = self.state.borrow();
        let waited = turns.waiting_for.get(place).copied().flatten();
        drop(turns);
        if let Some(message) = waited {
            self.acknowledged(message, at);
        }
    }
}

impl Turns {
    /// The pause that the plan has between two messages of a phase; the first one of a phase has a time of its own.
    fn think(&mut self, plan: &Plan, user: usize, after: Option<(u32, Nanos)>) {
        let Some(next) = self.queues[user].front() else {
            return;
        };
        let next = &plan.sends[*next as usize];
        let at = match after {
            Some((last, acknowledged)) if plan.sends[last as usize].phase == next.phase => {
                acknowledged + (next.at - plan.sends[last as usize].at)
            }
            Some((_, acknowledged)) => next.at.max(acknowledged),
            None => next.at,
        };
        if at < plan.phase_of(next).end {
            self.thinking.push(Reverse((at, user)));
        } else {
            // Too late for its phase: on to the user's next one, if there is one.
            self.skip_phase(plan, user);
        }
    }

    fn skip_phase(&mut self, plan: &Plan, user: usize) {
        let phase = |message: &u32| plan.sends[*message as usize].phase;
        let Some(over) = self.queues[user].front().map(phase) else {
            return;
        };
        while self.queues[user].front().map(phase) == Some(over) {
            self.queues[user].pop_front();
        }
        self.think(plan, user, None);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::{Load, Scenario};

    /// Two users who think for half a second each time, for three seconds.
    fn closed_plan() -> Arc<Plan> {
        let text = "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = { users = 2, rooms = 1 }\n\
             [[phases]]\nname = \"talk\"\nduration = \"3s\"\nrate = \"1/s\"\n";
        let mut scenario = Scenario::parse(Path::new("t.toml"), text).unwrap();
        scenario.phases[0].load = Load::Closed {
            think_time: "500ms".parse().unwrap(),
        };
        Arc::new(Plan::new(&scenario).unwrap())
    }

    #[test]
    fn the_next_message_waits_for_the_last_ones_acknowledgement() {
        let plan = closed_plan();
        let dialogue = Dialogue::new(&plan, Share::WHOLE);
        let first = dialogue.take().unwrap();
        let other = dialogue.take().unwrap();
        assert_ne!(
            plan.sends[first as usize].sender,
            plan.sends[other as usize].sender
        );
        assert_eq!(dialogue.next(), None);
        assert_eq!(dialogue.end(), Some(3_000_000_000));
        dialogue.acknowledged(first, 900_000_000);
        assert_eq!(dialogue.next(), Some(1_400_000_000));
        let next = dialogue.take().unwrap();
        assert_eq!(
            plan.sends[next as usize].sender,
            plan.sends[first as usize].sender
        );
    }

    #[test]
    fn who_is_gone_waits_no_more_and_the_answer_counts_for_nothing_then() {
        let plan = closed_plan();
        let dialogue = Dialogue::new(&plan, Share::WHOLE);
        let first = dialogue.take().unwrap();
        let sender = plan.sends[first as usize].sender;
        dialogue.take().unwrap();
        dialogue.gone(sender, 900_000_000);
        assert_eq!(dialogue.next(), Some(1_400_000_000));
        // The other one waits still.
        assert_eq!(dialogue.end(), Some(3_000_000_000));
        // The answer comes on a later connection, and the user has begun to think already.
        dialogue.acknowledged(first, 1_000_000_000);
        let next = dialogue.take().unwrap();
        assert_eq!(plan.sends[next as usize].sender, sender);
        assert_eq!(dialogue.next(), None);
        // Once more when it waits for the next one, which that is no answer to.
        dialogue.acknowledged(first, 1_500_000_000);
        assert_eq!(dialogue.next(), None);
        dialogue.acknowledged(next, 1_600_000_000);
        assert_eq!(dialogue.next(), Some(2_100_000_000));
    }

    #[test]
    fn who_waits_for_nothing_and_is_gone_thinks_on() {
        let plan = closed_plan();
        let dialogue = Dialogue::new(&plan, Share::WHOLE);
        let next = dialogue.next();
        for user in 0..2 {
            dialogue.gone(user, 900_000_000);
        }
        assert_eq!((dialogue.next(), dialogue.end()), (next, None));
    }

    #[test]
    fn what_is_not_reached_by_the_phases_end_is_not_sent() {
        let plan = closed_plan();
        let dialogue = Dialogue::new(&plan, Share::WHOLE);
        let first = dialogue.take().unwrap();
        let other = dialogue.take().unwrap();
        dialogue.acknowledged(first, 2_900_000_000);
        dialogue.acknowledged(other, 2_900_000_000);
        assert_eq!((dialogue.next(), dialogue.end()), (None, None));
        assert_eq!(dialogue.take(), None);
    }
}

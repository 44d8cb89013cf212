//! Deliveries that have been due for some time while the run goes on and are still not there, for whoever watches it. The
//! verdict rests on the account at the end.

use std::time::Duration;

use crate::{
    drive::crew::Crew,
    model::{Nanos, nanos},
    observed::Ledger,
    plan::Plan,
};

/// What is not there by then is called lost until it comes.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many are looked at again, in case that they come after all; of more it is only known how many there were.
const MOST: usize = 10_000;

/// The deliveries that were due and are not there.
#[derive(Default)]
pub(super) struct Overdue {
    /// The first message that was not looked at yet.
    next: usize,
    /// Ledger slots.
    missing: Vec<usize>,
    beyond: u64,
}

impl Overdue {
    /// How many are missing; `None` where comings and goings leave open what is due.
    pub(super) fn look(&mut self, crew: &Crew, elapsed: Nanos) -> Option<u64> {
        let plan = &crew.plan;
        plan.is_certain()
            .then(|| self.look_at(plan, crew.ledger(), elapsed))
    }

    fn look_at(&mut self, plan: &Plan, ledger: &Ledger, elapsed: Nanos) -> u64 {
        let is_missing = |slot: &usize| ledger.slot(*slot).deliveries() == 0;
        self.missing.retain(is_missing);
        let due_by = elapsed.saturating_sub(nanos(PATIENCE));
        while let Some(send) = plan.sends.get(self.next).filter(|send| send.at < due_by) {
            // What could not be sent is no loss.
            if ledger.sent_at(self.next as u32).is_some() {
                let own = plan.slot(send, send.sender);
                let first = send.slot as usize;
                let members = plan.conversation_of(send).members.len();
                let others = (first..first + members).filter(|slot| Some(*slot) != own);
                for slot in others.filter(is_missing) {
                    match self.missing.len() {
                        MOST => self.beyond += 1,
                        _ => self.missing.push(slot),
                    }
                }
            }
            self.next += 1;
        }
        self.missing.len() as u64 + self.beyond
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::Scenario;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn what_is_not_there_in_time_is_lost_until_it_comes() {
        let text = "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = { users = 2, rooms = 1 }\n\
            [[phases]]\nname = \"a\"\nduration = \"10s\"\nrate = \"1/s\"\narrivals = \"uniform\"\n";
        let scenario = Scenario::parse(Path::new("t.toml"), text).unwrap();
        let plan = Plan::new(&scenario).unwrap();
        let ledger = Ledger::new(plan.sends.len(), plan.slots);
        // The last was never sent.
        for (message, send) in plan.sends.iter().enumerate().take(plan.sends.len() - 1) {
            ledger.sent(message as u32, send.at);
        }
        let other = |message: usize| {
            let send = &plan.sends[message];
            plan.slot(send, 1 - send.sender).unwrap()
        };
        let mut overdue = Overdue::default();
        assert_eq!(overdue.look_at(&plan, &ledger, 5 * SECOND), 0);
        let due = plan
            .sends
            .iter()
            .filter(|send| send.at < 5 * SECOND)
            .count();
        assert_eq!(overdue.look_at(&plan, &ledger, 10 * SECOND), due as u64);
        ledger.delivered(other(0), 0, false);
        assert_eq!(overdue.look_at(&plan, &ledger, 10 * SECOND), due as u64 - 1);
        let sent = plan.sends.len() as u64 - 1;
        assert_eq!(overdue.look_at(&plan, &ledger, 20 * SECOND), sent - 1);
    }
}

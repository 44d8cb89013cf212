//! When each message was due: as planned, and in a closed phase when it was sent.

use super::Ledger;
use crate::{
    model::Nanos,
    plan::{Plan, Send},
};

/// When the messages of a run were due, from the schedule's start.
///
/// Of a closed phase the plan has the earliest possible times: each send is later than that by all acknowledgements that its user
/// has waited for until then.
pub struct Due<'a> {
    plan: &'a Plan,
    ledger: &'a Ledger,
    /// By user, when the schedule began on the clock of the process that drove it; nothing of a plan without closed phases.
    began: Vec<Nanos>,
}

impl<'a> Due<'a> {
    /// Of a plan, and of what was noted of its sends.
    pub fn of(plan: &'a Plan, ledger: &'a Ledger) -> Self {
        let mut began = Vec::new();
        if plan.phases.iter().any(|phase| phase.closed) {
            began = vec![Nanos::MAX; plan.users.len()];
            for (message, send) in (0..).zip(&plan.sends) {
                if let Some(sent) = ledger.sent_at(message) {
                    // Nothing is sent before its time, and a user's first send of a phase waits for no acknowledgement.
                    let began = &mut began[send.sender as usize];
                    *began = sent.saturating_sub(send.at).min(*began);
                }
            }
        }
        Self {
            plan,
            ledger,
            began,
        }
    }

    /// When a message was due; of a closed phase, the earliest possible time where it was not sent.
    pub fn at(&self, message: u32, send: &Send) -> Nanos {
        if !self.plan.phase_of(send).closed {
            return send.at;
        }
        match (
            self.ledger.sent_at(message),
            self.began.get(send.sender as usize),
        ) {
            (Some(sent), Some(began)) => sent.saturating_sub(*began),
            _ => send.at,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use super::*;
    use crate::{
        model::Metric,
        observed::{Layout, Observed, Recorded, WINDOW, recorder::tests::threshold},
        scenario::Scenario,
    };

    const PHASES: &str = "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = { users = 4, rooms = 2 }\n\
        [[phases]]\nname = \"open\"\nduration = \"2s\"\nrate = \"9/s\"\n\
        [[phases]]\nname = \"closed\"\nduration = \"9s\"\nthink_time = \"1s\"\n";

    #[test]
    fn a_message_of_a_closed_phase_is_due_when_it_is_sent() {
        let scenario = Scenario::parse(Path::new("t.toml"), PHASES).unwrap();
        let plan = Plan::new(&scenario).unwrap();
        let ledger = Ledger::of(&plan);
        // Each process has a clock of its own, and each answer takes a quarter of a second.
        let began = |user: u32| 7_000_000_000 + 90_000_000_000 * Nanos::from(user % 2);
        let mut behind = [0; 4];
        let mut wanted = Vec::new();
        for (message, send) in (0..).zip(&plan.sends) {
            let mut due = send.at;
            if plan.phase_of(send).closed {
                let behind = &mut behind[send.sender as usize];
                due += *behind;
                *behind += 250_000_000;
            }
            ledger.sent(message, began(send.sender) + due);
            ledger.latency(message, 1_000_000);
            wanted.push(due);
        }
        let due = Due::of(&plan, &ledger);
        let all = (0..).zip(&plan.sends);
        let all: Vec<Nanos> = all.map(|(message, send)| due.at(message, send)).collect();
        assert_eq!(all, wanted);
        assert!(behind.iter().any(|behind| *behind > 1_500_000_000));
        let none = Ledger::of(&plan);
        let last = plan.sends.last().unwrap();
        let unsent = Due::of(&plan, &none).at(plan.sends.len() as u32 - 1, last);
        assert_eq!(unsent, last.at);

        // So that the slowest of its deliveries is in the second of the others.
        let layout = Layout::new(&[threshold("delivery_slowest.p50", "< 5ms")], &[]);
        let mut observed = Observed::of(Recorded::empty(Arc::new(layout)), Arc::new(ledger));
        observed.record_slowest(&plan, |_| false);
        let windows = observed.recorded.windows(Metric::DeliverySlowest);
        let mut in_seconds = vec![0; windows.len()];
        for due in wanted {
            in_seconds[(due / WINDOW) as usize] += 1;
        }
        let seen: Vec<u64> = windows.iter().map(|window| window.n).collect();
        assert_eq!(seen, in_seconds);
    }
}

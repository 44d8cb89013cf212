//! The busiest seconds of a plan, and a plan that replays them: what a bare relay is measured with (rule 9).

use std::ops::Range;

use super::{Nodes, Plan, PlannedPhase, Send};
use crate::model::Nanos;

/// The length of a window of the schedule.
const SECOND: Nanos = 1_000_000_000;
/// What is sent before a replay is measured: a relay is as cold as the machine's caches.
pub const WARM_UP: Nanos = 500_000_000;
/// Index of the phase of a replay that is measured; the first is its warm-up.
const MEASURED: u16 = 1;

impl Plan {
    /// Of the seconds in a row that lie wholly in measured open phases, the up to `most` in which the most deliveries to
    /// others are due, everybody being there; the first such where several are alike. `None` without any such second
    /// that has deliveries.
    pub fn busiest(&self, most: usize) -> Option<Range<usize>> {
        let due = self.due_by_second();
        let mut best: Option<(u64, Range<usize>)> = None;
        let mut start = 0;
        for row in due.chunk_by(|one, next| one.is_some() == next.is_some()) {
            let seconds: Vec<u64> = row.iter().copied().flatten().collect();
            for (at, window) in seconds.windows(most.min(seconds.len()).max(1)).enumerate() {
                let sum: u64 = window.iter().sum();
                let window = start + at..start + at + window.len();
                if best.as_ref().is_none_or(|(most, _)| sum > *most) {
                    best = Some((sum, window));
                }
            }
            start += row.len();
        }
        best.filter(|(sum, _)| *sum > 0).map(|(_, window)| window)
    }

    /// Deliveries that are due in each second of the schedule; `None` of one that does not lie wholly in measured open
    /// phases.
    fn due_by_second(&self) -> Vec<Option<u64>> {
        let counts = |phase: &PlannedPhase| phase.measured && !phase.closed;
        let covered = |second: Nanos| {
            let (start, end) = (second * SECOND, (second + 1) * SECOND);
            let mut touched = self
                .phases
                .iter()
                .filter(|phase| phase.start < end && start < phase.end);
            end <= self.end() && touched.all(counts)
        };
        let mut due: Vec<Option<u64>> = (0..self.end() / SECOND)
            .map(|second| covered(second).then_some(0))
            .collect();
        for send in &self.sends {
            if let Some(Some(due)) = due.get_mut((send.at / SECOND) as usize) {
                *due += self.conversation_of(send).members.len() as u64 - 1;
            }
        }
        due
    }

    /// A plan that sends what is due in these seconds, by the same users in the same conversations, with everybody there
    /// from the start, nobody coming or going and nothing breaking. Before it, in a phase that is not measured, it sends what is due in the
    /// beginning of these seconds. `None` where that has more to account for than a plan can have.
    pub fn replay(&self, seconds: &Range<usize>, warm_up: Nanos) -> Option<Plan> {
        let (start, end) = (
            seconds.start as Nanos * SECOND,
            seconds.end as Nanos * SECOND,
        );
        let warm_up = warm_up.min(end - start);
        let part = |until: Nanos, shift: Nanos, phase: u16| {
            let sends = self.sends.iter();
            let sends = sends.filter(move |send| (start..until).contains(&send.at));
            sends.map(move |send| Send {
                at: send.at - start + shift,
                phase,
                ..*send
            })
        };
        let phase = |name: &str, start, end, measured| PlannedPhase {
            name: name.to_owned(),
            start,
            end,
            measured,
            closed: false,
        };
        let length = end - start;
        let mut places = self.places.clone();
        for place in places.iter_mut().flatten() {
            place.joined = true;
        }
        let mut replay = Plan {
            seed: self.seed,
            // The relay that it is sent to is one.
            nodes: Nodes::ONE,
            users: self.users.clone(),
            conversations: self.conversations.clone(),
            places,
            connected: vec![true; self.users.len()],
            phases: vec![
                phase("warm-up", 0, warm_up, false),
                phase("busiest", warm_up, warm_up + length, true),
            ],
            sends: part(start + warm_up, 0, 0)
                .chain(part(end, warm_up, MEASURED))
                .collect(),
            actions: Vec::new(),
            faults: Vec::new(),
            slots: 0,
        };
        replay.assign_slots().ok()?;
        Some(replay)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::Scenario;

    /// Phases of uniform arrivals: seconds, messages a second, what else is said of it.
    fn plan(phases: &[(&str, u32, &str)]) -> Plan {
        let mut text =
            "version = 1\nname = \"t\"\nquestion = \"?\"\n[population]\nusers = 40\nrooms = 20\n"
                .to_owned();
        for (nth, (duration, rate, more)) in phases.iter().enumerate() {
            text += &format!("[[phases]]\nname = \"p{nth}\"\nduration = \"{duration}\"\n{more}\n");
            if *rate > 0 {
                text += &format!("rate = \"{rate}/s\"\narrivals = \"uniform\"\n");
            }
        }
        Plan::new(&Scenario::parse(Path::new("t.toml"), &text).unwrap()).unwrap()
    }

    #[test]
    fn rule_09_the_busiest_seconds_are_those_with_the_most_deliveries() {
        let quiet_then_loud = plan(&[("5s", 10, ""), ("4s", 100, ""), ("3s", 20, "")]);
        assert_eq!(quiet_then_loud.busiest(3), Some(5..8));
        assert_eq!(quiet_then_loud.busiest(6), Some(5..11));
        assert_eq!(quiet_then_loud.busiest(60), Some(0..12));
        let steady = plan(&[("20s", 50, "")]);
        assert_eq!(steady.busiest(3), Some(0..3));
    }

    #[test]
    fn rule_09_only_whole_seconds_of_measured_open_phases_are_replayed() {
        let unmeasured = plan(&[("4s", 500, "measured = false"), ("4s", 10, "")]);
        assert_eq!(unmeasured.busiest(3), Some(4..7));
        let closed = plan(&[("4s", 0, "think_time = \"10ms\""), ("2s", 10, "")]);
        assert_eq!(closed.busiest(3), Some(4..6));
        let between = plan(&[("500ms", 500, "measured = false"), ("2s", 10, "")]);
        assert_eq!(between.busiest(3), Some(1..2));
        // Over the edge of two phases that both count.
        let edge = plan(&[("1500ms", 10, ""), ("1500ms", 100, "")]);
        assert_eq!(edge.busiest(2), Some(1..3));
        assert_eq!(plan(&[("900ms", 500, "")]).busiest(3), None);
        assert_eq!(plan(&[("5s", 0, "")]).busiest(3), None);
    }

    #[test]
    fn rule_09_a_replay_sends_the_same_after_a_warm_up_with_everybody_there() {
        let plan = plan(&[("5s", 10, "reconnects = \"2/s\""), ("4s", 100, "")]);
        let replay = plan.replay(&(5..8), SECOND / 2).unwrap();
        assert!(replay.is_certain());
        let sent = |plan: &Plan, from: Nanos, until: Nanos, phase: u16| -> Vec<_> {
            let sends = plan.sends.iter().filter(|send| send.phase == phase);
            let sends = sends.filter(|send| (from..until).contains(&send.at));
            sends
                .map(|send| (send.at - from, send.sender, send.conversation, send.bytes))
                .collect()
        };
        let (half, start) = (SECOND / 2, 5 * SECOND);
        assert_eq!(
            sent(&replay, half, 4 * SECOND, 1),
            sent(&plan, start, 8 * SECOND, 1)
        );
        assert_eq!(
            sent(&replay, 0, half, 0),
            sent(&plan, start, start + half, 1)
        );
        assert_eq!(replay.sends.len(), 350);
        assert!(replay.phases[1].measured && !replay.phases[0].measured);
    }
}

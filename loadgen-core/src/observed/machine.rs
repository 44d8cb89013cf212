//! The machine's testimony, second by second: what kept the run from going on, and whether that disturbed it (rule 10).

use std::{fmt, time::Duration};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::{Observed, WINDOW, by_place};
use crate::model::{Nanos, histogram};

/// Of all cores' time, as much taken by the hypervisor as makes a second disturbed: 100 ms on two cores. Bursts of 5 to
/// 10 ms are the everyday life of a virtual machine and stay charged.
const STOLEN: f64 = 0.05;
/// Seconds in which a thread of the run waited while others had the processors, as many as make one disturbed: what was
/// due meanwhile is 1 % of a second's messages, as much as the promise leaves over.
const WAITED: f64 = 0.010;
/// Of all cores' time, less used by others takes no processor away: kernel threads and the sampling take that much.
const OTHERS: f64 = 0.05;
/// Seconds that a control group was held back, as many as make one disturbed.
const THROTTLED: f64 = 0.010;
/// Seconds that the generator stood still, or sent late without having worked, as many as make one disturbed.
const PAUSED: f64 = 0.010;
/// The clock of a thread that had work all the time shows so much of a second at least: its short waits are not counted.
const BUSY: f64 = 0.9;

/// One second of the schedule, as the kernel counts it and a thread that only sleeps feels it. In older results, what is
/// in seconds is zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MachineSecond {
    /// Used by anybody, of all cores' time.
    pub busy: f64,
    /// Taken away by the hypervisor, of all cores' time.
    pub stolen: f64,
    /// Used by processes that are neither the generator nor the server nor a database, of all cores' time.
    pub foreign: f64,
    /// How long a thread of the generator or the server was ready and had no processor, seconds: the longest of each 10 ms,
    /// without those that were short.
    #[serde(default)]
    pub waited: f64,
    /// How much of that may have been for others: no more than these used, seconds.
    #[serde(default)]
    pub waited_for_others: f64,
    /// How long the generator's control group was held back by its quota, seconds.
    #[serde(default)]
    pub throttled: f64,
    /// How long the generator stood still at a stretch, neither at work nor waiting for a processor, seconds.
    #[serde(default)]
    pub paused: f64,
    /// Whether something outside the run disturbed it, so that what was slow in it is no one's fault for certain.
    pub disturbed: bool,
    /// What disturbed it most; `None` where nothing did, and in older results.
    #[serde(default)]
    pub cause: Option<Cause>,
}

/// What disturbs a second.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The hypervisor gave the processors to others.
    Stolen,
    /// Threads of the run waited for a processor while processes ran that are no part of it.
    Waited,
    /// The control group's quota was used up.
    Throttled,
    /// The generator stood still: stopped, paused with its machine, or waiting for a disk.
    Paused,
}

impl Cause {
    /// All of them.
    pub const ALL: [Cause; 4] = [
        Cause::Stolen,
        Cause::Waited,
        Cause::Throttled,
        Cause::Paused,
    ];
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Stolen => "the hypervisor took processors away",
            Cause::Waited => "other processes had the processors that the run waited for",
            Cause::Throttled => "the control group's CPU quota was used up",
            Cause::Paused => "the generator stood still",
        })
    }
}

impl MachineSecond {
    /// Whether that disturbed it, and by what most.
    #[must_use]
    pub fn weighed(self) -> Self {
        let over = [
            (Cause::Stolen, self.stolen / STOLEN),
            (Cause::Waited, self.waited_for_others / WAITED),
            (Cause::Throttled, self.throttled / THROTTLED),
            (Cause::Paused, self.paused / PAUSED),
        ];
        let most = over.into_iter().max_by(|(_, a), (_, b)| a.total_cmp(b));
        let cause = most.filter(|(_, times)| *times >= 1.0);
        Self {
            disturbed: cause.is_some(),
            cause: cause.map(|(cause, _)| cause),
            ..self
        }
    }

    /// With what the others had of a run's wait: `used` seconds of the cores' time, of which there are so many.
    #[must_use]
    pub fn waiting_for(self, used: f64, cores: f64) -> Self {
        let others = if used >= OTHERS * cores { used } else { 0.0 };
        Self {
            waited_for_others: self.waited.min(others),
            ..self
        }
    }

    /// With how long the generator stood still at a stretch, at least; weighed anew.
    #[must_use]
    pub fn with_pause(self, paused: Nanos) -> Self {
        let paused = self.paused.max(seconds(paused));
        Self { paused, ..self }.weighed()
    }

    /// Adds what another part saw of the same second: of two machines the worse counts.
    pub(super) fn merge(&mut self, other: MachineSecond) {
        self.busy = self.busy.max(other.busy);
        self.stolen = self.stolen.max(other.stolen);
        self.foreign = self.foreign.max(other.foreign);
        self.waited = self.waited.max(other.waited);
        self.waited_for_others = self.waited_for_others.max(other.waited_for_others);
        self.throttled = self.throttled.max(other.throttled);
        self.paused = self.paused.max(other.paused);
        self.disturbed |= other.disturbed;
        self.cause = self.cause.max(other.cause);
    }
}

impl Observed {
    /// The longest that anything of the run is known to have stood still or waited, nanoseconds: a thread that only sleeps, a
    /// message that was due, a thread that was ready while others had the processors. Zero where nobody watched.
    pub fn longest_stall(&self) -> Nanos {
        let slept = self.hiccups.iter().flat_map(|hiccups| &hiccups.longest);
        let late = self
            .recorded
            .sends
            .iter()
            .filter_map(|sends| sends.lateness_max);
        let waits = self
            .machine
            .iter()
            .map(|one| one.waited_for_others.max(one.paused));
        let waits = waits.map(|seconds| (seconds * 1e9) as Nanos);
        slept.copied().chain(late).chain(waits).max().unwrap_or(0)
    }

    /// Adds to each second that was watched how long the generator stood still in it: a thread that only sleeps overslept
    /// without having waited for a processor, or messages were sent later than work and waiting explain.
    pub fn weigh_machine(&mut self) {
        let none = Vec::new();
        let pauses = self
            .hiccups
            .as_ref()
            .map_or(&none, |hiccups| &hiccups.paused);
        let waits: Vec<f64> = self.machine.iter().map(|one| one.waited).collect();
        for (second, seen) in self.machine.iter_mut().enumerate() {
            let paused = pauses.get(second).copied().unwrap_or(0);
            let sends = self.recorded.sends.get(second);
            let late = sends.and_then(|sends| sends.lateness_max).unwrap_or(0);
            // What a send waited for after the last second, nobody watched.
            let watched = late.min((waits.len() - second) as Nanos * WINDOW);
            let length = (watched.div_ceil(WINDOW) as usize).max(1);
            // A reading of a thread's clock comes late as a rule: the next second's may have been this one's.
            let used = |cpu: &Vec<f64>| cpu.iter().skip(second).take(length + 1).sum::<f64>();
            let worked = self.threads.values().map(used).fold(0.0, f64::max);
            let waited = waits.iter().skip(second).take(length).sum::<f64>();
            // Of many seconds, what their clocks don't show adds up.
            let hidden = match late > WINDOW {
                true => seconds(watched) * (1.0 - BUSY),
                false => 0.0,
            };
            let unexplained = seconds(watched) - worked - waited - hidden;
            seen.paused = seen.paused.max(unexplained);
            *seen = seen.with_pause(paused);
        }
    }
}

fn seconds(nanos: Nanos) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64()
}

/// How much longer than asked a thread slept that does nothing else.
#[derive(Debug, Clone)]
pub struct Hiccups {
    /// Every oversleep, nanoseconds.
    pub all: Histogram<u64>,
    /// The longest of each second that has begun; zero where it never woke up in it.
    pub longest: Vec<Nanos>,
    /// The longest in each second in which it was not waiting for a processor either, nanoseconds: the process, or the
    /// machine, stood still. One that goes on over several seconds is in each of them.
    pub paused: Vec<Nanos>,
}

impl Default for Hiccups {
    fn default() -> Self {
        Self {
            all: histogram::empty(),
            longest: Vec::new(),
            paused: Vec::new(),
        }
    }
}

impl Hiccups {
    /// An oversleep, in the second in which it should have ended, and how much of it was a wait for a processor.
    pub fn add(&mut self, due: Duration, oversleep: Nanos, waited: Nanos) {
        self.all.saturating_record(oversleep);
        let (first, last) = (
            due.as_secs(),
            (due + Duration::from_nanos(oversleep)).as_secs(),
        );
        raise(&mut self.longest, first, oversleep);
        for second in first..=last {
            raise(&mut self.paused, second, oversleep.saturating_sub(waited));
        }
    }

    /// Adds what another part saw.
    pub(super) fn merge(&mut self, other: Hiccups) {
        // Same bounds by construction: adding can't fail.
        let _ = self.all.add(other.all);
        for (mine, theirs) in [
            (&mut self.longest, other.longest),
            (&mut self.paused, other.paused),
        ] {
            by_place(mine, theirs, |mine, theirs| *mine = theirs.max(*mine));
        }
    }
}

fn raise(seconds: &mut Vec<Nanos>, second: u64, to: Nanos) {
    let second = second as usize;
    if seconds.len() <= second {
        seconds.resize(second + 1, 0);
    }
    seconds[second] = seconds[second].max(to);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        observed::{Layout, Ledger, Recorder},
        plan::Share,
    };

    fn cause(second: MachineSecond) -> Option<Cause> {
        let weighed = second.weighed();
        assert_eq!(weighed.disturbed, weighed.cause.is_some());
        weighed.cause
    }

    #[test]
    fn the_longest_stall_is_the_worst_of_all_that_was_watched() {
        let mut recorder = Recorder::new(Arc::new(Layout::new(&[], &[])));
        recorder.begin(0);
        let ledger = Arc::new(Ledger::new(0, 0));
        let mut observed = Observed::of(recorder.finish(), ledger);
        assert_eq!(observed.longest_stall(), 0);
        observed.machine = vec![MachineSecond {
            // For one another: a server that starves the machine does not excuse itself.
            waited: 0.9,
            waited_for_others: 0.2,
            paused: 0.1,
            ..MachineSecond::default()
        }];
        assert_eq!(observed.longest_stall(), 200_000_000);
        let mut hiccups = Hiccups::default();
        hiccups.add(Duration::from_secs(1), 300_000_000, 0);
        observed.hiccups = Some(hiccups);
        assert_eq!(observed.longest_stall(), 300_000_000);
    }

    #[test]
    fn rule_10_a_second_is_disturbed_by_what_kept_the_run_from_going_on() {
        let quiet = MachineSecond {
            busy: 0.9,
            stolen: 0.04,
            // Nobody waited for them.
            foreign: 0.6,
            // For one another.
            waited: 0.5,
            waited_for_others: 0.009,
            throttled: 0.009,
            paused: 0.009,
            ..MachineSecond::default()
        };
        assert_eq!(cause(quiet), None);
        let stolen = MachineSecond {
            stolen: 0.05,
            ..quiet
        };
        let waited = MachineSecond {
            waited_for_others: 0.02,
            ..quiet
        };
        let throttled = MachineSecond {
            throttled: 0.04,
            ..quiet
        };
        let paused = MachineSecond {
            paused: 0.06,
            ..quiet
        };
        assert_eq!(cause(stolen), Some(Cause::Stolen));
        assert_eq!(cause(waited), Some(Cause::Waited));
        assert_eq!(cause(throttled), Some(Cause::Throttled));
        assert_eq!(cause(paused), Some(Cause::Paused));
    }

    #[test]
    fn rule_14_a_server_that_starves_the_machine_is_no_stranger() {
        let waited = MachineSecond {
            waited: 0.6,
            ..MachineSecond::default()
        };
        // Of two cores, a twentieth is the kernel's own.
        assert_eq!(cause(waited.waiting_for(0.09, 2.0)), None);
        let others = waited.waiting_for(0.4, 2.0);
        assert_eq!(others.waited_for_others, 0.4);
        assert_eq!(cause(others), Some(Cause::Waited));
    }

    /// Two watched seconds, in the second of which a message is late by so much; the thread worked for so long in it.
    fn second(late: Nanos, worked: f64, waited: f64, hiccups: Hiccups) -> MachineSecond {
        let mut recorder = Recorder::new(Arc::new(Layout::new(&[], &[])));
        recorder.begin(0);
        recorder.record_send(1_200_000_000, Some(1_200_000_000 + late));
        let mut observed = Observed {
            machine: vec![
                MachineSecond {
                    waited,
                    ..MachineSecond::default()
                };
                2
            ],
            hiccups: Some(hiccups),
            ..Observed::of(recorder.finish(), Arc::new(Ledger::new(0, 0)))
        };
        observed
            .threads
            .insert(Share::WHOLE.thread(), vec![0.0, worked]);
        observed.weigh_machine();
        assert!(!observed.is_disturbed(0));
        observed.machine[1]
    }

    #[test]
    fn rule_10_late_sends_disturb_only_where_neither_work_nor_waiting_explains_them() {
        let none = Hiccups::default;
        assert_eq!(
            second(60_000_000, 0.02, 0.01, none()).cause,
            Some(Cause::Paused)
        );
        assert_eq!(second(60_000_000, 0.07, 0.0, none()).cause, None);
        assert_eq!(second(60_000_000, 0.0, 0.07, none()).cause, None);
        assert_eq!(second(5_000_000, 0.0, 0.0, none()).cause, None);
    }

    #[test]
    fn rule_10_a_generator_that_falls_ever_further_behind_its_schedule_did_not_stand_still() {
        let paused = |worked: f64, waited: f64| {
            let mut recorder = Recorder::new(Arc::new(Layout::new(&[], &[])));
            recorder.begin(0);
            for second in 0..20 {
                let due = second * WINDOW + WINDOW / 2;
                // It sends half of what is due.
                recorder.record_send(due, Some(2 * due));
            }
            let seen = MachineSecond {
                waited,
                ..MachineSecond::default()
            };
            let mut observed = Observed {
                machine: vec![seen; 20],
                ..Observed::of(recorder.finish(), Arc::new(Ledger::new(0, 0)))
            };
            let thread = Share::WHOLE.thread();
            observed.threads.insert(thread, vec![worked; 20]);
            observed.weigh_machine();
            let seconds = observed.machine.iter();
            let paused = seconds.filter(|one| one.cause == Some(Cause::Paused));
            paused.count()
        };
        assert_eq!(paused(0.97, 0.0), 0);
        assert_eq!(paused(0.5, 0.47), 0);
        assert_eq!(paused(0.1, 0.0), 20);
    }

    #[test]
    fn rule_10_an_oversleep_disturbs_only_where_the_sleeper_was_not_waiting_for_a_processor() {
        let slept = |oversleep, waited| {
            let mut hiccups = Hiccups::default();
            hiccups.add(Duration::from_millis(1_500), oversleep, waited);
            hiccups
        };
        let stopped = second(0, 0.0, 0.0, slept(60_000_000, 1_000_000));
        assert_eq!(stopped.cause, Some(Cause::Paused));
        assert_eq!(
            second(0, 0.0, 0.0, slept(60_000_000, 55_000_000)).cause,
            None
        );
    }

    #[test]
    fn rule_10_a_pause_over_several_seconds_is_in_each_of_them() {
        let mut hiccups = Hiccups::default();
        for (due, oversleep) in [
            (1, 50_000),
            (999, 70_000),
            (2_000, 9_000_000),
            (2_990, 2_500_000_000),
        ] {
            hiccups.add(Duration::from_millis(due), oversleep, 0);
        }
        assert_eq!(hiccups.longest, [70_000, 0, 2_500_000_000]);
        let long = 2_500_000_000;
        assert_eq!(hiccups.paused, [70_000, 0, long, long, long, long]);
        assert_eq!(hiccups.all.len(), 4);
    }
}

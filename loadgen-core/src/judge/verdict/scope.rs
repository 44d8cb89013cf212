//! What a threshold is about: the whole run, or one phase of it; its samples, its seconds and its counts.

use std::borrow::Cow;

use hdrhistogram::Histogram;

use super::{JudgedPhase, Trial, fan_out::FanOut, when::Slow};
use crate::{
    judge::Totals,
    model::{Metric, Nanos, histogram},
    observed::{Over, Samples, WINDOW, Window},
    scenario::Threshold,
};

/// A second without samples.
static NOTHING: Window = Window::EMPTY;

/// The whole run, or a phase.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) trial: &'a Trial<'a>,
    phase: Option<(u16, &'a JudgedPhase<'a>)>,
}

/// Seconds of the schedule that hold samples, and those of them that may be judged.
pub(super) struct Seconds<'a> {
    pub(super) all: usize,
    pub(super) undisturbed: Vec<SeenSecond<'a>>,
    disturbed: Vec<SeenSecond<'a>>,
}

/// A second of the schedule.
pub(super) struct SeenSecond<'a> {
    /// Which one.
    pub(super) second: usize,
    /// What came.
    pub(super) window: &'a Window,
    /// Deliveries that were due in it and never came.
    pub(super) lost: u64,
}

/// What latencies from the intended time are in this scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Charged from the plan.
    None,
    /// Of closed phases among others.
    Some,
    /// All of closed phases.
    All,
}

impl<'a> Scope<'a> {
    pub(super) fn whole(trial: &'a Trial<'a>) -> Self {
        Self { trial, phase: None }
    }

    pub(super) fn phase(trial: &'a Trial<'a>, index: u16, phase: &'a JudgedPhase<'a>) -> Self {
        Self {
            trial,
            phase: Some((index, phase)),
        }
    }

    /// The phase's name, where it is one.
    pub(super) fn name(&self) -> Option<&'a str> {
        self.phase.map(|(_, phase)| phase.name)
    }

    /// Counts; `None` where nobody counted by phase.
    pub(super) fn totals(&self) -> Option<&'a Totals> {
        let account = self.trial.account;
        match self.phase {
            None => Some(&account.totals),
            Some((index, _)) => account.phases.get(usize::from(index)),
        }
    }

    /// All samples.
    pub(super) fn samples(&self, metric: Metric) -> &'a Samples {
        match self.phase {
            None => self.trial.observed.recorded.samples(metric),
            Some((index, _)) => self.trial.observed.recorded.samples_in(index, metric),
        }
    }

    /// The seconds that hold samples of the metric: of a phase, those that lie wholly in it. None at all of a metric
    /// whose samples have no place in the schedule.
    pub(super) fn seconds(&self, metric: Metric) -> Seconds<'a> {
        let windows = self.trial.observed.recorded.windows(metric);
        let lost = self.lost(metric);
        let (disturbed, undisturbed): (Vec<_>, Vec<_>) = (0..windows.len().max(lost.len()))
            .map(|second| SeenSecond {
                second,
                window: windows.get(second).unwrap_or(&NOTHING),
                lost: lost.get(second).copied().unwrap_or(0),
            })
            .filter(|one| one.window.n + one.lost > 0 && self.holds(one.second))
            .partition(|one| self.trial.observed.is_disturbed(one.second));
        Seconds {
            all: disturbed.len() + undisturbed.len(),
            undisturbed,
            disturbed,
        }
    }

    /// Where the samples at a threshold's limit are counted.
    pub(super) fn place(&self, threshold: &Threshold) -> Option<usize> {
        self.trial
            .observed
            .recorded
            .limits()
            .place(threshold.limit()?)
    }

    /// What was lost in each second: deliveries are the one kind of sample whose absence is known.
    fn lost(&self, metric: Metric) -> &'a [u64] {
        match metric {
            Metric::Delivery | Metric::DeliveryAsSent => &self.trial.account.lost_in,
            _ => &[],
        }
    }

    /// How many deliveries its messages have.
    pub(super) fn fan_out(&self) -> FanOut {
        let phases = match self.phase {
            Some((_, phase)) => std::slice::from_ref(phase),
            None => &self.trial.phases,
        };
        let measured = phases.iter().filter(|phase| phase.measured);
        measured.fold(FanOut::default(), |sum, phase| sum.with(phase.fan_out))
    }

    /// Of the samples that [`Scope::judged`] has, those over a limit.
    pub(super) fn judged_over(&self, metric: Metric, place: usize) -> u64 {
        let over = |seconds: &[SeenSecond<'_>]| -> u64 {
            seconds.iter().map(|one| one.over(place).n).sum()
        };
        let all = self.samples(metric).over(place);
        let seconds = self.seconds(metric);
        match self.phase {
            Some(_) if self.has_disturbed_seconds() && seconds.all > 0 => {
                over(&seconds.undisturbed)
            }
            _ => all - over(&seconds.disturbed).min(all),
        }
    }

    /// The samples that a verdict may rest on: all but those of disturbed seconds. `None`: nobody knows which of them
    /// these are.
    pub(super) fn judged(&self, metric: Metric) -> Option<Cow<'a, Histogram<u64>>> {
        let all = &self.samples(metric).histogram;
        if !self.has_disturbed_seconds() {
            return Some(Cow::Borrowed(all));
        }
        let seconds = self.seconds(metric);
        if seconds.all == 0 {
            return None;
        }
        if self.phase.is_some() {
            // A second at its edge holds samples of two phases.
            return Some(Cow::Owned(sum(&seconds.undisturbed)));
        }
        let mut judged = all.clone();
        // A part of the same counts, with the same bounds: subtracting can't fail.
        let _ = judged.subtract(sum(&seconds.disturbed));
        Some(Cow::Owned(judged))
    }

    /// Whether others had the machine in any second that this scope touches.
    pub(super) fn has_disturbed_seconds(&self) -> bool {
        (0..self.trial.observed.machine.len())
            .any(|second| self.touches(second) && self.trial.observed.is_disturbed(second))
    }

    /// Whether a second of the schedule lies wholly in it.
    fn holds(&self, second: usize) -> bool {
        let start = second as Nanos * WINDOW;
        self.phase
            .is_none_or(|(_, phase)| phase.start <= start && start + WINDOW <= phase.end)
    }

    fn touches(&self, second: usize) -> bool {
        let start = second as Nanos * WINDOW;
        let overlaps = |phase: &JudgedPhase<'_>| phase.start < start + WINDOW && start < phase.end;
        match self.phase {
            Some((_, phase)) => overlaps(phase),
            None => {
                let mut measured = self.trial.phases.iter().filter(|phase| phase.measured);
                self.trial.phases.is_empty() || measured.any(overlaps)
            }
        }
    }

    /// Whether latencies from the intended time are service times.
    pub(super) fn service(&self) -> Service {
        if let Some((_, phase)) = self.phase {
            return if phase.closed {
                Service::All
            } else {
                Service::None
            };
        }
        let measured = || self.trial.phases.iter().filter(|phase| phase.measured);
        match (
            measured().any(|phase| phase.closed),
            measured().all(|phase| phase.closed),
        ) {
            (false, _) => Service::None,
            (true, true) => Service::All,
            (true, false) => Service::Some,
        }
    }
}

impl Seconds<'_> {
    pub(super) fn disturbed(&self) -> usize {
        self.disturbed.len()
    }

    /// Samples that were due in the seconds that may be judged, lost ones among them.
    pub(super) fn due(&self) -> u64 {
        self.undisturbed.iter().map(SeenSecond::due).sum()
    }

    /// Deliveries that were lost in all seconds.
    pub(super) fn lost(&self) -> u64 {
        let all = self.undisturbed.iter().chain(&self.disturbed);
        all.map(|one| one.lost).sum()
    }

    /// Those that may be judged and have samples over a limit.
    pub(super) fn slow(&self, place: usize) -> Vec<Slow> {
        let slow = self.undisturbed.iter().map(|one| Slow {
            second: one.second,
            missed: one.over(place).n + one.lost,
            over: one.over(place),
        });
        slow.filter(|one| one.missed > 0).collect()
    }
}

impl SeenSecond<'_> {
    /// Samples that were due, lost ones among them.
    pub(super) fn due(&self) -> u64 {
        self.window.n + self.lost
    }

    /// Those that came and were over a limit.
    pub(super) fn over(&self, place: usize) -> Over {
        self.window.over.get(place).copied().unwrap_or(Over::NONE)
    }
}

fn sum(seconds: &[SeenSecond<'_>]) -> Histogram<u64> {
    let mut sum = histogram::empty();
    for second in seconds {
        // Same bounds by construction: adding can't fail.
        let _ = sum.add(second.window.histogram());
    }
    sum
}

//! What a threshold is about: the whole run, or one phase of it; its samples, its seconds and its counts.

use std::borrow::Cow;

use hdrhistogram::Histogram;

use super::{JudgedPhase, Trial};
use crate::{
    judge::Totals,
    model::{Metric, Nanos, histogram},
    observed::{Samples, WINDOW, Window},
};

/// The whole run, or a phase.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) trial: &'a Trial<'a>,
    phase: Option<(u16, &'a JudgedPhase<'a>)>,
}

/// Seconds of the schedule that hold samples, and those of them that may be judged.
pub(super) struct Seconds<'a> {
    pub(super) all: usize,
    pub(super) undisturbed: Vec<&'a Window>,
    disturbed: Vec<&'a Window>,
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
        let windows = self
            .trial
            .observed
            .recorded
            .windows(metric)
            .iter()
            .enumerate();
        let (disturbed, undisturbed): (Vec<_>, Vec<_>) = windows
            .filter(|(second, window)| window.n > 0 && self.holds(*second))
            .partition(|(second, _)| self.trial.observed.is_disturbed(*second));
        let windows = |seconds: Vec<(usize, &'a Window)>| -> Vec<&'a Window> {
            seconds.into_iter().map(|(_, window)| window).collect()
        };
        Seconds {
            all: disturbed.len() + undisturbed.len(),
            undisturbed: windows(undisturbed),
            disturbed: windows(disturbed),
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
}

fn sum(windows: &[&Window]) -> Histogram<u64> {
    let mut sum = histogram::empty();
    for window in windows {
        // Same bounds by construction: adding can't fail.
        let _ = sum.add(window.histogram());
    }
    sum
}

//! What a threshold is about: the whole run, or one phase of it; its samples, its seconds and its counts.

use std::borrow::Cow;

use hdrhistogram::Histogram;

use super::{JudgedPhase, Trial, fan_out::FanOut, when::Slow};
use crate::{
    judge::{Totals, parts::Part},
    model::{Metric, Nanos, histogram},
    observed::{MachineSecond, Over, Samples, WINDOW, Window},
    scenario::Threshold,
};

/// A second without samples.
static NOTHING: Window = Window::EMPTY;

/// The whole run, or a phase.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) trial: &'a Trial<'a>,
    phase: Option<(u16, &'a JudgedPhase<'a>)>,
    /// Of a run with faults, the part.
    part: Option<Part>,
}

/// How the part is called that no fault touches.
pub const OUTSIDE: &str = "outside the faults";

/// Which seconds are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// Disturbed ones too: it only adds latency.
    All,
    /// Those alone in which nothing outside disturbed.
    Undisturbed,
}

/// When of a run something was: most connects and joins come before the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// While users connected and joined.
    Connecting,
    /// From the first intended send on.
    Schedule,
}

/// Seconds of the schedule that hold samples.
pub(super) struct Seconds<'a>(Vec<SeenSecond<'a>>);

/// A second of the schedule.
pub(super) struct SeenSecond<'a> {
    /// Whether something outside disturbed it.
    disturbed: bool,
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
        Self {
            trial,
            phase: None,
            part: None,
        }
    }

    pub(super) fn phase(trial: &'a Trial<'a>, index: u16, phase: &'a JudgedPhase<'a>) -> Self {
        Self {
            trial,
            phase: Some((index, phase)),
            part: None,
        }
    }

    /// A part of a run with faults.
    pub(super) fn part(trial: &'a Trial<'a>, part: Part) -> Self {
        Self {
            part: Some(part),
            ..Self::whole(trial)
        }
    }

    /// A threshold in this scope, as it is shown.
    pub(super) fn shown(&self, threshold: &Threshold) -> String {
        let metric = threshold.subject.metric();
        match (self.phase, self.part) {
            (Some((_, phase)), _) if metric.is_some_and(|metric| self.is_parted(metric)) => {
                format!("{} ({OUTSIDE})", threshold.in_phase(phase.name))
            }
            (Some((_, phase)), _) => threshold.in_phase(phase.name),
            (None, Some(Part::Outside)) => format!("{threshold} ({OUTSIDE})"),
            (None, _) => threshold.to_string(),
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

    /// Of the failed messages, those that a fault explains; `None` where nobody counted by phase.
    pub(super) fn failed_by_fault(&self) -> Option<u64> {
        let account = self.trial.account;
        match self.phase {
            None => Some(account.failed_by_fault),
            Some((index, _)) => account.phases_by_fault.get(usize::from(index)).copied(),
        }
    }

    /// All samples.
    pub(super) fn samples(&self, metric: Metric) -> &'a Samples {
        if let Some(part) = self.part {
            let parts = &self.trial.parts;
            let none = self.trial.observed.recorded.none();
            return parts.samples(metric, part).unwrap_or(none);
        }
        let recorded = &self.trial.observed.recorded;
        match self.phase {
            None => recorded.samples(metric),
            Some((index, _)) => {
                let outside = self.trial.parts.outside_in(metric, index);
                outside.unwrap_or_else(|| recorded.samples_in(index, metric))
            }
        }
    }

    /// Whether it is a phase that faults touched, so that only what was outside of them counts.
    fn is_parted(&self, metric: Metric) -> bool {
        let parts = &self.trial.parts;
        self.phase
            .is_some_and(|(index, _)| parts.outside_in(metric, index).is_some())
    }

    /// Whether faults leave a second to it.
    fn is_left(&self, metric: Metric, second: usize) -> bool {
        !self.is_parted(metric) || self.trial.parts.holds(metric, Part::Outside, second)
    }

    /// The seconds that hold samples of the metric: of a phase, those that lie wholly in it. None at all of a metric
    /// whose samples have no place in the schedule.
    pub(super) fn seconds(&self, metric: Metric) -> Seconds<'a> {
        let windows = self.trial.observed.recorded.windows(metric);
        let lost = self.lost(metric);
        let seen = (0..windows.len().max(lost.len()))
            .map(|second| SeenSecond {
                disturbed: self.trial.observed.is_disturbed(second),
                second,
                window: windows.get(second).unwrap_or(&NOTHING),
                lost: lost.get(second).copied().unwrap_or(0),
            })
            .filter(|one| one.due() > 0 && self.holds(metric, one.second));
        Seconds(seen.collect())
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
        let missing = &self.trial.account.missing;
        match metric {
            Metric::Delivery | Metric::DeliveryAsSent => &missing.deliveries_in,
            // A message that some member never got was slow for its slowest.
            Metric::DeliverySlowest => &missing.messages_in,
            _ => &[],
        }
    }

    /// So many samples of a metric say as much as one that stands for itself.
    pub(super) fn fan_out(&self, metric: Metric) -> f64 {
        let phases = match self.phase {
            Some((_, phase)) => std::slice::from_ref(phase),
            None => &self.trial.phases,
        };
        let measured = phases.iter().filter(|phase| phase.measured);
        let all = measured.fold(FanOut::default(), |sum, phase| sum.with(phase.fan_out));
        all.of_samples(metric, self.trial.observed.rules)
    }

    /// Of the samples that [`Scope::latencies`] has, those over a limit.
    pub(super) fn over(&self, metric: Metric, place: usize, counted: Counted) -> u64 {
        let all = self.samples(metric).over(place);
        if counted == Counted::All || !self.has_disturbed_seconds_around(metric) {
            return all;
        }
        let seconds = self.seconds(metric);
        let over = |seconds: &mut dyn Iterator<Item = &SeenSecond<'_>>| -> u64 {
            seconds.map(|one| one.over(place).n).sum()
        };
        match self.phase.is_some() {
            true if seconds.all() > 0 => over(&mut seconds.counted(counted)),
            _ => all - over(&mut seconds.left_out()).min(all),
        }
    }

    /// The latencies of those seconds; `None`: nobody knows which of them these are.
    pub(super) fn latencies(
        &self,
        metric: Metric,
        counted: Counted,
    ) -> Option<Cow<'a, Histogram<u64>>> {
        let all = &self.samples(metric).histogram;
        if counted == Counted::All || !self.has_disturbed_seconds_around(metric) {
            return Some(Cow::Borrowed(all));
        }
        let seconds = self.seconds(metric);
        if seconds.all() == 0 || disturbed(self.connecting(metric)) > 0 {
            return None;
        }
        if self.phase.is_some() {
            // A second at its edge holds samples of two phases.
            return Some(Cow::Owned(sum(seconds.counted(counted))));
        }
        let mut judged = all.clone();
        // A part of the same counts, with the same bounds: subtracting can't fail.
        let _ = judged.subtract(sum(seconds.left_out()));
        Some(Cow::Owned(judged))
    }

    /// The seconds before the schedule in which there may be such samples: those of connecting.
    pub(super) fn connecting(&self, metric: Metric) -> &'a [MachineSecond] {
        match metric.begins_before_the_schedule() && self.is_before_too() {
            true => &self.trial.observed.connecting,
            false => &[],
        }
    }

    /// Whether what came before the schedule is in it.
    fn is_before_too(&self) -> bool {
        match (self.phase, self.part) {
            (None, None) => true,
            (None, Some(Part::Outside)) => self.trial.observed.rules.know_all_parts(),
            _ => false,
        }
    }

    /// Whether others had the machine in any second in which there may be such samples.
    pub(super) fn has_disturbed_seconds_around(&self, metric: Metric) -> bool {
        match metric.begins_before_the_schedule() {
            true => disturbed(self.connecting(metric)) + self.seconds(metric).disturbed() > 0,
            false => self.has_disturbed_seconds(metric),
        }
    }

    /// Whether others had the machine in any second that this scope touches.
    fn has_disturbed_seconds(&self, metric: Metric) -> bool {
        (0..self.trial.observed.machine.len())
            .any(|second| self.touches(metric, second) && self.trial.observed.is_disturbed(second))
    }

    /// Whether a second of the schedule lies wholly in it.
    fn holds(&self, metric: Metric, second: usize) -> bool {
        if let Some(part) = self.part {
            return self.trial.parts.holds(metric, part, second);
        }
        let start = second as Nanos * WINDOW;
        self.is_left(metric, second)
            && self
                .phase
                .is_none_or(|(_, phase)| phase.start <= start && start + WINDOW <= phase.end)
    }

    fn touches(&self, metric: Metric, second: usize) -> bool {
        if let Some(part) = self.part {
            // Of a metric that is not known by second, what all deliveries say.
            let known = match self.trial.parts.has(metric) {
                true => metric,
                false => Metric::Delivery,
            };
            return self.trial.parts.holds(known, part, second);
        }
        let start = second as Nanos * WINDOW;
        let overlaps = |phase: &JudgedPhase<'_>| phase.start < start + WINDOW && start < phase.end;
        match self.phase {
            Some((_, phase)) => overlaps(phase) && self.is_left(metric, second),
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

/// In how many of those seconds something outside disturbed.
pub(super) fn disturbed(seconds: &[MachineSecond]) -> usize {
    seconds.iter().filter(|one| one.disturbed).count()
}

impl<'a> Seconds<'a> {
    /// How many there are.
    pub(super) fn all(&self) -> usize {
        self.0.len()
    }

    /// In how many of them something outside disturbed.
    pub(super) fn disturbed(&self) -> usize {
        self.left_out().count()
    }

    /// Those that count, ascending.
    pub(super) fn counted(&self, which: Counted) -> impl Iterator<Item = &SeenSecond<'a>> {
        let all = self.0.iter();
        all.filter(move |one| which == Counted::All || !one.disturbed)
    }

    /// Those that something outside disturbed, ascending.
    pub(super) fn left_out(&self) -> impl Iterator<Item = &SeenSecond<'a>> {
        self.0.iter().filter(|one| one.disturbed)
    }

    /// Samples that were due in those that count, lost ones among them.
    pub(super) fn due(&self, which: Counted) -> u64 {
        self.counted(which).map(SeenSecond::due).sum()
    }

    /// Deliveries that were lost in those that count.
    pub(super) fn lost(&self, which: Counted) -> u64 {
        self.counted(which).map(|one| one.lost).sum()
    }

    /// Those that count and have samples over a limit.
    pub(super) fn slow(&self, which: Counted, place: usize) -> Vec<Slow> {
        let slow = self.counted(which).map(|one| Slow {
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

fn sum<'a>(seconds: impl Iterator<Item = &'a SeenSecond<'a>>) -> Histogram<u64> {
    let mut sum = histogram::empty();
    for second in seconds {
        // Same bounds by construction: adding can't fail.
        let _ = sum.add(second.window.histogram());
    }
    sum
}

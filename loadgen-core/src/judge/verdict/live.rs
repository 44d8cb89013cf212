//! Thresholds while a run goes on: what they say so far, and those that end it, judged once a second on what the workers
//! have shown.

use std::{sync::Arc, time::Duration};

use super::{fan_out::FanOut, limit::Limit};
use crate::{
    judge::{Verdict, statistic},
    model::{Count, Metric, Nanos, nanos, numbers},
    observed::{Layout, MachineSecond, Samples, WINDOW, Watched},
    plan::{Plan, Send},
    scenario::{Scenario, Subject, Threshold},
};

/// Counts so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Messages that could not be sent.
    pub dropped: u64,
    /// Deliveries beyond the first.
    pub duplicated: u64,
    /// Messages that could not be saved.
    pub failed: u64,
}

impl Counts {
    /// A count so far; `None` of one that is known at the end only.
    fn so_far(&self, count: Count) -> Option<u64> {
        match count {
            Count::Lost => None,
            Count::Dropped => Some(self.dropped),
            Count::Duplicated => Some(self.duplicated),
            Count::Failed => Some(self.failed),
        }
    }
}

/// The thresholds, and the samples that those with a delay may be judged by.
pub struct Live {
    layout: Arc<Layout>,
    conditions: Vec<Condition>,
    /// What had been shown at the last look.
    before: Vec<Samples>,
    /// What came since the beginning, without the seconds that others had the machine.
    judged: Vec<Samples>,
    /// The next second to look at.
    second: usize,
}

/// A threshold that ends the run.
struct Condition {
    threshold: Threshold,
    phase: Option<(u16, String)>,
    /// How many deliveries its messages have.
    fan_out: FanOut,
    /// It ends the run from here on, counted from the start of the schedule; `None`: never.
    from: Option<Nanos>,
}

impl Live {
    /// Those of a scenario.
    pub fn of(scenario: &Scenario, plan: &Plan) -> Self {
        Self {
            conditions: conditions(scenario, plan),
            ..Self::nothing(scenario)
        }
    }

    /// None, as of a run that is a baseline.
    pub fn nothing(scenario: &Scenario) -> Self {
        Self {
            layout: Arc::new(Layout::of(scenario)),
            conditions: Vec::new(),
            before: Vec::new(),
            judged: Vec::new(),
            second: 1,
        }
    }

    /// Whether a second has passed since the last look, and anything is to be looked at. A tenth of a second later, so
    /// that whoever watches the machine has said what it saw.
    pub fn is_due(&self, elapsed: Nanos) -> bool {
        let ends = self.conditions.iter().any(|one| one.from.is_some());
        ends && elapsed >= self.second as Nanos * WINDOW + WINDOW / 10
    }

    /// Looks at what all workers have shown, in the order of [`Layout::watched`]. The threshold that is missed, if one
    /// is: `aborted after 12 s: delivery.p99 < 5ms: 7.20 ms (n = 2400)`.
    pub fn look(
        &mut self,
        elapsed: Nanos,
        shown: &[Samples],
        counts: &Counts,
        machine: &[MachineSecond],
    ) -> Option<String> {
        self.take(elapsed, shown, machine);
        let due = self.conditions.iter();
        let due = due.filter(|one| one.from.is_some_and(|from| elapsed >= from));
        let mut missed = due.filter_map(|one| {
            let measured = self.missed(one, counts, &self.judged)?;
            Some((one, measured))
        });
        let (condition, measured) = missed.next()?;
        Some(format!(
            "aborted after {:.0} s: {}: {measured}",
            Duration::from_nanos(elapsed).as_secs_f64(),
            match &condition.phase {
                Some((_, name)) => condition.threshold.in_phase(name),
                None => condition.threshold.to_string(),
            },
        ))
    }

    /// Adds what came since the last look, unless others had the machine meanwhile. What is shown may be half a second
    /// old, so that the second before counts too.
    fn take(&mut self, elapsed: Nanos, shown: &[Samples], machine: &[MachineSecond]) {
        let passed = (elapsed / WINDOW) as usize;
        let since = self.second.saturating_sub(2);
        let disturbed = machine
            .iter()
            .take(passed)
            .skip(since)
            .any(|second| second.disturbed);
        self.second = passed + 1;
        if self.judged.is_empty() {
            self.judged = shown
                .iter()
                .map(|_| Samples::new(self.layout.limits()))
                .collect();
            self.before.clone_from(&self.judged);
        }
        for (judged, (before, now)) in self.judged.iter_mut().zip(self.before.iter().zip(shown)) {
            if !disturbed {
                judged.merge(&now.since(before));
            }
        }
        if !shown.is_empty() {
            self.before = shown.to_vec();
        }
    }

    /// How many of the deliveries so far are over the first limit that the thresholds set for all of them.
    pub fn late(&self, shown: &[Samples]) -> Option<u64> {
        let all = self.conditions.iter().filter(|one| one.phase.is_none());
        let mut of_deliveries = all.map(|one| &one.threshold).filter(|threshold| {
            let metric = threshold.subject.metric();
            metric == Some(Metric::Delivery)
        });
        let limit = of_deliveries.find_map(Threshold::limit)?;
        let place = self.layout.limits().place(limit)?;
        Some(shown.first()?.over(place))
    }

    /// What the thresholds say to all that was shown so far, disturbed seconds and all: FAIL if one is missed for certain or
    /// something was lost or doubled, INCONCLUSIVE as long as a threshold has too few samples. Of metrics that are not
    /// watched nothing is said. `None`: nothing is judged.
    pub fn so_far(&self, shown: &[Samples], counts: &Counts, lost: Option<u64>) -> Option<Verdict> {
        if self.conditions.is_empty() {
            return None;
        }
        let of = |condition: &Condition| {
            if self.missed(condition, counts, shown).is_some() {
                return Verdict::Fail;
            }
            match condition.threshold.subject.metric() {
                Some(Metric::Delivery) if condition.phase.is_none() => {
                    let n = shown.first().map_or(0, |samples| samples.histogram.len());
                    match n < statistic::needed(&condition.threshold) {
                        true => Verdict::Inconclusive,
                        false => Verdict::Pass,
                    }
                }
                _ => Verdict::Pass,
            }
        };
        let broken = counts.duplicated > 0 || lost.is_some_and(|lost| lost > 0);
        let promises = if broken { Verdict::Fail } else { Verdict::Pass };
        self.conditions.iter().map(of).chain([promises]).max()
    }

    /// What was measured, in words, of a threshold that is missed; `None` also where there is too little to say.
    fn missed(&self, condition: &Condition, counts: &Counts, all: &[Samples]) -> Option<String> {
        let Condition {
            threshold, phase, ..
        } = condition;
        let phase = phase.as_ref().map(|(index, _)| *index);
        let missed = |number: f64| !threshold.comparison.holds(number, threshold.bound);
        let metric = match threshold.subject {
            Subject::Count(count) => {
                let counted = counts.so_far(count)?;
                return missed(counted as f64).then(|| numbers::count(counted));
            }
            Subject::Percentile(metric, _)
            | Subject::Max(metric)
            | Subject::Mean(metric)
            | Subject::Recovery(metric)
            | Subject::Within(metric, _) => metric,
        };
        let samples = self.samples(phase, metric, all)?;
        let n = samples.histogram.len();
        if n < statistic::needed(threshold) {
            return None;
        }
        let place = || self.layout.limits().place(threshold.limit()?);
        let over = place().map_or(0, |place| samples.over(place));
        let (number, text) = match threshold.subject {
            Subject::Within(..) => {
                let share = statistic::share(n - over, n);
                (share, numbers::share(share))
            }
            _ => {
                let time = statistic::time(threshold.subject, &samples.histogram).ok()?;
                (time, numbers::duration(time as Nanos))
            }
        };
        // A run that may yet go on is ended only by what it missed for certain.
        let missed = match Limit::of(threshold) {
            Some(limit) => limit.is_missed(over, n, condition.fan_out.of_samples(metric)),
            None => missed(number),
        };
        missed.then(|| format!("{text} (n = {})", numbers::count(n)))
    }

    /// The samples of a metric, where there are any.
    fn samples<'s>(
        &self,
        phase: Option<u16>,
        metric: Metric,
        all: &'s [Samples],
    ) -> Option<&'s Samples> {
        let watched = Watched { phase, metric };
        let place = self.layout.watched().iter().position(|w| *w == watched)?;
        let samples = all.get(place)?;
        (!samples.histogram.is_empty()).then_some(samples)
    }
}

fn conditions(scenario: &Scenario, plan: &Plan) -> Vec<Condition> {
    let measured = plan.phases.iter().find(|phase| phase.measured);
    let first = measured.map_or(0, |phase| phase.start);
    let all = scenario.thresholds.iter().map(|one| (one, None, first));
    let phases = scenario.phases.iter().zip(&plan.phases).enumerate();
    let of_phases = phases.flat_map(|(index, (phase, planned))| {
        let label = u16::try_from(index).ok().map(|i| (i, phase.name.clone()));
        let thresholds = phase.thresholds.iter();
        thresholds.map(move |one| (one, label.clone(), planned.start))
    });
    all.chain(of_phases)
        .map(|(threshold, phase, start)| {
            let counts = |send: &Send| match &phase {
                Some((index, _)) => send.phase == *index,
                None => plan.phase_of(send).measured,
            };
            Condition {
                fan_out: FanOut::of(plan, counts),
                from: threshold.abort_after.map(|after| start + nanos(after)),
                threshold: threshold.clone(),
                phase,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;

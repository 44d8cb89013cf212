//! Thresholds that end a run while it goes on, judged once a second on what the workers have shown so far.

use std::{sync::Arc, time::Duration};

use crate::{
    judge::statistic,
    model::{Count, Metric, Nanos, nanos, numbers},
    observed::{Layout, MachineSecond, Samples, WINDOW, Watched},
    plan::Plan,
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

/// The thresholds with a delay, and the samples that they may be judged by.
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
    /// It is judged from here on, counted from the start of the schedule.
    from: Nanos,
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
        !self.conditions.is_empty() && elapsed >= self.second as Nanos * WINDOW + WINDOW / 10
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
        let due = self.conditions.iter().filter(|one| elapsed >= one.from);
        let mut missed = due.filter_map(|one| Some((one, self.missed(one, counts)?)));
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

    /// What was measured, in words, of a threshold that is missed; `None` also where there is too little to say.
    fn missed(&self, condition: &Condition, counts: &Counts) -> Option<String> {
        let Condition {
            threshold, phase, ..
        } = condition;
        let phase = phase.as_ref().map(|(index, _)| *index);
        let missed = |number: f64| !threshold.comparison.holds(number, threshold.bound);
        match threshold.subject {
            Subject::Percentile(metric, _) | Subject::Max(metric) | Subject::Mean(metric) => {
                let histogram = &self.samples(phase, metric)?.histogram;
                let number = statistic::time(threshold.subject, histogram).ok()?;
                let text = format!(
                    "{} (n = {})",
                    numbers::duration(number as Nanos),
                    histogram.len()
                );
                missed(number).then_some(text)
            }
            Subject::Within(metric, limit) => {
                let samples = self.samples(phase, metric)?;
                let n = samples.histogram.len();
                let place = self.layout.limits().place(nanos(limit))?;
                if n < statistic::needed(threshold) {
                    return None;
                }
                let share = statistic::share(samples.within[place], n);
                missed(share).then(|| format!("{} (n = {n})", numbers::share(share)))
            }
            Subject::Count(count) => {
                let counted = counts.so_far(count)?;
                missed(counted as f64).then(|| counted.to_string())
            }
        }
    }

    /// The samples of a metric, where there are any.
    fn samples(&self, phase: Option<u16>, metric: Metric) -> Option<&Samples> {
        let watched = Watched { phase, metric };
        let place = self.layout.watched().iter().position(|w| *w == watched)?;
        let samples = self.judged.get(place)?;
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
        .filter_map(|(threshold, phase, start)| {
            Some(Condition {
                from: start + nanos(threshold.abort_after?),
                threshold: threshold.clone(),
                phase,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;

//! Thresholds while a run goes on: what they say so far, and those that end it, judged once a second on what the workers
//! have shown.

mod outside;

use std::{sync::Arc, time::Duration};

use self::outside::Outside;
use super::{fan_out::FanOut, implied, limit::Limit, misses::FEWEST_SECONDS, scope::OUTSIDE};
use crate::{
    judge::{Verdict, statistic},
    model::{Count, Metric, Nanos, nanos, numbers},
    observed::{FaultSeen, Layout, MachineSecond, Rules, Samples, WINDOW, Watched},
    plan::{Plan, Send},
    scenario::{Comparison, Scenario, Subject, Threshold},
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
    /// Seconds that were looked at, and those of them that something outside disturbed.
    seconds: usize,
    disturbed: usize,
    /// Where the plan has faults, what they did not touch: limits on the whole run are on that.
    outside: Option<Outside>,
}

/// What a condition is judged by.
struct Basis<'a> {
    all: &'a [Samples],
    undisturbed: &'a [Samples],
    seconds: usize,
    disturbed: usize,
}

/// What a threshold says so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoFar {
    /// The threshold, as in `delivery.within_5ms >= 99%`.
    pub threshold: String,
    /// `None`: its samples are looked at when the run is over.
    pub verdict: Option<Verdict>,
    /// What was measured so far, in words.
    pub measured: String,
}

/// What a threshold says to some samples.
enum Said {
    /// Nothing: its metric is not watched.
    Nothing,
    TooFew(String),
    Kept(String),
    Missed(String),
}

/// A threshold that ends the run.
struct Condition {
    threshold: Threshold,
    phase: Option<(u16, String)>,
    /// How many deliveries its messages have.
    fan_out: FanOut,
    /// It ends the run from here on, counted from the start of the schedule; `None`: never.
    from: Option<Nanos>,
    /// It is on what no fault touches.
    is_outside: bool,
}

impl Live {
    /// Those of a scenario.
    pub fn of(scenario: &Scenario, plan: &Plan) -> Self {
        Self {
            conditions: conditions(scenario, plan),
            outside: (!plan.faults.is_empty()).then(Outside::default),
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
            seconds: 0,
            disturbed: 0,
            outside: None,
        }
    }

    /// Whether a second has passed since the last look, and anything is to be looked at. A tenth of a second later, so
    /// that whoever watches the machine has said what it saw.
    pub fn is_due(&self, elapsed: Nanos) -> bool {
        !self.conditions.is_empty() && elapsed >= self.second as Nanos * WINDOW + WINDOW / 10
    }

    /// Looks at what all workers have shown, in the order of [`Layout::watched`], and at what was seen of the faults so far. The
    /// threshold that is missed, if one is: `aborted after 12 s: delivery.p99 < 5ms: 7.20 ms (n = 2400)`.
    pub fn look(
        &mut self,
        elapsed: Nanos,
        shown: &[Samples],
        counts: &Counts,
        machine: &[MachineSecond],
        faults: &[FaultSeen],
    ) -> Option<String> {
        self.take(elapsed, shown, machine, faults);
        let due = self.conditions.iter();
        let due = due.filter(|one| one.from.is_some_and(|from| elapsed >= from));
        let mut missed = due.filter_map(|one| {
            match self.said(one, counts, self.basis(one, shown).undisturbed) {
                Said::Missed(measured) => Some((one, measured)),
                _ => None,
            }
        });
        let (condition, measured) = missed.next()?;
        Some(format!(
            "aborted after {:.0} s: {}: {measured}",
            Duration::from_nanos(elapsed).as_secs_f64(),
            condition.name(),
        ))
    }

    /// Adds what came since the last look, unless others had the machine meanwhile. What is shown may be half a second
    /// old, so that the second before counts too.
    fn take(
        &mut self,
        elapsed: Nanos,
        shown: &[Samples],
        machine: &[MachineSecond],
        faults: &[FaultSeen],
    ) {
        let passed = (elapsed / WINDOW) as usize;
        let since = self.second.saturating_sub(2);
        let disturbed = machine
            .iter()
            .take(passed)
            .skip(since)
            .any(|second| second.disturbed);
        self.second = passed + 1;
        self.seconds += 1;
        self.disturbed += usize::from(disturbed);
        if self.judged.is_empty() {
            self.judged = shown
                .iter()
                .map(|_| Samples::new(self.layout.limits()))
                .collect();
            self.before.clone_from(&self.judged);
        }
        let both = self.before.iter().zip(shown);
        let came: Vec<Samples> = both.map(|(before, now)| now.since(before)).collect();
        for (judged, came) in self.judged.iter_mut().zip(&came).filter(|_| !disturbed) {
            judged.merge(came);
        }
        if let Some(outside) = &mut self.outside {
            outside.take(elapsed, came, disturbed, faults);
        }
        if !shown.is_empty() {
            self.before = shown.to_vec();
        }
    }

    /// By what a condition is judged: one on the whole run by what no fault touched.
    fn basis<'a>(&'a self, condition: &Condition, shown: &'a [Samples]) -> Basis<'a> {
        match &self.outside {
            Some(outside) if condition.is_outside => Basis {
                all: &outside.all,
                undisturbed: &outside.undisturbed,
                seconds: outside.seconds,
                disturbed: outside.disturbed,
            },
            _ => Basis {
                all: shown,
                undisturbed: &self.judged,
                seconds: self.seconds,
                disturbed: self.disturbed,
            },
        }
    }

    /// What is called lost: nothing as long as a fault may be what holds it up.
    fn lost(&self, lost: Option<u64>) -> Option<u64> {
        lost.filter(|_| {
            !self
                .outside
                .as_ref()
                .is_some_and(|outside| outside.is_shaken)
        })
    }

    /// How many of the deliveries so far are over the first limit that the thresholds set for all of them.
    pub fn late(&self, shown: &[Samples]) -> Option<u64> {
        let mut of_all = self.conditions.iter().filter_map(|one| {
            let of_deliveries = one.threshold.subject.metric() == Some(Metric::Delivery);
            let limit = one.threshold.limit()?;
            (one.phase.is_none() && of_deliveries).then_some((one, limit))
        });
        let (condition, limit) = of_all.next()?;
        let place = self.layout.limits().place(limit)?;
        let deliveries = self.basis(condition, shown).all.first();
        Some(deliveries.map_or(0, |deliveries| deliveries.over(place)))
    }

    /// What the thresholds say so far: FAIL if one is missed for certain in the undisturbed seconds, or something was lost
    /// or doubled; INVALID if one is missed and too few seconds were left undisturbed to judge by; INCONCLUSIVE as long as a
    /// threshold has too few samples. Of metrics that are not watched nothing is said. `None`: nothing is judged.
    pub fn so_far(&self, shown: &[Samples], counts: &Counts, lost: Option<u64>) -> Option<Verdict> {
        if self.conditions.is_empty() {
            return None;
        }
        let lost = self.lost(lost);
        let of = |condition| {
            let (verdict, _) = self.verdict(condition, counts, shown, lost);
            verdict.unwrap_or(Verdict::Pass)
        };
        // On a busy machine, too, what is doubled or lost is doubled or lost.
        let counted = |condition: &&Condition| condition.threshold.subject.metric().is_none();
        let miscounted = self.conditions.iter().filter(counted);
        let broken = counts.duplicated > 0
            || lost.is_some_and(|lost| lost > 0)
            || miscounted.map(of).any(|verdict| verdict == Verdict::Fail);
        match broken {
            true => Some(Verdict::Fail),
            false => self.conditions.iter().map(of).max(),
        }
    }

    /// What each threshold says so far, in the scenario's order.
    pub fn limits(&self, shown: &[Samples], counts: &Counts, lost: Option<u64>) -> Vec<SoFar> {
        let lost = self.lost(lost);
        let said = self.conditions.iter().map(|condition| {
            let (verdict, measured) = self.verdict(condition, counts, shown, lost);
            SoFar {
                threshold: condition.name(),
                verdict,
                measured,
            }
        });
        said.collect()
    }

    fn verdict(
        &self,
        condition: &Condition,
        counts: &Counts,
        shown: &[Samples],
        lost: Option<u64>,
    ) -> (Option<Verdict>, String) {
        if let (Subject::Count(Count::Lost), Some(lost)) = (condition.threshold.subject, lost) {
            let verdict = match condition.holds(lost as f64) {
                true => Verdict::Pass,
                false => Verdict::Fail,
            };
            return (Some(verdict), numbers::count(lost));
        }
        let basis = self.basis(condition, shown);
        match self.said(condition, counts, basis.all) {
            Said::Nothing => (None, "known when the run is over".to_owned()),
            Said::TooFew(measured) => (Some(Verdict::Inconclusive), measured),
            Said::Kept(measured) => (Some(Verdict::Pass), measured),
            Said::Missed(measured)
                if basis.disturbed == 0 || condition.threshold.subject.metric().is_none() =>
            {
                (Some(Verdict::Fail), measured)
            }
            Said::Missed(measured) => self.undisturbed(condition, counts, &basis, &measured),
        }
    }

    /// Of a threshold that is missed over all seconds, what those without a disturbance say.
    fn undisturbed(
        &self,
        condition: &Condition,
        counts: &Counts,
        basis: &Basis<'_>,
        all: &str,
    ) -> (Option<Verdict>, String) {
        let left = basis.seconds - basis.disturbed;
        let of = format!("{} of {} seconds", basis.disturbed, basis.seconds);
        let few = basis.disturbed > left || left < FEWEST_SECONDS.min(basis.seconds);
        match self.said(condition, counts, basis.undisturbed) {
            _ if few => (
                Some(Verdict::Invalid),
                format!("{all}; {of} were disturbed, and too few are left to judge by"),
            ),
            Said::Missed(measured) => (
                Some(Verdict::Fail),
                format!("{measured}, without the {of} that were disturbed"),
            ),
            Said::Kept(measured) => (
                Some(Verdict::Pass),
                format!("{measured}, without the {of} that were disturbed"),
            ),
            Said::TooFew(_) | Said::Nothing => (
                Some(Verdict::Invalid),
                format!("{all}; {of} were disturbed, and too few are left to judge by"),
            ),
        }
    }

    /// What a threshold says to these samples and counts.
    fn said(&self, condition: &Condition, counts: &Counts, all: &[Samples]) -> Said {
        let Condition {
            threshold, phase, ..
        } = condition;
        let phase = phase.as_ref().map(|(index, _)| *index);
        // When a fault was is known when it is over.
        if threshold.fault.is_some() {
            return Said::Nothing;
        }
        let metric = match threshold.subject {
            Subject::Count(count) => {
                return match counts.so_far(count) {
                    None => Said::Nothing,
                    Some(counted) => {
                        Said::of(condition.holds(counted as f64), numbers::count(counted))
                    }
                };
            }
            Subject::Percentile(metric, _)
            | Subject::Max(metric)
            | Subject::Mean(metric)
            | Subject::Recovery(metric)
            | Subject::Within(metric, _) => metric,
        };
        let Some(place) = self.place(phase, metric) else {
            return Said::Nothing;
        };
        let needed = statistic::needed(threshold);
        let n = all.get(place).map_or(0, |samples| samples.histogram.len());
        let Some(samples) = all.get(place).filter(|_| n >= needed) else {
            return Said::TooFew(format!(
                "{}, needs {}",
                numbers::counted(n, "sample"),
                numbers::count(needed)
            ));
        };
        let place = threshold
            .limit()
            .and_then(|limit| self.layout.limits().place(limit));
        let over = place.map_or(0, |place| samples.over(place));
        let (number, text) = match threshold.subject {
            Subject::Within(..) => {
                let share = statistic::share(n - over, n);
                (share, numbers::share(share))
            }
            _ => match statistic::time(threshold.subject, &samples.histogram) {
                Ok(time) => (time, numbers::duration(time as Nanos)),
                Err(needed) => return Said::TooFew(numbers::count(needed)),
            },
        };
        // A run that may yet go on is ended only by what it missed for certain.
        let fan_out = condition.fan_out.of_samples(metric, Rules::NOW);
        let at_most = matches!(
            threshold.comparison,
            Comparison::Less | Comparison::LessOrEqual
        );
        let held = match (Limit::of(threshold), threshold.subject) {
            (Some(limit), _) => !limit.is_missed(over, n, fan_out),
            // A histogram knows the largest by its bucket alone; whether any is over the limit is counted.
            (None, Subject::Max(_)) if place.is_some() => (over == 0) == at_most,
            (None, _) => condition.holds(number),
        };
        Said::of(held, format!("{text} (n = {})", numbers::count(n)))
    }

    /// Where the samples of a metric are among those that are shown, if they are.
    fn place(&self, phase: Option<u16>, metric: Metric) -> Option<usize> {
        let watched = Watched { phase, metric };
        self.layout.watched().iter().position(|w| *w == watched)
    }
}

impl Said {
    fn of(held: bool, measured: String) -> Self {
        match held {
            true => Said::Kept(measured),
            false => Said::Missed(measured),
        }
    }
}

impl Condition {
    /// As it is told, with its phase.
    fn name(&self) -> String {
        match &self.phase {
            Some((_, name)) => self.threshold.in_phase(name),
            None if self.is_outside => format!("{} ({OUTSIDE})", self.threshold),
            None => self.threshold.to_string(),
        }
    }

    fn holds(&self, number: f64) -> bool {
        let Threshold {
            comparison, bound, ..
        } = self.threshold;
        comparison.holds(number, bound)
    }
}

fn conditions(scenario: &Scenario, plan: &Plan) -> Vec<Condition> {
    let measured = plan.phases.iter().find(|phase| phase.measured);
    let first = measured.map_or(0, |phase| phase.start);
    let of_phases = scenario.phases.iter().flat_map(|phase| &phase.thresholds);
    let judged_by_nothing = scenario.thresholds.is_empty() && of_phases.count() == 0;
    let promise = judged_by_nothing.then(implied::promise);
    let whole = promise.iter().chain(&scenario.thresholds);
    let all = whole.map(|one| (one, None, first));
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
                is_outside: !plan.faults.is_empty()
                    && phase.is_none()
                    && threshold.fault.is_none()
                    && threshold.subject.metric().is_some(),
                threshold: threshold.clone(),
                phase,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;

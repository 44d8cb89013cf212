//! A run with faults in three parts that are never mixed: inside a fault, its recovery, and outside of all; second by second, and
//! for each metric by itself, since one may be back while another is not.

use std::collections::BTreeMap;

mod usual;

use self::usual::Usual;
use super::Missing;
use crate::{
    model::{Metric, Nanos},
    observed::{Observed, Rules, Samples, WINDOW, Window},
};

/// A metric that has been back in its outside interval for so many seconds has recovered.
pub const CALM: usize = 5;
/// A second is back if its 90th percentile is no more than so many times the highest of the outside seconds.
pub const SLACK: f64 = 1.5;
/// The percentile of a second that is held against those of others: few samples bear it, and it sees what happens to some.
pub const HELD: f64 = 90.0;
/// Fewer seconds before the first fault say too little of what is usual.
pub const FEWEST: usize = 3;

/// A part of a run. Faults are named by their index in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Neither inside of any fault nor in any recovery.
    Outside,
    /// While a fault was on.
    Inside(usize),
    /// From a fault's end until the metric was back.
    Recovering(usize),
}

/// How a metric came back after a fault; times from the fault's end, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// It was back, and stayed so.
    Took {
        /// Until then it was not, for certain: a second before that was seen not to be as usual. From here on, only disturbed
        /// seconds were slow. 0 where no second was seen so: it may have been back at once.
        least: Nanos,
        /// From then on it was, for certain.
        most: Nanos,
        /// Seconds that were slow and disturbed, so that they say nothing.
        left_out: usize,
    },
    /// It was not back for long enough before the run or the calm ended.
    AtLeast {
        /// Until then it was not, for certain, as above.
        least: Nanos,
        /// Seconds after that which say nothing, as above.
        left_out: usize,
    },
    /// Nobody knows what is usual: too little came before the faults.
    Unknown,
}

/// What a second had of a metric.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Second {
    /// Samples that were due in it, those that never came among them.
    pub due: u64,
    /// Of these, how many never came.
    pub missing: u64,
    /// What the second is known by, of those that came.
    pub held: Option<Nanos>,
    /// The longest of those that came.
    pub longest: Option<Nanos>,
    /// Something outside of the run disturbed it, which only adds latency.
    pub disturbed: bool,
}

impl Second {
    /// Whether it was as usual; `None` where nobody can know, since what was slow in it may be the disturbance's.
    fn is_back(&self, usual: Nanos) -> Option<bool> {
        let is_slow = self.held.is_some_and(|held| held > usual);
        match self {
            _ if self.missing > 0 => Some(false),
            _ if is_slow && self.disturbed => None,
            _ => Some(!is_slow),
        }
    }
}

/// The seconds of one metric, parted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// By second: the parts that it belongs to. Inside of several faults it belongs to each.
    seconds: Vec<Vec<Part>>,
    /// By fault: how the metric came back.
    recoveries: Vec<Recovery>,
}

/// All metrics of a run that are known by second, parted; nothing of a run without faults.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    splits: BTreeMap<usize, Split>,
    samples: BTreeMap<(usize, Part), Samples>,
    /// By metric and phase, of phases that faults touched: what came outside of all faults.
    of_phases: BTreeMap<(usize, u16), Samples>,
}

impl Parts {
    /// Of a run, as its faults really were.
    pub fn of(observed: &Observed, missing: &Missing, end: Nanos) -> Self {
        let mut parts = Self::default();
        let faults: Vec<(Nanos, Nanos)> = observed
            .faults
            .iter()
            .map(|fault| (fault.start.unwrap_or(end), fault.end.unwrap_or(end)))
            .collect();
        if faults.is_empty() {
            return parts;
        }
        for metric in Metric::ALL {
            let windows = observed.recorded.windows(metric);
            if windows.is_empty() {
                continue;
            }
            let length = (end.div_ceil(WINDOW) as usize).max(windows.len());
            let seconds: Vec<Second> = (0..length)
                .map(|second| seen(observed, missing, metric, second))
                .collect();
            let before = match metric.begins_before_the_schedule() {
                true => came_before(metric, windows, observed),
                false => None,
            };
            let mut split = Split::of(&seconds, &faults, before.as_ref(), observed.rules);
            if !observed.rules.know_all_parts() {
                split.as_told_before(&faults);
            } else if let Some(before) = before {
                // Those are outside of all faults, and in none of its seconds.
                let key = (metric.index(), Part::Outside);
                parts.samples.insert(key, before);
            }
            parts.gather(metric, windows, &split, observed);
            parts.splits.insert(metric.index(), split);
        }
        parts
    }

    /// The same, for phases from and to those times, so that limits on one leave out what faults touched in it.
    pub fn with_phases(mut self, observed: &Observed, phases: &[(Nanos, Nanos)]) -> Self {
        if !observed.rules.part_what_was_under_way() {
            return self;
        }
        let known = Metric::ALL.into_iter().filter(|metric| self.has(*metric));
        for metric in known.collect::<Vec<_>>() {
            let windows = observed.recorded.windows(metric);
            for (phase, &(start, end)) in (0..).zip(phases) {
                let touched = (start / WINDOW) as usize..end.div_ceil(WINDOW) as usize;
                let mut touched = touched.filter(|&second| second < self.length(metric));
                if touched.all(|second| self.holds(metric, Part::Outside, second)) {
                    continue;
                }
                let whole = start.div_ceil(WINDOW) as usize..(end / WINDOW) as usize;
                let mut samples = Samples::new(observed.recorded.limits());
                let outside = whole.filter(|&second| self.holds(metric, Part::Outside, second));
                outside
                    .filter_map(|second| windows.get(second))
                    .for_each(|window| samples.add(window));
                self.of_phases.insert((metric.index(), phase), samples);
            }
        }
        self
    }

    /// How many seconds were parted.
    fn length(&self, metric: Metric) -> usize {
        let split = self.splits.get(&metric.index());
        split.map_or(0, |split| split.seconds.len())
    }

    fn gather(&mut self, metric: Metric, windows: &[Window], split: &Split, observed: &Observed) {
        for (window, parts) in windows.iter().zip(&split.seconds) {
            for &part in parts {
                let key = (metric.index(), part);
                let limits = observed.recorded.limits();
                let samples = self
                    .samples
                    .entry(key)
                    .or_insert_with(|| Samples::new(limits));
                samples.add(window);
            }
        }
    }

    /// Whether a metric is known by second, so that its parts can be told apart.
    pub fn has(&self, metric: Metric) -> bool {
        self.splits.contains_key(&metric.index())
    }

    /// Whether a second belongs to a part.
    pub fn holds(&self, metric: Metric, part: Part, second: usize) -> bool {
        let split = self.splits.get(&metric.index());
        split.is_some_and(|split| split.of_second(second).contains(&part))
    }

    /// How many seconds a part has.
    pub fn seconds(&self, metric: Metric, part: Part) -> usize {
        let split = self.splits.get(&metric.index());
        let seconds = split.map_or(&[][..], |split| &split.seconds);
        seconds.iter().filter(|parts| parts.contains(&part)).count()
    }

    /// The samples of a part; `None` where there are none.
    pub fn samples(&self, metric: Metric, part: Part) -> Option<&Samples> {
        self.samples.get(&(metric.index(), part))
    }

    /// What came in the seconds of a phase that no fault touched; `None` where faults touched none of it.
    pub fn outside_in(&self, metric: Metric, phase: u16) -> Option<&Samples> {
        self.of_phases.get(&(metric.index(), phase))
    }

    /// How a metric came back after a fault.
    pub fn recovery(&self, metric: Metric, fault: usize) -> Recovery {
        let split = self.splits.get(&metric.index());
        split.map_or(Recovery::Unknown, |split| split.recovery(fault))
    }
}

/// What came before the schedule; `None` if nothing did.
fn came_before(metric: Metric, windows: &[Window], observed: &Observed) -> Option<Samples> {
    let mut in_schedule = Samples::new(observed.recorded.limits());
    windows.iter().for_each(|window| in_schedule.add(window));
    let before = observed.recorded.samples(metric).since(&in_schedule);
    (!before.histogram.is_empty()).then_some(before)
}

/// What a second had of a metric; a message that was not sent is one that did not come, and what failed is one without an end.
fn seen(observed: &Observed, missing: &Missing, metric: Metric, second: usize) -> Second {
    let lost: &[u64] = match metric {
        Metric::Delivery | Metric::DeliveryAsSent => &missing.deliveries_in,
        Metric::DeliverySlowest => &missing.messages_in,
        _ => &[],
    };
    let failed: &[u64] = match metric {
        Metric::Confirm | Metric::ConfirmAfterDelivery => &missing.failed_in,
        Metric::Ack => &missing.unacknowledged_in,
        Metric::Delivery
        | Metric::DeliveryAsSent
        | Metric::DeliverySlowest
        | Metric::DeliverySameNode
        | Metric::DeliveryCrossNode
        | Metric::Echo => &missing.turned_away_in,
        _ => &[],
    };
    let of_messages = !matches!(
        metric,
        Metric::Connect | Metric::Join | Metric::SendLateness
    );
    let sends = observed.recorded.sends.get(second).filter(|_| of_messages);
    let unsent = sends.map_or(0, |sends| sends.scheduled - sends.sent);
    let in_it = |counts: &[u64]| counts.get(second).copied().unwrap_or(0);
    let failed = match observed.rules.know_all_parts() {
        true => in_it(failed),
        false => 0,
    };
    let missing = in_it(lost) + failed + unsent;
    let window = observed.recorded.windows(metric).get(second);
    let came = window.map_or(0, |window| window.n);
    let histogram = window.filter(|window| window.n > 0).map(Window::histogram);
    Second {
        due: came + missing,
        missing,
        held: histogram.as_ref().map(|all| all.value_at_percentile(HELD)),
        longest: histogram.map(|all| all.max()),
        disturbed: observed.is_disturbed(second),
    }
}

impl Split {
    /// Parts seconds by faults that began and ended then, from the start of the schedule. Some metrics had samples before it.
    pub fn of(
        seconds: &[Second],
        faults: &[(Nanos, Nanos)],
        before: Option<&Samples>,
        rules: Rules,
    ) -> Self {
        let inside: Vec<(usize, usize)> = faults
            .iter()
            .map(|&(start, end)| span(start, end))
            .collect();
        let usual = Usual::of(seconds, &inside, before, rules);
        let mut split = Self {
            seconds: vec![Vec::new(); seconds.len()],
            recoveries: Vec::new(),
        };
        for (fault, (&(first, last), &(start, _))) in inside.iter().zip(faults).enumerate() {
            let was_held = |&second: &usize| {
                let most = usual.map(|usual| usual.most);
                rules.part_what_was_under_way()
                    && was_under_way(&seconds[second], second, start, most)
            };
            let held = (0..first.min(seconds.len())).filter(was_held);
            let on = first..seconds.len().min(last + 1);
            for second in held.chain(on) {
                split.seconds[second].push(Part::Inside(fault));
            }
        }
        for (fault, (&(_, last), &(_, end))) in inside.iter().zip(faults).enumerate() {
            // Where another fault is on or begins, nobody can say what of it is this one's.
            let after = last + 1..seconds.len();
            let quiet = after.take_while(|&second| {
                !split.seconds[second]
                    .iter()
                    .any(|part| matches!(part, Part::Inside(_)))
            });
            let quiet = last + 1..last + 1 + quiet.count();
            let (recovery, back) = recovered(seconds, quiet.clone(), usual, end, rules);
            split.recoveries.push(recovery);
            for second in quiet.start..back {
                split.seconds[second].push(Part::Recovering(fault));
            }
        }
        for parts in split.seconds.iter_mut().filter(|parts| parts.is_empty()) {
            parts.push(Part::Outside);
        }
        split
    }

    /// By the first rules nothing was back before the first whole second after a fault.
    fn as_told_before(&mut self, faults: &[(Nanos, Nanos)]) {
        for (recovery, &(start, end)) in self.recoveries.iter_mut().zip(faults) {
            let first = after(span(start, end).1 + 1, end);
            if let Recovery::Took { least, .. } | Recovery::AtLeast { least, .. } = recovery {
                *least = first.max(*least);
            }
        }
    }

    /// The parts that a second belongs to; none of one that was not seen.
    pub fn of_second(&self, second: usize) -> &[Part] {
        self.seconds.get(second).map_or(&[], Vec::as_slice)
    }

    /// How the metric came back after a fault.
    pub fn recovery(&self, fault: usize) -> Recovery {
        let recovery = self.recoveries.get(fault).copied();
        recovery.unwrap_or(Recovery::Unknown)
    }
}

/// The first and the last second that a fault touches.
fn span(start: Nanos, end: Nanos) -> (usize, usize) {
    let last = end.saturating_sub(1).max(start);
    ((start / WINDOW) as usize, (last / WINDOW) as usize)
}

/// Whether something that was due in a second may have been on its way when a fault began then, and took longer than usual: what
/// holds it up is the fault.
fn was_under_way(second: &Second, place: usize, start: Nanos, usual: Option<Nanos>) -> bool {
    let (Some(longest), Some(usual)) = (second.longest, usual) else {
        return false;
    };
    let until = (place as Nanos + 1) * WINDOW + longest;
    longest > usual && until > start
}

/// How a metric came back in the seconds after a fault's end, and the first second that is no recovery any more.
fn recovered(
    seconds: &[Second],
    quiet: std::ops::Range<usize>,
    usual: Option<Usual>,
    end: Nanos,
    rules: Rules,
) -> (Recovery, usize) {
    let Some(usual) = usual else {
        return (Recovery::Unknown, quiet.end);
    };
    // To the end of the last second that was not back for certain.
    let mut least = 0;
    let mut left_out = 0;
    // Seconds since then that were back.
    let mut back: Vec<usize> = Vec::new();
    for place in quiet.clone() {
        // Where nothing was due nobody saw that it was back; that it stayed so, the seconds with samples say.
        if rules.part_what_was_under_way() && seconds[place].due == 0 && back.is_empty() {
            continue;
        }
        match seconds[place].is_back(usual.most) {
            Some(true) => back.push(place),
            Some(false) => {
                least = after(place + 1, end);
                left_out = 0;
                back.clear();
            }
            None => left_out += 1,
        }
        let something = back.iter().any(|&second| seconds[second].due > 0);
        if back.len() >= CALM && something {
            let took = match usual.was_seen {
                true => Recovery::Took {
                    least,
                    most: after(back[0], end),
                    left_out,
                },
                false => Recovery::Unknown,
            };
            return (took, back[0]);
        }
    }
    (Recovery::AtLeast { least, left_out }, quiet.end)
}

/// From a fault's end to the beginning of a second.
fn after(second: usize, end: Nanos) -> Nanos {
    (second as Nanos * WINDOW).saturating_sub(end)
}

#[cfg(test)]
mod tests;

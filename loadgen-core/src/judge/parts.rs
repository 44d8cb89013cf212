//! A run with faults in three parts that are never mixed: inside a fault, its recovery, and outside of all; second by second, and
//! for each metric by itself, since one may be back while another is not.

use std::collections::BTreeMap;

use super::Missing;
use crate::{
    model::{Metric, Nanos},
    observed::{Observed, Samples, WINDOW, Window},
};

/// A metric that has been back in its outside interval for so many seconds has recovered.
pub const CALM: usize = 5;
/// A second is back if its 90th percentile is no more than so many times the highest of the outside seconds.
pub const SLACK: f64 = 1.5;
/// The percentile of a second that is held against those of others: few samples bear it, and it sees what happens to some.
pub const HELD: f64 = 90.0;
/// Fewer seconds before the first fault say too little of what is usual.
const FEWEST: usize = 3;

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
        /// Until then it was not, for certain: from here on, only disturbed seconds were slow.
        least: Nanos,
        /// From then on it was, for certain.
        most: Nanos,
        /// Seconds that were slow and disturbed, so that they say nothing.
        left_out: usize,
    },
    /// It was not back for long enough before the run or the calm ended.
    AtLeast {
        /// Until then it was not, for certain.
        least: Nanos,
        /// Seconds after that which say nothing, as above.
        left_out: usize,
    },
    /// Nobody knows what is usual.
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
            let split = Split::of(&seconds, &faults);
            parts.gather(metric, windows, &split, observed);
            parts.splits.insert(metric.index(), split);
        }
        parts
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
                // Same bounds by construction: adding can't fail.
                let _ = samples.histogram.add(window.histogram());
                for (place, within) in samples.within.iter_mut().enumerate() {
                    *within += window.n - window.over.get(place).map_or(0, |over| over.n);
                }
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

    /// How a metric came back after a fault.
    pub fn recovery(&self, metric: Metric, fault: usize) -> Recovery {
        let split = self.splits.get(&metric.index());
        split.map_or(Recovery::Unknown, |split| split.recovery(fault))
    }
}

/// What a second had of a metric; a message that was not sent is one that did not come.
fn seen(observed: &Observed, missing: &Missing, metric: Metric, second: usize) -> Second {
    let lost = match metric {
        Metric::Delivery | Metric::DeliveryAsSent => missing.deliveries_in.get(second),
        Metric::DeliverySlowest => missing.messages_in.get(second),
        _ => None,
    };
    let of_messages = !matches!(
        metric,
        Metric::Connect | Metric::Join | Metric::SendLateness
    );
    let sends = observed.recorded.sends.get(second).filter(|_| of_messages);
    let unsent = sends.map_or(0, |sends| sends.scheduled - sends.sent);
    let missing = lost.copied().unwrap_or(0) + unsent;
    let window = observed.recorded.windows(metric).get(second);
    let came = window.map_or(0, |window| window.n);
    let histogram = window.filter(|window| window.n > 0).map(Window::histogram);
    Second {
        due: came + missing,
        missing,
        held: histogram.map(|histogram| histogram.value_at_percentile(HELD)),
        disturbed: observed.is_disturbed(second),
    }
}

impl Split {
    /// Parts seconds by faults that began and ended then, from the start of the schedule.
    pub fn of(seconds: &[Second], faults: &[(Nanos, Nanos)]) -> Self {
        let inside: Vec<(usize, usize)> = faults
            .iter()
            .map(|&(start, end)| span(start, end))
            .collect();
        let usual = usual(seconds, &inside);
        let mut split = Self {
            seconds: vec![Vec::new(); seconds.len()],
            recoveries: Vec::new(),
        };
        for (fault, &(first, last)) in inside.iter().enumerate() {
            for parts in split.seconds.iter_mut().take(last + 1).skip(first) {
                parts.push(Part::Inside(fault));
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
            let (recovery, back) = recovered(seconds, quiet.clone(), usual, end);
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

/// The most that a second may be known by and be usual.
fn usual(seconds: &[Second], inside: &[(usize, usize)]) -> Option<Nanos> {
    let first = inside
        .iter()
        .map(|(first, _)| *first)
        .min()
        .unwrap_or(seconds.len());
    let known = |range: std::ops::Range<usize>, of: &dyn Fn(&Second) -> bool| -> Vec<Nanos> {
        let is_inside = |second: usize| {
            inside
                .iter()
                .any(|&(first, last)| (first..=last).contains(&second))
        };
        range
            .filter(|&second| !is_inside(second))
            .filter_map(|second| seconds.get(second).filter(|second| of(second))?.held)
            .collect()
    };
    // What was disturbed is no measure of what is usual, where there is another one.
    let undisturbed = |second: &Second| !second.disturbed;
    let before = known(0..first, &undisturbed);
    let highest = match before.len() {
        FEWEST.. => before.into_iter().max()?,
        // What is after a fault may be no better than in it: the better half says what is usual.
        _ => {
            let mut all = known(0..seconds.len(), &undisturbed);
            if all.len() < FEWEST {
                all = known(0..seconds.len(), &|_| true);
            }
            all.sort_unstable();
            *all.get(all.len().checked_sub(1)? / 2)?
        }
    };
    Some((highest as f64 * SLACK) as Nanos)
}

/// How a metric came back in the seconds after a fault's end, and the first second that is no recovery any more.
fn recovered(
    seconds: &[Second],
    quiet: std::ops::Range<usize>,
    usual: Option<Nanos>,
    end: Nanos,
) -> (Recovery, usize) {
    let Some(usual) = usual else {
        return (Recovery::Unknown, quiet.end);
    };
    // After the last second that was not back for certain.
    let mut least = quiet.start;
    let mut left_out = 0;
    // Seconds since then that were back.
    let mut back: Vec<usize> = Vec::new();
    for place in quiet.clone() {
        match seconds[place].is_back(usual) {
            Some(true) => back.push(place),
            Some(false) => {
                least = place + 1;
                left_out = 0;
                back.clear();
            }
            None => left_out += 1,
        }
        let something = back.iter().any(|&second| seconds[second].due > 0);
        if back.len() >= CALM && something {
            let took = Recovery::Took {
                least: after(least, end),
                most: after(back[0], end),
                left_out,
            };
            return (took, back[0]);
        }
    }
    let least = after(least, end);
    (Recovery::AtLeast { least, left_out }, quiet.end)
}

/// From a fault's end to the beginning of a second.
fn after(second: usize, end: Nanos) -> Nanos {
    (second as Nanos * WINDOW).saturating_sub(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Nanos = 1_000_000;

    fn calm() -> Second {
        Second {
            due: 10,
            missing: 0,
            held: Some(MS),
            disturbed: false,
        }
    }

    /// Back at once for certain, at that time after the fault's end.
    fn took(nanos: Nanos) -> Recovery {
        Recovery::Took {
            least: nanos,
            most: nanos,
            left_out: 0,
        }
    }

    fn at_least(least: Nanos) -> Recovery {
        Recovery::AtLeast { least, left_out: 0 }
    }

    fn slow() -> Second {
        Second {
            held: Some(100 * MS),
            ..calm()
        }
    }

    /// Parts of a run of 20 seconds, slow in these.
    fn split(bad: &[usize], faults: &[(Nanos, Nanos)]) -> Split {
        let second = |second| {
            if bad.contains(&second) {
                slow()
            } else {
                calm()
            }
        };
        let seconds: Vec<Second> = (0..20).map(second).collect();
        Split::of(&seconds, faults)
    }

    fn of(split: &Split, part: Part) -> Vec<usize> {
        let seconds = split.seconds.iter().enumerate();
        seconds
            .filter(|(_, parts)| parts.contains(&part))
            .map(|(second, _)| second)
            .collect()
    }

    #[test]
    fn recovery_ends_when_the_metric_has_been_back_for_five_seconds() {
        // On from 5.0 s to 7.5 s, slow until 9 s, a relapse in 11.
        let split = split(&[5, 6, 7, 8, 11], &[(5 * WINDOW, 7 * WINDOW + WINDOW / 2)]);
        assert_eq!(of(&split, Part::Inside(0)), [5, 6, 7]);
        assert_eq!(of(&split, Part::Recovering(0)), [8, 9, 10, 11]);
        assert_eq!(split.recoveries, [took(4 * WINDOW + WINDOW / 2)]);
        assert_eq!(of(&split, Part::Outside).len(), 20 - 7);
    }

    #[test]
    fn what_is_back_at_once_recovers_with_the_next_second() {
        let split = split(&[5, 6], &[(5 * WINDOW, 7 * WINDOW)]);
        assert_eq!(of(&split, Part::Inside(0)), [5, 6]);
        assert_eq!(split.recoveries, [took(0)]);
        assert_eq!(of(&split, Part::Recovering(0)), [0; 0]);
    }

    #[test]
    fn a_run_that_ends_too_soon_says_only_how_long_it_took_at_least() {
        let split = split(&[14, 15, 16], &[(14 * WINDOW, 15 * WINDOW)]);
        assert_eq!(split.recoveries, [at_least(2 * WINDOW)]);
        assert_eq!(of(&split, Part::Recovering(0)), [15, 16, 17, 18, 19]);
    }

    #[test]
    fn the_next_fault_ends_what_can_be_known_of_the_last_ones_recovery() {
        let split = split(
            &[5, 6, 9],
            &[(5 * WINDOW, 6 * WINDOW), (9 * WINDOW, 10 * WINDOW)],
        );
        let recoveries = [at_least(WINDOW), took(0)];
        assert_eq!(split.recoveries, recoveries);
        assert_eq!(of(&split, Part::Recovering(0)), [6, 7, 8]);
    }

    #[test]
    fn what_never_came_is_not_back_and_nothing_due_says_nothing() {
        let mut seconds = vec![calm(); 20];
        seconds[7] = Second {
            missing: 1,
            ..calm()
        };
        seconds[9] = Second::default();
        let split = Split::of(&seconds, &[(5 * WINDOW, 6 * WINDOW)]);
        assert_eq!(split.recoveries, [took(2 * WINDOW)]);
        let silent = vec![Second::default(); 20];
        let split = Split::of(&silent, &[(5 * WINDOW, 6 * WINDOW)]);
        assert_eq!(split.recoveries, [Recovery::Unknown]);
    }

    #[test]
    fn a_slow_second_that_was_disturbed_says_nothing_of_the_recovery() {
        let disturbed = |second: Second| Second {
            disturbed: true,
            ..second
        };
        let fault = [(5 * WINDOW, 6 * WINDOW)];
        let recovery = |after: &[Second]| {
            let seconds = [&[calm(); 5][..], &[slow()], after].concat();
            Split::of(&seconds, &fault).recovery(0)
        };
        // One that is lost is missing, whoever had the machine.
        let lost = Second {
            missing: 1,
            ..disturbed(calm())
        };
        let (noisy, fine) = (disturbed(slow()), disturbed(calm()));
        let between = |least, most, left_out| Recovery::Took {
            least: least * WINDOW,
            most: most * WINDOW,
            left_out,
        };
        let calm = calm();
        for (after, expected) in [
            (
                vec![noisy, noisy, calm, calm, calm, calm, calm],
                between(0, 2, 2),
            ),
            (
                vec![calm, noisy, calm, calm, noisy, calm, calm],
                between(0, 0, 2),
            ),
            (
                vec![slow(), noisy, fine, fine, calm, calm, calm],
                between(1, 2, 1),
            ),
            (
                vec![noisy, slow(), calm, calm, calm, calm, calm],
                between(2, 2, 0),
            ),
            (
                vec![noisy, lost, calm, calm, calm, calm, calm],
                between(2, 2, 0),
            ),
            (
                vec![slow(), noisy, calm, noisy, calm, calm, calm],
                Recovery::AtLeast {
                    least: WINDOW,
                    left_out: 2,
                },
            ),
        ] {
            assert_eq!(recovery(&after), expected, "{after:?}");
        }
    }

    #[test]
    fn what_is_usual_is_told_by_undisturbed_seconds_where_there_are_some() {
        let mut seconds = vec![calm(); 20];
        // Slow before the fault, but not by itself; after it there is no other excuse.
        seconds[2] = Second {
            disturbed: true,
            ..slow()
        };
        seconds[6] = slow();
        let fault = [(5 * WINDOW, 6 * WINDOW)];
        assert_eq!(Split::of(&seconds, &fault).recovery(0), took(WINDOW));
    }

    proptest! {
        #[test]
        fn no_second_is_in_two_kinds_of_parts(
            bad in prop::collection::vec(8..40_usize, 0..15),
            faults in prop::collection::vec((0..39 * WINDOW, 0..5 * WINDOW), 1..4),
        ) {
            let seconds: Vec<Second> = (0..40)
                .map(|second| if bad.contains(&second) { slow() } else { calm() })
                .collect();
            let faults: Vec<(Nanos, Nanos)> = faults
                .into_iter()
                .map(|(start, lasts)| (start, (start + lasts).min(40 * WINDOW)))
                .collect();
            let split = Split::of(&seconds, &faults);
            for (second, parts) in split.seconds.iter().enumerate() {
                prop_assert!(!parts.is_empty());
                let from = second as Nanos * WINDOW;
                let on = faults.iter().any(|&(start, end)| start < from + WINDOW && end > from);
                let inside = parts.iter().all(|part| matches!(part, Part::Inside(_)));
                prop_assert!(!on || inside, "{second}: {parts:?}");
                let outside = parts.contains(&Part::Outside);
                prop_assert!(!outside || parts.len() == 1);
                let recovering = parts.iter().any(|part| matches!(part, Part::Recovering(_)));
                prop_assert!(!(recovering && parts.iter().any(|part| matches!(part, Part::Inside(_)))));
            }
            // Where all before the first fault was calm, what is slow is not usual.
            let first = faults.iter().map(|(start, _)| start / WINDOW).min().unwrap_or(0) as usize;
            let usual_is_calm = first >= FEWEST && bad.iter().all(|&second| second >= first);
            for (recovery, &(_, end)) in split.recoveries.iter().zip(&faults) {
                if let Recovery::Took { most, .. } = recovery
                    && usual_is_calm
                {
                    let from = ((end + most) / WINDOW) as usize;
                    let calm = &seconds[from..(from + CALM).min(40)];
                    prop_assert!(calm.iter().all(|second| second.held == Some(MS)));
                }
            }
        }
    }
}

//! What is usual of a metric: what its seconds before the first fault were like.

use super::{FEWEST, HELD, SLACK, Second};
use crate::{
    model::Nanos,
    observed::{Rules, Samples},
};

/// What a second may be known by and be as usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usual {
    /// The most, nanoseconds.
    pub(super) most: Nanos,
    /// Whether it was seen before any fault. Else the calmest seconds of all are taken for usual, which a server that is never
    /// back may have none of.
    pub(super) was_seen: bool,
}

impl Usual {
    /// Of seconds with faults in some of them, from the first to the last; some metrics had samples before the schedule. `None`
    /// where nothing came outside of the faults.
    pub(super) fn of(
        seconds: &[Second],
        inside: &[(usize, usize)],
        before: Option<&Samples>,
        rules: Rules,
    ) -> Option<Self> {
        if !rules.part_what_was_under_way() {
            let most = as_told_before(seconds, inside)?;
            return Some(Self::no_more_than(most, true));
        }
        let first = inside.iter().map(|(first, _)| *first).min();
        let first = first.unwrap_or(seconds.len()).min(seconds.len());
        // What was due in the second before a fault may still have been on its way when it began.
        let certain = held(&seconds[..first.saturating_sub(1)], |second| {
            !second.disturbed
        });
        if certain.len() >= FEWEST {
            return Some(Self::no_more_than(*certain.last()?, true));
        }
        let all = held(&seconds[..first], |_| true);
        if all.len() >= FEWEST {
            return Some(Self::no_more_than(all[(all.len() - 1) / 2], true));
        }
        if let Some(before) = before {
            return Some(Self::no_more_than(
                before.histogram.value_at_percentile(HELD),
                true,
            ));
        }
        let outside = outside(seconds, inside);
        let mut calm = held(&outside, |second| !second.disturbed);
        if calm.len() < FEWEST {
            calm = held(&outside, |_| true);
        }
        let calmest = calm.get(calm.len().checked_sub(1)? / 4)?;
        Some(Self::no_more_than(*calmest, false))
    }

    fn no_more_than(held: Nanos, was_seen: bool) -> Self {
        Self {
            most: (held as f64 * SLACK) as Nanos,
            was_seen,
        }
    }
}

/// What those seconds are known by that have samples, ascending.
fn held(seconds: &[Second], counts: impl Fn(&Second) -> bool) -> Vec<Nanos> {
    let counted = seconds.iter().filter(|second| counts(second));
    let mut held: Vec<Nanos> = counted.filter_map(|second| second.held).collect();
    held.sort_unstable();
    held
}

fn outside(seconds: &[Second], inside: &[(usize, usize)]) -> Vec<Second> {
    let is_inside = |place: usize| {
        let mut inside = inside.iter();
        inside.any(|&(first, last)| (first..=last).contains(&place))
    };
    let seconds = seconds.iter().enumerate();
    let outside = seconds.filter(|(place, _)| !is_inside(*place));
    outside.map(|(_, second)| *second).collect()
}

/// The rules of before took the second before a fault for as good as any, and the better half of all where there were too few.
fn as_told_before(seconds: &[Second], inside: &[(usize, usize)]) -> Option<Nanos> {
    let first = inside.iter().map(|(first, _)| *first).min();
    let first = first.unwrap_or(seconds.len()).min(seconds.len());
    // What was disturbed is no measure of what is usual, where there is another one.
    let before = held(&seconds[..first], |second| !second.disturbed);
    if before.len() >= FEWEST {
        return before.last().copied();
    }
    let outside = outside(seconds, inside);
    let mut all = held(&outside, |second| !second.disturbed);
    if all.len() < FEWEST {
        all = held(&outside, |_| true);
    }
    all.get(all.len().checked_sub(1)? / 2).copied()
}

//! When a run missed a limit: in one stall, in some seconds, or all along.

use std::fmt;

use crate::{
    model::{Nanos, numbers},
    observed::{Over, WINDOW},
};

/// As many stretches are named; more are only counted.
const MOST_NAMED: usize = 5;
/// A second counts that has so much of the worst one's misses.
const NEAR_THE_WORST: f64 = 0.2;
/// Seconds that hold so much of all misses are what happened; the rest is chance.
const MOST_OF_ALL: f64 = 0.5;
/// No second has more times the mean where the misses are spread evenly.
const EVENLY: f64 = 3.0;

/// A second of the schedule in which samples missed a limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slow {
    /// Which one.
    pub(super) second: usize,
    /// Samples over the limit, lost ones among them.
    pub(super) missed: u64,
    /// Those of them that came, and when.
    pub(super) over: Over,
}

/// When a limit was missed, in words that follow the number.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum When {
    /// All that came due meanwhile waited for its end.
    Stalls(Vec<Stall>),
    /// These seconds alone, as (first, last), of so many.
    Seconds(Vec<(usize, usize)>, usize),
    /// In so many seconds of so many.
    Spread(usize, usize),
    /// In all seconds alike.
    Evenly,
}

/// A stretch of time in which nothing went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stall {
    /// From the start of the schedule.
    from: Nanos,
    until: Nanos,
}

/// Seconds in a row that miss the limit.
struct Stretch {
    first: usize,
    last: usize,
    over: Over,
}

impl When {
    /// Of the seconds with misses, ascending, among so many in all.
    pub(super) fn of(slow: &[Slow], seconds: usize) -> Self {
        let all: u64 = slow.iter().map(|one| one.missed).sum();
        let most = slow.iter().map(|one| one.missed).max().unwrap_or(0) as f64;
        let near = slow
            .iter()
            .filter(|one| one.missed as f64 >= NEAR_THE_WORST * most);
        let worst: Vec<&Slow> = near.collect();
        let held: u64 = worst.iter().map(|one| one.missed).sum();
        let stretches = stretches(&worst);
        let few = stretches.len() <= MOST_NAMED && held as f64 >= MOST_OF_ALL * all as f64;
        let stalls: Option<Vec<Stall>> = stretches.iter().map(|one| one.stall(slow)).collect();
        let even = 2 * worst.len() > seconds && most * seconds as f64 <= EVENLY * all as f64;
        match stalls {
            Some(stalls) if few => When::Stalls(stalls),
            _ if even => When::Evenly,
            _ if few && 2 * worst.len() <= seconds => When::Seconds(
                stretches.iter().map(|one| (one.first, one.last)).collect(),
                seconds,
            ),
            _ => When::Spread(slow.len(), seconds),
        }
    }
}

fn stretches(slow: &[&Slow]) -> Vec<Stretch> {
    slow.chunk_by(|one, next| one.second + 1 == next.second)
        .map(|row| Stretch {
            first: row[0].second,
            last: row[row.len() - 1].second,
            over: row.iter().fold(Over::NONE, |mut sum, one| {
                sum.merge(&one.over);
                sum
            }),
        })
        .collect()
}

impl Stretch {
    /// It is a stall if its longest sample waited for most of it: one that was due at its beginning and came at its end.
    fn stall(&self, slow: &[Slow]) -> Option<Stall> {
        let mut over = self.over;
        // It may have begun in the second before, with few samples.
        let before = slow.iter().find(|one| one.second + 1 == self.first);
        if let Some(before) = before.filter(|before| before.over.until >= over.first) {
            over.merge(&before.over);
        }
        let lasted = over.until.checked_sub(over.first)?;
        (2 * over.longest > lasted).then_some(Stall {
            from: over.first,
            until: over.until,
        })
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Stalls(stalls) => {
                let at = |stall: &Stall| format!("{:.1} s", stall.from as f64 / WINDOW as f64);
                let lasted = || stalls.iter().map(|stall| stall.until - stall.from);
                let (least, most) = (lasted().min(), lasted().max());
                let (least, most) = (lasts(least.unwrap_or(0)), lasts(most.unwrap_or(0)));
                match &stalls[..] {
                    [one] => write!(f, "one stall of {most} at {}", at(one)),
                    _ if least == most => {
                        write!(f, "{} stalls of {most}, at ", stalls.len())?;
                        f.write_str(&listed(stalls.iter().map(at)))
                    }
                    _ => {
                        write!(f, "{} stalls of {least} to {most}, at ", stalls.len())?;
                        f.write_str(&listed(stalls.iter().map(at)))
                    }
                }
            }
            When::Seconds(stretches, of) => {
                let slow: usize = stretches.iter().map(|(first, last)| last - first + 1).sum();
                let named = stretches.iter().map(|(first, last)| match first == last {
                    true => format!("{first} s"),
                    false => format!("{first} s to {} s", last + 1),
                });
                let s = if slow == 1 { "" } else { "s" };
                write!(f, "{slow} slow second{s} of {of}: {}", listed(named))
            }
            When::Spread(slow, of) => write!(f, "spread over {slow} of {of} seconds"),
            When::Evenly => f.write_str("spread evenly over all seconds"),
        }
    }
}

/// A tenth of a second is exact enough for what lasts longer.
fn lasts(nanos: Nanos) -> String {
    match nanos {
        100_000_000.. => format!("{:.1} s", nanos as f64 / WINDOW as f64),
        _ => numbers::duration(nanos),
    }
}

fn listed(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.collect();
    match &parts[..] {
        [] => String::new(),
        [one] => one.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

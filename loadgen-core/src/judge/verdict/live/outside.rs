//! What came outside of all faults while a run goes on: limits on the whole run are judged by that alone, as they are at the end.
//!
//! What is known is what the workers have shown after each second, so that a second is parted by what came in it and not, as
//! at the end, by what was sent in it.

use std::collections::VecDeque;

use crate::{
    judge::parts::{CALM, HELD, Part, Recovery, Second, Split},
    model::Nanos,
    observed::{FaultSeen, Rules, Samples, WINDOW},
};

/// So long after a fault's end what it has held up may still come, so that nothing is called lost.
const AFTERMATH: Nanos = 10_000_000_000;
/// Of a recovery no more than the seconds that end it turn out to have been none, with as many disturbed ones among them.
const MOST_WAITING: usize = 2 * CALM + 1;

/// What came outside of the faults of a run that has some.
#[derive(Default)]
pub(super) struct Outside {
    /// All of it.
    pub(super) all: Vec<Samples>,
    /// What came in seconds that nothing else disturbed.
    pub(super) undisturbed: Vec<Samples>,
    /// How many seconds these are of.
    pub(super) seconds: usize,
    /// Those of them that something disturbed.
    pub(super) disturbed: usize,
    /// What deliveries were like in each second so far.
    seen: Vec<Second>,
    waiting: VecDeque<Waiting>,
    /// A fault is on, or what it has held up may still come.
    pub(super) is_shaken: bool,
}

/// What came in a second of which it is not known yet whether all was as before.
struct Waiting {
    second: usize,
    disturbed: bool,
    came: Vec<Samples>,
}

impl Outside {
    /// Adds what came in the second that ends with `elapsed`; deliveries first.
    pub(super) fn take(
        &mut self,
        elapsed: Nanos,
        came: Vec<Samples>,
        disturbed: bool,
        faults: &[FaultSeen],
    ) {
        let passed = (elapsed / WINDOW) as usize;
        self.is_shaken = faults.iter().any(|fault| {
            let end = fault
                .end
                .map_or(Nanos::MAX, |end| end.saturating_add(AFTERMATH));
            fault.start.is_some() && elapsed < end
        });
        let histogram = came.first().map(|deliveries| &deliveries.histogram);
        let histogram = histogram.filter(|deliveries| !deliveries.is_empty());
        self.seen
            .resize(passed.max(self.seen.len() + 1), Second::default());
        let second = self.seen.len() - 1;
        self.seen[second] = Second {
            due: histogram.map_or(0, |deliveries| deliveries.len()),
            missing: 0,
            held: histogram.map(|deliveries| deliveries.value_at_percentile(HELD)),
            // What came in a second was not held up later on.
            longest: None,
            disturbed,
        };
        self.waiting.push_back(Waiting {
            second,
            disturbed,
            came,
        });
        self.settle(faults);
    }

    /// Counts what is known to be outside, and forgets what is known to be inside or to have been a recovery.
    fn settle(&mut self, faults: &[FaultSeen]) {
        let now = self.seen.len() as Nanos * WINDOW;
        // What came in the last moment of a fault is shown in the second after it.
        let spans = faults.iter().filter_map(|fault| {
            let end = fault.end.unwrap_or(now);
            Some((fault.start?, end.saturating_add(WINDOW)))
        });
        let split = Split::of(&self.seen, &spans.collect::<Vec<_>>(), None, Rules::NOW);
        let is_inside = |second: usize| {
            let mut parts = split.of_second(second).iter();
            parts.any(|part| matches!(part, Part::Inside(_)))
        };
        for waiting in std::mem::take(&mut self.waiting) {
            let goes_on = !(waiting.second..self.seen.len()).any(is_inside);
            match split.of_second(waiting.second).first() {
                None | Some(Part::Outside) => self.count(waiting),
                Some(Part::Inside(_)) => {}
                Some(&Part::Recovering(fault)) => match split.recovery(fault) {
                    Recovery::Took { .. } => {}
                    Recovery::AtLeast { .. } | Recovery::Unknown if !goes_on => {}
                    Recovery::AtLeast { .. } | Recovery::Unknown => self.waiting.push_back(waiting),
                },
            }
        }
        while self.waiting.len() > MOST_WAITING {
            self.waiting.pop_front();
        }
    }

    fn count(&mut self, waiting: Waiting) {
        self.seconds += 1;
        self.disturbed += usize::from(waiting.disturbed);
        add(&mut self.all, &waiting.came);
        if !waiting.disturbed {
            add(&mut self.undisturbed, &waiting.came);
        }
    }
}

/// Adds samples to those at the same places.
fn add(all: &mut Vec<Samples>, came: &[Samples]) {
    match all.is_empty() {
        true => *all = came.to_vec(),
        false => all
            .iter_mut()
            .zip(came)
            .for_each(|(all, came)| all.merge(came)),
    }
}

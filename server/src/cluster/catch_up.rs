//! How fast a bus that is back is told what has waited for it. Pure: the time is given.

use std::time::Duration;

use tokio::time::Instant;

/// How long that takes. Who waits for it has waited for the whole outage; at once, it would take the processors from those who
/// sit on one server and wait for nothing else.
pub const SPREAD: Duration = Duration::from_millis(1_000);
/// Between two portions.
pub const PAUSE: Duration = Duration::from_millis(10);
/// Entries of a portion at least.
const LEAST: usize = 16;

/// Entries are brought in portions until a moment, and as fast as can be from then on.
#[derive(Debug, Clone, Copy)]
pub struct CatchUp {
    until: Instant,
}

impl CatchUp {
    /// From now on.
    #[must_use]
    pub fn begin(now: Instant) -> Self {
        Self {
            until: now + SPREAD,
        }
    }

    /// How many of so many that wait are brought now; `None` when it is over. What comes meanwhile is counted in, so that none is
    /// left at the end.
    #[must_use]
    pub fn portion(self, waiting: usize, now: Instant) -> Option<usize> {
        let left = self.until.saturating_duration_since(now);
        let portions = usize::try_from(left.as_millis() / PAUSE.as_millis()).unwrap_or(usize::MAX);
        (waiting > 0 && portions > 0).then(|| waiting.div_ceil(portions).max(LEAST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many portions bring so many, of which so many more come between two of them, and how many the largest has.
    fn brought(mut waiting: usize, more: usize) -> (usize, usize) {
        let mut now = Instant::now();
        let catch_up = CatchUp::begin(now);
        let (mut portions, mut largest) = (0, 0);
        while let Some(portion) = catch_up.portion(waiting, now) {
            waiting = waiting.saturating_sub(portion);
            waiting += more;
            now += PAUSE;
            portions += 1;
            largest = largest.max(portion);
        }
        assert!(waiting <= more, "{waiting} are left");
        (portions, largest)
    }

    #[test]
    fn what_waited_is_spread_evenly_and_none_is_left_at_the_end() {
        assert_eq!(brought(6_000, 0), (100, 60));
        assert_eq!(brought(100, 0), (7, LEAST));
        let (portions, largest) = brought(6_000, 100);
        assert!(portions == 100 && largest <= 700, "{portions} {largest}");
        // After a short outage, more come than have waited.
        let (portions, _) = brought(10, 1_000);
        assert_eq!(portions, 100);
    }

    #[test]
    fn nothing_is_put_off_when_it_is_over() {
        let now = Instant::now();
        assert_eq!(CatchUp::begin(now).portion(1_000, now + SPREAD), None);
        assert_eq!(CatchUp::begin(now).portion(0, now), None);
    }
}

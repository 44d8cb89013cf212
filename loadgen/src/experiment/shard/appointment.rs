//! The moment at which all shards begin: a time of day, on the run's own clock.

use std::{
    cell::Cell,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    model::{Clock, Nanos, nanos},
    result::ClockOffset,
};

/// The clock by which a process knows the time of day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WallClock {
    /// How much later it says that it is than the system's, in nanoseconds: a wrong clock, for tests.
    pub shift: i64,
}

impl WallClock {
    /// Nanoseconds since 1970, UTC.
    pub fn now(self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, nanos);
        now.saturating_add_signed(self.shift)
    }
}

/// When a schedule is to begin, and when it did.
pub(crate) struct Appointment {
    /// On the clock of shard 1.
    planned: u64,
    wall: WallClock,
    /// How far the own clock is ahead of that of shard 1.
    ahead: i64,
    kept: Cell<Option<u64>>,
}

impl Appointment {
    pub(super) fn new(planned: u64, wall: WallClock, clock: Option<ClockOffset>) -> Self {
        Self {
            planned,
            wall,
            ahead: clock.map_or(0, |clock| clock.ahead),
            kept: Cell::new(None),
        }
    }

    /// When it is due on the run's clock; how long ago that was, where it is past. A clock that is set meanwhile changes it,
    /// so that it is asked anew until it comes.
    pub(crate) fn due(&self, clock: &Clock) -> Result<Nanos, Nanos> {
        let due = self.planned.saturating_add_signed(self.ahead);
        let (now, wall) = (clock.now(), self.wall.now());
        match due.checked_sub(wall) {
            Some(left) => Ok(now + left),
            None => Err(wall - due),
        }
    }

    /// The schedule begins at this time of the run's clock.
    pub(crate) fn keep(&self, start: Nanos, clock: &Clock) {
        let (now, wall) = (clock.now(), self.wall.now());
        let until = i128::from(start) - i128::from(now);
        let actual = i128::from(wall) + until;
        self.kept.set(u64::try_from(actual).ok());
    }

    /// When it began, by the own clock; `None`: it did not.
    pub(super) fn kept(&self) -> Option<u64> {
        self.kept.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// When something is due for a process whose clock is wrong, in `left` nanoseconds of true time.
    fn due(left: i64, shift: i64, ahead: i64) -> Result<i64, Nanos> {
        let wall = WallClock { shift };
        let planned = WallClock::default().now().saturating_add_signed(left);
        let offset = ClockOffset { ahead, bound: 0 };
        let appointment = Appointment::new(planned, wall, Some(offset));
        let clock = Clock::start();
        let due = appointment.due(&clock)?;
        appointment.keep(due, &clock);
        let kept = appointment.kept().unwrap();
        // As exactly as two readings of two clocks.
        assert!(kept.abs_diff(planned.saturating_add_signed(ahead)) < SECOND as u64 / 2);
        Ok(due as i64)
    }

    #[test]
    fn a_wrong_clock_whose_offset_is_known_is_as_good_as_a_right_one() {
        for wrong in [0, 7_200 * SECOND, -2 * SECOND, 137_000_000] {
            let due = due(30 * SECOND, wrong, wrong).unwrap();
            assert!((due - 30 * SECOND).abs() < SECOND / 2, "{due}");
        }
        let early = due(30 * SECOND, 0, 5 * SECOND).unwrap();
        assert!((early - 35 * SECOND).abs() < SECOND / 2, "{early}");
    }

    #[test]
    fn what_is_past_says_how_long_ago_it_was() {
        let ago = due(-3 * SECOND, 0, 0).unwrap_err();
        assert!(ago >= 3 * SECOND as u64);
    }
}

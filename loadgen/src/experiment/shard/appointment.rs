//! The moment at which all shards begin: a time of day, on the run's own clock.

use std::{
    cell::Cell,
    time::{Instant, SystemTime, UNIX_EPOCH},
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

/// A time of day that was read once and goes on by the monotonic clock: who sets the system's clock does not set it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steady {
    read: u64,
    at: Instant,
}

impl Steady {
    pub(super) fn of(wall: WallClock) -> Self {
        Self {
            read: wall.now(),
            at: Instant::now(),
        }
    }

    /// Nanoseconds since 1970, UTC, as the clock said that was read.
    pub(super) fn now(self) -> u64 {
        self.read.saturating_add(nanos(self.at.elapsed()))
    }
}

/// By what a process keeps an appointment.
#[derive(Debug, Clone, Copy)]
pub(super) enum Timepiece {
    /// A clock that nobody compared. What it is set to meanwhile is believed, too.
    Believed(WallClock),
    /// One that was compared with that of shard 1, and how it stood.
    Compared(Steady, ClockOffset),
}

impl Timepiece {
    fn now(self) -> u64 {
        match self {
            Self::Believed(wall) => wall.now(),
            Self::Compared(time, _) => time.now(),
        }
    }

    fn ahead(self) -> i64 {
        match self {
            Self::Believed(_) => 0,
            Self::Compared(_, clock) => clock.ahead,
        }
    }
}

/// When a schedule is to begin, and when it did.
pub(crate) struct Appointment {
    /// On the clock of shard 1.
    planned: u64,
    own: Timepiece,
    kept: Cell<Option<u64>>,
}

impl Appointment {
    pub(super) fn new(planned: u64, own: Timepiece) -> Self {
        Self {
            planned,
            own,
            kept: Cell::new(None),
        }
    }

    /// When it is due on the run's clock; how long ago that was, where it is past. A clock that is believed and set meanwhile
    /// changes it, so that it is asked anew until it comes.
    pub(crate) fn due(&self, clock: &Clock) -> Result<Nanos, Nanos> {
        let due = self.planned.saturating_add_signed(self.own.ahead());
        let (now, own) = (clock.now(), self.own.now());
        match due.checked_sub(own) {
            Some(left) => Ok(now + left),
            None => Err(own - due),
        }
    }

    /// The schedule begins at this time of the run's clock.
    pub(crate) fn keep(&self, start: Nanos, clock: &Clock) {
        let (now, own) = (clock.now(), self.own.now());
        let until = i128::from(start) - i128::from(now);
        let actual = i128::from(own) + until;
        self.kept.set(u64::try_from(actual).ok());
    }

    /// When it began, by the own clock; `None`: it did not.
    pub(super) fn kept(&self) -> Option<u64> {
        self.kept.get()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// When something is due for a process whose clock is wrong, in `left` nanoseconds of true time.
    fn due(left: i64, shift: i64, ahead: i64) -> Result<i64, Nanos> {
        let wall = WallClock { shift };
        let planned = WallClock::default().now().saturating_add_signed(left);
        let offset = ClockOffset { ahead, bound: 0 };
        let own = Timepiece::Compared(Steady::of(wall), offset);
        let appointment = Appointment::new(planned, own);
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
    fn a_clock_that_is_set_after_it_was_compared_changes_nothing() {
        // It was compared half a minute ago, and has been set by years since.
        let compared = Instant::now().checked_sub(Duration::from_secs(30)).unwrap();
        let (read, at) = (9_000 * SECOND as u64, compared);
        let own = Timepiece::Compared(Steady { read, at }, ClockOffset { ahead: 0, bound: 0 });
        let planned = read + 90 * SECOND as u64;
        let appointment = Appointment::new(planned, own);
        let clock = Clock::start();
        let due = appointment.due(&clock).unwrap();
        assert!((due as i64 - 60 * SECOND).abs() < SECOND / 2, "{due}");
        appointment.keep(due, &clock);
        let kept = appointment.kept().unwrap();
        assert!(kept.abs_diff(planned) < SECOND as u64 / 2, "{kept}");
    }

    #[test]
    fn a_clock_that_nobody_compared_is_believed() {
        let planned = WallClock::default().now() + 30 * SECOND as u64;
        let own = Timepiece::Believed(WallClock { shift: 5 * SECOND });
        let due = Appointment::new(planned, own).due(&Clock::start()).unwrap();
        assert!((due as i64 - 25 * SECOND).abs() < SECOND / 2, "{due}");
    }

    #[test]
    fn what_is_past_says_how_long_ago_it_was() {
        let ago = due(-3 * SECOND, 0, 0).unwrap_err();
        assert!(ago >= 3 * SECOND as u64);
    }
}

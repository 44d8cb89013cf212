//! When all that this server has said of its users is to be said again. Pure: the time is given.

use tokio::time::Instant;

use crate::bus::FORGOTTEN_AFTER;

/// What this server knows of its lease.
#[derive(Debug)]
pub struct Alive {
    /// When all was last said.
    said: Instant,
    /// A beat had no answer. It may have renewed a lease that had run out, and only its answer would have said so.
    in_doubt: bool,
}

impl Alive {
    /// All is said now.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            said: now,
            in_doubt: false,
        }
    }

    /// A beat was not answered.
    pub const fn unanswered(&mut self) {
        self.in_doubt = true;
    }

    /// A beat was answered, and says whether the lease had run out before it. Whether all is to be said again: also because
    /// it is forgotten otherwise.
    pub fn answered(&mut self, lapsed: bool, now: Instant) -> bool {
        let is_old = now.duration_since(self.said) > FORGOTTEN_AFTER / 3;
        let again = lapsed || self.in_doubt || is_old;
        if again {
            *self = Self::new(now);
        }
        again
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn all_is_said_again_when_the_lease_had_run_out_or_may_have() {
        let now = Instant::now();
        let mut alive = Alive::new(now);
        assert!(!alive.answered(false, now));
        assert!(alive.answered(true, now) && !alive.answered(false, now));
        alive.unanswered();
        alive.unanswered();
        assert!(
            alive.answered(false, now),
            "its answer may have been the one that said so"
        );
        assert!(!alive.answered(false, now), "once");
    }

    #[test]
    fn all_is_said_again_before_it_is_forgotten() {
        let now = Instant::now();
        let mut alive = Alive::new(now);
        let later = now + FORGOTTEN_AFTER / 3;
        assert!(!alive.answered(false, later));
        let later = later + Duration::from_millis(1);
        assert!(alive.answered(false, later) && !alive.answered(false, later));
    }
}

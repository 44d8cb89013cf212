//! The one monotonic clock of a run: every stamp is nanoseconds since the run's origin.

use std::time::{Duration, Instant};

/// Nanoseconds since the origin of the run's clock.
pub type Nanos = u64;

/// A clock that all threads of one run share, so that a send in one and a receipt in another can be subtracted.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose origin is now.
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// Nanoseconds since the origin.
    pub fn now(&self) -> Nanos {
        nanos(self.origin.elapsed())
    }

    /// The instant that a stamp stands for.
    pub fn instant(&self, at: Nanos) -> Instant {
        self.origin + Duration::from_nanos(at)
    }
}

/// A duration as nanoseconds; saturates after 584 years.
pub fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

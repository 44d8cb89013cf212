//! Holds a socket to its limit of events: pure bookkeeping that tells a burst from a flood.

use std::{num::NonZeroU32, time::Duration};

use tokio::time::Instant;

use crate::limits::TokenBucket;

/// How long a socket may stay over its limit before it must go. Its heartbeats are read as slowly as all the rest, and
/// would end it later, for a reason that is none.
const FLOOD_ENDS: Duration = Duration::from_secs(5);
/// How long it must have kept to its limit for the time over it to begin anew.
const CALM: Duration = Duration::from_secs(2);
/// How long a burst may take to arrive. What comes later is more of it.
const BURST: Duration = Duration::from_millis(250);

/// What has come from one socket since its beginning, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// What was read.
    pub read: u64,
    /// That, and what waits to be read.
    pub arrived: u64,
}

/// Holds one socket to its limit of events.
///
/// A burst is no flood: what has arrived at once is refused without a wait, or its client's heartbeats would wait behind
/// it. A flood is what goes on arriving faster than the limit.
#[derive(Debug)]
pub struct Pace {
    bucket: TokenBucket,
    per_second: f64,
    /// What one event over the limit costs.
    wait: Duration,
    events: u64,
    over: Option<Over>,
}

/// A time over the limit.
#[derive(Debug)]
struct Over {
    began: Mark,
    /// The events before.
    events: u64,
    last: Instant,
    /// When it was read last.
    seen: Mark,
    /// What had not arrived before came faster than the limit.
    is_fed: bool,
    /// The end of the burst that may have begun it.
    burst: Option<Mark>,
    is_flood: bool,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Instant,
    traffic: Traffic,
}

/// An event too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flood {
    /// How much longer nothing should be read from the socket.
    pub wait: Duration,
    /// The socket has been over its limit for so long that it must go.
    pub must_go: bool,
}

impl Pace {
    /// At its limit for the first time after a burst of one second's worth.
    #[must_use]
    pub fn new(per_second: NonZeroU32, now: Instant) -> Self {
        Self {
            bucket: TokenBucket::new(per_second, now),
            per_second: f64::from(per_second.get()),
            wait: Duration::from_secs(1) / per_second.get(),
            events: 0,
            over: None,
        }
    }

    /// Takes one event from a socket with this traffic.
    ///
    /// # Errors
    /// It is one too much.
    pub fn take(&mut self, now: Instant, traffic: Traffic) -> Result<(), Flood> {
        self.events += 1;
        if self.bucket.take(now) {
            return Ok(());
        }
        let mark = Mark { at: now, traffic };
        let over = match &mut self.over {
            Some(over) if now.saturating_duration_since(over.last) < CALM => over,
            calm => calm.insert(Over::new(mark, self.events)),
        };
        over.look(mark, self.events, self.per_second);
        Err(Flood {
            wait: if over.is_fed || over.is_flood {
                self.wait
            } else {
                Duration::ZERO
            },
            must_go: over.is_flood && now.saturating_duration_since(over.began.at) >= FLOOD_ENDS,
        })
    }
}

impl Over {
    const fn new(now: Mark, events: u64) -> Self {
        Self {
            began: now,
            events,
            last: now.at,
            seen: now,
            is_fed: true,
            burst: None,
            is_flood: false,
        }
    }

    fn look(&mut self, now: Mark, events: u64, per_second: f64) {
        self.last = now.at;
        let events = (events - self.events) as f64;
        let read = now.traffic.read.saturating_sub(self.began.traffic.read);
        // As many, if those that wait are as large as those that were read.
        let came_since = |mark: &Mark| {
            let arrived = now.traffic.arrived.saturating_sub(mark.traffic.arrived);
            arrived as f64 * events / read.max(1) as f64
        };
        let may_come_since =
            |mark: &Mark| per_second * now.at.saturating_duration_since(mark.at).as_secs_f64();
        if now.traffic.read != self.seen.traffic.read {
            self.is_fed = came_since(&self.seen) > may_come_since(&self.seen);
            self.seen = now;
        }
        match &self.burst {
            Some(burst) => self.is_flood |= came_since(burst) > may_come_since(burst) + per_second,
            None if now.at.saturating_duration_since(self.began.at) >= BURST => {
                self.burst = Some(now);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket that sends events of so many bytes, and is read when it may be, so many events at once.
    struct Sender {
        now: Instant,
        pace: Pace,
        traffic: Traffic,
        refused: u32,
    }

    const EVENT: u64 = 40;
    const AT_ONCE: u64 = 50;

    impl Sender {
        fn new(per_second: u32) -> Self {
            let now = Instant::now();
            Self {
                now,
                pace: Pace::new(NonZeroU32::new(per_second).unwrap(), now),
                traffic: Traffic::default(),
                refused: 0,
            }
        }

        /// More arrives.
        fn send(&mut self, events: u64) {
            self.traffic.arrived += events * EVENT;
        }

        /// Reads once what has arrived, and waits as long as it must. Whether it must go.
        fn read(&mut self) -> bool {
            let waiting = (self.traffic.arrived - self.traffic.read) / EVENT;
            let events = waiting.min(AT_ONCE);
            self.traffic.read += events * EVENT;
            let (mut wait, mut must_go) = (Duration::from_millis(1), false);
            for _ in 0..events {
                if let Err(flood) = self.pace.take(self.now, self.traffic) {
                    self.refused += 1;
                    wait += flood.wait;
                    must_go |= flood.must_go;
                }
            }
            self.now += wait.min(Duration::from_secs(1));
            must_go
        }

        fn all_is_read(&self) -> bool {
            self.traffic.arrived == self.traffic.read
        }
    }

    #[test]
    fn a_flood_must_go_in_the_end() {
        for per_second in [5, 100, 1000, 10_000] {
            // Twice the limit, and as fast as it is read, by a kernel that takes more by the 64 KiB.
            for steady in [true, false] {
                let mut flooder = Sender::new(per_second);
                let start = flooder.now;
                let mut sent_at = start;
                flooder.send(1_000);
                while !flooder.read() {
                    if steady {
                        let time = flooder.now - sent_at;
                        sent_at = flooder.now;
                        flooder.send((time.as_secs_f64() * 2.0 * f64::from(per_second)) as u64 + 1);
                    } else if flooder.traffic.arrived - flooder.traffic.read <= 1_000_000 {
                        flooder.send(1_600);
                    }
                    assert!(
                        flooder.now - start < Duration::from_secs(9),
                        "{per_second} {steady}"
                    );
                }
                assert!(flooder.now - start >= FLOOD_ENDS);
                let most = 8 * per_second + 5_000;
                let refused = flooder.refused;
                assert!(steady || refused < most, "{per_second}: {refused}");
            }
        }
    }

    #[test]
    fn a_burst_may_stay_and_is_read_at_once() {
        for trickle in [0, 4] {
            let mut bursting = Sender::new(5);
            for _ in 0..3 {
                let start = bursting.now;
                bursting.send(50_000);
                while !bursting.all_is_read() {
                    let before = bursting.now;
                    assert!(!bursting.read());
                    bursting.send(trickle * (bursting.now - before).as_millis() as u64 / 1000);
                }
                let took = bursting.now - start;
                assert!(
                    took < Duration::from_secs(5),
                    "heartbeats wait for {took:?}"
                );
                bursting.now += Duration::from_secs(4);
            }
        }
    }

    #[test]
    fn small_bursts_are_no_flood() {
        let mut bursting = Sender::new(10);
        for _ in 0..30 {
            bursting.send(20);
            assert!(!bursting.read());
            bursting.now += Duration::from_secs(4);
        }
        assert!(bursting.refused > 0);
    }
}

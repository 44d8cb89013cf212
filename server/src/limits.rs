//! How much one socket and one address may ask for: pure bookkeeping.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Lets a number of events a second through, and a burst of one second's worth.
#[derive(Debug)]
pub struct TokenBucket {
    per_second: f64,
    tokens: f64,
    filled_at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    #[must_use]
    pub fn new(per_second: NonZeroU32, now: Instant) -> Self {
        let per_second = f64::from(per_second.get());
        Self {
            per_second,
            tokens: per_second,
            filled_at: now,
        }
    }

    /// Takes one token, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let elapsed = now
            .checked_duration_since(self.filled_at)
            .unwrap_or(Duration::ZERO);
        self.tokens = (self.tokens + elapsed.as_secs_f64() * self.per_second).min(self.per_second);
        self.filled_at = now;
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

/// How long a socket may stay over its limit before it must go. Its heartbeats are read as slowly as all the rest, and
/// would end it later, for a reason that is none.
const FLOOD_ENDS: Duration = Duration::from_secs(5);
/// How long it must have kept to its limit for the time over it to begin anew.
const CALM: Duration = Duration::from_secs(2);

/// Holds one socket to its limit of events.
#[derive(Debug)]
pub struct Pace {
    bucket: TokenBucket,
    /// What one event over the limit costs.
    wait: Duration,
    over: Option<Over>,
}

#[derive(Debug)]
struct Over {
    since: Instant,
    last: Instant,
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
            wait: Duration::from_secs(1) / per_second.get(),
            over: None,
        }
    }

    /// Takes one event.
    ///
    /// # Errors
    /// It is one too much.
    pub fn take(&mut self, now: Instant) -> Result<(), Flood> {
        if self.bucket.take(now) {
            return Ok(());
        }
        let over = match &mut self.over {
            Some(over) if now.saturating_duration_since(over.last) < CALM => over,
            calm => calm.insert(Over {
                since: now,
                last: now,
            }),
        };
        over.last = now;
        Err(Flood {
            wait: self.wait,
            must_go: now.saturating_duration_since(over.since) >= FLOOD_ENDS,
        })
    }
}

/// Counts what each address holds, up to a limit.
#[derive(Debug, Clone)]
pub struct AddressLimit {
    limit: usize,
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One place under an [`AddressLimit`], free again when dropped.
#[derive(Debug)]
pub struct AddressSlot {
    address: IpAddr,
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl AddressLimit {
    /// At most `limit` places for each address.
    #[must_use]
    pub fn new(limit: NonZeroU32) -> Self {
        Self {
            limit: limit.get() as usize,
            held: Arc::default(),
        }
    }

    /// Takes a place, if one is free.
    #[must_use]
    pub fn take(&self, address: IpAddr) -> Option<AddressSlot> {
        let mut held = self.held.lock();
        let count = held.entry(address).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(AddressSlot {
            address,
            held: Arc::clone(&self.held),
        })
    }
}

impl Drop for AddressSlot {
    fn drop(&mut self) {
        let mut held = self.held.lock();
        if let Some(count) = held.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_a_burst_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(NonZeroU32::new(10).unwrap(), start);
        let taken =
            |bucket: &mut TokenBucket, at| (0..100).filter(|_| bucket.take(start + at)).count();
        assert_eq!(taken(&mut bucket, Duration::ZERO), 10);
        assert_eq!(taken(&mut bucket, Duration::from_millis(250)), 2);
        assert_eq!(taken(&mut bucket, Duration::from_millis(300)), 1);
        assert_eq!(
            taken(&mut bucket, Duration::from_secs(60)),
            10,
            "no more than a second's worth is kept"
        );
    }

    #[test]
    fn a_flood_must_go_in_the_end_and_a_burst_may_stay() {
        let start = Instant::now();
        let rate = NonZeroU32::new(10).unwrap();
        let mut flooding = Pace::new(rate, start);
        // Twice the rate, without a pause.
        let mut events = (0_u32..).map(|n| {
            let at = start + Duration::from_millis(50) * n;
            (at - start, flooding.take(at))
        });
        let first = events.find_map(|(_, taken)| taken.err()).unwrap();
        assert_eq!(first.wait, Duration::from_millis(100));
        assert!(!first.must_go);
        let (gone, _) = events
            .find(|(_, taken)| taken.is_err_and(|flood| flood.must_go))
            .unwrap();
        assert!((5..8).contains(&gone.as_secs()), "{gone:?}");

        let mut bursting = Pace::new(rate, start);
        for second in (0..100).step_by(4) {
            let at = start + Duration::from_secs(second);
            let over = (0..20).filter_map(|_| bursting.take(at).err()).last();
            assert!(!over.unwrap().must_go, "at {second} s");
        }
    }

    #[test]
    fn a_slot_is_free_again_when_dropped_and_nothing_stays() {
        let limit = AddressLimit::new(NonZeroU32::new(2).unwrap());
        let (here, there) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let first = limit.take(here);
        let second = limit.take(here);
        assert!(first.is_some() && second.is_some() && limit.take(here).is_none());
        assert!(
            limit.take(there).is_some(),
            "another address has its own places"
        );
        drop(first);
        assert!(limit.take(here).is_some());
        drop(second);
        assert!(limit.held.lock().is_empty());
    }
}

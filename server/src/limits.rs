//! How much one socket and one address may ask for: pure bookkeeping.

use std::{collections::HashMap, net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

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

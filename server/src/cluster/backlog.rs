//! What this server says to the others and the bus may not have yet, or may have lost again. Pure: the time is given.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use crate::bus::{PARTITIONS, Stream};

/// Bytes that are kept at most. Above that the oldest are given up, and the other servers find a gap.
pub const KEPT_BYTES: usize = 64 << 20;
/// How long something is kept that the bus has taken, in case it dies before others have read it.
pub const KEPT_FOR: Duration = Duration::from_secs(5);
/// Bytes of those at most.
const TAKEN_BYTES: usize = 16 << 20;

/// One entry for the bus.
#[derive(Debug, Clone)]
struct Waiting {
    stream: Stream,
    number: u64,
    bytes: Bytes,
    since: Instant,
}

/// Which entry of a stream: the partition, and its number there.
pub type Numbered = (u8, u64);

/// Entries in their order: first those that the bus has taken, then those that it has not.
#[derive(Debug)]
pub struct Backlog {
    entries: VecDeque<Waiting>,
    /// How many have been thrown away: the place of the first entry among all that there ever were.
    first: u64,
    /// The place of the first one that the bus has not taken.
    next: u64,
    bytes: usize,
    taken_bytes: usize,
    numbers: [u64; PARTITIONS],
    inboxes: u64,
    /// Of each partition, the number of the last entry that says of those before it that some are lost.
    marks: [u64; PARTITIONS],
}

/// Older entries that the bus had not taken and that had to go when one was added.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct GivenUp {
    /// Those of partitions.
    pub entries: Vec<Numbered>,
    /// How many of inboxes.
    pub told: usize,
}

impl Default for Backlog {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            next: 0,
            bytes: 0,
            taken_bytes: 0,
            numbers: [0; PARTITIONS],
            inboxes: 0,
            marks: [0; PARTITIONS],
        }
    }
}

impl Backlog {
    /// Adds an entry, which is told its number in its stream and its place among all; says which number that is, and what had
    /// to go for it.
    pub fn push<E>(
        &mut self,
        stream: Stream,
        now: Instant,
        encode: impl FnOnce(u64, u64) -> Result<Bytes, E>,
    ) -> Result<(u64, GivenUp), E> {
        let last = match &stream {
            Stream::Partition(partition) => &mut self.numbers[usize::from(*partition)],
            Stream::Inbox(_) => &mut self.inboxes,
        };
        let number = *last + 1;
        let bytes = encode(number, self.first + self.entries.len() as u64)?;
        *last = number;
        self.bytes += bytes.len();
        self.entries.push_back(Waiting {
            stream,
            number,
            bytes,
            since: now,
        });
        let mut given_up = GivenUp::default();
        while self.bytes > KEPT_BYTES && self.entries.len() > 1 {
            let waits = self.first >= self.next;
            let Some(oldest) = self.drop_first().filter(|_| waits) else {
                continue;
            };
            match oldest.stream {
                Stream::Partition(partition) => given_up.entries.push((partition, oldest.number)),
                Stream::Inbox(_) => given_up.told += 1,
            }
        }
        Ok((number, given_up))
    }

    /// Whether an entry that was given up is still to be told of: no mark comes behind it.
    #[must_use]
    pub const fn is_untold(&self, (partition, number): Numbered) -> bool {
        number >= self.marks[partition as usize]
    }

    /// This entry says that some before it are lost.
    pub const fn mark(&mut self, (partition, number): Numbered) {
        self.marks[partition as usize] = number;
    }

    /// The next entries for the bus, and the place to name when it has taken them.
    #[must_use]
    pub fn batch(&self, at_most: usize) -> (Vec<(Stream, Bytes)>, u64) {
        let skipped = usize::try_from(self.next.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let batch: Vec<_> = self
            .entries
            .iter()
            .skip(skipped)
            .take(at_most)
            .map(|entry| (entry.stream.clone(), entry.bytes.clone()))
            .collect();
        let until = self.next.max(self.first) + batch.len() as u64;
        (batch, until)
    }

    /// The bus has taken all before this place; and it has [answered](Self::answered).
    pub fn taken(&mut self, until: u64, now: Instant) {
        let from = self.next.max(self.first);
        for place in from..until {
            let index = usize::try_from(place - self.first).unwrap_or(usize::MAX);
            self.taken_bytes += self.entries.get(index).map_or(0, |entry| entry.bytes.len());
        }
        self.next = self.next.max(until);
        self.answered(now);
    }

    /// The bus has answered: what it took long before that is forgotten. While it is away nothing is, so that what it may have
    /// taken with it can be said again, however long it stays away.
    pub fn answered(&mut self, now: Instant) {
        while self.first < self.next
            && let Some(oldest) = self.entries.front()
            && (now.duration_since(oldest.since) > KEPT_FOR || self.taken_bytes > TAKEN_BYTES)
        {
            self.drop_first();
        }
    }

    /// The bus has begun a new life: all that is kept is to be said again.
    pub fn rewind(&mut self) -> usize {
        let again = self.next.saturating_sub(self.first);
        self.next = self.first;
        self.taken_bytes = 0;
        usize::try_from(again).unwrap_or(usize::MAX)
    }

    /// How many entries the bus has not taken.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let end = self.first + self.entries.len() as u64;
        usize::try_from(end - self.next.max(self.first)).unwrap_or(usize::MAX)
    }

    fn drop_first(&mut self) -> Option<Waiting> {
        let oldest = self.entries.pop_front()?;
        self.bytes -= oldest.bytes.len();
        if self.first < self.next {
            self.taken_bytes -= oldest.bytes.len();
        }
        self.first += 1;
        self.next = self.next.max(self.first);
        Some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn push(backlog: &mut Backlog, partition: u8, bytes: usize, now: Instant) -> (u64, GivenUp) {
        let encode = |number: u64, _: u64| {
            let mut text = vec![0; bytes];
            text[..8].copy_from_slice(&number.to_be_bytes());
            Ok::<_, Infallible>(Bytes::from(text))
        };
        backlog
            .push(Stream::Partition(partition), now, encode)
            .unwrap()
    }

    fn numbers(batch: &[(Stream, Bytes)]) -> Vec<(u8, u64)> {
        let number = |(stream, bytes): &(Stream, Bytes)| {
            let Stream::Partition(partition) = stream else {
                panic!("{stream:?}")
            };
            (
                *partition,
                u64::from_be_bytes(bytes[..8].try_into().unwrap()),
            )
        };
        batch.iter().map(number).collect()
    }

    #[test]
    fn each_partition_is_numbered_and_the_order_is_kept() {
        let (mut backlog, now) = (Backlog::default(), Instant::now());
        for partition in [1, 2, 1, 1] {
            push(&mut backlog, partition, 8, now);
        }
        let (batch, until) = backlog.batch(3);
        assert_eq!(numbers(&batch), [(1, 1), (2, 1), (1, 2)]);
        backlog.taken(until, now);
        assert_eq!(
            (numbers(&backlog.batch(9).0), backlog.waiting()),
            (vec![(1, 3)], 1)
        );
    }

    #[test]
    fn what_the_bus_may_have_lost_is_said_again_for_a_while() {
        let (mut backlog, mut now) = (Backlog::default(), Instant::now());
        push(&mut backlog, 0, 8, now);
        backlog.taken(backlog.batch(9).1, now);
        now += KEPT_FOR;
        push(&mut backlog, 0, 8, now);
        backlog.taken(backlog.batch(9).1, now);
        push(&mut backlog, 0, 8, now);
        assert_eq!(backlog.rewind(), 2);
        assert_eq!(numbers(&backlog.batch(9).0), [(0, 1), (0, 2), (0, 3)]);
        backlog.taken(backlog.batch(9).1, now + Duration::from_millis(1));
        assert_eq!(backlog.rewind(), 2);
        assert_eq!(numbers(&backlog.batch(9).0), [(0, 2), (0, 3)]);
    }

    #[test]
    fn what_an_idle_server_said_long_before_the_bus_last_answered_is_not_said_again() {
        let (mut backlog, mut now) = (Backlog::default(), Instant::now());
        push(&mut backlog, 0, 8, now);
        backlog.taken(backlog.batch(9).1, now);
        now += KEPT_FOR;
        push(&mut backlog, 0, 8, now);
        backlog.taken(backlog.batch(9).1, now);
        now += Duration::from_millis(1);
        push(&mut backlog, 0, 8, now);
        backlog.answered(now);
        assert_eq!(backlog.rewind(), 1);
        assert_eq!(numbers(&backlog.batch(9).0), [(0, 2), (0, 3)]);
        backlog.answered(now + 2 * KEPT_FOR);
        assert_eq!(backlog.waiting(), 2, "what the bus has not taken stays");
    }

    #[test]
    fn while_the_bus_is_away_the_oldest_go_first_and_are_named() {
        let (mut backlog, now) = (Backlog::default(), Instant::now());
        push(&mut backlog, 0, 8, now);
        let (_, until) = backlog.batch(9);
        backlog.taken(until, now);
        for _ in 0..64 {
            assert_eq!(push(&mut backlog, 3, 1 << 20, now).1, GivenUp::default());
        }
        let given_up = GivenUp {
            entries: vec![(3, 1)],
            told: 0,
        };
        assert_eq!(push(&mut backlog, 3, 1 << 20, now).1, given_up);
        // An answer that comes late says nothing of what has come since.
        backlog.taken(until, now);
        assert_eq!(numbers(&backlog.batch(1).0), [(3, 2)]);
        assert_eq!(backlog.waiting(), 64);
    }
}

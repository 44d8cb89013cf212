//! Who got a message that another server delivered: they get its end, and nobody else does. Pure: the time is given.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::{bus::PARTITIONS, delivery::Recipients};

/// Messages of other servers without an end that are remembered. Above that the oldest are forgotten, and their
/// members do not hear how they ended.
const REMEMBERED: usize = 131_072;

/// Messages by their temporary id.
#[derive(Debug)]
pub struct FromAfar {
    messages: HashMap<String, Message>,
    /// The oldest first; those that have ended too, until they are passed.
    order: VecDeque<String>,
    partitions: [Open; PARTITIONS],
}

/// A message that has not ended.
#[derive(Debug)]
struct Message {
    /// Where its end will come.
    partition: u8,
    recipients: Recipients,
}

/// The messages of one partition that have not ended.
#[derive(Debug, Clone, Copy, Default)]
struct Open {
    count: usize,
    /// When the newest came, of those that have ended too.
    newest: Option<Instant>,
}

impl Default for FromAfar {
    fn default() -> Self {
        Self {
            messages: HashMap::new(),
            order: VecDeque::new(),
            partitions: [Open::default(); PARTITIONS],
        }
    }
}

impl FromAfar {
    /// Remembers who got a message of a partition; false if another one had to be forgotten for it.
    pub fn remember(
        &mut self,
        key: String,
        partition: u8,
        recipients: Recipients,
        now: Instant,
    ) -> bool {
        // One that comes again is the same.
        self.take(&key);
        let open = &mut self.partitions[usize::from(partition)];
        open.count += 1;
        open.newest = Some(now);
        self.order.push_back(key.clone());
        self.messages.insert(
            key,
            Message {
                partition,
                recipients,
            },
        );
        while self
            .order
            .front()
            .is_some_and(|oldest| !self.messages.contains_key(oldest))
        {
            self.order.pop_front();
        }
        // One that never ends must not keep the names of all that came after it.
        if self.order.len() > 2 * REMEMBERED {
            self.order.retain(|key| self.messages.contains_key(key));
        }
        if self.messages.len() <= REMEMBERED {
            return true;
        }
        let oldest = self.order.pop_front();
        oldest.is_none_or(|oldest| self.take(&oldest).is_none())
    }

    /// Who got it, once.
    pub fn end(&mut self, key: &str) -> Option<Recipients> {
        Some(self.take(key)?.recipients)
    }

    /// Whether an end may still come in a partition: one of its messages has none, and one came within so long a time.
    #[must_use]
    pub fn awaits(&self, partition: u8, within: Duration, now: Instant) -> bool {
        let Open { count, newest } = self.partitions[usize::from(partition)];
        count > 0 && newest.is_some_and(|newest| now.duration_since(newest) < within)
    }

    /// Forgets the messages of a partition whose ends will not be read; how many they are.
    pub fn forget(&mut self, partition: u8) -> usize {
        let count = self.partitions[usize::from(partition)].count;
        if count > 0 {
            (self.messages).retain(|_, message| message.partition != partition);
            self.partitions[usize::from(partition)].count = 0;
        }
        count
    }

    fn take(&mut self, key: &str) -> Option<Message> {
        let message = self.messages.remove(key)?;
        self.partitions[usize::from(message.partition)].count -= 1;
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn nobody() -> Recipients {
        Arc::new([])
    }

    #[test]
    fn a_message_ends_once_and_the_oldest_is_forgotten_first() {
        let (mut afar, now) = (FromAfar::default(), Instant::now());
        assert!(afar.remember("a".into(), 0, nobody(), now));
        assert!(afar.end("a").is_some() && afar.end("a").is_none());
        for i in 0..REMEMBERED {
            assert!(afar.remember(i.to_string(), 0, nobody(), now));
        }
        assert_eq!(afar.order.len(), REMEMBERED, "what has ended is not kept");
        assert!(!afar.remember("one more".into(), 0, nobody(), now));
        assert!(afar.end("0").is_none() && afar.end("1").is_some());
        assert_eq!(afar.forget(0), REMEMBERED - 1);
        assert!(afar.messages.is_empty());
    }

    #[test]
    fn a_partition_is_awaited_while_one_of_its_messages_may_end() {
        let (mut afar, now) = (FromAfar::default(), Instant::now());
        assert!(!afar.awaits(3, LONG, now));
        afar.remember("a".into(), 3, nobody(), now);
        afar.remember("a".into(), 3, nobody(), now);
        afar.remember("b".into(), 3, nobody(), now + LONG / 2);
        assert!(afar.awaits(3, LONG, now + LONG) && !afar.awaits(4, LONG, now));
        assert!(!afar.awaits(3, LONG, now + LONG * 2), "too long ago");
        afar.end("a");
        assert!(afar.awaits(3, LONG, now + LONG));
        afar.end("b");
        assert!(!afar.awaits(3, LONG, now + LONG));
    }

    #[test]
    fn what_will_not_end_any_more_is_forgotten_and_counted() {
        let (mut afar, now) = (FromAfar::default(), Instant::now());
        for (key, partition) in [("a", 1), ("b", 1), ("c", 2), ("d", 1)] {
            afar.remember(key.into(), partition, nobody(), now);
        }
        afar.end("b");
        assert_eq!((afar.forget(1), afar.forget(1)), (2, 0));
        assert!(afar.end("a").is_none() && afar.end("c").is_some());
        assert!(!afar.awaits(1, LONG, now) && !afar.awaits(2, LONG, now));
    }
}

//! Which streams this server reads, how far, and who was told that they are read before they were. Pure.

use std::collections::BTreeSet;

use tokio::sync::oneshot;

use crate::bus::{Entry, NodeName, PARTITIONS, Position, Stream};

/// What is read, and how far.
#[derive(Debug)]
pub struct Following {
    partitions: [Option<Place>; PARTITIONS],
    inbox: Position,
    wanted: Option<Wanted>,
    /// Partitions of which somebody here was told that what is said there reaches them, without having waited for it.
    early: BTreeSet<u8>,
    /// Those of them that the next look at who is here will know.
    just_now: BTreeSet<u8>,
}

/// Partitions that are to be read from the next question for news on, and who waits for that.
#[derive(Debug)]
pub struct Wanted {
    /// Their numbers.
    pub partitions: Vec<u8>,
    /// Who waits.
    pub begun: oneshot::Sender<()>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    /// Where it was begun: what came before is for nobody here.
    since: Position,
    at: Position,
}

impl Default for Following {
    fn default() -> Self {
        Self {
            partitions: [None; PARTITIONS],
            inbox: Position::default(),
            wanted: None,
            early: BTreeSet::new(),
            just_now: BTreeSet::new(),
        }
    }
}

impl Following {
    /// Whether a partition is read.
    #[must_use]
    pub fn reads(&self, partition: u8) -> bool {
        self.partitions[usize::from(partition)].is_some()
    }

    /// How many partitions are read.
    #[must_use]
    pub fn count(&self) -> usize {
        self.partitions.iter().flatten().count()
    }

    /// Asks for partitions; resolves when they are read, with an error when they can't be now.
    pub fn want(&mut self, partitions: Vec<u8>) -> oneshot::Receiver<()> {
        let (begun, hears) = oneshot::channel();
        self.wanted = Some(Wanted { partitions, begun });
        hears
    }

    /// What is asked for, once.
    pub fn take_wanted(&mut self) -> Option<Wanted> {
        self.wanted.take()
    }

    /// Somebody who is in a conversation of this partition is told so without having waited until it is read. If it is not,
    /// what is said there until it is does not reach them.
    pub fn answer_early(&mut self, partition: u8) {
        self.just_now.insert(partition);
    }

    /// It is looked anew who is here: all who were told early until now will be seen.
    pub fn look(&mut self) {
        self.early.append(&mut self.just_now);
    }

    /// It was looked who is here: this partition is read, or nobody is in it, so that those who were told early miss nothing.
    pub fn is_well(&mut self, partition: u8) {
        self.early.remove(&partition);
    }

    /// From now on a partition is read from this position. Says whether somebody was told so before.
    #[must_use]
    pub fn begin(&mut self, partition: u8, since: Position) -> bool {
        self.partitions[usize::from(partition)] = Some(Place { since, at: since });
        let early = self.early.remove(&partition);
        self.just_now.remove(&partition) || early
    }

    /// A partition is not read any more.
    pub fn end(&mut self, partition: u8) {
        self.partitions[usize::from(partition)] = None;
    }

    /// All that is read, and from where on.
    #[must_use]
    pub fn from(&self, node: &NodeName) -> Vec<(Stream, Position)> {
        let inbox = (Stream::Inbox(node.clone()), self.inbox);
        let partitions = (0..).zip(&self.partitions);
        let read = partitions.filter_map(|(number, place)| {
            let place = place.as_ref()?;
            Some((Stream::Partition(number), place.at))
        });
        std::iter::once(inbox).chain(read).collect()
    }

    /// Goes on to an entry; false if that is not wanted, or not any more.
    pub fn advance(&mut self, entry: &Entry) -> bool {
        let at = match &entry.stream {
            Stream::Inbox(_) => Some(&mut self.inbox),
            Stream::Partition(number) => self.partitions[usize::from(*number)]
                .as_mut()
                .map(|place| &mut place.at),
        };
        match at {
            Some(at) if entry.position > *at => {
                *at = entry.position;
                true
            }
            _ => false,
        }
    }

    /// A new life of the bus has these ends. One that lies before what was read has been forgotten in part, and what is
    /// said again comes after it.
    pub fn rewind(&mut self, ends: &[(Stream, Position)]) {
        for (stream, end) in ends {
            match stream {
                Stream::Inbox(_) if *end < self.inbox => self.inbox = Position::default(),
                Stream::Inbox(_) => {}
                Stream::Partition(number) => {
                    if let Some(place) = &mut self.partitions[usize::from(*number)]
                        && *end < place.at
                    {
                        place.at = place.since;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const START: Position = Position(5, 0);

    fn entry(number: u8, position: u64) -> Entry {
        Entry {
            stream: Stream::Partition(number),
            position: Position(position, 0),
            bytes: Bytes::new(),
        }
    }

    #[test]
    fn what_was_read_before_or_is_not_read_any_more_is_passed_over() {
        let mut following = Following::default();
        assert!(!following.advance(&entry(3, 1)));
        assert!(!following.begin(3, START), "nobody was told so");
        assert!(!following.advance(&entry(3, 5)) && following.advance(&entry(3, 6)));
        assert!(!following.advance(&entry(3, 6)));
        following.end(3);
        assert!(!following.advance(&entry(3, 7)) && following.count() == 0);
    }

    #[test]
    fn a_bus_that_has_forgotten_is_read_from_where_this_server_began() {
        let mut following = Following::default();
        for number in [0, 1] {
            assert!(!following.begin(number, START));
            following.advance(&entry(number, 9));
        }
        following.rewind(&[
            (Stream::Partition(0), Position(7, 0)),
            (Stream::Partition(1), Position(9, 3)),
        ]);
        let node = NodeName::of("n");
        let from = following.from(&node);
        assert_eq!(
            from[1..],
            [
                (Stream::Partition(0), START),
                (Stream::Partition(1), Position(9, 0)),
            ]
        );
    }

    #[test]
    fn who_was_told_early_is_remembered_until_it_is_read_or_they_have_gone() {
        let mut following = Following::default();
        following.answer_early(1);
        assert!(following.begin(1, START), "before anybody looked");
        following.end(1);
        assert!(!following.begin(1, START), "once");
        for number in [2, 3, 4] {
            following.answer_early(number);
        }
        following.look();
        following.is_well(3);
        following.answer_early(4);
        following.is_well(4);
        assert!(following.begin(2, START), "as often as it failed");
        assert!(!following.begin(3, START), "who was told has gone");
        assert!(
            following.begin(4, START),
            "who was told after the look is not known to have gone"
        );
    }
}

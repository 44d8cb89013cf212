//! How much a reader asks a Redis for at once: all that there is, and less where that does not come in time. Pure.

use std::collections::HashMap;

use crate::bus::{Entry, Position, Stream};

/// Entries of each stream in the first answer after one that was given up.
const FIRST: usize = 64;
/// By how much the next one is smaller where that is too much as well.
const LESS: usize = 8;

/// How many entries of each stream an answer has at most; `None` is all.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Portion(Option<usize>);

impl Portion {
    /// Entries of each stream at most, if not all.
    pub(super) const fn at_most(self) -> Option<usize> {
        self.0
    }

    /// An answer was not there in time.
    pub(super) fn give_up(&mut self) {
        let less = |at_most: usize| (at_most / LESS).max(1);
        self.0 = Some(self.0.map_or(FIRST, less));
    }

    /// One was: the next one may be twice as large, or as large as it will where this was all that there is.
    pub(super) const fn answered(&mut self, is_all: bool) {
        self.0 = match self.0 {
            Some(at_most) if !is_all => Some(at_most.saturating_mul(2)),
            _ => None,
        };
    }

    /// Leaves of an answer what the streams had until one moment, so that nothing is read before what was appended earlier
    /// in another stream: where one may have more than was asked for, what came at its last one's time and later is left out, of all
    /// of them. Says whether nothing is. Positions are the Redis's time; where that was set back, only each stream's own order holds.
    pub(super) fn cut(self, entries: &mut Vec<Entry>) -> bool {
        let Some(at_most) = self.0 else {
            return true;
        };
        let mut ends: HashMap<&Stream, (usize, Position)> = HashMap::new();
        for entry in &*entries {
            let (count, end) = ends.entry(&entry.stream).or_default();
            *count += 1;
            *end = entry.position;
        }
        let full = ends.into_values().filter(|(count, _)| *count >= at_most);
        let until = full.map(|(_, Position(time, _))| time).min();
        let Some(until) = until else {
            return true;
        };
        entries.retain(|entry| entry.position.0 < until);
        false
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn entry(partition: u8, time: u64, sequence: u64) -> Entry {
        Entry {
            stream: Stream::Partition(partition),
            position: Position(time, sequence),
            bytes: Bytes::new(),
        }
    }

    #[test]
    fn an_answer_that_does_not_come_is_asked_for_in_less_and_less_until_it_does() {
        let mut portion = Portion::default();
        let mut asked = Vec::new();
        for _ in 0..4 {
            portion.give_up();
            asked.push(portion.at_most());
        }
        assert_eq!(asked, [Some(64), Some(8), Some(1), Some(1)]);
        portion.answered(false);
        portion.answered(false);
        assert_eq!(portion.at_most(), Some(4));
        portion.answered(true);
        assert_eq!(portion.at_most(), None);
    }

    #[test]
    fn what_may_not_be_all_is_cut_before_its_last_moment() {
        let all = [
            entry(0, 1, 0),
            entry(0, 2, 0),
            entry(1, 1, 0),
            entry(1, 3, 0),
        ];
        let cut = |at_most| {
            let mut entries = all.to_vec();
            let is_all = Portion(at_most).cut(&mut entries);
            (is_all, entries)
        };
        assert_eq!(cut(None), (true, all.to_vec()));
        assert_eq!(cut(Some(3)), (true, all.to_vec()));
        let until_two = vec![entry(0, 1, 0), entry(1, 1, 0)];
        assert_eq!(cut(Some(2)), (false, until_two));
    }

    proptest! {
        /// `appended` are partitions, and whether the clock goes on before.
        #[test]
        fn in_portions_of_any_size_nothing_comes_before_what_was_appended_earlier(
            appended in proptest::collection::vec((0..4_u8, any::<bool>()), 0..80), first in 1..6_usize,
        ) {
            let (mut time, mut all) = (1, Vec::new());
            for (place, (partition, later)) in appended.into_iter().enumerate() {
                time += u64::from(later);
                all.push(entry(partition, time, place as u64));
            }
            let (mut portion, mut read) = (Portion(Some(first)), Vec::new());
            loop {
                let mut answer = Vec::new();
                for partition in 0..4 {
                    let stream = Stream::Partition(partition);
                    let left = (all.iter()).filter(|one| one.stream == stream && !read.contains(*one));
                    answer.extend(left.take(portion.at_most().unwrap_or(usize::MAX)).cloned());
                }
                let is_all = portion.cut(&mut answer);
                portion.answered(is_all);
                read.extend(answer);
                let last = read.iter().map(|one| one.position.1 + 1).max().unwrap_or(0);
                prop_assert_eq!(last, read.len() as u64, "something is missing before {}", last);
                if is_all {
                    break;
                }
            }
            prop_assert_eq!(read.len(), all.len());
        }
    }
}

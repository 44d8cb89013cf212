//! Who waits until this server has handed an entry of its own to its members: `ordered` only. Pure.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::oneshot;

use super::backlog::Numbered;

/// Resolves once this server has handed an entry of its own to its members; with an error when it never will.
pub type Told = oneshot::Receiver<()>;

/// Those who wait, by what they wait for.
#[derive(Debug, Default)]
pub struct Awaited {
    /// The partitions that are read here: of no other does an entry come back.
    read: BTreeSet<u8>,
    waiting: BTreeMap<Numbered, oneshot::Sender<()>>,
}

impl Awaited {
    /// A partition is read from now on.
    pub fn begin(&mut self, partition: u8) {
        self.read.insert(partition);
    }

    /// A partition is not read any more: whoever still waits there need not.
    pub fn end(&mut self, partition: u8) {
        self.read.remove(&partition);
        self.let_go(partition, u64::MAX);
    }

    /// Whether a partition is read.
    #[must_use]
    pub fn reads(&self, partition: u8) -> bool {
        self.read.contains(&partition)
    }

    /// Waits for an entry that was just numbered; `None` where nobody here would hear it.
    pub fn wait(&mut self, numbered: Numbered) -> Option<Told> {
        if !self.reads(numbered.0) {
            return None;
        }
        let (told, hears) = oneshot::channel();
        self.waiting.insert(numbered, told);
        Some(hears)
    }

    /// Whether anybody waits for an entry of this partition, and has not given up.
    #[must_use]
    pub fn has_any(&self, partition: u8) -> bool {
        let mut waiting = self.waiting.range((partition, 0)..=(partition, u64::MAX));
        waiting.any(|(_, told)| !told.is_closed())
    }

    /// An entry has been handed to the members here. Those before it that have not will not come any more.
    pub fn has_come(&mut self, (partition, number): Numbered) {
        if let Some(told) = self.waiting.remove(&(partition, number)) {
            // Whoever waited may have gone.
            let _gone = told.send(());
        }
        self.let_go(partition, number);
    }

    /// An entry is lost.
    pub fn lose(&mut self, numbered: Numbered) {
        self.waiting.remove(&numbered);
    }

    /// Lets those go who wait for an entry of a partition up to this number.
    fn let_go(&mut self, partition: u8, until: u64) {
        while let Some((first, _)) =
            (self.waiting.range((partition, 0)..=(partition, until))).next()
        {
            let first = *first;
            self.waiting.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::error::TryRecvError::{Closed, Empty};

    use super::*;

    #[test]
    fn who_waits_is_told_and_who_waits_for_what_never_comes_is_let_go() {
        let mut awaited = Awaited::default();
        awaited.begin(1);
        awaited.begin(2);
        let entries = [(1, 7), (1, 8), (1, 9), (2, 1)];
        let [mut lost, mut came, mut later, mut elsewhere] =
            entries.map(|numbered| awaited.wait(numbered).unwrap());
        awaited.has_come((1, 8));
        assert_eq!(came.try_recv(), Ok(()));
        assert_eq!(lost.try_recv(), Err(Closed));
        assert_eq!(later.try_recv(), Err(Empty));
        assert_eq!(elsewhere.try_recv(), Err(Empty));
        awaited.lose((1, 9));
        assert_eq!(later.try_recv(), Err(Closed));
        assert_eq!(awaited.waiting.len(), 1);
    }

    #[test]
    fn nobody_waits_where_nothing_is_read() {
        let mut awaited = Awaited::default();
        assert!(awaited.wait((1, 1)).is_none());
        awaited.begin(1);
        let mut told = awaited.wait((1, 2)).unwrap();
        assert!(awaited.has_any(1) && !awaited.has_any(0) && !awaited.has_any(2));
        awaited.end(1);
        assert_eq!(told.try_recv(), Err(Closed));
        assert!(!awaited.has_any(1) && awaited.wait((1, 3)).is_none());
    }

    #[test]
    fn who_has_given_up_keeps_nothing() {
        let mut awaited = Awaited::default();
        awaited.begin(1);
        drop(awaited.wait((1, 1)));
        assert!(!awaited.has_any(1));
        let _waits = awaited.wait((1, 2));
        assert!(awaited.has_any(1));
    }
}

//! The order in which entries that were read together are carried out: that of each stream, and that of each server over all
//! streams, so that on every socket a sender's messages come as they were sent, also those in several conversations. Pure.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::bus::NodeName;

/// An entry of a partition, as far as its order is concerned.
pub trait Placed {
    /// In which partition it is.
    fn partition(&self) -> u8;
    /// Who says it.
    fn node(&self) -> &NodeName;
    /// Its place among all that this server says.
    fn place(&self) -> u64;
}

/// Puts entries, given in each partition's order and each once, into one order. There always is one, since there was one in
/// which they were appended; where numbers say otherwise, the partitions' order counts.
pub fn in_order<T: Placed>(entries: Vec<T>) -> Vec<T> {
    let count = entries.len();
    let mut partitions: BTreeMap<u8, VecDeque<T>> = BTreeMap::new();
    let mut due: HashMap<NodeName, Vec<u64>> = HashMap::new();
    for entry in entries {
        match due.get_mut(entry.node()) {
            Some(places) => places.push(entry.place()),
            None => {
                due.insert(entry.node().clone(), vec![entry.place()]);
            }
        }
        partitions
            .entry(entry.partition())
            .or_default()
            .push_back(entry);
    }
    // The least is taken from the end.
    due.values_mut()
        .for_each(|places| places.sort_unstable_by(|a, b| b.cmp(a)));
    let mut ordered = Vec::with_capacity(count);
    while !partitions.is_empty() {
        let is_next = |queue: &VecDeque<T>| {
            let Some(head) = queue.front() else {
                return false;
            };
            let next = due.get(head.node()).and_then(|places| places.last());
            next == Some(&head.place())
        };
        let ready = partitions.iter().find(|(_, queue)| is_next(queue));
        let Some(partition) = ready
            .or(partitions.iter().next())
            .map(|(number, _)| *number)
        else {
            break;
        };
        let Some(queue) = partitions.get_mut(&partition) else {
            break;
        };
        if let Some(entry) = queue.pop_front() {
            if let Some(places) = due.get_mut(entry.node()) {
                match places.last() == Some(&entry.place()) {
                    true => drop(places.pop()),
                    false => places.retain(|place| *place != entry.place()),
                }
            }
            ordered.push(entry);
        }
        if queue.is_empty() {
            partitions.remove(&partition);
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Said {
        partition: u8,
        node: NodeName,
        place: u64,
    }

    impl Placed for Said {
        fn partition(&self) -> u8 {
            self.partition
        }

        fn node(&self) -> &NodeName {
            &self.node
        }

        fn place(&self) -> u64 {
            self.place
        }
    }

    proptest! {
        #[test]
        fn every_streams_and_every_servers_order_hold(
            said in proptest::collection::vec((0..5_u8, 0..3_usize), 0..60),
        ) {
            let nodes = ["a", "b", "c"].map(NodeName::from);
            let mut places = [0; 3];
            let appended: Vec<Said> = said
                .into_iter()
                .map(|(partition, node)| {
                    places[node] += 1;
                    Said { partition, node: nodes[node].clone(), place: places[node] }
                })
                .collect();
            // As a bus gives them: one partition after the other.
            let mut read = appended.clone();
            read.sort_by_key(|said| said.partition);
            let ordered = in_order(read);
            prop_assert_eq!(ordered.len(), appended.len());
            for partition in 0..5 {
                let of = |all: &[Said]| {
                    let of = all.iter().filter(|said| said.partition == partition);
                    of.cloned().collect::<Vec<_>>()
                };
                prop_assert_eq!(of(&ordered), of(&appended));
            }
            for node in &nodes {
                let places = ordered.iter().filter(|said| said.node == *node);
                prop_assert!(places.map(|said| said.place).is_sorted());
            }
        }
    }

    #[test]
    fn numbers_that_can_not_be_leave_each_partition_its_order() {
        let node = NodeName::from("a");
        let said = |partition, place| Said {
            partition,
            node: node.clone(),
            place,
        };
        let read = vec![said(0, 2), said(0, 1), said(1, 4), said(1, 3)];
        let ordered = in_order(read);
        let places = |of: u8| {
            let of = ordered.iter().filter(|said| said.partition == of);
            of.map(|said| said.place).collect::<Vec<_>>()
        };
        assert_eq!((places(0), places(1)), (vec![2, 1], vec![4, 3]));
    }
}

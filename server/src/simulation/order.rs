//! Whether all members of a conversation see one order, and each sender's messages in theirs.

use std::collections::HashMap;

use super::network::ConnectionId;

/// What each connection has seen, in its order.
#[derive(Default)]
pub struct Orders {
    /// By conversation and connection: each item's place.
    seen: HashMap<usize, HashMap<ConnectionId, HashMap<u32, usize>>>,
    /// The last place, in the second connection's order, of what both have seen.
    common: HashMap<(usize, ConnectionId, ConnectionId), usize>,
    /// The last message of a sender's connection that came to a connection.
    last: HashMap<(ConnectionId, ConnectionId), u32>,
}

impl Orders {
    /// An item comes to a connection; the answer is another one that has seen it in another order, if there is one.
    pub fn conflicts(
        &mut self,
        conversation: usize,
        connection: ConnectionId,
        item: u32,
    ) -> Option<ConnectionId> {
        let seen = self.seen.entry(conversation).or_default();
        let mine = seen.entry(connection).or_default();
        let my_place = mine.len();
        mine.insert(item, my_place);
        let mut conflict = None;
        for (other, places) in seen.iter() {
            let Some(&place) = places.get(&item).filter(|_| *other != connection) else {
                continue;
            };
            let last = self.common.get(&(conversation, connection, *other));
            if last.is_some_and(|last| *last > place) {
                conflict = Some(conflict.map_or(*other, |known: ConnectionId| known.min(*other)));
            }
            self.common
                .insert((conversation, connection, *other), place);
            self.common
                .insert((conversation, *other, connection), my_place);
        }
        conflict
    }

    /// A message comes to a connection: whether it is a later one than those before from the same sender's connection.
    pub fn is_senders_next(
        &mut self,
        connection: ConnectionId,
        sender: ConnectionId,
        number: u32,
    ) -> bool {
        let last = self.last.insert((connection, sender), number);
        last.is_none_or(|last| last < number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_conflict(seen: &[(ConnectionId, u32)]) -> Option<usize> {
        let mut orders = Orders::default();
        seen.iter()
            .position(|(connection, item)| orders.conflicts(0, *connection, *item).is_some())
    }

    #[test]
    fn two_orders_are_found_however_they_interleave() {
        assert_eq!(first_conflict(&[(1, 5), (1, 6), (2, 6), (2, 5)]), Some(3));
        assert_eq!(first_conflict(&[(1, 5), (2, 6), (2, 5), (1, 6)]), Some(3));
        assert_eq!(first_conflict(&[(1, 5), (2, 5), (1, 6), (2, 6)]), None);
    }

    #[test]
    fn who_has_missed_something_has_not_seen_another_order() {
        let seen = [(1, 5), (1, 7), (2, 5), (2, 6), (2, 7), (3, 6), (3, 7)];
        assert_eq!(first_conflict(&seen), None);
    }

    #[test]
    fn a_senders_messages_come_in_their_order() {
        let mut orders = Orders::default();
        assert!(orders.is_senders_next(1, 9, 4));
        assert!(orders.is_senders_next(1, 8, 3));
        assert!(orders.is_senders_next(2, 9, 3));
        assert!(!orders.is_senders_next(1, 9, 2));
    }
}

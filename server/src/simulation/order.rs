//! Whether all members of a conversation see one order, and each sender's messages in theirs.

use std::collections::HashMap;

use super::device::LoginId;

/// What each login has seen, in its order.
#[derive(Default)]
pub struct Orders {
    /// By conversation and login: each item's place.
    seen: HashMap<usize, HashMap<LoginId, HashMap<u32, usize>>>,
    /// The last place, in the second login's order, of what both have seen.
    common: HashMap<(usize, LoginId, LoginId), usize>,
    /// The last message of a sender's login that came to a login.
    last: HashMap<(LoginId, LoginId), u32>,
}

impl Orders {
    /// An item comes to a login; the answer is another one that has seen it in another order, if there is one.
    pub fn conflicts(&mut self, conversation: usize, login: LoginId, item: u32) -> Option<LoginId> {
        let seen = self.seen.entry(conversation).or_default();
        let mine = seen.entry(login).or_default();
        let my_place = mine.len();
        mine.insert(item, my_place);
        let mut conflict = None;
        for (other, places) in seen.iter() {
            let Some(&place) = places.get(&item).filter(|_| *other != login) else {
                continue;
            };
            let last = self.common.get(&(conversation, login, *other));
            if last.is_some_and(|last| *last > place) {
                conflict = Some(conflict.map_or(*other, |known: LoginId| known.min(*other)));
            }
            self.common.insert((conversation, login, *other), place);
            self.common.insert((conversation, *other, login), my_place);
        }
        conflict
    }

    /// A message comes to a login: whether it is a later one than those before from the same sender's login.
    pub fn is_senders_next(&mut self, login: LoginId, sender: LoginId, number: u32) -> bool {
        let last = self.last.insert((login, sender), number);
        last.is_none_or(|last| last < number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_conflict(seen: &[(LoginId, u32)]) -> Option<usize> {
        let mut orders = Orders::default();
        seen.iter()
            .position(|(login, item)| orders.conflicts(0, *login, *item).is_some())
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

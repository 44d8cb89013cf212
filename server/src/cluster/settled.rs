//! What the bus knows of the users here, and what it is still to be told: no more than what it may know and what is so now,
//! however long it does not answer. Pure.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use super::entry::Letter;
use crate::{
    bus::{Claim, Login, NodeName, PARTITIONS, partition},
    message::Conversation,
};

/// Claims, releases or counts in one exchange.
pub(super) const AT_ONCE: usize = 256;

/// What the bus knows of this server, and what it is still to be told.
#[derive(Debug)]
pub(super) struct Settled {
    /// The conversations with a user here, and how many.
    pub(super) here: HashMap<Arc<Conversation>, usize>,
    /// How many of those are in each partition.
    pub(super) partitions: [usize; PARTITIONS],
    /// How many users other servers have in them.
    pub(super) others: HashMap<Arc<Conversation>, usize>,
    pub(super) logins: HashMap<Arc<str>, Login>,
    /// Of users with a login here, the one that the bus may know: it was asked to take it. No other is ever to be released, or a
    /// bus that is away would leave one of each user who came and went meanwhile.
    pub(super) asked: HashMap<Arc<str>, Login>,
    /// Conversations that the bus may know to have users here. Of no others is it to be told that all have left.
    pub(super) told: HashSet<Arc<Conversation>>,
    pub(super) to_count: HashSet<Arc<Conversation>>,
    /// And whether they are new.
    pub(super) to_claim: HashMap<Arc<str>, bool>,
    pub(super) to_release: Vec<(Arc<str>, Login)>,
}

impl Default for Settled {
    fn default() -> Self {
        Self {
            here: HashMap::new(),
            partitions: [0; PARTITIONS],
            others: HashMap::new(),
            logins: HashMap::new(),
            asked: HashMap::new(),
            told: HashSet::new(),
            to_count: HashSet::new(),
            to_claim: HashMap::new(),
            to_release: Vec::new(),
        }
    }
}

impl Settled {
    /// The bus may have forgotten all of it.
    pub(super) fn say_all_again(&mut self) {
        self.to_count.extend(self.here.keys().cloned());
        for user in self.logins.keys() {
            self.to_claim.entry(Arc::clone(user)).or_insert(false);
        }
    }

    /// So many users here are in a conversation now.
    pub(super) fn note_count(&mut self, conversation: Arc<Conversation>, count: usize) {
        let conversations = &mut self.partitions[usize::from(partition(&conversation))];
        match self.here.entry(Arc::clone(&conversation)) {
            Entry::Occupied(entry) if count == 0 => {
                entry.remove();
                *conversations -= 1;
                self.others.remove(&conversation);
            }
            Entry::Occupied(mut entry) => *entry.get_mut() = count,
            Entry::Vacant(_) if count == 0 => {}
            Entry::Vacant(entry) => {
                entry.insert(count);
                *conversations += 1;
            }
        }
        if count > 0 || self.told.contains(&conversation) {
            self.to_count.insert(conversation);
        } else {
            self.to_count.remove(&conversation);
        }
    }

    /// This is the login of a user here now, if there is any.
    pub(super) fn note_login(&mut self, user: Arc<str>, login: Option<Login>) {
        match login {
            Some(login) => {
                let same = |known: &Login| known.socket == login.socket;
                if !self.logins.get(&user).is_some_and(same) {
                    self.logins.insert(Arc::clone(&user), login);
                    self.to_claim.insert(user, true);
                }
            }
            None => {
                self.logins.remove(&user);
                self.to_claim.remove(&user);
                if let Some(login) = self.asked.remove(&user) {
                    self.to_release.push((user, login));
                }
            }
        }
    }

    /// The next logins that the bus is asked to take: from now on it may know of them.
    pub(super) fn next_claims(&mut self, node: &NodeName) -> Vec<Claim> {
        let mut claims = Vec::new();
        for (user, fresh) in self.to_claim.iter().take(AT_ONCE) {
            if let Some(login) = self.logins.get(user) {
                claims.push(Claim {
                    user: Arc::clone(user),
                    login: login.clone(),
                    fresh: *fresh,
                    notice: Letter::notice(node, user, login).unwrap_or_default(),
                });
                self.asked.insert(Arc::clone(user), login.clone());
            }
        }
        claims
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_login_that_the_bus_may_know_is_released_when_it_is_over() {
        let (node, user) = (NodeName::of("n"), Arc::<str>::from("u"));
        let login = |socket| Login {
            node: node.clone(),
            socket,
            stamp: 1_000,
        };
        let mut settled = Settled::default();
        for socket in 0..1_000 {
            settled.note_login(Arc::clone(&user), Some(login(socket)));
            settled.note_login(Arc::clone(&user), None);
        }
        assert!(settled.to_release.is_empty() && settled.to_claim.is_empty());
        settled.note_login(Arc::clone(&user), Some(login(1_000)));
        assert_eq!(settled.next_claims(&node)[0].login, login(1_000));
        settled.note_login(Arc::clone(&user), Some(login(1_001)));
        settled.note_login(Arc::clone(&user), None);
        assert_eq!(settled.to_release, [(user, login(1_000))]);
    }
}

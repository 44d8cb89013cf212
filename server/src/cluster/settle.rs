//! What the bus is told of the users here: who is logged in, and how many are in which conversation. What has changed
//! is taken from the socket manager, so no change is missed, and what could not be told is told later.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bson::DateTime;
use tokio::time::{Instant, timeout};

use super::{
    Cluster,
    entry::What,
    following::Following,
    settled::{AT_ONCE, Settled},
};
use crate::{
    bus::{BusError, Claimed, Login, partition},
    chat::Chat,
    handlers::connection,
    message::Conversation,
    socket_manager::SocketId,
};

/// How long a join waits for what others say there to be read.
const BEGIN_PATIENCE: Duration = Duration::from_secs(2);
/// How much longer than a save may take the end of a message may be on its way here.
const END_SLACK: Duration = Duration::from_secs(10);

impl Cluster {
    /// Waits until a user who has just joined here hears what other servers' users say; how many those are. However many
    /// join meanwhile, they wait for the exchange that is under way and for one more, which tells of all of them. None, and
    /// at once when it is known, while the bus does not answer: it is made up for when it does, and members are told that they
    /// may have missed something.
    pub async fn joined(&self, chat: &Arc<Chat>, conversation: &Conversation) -> usize {
        let others = self.wait_for_others(chat, conversation).await;
        let reads = self.following.lock().reads(partition(conversation));
        if others.is_none() || !reads {
            self.answer_early(conversation);
        }
        others.unwrap_or(0)
    }

    /// A user who has joined here is told so without waiting for the bus: what others say there may not be read yet.
    pub fn answer_early(&self, conversation: &Conversation) {
        let partition = partition(conversation);
        self.following.lock().answer_early(partition);
    }

    /// As [`Self::joined`]; `None` where nobody asked the bus.
    async fn wait_for_others(
        &self,
        chat: &Arc<Chat>,
        conversation: &Conversation,
    ) -> Option<usize> {
        if !self.post.is_up() {
            return None;
        }
        let conversation = Arc::new(conversation.clone());
        self.wishes.lock().insert(Arc::clone(&conversation));
        let mut settled = self.settled.lock().await;
        // It may have been found out by those who waited before.
        if !self.post.is_up() {
            return None;
        }
        // If not, somebody who waited before has brought it along.
        let is_open = self.wishes.lock().contains(&conversation);
        if is_open && let Err(error) = self.settle_now(&mut settled, chat).await {
            tracing::debug!("[Cluster] a join is told to the other servers later: {error}");
        }
        Some(settled.others.get(&conversation).copied().unwrap_or(0))
    }

    /// Tells the bus what has changed here.
    ///
    /// # Errors
    /// It does not answer; nothing is forgotten.
    pub(super) async fn settle(&self, chat: &Arc<Chat>) -> Result<(), BusError> {
        let mut settled = self.settled.lock().await;
        self.settle_now(&mut settled, chat).await
    }

    async fn settle_now(&self, settled: &mut Settled, chat: &Arc<Chat>) -> Result<(), BusError> {
        if self.again.swap(false, Relaxed) {
            settled.say_all_again();
        }
        // Before the changes, which then hold the joins that these are of.
        self.following.lock().look();
        let wishes = std::mem::take(&mut *self.wishes.lock());
        settled.to_count.extend(wishes);
        self.take_changes(settled, chat);
        let done = self.tell(settled, chat).await;
        if done.is_err() {
            // Who comes later is not newer for that.
            settled.to_claim.values_mut().for_each(|new| *new = false);
        }
        done
    }

    async fn tell(&self, settled: &mut Settled, chat: &Arc<Chat>) -> Result<(), BusError> {
        self.follow(settled, chat.queue.deadline() + END_SLACK)
            .await?;
        // Whoever has gone comes first: while they can't be told, the bus comes to know nobody who would have to be released as well.
        self.release(settled).await?;
        self.claim(settled, chat).await?;
        self.count(settled).await
    }

    fn take_changes(&self, settled: &mut Settled, chat: &Chat) {
        let stamp = DateTime::now().timestamp_millis();
        let mut users = chat.users.lock();
        let Some(changes) = users.take_changes() else {
            return;
        };
        for conversation in changes.conversations {
            let count = users.count_in_room(&conversation);
            settled.note_count(conversation, count);
        }
        for user in changes.users {
            let login = users.live(&user).map(|(SocketId(socket), _)| Login {
                node: self.node.clone(),
                socket,
                stamp,
            });
            settled.note_login(user, login);
        }
    }

    /// Reads the partitions that somebody here is in, from now on, and no others; but the ends of what was delivered here are
    /// still waited for, as long as may be.
    async fn follow(&self, settled: &Settled, ends_within: Duration) -> Result<(), BusError> {
        let mut wanted = Vec::new();
        {
            let mut following = self.following.lock();
            for (number, conversations) in (0..).zip(&settled.partitions) {
                match (*conversations > 0, following.reads(number)) {
                    (true, false) => {
                        wanted.push(number);
                        continue;
                    }
                    (false, true) => self.end_reading(&mut following, number, ends_within),
                    _ => {}
                }
                following.is_well(number);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let begun = self.following.lock().want(wanted);
        // The question for news that is under way ends.
        self.post.tell(&self.node, What::Wake);
        let begun = timeout(BEGIN_PATIENCE, begun).await;
        let in_time = begun.is_ok_and(|begun| begun.is_ok());
        in_time
            .then_some(())
            .ok_or_else(|| BusError::Unreachable("what others say is not read here yet".to_owned()))
    }

    /// Reads a partition no more, unless somebody here is still to hear how one of its messages ended: members who have left
    /// since, or gone to another server, and in `ordered` its sender.
    fn end_reading(&self, following: &mut Following, partition: u8, ends_within: Duration) {
        let awaits = (self.afar.lock()).awaits(partition, ends_within, Instant::now());
        if awaits || !self.post.end_reading(partition) {
            return;
        }
        following.end(partition);
        self.seen.lock().forget(partition);
        let forgotten = self.afar.lock().forget(partition);
        self.counts.forgotten.add(forgotten as u64);
    }

    async fn claim(&self, settled: &mut Settled, chat: &Arc<Chat>) -> Result<(), BusError> {
        while !settled.to_claim.is_empty() {
            let claims = settled.next_claims(&self.node);
            let answers = self.bus.claim(&claims).await?;
            for (claim, answer) in claims.iter().zip(answers) {
                settled.to_claim.remove(&claim.user);
                if let Claimed::Lost { to } = answer {
                    settled.logins.remove(&claim.user);
                    settled.asked.remove(&claim.user);
                    let socket = SocketId(claim.login.socket);
                    self.hand_over(chat, &claim.user, socket, &to);
                }
            }
            // One without a login has gone in the meantime.
            let logins = &settled.logins;
            settled.to_claim.retain(|user, _| logins.contains_key(user));
        }
        Ok(())
    }

    async fn release(&self, settled: &mut Settled) -> Result<(), BusError> {
        // In any order: each is of another login.
        while !settled.to_release.is_empty() {
            let from = settled.to_release.len().saturating_sub(AT_ONCE);
            self.bus.release(&settled.to_release[from..]).await?;
            settled.to_release.truncate(from);
        }
        Ok(())
    }

    async fn count(&self, settled: &mut Settled) -> Result<(), BusError> {
        let all = settled.to_count.iter().cloned();
        let (here, gone): (Vec<_>, Vec<_>) = all.partition(|of| settled.here.contains_key(of));
        // As in `tell`: those that all have left come first.
        for some in gone.chunks(AT_ONCE).chain(here.chunks(AT_ONCE)) {
            let counts: Vec<_> = (some.iter())
                .map(|of| (Arc::clone(of), settled.here.get(of).copied().unwrap_or(0)))
                .collect();
            let with_users = counts.iter().filter(|(_, here)| *here > 0);
            settled
                .told
                .extend(with_users.map(|(of, _)| Arc::clone(of)));
            let others = self.bus.count(&self.node, &counts).await?;
            for ((conversation, here), others) in counts.into_iter().zip(others) {
                settled.to_count.remove(&conversation);
                if here > 0 {
                    settled.others.insert(conversation, others);
                } else {
                    settled.told.remove(&conversation);
                }
            }
        }
        Ok(())
    }

    /// A login of a user here has been replaced by one on another server, which takes the conversations over; unless the
    /// user has logged in here again since.
    pub(super) fn hand_over(&self, chat: &Arc<Chat>, user: &str, socket: SocketId, to: &Login) {
        let replaced = {
            let mut users = chat.users.lock();
            match users.is_live(user, socket) {
                true => users.hand_over(user),
                false => None,
            }
        };
        let Some(replaced) = replaced else { return };
        self.counts.replaced.increment();
        let handed = What::HandedOver {
            user: user.into(),
            replaced: replaced.socket_id.0,
            conversations: (replaced.conversations.iter())
                .map(|conversation| Conversation::clone(conversation))
                .collect(),
        };
        self.post.tell(&to.node, handed);
        connection::tell_elsewhere(chat, replaced.handle, SocketId(to.socket));
        self.look();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tokio::time::advance;

    use super::*;
    use crate::{
        bus::{Bus as _, Claim, NodeName, Position, memory::MemoryBus},
        cluster::afar::FromAfar,
        config::{BusChoice, BusMode, ClusterConfig},
        message::Kind,
    };

    async fn cluster(bus: &MemoryBus) -> Arc<Cluster> {
        let config = ClusterConfig {
            bus: BusChoice::Memory(bus.clone()),
            node_id: "n".to_owned(),
            mode: BusMode::LocalFirst,
        };
        Cluster::join(&config).await.unwrap()
    }

    #[tokio::test]
    async fn however_many_have_gone_they_are_released_and_no_exchange_is_long() {
        let bus = MemoryBus::default();
        let cluster = cluster(&bus).await;
        let logins: Vec<(Arc<str>, Login)> = (0..3 * AT_ONCE + 1)
            .map(|number| {
                let login = Login {
                    node: cluster.node.clone(),
                    socket: number as u64,
                    stamp: 1_000,
                };
                (number.to_string().into(), login)
            })
            .collect();
        let claim = |(user, login): &(Arc<str>, Login)| Claim {
            user: Arc::clone(user),
            login: login.clone(),
            fresh: false,
            notice: Default::default(),
        };
        let claims: Vec<_> = logins.iter().map(claim).collect();
        bus.claim(&claims).await.unwrap();
        bus.tire_beyond(AT_ONCE);
        let mut settled = Settled {
            to_release: logins.clone(),
            ..Settled::default()
        };
        cluster.release(&mut settled).await.unwrap();
        assert!(settled.to_release.is_empty());
        // An older login elsewhere loses against one that is not over.
        let elsewhere = |mut claim: Claim| {
            claim.login.node = NodeName::of("other");
            claim.login.stamp = 0;
            claim
        };
        for claims in claims.chunks(AT_ONCE) {
            let claims: Vec<_> = claims.iter().cloned().map(elsewhere).collect();
            for answer in bus.claim(&claims).await.unwrap() {
                assert_eq!(answer, Claimed::Won { replaced: None });
            }
        }
    }

    #[tokio::test]
    async fn however_many_rooms_come_and_go_without_the_bus_none_of_them_is_kept() {
        let bus = MemoryBus::default();
        let cluster = cluster(&bus).await;
        let mut settled = Settled::default();
        let room = |number: usize| {
            Arc::new(Conversation {
                kind: Kind::Room,
                id: number.to_string(),
            })
        };
        bus.stall(true);
        for number in 0..1_000 {
            settled.note_count(room(number), 1);
            cluster.count(&mut settled).await.unwrap_err();
            settled.note_count(room(number), 0);
        }
        // The bus may have taken the first one and not have answered.
        assert_eq!(settled.to_count, HashSet::from([room(0)]));
        bus.stall(false);
        cluster.count(&mut settled).await.unwrap();
        assert!(settled.to_count.is_empty() && settled.told.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_partition_is_read_until_its_ends_have_come_or_will_not() {
        const WITHIN: Duration = Duration::from_secs(20);
        let cluster = cluster(&MemoryBus::default()).await;
        let settled = Settled::default();
        for partition in [3, 4] {
            let following = &mut cluster.following.lock();
            assert!(!cluster.begin_reading(following, partition, Position::default()));
            let remember = |afar: &mut FromAfar| {
                let key = partition.to_string();
                afar.remember(key, partition, Arc::new([]), Instant::now())
            };
            assert!(remember(&mut cluster.afar.lock()));
        }
        let reads = async || {
            cluster.follow(&settled, WITHIN).await.unwrap();
            let following = cluster.following.lock();
            [3, 4].map(|partition| following.reads(partition))
        };
        assert_eq!(reads().await, [true, true]);
        cluster.afar.lock().end("3");
        advance(WITHIN - Duration::from_millis(1)).await;
        assert_eq!(reads().await, [false, true]);
        assert_eq!(cluster.counts.forgotten.get(), 0);
        advance(Duration::from_millis(1)).await;
        assert_eq!(reads().await, [false, false]);
        assert_eq!(cluster.counts.forgotten.get(), 1);
        assert!(cluster.afar.lock().end("4").is_none());
    }
}

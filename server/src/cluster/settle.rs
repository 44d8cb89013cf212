//! What the bus is told of the users here: who is logged in, and how many are in which conversation. What has changed
//! is taken from the socket manager, so no change is missed, and what could not be told is told later.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bson::DateTime;
use tokio::time::{Instant, timeout};

use super::{
    Cluster,
    entry::{Letter, What},
    reader::Following,
};
use crate::{
    bus::{BusError, Claim, Claimed, Login, PARTITIONS, partition},
    chat::Chat,
    handlers::connection,
    message::Conversation,
    socket_manager::SocketId,
};

/// How long a join waits for what others say there to be read.
const BEGIN_PATIENCE: Duration = Duration::from_secs(2);
/// How much longer than a save may take the end of a message may be on its way here.
const END_SLACK: Duration = Duration::from_secs(10);
/// Claims, releases or counts in one exchange.
const AT_ONCE: usize = 256;

/// What the bus knows of this server, and what it is still to be told.
#[derive(Debug)]
pub(super) struct Settled {
    /// The conversations with a user here, and how many.
    here: HashMap<Arc<Conversation>, usize>,
    /// How many of those are in each partition.
    partitions: [usize; PARTITIONS],
    /// How many users other servers have in them.
    others: HashMap<Arc<Conversation>, usize>,
    logins: HashMap<Arc<str>, Login>,
    to_count: HashSet<Arc<Conversation>>,
    /// And whether they are new.
    to_claim: HashMap<Arc<str>, bool>,
    to_release: Vec<(Arc<str>, Login)>,
}

impl Default for Settled {
    fn default() -> Self {
        Self {
            here: HashMap::new(),
            partitions: [0; PARTITIONS],
            others: HashMap::new(),
            logins: HashMap::new(),
            to_count: HashSet::new(),
            to_claim: HashMap::new(),
            to_release: Vec::new(),
        }
    }
}

impl Settled {
    fn say_all_again(&mut self) {
        self.to_count.extend(self.here.keys().cloned());
        for user in self.logins.keys() {
            self.to_claim.entry(Arc::clone(user)).or_insert(false);
        }
    }

    fn note_count(&mut self, conversation: Arc<Conversation>, count: usize) {
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
        self.to_count.insert(conversation);
    }

    fn note_login(&mut self, user: Arc<str>, login: Option<Login>) {
        match login {
            Some(login) => {
                let same = |known: &Login| known.socket == login.socket;
                if !self.logins.get(&user).is_some_and(same) {
                    self.logins.insert(Arc::clone(&user), login);
                    self.to_claim.insert(user, true);
                }
            }
            None => {
                if let Some(login) = self.logins.remove(&user) {
                    self.to_claim.remove(&user);
                    self.to_release.push((user, login));
                }
            }
        }
    }
}

impl Cluster {
    /// Waits until a user who has just joined here hears what other servers' users say; how many those are. However many
    /// join meanwhile, they wait for the exchange that is under way and for one more, which tells of all of them. None, and
    /// at once when it is known, while the bus does not answer: it is made up for when it does.
    pub async fn joined(&self, chat: &Arc<Chat>, conversation: &Conversation) -> usize {
        if !self.post.is_up() {
            return 0;
        }
        let conversation = Arc::new(conversation.clone());
        self.wishes.lock().insert(Arc::clone(&conversation));
        let mut settled = self.settled.lock().await;
        // It may have been found out by those who waited before.
        if !self.post.is_up() {
            return 0;
        }
        // If not, somebody who waited before has brought it along.
        let is_open = self.wishes.lock().contains(&conversation);
        if is_open && let Err(error) = self.settle_now(&mut settled, chat).await {
            tracing::debug!("[Cluster] a join is told to the other servers later: {error}");
        }
        settled.others.get(&conversation).copied().unwrap_or(0)
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
        self.claim(settled, chat).await?;
        self.release(settled).await?;
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
                    (true, false) => wanted.push(number),
                    (false, true) if !self.awaits_ends(number, ends_within) => {
                        self.end_reading(&mut following, number);
                    }
                    _ => {}
                }
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

    /// Whether somebody here is still to hear how a message of this partition ended: members who have left since, or gone to
    /// another server, and in `ordered` its sender.
    fn awaits_ends(&self, partition: u8, within: Duration) -> bool {
        let awaits = (self.afar.lock()).awaits(partition, within, Instant::now());
        awaits || self.post.is_awaited(partition)
    }

    fn end_reading(&self, following: &mut Following, partition: u8) {
        following.end(partition);
        self.seen.lock().forget(partition);
        self.post.end_reading(partition);
        let forgotten = self.afar.lock().forget(partition);
        self.counts.forgotten.add(forgotten as u64);
    }

    async fn claim(&self, settled: &mut Settled, chat: &Arc<Chat>) -> Result<(), BusError> {
        while !settled.to_claim.is_empty() {
            let mut claims = Vec::new();
            for (user, fresh) in settled.to_claim.iter().take(AT_ONCE) {
                if let Some(login) = settled.logins.get(user) {
                    claims.push(Claim {
                        user: Arc::clone(user),
                        login: login.clone(),
                        fresh: *fresh,
                        notice: Letter::notice(&self.node, user, login).unwrap_or_default(),
                    });
                }
            }
            let answers = self.bus.claim(&claims).await?;
            for (claim, answer) in claims.iter().zip(answers) {
                settled.to_claim.remove(&claim.user);
                if let Claimed::Lost { to } = answer {
                    settled.logins.remove(&claim.user);
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
        while !settled.to_count.is_empty() {
            let counts: Vec<_> = (settled.to_count.iter().take(AT_ONCE))
                .map(|of| (Arc::clone(of), settled.here.get(of).copied().unwrap_or(0)))
                .collect();
            let others = self.bus.count(&self.node, &counts).await?;
            for ((conversation, here), others) in counts.into_iter().zip(others) {
                settled.to_count.remove(&conversation);
                if here > 0 {
                    settled.others.insert(conversation, others);
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
    use tokio::time::advance;

    use super::*;
    use crate::{
        bus::{Bus as _, NodeName, Position, memory::MemoryBus},
        cluster::afar::FromAfar,
        config::{BusChoice, BusMode, ClusterConfig},
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

    #[tokio::test(start_paused = true)]
    async fn a_partition_is_read_until_its_ends_have_come_or_will_not() {
        const WITHIN: Duration = Duration::from_secs(20);
        let cluster = cluster(&MemoryBus::default()).await;
        let settled = Settled::default();
        for partition in [3, 4] {
            cluster.begin_reading(
                &mut cluster.following.lock(),
                partition,
                Position::default(),
            );
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

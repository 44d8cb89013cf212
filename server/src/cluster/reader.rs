//! The way in from the other servers: the streams are read, and what they say is handed to the members here.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Cluster,
    entry::{Letter, What},
    following::Following,
    order::{Placed, in_order},
    post::ASK_AGAIN,
    seen::Comes,
};
use crate::{
    bus::{BusError, Entry, KEPT_ENTRIES, Life, NodeName, Position, Stream, partition},
    chat::Chat,
    handlers::connection,
    message::Conversation,
    packet::Shared,
    portions::in_portions,
    protocol::MISSED,
    socket_manager::SocketId,
};

/// How long one question for news waits.
const WAIT: Duration = Duration::from_secs(1);

/// An entry of a partition that had not come before.
struct Came<'a> {
    partition: u8,
    /// Entries before it that did not come.
    missing: u64,
    letter: Letter<'a>,
}

impl Placed for Came<'_> {
    fn partition(&self) -> u8 {
        self.partition
    }

    fn node(&self) -> &NodeName {
        &self.letter.node
    }

    fn place(&self) -> u64 {
        self.letter.place
    }
}

impl Cluster {
    /// Reads, for ever.
    pub(super) async fn read(self: Arc<Self>, chat: Arc<Chat>, mut life: Life) {
        loop {
            let begun = self.begin_wanted(&chat).await;
            let from = self.following.lock().from(&self.node);
            let news = match begun {
                Ok(()) => self.bus.read(&life, &from, WAIT).await,
                Err(error) => Err(error),
            };
            match news {
                Ok(entries) => self.take(&chat, &entries).await,
                Err(BusError::Reborn(now)) => {
                    let streams: Vec<_> = from.into_iter().map(|(stream, _)| stream).collect();
                    if let Ok(ends) = self.bus.ends(&streams).await {
                        let ends: Vec<_> = streams.into_iter().zip(ends).collect();
                        self.following.lock().rewind(&ends);
                        life = now;
                        self.say_all_again();
                    }
                }
                Err(BusError::Unreachable(_)) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }

    /// Begins to read what is wanted: between two questions for news, and never in the middle of one. Its answer would have what a
    /// sender said in other conversations, and what they had said in these before would come after it. Members who
    /// were told too early that they hear what is said there may have missed some of it.
    async fn begin_wanted(&self, chat: &Arc<Chat>) -> Result<(), BusError> {
        let Some(wanted) = self.following.lock().take_wanted() else {
            return Ok(());
        };
        let numbers = wanted.partitions.iter();
        let streams: Vec<_> = numbers.map(|n| Stream::Partition(*n)).collect();
        let ends = self.bus.ends(&streams).await?;
        let mut late = BTreeSet::new();
        {
            let mut following = self.following.lock();
            for (number, end) in wanted.partitions.into_iter().zip(ends) {
                if self.begin_reading(&mut following, number, end) {
                    late.insert(number);
                }
            }
        }
        self.tell_of_gaps(chat, &late).await;
        // Whoever waited may have gone.
        let _gone = wanted.begun.send(());
        Ok(())
    }

    pub(super) fn begin_reading(
        &self,
        following: &mut Following,
        partition: u8,
        since: Position,
    ) -> bool {
        let late = following.begin(partition, since);
        self.post.begin_reading(partition);
        late
    }

    /// Carries out what was read together.
    async fn take(&self, chat: &Arc<Chat>, entries: &[Entry]) {
        let mut came = Vec::new();
        let mut read: BTreeMap<u8, usize> = BTreeMap::new();
        for entry in entries {
            if !self.following.lock().advance(entry) {
                continue;
            }
            if let Stream::Partition(partition) = entry.stream {
                *read.entry(partition).or_default() += 1;
            }
            let Ok(letter) = Letter::decode(&entry.bytes) else {
                self.counts.unreadable.increment();
                continue;
            };
            match entry.stream {
                Stream::Inbox(_) => self.hear(chat, &letter),
                Stream::Partition(partition) => came.extend(self.note(partition, letter)),
            }
        }
        // Others before them may have been pushed out, whose numbers tell nothing if their servers have said no more.
        read.retain(|_, entries| *entries >= KEPT_ENTRIES);
        self.tell_of_gaps(chat, &read.into_keys().collect()).await;
        // After an outage there are thousands, and members of this server wait for each other's messages meanwhile.
        in_portions(in_order(came), |came| self.carry_out(chat, &came)).await;
    }

    fn carry_out(&self, chat: &Arc<Chat>, came: &Came<'_>) {
        let Came {
            partition,
            missing,
            letter,
        } = came;
        let is_own = letter.node == self.node;
        // In the other mode members here have had this server's own before anybody else.
        if !is_own || self.post.is_ordered() {
            self.counts.missed.add(*missing);
            // Who says nothing there has lost what they said before.
            if *missing > 0 || matches!(letter.what, What::Wake) {
                self.tell_of_gap(chat, *partition);
            }
            self.act(chat, letter);
        }
        if is_own {
            self.post.has_told((*partition, letter.number));
        }
    }

    /// Does what this server is told to, the first time that it is told. A server that does not know whether the bus has what it
    /// said says it again, and the user whom it is about may have left since.
    fn hear(&self, chat: &Arc<Chat>, letter: &Letter<'_>) {
        if self.seen.lock().note_told(&letter.node, letter.number) {
            self.act(chat, letter);
        } else {
            self.counts.repeated.increment();
        }
    }

    /// Notes that an entry has come; `None` of one that had before.
    fn note<'a>(&self, partition: u8, letter: Letter<'a>) -> Option<Came<'a>> {
        let comes = self
            .seen
            .lock()
            .note(&letter.node, partition, letter.number);
        let missing = match comes {
            Comes::Next => 0,
            Comes::After(missing) => missing,
            Comes::Again => {
                self.counts.repeated.increment();
                return None;
            }
        };
        if letter.node != self.node {
            self.counts.read.increment();
        }
        Some(Came {
            partition,
            missing,
            letter,
        })
    }

    fn act(&self, chat: &Arc<Chat>, letter: &Letter<'_>) {
        match &letter.what {
            What::Message {
                conversation,
                key,
                sender,
                payload,
            } => {
                let remember = |recipients: &crate::delivery::Recipients| {
                    let Some(key) = key else { return };
                    let (key, recipients) = (key.to_string(), Arc::clone(recipients));
                    let partition = partition(conversation);
                    let mut afar = self.afar.lock();
                    if !afar.remember(key, partition, recipients, Instant::now()) {
                        self.counts.forgotten.increment();
                    }
                };
                let packets = chat.delivery.relay(conversation, sender, payload, remember);
                self.counts.relayed.add(packets as u64);
            }
            What::End {
                conversation,
                key,
                stored,
                payload,
            } => {
                let recipients = self.afar.lock().end(key);
                if let Some(recipients) = recipients {
                    chat.delivery
                        .relay_end(conversation, &recipients, *stored, payload);
                    self.counts.relayed.add(recipients.len() as u64);
                }
            }
            What::Elsewhere {
                user,
                login,
                replaced,
            } => self.hand_over(chat, user, SocketId(*replaced), login),
            What::HandedOver {
                user,
                replaced,
                conversations,
            } => self.take_over(chat, user, SocketId(*replaced), conversations),
            What::Wake => {}
        }
    }

    /// A user joins here what their login on another server was in; with the login that is live by now, if there is any.
    fn take_over(
        &self,
        chat: &Arc<Chat>,
        user: &str,
        replaced: SocketId,
        conversations: &[Conversation],
    ) {
        for conversation in conversations {
            let _turn = chat.delivery.sequencer().turn(conversation);
            // One who has gone, or is in too many by now, is in none of these: there is nobody to tell.
            let _not_in = chat.users.lock().join_room(user, conversation);
        }
        let login = chat.users.lock().live(user).map(|(_, login)| login.clone());
        if let Some(login) = login {
            connection::tell_reconnected(chat, &login, replaced, conversations.iter());
        }
        self.look();
    }

    /// Tells members here that messages may be missing. It is known in which partition, not in which conversation.
    fn tell_of_gap(&self, chat: &Chat, number: u8) {
        for conversation in self.with_a_gap(chat, &BTreeSet::from([number])) {
            tell_of_missed(chat, &conversation);
        }
    }

    /// The same of several partitions, so that others run meanwhile.
    async fn tell_of_gaps(&self, chat: &Chat, numbers: &BTreeSet<u8>) {
        if !numbers.is_empty() {
            let conversations = self.with_a_gap(chat, numbers);
            in_portions(conversations, |one| tell_of_missed(chat, &one)).await;
        }
    }

    /// The conversations here of partitions in which something may be missing.
    fn with_a_gap(&self, chat: &Chat, numbers: &BTreeSet<u8>) -> Vec<Arc<Conversation>> {
        self.counts.gaps.add(numbers.len() as u64);
        tracing::warn!(
            "[Cluster] entries may be missing in the partitions {numbers:?}: telling members"
        );
        let mut conversations = chat.users.lock().conversations();
        conversations.retain(|conversation| numbers.contains(&partition(conversation)));
        conversations
    }
}

/// Tells the members here of a conversation that messages may be missing in it.
fn tell_of_missed(chat: &Chat, conversation: &Conversation) {
    let mut payload = serde_json::Map::new();
    let id = conversation.id.clone();
    payload.insert(conversation.kind.id_field().to_owned(), id.into());
    let Ok(payload) = serde_json::value::to_raw_value(&payload) else {
        return;
    };
    let _turn = chat.delivery.sequencer().turn(conversation);
    let members = chat.users.lock().users_in_room(conversation);
    let payload = Shared::new(&payload);
    for member in members.iter() {
        let sent = member.handle.emit(MISSED, &payload);
        chat.delivery.account(&member.handle, sent);
    }
}

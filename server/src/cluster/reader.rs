//! The way in from the other servers: the streams are read, and what they say is handed to the members here.

use std::{sync::Arc, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use super::{
    Cluster,
    entry::{Letter, What},
    order::{Placed, in_order},
    post::ASK_AGAIN,
    seen::Comes,
};
use crate::{
    bus::{BusError, Entry, Life, NodeName, PARTITIONS, Position, Stream, partition},
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

/// What is read, and how far.
#[derive(Debug)]
pub struct Following {
    partitions: [Option<Place>; PARTITIONS],
    inbox: Position,
    wanted: Option<Wanted>,
}

/// Partitions that are to be read from the next question for news on, and who waits for that.
#[derive(Debug)]
struct Wanted {
    partitions: Vec<u8>,
    begun: oneshot::Sender<()>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    /// Where it was begun: what came before is for nobody here.
    since: Position,
    at: Position,
}

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

impl Default for Following {
    fn default() -> Self {
        Self {
            partitions: [None; PARTITIONS],
            inbox: Position::default(),
            wanted: None,
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

    /// From now on a partition is read from this position.
    fn begin(&mut self, partition: u8, since: Position) {
        self.partitions[usize::from(partition)] = Some(Place { since, at: since });
    }

    /// A partition is not read any more.
    pub fn end(&mut self, partition: u8) {
        self.partitions[usize::from(partition)] = None;
    }

    fn from(&self, node: &NodeName) -> Vec<(Stream, Position)> {
        let inbox = (Stream::Inbox(node.clone()), self.inbox);
        let partitions = (0..).zip(&self.partitions);
        let read = partitions.filter_map(|(number, place)| {
            let place = place.as_ref()?;
            Some((Stream::Partition(number), place.at))
        });
        std::iter::once(inbox).chain(read).collect()
    }

    /// Goes on to an entry; false if that is not wanted, or not any more.
    fn advance(&mut self, entry: &Entry) -> bool {
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
    fn rewind(&mut self, ends: &[(Stream, Position)]) {
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

impl Cluster {
    /// Reads, for ever.
    pub(super) async fn read(self: Arc<Self>, chat: Arc<Chat>, mut life: Life) {
        loop {
            let begun = self.begin_wanted().await;
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
    /// sender said in other conversations, and what they had said in these before would come after it.
    async fn begin_wanted(&self) -> Result<(), BusError> {
        let Some(wanted) = self.following.lock().wanted.take() else {
            return Ok(());
        };
        let numbers = wanted.partitions.iter();
        let streams: Vec<_> = numbers.map(|n| Stream::Partition(*n)).collect();
        let ends = self.bus.ends(&streams).await?;
        let mut following = self.following.lock();
        for (number, end) in wanted.partitions.into_iter().zip(ends) {
            self.begin_reading(&mut following, number, end);
        }
        // Whoever waited may have gone.
        let _gone = wanted.begun.send(());
        Ok(())
    }

    pub(super) fn begin_reading(&self, following: &mut Following, partition: u8, since: Position) {
        following.begin(partition, since);
        self.post.begin_reading(partition);
    }

    /// Carries out what was read together.
    async fn take(&self, chat: &Arc<Chat>, entries: &[Entry]) {
        let mut came = Vec::new();
        for entry in entries {
            if !self.following.lock().advance(entry) {
                continue;
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
            if *missing > 0 {
                self.tell_of_gap(chat, *partition, *missing);
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

    /// Tells members here that messages are missing. It is known in which partition, not in which conversation.
    fn tell_of_gap(&self, chat: &Chat, number: u8, missing: u64) {
        self.counts.missed.add(missing);
        tracing::warn!(
            "[Cluster] {missing} entries of a server are missing in partition {number}: telling members"
        );
        let conversations = chat.users.lock().conversations();
        for conversation in conversations {
            if partition(&conversation) != number {
                continue;
            }
            let mut payload = serde_json::Map::new();
            let id = conversation.id.clone();
            payload.insert(conversation.kind.id_field().to_owned(), id.into());
            let Ok(payload) = serde_json::value::to_raw_value(&payload) else {
                continue;
            };
            let _turn = chat.delivery.sequencer().turn(&conversation);
            let members = chat.users.lock().users_in_room(&conversation);
            let payload = Shared::new(&payload);
            for member in members.iter() {
                let sent = member.handle.emit(MISSED, &payload);
                chat.delivery.account(&member.handle, sent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

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
        following.begin(3, Position(5, 0));
        assert!(!following.advance(&entry(3, 5)) && following.advance(&entry(3, 6)));
        assert!(!following.advance(&entry(3, 6)));
        following.end(3);
        assert!(!following.advance(&entry(3, 7)) && following.count() == 0);
    }

    #[test]
    fn a_bus_that_has_forgotten_is_read_from_where_this_server_began() {
        let mut following = Following::default();
        following.begin(0, Position(5, 0));
        following.begin(1, Position(5, 0));
        following.advance(&entry(0, 9));
        following.advance(&entry(1, 9));
        following.rewind(&[
            (Stream::Partition(0), Position(7, 0)),
            (Stream::Partition(1), Position(9, 3)),
        ]);
        let node = NodeName::of("n");
        let from = following.from(&node);
        assert_eq!(
            from[1..],
            [
                (Stream::Partition(0), Position(5, 0)),
                (Stream::Partition(1), Position(9, 0)),
            ]
        );
    }
}

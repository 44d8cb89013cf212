//! The way out to the other servers: what is said here is queued at once, in order, and brought to the bus by a task.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::{sync::Notify, time::Instant};

use super::{
    backlog::{Backlog, GivenUp, Numbered},
    catch_up::{self, CatchUp},
    counts::Counts,
    entry::{Letter, What},
    told::{Awaited, Told},
};
use crate::{
    bus::{Bus, BusError, Life, NodeName, Stream, partition},
    config::BusMode,
    message::Conversation,
};

/// Entries in one exchange with the bus.
const AT_ONCE: usize = 256;
/// How long to wait before a bus is asked again that did not answer.
pub const ASK_AGAIN: Duration = Duration::from_millis(100);
/// How often a bus is looked after that nobody has anything for.
const LOOK: Duration = Duration::from_millis(500);

/// Nobody gives a message an order that the members here would hear: they are not reached yet by what is said in its
/// conversation. `ordered` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what is said in this conversation is not read here yet")]
pub struct Unheard;

/// The way out.
#[derive(Debug)]
pub struct Post {
    node: NodeName,
    mode: BusMode,
    backlog: Mutex<Backlog>,
    news: Notify,
    up: AtomicBool,
    awaited: Mutex<Awaited>,
    counts: Arc<Counts>,
}

impl Post {
    /// The way out of this node.
    #[must_use]
    pub fn new(node: NodeName, mode: BusMode, counts: Arc<Counts>) -> Self {
        Self {
            node,
            mode,
            backlog: Mutex::default(),
            news: Notify::new(),
            up: true.into(),
            awaited: Mutex::default(),
            counts,
        }
    }

    /// Whether members here, too, get messages by the bus alone.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        self.mode == BusMode::Ordered
    }

    /// Whether the bus has answered the last time.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up.load(Relaxed)
    }

    /// How many entries the bus has not taken.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.backlog.lock().waiting()
    }

    /// Queues a message for the members of its conversation elsewhere. To be called in the conversation's turn. In `ordered` it is
    /// for those here as well, if there are any, and what is given back says when they have it. `key` is its temporary id; one
    /// without has been saved, and is queued whoever hears it here.
    ///
    /// # Errors
    /// Members here would not get it. Nothing is queued.
    pub fn message(
        &self,
        conversation: &Conversation,
        key: Option<&str>,
        sender: &str,
        payload: &RawValue,
    ) -> Result<Option<Told>, Unheard> {
        let what = What::Message {
            conversation: Cow::Borrowed(conversation),
            key: key.map(Cow::Borrowed),
            sender: Cow::Borrowed(sender),
            payload,
        };
        self.publish(conversation, what, key.is_some())
    }

    /// Whether members here would get a message to this conversation now, if there are any.
    #[must_use]
    pub fn is_heard(&self, conversation: &Conversation) -> bool {
        !self.is_ordered() || self.awaited.lock().reads(partition(conversation))
    }

    /// Queues the end of a message for those elsewhere who got it; as [`Self::message`].
    pub fn end(
        &self,
        conversation: &Conversation,
        key: &str,
        stored: bool,
        payload: &RawValue,
    ) -> Option<Told> {
        let what = What::End {
            conversation: Cow::Borrowed(conversation),
            key: Cow::Borrowed(key),
            stored,
            payload,
        };
        self.publish(conversation, what, false).unwrap_or_default()
    }

    /// Queues something for one node.
    pub fn tell(&self, node: &NodeName, what: What<'_>) {
        // Nobody here is to hear it.
        let _none = self.push(Stream::Inbox(node.clone()), what, false);
    }

    /// A partition is read here from now on.
    pub fn begin_reading(&self, partition: u8) {
        self.awaited.lock().begin(partition);
    }

    /// A partition is not read here any more; unless somebody here waits for an entry of this server's own in it, which is
    /// said.
    #[must_use]
    pub fn end_reading(&self, partition: u8) -> bool {
        let mut awaited = self.awaited.lock();
        if awaited.has_any(partition) {
            return false;
        }
        awaited.end(partition);
        true
    }

    /// An entry of this server's own has been handed to its members.
    pub fn has_told(&self, numbered: Numbered) {
        self.awaited.lock().has_come(numbered);
    }

    fn publish(
        &self,
        conversation: &Conversation,
        what: What<'_>,
        if_heard: bool,
    ) -> Result<Option<Told>, Unheard> {
        let told = self.push(Stream::Partition(partition(conversation)), what, if_heard)?;
        self.counts.published.increment();
        Ok(told)
    }

    /// Queues an entry, or does not where it is to be heard here and would not; in `ordered` what is given back resolves when it
    /// has come back.
    fn push(
        &self,
        stream: Stream,
        what: What<'_>,
        if_heard: bool,
    ) -> Result<Option<Told>, Unheard> {
        let of = match stream {
            Stream::Partition(partition) => Some(partition),
            Stream::Inbox(_) => None,
        };
        let mut backlog = self.backlog.lock();
        // Until it is queued: a partition may end meanwhile, and the entry come back before anybody waits for it.
        let mut awaited = self.is_ordered().then(|| self.awaited.lock());
        if let (true, Some(awaited), Some(of)) = (if_heard, &awaited, of)
            && !awaited.reads(of)
        {
            return Err(Unheard);
        }
        let told = self.add(&mut backlog, stream, what).and_then(|added| {
            let (number, given_up) = added;
            let lost = self.tell_of_lost(&mut backlog, given_up);
            let awaited = awaited.as_mut()?;
            lost.into_iter().for_each(|lost| awaited.lose(lost));
            awaited.wait((of?, number))
        });
        drop((awaited, backlog));
        self.news.notify_one();
        Ok(told)
    }

    /// Adds an entry to what is queued; its number, and what had to go for it.
    fn add(&self, backlog: &mut Backlog, stream: Stream, what: What<'_>) -> Option<(u64, GivenUp)> {
        let mut letter = Letter {
            node: self.node.clone(),
            number: 0,
            place: 0,
            what,
        };
        let pushed = backlog.push(stream, Instant::now(), |number, place| {
            letter.number = number;
            letter.place = place;
            letter.encode()
        });
        pushed
            .inspect_err(|error| {
                tracing::error!("cannot encode what other servers are told: {error}")
            })
            .ok()
    }

    /// Counts what was given up and says so behind it, once in each partition: where nothing more is said there, or nothing was
    /// heard of this server before, the others would not know by the numbers. All that was given up in partitions.
    fn tell_of_lost(&self, backlog: &mut Backlog, given_up: GivenUp) -> Vec<Numbered> {
        let mut lost = given_up.entries;
        let mut told = given_up.told;
        while let Some((partition, _)) = (lost.iter().copied()).find(|one| backlog.is_untold(*one))
        {
            let stream = Stream::Partition(partition);
            let Some((number, more)) = self.add(backlog, stream, What::Wake) else {
                break;
            };
            backlog.mark((partition, number));
            lost.extend(more.entries);
            told += more.told;
        }
        self.counts.given_up.add((lost.len() + told) as u64);
        lost
    }

    /// Brings what is queued to the bus, for ever.
    pub async fn run(self: Arc<Self>, bus: Arc<dyn Bus>, mut life: Life) {
        let mut behind: Option<CatchUp> = None;
        loop {
            let portion = behind.and_then(|behind| behind.portion(self.waiting(), Instant::now()));
            let (batch, until) = self.backlog.lock().batch(portion.unwrap_or(AT_ONCE));
            let answer = bus.append(&life, &batch).await;
            self.note_whether_up(&*bus, answer.as_ref().err());
            match answer {
                Ok(()) if batch.is_empty() => {
                    self.backlog.lock().answered(Instant::now());
                    behind = None;
                    let _looks_anyway = tokio::time::timeout(LOOK, self.news.notified()).await;
                }
                Ok(()) => {
                    self.counts.batches.increment();
                    self.backlog.lock().taken(until, Instant::now());
                    match portion {
                        Some(_) => tokio::time::sleep(catch_up::PAUSE).await,
                        None => behind = None,
                    }
                }
                Err(BusError::Reborn(now)) => {
                    life = now;
                    let again = self.backlog.lock().rewind();
                    self.counts.replayed.add(again as u64);
                    behind = Some(CatchUp::begin(Instant::now()));
                }
                Err(BusError::Unreachable(_)) => {
                    tokio::time::sleep(ASK_AGAIN).await;
                    behind = Some(CatchUp::begin(Instant::now()));
                }
            }
        }
    }

    /// Waits until the bus has taken everything.
    pub async fn until_empty(&self) {
        while self.waiting() > 0 {
            tokio::time::sleep(ASK_AGAIN / 10).await;
        }
    }

    fn note_whether_up(&self, bus: &dyn Bus, error: Option<&BusError>) {
        let up = !matches!(error, Some(BusError::Unreachable(_)));
        if self.up.swap(up, Relaxed) == up {
            return;
        }
        let bus = bus.describe();
        match error {
            Some(error) => tracing::warn!(
                "[Cluster] {error} ({bus}): members here get their messages, those on other servers when it is back"
            ),
            None => tracing::info!("[Cluster] the bus answers again ({bus})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;
    use tokio::time::sleep;

    use super::*;
    use crate::{
        bus::{Position, memory::MemoryBus},
        message::Kind,
    };

    const LONG: Duration = Duration::from_secs(3_600);

    /// A server that has said something which the bus has taken, and says no more.
    async fn said_once(bus: &MemoryBus) -> Arc<Post> {
        let counts = Arc::<Counts>::default();
        let node = NodeName::of("n");
        let post = Arc::new(Post::new(node.clone(), BusMode::LocalFirst, counts));
        let life = bus.life().await.unwrap();
        tokio::spawn(Arc::clone(&post).run(Arc::new(bus.clone()), life));
        post.tell(&node, What::Wake);
        sleep(LOOK).await;
        assert_eq!((post.waiting(), said(bus, &node).await), (0, 1));
        post
    }

    async fn said(bus: &MemoryBus, node: &NodeName) -> usize {
        let life = bus.life().await.unwrap();
        let inbox = [(Stream::Inbox(node.clone()), Position::default())];
        bus.read(&life, &inbox, LOOK).await.unwrap().len()
    }

    #[tokio::test(start_paused = true)]
    async fn a_bus_that_forgets_is_not_told_again_what_was_said_long_before() {
        let bus = MemoryBus::default();
        let post = said_once(&bus).await;
        sleep(LONG).await;
        bus.restart();
        sleep(2 * LOOK).await;
        assert_eq!(said(&bus, &post.node).await, 0);
        assert_eq!(post.counts.replayed.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_it_had_just_taken_is_said_again_however_long_it_is_away() {
        let bus = MemoryBus::default();
        let post = said_once(&bus).await;
        bus.stall(true);
        sleep(LONG).await;
        bus.restart();
        sleep(2 * LOOK).await;
        assert_eq!(said(&bus, &post.node).await, 1);
    }

    #[test]
    fn in_ordered_who_waits_where_an_entry_is_missing_is_let_go() {
        let post = Post::new(NodeName::of("n"), BusMode::Ordered, Arc::default());
        let room = Conversation {
            kind: Kind::Room,
            id: "r".to_owned(),
        };
        let payload = to_raw_value("x").unwrap();
        let unheard = post.message(&room, Some("k"), "u", &payload);
        assert_eq!((unheard.unwrap_err(), post.waiting()), (Unheard, 0));
        let saved = post.message(&room, None, "u", &payload);
        assert!(saved.unwrap().is_none(), "nobody here reads it");
        let say = || post.message(&room, Some("k"), "u", &payload).unwrap();
        let partition = partition(&room);
        post.begin_reading(partition);
        let (mut lost, mut comes, mut next) = (say().unwrap(), say().unwrap(), say().unwrap());
        post.has_told((partition, 3));
        assert!(lost.try_recv().is_err() && lost.is_terminated());
        assert_eq!(comes.try_recv(), Ok(()));
        assert!(!post.end_reading(partition) && next.try_recv().is_err());
        drop(next);
        assert!(post.end_reading(partition));
    }
    /// In partitions whose other entries leave no gap in the numbers: where it said nothing before, and nothing more.
    #[test]
    fn behind_what_was_given_up_it_is_said_that_something_was() {
        let post = Post::new(NodeName::of("n"), BusMode::LocalFirst, Arc::default());
        let rooms = ["a", "b"].map(|id| Conversation {
            kind: Kind::Room,
            id: id.to_owned(),
        });
        let [once, full] = [&rooms[0], &rooms[1]].map(partition);
        assert_ne!(once, full);
        let small = to_raw_value("x").unwrap();
        post.tell(&post.node, What::Wake);
        post.message(&rooms[0], Some("k"), "u", &small).unwrap();
        let large = to_raw_value(&"x".repeat(1 << 20)).unwrap();
        for _ in 0..70 {
            post.message(&rooms[1], Some("k"), "u", &large).unwrap();
        }
        let (batch, _) = post.backlog.lock().batch(usize::MAX);
        let said = batch.iter().map(|(stream, bytes)| {
            let Letter { number, what, .. } = Letter::decode(bytes).unwrap();
            (stream.clone(), number, matches!(what, What::Wake))
        });
        let of = |of: u8| {
            let of = (said.clone()).filter(move |(stream, ..)| *stream == Stream::Partition(of));
            of.map(|(_, number, is_mark)| (number, is_mark))
        };
        assert_eq!(of(once).collect::<Vec<_>>(), [(2, true)]);
        assert_eq!(of(full).filter(|(_, is_mark)| *is_mark).count(), 1);
        let first = of(full).next().unwrap();
        // Entries of the full one, the only one of the other, and what an inbox was told.
        assert_eq!(post.counts.given_up.get(), first.0 - 1 + 2);
        assert!(!first.1 && first.0 > 1);
    }
}

//! The bounded queue between delivery and the writer, and the promise that everything in it ends
//! exactly once.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    MessageStore, SaveOutcome,
    journal::{Entry, Journal, JournalState},
    writer::{Writer, WriterConfig},
};
use crate::message::Message;

/// Why a message ended as [`SaveOutcome::Failed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureReason {
    /// No attempt was answered, and none that was begun can have stored it.
    Unavailable,
    /// An attempt was begun whose outcome is not known; it is being settled.
    Unknown,
    /// The store refuses what the message is.
    Rejected,
    /// The server was told to stop and the store did not take it in time.
    Stopped,
}

impl FailureReason {
    /// All of them, in the order of [`WriterStats::failed`].
    pub const ALL: [Self; 4] = [
        Self::Unavailable,
        Self::Unknown,
        Self::Rejected,
        Self::Stopped,
    ];

    /// The name under which it is counted and told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "store unavailable",
            Self::Unknown => "store did not answer",
            Self::Rejected => "rejected by the store",
            Self::Stopped => "server stopped",
        }
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The queue holds as many messages without an outcome, or bytes of such, as it may: this one was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the save queue is full")]
pub struct QueueFull;

/// What the queue and the writer did so far. All but the gauges only grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriterStats {
    /// Messages taken by [`SaveQueue::try_save`].
    pub queued: u64,
    /// Messages refused because the queue was full.
    pub refused: u64,
    /// Gauge: messages taken and without an outcome.
    pub depth: usize,
    /// Gauge: bytes of these.
    pub bytes: usize,
    /// Ended as [`SaveOutcome::Saved`].
    pub saved: u64,
    /// Ended as [`SaveOutcome::AlreadySaved`].
    pub already_saved: u64,
    /// Ended as [`SaveOutcome::Failed`], in the order of [`FailureReason::ALL`].
    pub failed: [u64; FailureReason::ALL.len()],
    /// Batches handed to the store.
    pub batches: u64,
    /// Messages in these batches; divided by `batches` it is the mean batch.
    pub batched: u64,
    /// Messages handed to the store once more.
    pub retries: u64,
    /// Gauge: messages told as failed that may be in the store until they are settled.
    pub unsettled: usize,
    /// Messages settled: certainly not in the store any more.
    pub settled: u64,
    /// Of the settled, those that were in the store and were deleted.
    pub settled_deleted: u64,
    /// Messages told as failed with an unknown outcome that the journal could not write down first.
    pub unjournaled: u64,
    /// Whether the journal does its work.
    pub journal: JournalState,
}

impl WriterStats {
    /// All that ended as failed, whatever the reason.
    #[must_use]
    pub fn failed_total(&self) -> u64 {
        self.failed.iter().sum()
    }
}

/// The counters behind [`WriterStats`], shared by the queue, the writer and every ticket.
#[derive(Debug, Default)]
pub(super) struct Counters {
    queued: AtomicU64,
    refused: AtomicU64,
    depth: AtomicUsize,
    bytes: AtomicUsize,
    saved: AtomicU64,
    already_saved: AtomicU64,
    failed: [AtomicU64; FailureReason::ALL.len()],
    pub(super) batches: AtomicU64,
    pub(super) batched: AtomicU64,
    pub(super) retries: AtomicU64,
    pub(super) unsettled: AtomicUsize,
    pub(super) settled: AtomicU64,
    pub(super) settled_deleted: AtomicU64,
    pub(super) unjournaled: AtomicU64,
    /// Set when the writer stops taking messages.
    pub(super) stopped: AtomicBool,
}

impl Counters {
    /// Counts a message in; false, and not counted, where there is no room for it.
    fn take(&self, bytes: usize, capacity: usize, capacity_bytes: usize) -> bool {
        let one_more = |depth| (depth < capacity).then_some(depth + 1);
        if self.depth.fetch_update(Relaxed, Relaxed, one_more).is_err() {
            return false;
        }
        let so_much_more = |held: usize| {
            let sum = held.saturating_add(bytes);
            (held == 0 || sum <= capacity_bytes).then_some(sum)
        };
        let taken = self.bytes.fetch_update(Relaxed, Relaxed, so_much_more);
        if taken.is_err() {
            self.depth.fetch_sub(1, Relaxed);
        }
        taken.is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.depth.fetch_sub(1, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
    }

    pub(super) fn snapshot(&self) -> WriterStats {
        WriterStats {
            queued: self.queued.load(Relaxed),
            refused: self.refused.load(Relaxed),
            depth: self.depth.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            saved: self.saved.load(Relaxed),
            already_saved: self.already_saved.load(Relaxed),
            failed: std::array::from_fn(|i| self.failed[i].load(Relaxed)),
            batches: self.batches.load(Relaxed),
            batched: self.batched.load(Relaxed),
            retries: self.retries.load(Relaxed),
            unsettled: self.unsettled.load(Relaxed),
            settled: self.settled.load(Relaxed),
            settled_deleted: self.settled_deleted.load(Relaxed),
            unjournaled: self.unjournaled.load(Relaxed),
            journal: JournalState::default(),
        }
    }
}

/// A message on its way through the writer. Whoever drops it without an outcome has failed it: so a
/// writer that panics, is aborted or loses its runtime still leaves nothing without an end.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) message: Arc<Message>,
    pub(super) queued_at: Instant,
    answer: Option<oneshot::Sender<SaveOutcome>>,
    counters: Arc<Counters>,
}

impl Ticket {
    pub(super) fn saved(&mut self) {
        let took = self.queued_at.elapsed();
        self.end(SaveOutcome::Saved { took }, |counters| &counters.saved);
    }

    pub(super) fn already_saved(&mut self, existing: Box<Message>) {
        self.end(SaveOutcome::AlreadySaved(existing), |counters| {
            &counters.already_saved
        });
    }

    pub(super) fn failed(&mut self, reason: FailureReason) {
        let outcome = SaveOutcome::Failed {
            reason: reason.as_str().to_owned(),
        };
        self.end(outcome, |counters| &counters.failed[reason as usize]);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.answer.is_none()
    }

    fn end(&mut self, outcome: SaveOutcome, counter: impl Fn(&Counters) -> &AtomicU64) {
        if let Some(answer) = self.answer.take() {
            counter(&self.counters).fetch_add(1, Relaxed);
            self.counters.give_back(self.message.bytes());
            // Whoever asked may have gone; the message is saved or failed all the same.
            let _gone = answer.send(outcome);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.failed(FailureReason::Stopped);
    }
}

/// The sending end: takes messages without ever waiting. Clones are the same queue.
#[derive(Debug, Clone)]
pub struct SaveQueue {
    journal: Option<Entry>,
    // Unbounded as a channel: the bounds are `capacity` on `depth` and `capacity_bytes` on `bytes`,
    // which count what is in flight too.
    sender: mpsc::UnboundedSender<Ticket>,
    counters: Arc<Counters>,
    capacity: usize,
    capacity_bytes: usize,
    deadline: Duration,
}

impl SaveQueue {
    /// Starts the writer on the current tokio runtime.
    ///
    /// The writer ends by [`Writer::drain`], or by itself once every clone of the queue is gone and
    /// every message has its outcome.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(store: Arc<dyn MessageStore>, config: WriterConfig) -> (Self, Writer) {
        Self::start_with(store, config, None)
    }

    /// The same with a journal: what is told as failed while it may be stored is written down first,
    /// and what an earlier process has written down is settled.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start_with(
        store: Arc<dyn MessageStore>,
        config: WriterConfig,
        journal: Option<Journal>,
    ) -> (Self, Writer) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let counters = Arc::new(Counters::default());
        let queue = Self {
            sender,
            counters: counters.clone(),
            capacity: config.capacity,
            capacity_bytes: config.capacity_bytes,
            deadline: config.deadline,
            journal: journal.as_ref().map(Journal::entry),
        };
        let writer = Writer::spawn(store, config, receiver, counters, journal);
        (queue, writer)
    }

    /// Queues a message to be saved under its `_id`; never waits.
    ///
    /// After the writer was told to stop, the message is taken and fails at once.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when [`WriterConfig::capacity`] messages, or with this one more than
    /// [`WriterConfig::capacity_bytes`] of them, have no outcome yet. The message is then counted as
    /// refused and not touched.
    pub fn try_save(&self, message: Arc<Message>) -> Result<PendingSave, QueueFull> {
        let bytes = message.bytes();
        if !self
            .counters
            .take(bytes, self.capacity, self.capacity_bytes)
        {
            self.counters.refused.fetch_add(1, Relaxed);
            return Err(QueueFull);
        }
        self.counters.queued.fetch_add(1, Relaxed);
        let (answer, outcome) = oneshot::channel();
        let counters = self.counters.clone();
        let ticket = Ticket {
            message,
            queued_at: Instant::now(),
            answer: Some(answer),
            counters,
        };
        if !self.counters.stopped.load(Relaxed) {
            // A writer that is gone hands the ticket back, and dropping it fails the message.
            let _refused = self.sender.send(ticket);
        }
        Ok(PendingSave(outcome))
    }

    /// How long a message waits for its outcome at most: [`WriterConfig::deadline`].
    #[must_use]
    pub const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Messages taken and without an outcome: waiting, in flight, or between two attempts.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.counters.depth.load(Relaxed)
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> WriterStats {
        let journal = self.journal.as_ref().map(Entry::state);
        WriterStats {
            journal: journal.unwrap_or_default(),
            ..self.counters.snapshot()
        }
    }
}

/// A save that was queued: resolves to its one outcome, at the latest shortly after
/// [`WriterConfig::deadline`]. Dropping it changes nothing about the save.
#[derive(Debug)]
#[must_use = "the outcome of a save is for the sender and the recipients"]
pub struct PendingSave(oneshot::Receiver<SaveOutcome>);

impl Future for PendingSave {
    type Output = SaveOutcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<SaveOutcome> {
        // A ticket always answers, by its drop if need be; the error is there for the type only.
        Pin::new(&mut self.0).poll(context).map(|outcome| {
            outcome.unwrap_or_else(|_| SaveOutcome::Failed {
                reason: FailureReason::Stopped.as_str().to_owned(),
            })
        })
    }
}

//! The writer as others see it: how it is set up, stopped and drained.

use std::{sync::Arc, time::Duration};

use bson::oid::ObjectId;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::Instant,
};

use super::{
    MessageStore,
    group_commit::{GroupCommit, Stop, later},
    journal::Journal,
    queue::{Counters, Ticket},
};
use crate::message::Kind;

/// How the queue and the writer work. The defaults suit MongoDB beside the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterConfig {
    /// Messages without an outcome that the queue takes; one more is refused with
    /// [`super::queue::QueueFull`].
    pub capacity: usize,
    /// Bytes of these messages; beyond it the queue refuses as well. One message alone it always takes.
    pub capacity_bytes: usize,
    /// Messages in one batch at most; 0 counts as 1.
    pub batch_max: usize,
    /// How long the first message of a batch waits for others. With zero, a batch goes as soon as a
    /// slot is free, and grows by what comes while all slots are taken.
    pub batch_wait: Duration,
    /// Batches in flight at most (slots); 0 counts as 1. `None`: [`MessageStore::concurrency`].
    pub max_in_flight: Option<usize>,
    /// From queueing to the latest outcome.
    pub deadline: Duration,
    /// When an attempt without an answer is given up and another may begin under the same `_id`.
    pub attempt_timeout: Duration,
    /// The wait before the second attempt; it doubles with each further one.
    pub backoff_min: Duration,
    /// The longest wait between two attempts.
    pub backoff_max: Duration,
}

impl Default for WriterConfig {
    fn default() -> Self {
        Self {
            capacity: 32_768,
            capacity_bytes: 256 << 20,
            batch_max: 500,
            batch_wait: Duration::ZERO,
            max_in_flight: None,
            deadline: Duration::from_secs(10),
            attempt_timeout: Duration::from_secs(5),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(1),
        }
    }
}

/// What became of the messages that had no outcome when the writer was told to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainReport {
    /// Saved since, or found to be saved already.
    pub saved: u64,
    /// Failed since.
    pub failed: u64,
    /// Told as failed, and nobody knows whether they are in the store: it did not answer in time.
    pub unsettled: Vec<(Kind, ObjectId)>,
    /// How long it took.
    pub took: Duration,
    /// What stopped the writer before it was told to, if anything did. All messages have their
    /// outcome even so.
    pub died: Option<String>,
}

/// The running writer. Dropping it leaves the writer at work until the queue is gone and every
/// message has its end.
#[derive(Debug)]
pub struct Writer {
    stop: oneshot::Sender<Stop>,
    task: JoinHandle<Vec<(Kind, ObjectId)>>,
    counters: Arc<Counters>,
}

impl Writer {
    pub(super) fn spawn(
        store: Arc<dyn MessageStore>,
        config: WriterConfig,
        inbox: mpsc::UnboundedReceiver<Ticket>,
        counters: Arc<Counters>,
        journal: Option<Journal>,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(
            GroupCommit::new(store, config, counters.clone(), journal).run(inbox, stopped),
        );
        Self {
            stop,
            task,
            counters,
        }
    }

    /// Stops taking messages, gives every one that was taken its outcome, and settles what is
    /// unknown; returns then, at the latest after `within`.
    ///
    /// The last quarter of the time is for settling: what is not saved by then has failed. Only a process that stood
    /// still until after its end takes longer: until the journal has what failed, and 2 s at most.
    pub async fn drain(self, within: Duration) -> DrainReport {
        let before = self.counters.snapshot();
        let began = Instant::now();
        let stop = Stop {
            cut: later(began, within.mul_f64(0.75)),
            end: later(began, within),
        };
        // A writer that has ended by itself has nothing left to drain.
        let _ended = self.stop.send(stop);
        let (unsettled, died) = match self.task.await {
            Ok(unsettled) => (unsettled, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let after = self.counters.snapshot();
        DrainReport {
            saved: (after.saved + after.already_saved) - (before.saved + before.already_saved),
            failed: after.failed_total() - before.failed_total(),
            unsettled,
            took: began.elapsed(),
            died,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::{
        message::{Conversation, Message},
        store::{
            Origin, SaveOutcome,
            faulty::{Fault, Faults, FaultyStore},
            journal::desk,
            memory::{MemoryConfig, MemoryStore},
            queue::{FailureReason, SaveQueue},
        },
    };

    fn message() -> Arc<Message> {
        Arc::new(Message {
            id: ObjectId::new(),
            conversation: Conversation {
                kind: Kind::Room,
                id: "r".to_owned(),
            },
            workspace_id: None,
            sender_id: "u".to_owned(),
            body: "x".to_owned(),
            image: None,
            image_key: None,
            client_msg_id: None,
            created_at: bson::DateTime::now(),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_at_the_very_end_is_told_when_the_journal_has_it() {
        let faults = Arc::new(Faults::default());
        faults.impose("frozen".to_owned(), Fault::Frozen, 1.0);
        let store = FaultyStore::new(Arc::new(MemoryStore::new(MemoryConfig::default())), faults);
        let origin = Origin {
            session: "s".to_owned(),
            place: "p".to_owned(),
        };
        let (journal, mut desk) = desk::journal(origin, &[]);
        let config = WriterConfig::default();
        let (queue, writer) = SaveQueue::start_with(Arc::new(store), config, Some(journal));
        let message = message();
        let mut pending = queue.try_save(message.clone()).unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;

        let drain = tokio::spawn(writer.drain(Duration::ZERO));
        let (noted, _) = desk.next().await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!((&mut pending).now_or_never().is_none());
        assert!(!drain.is_finished());

        desk.written(noted.iter().map(|note| note.id).collect(), true);
        let stopped = FailureReason::Stopped.as_str().to_owned();
        assert_eq!(pending.await, SaveOutcome::Failed { reason: stopped });
        let report = drain.await.unwrap();
        assert_eq!(report.unsettled, [(Kind::Room, message.id)]);
        assert_eq!(queue.stats().unjournaled, 0);
    }
}

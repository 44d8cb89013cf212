//! What saving costs the server apart from the database: queueing, batching, outcomes, and making
//! documents.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bson::{DateTime, oid::ObjectId};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use server::{
    message::{Conversation, Kind, Message},
    store::{
        InsertError, MessageStore, SaveOutcome, StoreError, StoreInfo, document,
        queue::{PendingSave, SaveQueue},
        writer::WriterConfig,
    },
};
use tokio::runtime::Runtime;

/// Messages in one measured run of the writer.
const RUN: usize = 10_000;

/// A database that takes no time and keeps nothing, so that what is measured is ours.
struct NoStore;

#[async_trait]
impl MessageStore for NoStore {
    fn info(&self) -> StoreInfo {
        StoreInfo {
            name: String::new(),
            detail: String::new(),
            durability: String::new(),
        }
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn concurrency(&self) -> usize {
        4
    }

    async fn insert_many(&self, batch: &[Arc<Message>]) -> Vec<Result<(), InsertError>> {
        vec![Ok(()); batch.len()]
    }

    async fn get(&self, _kind: Kind, _id: ObjectId) -> Result<Option<Message>, StoreError> {
        Ok(None)
    }

    async fn fence(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn keep(&self, _kind: Kind, ids: &[ObjectId]) -> Result<Vec<ObjectId>, StoreError> {
        Ok(ids.to_vec())
    }

    async fn delete_many(&self, _kind: Kind, _ids: &[ObjectId]) -> Result<u64, StoreError> {
        Ok(0)
    }
}

fn message() -> Arc<Message> {
    Arc::new(Message {
        id: ObjectId::new(),
        conversation: Conversation {
            kind: Kind::Room,
            id: "507f1f77bcf86cd799439011".to_owned(),
        },
        workspace_id: None,
        sender_id: "507f1f77bcf86cd799439012".to_owned(),
        body: "x".repeat(100),
        image: None,
        image_key: None,
        client_msg_id: Some("0123456789".to_owned()),
        created_at: DateTime::now(),
    })
}

fn messages() -> Vec<Arc<Message>> {
    (0..RUN).map(|_| message()).collect()
}

/// The whole way of a message, from queueing to its outcome, by the size of the batches.
fn save(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("queue/save");
    group
        .throughput(Throughput::Elements(RUN as u64))
        .sample_size(20);
    for batch_max in [1, 50, 500] {
        let (queue, _writer) = {
            let _inside = runtime.enter();
            let config = WriterConfig {
                batch_max,
                ..WriterConfig::default()
            };
            SaveQueue::start(Arc::new(NoStore), config)
        };
        group.bench_function(BenchmarkId::new("batch", batch_max), |bencher| {
            let run = |messages| runtime.block_on(save_all(&queue, messages));
            bencher.iter_batched(messages, run, BatchSize::LargeInput);
        });
        assert_eq!(queue.stats().failed_total(), 0, "a bench of failures");
    }
    group.finish();
}

async fn save_all(queue: &SaveQueue, messages: Vec<Arc<Message>>) {
    let pending: Vec<PendingSave> = messages
        .into_iter()
        .filter_map(|message| queue.try_save(message).ok())
        .collect();
    assert_eq!(pending.len(), RUN, "the queue was full");
    for save in pending {
        let outcome = save.await;
        assert!(matches!(outcome, SaveOutcome::Saved { .. }), "{outcome:?}");
    }
}

/// What the delivery path pays: one message into the queue, the writer being idle.
fn try_save(criterion: &mut Criterion) {
    let runtime = runtime();
    let (queue, _writer) = {
        let _inside = runtime.enter();
        SaveQueue::start(Arc::new(NoStore), WriterConfig::default())
    };
    criterion.bench_function("queue/try_save", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut took = Duration::ZERO;
            let mut left = iterations;
            while left > 0 {
                let count = left.min(RUN as u64);
                left -= count;
                let messages: Vec<_> = (0..count).map(|_| message()).collect();
                let mut pending = Vec::with_capacity(messages.len());
                let began = Instant::now();
                pending.extend(
                    messages
                        .into_iter()
                        .map(|message| black_box(queue.try_save(message))),
                );
                took += began.elapsed();
                // The runtime has one thread, this one, so that the writer works only now and not
                // while measuring.
                let pending: Vec<PendingSave> = pending.into_iter().flatten().collect();
                assert_eq!(pending.len() as u64, count, "the queue was full");
                runtime.block_on(futures::future::join_all(pending));
            }
            took
        });
    });
}

fn to_document(criterion: &mut Criterion) {
    let message = message();
    criterion.bench_function("queue/to_document", |bencher| {
        bencher.iter(|| document::to_document(black_box(&message)));
    });
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime for the bench")
}

criterion_group!(benches, save, try_save, to_document);
criterion_main!(benches);

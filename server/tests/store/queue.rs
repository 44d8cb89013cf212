//! The save queue and the writer on a store that does what it is asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use server::{
    message::{Kind, Message},
    store::{
        SaveOutcome,
        memory::{DurationRange, MemoryConfig, MemoryStore},
        queue::{PendingSave, QueueFull, SaveQueue},
        writer::WriterConfig,
    },
};

use crate::messages::{message, room_message, with_client_msg_id};

const MINUTE: Duration = Duration::from_secs(60);

fn memory(save_ms: u64) -> Arc<MemoryStore> {
    let save_time = Duration::from_millis(save_ms);
    let save_time = DurationRange::new(save_time, save_time);
    Arc::new(MemoryStore::new(MemoryConfig {
        save_time,
        ..MemoryConfig::instant()
    }))
}

async fn all(pending: Vec<PendingSave>) -> Vec<SaveOutcome> {
    futures::future::join_all(pending).await
}

fn is_saved(outcome: &SaveOutcome) -> bool {
    matches!(outcome, SaveOutcome::Saved { .. })
}

#[tokio::test(start_paused = true)]
async fn saves_everything_and_says_how_long_it_took() {
    let store = memory(100);
    let (queue, writer) = SaveQueue::start(store.clone(), WriterConfig::default());
    let pending: Vec<_> = (0..1_000)
        .map(|_| queue.try_save(room_message()).unwrap())
        .collect();
    assert_eq!(queue.depth(), 1_000);
    for outcome in all(pending).await {
        // Two batches of 500 at once, each 100 ms on tokio's millisecond timer.
        let SaveOutcome::Saved { took } = outcome else {
            panic!("{outcome:?}")
        };
        assert!(
            (100..=102).contains(&took.as_millis()),
            "took {took:?} of virtual time"
        );
    }
    assert_eq!((queue.depth(), store.len()), (0, 1_000));
    let stats = queue.stats();
    assert_eq!((stats.queued, stats.saved), (1_000, 1_000));
    assert_eq!((stats.batches, stats.batched), (2, 1_000));
    let report = writer.drain(MINUTE).await;
    assert_eq!(
        (report.saved, report.failed, report.died),
        (0, 0, None),
        "nothing was left to drain"
    );
}

#[tokio::test(start_paused = true)]
async fn refuses_more_than_its_capacity_and_takes_again_when_there_is_room() {
    let config = WriterConfig {
        capacity: 10,
        ..WriterConfig::default()
    };
    let (queue, _writer) = SaveQueue::start(memory(100), config);
    let pending: Vec<_> = (0..10)
        .map(|_| queue.try_save(room_message()).unwrap())
        .collect();
    assert!(matches!(queue.try_save(room_message()), Err(QueueFull)));
    // What is in flight counts too: nothing is forgotten on the way to the store.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(matches!(queue.try_save(room_message()), Err(QueueFull)));
    assert!(all(pending).await.iter().all(is_saved));
    assert!(is_saved(&queue.try_save(room_message()).unwrap().await));
    assert_eq!((queue.stats().queued, queue.stats().refused), (11, 2));
}

#[tokio::test(start_paused = true)]
async fn refuses_more_bytes_than_it_may_hold_and_takes_again_when_there_is_room() {
    let large = || {
        Arc::new(Message {
            body: "x".repeat(40_000),
            image: Some("y".repeat(40_000)),
            ..message(Kind::Room, "alice")
        })
    };
    let config = WriterConfig {
        capacity_bytes: 200_000,
        ..WriterConfig::default()
    };
    let (queue, _writer) = SaveQueue::start(memory(100), config);
    let pending: Vec<_> = (0..2).map(|_| queue.try_save(large()).unwrap()).collect();
    assert!((160_000..165_000).contains(&queue.stats().bytes));
    assert!(matches!(queue.try_save(large()), Err(QueueFull)));
    assert_eq!(queue.depth(), 2, "the refused one is not counted");
    let small = queue.try_save(room_message()).unwrap();
    assert!(all(pending).await.iter().all(is_saved));
    assert!(is_saved(&small.await));
    assert_eq!((queue.depth(), queue.stats().bytes), (0, 0));
    assert!(is_saved(&queue.try_save(large()).unwrap().await));
    assert_eq!((queue.stats().queued, queue.stats().refused), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_the_queue_is_taken_alone() {
    let config = WriterConfig {
        capacity_bytes: 1,
        ..WriterConfig::default()
    };
    let (queue, _writer) = SaveQueue::start(memory(100), config);
    let alone = queue.try_save(room_message()).unwrap();
    assert!(matches!(queue.try_save(room_message()), Err(QueueFull)));
    assert!(is_saved(&alone.await));
}

#[tokio::test(start_paused = true)]
async fn a_batch_waits_for_company_as_long_as_it_is_told() {
    let config = WriterConfig {
        batch_wait: Duration::from_millis(20),
        batch_max: 3,
        ..WriterConfig::default()
    };
    let (queue, _writer) = SaveQueue::start(memory(0), config);
    let first = queue.try_save(room_message()).unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let second = queue.try_save(room_message()).unwrap();
    assert!(all(vec![first, second]).await.iter().all(is_saved));
    assert_eq!(queue.stats().batches, 1, "both went together after 20 ms");

    let began = tokio::time::Instant::now();
    let full: Vec<_> = (0..3)
        .map(|_| queue.try_save(room_message()).unwrap())
        .collect();
    assert!(all(full).await.iter().all(is_saved));
    assert!(
        began.elapsed() < Duration::from_millis(5),
        "a full batch of virtual time waits for nobody"
    );
    assert_eq!(queue.stats().batches, 2);
}

#[tokio::test(start_paused = true)]
async fn others_run_while_a_large_batch_gets_its_outcomes() {
    let (queue, _writer) = SaveQueue::start(memory(0), WriterConfig::default());
    let turns = Arc::new(AtomicUsize::new(0));
    let confirming: Vec<_> = (0..500)
        .map(|_| {
            let (save, turns) = (queue.try_save(room_message()).unwrap(), turns.clone());
            tokio::spawn(async move {
                assert!(is_saved(&save.await));
                turns.load(Relaxed)
            })
        })
        .collect();
    // Somebody whose message has come in takes its turn again and again.
    let others = tokio::spawn({
        let turns = turns.clone();
        async move {
            loop {
                turns.fetch_add(1, Relaxed);
                tokio::task::yield_now().await;
            }
        }
    });
    let mut told = Vec::new();
    for save in confirming {
        told.push(save.await.unwrap());
    }
    others.abort();
    assert_eq!(queue.stats().batches, 1);
    told.dedup();
    assert!(
        told.len() > 10,
        "outcomes between two turns of others: {told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn no_more_batches_in_flight_than_slots() {
    let config = WriterConfig {
        max_in_flight: Some(2),
        batch_max: 10,
        ..WriterConfig::default()
    };
    let (queue, _writer) = SaveQueue::start(memory(100), config);
    let began = tokio::time::Instant::now();
    let pending: Vec<_> = (0..40)
        .map(|_| queue.try_save(room_message()).unwrap())
        .collect();
    assert!(all(pending).await.iter().all(is_saved));
    assert_eq!(queue.stats().batches, 4);
    assert!(
        began.elapsed() >= Duration::from_millis(200),
        "four batches by two slots are two rounds"
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_client_message_id_is_saved_once_and_named() {
    let store = memory(10);
    let (queue, _writer) = SaveQueue::start(store.clone(), WriterConfig::default());
    let first = with_client_msg_id(Kind::Room, "alice", "m1");
    let again = with_client_msg_id(Kind::Room, "alice", "m1");
    // Both in one batch: the second must not be answered before the first has its outcome.
    let outcomes = all(vec![
        queue.try_save(first.clone()).unwrap(),
        queue.try_save(again).unwrap(),
    ])
    .await;
    assert!(is_saved(&outcomes[0]), "{outcomes:?}");
    assert_eq!(
        outcomes[1],
        SaveOutcome::AlreadySaved(Box::new((*first).clone()))
    );
    let other = queue
        .try_save(with_client_msg_id(Kind::Room, "bob", "m1"))
        .unwrap();
    assert!(
        is_saved(&other.await),
        "another sender's m1 is another message"
    );
    assert_eq!(store.len(), 2);
    assert_eq!(queue.stats().already_saved, 1);
}

#[tokio::test(start_paused = true)]
async fn draining_saves_what_was_queued_and_takes_nothing_more() {
    let store = memory(200);
    let config = WriterConfig {
        batch_wait: MINUTE,
        deadline: 2 * MINUTE,
        ..WriterConfig::default()
    };
    let (queue, writer) = SaveQueue::start(store.clone(), config);
    let pending: Vec<_> = (0..7)
        .map(|_| queue.try_save(room_message()).unwrap())
        .collect();
    let report = writer.drain(MINUTE).await;
    assert_eq!((report.saved, report.failed), (7, 0));
    assert!(report.unsettled.is_empty());
    assert!(report.took < MINUTE, "a drain does not wait for company");
    assert!(all(pending).await.iter().all(is_saved));

    let late = queue.try_save(room_message()).unwrap().await;
    assert!(matches!(late, SaveOutcome::Failed { .. }), "{late:?}");
    assert_eq!((store.len(), queue.depth()), (7, 0));
}

#[tokio::test(start_paused = true)]
async fn a_writer_whose_handle_is_gone_goes_on() {
    let (queue, writer) = SaveQueue::start(memory(50), WriterConfig::default());
    drop(writer);
    let pending = queue.try_save(room_message()).unwrap();
    drop(queue);
    assert!(is_saved(&pending.await));
}

#[test]
fn a_runtime_that_ends_under_the_writer_fails_what_is_left() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (queue, _writer) =
        runtime.block_on(async { SaveQueue::start(memory(60_000), WriterConfig::default()) });
    let pending = queue.try_save(room_message()).unwrap();
    runtime.shutdown_background();
    let outcome = futures::executor::block_on(pending);
    assert!(matches!(outcome, SaveOutcome::Failed { .. }), "{outcome:?}");
    assert_eq!(queue.depth(), 0);
}

//! How the writer ends: every message has its outcome in the time that there is. Virtual time throughout.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use server::store::{
    queue::{FailureReason, SaveQueue},
    writer::WriterConfig,
};

use crate::{
    faults::{assert_failed, ms, s, start},
    messages::room_message,
    scripted::{Attempt, Fate, ScriptedStore},
};

#[tokio::test(start_paused = true)]
async fn a_drain_with_the_store_down_ends_in_time_with_every_outcome() {
    let store = ScriptedStore::always(Attempt::silent(Some(s(3))));
    store.failing_fences.store(u32::MAX, SeqCst);
    let config = WriterConfig {
        batch_max: 2,
        max_in_flight: Some(2),
        ..WriterConfig::default()
    };
    let (queue, writer) = SaveQueue::start(store.clone(), config);
    let messages: Vec<_> = (0..10).map(|_| room_message()).collect();
    let pending: Vec<_> = messages
        .iter()
        .map(|message| queue.try_save(message.clone()).unwrap())
        .collect();
    tokio::time::sleep(ms(10)).await;
    let report = writer.drain(s(4)).await;
    assert!(report.took <= s(4) + ms(5), "{report:?}");
    for outcome in futures::future::join_all(pending).await {
        assert_failed(&outcome, FailureReason::Stopped);
    }
    assert_eq!((report.saved, report.failed), (0, 10));
    // Exactly those in flight are unknown; the report names them, for they may be in the store.
    let mut unsettled: Vec<_> = report.unsettled.iter().map(|(_, id)| *id).collect();
    unsettled.sort_unstable();
    assert_eq!(
        unsettled,
        messages[..4]
            .iter()
            .map(|message| message.id)
            .collect::<Vec<_>>()
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_settles_what_was_given_up() {
    // The last quarter of the time is for settling: cut at three quarters, over at four.
    for (within, lands, is_settled) in [(s(10), s(8), true), (s(8), s(9), false)] {
        let store = ScriptedStore::always(Attempt::silent(Some(lands)));
        let config = WriterConfig {
            attempt_timeout: s(60),
            ..WriterConfig::default()
        };
        let (queue, writer) = SaveQueue::start(store.clone(), config);
        let message = room_message();
        let pending = queue.try_save(message.clone()).unwrap();
        tokio::time::sleep(ms(10)).await;
        let report = writer.drain(within).await;
        assert_failed(&pending.await, FailureReason::Stopped);
        assert!(report.took <= within + ms(5), "{report:?}");
        assert_eq!(report.unsettled.is_empty(), is_settled, "{report:?}");
        tokio::time::sleep(s(60)).await;
        assert_eq!(store.holds(&message), !is_settled);
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_without_any_time_still_ends_everything() {
    let store = ScriptedStore::always(Attempt::silent(None));
    let (queue, writer) = start(&store);
    let pending: Vec<_> = (0..5)
        .map(|_| queue.try_save(room_message()).unwrap())
        .collect();
    let report = writer.drain(Duration::ZERO).await;
    for outcome in futures::future::join_all(pending).await {
        assert_failed(&outcome, FailureReason::Stopped);
    }
    assert_eq!((report.failed, queue.depth()), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn durations_beyond_all_measure_are_no_trouble() {
    let config = WriterConfig {
        deadline: Duration::MAX,
        attempt_timeout: Duration::MAX,
        batch_wait: Duration::MAX,
        backoff_min: Duration::MAX,
        backoff_max: Duration::MAX,
        batch_max: 2,
        ..WriterConfig::default()
    };
    let store = ScriptedStore::new([Attempt::at_once([Fate::Stored, Fate::Unavailable])]);
    let (queue, writer) = SaveQueue::start(store, config);
    let pending: Vec<_> = (0..2)
        .map(|_| queue.try_save(room_message()).unwrap())
        .collect();
    tokio::time::sleep(s(1)).await;
    let alone = queue.try_save(room_message()).unwrap();
    drop((alone, pending));
    let report = tokio::time::timeout(s(1), writer.drain(Duration::MAX)).await;
    assert!(
        report.is_err(),
        "one has no attempt for thirty years: {report:?}"
    );
    assert_eq!((queue.stats().saved, queue.depth()), (2, 1));
}

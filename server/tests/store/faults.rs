//! What becomes of messages when the store is down, slow, silent, partly broken, or panics. Virtual
//! time throughout.

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use server::{
    message::{Kind, Message},
    store::{
        MessageStore, SaveOutcome,
        queue::{FailureReason, QueueFull, SaveQueue},
        writer::{Writer, WriterConfig},
    },
};
use tokio::time::Instant;

use crate::{
    messages::{room_message, with_client_msg_id},
    scripted::{Attempt, Fate, ScriptedStore},
};

const LOST: Fate = Fate::Unknown { lands: None };

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn s(s: u64) -> Duration {
    Duration::from_secs(s)
}

pub fn start(store: &Arc<ScriptedStore>) -> (SaveQueue, Writer) {
    SaveQueue::start(store.clone(), WriterConfig::default())
}

async fn save(queue: &SaveQueue, message: &Arc<Message>) -> SaveOutcome {
    queue.try_save(message.clone()).unwrap().await
}

/// Waits, in virtual time, until nothing is left to settle.
async fn settled(queue: &SaveQueue) {
    let began = Instant::now();
    // An outcome is told before its message is handed over for settling.
    tokio::time::sleep(ms(1)).await;
    while queue.stats().unsettled > 0 {
        assert!(began.elapsed() < s(600), "not settled: {:?}", queue.stats());
        tokio::time::sleep(ms(10)).await;
    }
}

#[track_caller]
fn assert_saved(outcome: &SaveOutcome) {
    assert!(matches!(outcome, SaveOutcome::Saved { .. }), "{outcome:?}");
}

#[track_caller]
pub fn assert_failed(outcome: &SaveOutcome, expected: FailureReason) {
    let reason = expected.as_str().to_owned();
    assert_eq!(*outcome, SaveOutcome::Failed { reason });
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_tried_until_the_deadline() {
    let store = ScriptedStore::always(Attempt::after(ms(100), Fate::Unavailable));
    let (queue, _writer) = start(&store);
    let began = Instant::now();
    assert_failed(
        &save(&queue, &room_message()).await,
        FailureReason::Unavailable,
    );
    assert!(
        (s(10)..s(10) + ms(5)).contains(&began.elapsed()),
        "after {:?}",
        began.elapsed()
    );
    let stats = queue.stats();
    // 50, 100, 200, 400, 800 ms, then one second each.
    assert!((10..=15).contains(&stats.retries), "{stats:?}");
    assert_eq!(
        (stats.unsettled, stats.settled),
        (0, 0),
        "there is nothing to settle"
    );
    assert_eq!(stats.failed[FailureReason::Unavailable as usize], 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_comes_back_in_time_saves_under_the_same_id() {
    let store = ScriptedStore::always(Attempt::after(s(2), Fate::Unavailable));
    let (queue, _writer) = start(&store);
    let messages: Vec<_> = (0..50).map(|_| room_message()).collect();
    let pending: Vec<_> = messages
        .iter()
        .map(|message| queue.try_save(message.clone()).unwrap())
        .collect();
    tokio::time::sleep(s(3)).await;
    store.then_always(None);
    for outcome in futures::future::join_all(pending).await {
        assert_saved(&outcome);
    }
    assert!(messages.iter().all(|message| store.holds(message)));
    assert_eq!(store.documents.len(), 50);
}

#[tokio::test(start_paused = true)]
async fn messages_that_never_got_a_slot_end_at_their_deadline_too() {
    let store = ScriptedStore::always(Attempt::silent(None));
    let config = WriterConfig {
        max_in_flight: Some(1),
        batch_max: 1,
        ..WriterConfig::default()
    };
    let (queue, _writer) = SaveQueue::start(store.clone(), config);
    let began = Instant::now();
    let pending: Vec<_> = (0..100)
        .map(|_| queue.try_save(room_message()).unwrap())
        .collect();
    let outcomes = futures::future::join_all(pending).await;
    assert!(began.elapsed() < s(10) + ms(5));
    assert_failed(&outcomes[0], FailureReason::Unknown);
    assert_failed(&outcomes[99], FailureReason::Unavailable);
    assert_eq!(queue.depth(), 0, "and the queue takes new ones");
    store.then_always(None);
    assert_saved(&save(&queue, &room_message()).await);
}

#[tokio::test(start_paused = true)]
async fn silence_is_unknown_and_settled() {
    let store = ScriptedStore::always(Attempt::silent(None));
    let (queue, _writer) = start(&store);
    let began = Instant::now();
    assert_failed(&save(&queue, &room_message()).await, FailureReason::Unknown);
    assert!((s(10)..s(10) + ms(5)).contains(&began.elapsed()));
    settled(&queue).await;
    let stats = queue.stats();
    assert_eq!(
        (stats.retries, stats.settled, stats.settled_deleted),
        (1, 1, 0),
        "given up after 5 s"
    );
}

#[tokio::test(start_paused = true)]
async fn an_insert_that_lands_after_failed_was_told_is_removed() {
    let store = ScriptedStore::always(Attempt::silent(Some(s(30))));
    let (queue, _writer) = start(&store);
    let message = room_message();
    assert_failed(&save(&queue, &message).await, FailureReason::Unknown);
    tokio::time::sleep(s(19)).await;
    assert_eq!(
        queue.stats().unsettled,
        1,
        "it may still come, so it is not settled"
    );
    settled(&queue).await;
    tokio::time::sleep(s(100)).await;
    assert!(!store.holds(&message));
    assert_eq!(queue.stats().settled_deleted, 1);
}

#[tokio::test(start_paused = true)]
async fn a_fence_that_proves_nothing_would_be_noticed() {
    let store = ScriptedStore::always(Attempt::silent(Some(s(30))));
    store.fence_lies.store(true, SeqCst);
    let (queue, _writer) = start(&store);
    let message = room_message();
    assert_failed(&save(&queue, &message).await, FailureReason::Unknown);
    settled(&queue).await;
    tokio::time::sleep(s(100)).await;
    assert!(
        store.holds(&message),
        "the tests above could not tell a fence from none"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_got_lost_is_found_by_trying_again() {
    let store = ScriptedStore::new([Attempt::after(
        ms(20),
        Fate::Unknown {
            lands: Some(ms(10)),
        },
    )]);
    let (queue, _writer) = start(&store);
    let message = room_message();
    assert_saved(&save(&queue, &message).await);
    assert!(store.holds(&message));
    assert_eq!((queue.stats().retries, queue.stats().unsettled), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_late_landing_of_what_was_saved_meanwhile_changes_nothing() {
    let store = ScriptedStore::new([Attempt::after(ms(20), Fate::Unknown { lands: Some(s(20)) })]);
    let (queue, _writer) = start(&store);
    let message = room_message();
    assert_saved(&save(&queue, &message).await);
    tokio::time::sleep(s(60)).await;
    assert!(store.holds(&message));
    assert_eq!(store.documents.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_the_store_refuses_fails_at_once_and_alone() {
    let store = ScriptedStore::new([Attempt::at_once([
        Fate::Stored,
        Fate::Rejected,
        Fate::Stored,
    ])]);
    let (queue, _writer) = start(&store);
    let began = Instant::now();
    let pending: Vec<_> = (0..3)
        .map(|_| queue.try_save(room_message()).unwrap())
        .collect();
    let outcomes = futures::future::join_all(pending).await;
    assert!(began.elapsed() < ms(10));
    assert_saved(&outcomes[0]);
    assert_failed(&outcomes[1], FailureReason::Rejected);
    assert_saved(&outcomes[2]);
    assert_eq!(queue.stats().failed, [0, 0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_does_not_undo_an_earlier_attempt_that_may_have_landed() {
    let late = Fate::Unknown { lands: Some(s(3)) };
    let store = ScriptedStore::new([Attempt::at_once([late]), Attempt::at_once([Fate::Rejected])]);
    let (queue, _writer) = start(&store);
    let message = room_message();
    assert_failed(&save(&queue, &message).await, FailureReason::Rejected);
    settled(&queue).await;
    tokio::time::sleep(s(10)).await;
    assert!(!store.holds(&message));
    assert_eq!(queue.stats().settled_deleted, 1);
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_only_what_is_missing_is_tried_again() {
    let store = ScriptedStore::new([Attempt::at_once([Fate::Stored, Fate::Unavailable, LOST])]);
    let (queue, _writer) = start(&store);
    let pending: Vec<_> = (0..30)
        .map(|_| queue.try_save(room_message()).unwrap())
        .collect();
    for outcome in futures::future::join_all(pending).await {
        assert_saved(&outcome);
    }
    let stats = queue.stats();
    assert_eq!((stats.batches, stats.batched, stats.retries), (2, 50, 20));
    assert_eq!(store.documents.len(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_store_is_an_unknown_outcome() {
    let store = ScriptedStore::new([Attempt::panicking(Some(ms(5))), Attempt::panicking(None)]);
    let (queue, _writer) = start(&store);
    assert_saved(&save(&queue, &room_message()).await);

    store.then_always(Some(Attempt::panicking(Some(s(12)))));
    store.panicking_fences.store(2, SeqCst);
    let message = room_message();
    assert_failed(&save(&queue, &message).await, FailureReason::Unknown);
    settled(&queue).await;
    assert!(!store.holds(&message));
    store.then_always(None);
    assert_saved(&save(&queue, &room_message()).await);
}

#[tokio::test(start_paused = true)]
async fn a_message_without_a_result_was_not_answered() {
    let short = Attempt {
        short_by: 2,
        ..Attempt::at_once([Fate::Stored])
    };
    let store = ScriptedStore::new([short]);
    let (queue, _writer) = start(&store);
    let pending: Vec<_> = (0..5)
        .map(|_| queue.try_save(room_message()).unwrap())
        .collect();
    for outcome in futures::future::join_all(pending).await {
        assert_saved(&outcome);
    }
    assert_eq!((queue.stats().retries, store.documents.len()), (2, 5));
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_is_waited_for_until_the_deadline_and_no_longer() {
    let config = WriterConfig {
        attempt_timeout: s(60),
        ..WriterConfig::default()
    };
    let store = ScriptedStore::new([Attempt::after(s(9), Fate::Stored)]);
    let (queue, _writer) = SaveQueue::start(store.clone(), config);
    assert_saved(&save(&queue, &room_message()).await);

    // Two in one flight, the second queued later: each has its own deadline, and the flight goes on
    // for the second.
    let slow = Attempt::after(ms(10_500), Fate::Stored);
    let store = ScriptedStore::new([slow]);
    let config = WriterConfig {
        attempt_timeout: s(60),
        batch_wait: s(1),
        ..WriterConfig::default()
    };
    let (queue, _writer) = SaveQueue::start(store.clone(), config);
    let (early, late) = (room_message(), room_message());
    let began = Instant::now();
    let first = queue.try_save(early.clone()).unwrap();
    tokio::time::sleep(ms(900)).await;
    let second = queue.try_save(late.clone()).unwrap();
    assert_failed(&first.await, FailureReason::Unknown);
    assert!(began.elapsed() < s(10) + ms(5));
    assert_failed(&second.await, FailureReason::Unknown);
    settled(&queue).await;
    assert!(!store.holds(&early) && !store.holds(&late));
}

#[tokio::test(start_paused = true)]
async fn what_was_stored_for_one_after_its_deadline_and_for_another_in_time() {
    let store = ScriptedStore::new([Attempt::after(ms(9_500), Fate::Stored)]);
    let config = WriterConfig {
        attempt_timeout: s(60),
        batch_wait: s(1),
        ..WriterConfig::default()
    };
    let (queue, _writer) = SaveQueue::start(store.clone(), config);
    let (early, late) = (room_message(), room_message());
    let first = queue.try_save(early.clone()).unwrap();
    tokio::time::sleep(ms(900)).await;
    let second = queue.try_save(late.clone()).unwrap();
    assert_failed(&first.await, FailureReason::Unknown);
    assert_saved(&second.await);
    settled(&queue).await;
    assert!(!store.holds(&early), "told as failed, so it goes");
    assert!(store.holds(&late));
    assert_eq!(queue.stats().settled_deleted, 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_until_outcomes_make_room() {
    let store = ScriptedStore::always(Attempt::after(ms(100), Fate::Unavailable));
    let config = WriterConfig {
        capacity: 20,
        batch_max: 5,
        ..WriterConfig::default()
    };
    let (queue, _writer) = SaveQueue::start(store.clone(), config);
    let pending: Vec<_> = (0..20)
        .map(|_| queue.try_save(room_message()).unwrap())
        .collect();
    for _ in 0..9 {
        assert!(matches!(queue.try_save(room_message()), Err(QueueFull)));
        tokio::time::sleep(s(1)).await;
    }
    for outcome in futures::future::join_all(pending).await {
        assert_failed(&outcome, FailureReason::Unavailable);
    }
    store.then_always(None);
    assert_saved(&save(&queue, &room_message()).await);
    assert_eq!(queue.stats().refused, 9);
}

#[tokio::test(start_paused = true)]
async fn settling_goes_on_until_it_succeeds() {
    let store = ScriptedStore::always(Attempt::silent(Some(s(5))));
    store.failing_fences.store(4, SeqCst);
    store.failing_deletes.store(3, SeqCst);
    let (queue, _writer) = start(&store);
    let messages: Vec<_> = (0..10)
        .map(|i| with_client_msg_id([Kind::Room, Kind::Channel][i % 2], "a", &i.to_string()))
        .collect();
    let pending: Vec<_> = messages
        .iter()
        .map(|message| queue.try_save(message.clone()).unwrap())
        .collect();
    for outcome in futures::future::join_all(pending).await {
        assert_failed(&outcome, FailureReason::Unknown);
    }
    assert_eq!(store.documents.len(), 10, "they landed after 5 s");
    settled(&queue).await;
    assert!(store.documents.is_empty());
    let stats = queue.stats();
    assert_eq!((stats.settled, stats.settled_deleted), (10, 10));
}

#[tokio::test(start_paused = true)]
async fn who_repeats_a_message_that_is_being_removed_is_not_told_that_it_is_saved() {
    let store = ScriptedStore::always(Attempt::silent(Some(s(2))));
    store.failing_fences.store(3, SeqCst);
    let (queue, _writer) = start(&store);
    let first = with_client_msg_id(Kind::Room, "alice", "m1");
    assert_failed(&save(&queue, &first).await, FailureReason::Unknown);
    assert!(store.holds(&first), "it landed");
    store.then_always(None);
    let again = with_client_msg_id(Kind::Room, "alice", "m1");
    assert_saved(&save(&queue, &again).await);
    assert!(!store.holds(&first) && store.holds(&again));
}

#[tokio::test(start_paused = true)]
async fn who_repeats_a_message_that_is_being_saved_waits_for_it() {
    // The first lands at once, but its answer is late.
    let store = ScriptedStore::new([Attempt::after(s(2), Fate::Unknown { lands: Some(ms(1)) })]);
    let (queue, _writer) = start(&store);
    let first = with_client_msg_id(Kind::Room, "alice", "m1");
    let first_pending = queue.try_save(first.clone()).unwrap();
    tokio::time::sleep(ms(10)).await;
    let again = with_client_msg_id(Kind::Room, "alice", "m1");
    let began = Instant::now();
    let again = save(&queue, &again).await;
    assert_eq!(again, SaveOutcome::AlreadySaved(Box::new((*first).clone())));
    assert!(
        began.elapsed() > s(1),
        "it knew only when the first one was known"
    );
    assert_saved(&first_pending.await);
}

#[tokio::test(start_paused = true)]
async fn what_a_repetition_was_confirmed_by_is_deleted_by_no_other_server() {
    let store = ScriptedStore::always(Attempt::silent(Some(s(2))));
    // It takes the first server a while to settle.
    store.failing_fences.store(3, SeqCst);
    let (one, _writer) = start(&store);
    let first = with_client_msg_id(Kind::Room, "alice", "m1");
    assert_failed(&save(&one, &first).await, FailureReason::Unknown);
    assert!(store.holds(&first), "it landed");
    store.then_always(None);
    // The other one knows nothing of it; it may be the next life of the first.
    let (other, _writer) = start(&store);
    let again = with_client_msg_id(Kind::Room, "alice", "m1");
    let by_first = SaveOutcome::AlreadySaved(Box::new((*first).clone()));
    assert_eq!(save(&other, &again).await, by_first);
    assert!(one.stats().unsettled > 0, "its delete is still to come");
    settled(&one).await;
    assert!(store.holds(&first), "what was confirmed is in the store");
    assert_eq!(one.stats().settled_deleted, 0);
}

#[tokio::test(start_paused = true)]
async fn a_repetition_waits_until_the_store_keeps_what_is_there() {
    let store = ScriptedStore::new([]);
    let (queue, _writer) = start(&store);
    let first = with_client_msg_id(Kind::Channel, "alice", "m1");
    assert_saved(&save(&queue, &first).await);
    store.failing_keeps.store(5, SeqCst);
    let again = with_client_msg_id(Kind::Channel, "alice", "m1");
    let by_first = SaveOutcome::AlreadySaved(Box::new((*first).clone()));
    assert_eq!(save(&queue, &again).await, by_first);
    assert_eq!(queue.stats().retries, 5);

    // A store that never does so has stored nothing, either.
    store.failing_keeps.store(u32::MAX, SeqCst);
    let again = with_client_msg_id(Kind::Channel, "alice", "m1");
    let outcome = save(&queue, &again).await;
    assert_failed(&outcome, FailureReason::Unavailable);
    assert!(store.holds(&first) && !store.holds(&again));
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_before_it_was_kept_confirms_nothing() {
    let store = ScriptedStore::new([]);
    let (queue, _writer) = start(&store);
    let first = with_client_msg_id(Kind::Room, "alice", "m1");
    assert_saved(&save(&queue, &first).await);
    store.keeps_too_late.store(1, SeqCst);
    let again = with_client_msg_id(Kind::Room, "alice", "m1");
    assert_saved(&save(&queue, &again).await);
    assert!(!store.holds(&first) && store.holds(&again));
}

#[tokio::test(start_paused = true)]
async fn two_messages_under_one_id_are_told_apart() {
    let store = ScriptedStore::always(Attempt::after(ms(100), Fate::Stored));
    let (queue, _writer) = start(&store);
    let message = room_message();
    let first = queue.try_save(message.clone()).unwrap();
    let second = queue.try_save(message.clone()).unwrap();
    assert_failed(&second.await, FailureReason::Rejected);
    assert_saved(&first.await);
    assert_eq!(
        store.get(Kind::Room, message.id).await.unwrap().as_ref(),
        Some(&*message)
    );

    // Nor may one begin while an earlier one is still to be deleted.
    let store = ScriptedStore::always(Attempt::silent(Some(s(20))));
    let (queue, _writer) = start(&store);
    assert_failed(&save(&queue, &message).await, FailureReason::Unknown);
    tokio::time::sleep(ms(10)).await;
    assert_failed(&save(&queue, &message).await, FailureReason::Rejected);
}

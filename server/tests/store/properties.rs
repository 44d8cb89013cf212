//! For whatever the store does: every message ends exactly once, and after settling, saved means
//! stored.

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use proptest::{collection::vec, option, prelude::*};
use server::{
    message::{Kind, Message},
    store::{
        SaveOutcome,
        queue::{SaveQueue, WriterStats},
        writer::{DrainReport, WriterConfig},
    },
};

use crate::{
    messages::message,
    scripted::{Attempt, Fate, ScriptedStore},
};

/// What happens in one case.
#[derive(Debug, Clone)]
struct Case {
    config: WriterConfig,
    script: Vec<Attempt>,
    failing_fences: u32,
    panicking_fences: u32,
    failing_deletes: u32,
    sends: Vec<Send>,
    /// How long after the last send, and within what time, the writer is told to stop, if it is.
    drain: Option<(Duration, Duration)>,
}

#[derive(Debug, Clone)]
struct Send {
    pause: Duration,
    kind: Kind,
    /// Few values, so that messages are repeated.
    client_msg_id: Option<u8>,
}

fn up_to(ms: u64) -> impl Strategy<Value = Duration> {
    // Mostly short, sometimes beyond every deadline.
    prop_oneof![4 => 0..50_u64, 2 => 0..ms, 1 => Just(0)].prop_map(Duration::from_millis)
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Stored),
        2 => Just(Fate::Unavailable),
        1 => Just(Fate::Rejected),
        4 => option::of(up_to(30_000)).prop_map(|lands| Fate::Unknown { lands }),
    ]
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let answers = option::weighted(0.8, up_to(12_000));
    (
        answers,
        vec(fate(), 1..6),
        prop::bool::weighted(0.1),
        0..3_usize,
    )
        .prop_map(|(answers, fates, panics, short_by)| Attempt {
            answers,
            fates,
            panics,
            short_by,
        })
}

fn config() -> impl Strategy<Value = WriterConfig> {
    (
        1..8_usize,
        up_to(500),
        1..4_usize,
        up_to(6_000),
        5..60_usize,
    )
        .prop_map(
            |(batch_max, batch_wait, slots, attempt_timeout, capacity)| WriterConfig {
                capacity,
                batch_max,
                batch_wait,
                max_in_flight: Some(slots),
                attempt_timeout: attempt_timeout + Duration::from_millis(1),
                ..WriterConfig::default()
            },
        )
}

fn send() -> impl Strategy<Value = Send> {
    let kind = prop_oneof![Just(Kind::Room), Just(Kind::Channel)];
    (up_to(1_000), kind, option::weighted(0.3, 0..4_u8)).prop_map(|(pause, kind, client_msg_id)| {
        Send {
            pause,
            kind,
            client_msg_id,
        }
    })
}

fn case() -> impl Strategy<Value = Case> {
    let settling = (0..3_u32, 0..2_u32, 0..3_u32);
    let drain = option::of((up_to(12_000), up_to(15_000)));
    (
        config(),
        vec(attempt(), 0..30),
        settling,
        vec(send(), 1..50),
        drain,
    )
        .prop_map(
            |(
                config,
                script,
                (failing_fences, panicking_fences, failing_deletes),
                sends,
                drain,
            )| Case {
                config,
                script,
                failing_fences,
                panicking_fences,
                failing_deletes,
                sends,
                drain,
            },
        )
}

/// A message that was sent, and its outcome; `None` if the queue was full.
type Ended = (Arc<Message>, Option<SaveOutcome>);

struct Seen {
    ended: Vec<Ended>,
    stats: WriterStats,
    drained: Option<DrainReport>,
    stored: Vec<Arc<Message>>,
}

async fn play(case: Case) -> Seen {
    let store = ScriptedStore::new(case.script);
    store.failing_fences.store(case.failing_fences, SeqCst);
    store.panicking_fences.store(case.panicking_fences, SeqCst);
    store.failing_deletes.store(case.failing_deletes, SeqCst);
    let (queue, writer) = SaveQueue::start(store.clone(), case.config);
    let mut pending = Vec::new();
    for send in case.sends {
        tokio::time::sleep(send.pause).await;
        let client_msg_id = send.client_msg_id.map(|id| id.to_string());
        let message = Arc::new(Message {
            client_msg_id,
            ..message(send.kind, "alice")
        });
        pending.push((message.clone(), queue.try_save(message).ok()));
    }
    let drained = match case.drain {
        Some((after, within)) => {
            tokio::time::sleep(after).await;
            Some(writer.drain(within).await)
        }
        None => None,
    };
    let mut ended = Vec::new();
    for (message, save) in pending {
        ended.push((
            message,
            match save {
                Some(save) => Some(save.await),
                None => None,
            },
        ));
    }
    // Long enough for every late landing of the script and for all retries of settling.
    tokio::time::sleep(Duration::from_secs(300)).await;
    Seen {
        ended,
        stats: queue.stats(),
        drained,
        stored: store.documents.all(),
    }
}

fn check(seen: &Seen) -> Result<(), TestCaseError> {
    let Seen {
        ended,
        stats,
        drained,
        stored,
    } = seen;
    let is_stored = |message: &Message| stored.iter().any(|other| other.id == message.id);
    // A drain that ran out of time leaves what it names; a writer that was not stopped leaves
    // nothing.
    let unsettled: Vec<_> = drained
        .iter()
        .flat_map(|report| &report.unsettled)
        .map(|(_, id)| *id)
        .collect();
    if drained.is_none() {
        prop_assert_eq!(stats.unsettled, 0);
    }
    let (mut saved, mut already, mut failed, mut refused) = (0, 0, 0, 0);
    for (message, outcome) in ended {
        match outcome {
            None => {
                refused += 1;
                prop_assert!(!is_stored(message), "refused, yet stored: {}", message.id);
            }
            Some(SaveOutcome::Saved { took }) => {
                saved += 1;
                prop_assert!(is_stored(message), "saved, yet not stored: {}", message.id);
                prop_assert!(
                    *took <= Duration::from_millis(10_005),
                    "saved after {:?}",
                    took
                );
            }
            Some(SaveOutcome::AlreadySaved(first)) => {
                already += 1;
                prop_assert!(
                    !is_stored(message) || unsettled.contains(&message.id),
                    "a second message: {}",
                    message.id
                );
                let of_first = ended.iter().find(|(other, _)| other.id == first.id);
                let first_saved = matches!(of_first, Some((_, Some(SaveOutcome::Saved { .. }))));
                prop_assert!(
                    first_saved,
                    "{} names {}, which is {:?}",
                    message.id,
                    first.id,
                    of_first
                );
            }
            Some(SaveOutcome::Failed { .. }) => {
                failed += 1;
                prop_assert!(
                    !is_stored(message) || unsettled.contains(&message.id),
                    "failed, yet stored: {}",
                    message.id
                );
            }
        }
    }
    prop_assert_eq!((stats.depth, stats.bytes), (0, 0));
    prop_assert_eq!(
        (
            stats.saved,
            stats.already_saved,
            stats.failed_total(),
            stats.refused
        ),
        (saved, already, failed, refused)
    );
    prop_assert_eq!(stats.queued, saved + already + failed);
    if let Some(report) = drained {
        prop_assert_eq!(&report.died, &None);
    }
    Ok(())
}

fn on_virtual_time<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_ends_once_and_saved_means_stored(case in case()) {
        check(&on_virtual_time(play(case)))?;
    }
}

/// The check itself must be able to fail.
#[test]
fn the_check_notices_a_saved_message_that_is_not_stored_and_a_failed_one_that_is() {
    let good = on_virtual_time(play(Case {
        config: WriterConfig::default(),
        script: vec![Attempt::at_once([Fate::Stored, Fate::Rejected])],
        failing_fences: 0,
        panicking_fences: 0,
        failing_deletes: 0,
        sends: vec![
            Send {
                pause: Duration::ZERO,
                kind: Kind::Room,
                client_msg_id: None
            };
            2
        ],
        drain: None,
    }));
    check(&good).unwrap();
    let Seen {
        ended,
        stats,
        stored,
        ..
    } = good;
    assert!(
        check(&Seen {
            ended: ended.clone(),
            stats: stats.clone(),
            drained: None,
            stored: vec![]
        })
        .is_err()
    );
    let all = ended.iter().map(|(message, _)| message.clone()).collect();
    assert!(
        check(&Seen {
            ended: ended.clone(),
            stats: stats.clone(),
            drained: None,
            stored: all
        })
        .is_err()
    );
    let fewer = ended[..1].to_vec();
    assert!(
        check(&Seen {
            ended: fewer,
            stats,
            drained: None,
            stored
        })
        .is_err()
    );
}

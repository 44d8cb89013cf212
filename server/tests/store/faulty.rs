//! The simulated database with its faults: what each does to a request, to the contract, and to what the writer tells.

use std::{sync::Arc, time::Duration};

use bson::oid::ObjectId;
use server::{
    message::{Kind, Message},
    store::{
        InsertError, MessageStore, SaveOutcome,
        faulty::{Fault, Faults, FaultyStore},
        memory::{DurationRange, MemoryConfig, MemoryStore},
        queue::SaveQueue,
        writer::WriterConfig,
    },
};
use tokio::time::{Instant, timeout};

use crate::messages::room_message;

const SECOND: Duration = Duration::from_secs(1);
const NAME: &str = "f";

struct Bench {
    documents: Arc<MemoryStore>,
    faults: Arc<Faults>,
    store: Arc<FaultyStore>,
}

impl Bench {
    fn new(config: MemoryConfig) -> Self {
        let documents = Arc::new(MemoryStore::new(config));
        let faults = Arc::<Faults>::default();
        let store = FaultyStore::new(Arc::clone(&documents), Arc::clone(&faults));
        Self {
            documents,
            faults,
            store: Arc::new(store),
        }
    }

    fn with(fault: Fault) -> Self {
        let bench = Self::new(MemoryConfig::instant());
        bench.faults.impose(NAME.to_owned(), fault, 1.0);
        bench
    }

    async fn insert(&self) -> Result<(), InsertError> {
        let mut results = self.store.insert_many(&[room_message()]).await;
        assert_eq!(results.len(), 1);
        results.remove(0)
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_fault_it_conforms() {
    let bench = Bench::new(MemoryConfig::default());
    crate::conformance::conforms(&*bench.store).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_one_takes_longer_until_that_is_lifted() {
    let bench = Bench::with(Fault::Slow(2 * SECOND));
    let began = Instant::now();
    bench.insert().await.unwrap();
    assert_eq!(began.elapsed(), 2 * SECOND);
    assert_eq!(bench.faults.lift(NAME), Some(1));
    assert_eq!(bench.faults.lift(NAME), None);
    bench.insert().await.unwrap();
    assert_eq!(began.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn each_failure_says_what_is_certain_and_stores_what_it_says() {
    for (fault, certain, stored) in [
        (Fault::Failing { code: 91 }, true, 0),
        (Fault::Down, true, 0),
        (Fault::Disconnecting, false, 0),
        (Fault::ReplyLost, false, 1),
    ] {
        let bench = Bench::with(fault);
        let error = bench.insert().await.unwrap_err();
        assert_eq!(
            matches!(error, InsertError::Unavailable(_)),
            certain,
            "{error}"
        );
        assert_eq!(
            matches!(error, InsertError::Unknown(_)),
            !certain,
            "{error}"
        );
        assert_eq!(bench.documents.len(), stored, "{fault:?}");
        assert_eq!(bench.store.ping().await.is_err(), fault == Fault::Down);
    }
}

#[tokio::test(start_paused = true)]
async fn a_share_is_met_and_all_of_it_is_counted() {
    let bench = Bench::new(MemoryConfig::instant());
    bench
        .faults
        .impose(NAME.to_owned(), Fault::Failing { code: 1 }, 0.3);
    let mut failed = 0;
    for _ in 0..2_000 {
        failed += u64::from(bench.insert().await.is_err());
    }
    assert!((450..750).contains(&failed), "{failed}");
    assert_eq!(bench.faults.met(NAME), Some(failed));
    assert_eq!(bench.documents.len() as u64, 2_000 - failed);
}

#[tokio::test(start_paused = true)]
async fn what_a_frozen_one_received_is_executed_when_it_goes_on_and_a_fence_waits_for_it() {
    let bench = Bench::with(Fault::Frozen);
    assert!(timeout(SECOND, bench.insert()).await.is_err(), "it answers");
    assert!(timeout(SECOND, bench.store.fence()).await.is_err());
    assert!(
        timeout(SECOND, bench.store.get(Kind::Room, ObjectId::new()))
            .await
            .is_err()
    );
    assert_eq!(bench.documents.len(), 0);
    bench.faults.lift(NAME);
    bench.store.fence().await.unwrap();
    assert_eq!(
        bench.documents.len(),
        1,
        "given up, and executed all the same"
    );
}

#[tokio::test(start_paused = true)]
async fn saved_means_stored_and_failed_means_not_whatever_happens() {
    let ms = Duration::from_millis;
    let save_time = DurationRange::new(ms(1), ms(20));
    for fault in [
        Fault::Slow(3 * SECOND),
        Fault::Failing { code: 91 },
        Fault::Down,
        Fault::Disconnecting,
        Fault::ReplyLost,
        Fault::Frozen,
    ] {
        let bench = Bench::new(MemoryConfig {
            save_time,
            ..MemoryConfig::instant()
        });
        let config = WriterConfig {
            deadline: 2 * SECOND,
            attempt_timeout: ms(800),
            ..WriterConfig::default()
        };
        let (queue, writer) = SaveQueue::start(bench.store.clone(), config);
        let mut pending: Vec<(Arc<Message>, _)> = Vec::new();
        for nth in 0..600 {
            match nth {
                100 => bench.faults.impose(NAME.to_owned(), fault, 0.7),
                500 => assert!(
                    bench.faults.lift(NAME).is_some_and(|met| met > 0),
                    "{fault:?}"
                ),
                _ => {}
            }
            let message = room_message();
            pending.push((message.clone(), queue.try_save(message).unwrap()));
            tokio::time::sleep(ms(10)).await;
        }
        let mut saved = Vec::new();
        for (message, outcome) in pending {
            match outcome.await {
                SaveOutcome::Saved { .. } => saved.push(message.id),
                SaveOutcome::Failed { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        let report = writer.drain(60 * SECOND).await;
        assert_eq!(report.unsettled, [], "{fault:?}");
        let stored: Vec<ObjectId> = bench.documents.all().iter().map(|one| one.id).collect();
        saved.sort_unstable();
        assert!(
            stored == saved,
            "{fault:?}: {} saved, {} stored",
            saved.len(),
            stored.len()
        );
    }
}

//! A genuine MongoDB that crashes, freezes, or fails inserts: every message ends once, and saved
//! means stored.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use bson::{Document, doc, oid::ObjectId};
use futures::TryStreamExt as _;
use server::{
    message::{Kind, Message},
    store::{
        InsertError, MessageStore, SaveOutcome,
        document::collection_name,
        mongo::{MongoConfig, MongoStore},
        queue::{FailureReason, SaveQueue},
        writer::{Writer, WriterConfig},
    },
};

use crate::{
    messages::{message, room_message},
    mongodb_server::MongoDb,
};

const KINDS: [Kind; 2] = [Kind::Room, Kind::Channel];
/// Against hanging only.
const GUARD: Duration = Duration::from_secs(90);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Short times, so that a fault of a few seconds outlasts them.
fn impatient() -> WriterConfig {
    WriterConfig {
        deadline: ms(2_000),
        attempt_timeout: ms(800),
        ..WriterConfig::default()
    }
}

struct Bench {
    server: MongoDb,
    store: Arc<MongoStore>,
    queue: SaveQueue,
    writer: Option<Writer>,
    ended: Vec<(Arc<Message>, SaveOutcome)>,
}

impl Bench {
    async fn start(config: WriterConfig) -> Option<Self> {
        Self::start_with(config, "").await
    }

    /// With these options in the URI.
    async fn start_with(config: WriterConfig, options: &str) -> Option<Self> {
        let server = MongoDb::start().await?;
        let uri = server.uri() + options;
        let store = Arc::new(MongoStore::new(MongoConfig::new(uri)).await.unwrap());
        store.prepare().await.unwrap();
        let (queue, writer) = SaveQueue::start(store.clone(), config);
        let mut bench = Self {
            server,
            store,
            queue,
            writer: Some(writer),
            ended: Vec::new(),
        };
        // Some connections are there when the fault comes.
        let warm_up = bench.save(20).await;
        assert!(warm_up.iter().all(is_saved), "{warm_up:?}");
        Some(bench)
    }

    /// Saves so many at once.
    async fn save(&mut self, count: usize) -> Vec<SaveOutcome> {
        let load = Load::start(self.queue.clone(), count, Duration::ZERO);
        self.finish(load).await
    }

    async fn finish(&mut self, load: Load) -> Vec<SaveOutcome> {
        let ended = tokio::time::timeout(GUARD, load.0)
            .await
            .expect("a message without an end")
            .unwrap();
        let outcomes = ended.iter().map(|(_, outcome)| outcome.clone()).collect();
        self.ended.extend(ended);
        outcomes
    }

    /// Waits for settling, then compares every outcome with what is in the database, read by
    /// another client.
    async fn audit(&self) {
        let began = Instant::now();
        // An outcome is told before its message is handed over for settling.
        tokio::time::sleep(ms(50)).await;
        while self.queue.stats().unsettled > 0 {
            assert!(
                began.elapsed() < GUARD,
                "not settled: {:?}",
                self.queue.stats()
            );
            tokio::time::sleep(ms(50)).await;
        }
        // What lands late would land now.
        tokio::time::sleep(ms(500)).await;
        let saved: HashSet<ObjectId> = self
            .ended
            .iter()
            .filter(|(_, outcome)| is_saved(outcome))
            .map(|(message, _)| message.id)
            .collect();
        let stored = self.stored().await;
        let lost: Vec<_> = saved.difference(&stored).collect();
        assert!(
            lost.is_empty(),
            "{} saved, yet not stored: {:?}",
            lost.len(),
            self.queue.stats()
        );
        let strays: Vec<_> = stored.difference(&saved).collect();
        assert!(
            strays.is_empty(),
            "{} failed, yet stored: {:?}",
            strays.len(),
            self.queue.stats()
        );
        let stats = self.queue.stats();
        assert_eq!(stats.queued, self.ended.len() as u64);
        assert_eq!(
            (stats.saved, stats.saved + stats.failed_total()),
            (saved.len() as u64, stats.queued)
        );
        assert_eq!(stats.depth, 0);
    }

    async fn stored(&self) -> HashSet<ObjectId> {
        let database = self.server.client().await.database("test");
        let mut stored = HashSet::new();
        for kind in KINDS {
            let collection = database.collection::<Document>(collection_name(kind));
            let documents: Vec<Document> = collection
                .find(doc! {})
                .await
                .unwrap()
                .try_collect()
                .await
                .unwrap();
            stored.extend(
                documents
                    .iter()
                    .map(|document| document.get_object_id("_id").unwrap()),
            );
        }
        stored
    }
}

fn is_saved(outcome: &SaveOutcome) -> bool {
    matches!(outcome, SaveOutcome::Saved { .. })
}

fn failed(outcomes: &[SaveOutcome]) -> usize {
    outcomes
        .iter()
        .filter(|outcome| matches!(outcome, SaveOutcome::Failed { .. }))
        .count()
}

/// Messages of both kinds, ten at a time with a pause between, until all have their outcomes.
struct Load(tokio::task::JoinHandle<Vec<(Arc<Message>, SaveOutcome)>>);

impl Load {
    fn start(queue: SaveQueue, count: usize, pause: Duration) -> Self {
        Self(tokio::spawn(async move {
            let mut pending = Vec::new();
            for i in 0..count {
                let message = Arc::new(message(KINDS[i % 2], "alice"));
                let save = queue.try_save(message.clone()).unwrap();
                pending.push(async move { (message, save.await) });
                if i % 10 == 9 && !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
            futures::future::join_all(pending).await
        }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_mid_load_and_back_after_three_seconds() {
    for config in [WriterConfig::default(), impatient()] {
        let Some(mut bench) = Bench::start(config.clone()).await else {
            return;
        };
        // Some 1,000 a second for 8 seconds: before, during and after.
        let load = Load::start(bench.queue.clone(), 8_000, ms(10));
        tokio::time::sleep(ms(1_000)).await;
        bench.server.crash_and_restart(ms(3_000)).await;
        let outcomes = bench.finish(load).await;
        bench.audit().await;
        assert!(
            outcomes.first().is_some_and(is_saved),
            "saved before the crash, and still there"
        );
        assert!(
            outcomes.last().is_some_and(is_saved),
            "and after it, it goes on: {:?}",
            outcomes.last()
        );
        if config == impatient() {
            assert!(failed(&outcomes) > 0, "3 s without a database outlast 2 s");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_for_five_seconds_in_mid_load() {
    for config in [WriterConfig::default(), impatient()] {
        let Some(mut bench) = Bench::start(config.clone()).await else {
            return;
        };
        let load = Load::start(bench.queue.clone(), 9_000, ms(10));
        tokio::time::sleep(ms(1_000)).await;
        bench.server.freeze();
        tokio::time::sleep(ms(5_000)).await;
        bench.server.thaw();
        let outcomes = bench.finish(load).await;
        bench.audit().await;
        assert!(outcomes.first().is_some_and(is_saved));
        assert!(
            outcomes.last().is_some_and(is_saved),
            "{:?}",
            outcomes.last()
        );
        if config == impatient() {
            assert!(failed(&outcomes) > 0, "5 s of silence outlast 2 s");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inserts_that_reach_a_frozen_server_are_removed_when_it_wakes_up() {
    let Some(mut bench) = Bench::start(impatient()).await else {
        return;
    };
    bench.server.freeze();
    let outcomes = bench.save(50).await;
    assert_eq!(failed(&outcomes), 50);
    bench.server.thaw();
    bench.audit().await;
    let stats = bench.queue.stats();
    assert!(
        stats.settled_deleted > 0,
        "the server had received them: {stats:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_that_the_server_executes_after_the_deadline_is_removed() {
    executed_after_the_deadline("").await;
}

/// `$currentOp` can be asked with no other read concern, and a secondary has other connections.
#[tokio::test(flavor = "multi_thread")]
async fn how_the_uri_wants_to_read_is_no_matter() {
    executed_after_the_deadline("?readConcernLevel=majority&readPreference=secondaryPreferred")
        .await;
}

async fn executed_after_the_deadline(options: &str) {
    let Some(mut bench) = Bench::start_with(impatient(), options).await else {
        return;
    };
    // Holds the command for 4 s, then executes it. Without a fence the delete would come two
    // seconds too early.
    let hold = doc! { "failCommands": ["insert"], "blockConnection": true, "blockTimeMS": 4_000 };
    bench.server.fail_command("alwaysOn", hold).await;
    let outcomes = bench.save(50).await;
    assert_eq!(failed(&outcomes), 50);
    bench.server.fail_command("off", doc! {}).await;
    bench.audit().await;
    assert_eq!(bench.queue.stats().settled_deleted, 50);
    assert!(bench.save(1).await.iter().all(is_saved));
}

#[tokio::test(flavor = "multi_thread")]
async fn inserts_that_fail_a_few_times_are_saved() {
    let Some(mut bench) = Bench::start(WriterConfig::default()).await else {
        return;
    };
    let faults = [
        // An answer that says no; a connection that breaks instead of an answer; an insert that is
        // slow.
        doc! { "failCommands": ["insert"], "errorCode": 96 },
        doc! { "failCommands": ["insert"], "closeConnection": true },
        doc! { "failCommands": ["insert"], "blockConnection": true, "blockTimeMS": 300 },
        // Written, but not as durably as asked: the next attempt meets its own `_id`.
        doc! { "failCommands": ["insert"], "writeConcernError": { "code": 64, "errmsg": "timed out" } },
    ];
    for fault in faults {
        bench
            .server
            .fail_command(doc! { "times": 3 }, fault.clone())
            .await;
        let outcomes = bench.save(100).await;
        assert!(outcomes.iter().all(is_saved), "{fault}: {outcomes:?}");
    }
    assert!(bench.queue.stats().retries > 0);
    bench.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inserts_that_fail_until_the_deadline_leave_nothing() {
    let Some(mut bench) = Bench::start(impatient()).await else {
        return;
    };
    let faults = [
        (doc! { "failCommands": ["insert"], "errorCode": 96 }, 0),
        (
            doc! { "failCommands": ["insert"], "closeConnection": true },
            0,
        ),
        (
            doc! { "failCommands": ["insert"], "writeConcernError": { "code": 64, "errmsg": "timed out" } },
            100,
        ),
    ];
    for (fault, written) in faults {
        let before = bench.queue.stats().settled_deleted;
        bench.server.fail_command("alwaysOn", fault.clone()).await;
        let outcomes = bench.save(100).await;
        bench.server.fail_command("off", doc! {}).await;
        let reason = FailureReason::Unknown.as_str().to_owned();
        let expected = SaveOutcome::Failed { reason };
        assert!(
            outcomes.iter().all(|outcome| *outcome == expected),
            "{fault}: {outcomes:?}"
        );
        bench.audit().await;
        assert_eq!(
            bench.queue.stats().settled_deleted - before,
            written,
            "{fault}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_while_the_server_is_frozen() {
    let Some(mut bench) = Bench::start(WriterConfig::default()).await else {
        return;
    };
    bench.server.freeze();
    let load = Load::start(bench.queue.clone(), 500, Duration::ZERO);
    tokio::time::sleep(ms(200)).await;
    let writer = bench.writer.take().unwrap();
    let drain = tokio::spawn(writer.drain(ms(8_000)));
    // Cut after 6 s, awake after 6.5 s: what landed is settled in what is left.
    tokio::time::sleep(ms(6_500)).await;
    bench.server.thaw();
    let report = drain.await.unwrap();
    let outcomes = bench.finish(load).await;
    assert_eq!((failed(&outcomes), report.failed), (500, 500), "{report:?}");
    assert_eq!(report.unsettled, [], "{report:?}");
    bench.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_too_large_is_refused_and_its_neighbours_are_saved() {
    let Some(mut bench) = Bench::start(WriterConfig::default()).await else {
        return;
    };
    let huge = Arc::new(Message {
        body: "x".repeat(17 * 1024 * 1024),
        ..message(Kind::Room, "alice")
    });
    // 40 MB in all: more than one command.
    let large = || {
        Arc::new(Message {
            body: "x".repeat(8 * 1024 * 1024),
            ..message(Kind::Room, "alice")
        })
    };
    let batch = [
        room_message(),
        huge,
        large(),
        large(),
        large(),
        large(),
        large(),
        room_message(),
    ];
    let results = bench.store.insert_many(&batch).await;
    assert!(matches!(results[1], Err(InsertError::Rejected(_))));
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 7);
    let ids: Vec<_> = batch.iter().map(|message| message.id).collect();
    assert_eq!(bench.store.delete_many(Kind::Room, &ids).await.unwrap(), 7);
    assert!(bench.save(1).await.iter().all(is_saved));
}

#[tokio::test(flavor = "multi_thread")]
async fn collections_indexes_and_write_concern_are_what_they_are_said_to_be() {
    let Some(bench) = Bench::start(WriterConfig::default()).await else {
        return;
    };
    let info = bench.store.info();
    assert_eq!(
        (info.name.as_str(), info.durability.as_str()),
        ("mongodb", "w: majority, j: true")
    );
    assert!(info.detail.ends_with(", standalone"), "{info:?}");

    let database = bench.server.client().await.database("test");
    for (name, conversation) in [("message2", "roomId"), ("messages", "channelId")] {
        let indexes = database
            .collection::<Document>(name)
            .list_indexes()
            .await
            .unwrap();
        let indexes: Vec<_> = indexes.try_collect().await.unwrap();
        let keys: Vec<_> = indexes.iter().map(|index| index.keys.clone()).collect();
        let expected = [
            doc! { "_id": 1 },
            doc! { conversation: 1, "createdAt": 1 },
            doc! { "senderId": 1, conversation: 1, "clientMsgId": 1 },
        ];
        assert_eq!(keys, expected, "of {name}");
        let options = indexes[2].options.as_ref().unwrap();
        assert_eq!(options.unique, Some(true));
        let partial = doc! { "clientMsgId": { "$exists": true } };
        assert_eq!(options.partial_filter_expression, Some(partial));
    }

    database.run_command(doc! { "profile": 2 }).await.unwrap();
    assert_eq!(bench.store.insert_many(&[room_message()]).await, [Ok(())]);
    database.run_command(doc! { "profile": 0 }).await.unwrap();
    let profile = database.collection::<Document>("system.profile");
    let seen = profile
        .find_one(doc! { "op": "insert" })
        .await
        .unwrap()
        .unwrap();
    let concern = seen
        .get_document("command")
        .unwrap()
        .get_document("writeConcern")
        .unwrap();
    assert_eq!(concern.get_str("w").unwrap(), "majority");
    assert!(concern.get_bool("j").unwrap());
    assert_eq!(concern.get_i32("wtimeout").unwrap(), 5_000);
}

#[tokio::test]
async fn a_server_that_is_down_is_named_after_three_tries() {
    // Held to the end, so that nobody else can be given it meanwhile, and never listening.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = held.local_addr().unwrap().port();
    let uri = format!("mongodb://chat:secret@127.0.0.1:{port}/");
    let config = MongoConfig {
        connect_timeout: ms(300),
        ..MongoConfig::new(uri)
    };
    let store = MongoStore::new(config).await.unwrap();
    let began = std::time::Instant::now();
    let error = tokio::time::timeout(GUARD, store.prepare())
        .await
        .unwrap()
        .unwrap_err()
        .to_string();
    // The driver looks for it for all of each time.
    assert!(began.elapsed() >= 3 * ms(300));
    assert!(
        error.starts_with(&format!("MongoDB at 127.0.0.1:{port} can't be used: ")),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
    assert!(store.ping().await.is_err());
    let results = store.insert_many(&[room_message()]).await;
    assert!(
        matches!(results[..], [Err(InsertError::Unavailable(_))]),
        "nothing was sent: {results:?}"
    );
}

#[tokio::test]
async fn a_malformed_uri_is_refused() {
    for uri in ["", "127.0.0.1:27017", "http://127.0.0.1", "mongodb://"] {
        let error = MongoStore::new(MongoConfig::new(uri))
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.starts_with("the MongoDB URI can't be used: "),
            "{error}"
        );
    }
}

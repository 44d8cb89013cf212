//! Stores that were started to be broken: each way of breaking a real MongoDB, what it does to who writes, and what is kept.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use bson::{Bson, Document, doc};
use loadgen::rig::{
    RunningStore, StoreChoice, StoreNeeds,
    proxy::{Effect, Hold},
};
use mongodb::{
    Client, Collection,
    error::{Error, ErrorKind},
    options::{Acknowledgment, ClientOptions, WriteConcern},
};
use tokio::{runtime::Runtime, time::timeout};

use crate::measuring::{docker_is_there, image, mongod_is_there};

const BREAKABLE: StoreNeeds = StoreNeeds {
    breakable: true,
    set: false,
    proxied: None,
};
/// Against hanging only.
const GUARD: Duration = Duration::from_secs(60);

async fn start(needs: StoreNeeds, choice: StoreChoice) -> RunningStore {
    RunningStore::start_for(needs, &choice, &image(), &mut |_| {})
        .await
        .unwrap()
}

/// Runs with each kind of store that can be had here.
fn with_each<F: Future<Output = ()>>(needs: StoreNeeds, test: impl Fn(RunningStore) -> F) {
    let runtime = Runtime::new().unwrap();
    if docker_is_there() {
        runtime.block_on(async { test(start(needs, StoreChoice::Docker).await).await });
    }
    if mongod_is_there() {
        runtime.block_on(async { test(start(needs, StoreChoice::Mongod).await).await });
    }
}

/// As the server reaches it and as durable, without a second attempt.
async fn documents(store: &RunningStore) -> Collection<Document> {
    let mut options = ClientOptions::parse(&store.server_args()[1]).await.unwrap();
    options.retry_writes = Some(false);
    // A write that is only in memory is gone with the process.
    let durable = WriteConcern::builder().w(Acknowledgment::Majority);
    options.write_concern = Some(durable.journal(true).build());
    options.server_selection_timeout = Some(Duration::from_secs(20));
    let client = Client::with_options(options).unwrap();
    client.database("broken").collection("documents")
}

async fn insert(documents: &Collection<Document>, nth: i32) -> Result<(), Error> {
    documents.insert_one(doc! { "_id": nth }).await.map(drop)
}

async fn is_there(documents: &Collection<Document>, nth: i32) -> bool {
    let found = documents.find_one(doc! { "_id": nth }).await;
    found.unwrap().is_some()
}

fn saves(mut data: Document) -> Document {
    data.insert("failCommands", ["insert", "update"].to_vec());
    data
}

#[test]
fn commands_fail_in_each_way_that_is_asked_for_and_are_counted() {
    with_each(BREAKABLE, |store| async move {
        assert!(store.is_breakable() && !store.is_set());
        assert!(store.description().contains("test commands on"));
        let documents = documents(&store).await;
        insert(&documents, 0).await.unwrap();
        let always = || Bson::from("alwaysOn");
        let off = async || store.fail_commands("off".into(), doc! {}).await.unwrap();

        let before = store.fail_commands(always(), saves(doc! { "errorCode": 91_i64 }));
        let before = before.await.unwrap();
        let error = insert(&documents, 1).await.unwrap_err();
        assert!(
            matches!(&*error.kind, ErrorKind::Command(error) if error.code == 91),
            "{error}"
        );
        assert!(!is_there(&documents, 1).await);
        assert_eq!(off().await - before, 1);

        let slow = doc! { "blockConnection": true, "blockTimeMS": 300_i64 };
        let before = store.fail_commands(always(), saves(slow)).await.unwrap();
        let began = Instant::now();
        insert(&documents, 2).await.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(300));
        assert_eq!(off().await - before, 1);

        let concern = doc! { "writeConcernError": { "code": 64_i64, "errmsg": "too late" } };
        store.fail_commands(always(), saves(concern)).await.unwrap();
        let error = insert(&documents, 3).await.unwrap_err();
        assert!(error.to_string().contains("too late"), "{error}");
        off().await;
        assert!(
            is_there(&documents, 3).await,
            "it is about how durable it is"
        );

        let close = doc! { "closeConnection": true };
        store.fail_commands(always(), saves(close)).await.unwrap();
        let error = insert(&documents, 4).await.unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Io(_)), "{error}");
        off().await;
        assert!(!is_there(&documents, 4).await);

        // No code that says that the server goes: a client looks for it anew after each of those, which takes half a second.
        let share = doc! { "activationProbability": 0.3 };
        let error = saves(doc! { "errorCode": 50_i64 });
        let before = store.fail_commands(share.into(), error).await.unwrap();
        let mut failed = 0;
        for nth in 0..300 {
            failed += i64::from(insert(&documents, 100 + nth).await.is_err());
        }
        assert!((50..140).contains(&failed), "{failed}");
        assert_eq!(off().await - before, failed);
        store.stop().await.unwrap();
    });
}

#[test]
fn killed_and_started_again_it_has_what_was_stored_where_it_was() {
    with_each(BREAKABLE, |store| async move {
        let documents = documents(&store).await;
        insert(&documents, 1).await.unwrap();
        let ended = store.kill().await.unwrap();
        assert!(
            ended.contains("137") || ended.contains("signal: 9"),
            "{ended}"
        );
        // Refused at once, or looked for in vain.
        let tried = timeout(Duration::from_secs(1), insert(&documents, 2)).await;
        assert!(!matches!(tried, Ok(Ok(()))));
        store.start_again().await.unwrap();
        let began = Instant::now();
        // Connections of before are found to be dead one by one.
        while let Err(error) = insert(&documents, 3).await {
            assert!(began.elapsed() < GUARD, "{error}");
        }
        assert!(is_there(&documents, 1).await && is_there(&documents, 3).await);
        store.stop().await.unwrap();
    });
}

#[test]
fn frozen_it_answers_nothing_until_it_goes_on() {
    with_each(BREAKABLE, |store| async move {
        let documents = documents(&store).await;
        insert(&documents, 1).await.unwrap();
        assert!(!store.stands_still().await.unwrap());
        store.stand_still(true).await.unwrap();
        // A signal takes a moment on a busy machine.
        let began = Instant::now();
        while !store.stands_still().await.unwrap() {
            assert!(began.elapsed() < GUARD, "it goes on");
        }
        let insert_two = insert(&documents, 2);
        let mut insert_two = std::pin::pin!(insert_two);
        assert!(
            timeout(Duration::from_millis(500), &mut insert_two)
                .await
                .is_err()
        );
        store.stand_still(false).await.unwrap();
        timeout(GUARD, insert_two).await.unwrap().unwrap();
        let began = Instant::now();
        while store.stands_still().await.unwrap() {
            assert!(began.elapsed() < GUARD, "it does not go on");
        }
        store.stop().await.unwrap();
    });
}

#[test]
fn of_a_set_another_takes_over_and_has_what_was_stored() {
    let set = StoreNeeds {
        set: true,
        ..BREAKABLE
    };
    with_each(set, |store| async move {
        assert!(store.is_set() && store.description().contains("a set of three"));
        let documents = documents(&store).await;
        insert(&documents, 1).await.unwrap();
        let was = store.depose(10).await.unwrap();
        let began = Instant::now();
        let now = loop {
            match store.primary().await {
                Ok(now) if now != was => break now,
                other => assert!(began.elapsed() < GUARD, "{other:?}"),
            }
        };
        assert_ne!(now, was);
        let taken = loop {
            match insert(&documents, 2).await {
                Ok(()) => break true,
                Err(error) => assert!(began.elapsed() < GUARD, "{error}"),
            }
        };
        assert!(taken && is_there(&documents, 1).await);
        store.stop().await.unwrap();
    });
}

#[test]
fn a_lost_reply_is_of_a_command_that_was_executed() {
    let proxied = StoreNeeds {
        proxied: Some(1),
        ..BREAKABLE
    };
    with_each(proxied, |store| async move {
        let documents = documents(&store).await;
        insert(&documents, 1).await.unwrap();
        let proxy = store.proxy().unwrap();
        let hold: Hold = proxy.impose(Effect::ReplyLost { share: 1.0 });
        let error = insert(&documents, 2).await.unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Io(_)), "{error}");
        let toll = proxy.lift(&hold);
        assert_eq!(toll.pieces, 1, "{toll}");
        assert!(
            is_there(&documents, 2).await,
            "the reply is lost, not the command"
        );
        store.stop().await.unwrap();
    });
}

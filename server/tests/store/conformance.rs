//! What every message store must do, run against each of them.

use std::{sync::Arc, time::Duration};

use bson::oid::ObjectId;
use server::{
    message::{Conversation, Kind, Message},
    store::{
        InsertError, MessageStore,
        memory::{DurationRange, MemoryConfig, MemoryStore},
        mongo::{MongoConfig, MongoStore},
    },
};

use crate::messages::{message, with_client_msg_id};
use crate::mongodb_server::MongoDb;

const KINDS: [Kind; 2] = [Kind::Room, Kind::Channel];

#[tokio::test(start_paused = true)]
async fn memory_conforms() {
    conforms(&MemoryStore::new(MemoryConfig::instant())).await;
}

#[tokio::test(start_paused = true)]
async fn memory_that_takes_its_time_conforms() {
    conforms(&MemoryStore::new(MemoryConfig::default())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_conforms() {
    let Some(server) = MongoDb::start().await else {
        return;
    };
    let store = MongoStore::new(MongoConfig::new(server.uri()))
        .await
        .unwrap();
    conforms(&store).await;
}

/// The suite. Each part uses ids, senders and keys of its own, so that they share one store.
pub async fn conforms(store: &dyn MessageStore) {
    says_what_it_is(store).await;
    gives_back_what_it_was_given(store).await;
    ids_of_24_hex_digits_are_numbers(store).await;
    the_same_message_again_is_success(store).await;
    results_are_in_the_order_of_the_batch(store).await;
    a_client_message_id_is_unique_per_sender_and_kind(store).await;
    in_another_conversation_it_is_another_message(store).await;
    of_many_at_once_one_is_the_first(store).await;
    deletes_and_counts(store).await;
    what_is_kept_is_not_deleted(store).await;
    takes_large_batches(store).await;
    a_fence_ends_what_was_given_up(store).await;
}

async fn says_what_it_is(store: &dyn MessageStore) {
    store.prepare().await.unwrap();
    store
        .prepare()
        .await
        .expect("preparing twice is as good as once");
    store.ping().await.unwrap();
    let info = store.info();
    assert!(
        !info.name.is_empty() && !info.detail.is_empty() && !info.durability.is_empty(),
        "{info:?}"
    );
    assert!(store.concurrency() > 0);
}

async fn gives_back_what_it_was_given(store: &dyn MessageStore) {
    for kind in KINDS {
        let bare = message(kind, "carol");
        let full = Message {
            conversation: Conversation {
                kind,
                id: "507f1f77bcf86cd799439011".to_owned(),
            },
            workspace_id: Some("507f1f77bcf86cd799439012".to_owned()),
            sender_id: "507f1f77bcf86cd799439013".to_owned(),
            body: "multi-byte: äöü 漢字 🦀, a NUL: \0, an operator: {\"$ne\": 1}".to_owned(),
            image: Some(String::new()),
            image_key: Some("my_cat.png-1760000000000".to_owned()),
            client_msg_id: Some("$where".to_owned()),
            ..message(kind, "")
        };
        for given in [bare, full] {
            assert_eq!(insert(store, &given).await, Ok(()));
            assert_eq!(store.get(kind, given.id).await.unwrap(), Some(given));
        }
    }
    assert_eq!(store.get(Kind::Room, ObjectId::new()).await.unwrap(), None);
    let room = message(Kind::Room, "carol");
    insert(store, &room).await.unwrap();
    assert_eq!(
        store.get(Kind::Channel, room.id).await.unwrap(),
        None,
        "rooms are not channels"
    );
}

async fn ids_of_24_hex_digits_are_numbers(store: &dyn MessageStore) {
    let upper = Message {
        sender_id: "AAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        client_msg_id: Some("case".to_owned()),
        ..message(Kind::Room, "")
    };
    let lower = Message {
        id: ObjectId::new(),
        sender_id: "a".repeat(24),
        ..upper.clone()
    };
    insert(store, &upper).await.unwrap();
    let stored = store.get(Kind::Room, upper.id).await.unwrap().unwrap();
    assert_eq!(stored.sender_id, lower.sender_id);
    assert_eq!(
        insert(store, &lower).await,
        duplicate_of(&stored),
        "both are the same sender"
    );
}

async fn the_same_message_again_is_success(store: &dyn MessageStore) {
    for kind in KINDS {
        for first in [
            message(kind, "dave"),
            (*with_client_msg_id(kind, "dave", "retry")).clone(),
        ] {
            let changed = Message {
                body: "not this".to_owned(),
                ..first.clone()
            };
            assert_eq!(insert(store, &first).await, Ok(()));
            assert_eq!(insert(store, &first).await, Ok(()));
            assert_eq!(insert(store, &changed).await, Ok(()));
            assert_eq!(
                store.get(kind, first.id).await.unwrap(),
                Some(first),
                "the first one stays"
            );
        }
    }
}

async fn results_are_in_the_order_of_the_batch(store: &dyn MessageStore) {
    assert_eq!(store.insert_many(&[]).await, []);
    let first = with_client_msg_id(Kind::Room, "erin", "once");
    let again = with_client_msg_id(Kind::Room, "erin", "once");
    let channel = Arc::new(message(Kind::Channel, "erin"));
    let room = Arc::new(message(Kind::Room, "erin"));
    let batch = [
        room.clone(),
        first.clone(),
        channel.clone(),
        room.clone(),
        again.clone(),
        channel.clone(),
    ];
    let results = store.insert_many(&batch).await;
    assert_eq!(
        results,
        [Ok(()), Ok(()), Ok(()), Ok(()), duplicate_of(&first), Ok(())]
    );
    assert_eq!(
        store.get(Kind::Room, again.id).await.unwrap(),
        None,
        "the duplicate is not stored"
    );
    for stored in [&room, &first, &channel] {
        assert!(
            store
                .get(stored.conversation.kind, stored.id)
                .await
                .unwrap()
                .is_some()
        );
    }
}

async fn a_client_message_id_is_unique_per_sender_and_kind(store: &dyn MessageStore) {
    for kind in KINDS {
        let first = with_client_msg_id(kind, "frank", "m1");
        assert_eq!(insert(store, &first).await, Ok(()));
        assert_eq!(
            insert(store, &with_client_msg_id(kind, "frank", "m1")).await,
            duplicate_of(&first)
        );
        assert_eq!(
            insert(store, &with_client_msg_id(kind, "frank", "m2")).await,
            Ok(())
        );
        assert_eq!(
            insert(store, &with_client_msg_id(kind, "grace", "m1")).await,
            Ok(())
        );
    }
    let without: Vec<_> = (0..3)
        .map(|_| Arc::new(message(Kind::Room, "frank")))
        .collect();
    assert_eq!(
        store.insert_many(&without).await,
        [Ok(()), Ok(()), Ok(())],
        "none is not a value"
    );
}

async fn in_another_conversation_it_is_another_message(store: &dyn MessageStore) {
    let elsewhere = |kind, id: &str| Message {
        conversation: Conversation {
            kind,
            id: id.to_owned(),
        },
        ..(*with_client_msg_id(kind, "niaj", "1")).clone()
    };
    // Text and ObjectIds, and the same id for a room and a channel.
    let ids = ["private", "public", "507f1f77bcf86cd799439011"];
    for kind in KINDS {
        for id in ids {
            let first = elsewhere(kind, id);
            assert_eq!(insert(store, &first).await, Ok(()), "{kind:?} {id}");
            let again = Message {
                body: "other words".to_owned(),
                ..elsewhere(kind, id)
            };
            assert_eq!(insert(store, &again).await, duplicate_of(&first));
            assert_eq!(store.delete_many(kind, &[first.id]).await.unwrap(), 1);
            assert_eq!(insert(store, &again).await, Ok(()), "the name is free here");
        }
    }
}

async fn of_many_at_once_one_is_the_first(store: &dyn MessageStore) {
    let rivals: Vec<_> = (0..20)
        .map(|_| with_client_msg_id(Kind::Channel, "heidi", "race"))
        .collect();
    let results = futures::future::join_all(rivals.iter().map(|rival| insert(store, rival))).await;
    let winners: Vec<_> = rivals
        .iter()
        .zip(&results)
        .filter(|(_, result)| result.is_ok())
        .collect();
    let [(winner, _)] = winners[..] else {
        panic!("{} were stored", winners.len())
    };
    for (rival, result) in rivals.iter().zip(&results) {
        if rival.id != winner.id {
            assert_eq!(*result, duplicate_of(winner));
        }
    }
}

async fn deletes_and_counts(store: &dyn MessageStore) {
    for kind in KINDS {
        let keyed = with_client_msg_id(kind, "ivan", "gone");
        let batch = [
            keyed.clone(),
            Arc::new(message(kind, "ivan")),
            Arc::new(message(kind, "ivan")),
        ];
        assert_eq!(store.insert_many(&batch).await, [Ok(()), Ok(()), Ok(())]);
        let [keyed_id, other, stays] = [batch[0].id, batch[1].id, batch[2].id];
        assert_eq!(
            store
                .delete_many(kind, &[keyed_id, ObjectId::new(), other])
                .await
                .unwrap(),
            2
        );
        assert_eq!(
            store.delete_many(kind, &[keyed_id, other]).await.unwrap(),
            0
        );
        assert_eq!(store.delete_many(kind, &[]).await.unwrap(), 0);
        assert_eq!(store.get(kind, keyed_id).await.unwrap(), None);
        assert!(store.get(kind, stays).await.unwrap().is_some());
        let successor = with_client_msg_id(kind, "ivan", "gone");
        assert_eq!(
            insert(store, &successor).await,
            Ok(()),
            "a deleted message keeps no clientMsgId"
        );
    }
}

async fn what_is_kept_is_not_deleted(store: &dyn MessageStore) {
    for kind in KINDS {
        let kept = with_client_msg_id(kind, "peggy", "kept");
        let deleted = with_client_msg_id(kind, "peggy", "deleted");
        let batch = [kept.clone(), deleted.clone()];
        assert_eq!(store.insert_many(&batch).await, [Ok(()), Ok(())]);
        assert_eq!(store.delete_many(kind, &[deleted.id]).await.unwrap(), 1);
        for _ in 0..2 {
            let there = store.keep(kind, &[deleted.id, kept.id]).await.unwrap();
            assert_eq!(there, [kept.id], "once more is no error");
        }
        assert_eq!(store.keep(kind, &[deleted.id]).await.unwrap(), []);
        assert_eq!(store.keep(kind, &[kept.id]).await.unwrap(), [kept.id]);
        assert_eq!(store.keep(kind, &[]).await.unwrap(), []);
        assert_eq!(store.delete_many(kind, &[kept.id]).await.unwrap(), 0);
        let there = store.get(kind, kept.id).await.unwrap();
        assert_eq!(there.as_ref(), Some(&*kept), "it reads as before");
        let again = with_client_msg_id(kind, "peggy", "kept");
        assert_eq!(insert(store, &again).await, duplicate_of(&kept));
        assert_eq!(
            insert(store, &deleted).await,
            Ok(()),
            "what was gone is new, and not kept"
        );
        assert_eq!(store.delete_many(kind, &[deleted.id]).await.unwrap(), 1);
    }
}

async fn takes_large_batches(store: &dyn MessageStore) {
    let batch: Vec<_> = (0..3_000)
        .map(|i| Arc::new(message(KINDS[i % 2], "judy")))
        .collect();
    let results = store.insert_many(&batch).await;
    assert_eq!(results.len(), batch.len());
    assert!(results.iter().all(Result::is_ok));
    for kind in KINDS {
        let ids: Vec<_> = batch
            .iter()
            .filter(|m| m.conversation.kind == kind)
            .map(|m| m.id)
            .collect();
        assert_eq!(
            store.delete_many(kind, &ids).await.unwrap(),
            1_500,
            "all were stored"
        );
    }
}

async fn a_fence_ends_what_was_given_up(store: &dyn MessageStore) {
    store
        .fence()
        .await
        .expect("a fence when nothing was given up");
    for round in 0..20_u64 {
        let batch: Vec<_> = (0..100)
            .map(|_| Arc::new(message(Kind::Room, "mallory")))
            .collect();
        let ids: Vec<_> = batch.iter().map(|message| message.id).collect();
        // Given up at once, after some microseconds, after a millisecond: before, amid and after
        // the insert.
        let patience = Duration::from_micros(round * round * 5);
        let _given_up = tokio::time::timeout(patience, store.insert_many(&batch)).await;
        store.fence().await.unwrap();
        store.delete_many(Kind::Room, &ids).await.unwrap();
        // Nothing may come afterwards.
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(store.delete_many(Kind::Room, &ids).await.unwrap(), 0);
    }
}

async fn insert(store: &dyn MessageStore, message: &Message) -> Result<(), InsertError> {
    let results = store.insert_many(&[Arc::new(message.clone())]).await;
    let [result] = &results[..] else {
        panic!("one message, {} results", results.len())
    };
    result.clone()
}

fn duplicate_of(first: &Message) -> Result<(), InsertError> {
    Err(InsertError::DuplicateClientMsgId(Box::new(first.clone())))
}

#[tokio::test(start_paused = true)]
async fn the_simulated_database_takes_its_time_and_repeats_it() {
    let ms = Duration::from_millis;
    let times = async |seed| {
        let store = MemoryStore::new(MemoryConfig {
            save_time: DurationRange::new(ms(50), ms(200)),
            read_time: DurationRange::new(ms(20), ms(50)),
            seed: Some(seed),
        });
        let mut times = Vec::new();
        for _ in 0..200 {
            let message = message(Kind::Room, "alice");
            let began = tokio::time::Instant::now();
            insert(&store, &message).await.unwrap();
            let saved = began.elapsed();
            store.get(Kind::Room, message.id).await.unwrap();
            times.push((saved, began.elapsed() - saved));
        }
        times
    };
    let first = times(7).await;
    // tokio's timer rounds up to its millisecond.
    let within = |time: Duration, low: u64, high: u64| (ms(low)..=ms(high + 2)).contains(&time);
    assert!(
        first
            .iter()
            .all(|(save, read)| within(*save, 50, 200) && within(*read, 20, 50)),
        "{first:?}"
    );
    let slowest = first.iter().map(|(save, _)| *save).max().unwrap();
    let fastest = first.iter().map(|(save, _)| *save).min().unwrap();
    assert!(
        fastest < ms(70) && slowest > ms(180),
        "it uses the whole range: {fastest:?} to {slowest:?}"
    );
    assert_eq!(first, times(7).await, "the same seed gives the same times");
    assert_ne!(first, times(8).await);
}

#[test]
fn ranges_of_durations_are_read_and_written() {
    for (text, written) in [
        ("50ms-200ms", "50ms-200ms"),
        ("100ms", "100ms"),
        ("0s", "0s"),
        ("1s - 2s", "1s-2s"),
    ] {
        assert_eq!(text.parse::<DurationRange>().unwrap().to_string(), written);
    }
    for wrong in ["", "50", "200ms-50ms", "50ms-", "-50ms", "fast"] {
        let error = wrong.parse::<DurationRange>().unwrap_err().to_string();
        assert!(error.contains("50ms-200ms"), "{error}");
    }
}

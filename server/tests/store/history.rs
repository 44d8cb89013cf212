//! A database that is older than this server: the service's own history, and what earlier versions left in it.

use std::{collections::BTreeSet, sync::Arc};

use bson::{DateTime, Document, doc, oid::ObjectId};
use futures::{TryStreamExt as _, future::join_all};
use mongodb::{Collection, Database, IndexModel, options::IndexOptions};
use server::{
    message::{Conversation, Kind, Message},
    store::{
        InsertError, MessageStore,
        document::{collection_name, to_document},
        mongo::{MongoConfig, MongoStore},
    },
};

use crate::{
    messages::{message, with_client_msg_id},
    mongodb_server::MongoDb,
};

const KINDS: [Kind; 2] = [Kind::Room, Kind::Channel];

async fn store(server: &MongoDb, migrate: bool) -> MongoStore {
    let config = MongoConfig {
        migrate,
        ..MongoConfig::new(server.uri())
    };
    MongoStore::new(config).await.unwrap()
}

async fn database(server: &MongoDb) -> Database {
    server.client().await.database("test")
}

/// The unique index of before, as a person may have made it.
fn index_of_before() -> IndexModel {
    let options = IndexOptions::builder()
        .name("once only".to_owned())
        .unique(true)
        .partial_filter_expression(doc! { "clientMsgId": { "$exists": true } })
        .build();
    IndexModel::builder()
        .keys(doc! { "senderId": 1.0, "clientMsgId": 1_i64 })
        .options(options)
        .build()
}

fn elsewhere(first: &Message) -> Message {
    Message {
        id: ObjectId::new(),
        conversation: Conversation {
            kind: first.conversation.kind,
            id: "elsewhere".to_owned(),
        },
        ..first.clone()
    }
}

async fn insert(store: &dyn MessageStore, message: &Message) -> Result<(), InsertError> {
    store
        .insert_many(&[Arc::new(message.clone())])
        .await
        .remove(0)
}

async fn all(collection: &Collection<Document>) -> Vec<Document> {
    let found = collection.find(doc! {}).sort(doc! { "_id": 1 });
    found.await.unwrap().try_collect().await.unwrap()
}

/// As Mongoose makes them: `__v`, ids of its own, and fields that are not there.
fn history() -> Vec<Document> {
    let now = DateTime::from_millis(1_700_000_000_000);
    let id = ObjectId::new;
    vec![
        doc! { "_id": id(), "roomId": id(), "senderId": id(), "body": "Hi", "image": null, "status": "read", "createdAt": now, "updatedAt": now, "__v": 0 },
        doc! { "_id": id(), "roomId": id(), "senderId": id(), "image": "a.png", "status": "unread", "createdAt": now, "updatedAt": now, "__v": 0 },
        doc! { "_id": id(), "roomId": id(), "senderId": id(), "body": "before there were times", "__v": 3 },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_of_before_is_replaced_by_several_servers_at_once() {
    let Some(server) = MongoDb::start().await else {
        return;
    };
    let database = database(&server).await;
    let mut firsts = Vec::new();
    for kind in KINDS {
        let collection = database.collection::<Document>(collection_name(kind));
        collection.create_index(index_of_before()).await.unwrap();
        let by_time = match kind {
            Kind::Room => doc! { "roomId": 1.0, "createdAt": 1.0 },
            Kind::Channel => doc! { "channelId": 1, "createdAt": 1 },
        };
        let named = IndexOptions::builder().name("by time".to_owned()).build();
        let by_time = IndexModel::builder().keys(by_time).options(named).build();
        collection.create_index(by_time).await.unwrap();
        let first = Message::clone(&with_client_msg_id(kind, "ann", "1"));
        let document = Document::try_from(to_document(&first)).unwrap();
        collection.insert_one(document).await.unwrap();
        firsts.push(first);
    }
    let starts = (0..4).map(async |_| {
        let store = store(&server, false).await;
        store.prepare().await.map(|()| store)
    });
    let stores = join_all(starts).await;
    for store in stores {
        let store = store.unwrap();
        for first in &firsts {
            let again = Message {
                id: ObjectId::new(),
                ..first.clone()
            };
            let expected = Err(InsertError::DuplicateClientMsgId(Box::new(first.clone())));
            assert_eq!(insert(&store, &again).await, expected);
        }
    }
    let store = store(&server, false).await;
    store.prepare().await.expect("once more is as good as once");
    for first in &firsts {
        assert_eq!(insert(&store, &elsewhere(first)).await, Ok(()));
        let name = collection_name(first.conversation.kind);
        let collection = database.collection::<Document>(name);
        let names = collection.list_index_names().await.unwrap();
        let names: BTreeSet<String> = names.into_iter().collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert!(
            names.contains("by time") && !names.contains("once only"),
            "{names:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_replace_the_index_of_before_is_told_so() {
    let Some(server) = MongoDb::start().await else {
        return;
    };
    let rooms = database(&server).await.collection::<Document>("message2");
    rooms.create_index(index_of_before()).await.unwrap();
    let forbidden = doc! { "failCommands": ["dropIndexes"], "errorCode": 13 };
    server.fail_command("alwaysOn", forbidden).await;
    let error = store(&server, false).await.prepare().await.unwrap_err();
    let error = error.to_string();
    for part in [
        "`once only` of `message2`",
        "(code 13)",
        "db.getCollection(\"message2\").dropIndex(\"once only\")",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_index_of_before_forbids_is_never_another_one() {
    let Some(server) = MongoDb::start().await else {
        return;
    };
    let store = store(&server, false).await;
    store.prepare().await.unwrap();
    for kind in KINDS {
        let first = with_client_msg_id(kind, "ann", "1");
        insert(&store, &first).await.unwrap();
        // As a server of before does when it starts after this one.
        let collection = database(&server)
            .await
            .collection::<Document>(collection_name(kind));
        collection.create_index(index_of_before()).await.unwrap();
        let result = insert(&store, &elsewhere(&first)).await;
        assert!(
            matches!(result, Err(InsertError::Rejected(_))),
            "{result:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_the_service_is_read_and_left_as_it_is() {
    let Some(server) = MongoDb::start().await else {
        return;
    };
    let rooms = database(&server).await.collection::<Document>("message2");
    let history = history();
    rooms.insert_many(&history).await.unwrap();
    let store = store(&server, true).await;
    store.prepare().await.unwrap();
    for document in &history {
        let id = document.get_object_id("_id").unwrap();
        let message = store.get(Kind::Room, id).await.unwrap().unwrap();
        let room = document.get_object_id("roomId").unwrap().to_hex();
        assert_eq!(message.conversation.id, room);
        assert_eq!(message.body, document.get_str("body").unwrap_or_default());
        let again = Message {
            id: ObjectId::new(),
            client_msg_id: Some("1".to_owned()),
            ..message
        };
        assert_eq!(
            insert(&store, &again).await,
            Ok(()),
            "no message of the history has a clientMsgId"
        );
    }
    let kept = all(&rooms).await;
    assert!(history.iter().all(|document| kept.contains(document)));
}

fn old_rooms(count: usize) -> Vec<Document> {
    let old = |i: usize| {
        let id = i.is_multiple_of(3).then(|| i.to_string());
        let old = Message {
            client_msg_id: id,
            ..message(Kind::Room, "ann")
        };
        Document::try_from(to_document(&old)).unwrap()
    };
    (0..count).map(old).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_under_the_old_name_are_moved_when_asked_for() {
    let Some(server) = MongoDb::start().await else {
        return;
    };
    let database = database(&server).await;
    let (old, new) = (
        database.collection::<Document>("message2s"),
        database.collection::<Document>("message2"),
    );
    let history = history();
    new.insert_many(&history).await.unwrap();
    let documents = old_rooms(1_203);
    old.insert_many(&documents).await.unwrap();
    // From a move that was stopped; read since.
    let mut read = documents[7].clone();
    read.insert("status", "read");
    new.insert_one(&read).await.unwrap();
    // Said again on a server that looks in the new place only, and something that is no message.
    let rival =
        Document::try_from(to_document(&with_client_msg_id(Kind::Room, "ann", "3"))).unwrap();
    new.insert_one(&rival).await.unwrap();
    let stranger = doc! { "_id": "settings", "colour": "blue" };
    old.insert_one(&stranger).await.unwrap();

    store(&server, false).await.prepare().await.unwrap();
    assert_eq!(
        old.count_documents(doc! {}).await.unwrap(),
        1_204,
        "nobody asked"
    );

    for _ in 0..2 {
        store(&server, true).await.prepare().await.unwrap();
        let left = all(&old).await;
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(
            left.contains(&documents[3]) && left.contains(&stranger),
            "{left:?}"
        );
        let there = all(&new).await;
        assert_eq!(there.len(), history.len() + 1_202 + 1);
        let moved = documents
            .iter()
            .enumerate()
            .filter(|(i, _)| ![3, 7].contains(i));
        assert!(
            moved
                .map(|(_, document)| document)
                .all(|document| there.contains(document))
        );
        assert!(
            history
                .iter()
                .chain([&read, &rival])
                .all(|document| there.contains(document))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_was_stopped_goes_on_and_doubles_nothing() {
    let Some(server) = MongoDb::start().await else {
        return;
    };
    let database = database(&server).await;
    let (old, new) = (
        database.collection::<Document>("message2s"),
        database.collection::<Document>("message2"),
    );
    let documents = old_rooms(1_100);
    old.insert_many(&documents).await.unwrap();
    for command in ["delete", "insert", "getMore", "find"] {
        let fault = doc! { "failCommands": [command], "errorCode": 96 };
        server.fail_command(doc! { "times": 1 }, fault).await;
        let prepared = store(&server, true).await.prepare().await;
        let in_both = all(&old).await.len() + all(&new).await.len();
        assert!(in_both >= 1_100, "nothing is lost");
        if let Err(error) = prepared {
            assert!(
                error.to_string().contains("start again to go on"),
                "{error}"
            );
        }
    }
    server.fail_command("off", doc! {}).await;
    let servers = (0..3).map(async |_| store(&server, true).await.prepare().await);
    for prepared in join_all(servers).await {
        prepared.unwrap();
    }
    assert_eq!(all(&old).await, Vec::<Document>::new());
    let mut expected = documents;
    expected.sort_by_key(|document| document.get_object_id("_id").unwrap());
    assert_eq!(all(&new).await, expected);
}

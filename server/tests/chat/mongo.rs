//! The whole server on a real MongoDB, also while it crashes and freezes.

use std::{collections::HashMap, time::Duration};

use bson::{Document, doc, oid::ObjectId};
use futures::{TryStreamExt as _, future::join_all};
use serde_json::json;
use server::{
    config::{Config, StoreConfig},
    store::mongo::MongoConfig,
};

use crate::{
    client::{Client, Packet},
    running::{Running, config, start},
};

#[path = "../support/mongodb.rs"]
pub mod mongodb_support;
use mongodb_support::MongoDb;

const USERS: usize = 8;
/// How long the load goes on, with the fault in the middle.
const LOAD: Duration = Duration::from_secs(6);

pub fn on(mongodb: &MongoDb) -> Config {
    let mut config = Config {
        store: StoreConfig::MongoDb(MongoConfig::new(mongodb.uri())),
        ..config()
    };
    config.writer.deadline = Duration::from_secs(2);
    config.writer.attempt_timeout = Duration::from_secs(1);
    config
}

#[tokio::test]
async fn what_is_confirmed_is_a_document_of_today() {
    let Some(mongodb) = MongoDb::start().await else {
        return;
    };
    let server = start(on(&mongodb)).await;
    let mut a = Client::in_rooms(
        server.address,
        "507f1f77bcf86cd799439012",
        &["507f1f77bcf86cd799439011"],
    )
    .await;
    let ack = a
        .call(
            "roomMessage",
            json!({ "roomId": "507f1f77bcf86cd799439011", "body": "Hello!" }),
        )
        .await;
    let id = ObjectId::parse_str(ack["data"]["_id"].as_str().unwrap()).unwrap();
    let database = mongodb.client().await.default_database().unwrap();
    let stored = database
        .collection::<Document>("message2")
        .find_one(doc! { "_id": id })
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.get_str("body").unwrap(), "Hello!");
    let object_id = |hex: &str| ObjectId::parse_str(hex).unwrap();
    assert_eq!(
        stored.get_object_id("roomId").unwrap(),
        object_id("507f1f77bcf86cd799439011")
    );
    assert_eq!(
        stored.get_object_id("senderId").unwrap(),
        object_id("507f1f77bcf86cd799439012")
    );
    let health = server.get_json("/health").await;
    assert_eq!(health["store"]["name"], "mongodb");
    assert_eq!(health["store"]["durability"], "w: majority, j: true");
    assert_eq!(server.get("/debug/messages").await.0, 404);
    server.stopped().await;
}

#[tokio::test]
async fn a_client_message_of_an_earlier_server_is_not_stored_twice() {
    let Some(mongodb) = MongoDb::start().await else {
        return;
    };
    let payload = json!({ "channelId": "c", "body": "x", "clientMsgId": "once" });
    let mut ids = Vec::new();
    for _ in 0..2 {
        let server = start(on(&mongodb)).await;
        let mut a = Client::login(server.address, "a").await;
        a.call("JOIN_CHANNEL", json!({ "channelId": "c" })).await;
        let ack = a.call("NEW_MESSAGE_EVENT", payload.clone()).await;
        assert_eq!(ack["success"], true, "{ack}");
        let optimistic = a.event("NEW_MESSAGE_RECEIVED_EVENT").await;
        assert_eq!(
            a.event("channelMessageConfirmed").await["tempId"],
            optimistic["_id"]
        );
        ids.push(ack["data"]["_id"].clone());
        server.stopped().await;
    }
    assert_eq!(ids[0], ids[1]);
    let database = mongodb.client().await.default_database().unwrap();
    let stored = database
        .collection::<Document>("messages")
        .count_documents(doc! {})
        .await
        .unwrap();
    assert_eq!(stored, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_ends_once_though_mongodb_crashes() {
    let Some(mut mongodb) = MongoDb::start().await else {
        return;
    };
    let server = start(on(&mongodb)).await;
    let load = tokio::spawn(load(server.address));
    tokio::time::sleep(LOAD / 3).await;
    mongodb.crash_and_restart(Duration::from_secs(3)).await;
    let ends = load.await.unwrap();
    check(&mongodb, server, ends).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_ends_once_though_mongodb_freezes() {
    let Some(mongodb) = MongoDb::start().await else {
        return;
    };
    let server = start(on(&mongodb)).await;
    let load = tokio::spawn(load(server.address));
    tokio::time::sleep(LOAD / 3).await;
    mongodb.freeze();
    tokio::time::sleep(Duration::from_secs(3)).await;
    mongodb.thaw();
    let ends = load.await.unwrap();
    check(&mongodb, server, ends).await;
}

/// How each message ended: stored under an id, or not.
type Ends = HashMap<String, Option<ObjectId>>;

/// Pairs of users who write to each other; gives how all messages ended, each seen by both.
async fn load(address: std::net::SocketAddr) -> Ends {
    let mut clients = Vec::new();
    for user in 0..USERS {
        let room = format!("r{}", user / 2);
        clients.push((
            Client::in_rooms(address, &format!("u{user}"), &[&room]).await,
            room,
        ));
    }
    let users = clients.into_iter().map(|(mut client, room)| async move {
        let started = tokio::time::Instant::now();
        let mut asked = Vec::new();
        while started.elapsed() < LOAD {
            asked.push(
                client
                    .ask("roomMessage", json!({ "roomId": room, "body": "x" }))
                    .await,
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for ask in asked {
            client.ack(ask).await;
        }
        client
    });
    let clients = join_all(users).await;
    let mut ends = Ends::new();
    let mut seen = 0;
    for mut client in clients {
        let mut begun: HashMap<String, usize> = HashMap::new();
        for packet in client.settled().await {
            let Packet::Event(name, data) = packet else {
                panic!("{packet:?}")
            };
            if name == "roomMessageRecieved" {
                assert_eq!(begun.insert(data["_id"].as_str().unwrap().into(), 0), None);
                continue;
            }
            let temp_id = data["tempId"].as_str().unwrap();
            *begun.get_mut(temp_id).expect("no end before its beginning") += 1;
            let end = data
                .get("_id")
                .map(|id| ObjectId::parse_str(id.as_str().unwrap()).unwrap());
            assert_eq!(
                *ends.entry(temp_id.into()).or_insert(end),
                end,
                "both are told the same"
            );
        }
        assert!(
            begun.values().all(|ends| *ends == 1),
            "each message ends once"
        );
        seen += begun.len();
    }
    assert_eq!(seen, 2 * ends.len(), "both have seen every message");
    ends
}

/// Every Confirmed is in the store and, once it is settled, no Failed.
async fn check(mongodb: &MongoDb, server: Running, ends: Ends) {
    let settled = async {
        while server.get_json("/health").await["unsettled"] != 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), settled)
        .await
        .expect("unknown writes are not settled");
    let confirmed: std::collections::HashSet<ObjectId> = ends.values().copied().flatten().collect();
    let failed = ends.len() - confirmed.len();
    eprintln!("{} confirmed, {failed} failed", confirmed.len());
    assert!(
        confirmed.len() > 100 && failed > 0,
        "the fault was in the middle of the load"
    );
    let database = mongodb.client().await.default_database().unwrap();
    let stored: Vec<Document> = database
        .collection("message2")
        .find(doc! {})
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    let stored: std::collections::HashSet<ObjectId> = stored
        .iter()
        .map(|document| document.get_object_id("_id").unwrap())
        .collect();
    assert_eq!(stored, confirmed);
    server.stopped().await;
}

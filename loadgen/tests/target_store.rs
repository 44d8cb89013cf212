//! Picking and starting real stores, and reading back what was stored.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not the functions that they call"
)]

use std::process::Command;

use bson::{Document, doc, oid::ObjectId};
use loadgen::{
    dial::{Caller, Endpoint, Target},
    rig::{Audit, RunningStore, StoreChoice, TargetError},
    scenario::{Connections, Documents, IdType},
};
use mongodb::Client;

use crate::measuring::{Measuring, containers_of, docker_is_there, image, mongod_is_there};

mod broken;
mod measuring;

#[test]
fn role() {
    measuring::play();
}

async fn stores_and_reads_back(store: RunningStore) {
    let args = store.server_args();
    let [_, uri, _, database] = args.as_slice() else {
        panic!("{args:?}")
    };
    let client = Client::with_uri_str(uri).await.unwrap();
    let database = client.database(database);
    let ids = [ObjectId::new(), ObjectId::new()];
    let rooms = database.collection("message2");
    rooms
        .insert_one(doc! { "_id": ids[0], "senderId": "u1", "body": "run.1 a" })
        .await
        .unwrap();
    rooms
        .insert_one(doc! { "senderId": "u1", "body": "runx1 another run's" })
        .await
        .unwrap();
    let channels = database.collection("messages");
    channels
        .insert_one(doc! { "_id": ids[1], "senderId": ids[0], "body": "run.1 b" })
        .await
        .unwrap();
    channels
        .insert_one(doc! { "senderId": "u1", "body": "not run.1" })
        .await
        .unwrap();
    let mut found = Vec::new();
    let target = Target::started_here("http://127.0.0.1:1", &Connections::default()).unwrap();
    let asker = Caller::nobody(&target);
    let unused = Endpoint::resolve(target, asker).await.unwrap();
    store
        .audit(&unused)
        .visit("run.1", &mut |message| found.push(message))
        .await
        .unwrap();
    found.sort_by(|one, other| one.body.cmp(&other.body));
    let seen: Vec<_> = found
        .iter()
        .map(|message| (message.id.clone(), message.sender_id.clone()))
        .collect();
    assert_eq!(
        seen,
        [
            (ids[0].to_hex(), Some("u1".to_owned())),
            (ids[1].to_hex(), Some(ids[0].to_hex()))
        ]
    );
    store.stop().await.unwrap();
}

#[test]
fn docker_serves_a_mongodb() {
    if docker_is_there() {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let store = RunningStore::start(&StoreChoice::Docker, &image(), &mut |_| {})
                .await
                .unwrap();
            let description = store.description();
            assert!(description.starts_with("MongoDB "), "{description}");
            assert!(
                description.contains("(testcontainers, image "),
                "{description}"
            );
            assert!(!store.is_simulation());
            stores_and_reads_back(store).await;
        });
    }
}

#[tokio::test]
async fn mongod_serves_and_leaves_nothing() {
    if mongod_is_there() {
        let store = RunningStore::start(&StoreChoice::Mongod, "", &mut |_| {})
            .await
            .unwrap();
        assert!(
            store.description().ends_with("(mongod, temporary folder)"),
            "{}",
            store.description()
        );
        stores_and_reads_back(store).await;
    }
}

#[tokio::test]
async fn a_given_mongodb_gets_a_database_for_the_run_unless_it_names_one() {
    if !mongod_is_there() {
        return;
    }
    let host = RunningStore::start(&StoreChoice::Mongod, "", &mut |_| {})
        .await
        .unwrap();
    let uri = host.server_args()[1].clone();
    let client = Client::with_uri_str(&uri).await.unwrap();
    let databases = async || -> Vec<String> {
        let mut names = client.list_database_names().await.unwrap();
        names.retain(|name| !["admin", "config", "local"].contains(&name.as_str()));
        names
    };

    let own = RunningStore::start(&StoreChoice::Uri(uri.clone()), "", &mut |_| {})
        .await
        .unwrap();
    assert!(
        own.description().ends_with(&format!(" at {uri}")),
        "{}",
        own.description()
    );
    let name = own.server_args()[3].clone();
    client
        .database(&name)
        .collection("messages")
        .insert_one(doc! {})
        .await
        .unwrap();
    assert_eq!(databases().await, [name]);
    own.stop().await.unwrap();
    assert!(databases().await.is_empty());

    let named = RunningStore::start(&StoreChoice::Uri(format!("{uri}/chat")), "", &mut |_| {})
        .await
        .unwrap();
    assert_eq!(named.server_args()[3], "chat");
    client
        .database("chat")
        .collection("messages")
        .insert_one(doc! {})
        .await
        .unwrap();
    named.stop().await.unwrap();
    assert_eq!(databases().await, ["chat"]);

    // Dropped instead of stopped, and inside of a runtime that cannot be blocked: removed as well.
    let dropped = RunningStore::start(&StoreChoice::Uri(uri), "", &mut |_| {})
        .await
        .unwrap();
    client
        .database(&dropped.server_args()[3])
        .collection("messages")
        .insert_one(doc! {})
        .await
        .unwrap();
    drop(dropped);
    assert_eq!(databases().await, ["chat"]);
    host.stop().await.unwrap();
}

/// A database that somebody else's server fills: other collections, fields and ids.
async fn is_looked_up_where_it_is_said_to_be(uri: &str) {
    let database = Client::with_uri_str(uri).await.unwrap().database("theirs");
    let uuid = bson::Uuid::new();
    let insert = async |name: &str, document: Document| {
        let collection = database.collection::<Document>(name);
        collection.insert_one(document).await.unwrap();
    };
    insert(
        "chats",
        doc! { "key": uuid, "content": { "text": "run.1 a" } },
    )
    .await;
    insert(
        "chats",
        doc! { "key": uuid, "content": { "text": "another" } },
    )
    .await;
    insert("numbers", doc! { "_id": 7, "text": "run.1 b" }).await;
    insert("numbers", doc! { "_id": 8_i64, "text": "run.1 c" }).await;
    insert(
        "texts",
        doc! { "_id": "m1", "body": "run.1 d", "senderId": "u1" },
    )
    .await;
    let found = async |collections: &[&str], body: &str, id: &str, id_type| {
        let documents = Documents {
            collections: Some(collections.iter().map(|&name| name.to_owned()).collect()),
            body: body.to_owned(),
            id: id.to_owned(),
            id_type,
            ..Documents::default()
        };
        let mut found = Vec::new();
        let audit = Audit::mongo(uri, "theirs", documents);
        let visited = audit
            .visit("run.1", &mut |message| {
                found.push((message.id, message.body))
            })
            .await;
        found.sort_unstable();
        visited.map(|()| found).map_err(|error| error.to_string())
    };
    let is = |id: &str, body: &str| (id.to_owned(), body.to_owned());
    assert_eq!(
        found(&["chats"], "content.text", "key", IdType::Uuid).await,
        Ok(vec![is(&uuid.to_string(), "run.1 a")])
    );
    assert_eq!(
        found(&["numbers"], "text", "_id", IdType::Number).await,
        Ok(vec![is("7", "run.1 b"), is("8", "run.1 c")])
    );
    assert_eq!(
        found(&["texts"], "body", "_id", IdType::Text).await,
        Ok(vec![is("m1", "run.1 d")])
    );
    // A name that is wrong is no loss of messages.
    let wrong = found(&["texts", "text"], "body", "_id", IdType::Text).await;
    let said = "there is no collection text, but ";
    assert!(
        wrong.as_ref().is_err_and(|line| line.contains(said)),
        "{wrong:?}"
    );
    let wrong = found(&["texts"], "body", "_id", IdType::ObjectId).await;
    let said = "texts holds what is no message, its _id is no ";
    assert!(
        wrong.as_ref().is_err_and(|line| line.contains(said)),
        "{wrong:?}"
    );
    database.drop().await.unwrap();
}

#[test]
fn what_another_server_stored_is_looked_up_where_it_is_said_to_be() {
    if docker_is_there() {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let store = RunningStore::start(&StoreChoice::Docker, &image(), &mut |_| {})
                .await
                .unwrap();
            is_looked_up_where_it_is_said_to_be(&store.server_args()[1]).await;
            store.stop().await.unwrap();
        });
    }
}

#[tokio::test]
async fn a_mongodb_that_is_not_there_is_said_without_its_password() {
    let choice = StoreChoice::Uri("mongodb://user:secret@127.0.0.1:9".to_owned());
    let error = RunningStore::start(&choice, "", &mut |_| {})
        .await
        .unwrap_err();
    let line = error.to_string();
    assert!(
        matches!(error, TargetError::MongoUnreachable { .. }),
        "{line}"
    );
    assert!(
        line.starts_with("MongoDB at mongodb://***@127.0.0.1:9 does not answer ("),
        "{line}"
    );
    assert!(!line.contains("secret") && !line.contains('\n'), "{line}");
}

fn without_docker(command: &mut Command) {
    command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
}

fn without_mongod(command: &mut Command) {
    command.env("PATH", "/nowhere").env_remove("MONGOD");
}

#[test]
fn auto_simulates_only_where_there_is_no_database_and_says_why() {
    let mut run = Measuring::start("stop", "auto", |command| {
        without_docker(command);
        without_mongod(command);
    });
    assert!(run.end().success());
    assert_eq!(run.store, "in-memory simulation (save 50-200 ms)");
    let [docker, mongod, memory] = run.notices.as_slice() else {
        panic!("{:?}", run.notices)
    };
    assert!(docker.starts_with("no Docker here ("), "{docker}");
    assert_eq!(
        mongod,
        "there is no mongod on the PATH, and MONGOD is not set"
    );
    assert_eq!(
        memory,
        "there is no database: saving is simulated in memory"
    );
}

#[test]
fn by_name_absence_is_an_error() {
    let mut run = Measuring::start("stop", "docker", without_docker);
    run.end();
    let error = run.error.unwrap();
    assert!(
        error.starts_with("Docker does not answer (") && error.contains("--store mongod"),
        "{error}"
    );
    let mut run = Measuring::start("stop", "mongod", without_mongod);
    run.end();
    let error = run.error.unwrap();
    assert!(
        error.starts_with("there is no mongod on the PATH") && error.contains("--store docker"),
        "{error}"
    );
    let mut run = Measuring::start("stop", "auto", |command| {
        without_docker(command);
        command.env("MONGOD", "/nowhere/mongod");
    });
    run.end();
    let error = run.error.unwrap();
    assert!(
        error.starts_with("MONGOD names /nowhere/mongod, which is no executable file"),
        "{error}"
    );
}

#[test]
fn auto_takes_what_mongodb_uri_names_and_nothing_else() {
    let mut run = Measuring::start("stop", "auto", |command| {
        command.env("MONGODB_URI", "mongodb://127.0.0.1:9");
    });
    run.end();
    let error = run.error.unwrap();
    assert!(
        error.starts_with("MongoDB at mongodb://127.0.0.1:9 does not answer ("),
        "{error}"
    );
    if mongod_is_there() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let host = runtime
            .block_on(RunningStore::start(&StoreChoice::Mongod, "", &mut |_| {}))
            .unwrap();
        let uri = host.server_args()[1].clone();
        let mut run = Measuring::start("stop", "auto", |command| {
            command.env("MONGODB_URI", &uri);
        });
        assert!(run.end().success());
        assert!(
            run.store.ends_with(&format!(" at {uri} (MONGODB_URI)")),
            "{}",
            run.store
        );
        // The server reads the variable too: a password in it is not to be seen in the list of processes.
        assert!(run.args.starts_with("--database loadgen_"), "{}", run.args);
        runtime.block_on(host.stop()).unwrap();
    }
}

#[test]
fn auto_takes_docker_before_mongod() {
    if docker_is_there() {
        let mut run = Measuring::start("stop", "auto", |_| {});
        assert!(run.end().success());
        assert!(
            run.store.contains("(testcontainers, image "),
            "{}",
            run.store
        );
        assert_eq!(run.notices, [""; 0]);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        assert_eq!(runtime.block_on(containers_of(run.process.id())), [""; 0]);
        run.nothing_is_left_on_this_machine();
    }
}

#[test]
fn a_docker_without_the_image_is_an_error_by_name_and_passed_over_by_auto() {
    if !docker_is_there() {
        return;
    }
    // No registry has a name that may not exist.
    let missing = |command: &mut Command| {
        command.env("MONGO_IMAGE", "registry.invalid/mongo:none");
        without_mongod(command);
    };
    let mut run = Measuring::start("stop", "docker", missing);
    run.end();
    let error = run.error.unwrap();
    assert!(
        error.starts_with("Docker has no image registry.invalid/mongo:none and cannot pull it ("),
        "{error}"
    );
    assert!(error.contains("--mongo-image"), "{error}");
    let mut run = Measuring::start("stop", "auto", missing);
    assert!(run.end().success());
    assert_eq!(run.store, "in-memory simulation (save 50-200 ms)");
    assert_eq!(
        run.notices[0],
        "pulling the image registry.invalid/mongo:none, for at most 60 s"
    );
    let passed_over =
        "Docker is passed over: the image registry.invalid/mongo:none cannot be had (";
    assert!(
        run.notices[1].starts_with(passed_over),
        "{}",
        run.notices[1]
    );
}

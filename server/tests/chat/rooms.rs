//! One-to-one chat: joining, sending, and the three answers.

use serde_json::{Value, json};

use crate::{
    client::{Client, Packet, about},
    running::{config, start, start_with},
    store::Obedient,
};

fn hello(room: &str) -> Value {
    json!({ "roomId": room, "body": "Hello!" })
}

#[tokio::test]
async fn joining_and_leaving_are_acknowledged() {
    let server = start(config()).await;
    let mut a = Client::login(server.address, "a").await;
    let mut b = Client::login(server.address, "b").await;
    assert_eq!(
        a.call("joinRoom", json!({ "roomId": "r" })).await,
        json!({
            "success": true, "message": "Successfully joined the room",
            "data": { "roomId": "r", "connectedUsers": 1, "alreadyJoined": false }
        })
    );
    assert_eq!(
        b.call("joinRoom", json!({ "roomId": "r" })).await["data"]["connectedUsers"],
        2
    );
    assert_eq!(
        a.call("joinRoom", json!({ "roomId": "r" })).await,
        json!({
            "success": true, "message": "Already in the room",
            "data": { "roomId": "r", "connectedUsers": 2, "alreadyJoined": true }
        })
    );
    assert_eq!(
        a.call("leaveRoom", json!({ "roomId": "r" })).await,
        json!({ "success": true, "message": "Successfully left the room", "data": { "roomId": "r" } })
    );
    b.emit("roomMessage", hello("r")).await;
    b.event("roomMessageConfirmed").await;
    assert_eq!(a.settled().await, []);
    server.until_stats(2, 1, 2).await;
}

#[tokio::test]
async fn a_message_is_delivered_confirmed_and_acknowledged() {
    let server = start(config()).await;
    let mut a = Client::in_rooms(server.address, "a", &["r"]).await;
    let mut b = Client::in_rooms(server.address, "b", &["r"]).await;
    let payload = json!({
        "roomId": "r", "senderId": "a", "body": "Grüße 👋", "image": "i.png", "filename": "my photo.png",
        "timeStamp": 1_760_000_000_000_u64, "clientMsgId": "c1"
    });
    let ack = a.call("roomMessage", payload).await;

    let optimistic = b.event("roomMessageRecieved").await;
    let temp_id = optimistic["_id"].as_str().unwrap();
    assert!(temp_id.starts_with("temp_"), "{temp_id}");
    assert_eq!(
        optimistic,
        json!({
            "_id": temp_id, "body": "Grüße 👋", "image": "i.png", "imageKey": "my_photo.png-1760000000000",
            "status": "unread", "roomId": "r",
            "senderId": { "_id": "a", "username": "a", "email": null, "avatar": null },
            "createdAt": optimistic["createdAt"], "updatedAt": optimistic["createdAt"],
            "clientMsgId": "c1", "isOptimistic": true
        })
    );

    let confirmed = b.event("roomMessageConfirmed").await;
    let id = confirmed["_id"].as_str().unwrap();
    assert!(
        id.len() == 24 && id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id}"
    );
    let mut expected = optimistic.clone();
    let fields = expected.as_object_mut().unwrap();
    fields.remove("isOptimistic");
    fields.insert("_id".into(), id.into());
    fields.insert("tempId".into(), temp_id.into());
    fields.insert("isConfirmed".into(), true.into());
    assert_eq!(confirmed, expected);

    assert_eq!(ack["success"], true);
    assert_eq!(ack["message"], "Successfully created message in the room");
    assert_eq!(ack["data"], confirmed);
    let (emit, db) = (
        ack["timing"]["emitTime"].as_f64().unwrap(),
        ack["timing"]["dbTime"].as_f64().unwrap(),
    );
    assert!(0.0 < emit && emit <= db, "{ack}");

    assert_eq!(
        a.event("roomMessageRecieved").await,
        optimistic,
        "the sender gets the delivery too"
    );
    assert_eq!(a.event("roomMessageConfirmed").await, confirmed);

    let stored = server.get("/debug/messages").await.1;
    let stored: Value = serde_json::from_str(stored.trim()).unwrap();
    assert_eq!(
        stored,
        json!({
            "_id": id, "collection": "message2", "roomId": "r", "senderId": "a", "body": "Grüße 👋",
            "createdAt": optimistic["createdAt"], "clientMsgId": "c1"
        })
    );
}

#[tokio::test]
async fn the_delivery_does_not_wait_for_the_store() {
    let store = Obedient::closed();
    let server = start_with(config(), store.clone()).await;
    let mut a = Client::in_rooms(server.address, "a", &["r"]).await;
    let mut b = Client::in_rooms(server.address, "b", &["r"]).await;
    let ask = a.ask("roomMessage", hello("r")).await;
    let optimistic = b.event("roomMessageRecieved").await;
    assert_eq!(
        b.settled().await,
        [],
        "nothing is confirmed before it is stored"
    );
    assert_eq!(server.get_json("/health").await["queueDepth"], 1);
    store.open();
    assert_eq!(
        b.event("roomMessageConfirmed").await["tempId"],
        optimistic["_id"]
    );
    assert_eq!(a.ack(ask).await["success"], true);
}

#[tokio::test]
async fn a_message_that_is_not_saved_ends_as_failed_for_everybody() {
    let store = Obedient::opened();
    store
        .rejects
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let server = start_with(config(), store.clone()).await;
    let mut a = Client::in_rooms(server.address, "a", &["r"]).await;
    let mut b = Client::in_rooms(server.address, "b", &["r"]).await;
    let ack = a.call("roomMessage", hello("r")).await;
    assert_eq!(
        ack,
        json!({ "success": false, "message": "Failed to save message", "error": "rejected by the store" })
    );
    for client in [&mut a, &mut b] {
        let optimistic = client.event("roomMessageRecieved").await;
        let failed = client.event("roomMessageFailed").await;
        assert_eq!(
            failed,
            json!({ "tempId": optimistic["_id"], "error": "Failed to save message" })
        );
        assert_eq!(client.settled().await, []);
    }
    assert_eq!(
        server
            .metric("chat_failed_total{reason=\"rejected by the store\"}")
            .await,
        1.0
    );
    assert!(store.inner.is_empty());
}

#[tokio::test]
async fn a_full_queue_fails_at_once_and_is_counted() {
    let mut config = config();
    config.writer.capacity = 2;
    let store = Obedient::closed();
    let server = start_with(config, store.clone()).await;
    let mut a = Client::in_rooms(server.address, "a", &["r"]).await;
    let mut asked = Vec::new();
    for _ in 0..3 {
        asked.push(a.ask("roomMessage", hello("r")).await);
    }
    assert_eq!(a.ack(asked[2]).await["error"], "save queue full");
    let seen = about(&a.settled().await);
    assert_eq!(
        seen.iter()
            .filter(|(name, _)| name == "roomMessageRecieved")
            .count(),
        3
    );
    assert_eq!(
        seen.last().unwrap(),
        &("roomMessageFailed".to_owned(), seen[2].1.clone())
    );
    assert_eq!(
        server
            .metric("chat_failed_total{reason=\"save queue full\"}")
            .await,
        1.0
    );
    store.open();
    for ask in &asked[..2] {
        assert_eq!(a.ack(*ask).await["success"], true);
    }
    assert_eq!(store.inner.len(), 2);
}

#[tokio::test]
async fn nobody_outside_a_room_gets_or_sends_anything() {
    let server = start(config()).await;
    let mut a = Client::in_rooms(server.address, "a", &["r"]).await;
    let mut stranger = Client::in_rooms(server.address, "s", &["other"]).await;
    let refused = stranger.call("roomMessage", hello("r")).await;
    assert_eq!(
        refused,
        json!({ "success": false, "message": "Join the room before sending" })
    );
    let refused = stranger
        .call(
            "NEW_MESSAGE_EVENT",
            json!({ "channelId": "r", "body": "x" }),
        )
        .await;
    assert_eq!(
        refused,
        json!({ "success": false, "message": "Join the channel before sending" })
    );
    a.call("roomMessage", hello("r")).await;
    a.event("roomMessageConfirmed").await;
    assert_eq!(stranger.settled().await, []);
    assert_eq!(
        server
            .metric("chat_refused_total{reason=\"not_joined\"}")
            .await,
        2.0
    );
}

#[tokio::test]
async fn the_same_client_message_is_sent_once() {
    let store = Obedient::closed();
    let server = start_with(config(), store.clone()).await;
    let mut a = Client::in_rooms(server.address, "a", &["r"]).await;
    let mut b = Client::in_rooms(server.address, "b", &["r"]).await;
    let payload = json!({ "roomId": "r", "body": "x", "clientMsgId": "once" });
    let first = a.ask("roomMessage", payload.clone()).await;
    let while_saving = a.ask("roomMessage", payload.clone()).await;
    let elsewhere = b.ask("roomMessage", payload.clone()).await;
    b.event("roomMessageRecieved").await;
    store.open();
    let first = a.ack(first).await;
    assert_eq!(a.ack(while_saving).await, first);
    assert_eq!(
        a.call("roomMessage", payload).await,
        first,
        "also after its end"
    );
    assert_ne!(
        b.ack(elsewhere).await["data"]["_id"],
        first["data"]["_id"],
        "another sender, another message"
    );
    assert_eq!(store.inner.len(), 2);
    let deliveries = a.settled().await;
    let count = |name: &str| {
        about(&deliveries)
            .iter()
            .filter(|(got, _)| got == name)
            .count()
    };
    assert_eq!(
        (count("roomMessageRecieved"), count("roomMessageConfirmed")),
        (2, 2)
    );
    assert_eq!(server.metric("chat_repeated_total").await, 2.0);
}

#[tokio::test]
async fn a_failed_client_message_may_be_sent_again() {
    let store = Obedient::opened();
    store
        .rejects
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let server = start_with(config(), store.clone()).await;
    let mut a = Client::in_rooms(server.address, "a", &["r"]).await;
    let payload = json!({ "roomId": "r", "body": "x", "clientMsgId": "again" });
    assert_eq!(
        a.call("roomMessage", payload.clone()).await["success"],
        false
    );
    assert_eq!(a.event("roomMessageFailed").await["clientMsgId"], "again");
    store
        .rejects
        .store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(a.call("roomMessage", payload).await["success"], true);
}

#[tokio::test]
async fn everything_is_gone_when_everybody_has_gone() {
    let server = start(config()).await;
    let a = Client::in_rooms(server.address, "a", &["r", "s"]).await;
    let b = Client::in_rooms(server.address, "b", &["r"]).await;
    server.until_stats(2, 2, 2).await;
    a.logout().await;
    server.until_stats(1, 1, 1).await;
    drop(b); // The TCP connection just ends.
    server.until_stats(0, 0, 0).await;
}

#[tokio::test]
async fn an_event_in_the_same_breath_as_the_login_is_not_lost() {
    let server = start(config()).await;
    let mut everybody = Vec::new();
    for user in 0..50 {
        let mut client = Client::login(server.address, &user.to_string()).await;
        let ask = client.ask("joinRoom", json!({ "roomId": "r" })).await;
        client.emit("roomMessage", hello("r")).await;
        assert_eq!(client.ack(ask).await["data"]["connectedUsers"], user + 1);
        assert!(
            matches!(client.next().await, Packet::Event(name, _) if name == "roomMessageRecieved")
        );
        everybody.push(client);
    }
}

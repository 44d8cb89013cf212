//! One live socket per user: the latest wins, and keeps the rooms.

use serde_json::json;

use crate::{
    client::{Client, Packet, open_with_sid},
    running::{config, start},
};

#[tokio::test]
async fn a_second_login_takes_over_and_both_are_told() {
    let server = start(config()).await;
    let mut old = Client::in_rooms(server.address, "a", &["r", "s"]).await;
    old.call("JOIN_CHANNEL", json!({ "channelId": "c" })).await;
    let mut b = Client::in_rooms(server.address, "b", &["r"]).await;
    let mut new = Client::login(server.address, "a").await;

    let reconnected = new.event("reconnected").await;
    assert_eq!(reconnected["message"], "Successfully reconnected");
    assert_eq!(reconnected["rooms"], json!(["r", "s", "c"]));
    let already = new.event("accountAlreadyLoggedIn").await;
    assert_eq!(already["previousSocketId"], reconnected["previousSocketId"]);
    assert_eq!(already["userId"], "a");
    let elsewhere = old.event("accountLoggedInElsewhere").await;
    assert_eq!(elsewhere["userId"], "a");
    assert!(elsewhere["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_ne!(elsewhere["newSocketId"], reconnected["previousSocketId"]);
    server.until_stats(2, 3, 3).await;

    b.call(
        "roomMessage",
        json!({ "roomId": "r", "body": "to the new one" }),
    )
    .await;
    assert_eq!(
        new.event("roomMessageRecieved").await["body"],
        "to the new one"
    );
    new.event("roomMessageConfirmed").await;
    let refused = old
        .call(
            "roomMessage",
            json!({ "roomId": "r", "body": "from the old one" }),
        )
        .await;
    assert_eq!(
        refused,
        json!({ "success": false, "message": "Account logged in elsewhere" })
    );
    assert_eq!(
        old.call("joinRoom", json!({ "roomId": "t" })).await["success"],
        false
    );
    assert_eq!(
        old.call("leaveRoom", json!({ "roomId": "r" })).await["success"],
        false
    );

    old.logout().await;
    server.until_stats(2, 3, 2).await;
    new.call(
        "roomMessage",
        json!({ "roomId": "r", "body": "still here" }),
    )
    .await;
    assert_eq!(
        b.event("roomMessageRecieved").await["body"],
        "to the new one"
    );
    assert_eq!(b.event("roomMessageRecieved").await["body"], "still here");
    new.logout().await;
    b.logout().await;
    server.until_stats(0, 0, 0).await;
}

#[tokio::test]
async fn a_message_ends_where_it_began_when_its_sender_logs_in_again() {
    let store = crate::store::Obedient::closed();
    let server = crate::running::start_with(config(), store.clone()).await;
    let mut old = Client::in_rooms(server.address, "a", &["r"]).await;
    let ask = old
        .ask("roomMessage", json!({ "roomId": "r", "body": "x" }))
        .await;
    let optimistic = old.event("roomMessageRecieved").await;
    let mut new = Client::login(server.address, "a").await;
    new.event("reconnected").await;
    new.event("accountAlreadyLoggedIn").await;
    store.open();
    assert_eq!(old.ack(ask).await["success"], true);
    assert_eq!(
        old.event("roomMessageConfirmed").await["tempId"],
        optimistic["_id"]
    );
    assert_eq!(new.settled().await, [], "no end without its beginning");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn logging_in_over_and_over_at_once_leaves_one() {
    let server = start(config()).await;
    let logins = (0..20).map(|_| Client::login(server.address, "a"));
    let mut clients = futures::future::join_all(logins).await;
    server.until_stats(1, 0, 20).await;
    let mut live = 0;
    for client in &mut clients {
        if client.call("joinRoom", json!({ "roomId": "r" })).await["success"] == true {
            live += 1;
        }
    }
    assert_eq!(live, 1);
    drop(clients);
    server.until_stats(0, 0, 0).await;
}

#[tokio::test]
async fn no_session_key_is_ever_shown() {
    let server = start(config()).await;
    let (ws, sid) = open_with_sid(server.address).await;
    let mut first = Client::login_on(ws, &json!({ "token": "a" }))
        .await
        .unwrap();
    first.call("joinRoom", json!({ "roomId": "r" })).await;
    let mut second = Client::login(server.address, "a").await;
    let told = [
        second.event("reconnected").await,
        second.event("accountAlreadyLoggedIn").await,
    ];
    let page = server.get("/debug/sockets?verbose").await.1;
    assert!(!page.contains(&sid) && told.iter().all(|event| !event.to_string().contains(&sid)));
    assert!(
        !first.settled().await.iter().any(
            |packet| matches!(packet, Packet::Event(_, data) if data.to_string().contains(&sid))
        )
    );
}

//! Group chat: the same mechanism in the channels' words.

use serde_json::json;

use crate::{
    client::Client,
    running::{config, start},
};

#[tokio::test]
async fn a_channel_speaks_its_own_words() {
    let server = start(config()).await;
    let mut members = Vec::new();
    for user in ["a", "b", "c"] {
        let mut client = Client::login(server.address, user).await;
        let ack = client
            .call("JOIN_CHANNEL", json!({ "channelId": 42 }))
            .await;
        assert_eq!(
            ack,
            json!({
                "success": true, "message": "Successfully joined the channel",
                "data": { "channelId": "42", "connectedUsers": members.len() + 1, "alreadyJoined": false }
            })
        );
        members.push(client);
    }
    let again = members[0]
        .call("JOIN_CHANNEL", json!({ "channelId": "42" }))
        .await;
    assert_eq!(again["message"], "Already in the channel");

    let payload =
        json!({ "channelId": "42", "workspaceId": "w", "senderId": "a", "body": "Hello!" });
    let ack = members[0].call("NEW_MESSAGE_EVENT", payload).await;
    assert_eq!(ack["message"], "Successfully created message");
    for member in &mut members {
        let optimistic = member.event("NEW_MESSAGE_RECEIVED_EVENT").await;
        assert_eq!(
            (&optimistic["channelId"], &optimistic["workspaceId"]),
            (&json!("42"), &json!("w"))
        );
        assert!(optimistic.get("roomId").is_none());
        let confirmed = member.event("channelMessageConfirmed").await;
        assert_eq!(confirmed["tempId"], optimistic["_id"]);
        assert_eq!(confirmed, ack["data"]);
        assert_eq!(member.settled().await, []);
    }
    assert!(
        server
            .get("/debug/messages")
            .await
            .1
            .contains("\"collection\":\"messages\"")
    );

    let left = members[2]
        .call("leaveChannel", json!({ "channelId": "42" }))
        .await;
    assert_eq!(
        left,
        json!({ "success": true, "message": "Successfully left the channel", "data": { "channelId": "42" } })
    );
    let refused = members[2]
        .call(
            "NEW_MESSAGE_EVENT",
            json!({ "channelId": "42", "body": "x" }),
        )
        .await;
    assert_eq!(refused["message"], "Join the channel before sending");
}

#[tokio::test]
async fn a_room_and_a_channel_with_one_id_are_apart() {
    let server = start(config()).await;
    let mut in_room = Client::in_rooms(server.address, "a", &["x"]).await;
    let mut in_channel = Client::login(server.address, "b").await;
    in_channel
        .call("JOIN_CHANNEL", json!({ "channelId": "x" }))
        .await;
    in_channel
        .call(
            "NEW_MESSAGE_EVENT",
            json!({ "channelId": "x", "body": "x" }),
        )
        .await;
    assert_eq!(in_room.settled().await, []);
    server.until_stats(2, 2, 2).await;
}

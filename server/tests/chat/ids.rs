//! An id of 24 hex digits has one form, in live rooms as in the store.

use serde_json::json;

use crate::{
    client::Client,
    running::{config, start},
};

const UPPER: &str = "507F1F77BCF86CD7994390AB";
const MIXED: &str = "507f1F77bcf86cd7994390Ab";
const LOWER: &str = "507f1f77bcf86cd7994390ab";

#[tokio::test]
async fn a_room_in_upper_case_is_the_room_in_lower_case() {
    let server = start(config()).await;
    for (field, [join, leave, send, received]) in [
        (
            "roomId",
            [
                "joinRoom",
                "leaveRoom",
                "roomMessage",
                "roomMessageRecieved",
            ],
        ),
        (
            "channelId",
            [
                "JOIN_CHANNEL",
                "leaveChannel",
                "NEW_MESSAGE_EVENT",
                "NEW_MESSAGE_RECEIVED_EVENT",
            ],
        ),
    ] {
        let mut a = Client::login(server.address, "a").await;
        let mut b = Client::login(server.address, "b").await;
        let joined = a.call(join, json!({ field: UPPER })).await;
        assert_eq!(joined["data"][field], LOWER, "{joined}");
        let joined = b.call(join, json!({ field: LOWER })).await;
        assert_eq!(joined["data"]["connectedUsers"], 2, "one {field}: {joined}");
        let again = b.call(join, json!({ field: MIXED })).await;
        assert_eq!(again["data"]["alreadyJoined"], true, "{again}");
        let payload = json!({ field: MIXED, "body": "ABC", "workspaceId": UPPER });
        let ack = a.call(send, payload).await;
        assert_eq!(ack["data"][field], LOWER, "{ack}");
        let delivered = b.event(received).await;
        assert_eq!(delivered[field], LOWER, "live as in the acknowledgement");
        assert_eq!(delivered["body"], "ABC");
        if field == "channelId" {
            assert_eq!(delivered["workspaceId"], LOWER);
        }
        let left = b.call(leave, json!({ field: UPPER })).await;
        assert_eq!(left["data"][field], LOWER);
        b.settled().await;
        a.call(send, json!({ field: LOWER, "body": "after" })).await;
        assert_eq!(b.settled().await, [], "left under any spelling");
        a.logout().await;
        b.logout().await;
    }
    let stored = server.get("/debug/messages").await.1;
    assert!(
        !stored.contains(UPPER) && !stored.contains(MIXED),
        "{stored}"
    );
    server.until_stats(0, 0, 0).await;
}

#[tokio::test]
async fn a_user_in_upper_case_is_the_user_in_lower_case() {
    let server = start(config()).await;
    let mut first = Client::in_rooms(server.address, UPPER, &["r"]).await;
    let mut second = Client::login(server.address, LOWER).await;
    assert_eq!(
        second.event("accountAlreadyLoggedIn").await["userId"],
        LOWER
    );
    first.event("accountLoggedInElsewhere").await;
    let payload = json!({ "roomId": "r", "body": "x", "senderId": MIXED });
    let ack = second.call("roomMessage", payload).await;
    assert_eq!(ack["data"]["senderId"]["_id"], LOWER, "{ack}");
    assert_eq!(ack["data"]["senderId"]["username"], LOWER);
}

#[tokio::test]
async fn what_is_no_object_id_keeps_its_case() {
    let server = start(config()).await;
    let longer = format!("{UPPER}0");
    let not_hex = format!("{}X", &UPPER[1..]);
    for (room, lower) in [
        ("LOBBY", "lobby"),
        (longer.as_str(), &*longer.to_lowercase()),
        (not_hex.as_str(), &*not_hex.to_lowercase()),
    ] {
        let mut a = Client::in_rooms(server.address, "A", &[room]).await;
        let mut b = Client::in_rooms(server.address, "a", &[lower]).await;
        let payload = json!({ "roomId": room, "body": "x", "clientMsgId": UPPER });
        let ack = a.call("roomMessage", payload).await;
        assert_eq!(ack["data"]["roomId"], room);
        assert_eq!(ack["data"]["clientMsgId"], UPPER, "the client's own word");
        assert_eq!(b.settled().await, [], "two rooms");
        a.logout().await;
        b.logout().await;
    }
}

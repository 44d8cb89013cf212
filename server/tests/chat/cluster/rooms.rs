//! Rooms with members on several servers.

use serde_json::json;
use server::config::{BusChoice, BusMode, Secret};

use super::{Nodes, each_bus, on, redis::Redis};
use crate::client::{Client, Packet, about};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_and_its_end_reach_members_on_all_servers_once() {
    for (bus, _redis) in each_bus() {
        for mode in [BusMode::LocalFirst, BusMode::Ordered] {
            let nodes = Nodes::start(3, bus.clone(), mode).await;
            let mut a = Client::in_rooms(nodes.address(0), "a", &["r"]).await;
            let mut same = Client::in_rooms(nodes.address(0), "a2", &["r"]).await;
            let mut b = Client::in_rooms(nodes.address(1), "b", &["r"]).await;
            let mut c = Client::in_rooms(nodes.address(2), "c", &["r", "other"]).await;
            let ack = a
                .call("roomMessage", json!({ "roomId": "r", "body": "x" }))
                .await;
            assert_eq!(ack["success"], true, "{ack}");
            let id = ack["data"]["_id"].clone();
            let mut temporary = Vec::new();
            for client in [&mut a, &mut same, &mut b, &mut c] {
                let message = client.event("roomMessageRecieved").await;
                assert_eq!(
                    (&message["body"], &message["isOptimistic"]),
                    (&json!("x"), &json!(true))
                );
                assert_eq!(message["senderId"]["_id"], "a");
                let end = client.event("roomMessageConfirmed").await;
                assert_eq!((&end["_id"], &end["tempId"]), (&id, &message["_id"]));
                temporary.push(message["_id"].clone());
                assert_eq!(client.settled().await, [], "nothing comes twice");
            }
            assert!(temporary.iter().all(|id| *id == temporary[0]));
            nodes.stopped().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn channels_persist_first_and_who_has_left_hears_nothing() {
    let (nodes, _) = Nodes::in_memory(2).await;
    let mut a = Client::login(nodes.address(0), "a").await;
    let mut b = Client::login(nodes.address(1), "b").await;
    for client in [&mut a, &mut b] {
        client
            .call("JOIN_CHANNEL", json!({ "channelId": "c" }))
            .await;
    }
    let message = json!({ "channelId": "c", "body": "x", "workspaceId": "w" });
    a.call("NEW_MESSAGE_EVENT", message.clone()).await;
    b.event("NEW_MESSAGE_RECEIVED_EVENT").await;
    b.event("channelMessageConfirmed").await;
    b.call("leaveChannel", json!({ "channelId": "c" })).await;
    a.call("NEW_MESSAGE_EVENT", message).await;
    // What comes in another channel has come after it.
    b.call("joinRoom", json!({ "roomId": "r" })).await;
    a.call("joinRoom", json!({ "roomId": "r" })).await;
    a.call("roomMessage", json!({ "roomId": "r", "body": "y" }))
        .await;
    b.event("roomMessageConfirmed").await;
    let heard = about(&b.settled().await);
    assert_eq!(heard.len(), 1, "{heard:?}");
    nodes.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_joins_is_told_of_members_on_all_servers() {
    for (bus, _redis) in each_bus() {
        let nodes = Nodes::start(3, bus, BusMode::LocalFirst).await;
        let mut clients = Vec::new();
        for user in 0..6 {
            let mut client = Client::login(nodes.address(user % 3), &user.to_string()).await;
            let ack = client.call("joinRoom", json!({ "roomId": "r" })).await;
            assert_eq!(ack["data"]["connectedUsers"], user + 1, "{ack}");
            clients.push(client);
        }
        let again = clients[0].call("joinRoom", json!({ "roomId": "r" })).await;
        assert_eq!(again["data"]["connectedUsers"], 6, "{again}");
        clients.pop().unwrap().logout().await;
        let page = loop {
            let page = nodes.servers[0].get_json("/debug/sockets?cluster").await;
            if page["cluster"]["totalUsers"] == 5 {
                break page;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        };
        assert_eq!(
            page["cluster"]["nodes"].as_array().unwrap().len(),
            3,
            "{page}"
        );
        let mut last = Client::login(nodes.address(1), "z").await;
        let ack = last.call("joinRoom", json!({ "roomId": "r" })).await;
        assert_eq!(ack["data"]["connectedUsers"], 6, "{ack}");
        drop((clients, last));
        nodes.stopped().await;
    }
}

#[tokio::test]
async fn a_server_that_is_alone_says_so() {
    let server = crate::running::start(crate::running::config()).await;
    let (status, why) = server.get("/debug/sockets?cluster").await;
    assert_eq!((status, why.contains("--bus")), (400, true), "{why}");
    assert!(!server.get("/metrics").await.1.contains("chat_bus"));
    assert_eq!(server.get("/debug/sockets?cluster=0").await.0, 200);
    server.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_repetition_on_another_server_is_the_same_message() {
    let (nodes, _) = Nodes::in_memory(2).await;
    let mut a = Client::in_rooms(nodes.address(0), "a", &["r"]).await;
    let message = json!({ "roomId": "r", "body": "x", "clientMsgId": "1" });
    let first = a.call("roomMessage", message.clone()).await;
    a.logout().await;
    let mut a = Client::in_rooms(nodes.address(1), "a", &["r"]).await;
    let second = a.call("roomMessage", message).await;
    assert_eq!(first["data"]["_id"], second["data"]["_id"], "{second}");
    assert_eq!(nodes.store.after(None, 10).len(), 1);
    nodes.stopped().await;
}

/// Two entries for a message and its end, and two deliveries of the message: to its sender and to the other one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_servers_and_pairs_of_users_take_about_one_entry_a_delivery() {
    const PAIRS: usize = 24;
    let (nodes, _) = Nodes::in_memory(4).await;
    let mut pairs = Vec::new();
    for pair in 0..PAIRS {
        let room = format!("room{pair}");
        // Each pair of places as often as any other.
        let (here, there) = (pair % 4, pair / 4 % 4);
        let a = Client::in_rooms(nodes.address(here), &format!("a{pair}"), &[&room]).await;
        let b = Client::in_rooms(nodes.address(there), &format!("b{pair}"), &[&room]).await;
        pairs.push((room, a, b));
    }
    for (room, a, b) in &mut pairs {
        for _ in 0..5 {
            a.call("roomMessage", json!({ "roomId": room, "body": "x" }))
                .await;
            b.event("roomMessageConfirmed").await;
        }
        let heard = b.settled().await;
        let messages = heard.iter().filter(
            |packet| matches!(packet, Packet::Event(name, _) if name == "roomMessageRecieved"),
        );
        assert_eq!(messages.count(), 5);
    }
    let deliveries = (PAIRS * 5 * 2) as f64;
    let entries = nodes.metric("chat_bus_published_total").await;
    assert!(
        entries / deliveries <= 1.2,
        "{entries} entries, {deliveries} deliveries"
    );
    for server in &nodes.servers {
        let partitions = server.metric("chat_bus_partitions").await;
        assert!(
            partitions < 24.5,
            "only those with members are read: {partitions}"
        );
    }
    drop(pairs);
    nodes.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_chats_on_one_redis_are_strangers() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let other = BusChoice::Redis(Secret(redis.url()), "other".to_owned());
    let one = Nodes::start(2, on(&redis), BusMode::LocalFirst).await;
    let other = Nodes::start(1, other, BusMode::LocalFirst).await;
    let mut a = Client::in_rooms(one.address(0), "a", &["r"]).await;
    let mut b = Client::in_rooms(one.address(1), "b", &["r"]).await;
    let mut stranger = Client::login(other.address(0), "a").await;
    let joined = stranger.call("joinRoom", json!({ "roomId": "r" })).await;
    assert_eq!(joined["data"]["connectedUsers"], 1, "{joined}");
    a.call("roomMessage", json!({ "roomId": "r", "body": "x" }))
        .await;
    b.event("roomMessageConfirmed").await;
    assert_eq!(stranger.settled().await, []);
    drop((a, b, stranger));
    one.stopped().await;
    other.stopped().await;
}

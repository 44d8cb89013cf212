//! A server that is killed and one that stops, among others.

use std::time::Duration;

use serde_json::json;
use server::config::BusMode;
use tokio::time::timeout;

use super::{Nodes, each_bus};
use crate::client::{Client, GUARD};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_a_server_is_killed_its_users_go_on_elsewhere_and_nothing_confirmed_is_lost() {
    for (bus, _redis) in each_bus() {
        let mut nodes = Nodes::start(2, bus, BusMode::LocalFirst).await;
        let mut a = Client::in_rooms(nodes.address(0), "a", &["r"]).await;
        let mut b = Client::in_rooms(nodes.address(1), "b", &["r"]).await;
        let mut confirmed = Vec::new();
        for i in 0..20 {
            let ack = a
                .call(
                    "roomMessage",
                    json!({ "roomId": "r", "body": i.to_string() }),
                )
                .await;
            confirmed.push(ack["data"]["_id"].as_str().unwrap().to_owned());
        }
        nodes.servers.remove(0).kill().await;
        let mut a = Client::in_rooms(nodes.address(0), "a", &["r"]).await;
        let ack = a
            .call("roomMessage", json!({ "roomId": "r", "body": "after" }))
            .await;
        confirmed.push(ack["data"]["_id"].as_str().unwrap().to_owned());
        while b.event("roomMessageRecieved").await["body"] != "after" {}
        let stored: Vec<_> = nodes
            .store
            .after(None, 100)
            .iter()
            .map(|m| m.id.to_hex())
            .collect();
        assert!(confirmed.iter().all(|id| stored.contains(id)));

        // Who was on it counts until its lease has run out.
        let mut c = Client::login(nodes.address(0), "c").await;
        let counted = timeout(GUARD, async {
            loop {
                let ack = c.call("joinRoom", json!({ "roomId": "r" })).await;
                if ack["data"]["connectedUsers"] == 3 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        counted
            .await
            .expect("a killed server's users are counted for ever");
        drop((a, b, c));
        nodes.stopped().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_stops_tells_the_others_all_that_it_knows_and_goes() {
    for (bus, _redis) in each_bus() {
        let mut nodes = Nodes::start(2, bus, BusMode::LocalFirst).await;
        let mut a = Client::in_rooms(nodes.address(0), "a", &["r"]).await;
        let mut b = Client::in_rooms(nodes.address(1), "b", &["r"]).await;
        for i in 0..50 {
            a.emit(
                "roomMessage",
                json!({ "roomId": "r", "body": i.to_string() }),
            )
            .await;
        }
        a.settled().await;
        assert!(nodes.servers.remove(0).stopped().await.clean);
        for i in 0..50 {
            assert_eq!(b.event("roomMessageRecieved").await["body"], i.to_string());
            b.event("roomMessageConfirmed").await;
        }
        let page = timeout(GUARD, async {
            loop {
                let page = nodes.servers[0].get_json("/debug/sockets?cluster").await;
                if page["cluster"]["nodes"].as_array().unwrap().len() == 1 {
                    return page;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        assert_eq!(page.await.unwrap()["cluster"]["totalUsers"], 1);
        drop(b);
        nodes.stopped().await;
    }
}

//! Which order holds on which server, in which mode.

use serde_json::{Value, json};
use server::config::BusMode;

use super::{Nodes, each_bus};
use crate::client::{Client, Packet};

const EACH: usize = 100;

/// All that a client has heard, as soon as it is all.
async fn heard(client: &mut Client, messages: usize) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    let mut ends = 0;
    while ends < messages {
        if let Packet::Event(name, data) = client.next().await {
            ends += usize::from(name == "roomMessageConfirmed");
            events.push((name, data));
        }
    }
    events
}

/// What one client heard of the messages, by their bodies.
fn bodies(events: &[(String, Value)]) -> Vec<String> {
    events
        .iter()
        .filter(|(name, _)| name == "roomMessageRecieved")
        .map(|(_, data)| data["body"].as_str().unwrap().to_owned())
        .collect()
}

async fn two_senders(nodes: &Nodes) -> Vec<Vec<(String, Value)>> {
    let mut clients = Vec::new();
    for (node, user) in ["a", "b", "c"].into_iter().enumerate() {
        clients.push(Client::in_rooms(nodes.address(node), user, &["r"]).await);
    }
    for i in 0..EACH {
        for (client, user) in clients.iter_mut().zip(["a", "b"]) {
            let body = format!("{user}{i}");
            client
                .emit("roomMessage", json!({ "roomId": "r", "body": body }))
                .await;
        }
    }
    let mut all = Vec::new();
    for client in &mut clients {
        all.push(heard(client, 2 * EACH).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_senders_order_holds_everywhere_and_no_end_comes_first() {
    for (bus, _redis) in each_bus() {
        let nodes = Nodes::start(3, bus, BusMode::LocalFirst).await;
        for events in two_senders(&nodes).await {
            let bodies = bodies(&events);
            for user in ["a", "b"] {
                let of: Vec<_> = bodies
                    .iter()
                    .filter(|body| body.starts_with(user))
                    .collect();
                let sent: Vec<_> = (0..EACH).map(|i| format!("{user}{i}")).collect();
                assert_eq!(of, sent.iter().collect::<Vec<_>>());
            }
            let mut known = std::collections::HashSet::new();
            for (name, data) in events {
                match name.as_str() {
                    "roomMessageRecieved" => assert!(known.insert(data["_id"].clone())),
                    _ => assert!(known.remove(&data["tempId"]), "an end before its beginning"),
                }
            }
        }
        nodes.stopped().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ordered_is_one_order_on_all_servers() {
    for (bus, _redis) in each_bus() {
        let nodes = Nodes::start(3, bus, BusMode::Ordered).await;
        let all = two_senders(&nodes).await;
        let orders: Vec<_> = all.iter().map(|events| bodies(events)).collect();
        assert_eq!(orders[0].len(), 2 * EACH);
        assert!(orders.iter().all(|order| *order == orders[0]), "{orders:?}");
        nodes.stopped().await;
    }
}

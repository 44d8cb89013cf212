//! Which order holds on which server, in which mode.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::{Value, json};
use server::config::BusMode;
use tokio::time::timeout;

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

/// Their rooms are in several partitions, which the bus knows no common order of.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_a_socket_a_senders_order_holds_over_all_rooms() {
    const ROOMS: usize = 12;
    for (bus, _redis) in each_bus() {
        for mode in [BusMode::LocalFirst, BusMode::Ordered] {
            let nodes = Nodes::start(2, bus.clone(), mode).await;
            let rooms: Vec<_> = (0..ROOMS).map(|i| format!("room{i}")).collect();
            let rooms: Vec<_> = rooms.iter().map(String::as_str).collect();
            let mut a = Client::in_rooms(nodes.address(0), "a", &rooms).await;
            let mut b = Client::in_rooms(nodes.address(1), "b", &rooms).await;
            for i in 0..3 * EACH {
                let room = rooms[i * 7 % ROOMS];
                a.emit(
                    "roomMessage",
                    json!({ "roomId": room, "body": i.to_string() }),
                )
                .await;
            }
            let sent: Vec<_> = (0..3 * EACH).map(|i| i.to_string()).collect();
            for client in [&mut a, &mut b] {
                assert_eq!(bodies(&heard(client, 3 * EACH).await), sent, "{mode:?}");
            }
            drop((a, b));
            nodes.stopped().await;
        }
    }
}

/// Messages with rising numbers to each of the rooms in turn, until somebody has joined all of them, and once more.
async fn talk(mut sender: Client, rooms: Vec<String>, joined: Arc<AtomicBool>) -> Client {
    const TOGETHER: usize = 12;
    let mut next = rooms.iter().cycle().zip(1..);
    let mut after = 0;
    while after < rooms.len() {
        after += if joined.load(Relaxed) { TOGETHER } else { 0 };
        for (room, number) in next.by_ref().take(TOGETHER) {
            let message = json!({ "roomId": room, "body": number.to_string() });
            sender.emit("roomMessage", message).await;
        }
        // Who reads nothing is thrown out.
        let reads = async {
            loop {
                sender.next().await;
            }
        };
        let _for_a_while = timeout(Duration::from_millis(1), reads).await;
    }
    let end = json!({ "roomId": rooms[0], "body": "end" });
    sender.emit("roomMessage", end).await;
    sender
}

/// The numbers that a client hears until the end.
async fn numbers(client: &mut Client) -> Vec<u64> {
    let mut heard = Vec::new();
    loop {
        if let Packet::Event(name, data) = client.next().await
            && name == "roomMessageRecieved"
        {
            match data["body"].as_str().unwrap() {
                "end" => return heard,
                number => heard.push(number.parse().unwrap()),
            }
        }
    }
}

/// Each of the rooms is in a partition that the second server begins to read in mid-stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_joins_while_a_sender_talks_in_several_rooms_hears_them_in_order() {
    const ROOMS: usize = 24;
    for (bus, _redis) in each_bus() {
        let nodes = Nodes::start(2, bus, BusMode::LocalFirst).await;
        let rooms: Vec<_> = (0..ROOMS).map(|i| format!("room{i}")).collect();
        let all: Vec<_> = rooms.iter().map(String::as_str).collect();
        let a = Client::in_rooms(nodes.address(0), "a", &all).await;
        let mut b = Client::in_rooms(nodes.address(1), "b", &["last"]).await;
        let joined = Arc::new(AtomicBool::new(false));
        let talk = tokio::spawn(talk(a, rooms.clone(), Arc::clone(&joined)));
        for room in all {
            let ack = b.call("joinRoom", json!({ "roomId": room })).await;
            assert_eq!(ack["success"], true, "{ack}");
        }
        joined.store(true, Relaxed);
        let a = talk.await.unwrap();
        let heard = numbers(&mut b).await;
        assert!(heard.len() >= ROOMS, "{heard:?}");
        assert!(heard.is_sorted_by(|one, next| one < next), "{heard:?}");
        drop((a, b));
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

//! Who got a message hears how it ended, also when nobody of its conversation is left on their server.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use server::{
    bus::memory::MemoryBus,
    config::{BusChoice, BusMode},
};
use tokio::time::{sleep, timeout};

use super::Nodes;
use crate::{
    client::{Client, GUARD, about},
    store::Obedient,
};

/// Long enough for a server to stop reading what nobody is in any more.
const SETTLED: Duration = Duration::from_millis(500);

/// So many servers on a store that holds what it is given.
async fn on_a_held_store(count: usize, mode: BusMode) -> (Nodes, Arc<Obedient>) {
    let store = Obedient::closed();
    let bus = BusChoice::Memory(MemoryBus::default());
    let mut nodes = Nodes::start(0, bus, mode).await;
    for _ in 0..count {
        nodes.add_on(store.clone()).await;
    }
    (nodes, store)
}

/// Waits for the end of the one message; a client whose server is there would wait for ever.
async fn end(client: &mut Client) -> Value {
    let end = timeout(GUARD, client.event("roomMessageConfirmed"));
    end.await.expect("it has no end")
}

fn message() -> Value {
    json!({ "roomId": "r", "body": "x" })
}

/// Waits until a server reads nothing of others any more.
async fn until_it_reads_nothing(nodes: &Nodes, node: usize) {
    let ended = async {
        while nodes.servers[node].metric("chat_bus_partitions").await > 0.0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(GUARD, ended).await.expect("it reads on");
    assert_eq!(nodes.metric("chat_bus_forgotten_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_has_left_hears_how_a_message_of_another_server_ended() {
    for mode in [BusMode::LocalFirst, BusMode::Ordered] {
        let (nodes, store) = on_a_held_store(2, mode).await;
        let mut a = Client::in_rooms(nodes.address(0), "a", &["r"]).await;
        let mut u = Client::in_rooms(nodes.address(1), "u", &["r"]).await;
        a.emit("roomMessage", message()).await;
        let delivered = u.event("roomMessageRecieved").await;
        u.call("leaveRoom", json!({ "roomId": "r" })).await;
        sleep(SETTLED).await;
        store.open();
        let end = end(&mut u).await;
        assert_eq!(end["tempId"], delivered["_id"]);
        until_it_reads_nothing(&nodes, 1).await;
        drop((a, u));
        nodes.stopped().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whose_login_was_replaced_elsewhere_hears_it_too() {
    let (nodes, store) = on_a_held_store(3, BusMode::LocalFirst).await;
    let mut a = Client::in_rooms(nodes.address(0), "a", &["r"]).await;
    let mut old = Client::in_rooms(nodes.address(1), "u", &["r"]).await;
    a.emit("roomMessage", message()).await;
    let delivered = old.event("roomMessageRecieved").await;
    let mut new = Client::login(nodes.address(2), "u").await;
    new.event("reconnected").await;
    new.event("accountAlreadyLoggedIn").await;
    old.event("accountLoggedInElsewhere").await;
    sleep(SETTLED).await;
    store.open();
    let end = end(&mut old).await;
    assert_eq!(end["tempId"], delivered["_id"]);
    until_it_reads_nothing(&nodes, 1).await;
    assert_eq!(new.settled().await, [], "who did not get it hears no end");
    drop((a, old, new));
    nodes.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_ordered_a_sender_who_has_left_hears_the_end_and_then_the_answer() {
    let (nodes, store) = on_a_held_store(1, BusMode::Ordered).await;
    let mut a = Client::in_rooms(nodes.address(0), "a", &["r"]).await;
    let asked = a.ask("roomMessage", message()).await;
    let delivered = a.event("roomMessageRecieved").await;
    a.call("leaveRoom", json!({ "roomId": "r" })).await;
    sleep(SETTLED).await;
    store.open();
    let ack = a.ack(asked).await;
    assert_eq!(ack["data"]["tempId"], delivered["_id"], "{ack}");
    let before = a.settled().await;
    let temporary = delivered["_id"].as_str().unwrap().to_owned();
    let end = ("roomMessageConfirmed".to_owned(), temporary);
    assert_eq!(about(&before), [end]);
    until_it_reads_nothing(&nodes, 0).await;
    drop(a);
    nodes.stopped().await;
}

//! One live login for a user on all servers: the newest.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use server::{
    bus::{Bus as _, Login, NodeName, Stream, memory::Beats},
    cluster::entry::{Letter, What},
    config::BusMode,
    message::{Conversation, Kind},
};

use tokio::time::timeout;

use super::{Nodes, each_bus};
use crate::client::{Client, GUARD};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_login_on_another_server_takes_over_and_both_are_told_within_a_second() {
    for (bus, _redis) in each_bus() {
        let nodes = Nodes::start(3, bus, BusMode::LocalFirst).await;
        let mut old = Client::in_rooms(nodes.address(0), "a", &["r", "s"]).await;
        let mut b = Client::in_rooms(nodes.address(2), "b", &["r"]).await;
        let began = Instant::now();
        let mut new = Client::login(nodes.address(1), "a").await;
        let elsewhere = old.event("accountLoggedInElsewhere").await;
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "{:?}",
            began.elapsed()
        );
        let reconnected = new.event("reconnected").await;
        assert_eq!(reconnected["rooms"], json!(["r", "s"]));
        let already = new.event("accountAlreadyLoggedIn").await;
        assert_eq!(already["previousSocketId"], reconnected["previousSocketId"]);
        assert_ne!(elsewhere["newSocketId"], reconnected["previousSocketId"]);

        let refused = old
            .call("roomMessage", json!({ "roomId": "r", "body": "x" }))
            .await;
        assert_eq!(refused["success"], false, "{refused}");
        let sent = new
            .call(
                "roomMessage",
                json!({ "roomId": "r", "body": "from the new one" }),
            )
            .await;
        assert_eq!(sent["success"], true, "{sent}");
        assert_eq!(
            b.event("roomMessageRecieved").await["body"],
            "from the new one"
        );
        assert_eq!(old.settled().await, []);
        drop((old, new, b));
        nodes.stopped().await;
    }
}

/// The news that an older login was replaced elsewhere comes late, when the user is here again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_told_of_an_older_login_does_nothing_to_the_newer_one() {
    let (nodes, bus) = Nodes::in_memory(1).await;
    let mut client = Client::in_rooms(nodes.address(0), "a", &["r"]).await;
    let here = nodes.name(0).await;
    let login = Login {
        node: NodeName::of("other"),
        socket: 1,
        stamp: 1,
    };
    let [before, after] = Letter::notice(&login.node, "a", &login).unwrap();
    let told = Bytes::from([&before[..], b"7", &after].concat());
    let life = bus.life().await.unwrap();
    let inbox = Stream::Inbox(here);
    bus.append(&life, &[(inbox, told)]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(winners(std::slice::from_mut(&mut client)).await, [0]);
    assert_eq!(client.settled().await, []);
    drop(client);
    nodes.stopped().await;
}

/// A server that does not know whether the bus has what it told says it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_handed_over_twice_puts_nobody_back_into_a_room_that_they_left() {
    let (nodes, bus) = Nodes::in_memory(1).await;
    let mut client = Client::login(nodes.address(0), "a").await;
    let (here, other) = (nodes.name(0).await, NodeName::of("other"));
    let hand_over = async |number: u64, room: &str| {
        let letter = Letter {
            node: other.clone(),
            number,
            place: number,
            what: What::HandedOver {
                user: "a".into(),
                replaced: 7,
                conversations: vec![Conversation {
                    kind: Kind::Room,
                    id: room.to_owned(),
                }],
            },
        };
        let letter = (Stream::Inbox(here.clone()), letter.encode().unwrap());
        let life = bus.life().await.unwrap();
        bus.append(&life, &[letter]).await.unwrap();
    };
    hand_over(1, "r").await;
    assert_eq!(client.event("reconnected").await["rooms"], json!(["r"]));
    client.call("leaveRoom", json!({ "roomId": "r" })).await;
    hand_over(1, "r").await;
    hand_over(5, "s").await;
    assert_eq!(client.event("reconnected").await["rooms"], json!(["s"]));
    let say = |room| json!({ "roomId": room, "body": "x" });
    let left = client.call("roomMessage", say("r")).await;
    assert_eq!(left["message"], "Join the room before sending", "{left}");
    assert_eq!(client.call("roomMessage", say("s")).await["success"], true);
    assert_eq!(nodes.metric("chat_bus_repeated_total").await, 1.0);
    drop(client);
    nodes.stopped().await;
}

/// How many of these logins the servers count as the user's.
async fn winners(clients: &mut [Client]) -> Vec<usize> {
    let mut winners = Vec::new();
    for (at, client) in clients.iter_mut().enumerate() {
        let ack = client.call("joinRoom", json!({ "roomId": "who" })).await;
        if ack["success"] == true {
            winners.push(at);
        }
    }
    winners
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_time_without_the_bus_the_newest_login_wins_alone() {
    for forgets in [false, true] {
        let (nodes, bus) = Nodes::in_memory(3).await;
        bus.stall(true);
        let mut clients = Vec::new();
        for node in [2, 0, 1] {
            clients.push(Client::login(nodes.address(node), "a").await);
            // Their servers' clocks count in milliseconds, and are looked at every so often.
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        if forgets {
            bus.restart();
            bus.stall(true);
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
        bus.stall(false);
        for client in &mut clients[..2] {
            client.event("accountLoggedInElsewhere").await;
        }
        assert_eq!(winners(&mut clients).await, [2]);
        drop(clients);
        nodes.stopped().await;
    }
}

/// The bus takes a server for dead and lets it live again, and its answer that says so is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_logged_in_elsewhere_while_a_server_seemed_dead_wins_though_it_never_heard_of_that() {
    let (nodes, bus) = Nodes::in_memory(2).await;
    let mut old = Client::in_rooms(nodes.address(0), "a", &["r"]).await;
    bus.let_beats(Beats::Lost);
    bus.end_leases();
    let new = Client::login(nodes.address(1), "a").await;
    // Until the bus has the login, which it tells nobody of; and until all have beaten.
    tokio::time::sleep(Duration::from_millis(500)).await;
    bus.let_beats(Beats::Unanswered);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    bus.let_beats(Beats::Answered);
    let told = timeout(GUARD, old.event("accountLoggedInElsewhere"));
    told.await.expect("both live on");
    let mut clients = [old, new];
    assert_eq!(winners(&mut clients).await, [1]);
    drop(clients);
    nodes.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn logging_in_everywhere_at_once_leaves_one() {
    for (bus, _redis) in each_bus() {
        let nodes = Nodes::start(3, bus, BusMode::LocalFirst).await;
        let logins = (0..12).map(|i| Client::login(nodes.address(i % 3), "a"));
        let mut clients = futures::future::join_all(logins).await;
        let until = Instant::now() + GUARD;
        loop {
            let live = winners(&mut clients).await;
            if live.len() == 1 {
                break;
            }
            assert!(Instant::now() < until, "{live:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(winners(&mut clients).await.len(), 1, "it stays one");
        drop(clients);
        nodes.stopped().await;
    }
}

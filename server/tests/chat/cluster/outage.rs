//! A bus that dies, stands still or loses something: who is on one server notices nothing, and the others get all of it
//! later or are told that they don't.

use std::{borrow::Cow, time::Duration};

use serde_json::{json, value::to_raw_value};
use server::{
    bus::{Bus as _, KEPT_ENTRIES, NodeName, Stream, memory::MemoryBus, partition},
    cluster::entry::{Letter, What},
    config::{BusChoice, BusMode, DeliveryMode},
    message::{Conversation, Kind},
};
use tokio::time::{Instant, timeout};

use super::{Nodes, lose_some, on, redis::Redis};
use crate::client::{Client, GUARD};

async fn say(client: &mut Client, body: &str) {
    let ack = client
        .call("roomMessage", json!({ "roomId": "r", "body": body }))
        .await;
    assert_eq!(ack["success"], true, "{ack}");
}

async fn hears(client: &mut Client, body: &str) {
    assert_eq!(client.event("roomMessageRecieved").await["body"], body);
    client.event("roomMessageConfirmed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_redis_is_dead_members_of_one_server_talk_and_the_others_get_all_of_it_later() {
    let Some(mut redis) = Redis::start() else {
        return;
    };
    let nodes = Nodes::start(2, on(&redis), BusMode::LocalFirst).await;
    let mut a = Client::in_rooms(nodes.address(0), "a", &["r"]).await;
    let mut here = Client::in_rooms(nodes.address(0), "here", &["r"]).await;
    let mut there = Client::in_rooms(nodes.address(1), "there", &["r"]).await;
    let mut bodies = Vec::new();
    for round in 0..2 {
        for i in 0..50 {
            // In the middle of it, so that something is lost that Redis had taken.
            match i {
                20 => redis.kill(),
                40 => redis.start_again(),
                _ => {}
            }
            let body = format!("{round}-{i}");
            say(&mut a, &body).await;
            hears(&mut here, &body).await;
            bodies.push(body);
        }
        let back = Instant::now();
        for body in bodies.drain(..) {
            hears(&mut there, &body).await;
        }
        assert!(
            back.elapsed() < Duration::from_secs(2),
            "{:?}",
            back.elapsed()
        );
    }
    say(&mut there, "and back").await;
    hears(&mut here, "and back").await;
    assert_eq!(
        there.settled().await.len(),
        2,
        "its own message and its end"
    );
    assert_eq!(nodes.metric("chat_bus_missed_total").await, 0.0);
    assert!(nodes.metric("chat_bus_replayed_total").await > 0.0);
    drop((a, here, there));
    nodes.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_redis_stands_still_nothing_is_lost_and_nothing_comes_twice() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let nodes = Nodes::start(2, on(&redis), BusMode::LocalFirst).await;
    let mut a = Client::in_rooms(nodes.address(0), "a", &["r"]).await;
    let mut there = Client::in_rooms(nodes.address(1), "there", &["r"]).await;
    redis.stand_still(true);
    for i in 0..30 {
        say(&mut a, &i.to_string()).await;
    }
    tokio::time::sleep(Duration::from_millis(2500)).await;
    redis.stand_still(false);
    for i in 0..30 {
        hears(&mut there, &i.to_string()).await;
    }
    say(&mut a, "last").await;
    hears(&mut there, "last").await;
    assert_eq!(there.settled().await, []);
    assert_eq!(nodes.metric("chat_bus_missed_total").await, 0.0);
    drop((a, there));
    nodes.stopped().await;
}

/// Each exchange takes two seconds to fail: one after the other they would take minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_joins_while_redis_stands_still_is_answered_however_many_they_are() {
    const USERS: usize = 100;
    let Some(redis) = Redis::start() else {
        return;
    };
    let nodes = Nodes::start(2, on(&redis), BusMode::LocalFirst).await;
    let mut there = Client::login(nodes.address(1), "there").await;
    let mut clients = Vec::new();
    for user in 0..USERS {
        clients.push(Client::login(nodes.address(0), &user.to_string()).await);
    }
    redis.stand_still(true);
    let room = json!({ "roomId": "r" });
    let mut asked = Vec::new();
    for client in &mut clients {
        asked.push(client.ask("joinRoom", room.clone()).await);
    }
    let answered = timeout(GUARD, async {
        for (client, ask) in clients.iter_mut().zip(asked) {
            assert_eq!(client.ack(ask).await["success"], true);
        }
    });
    let answered = answered.await;
    redis.stand_still(false);
    answered.expect("joins wait for a bus that does not answer");
    let told = timeout(GUARD, async {
        while there.call("joinRoom", room.clone()).await["data"]["connectedUsers"] != USERS + 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    told.await.expect("they are made up for");
    drop((clients, there));
    nodes.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_joins_while_others_wait_for_the_bus_waits_for_one_exchange_with_them() {
    const USERS: usize = 100;
    let (nodes, bus) = Nodes::in_memory(1).await;
    let mut first = Client::in_rooms(nodes.address(0), "first", &["r"]).await;
    let mut clients = Vec::new();
    for user in 0..USERS {
        clients.push(Client::login(nodes.address(0), &user.to_string()).await);
    }
    bus.hold_counts(true);
    let mut asked = Vec::new();
    for client in &mut clients {
        asked.push(client.ask("joinRoom", json!({ "roomId": "r" })).await);
        client.settled().await;
    }
    let before = bus.counted();
    bus.hold_counts(false);
    for (client, ask) in clients.iter_mut().zip(asked) {
        assert_eq!(client.ack(ask).await["success"], true);
    }
    let exchanges = bus.counted() - before;
    // The one that was held and the next; some joins may have come to wait only after that.
    assert!(exchanges < USERS / 4, "{exchanges}");
    first.settled().await;
    drop((clients, first));
    nodes.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn joins_of_one_login_that_wait_for_the_bus_are_bounded() {
    const TOO_MANY: usize = 50;
    let (nodes, bus) = Nodes::in_memory(1).await;
    // What others say there is read, so that no answer comes too early.
    let mut a = Client::in_rooms(nodes.address(0), "a", &["r"]).await;
    bus.hold_counts(true);
    let mut asked = Vec::new();
    for _ in 0..crate::running::config().limits.rooms_per_user + TOO_MANY {
        asked.push(a.ask("joinRoom", json!({ "roomId": "r" })).await);
    }
    assert_eq!(a.settled().await.len(), TOO_MANY, "answered at once");
    bus.hold_counts(false);
    for ask in &asked[..asked.len() - TOO_MANY] {
        assert_eq!(a.ack(*ask).await["success"], true);
    }
    drop(a);
    nodes.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ordered_refuses_while_nobody_gives_an_order() {
    let bus = MemoryBus::default();
    let choice = BusChoice::Memory(bus.clone());
    let nodes = Nodes::start(2, choice, BusMode::Ordered).await;
    let mut a = Client::in_rooms(nodes.address(0), "a", &["r"]).await;
    let mut there = Client::in_rooms(nodes.address(1), "there", &["r"]).await;
    bus.stall(true);
    let message = json!({ "roomId": "r", "body": "x" });
    // Its server notices within the time of one look.
    let refused = timeout(Duration::from_secs(20), async {
        loop {
            let ask = a.ask("roomMessage", message.clone()).await;
            match timeout(Duration::from_millis(300), a.ack(ask)).await {
                Ok(ack) if ack["success"] == false => return ack,
                _ => {}
            }
        }
    });
    assert_eq!(
        refused.await.unwrap()["message"],
        "Other servers can't be reached"
    );
    bus.stall(false);
    tokio::time::sleep(Duration::from_millis(300)).await;
    say(&mut a, "again").await;
    while there.event("roomMessageRecieved").await["body"] != "again" {}
    drop((a, there));
    nodes.stopped().await;
}

/// What others say while nobody of its server is known to be there may be behind the place from which it is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_joins_while_the_bus_is_away_is_told_that_they_may_have_missed_something() {
    for mode in [BusMode::LocalFirst, BusMode::Ordered] {
        let bus = MemoryBus::default();
        let nodes = Nodes::start(2, BusChoice::Memory(bus.clone()), mode).await;
        let mut before = Client::in_rooms(nodes.address(1), "before", &["s"]).await;
        bus.stall(true);
        let mut late = Client::in_rooms(nodes.address(1), "late", &["r"]).await;
        bus.stall(false);
        let missed = timeout(GUARD, late.event("messagesMissed")).await;
        assert_eq!(missed.unwrap(), json!({ "roomId": "r" }), "{mode:?}");
        while nodes.metric("chat_bus_up").await < 2.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut a = Client::in_rooms(nodes.address(0), "a", &["r", "s"]).await;
        say(&mut a, "x").await;
        hears(&mut late, "x").await;
        let more = (late.settled().await, before.settled().await);
        assert_eq!(more, (vec![], vec![]), "once, and nobody else");
        assert_eq!(nodes.metric("chat_bus_gaps_total").await, 1.0);
        assert_eq!(nodes.metric("chat_bus_missed_total").await, 0.0);
        drop((a, before, late));
        nodes.stopped().await;
    }
}

/// Its server does not read yet what the bus is to give back to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_ordered_who_sends_before_they_hear_that_they_have_joined_is_refused_or_gets_the_message()
 {
    let bus = BusChoice::Memory(MemoryBus::default());
    let nodes = Nodes::start(1, bus, BusMode::Ordered).await;
    let mut a = Client::login(nodes.address(0), "a").await;
    for room in 0..32 {
        let room = room.to_string();
        let join = a.ask("joinRoom", json!({ "roomId": room })).await;
        let message = json!({ "roomId": room, "body": "x" });
        let send = a.ask("roomMessage", message).await;
        assert_eq!(a.ack(join).await["success"], true);
        let ack = a.ack(send).await;
        if ack["success"] == true {
            let message = timeout(GUARD, a.event("roomMessageRecieved"));
            assert_eq!(message.await.unwrap()["roomId"], room);
            a.event("roomMessageConfirmed").await;
        } else {
            assert_eq!(ack["message"], "Other servers can't be reached");
        }
        assert_eq!(a.settled().await, []);
    }
    drop(a);
    nodes.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ordered_refuses_before_a_message_is_saved_where_it_is_saved_first() {
    let bus = MemoryBus::default();
    let cluster = server::config::ClusterConfig {
        bus: BusChoice::Memory(bus.clone()),
        node_id: "n".to_owned(),
        mode: BusMode::Ordered,
    };
    let server = crate::running::start(server::config::Config {
        cluster: Some(cluster),
        delivery: DeliveryMode::PersistFirst,
        ..crate::running::config()
    })
    .await;
    let mut a = Client::in_rooms(server.address, "a", &["r"]).await;
    say(&mut a, "x").await;
    assert_eq!(a.event("roomMessageRecieved").await["body"], "x");
    bus.stall(true);
    let refused = timeout(GUARD, async {
        while server.metric("chat_bus_up").await > 0.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        a.call("roomMessage", json!({ "roomId": "r", "body": "y" }))
            .await
    });
    let refused = refused.await.unwrap();
    assert_eq!(refused["message"], "Other servers can't be reached");
    bus.stall(false);
    drop(a);
    assert!(server.stopped().await.clean);
}

/// What a server says of a room, for its partition; nobody hears it but by that.
async fn entries(bus: &MemoryBus, whats: impl Iterator<Item = (u64, What<'_>)>) {
    let node = NodeName::of("other");
    let entries = whats.map(|(number, what)| {
        let letter = Letter {
            node: node.clone(),
            number,
            place: number,
            what,
        };
        let stream = Stream::Partition(partition(&room()));
        (stream, letter.encode().unwrap())
    });
    let life = bus.life().await.unwrap();
    bus.append(&life, &entries.collect::<Vec<_>>())
        .await
        .unwrap();
}

fn room() -> Conversation {
    Conversation {
        kind: Kind::Room,
        id: "r".to_owned(),
    }
}

/// Where the numbers say nothing: a server that nothing was heard of says that it has lost what it said, or there was so much
/// that others of it may have been pushed out.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn members_are_told_of_a_gap_that_no_number_shows() {
    let (nodes, bus) = Nodes::in_memory(1).await;
    let mut a = Client::in_rooms(nodes.address(0), "a", &["r"]).await;
    entries(&bus, std::iter::once((3, What::Wake))).await;
    let missed = timeout(GUARD, a.event("messagesMissed")).await;
    assert_eq!(missed.unwrap(), json!({ "roomId": "r" }));
    let (payload, room) = (to_raw_value("x").unwrap(), room());
    let end = |number: u64| What::End {
        conversation: Cow::Borrowed(&room),
        key: number.to_string().into(),
        stored: true,
        payload: &payload,
    };
    let many = KEPT_ENTRIES as u64;
    entries(&bus, (1..many).map(|number| (number, end(number)))).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(a.settled().await, [], "a stream keeps as many");
    entries(&bus, (1..=many).map(|number| (number, end(number)))).await;
    let missed = timeout(GUARD, a.event("messagesMissed")).await;
    assert_eq!(missed.unwrap(), json!({ "roomId": "r" }));
    assert_eq!(nodes.metric("chat_bus_gaps_total").await, 2.0);
    assert_eq!(nodes.metric("chat_bus_missed_total").await, 0.0);
    drop(a);
    nodes.stopped().await;
}

/// In `ordered` members get their own server's messages by the bus alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn members_are_told_of_a_gap_and_it_is_counted() {
    for (mode, of_own) in [(BusMode::LocalFirst, false), (BusMode::Ordered, true)] {
        let bus = MemoryBus::default();
        let nodes = Nodes::start(1, BusChoice::Memory(bus.clone()), mode).await;
        let mut a = Client::in_rooms(nodes.address(0), "a", &["r"]).await;
        let of = match of_own {
            true => nodes.name(0).await,
            false => NodeName::of("other"),
        };
        lose_some(&bus, &of, &room()).await;
        for number in ["7", "8"] {
            assert_eq!(a.event("roomMessageRecieved").await["_id"], number);
        }
        let missed = timeout(GUARD, a.event("messagesMissed")).await;
        assert_eq!(missed.unwrap(), json!({ "roomId": "r" }), "{mode:?}");
        assert_eq!(a.event("roomMessageRecieved").await["_id"], "12");
        assert_eq!(nodes.metric("chat_bus_missed_total").await, 3.0);
        drop(a);
        nodes.stopped().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bus_without_an_answer_is_an_error_at_the_start() {
    let cluster = server::config::ClusterConfig {
        bus: BusChoice::Redis(
            server::config::Secret("redis://127.0.0.1:1".to_owned()),
            "chat".to_owned(),
        ),
        node_id: "n".to_owned(),
        mode: BusMode::LocalFirst,
    };
    let config = server::config::Config {
        cluster: Some(cluster),
        ..crate::running::config()
    };
    let error = server::Server::bind(config)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.starts_with("cannot use the bus: the bus does not answer"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bus_in_memory_that_forgets_is_told_again() {
    let (nodes, bus) = Nodes::in_memory(2).await;
    let mut a = Client::in_rooms(nodes.address(0), "a", &["r"]).await;
    let mut there = Client::in_rooms(nodes.address(1), "there", &["r"]).await;
    for i in 0..200 {
        if i % 50 == 25 {
            bus.restart();
        }
        say(&mut a, &i.to_string()).await;
    }
    for i in 0..200 {
        hears(&mut there, &i.to_string()).await;
    }
    let mut late = Client::login(nodes.address(1), "late").await;
    let told = timeout(Duration::from_secs(20), async {
        loop {
            let ack = late.call("joinRoom", json!({ "roomId": "r" })).await;
            if ack["data"]["connectedUsers"] == 3 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    told.await.expect("who is where is said again too");
    drop((a, there, late));
    nodes.stopped().await;
}

//! What every bus promises: one suite for the Redis and for the one in memory.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use server::{
    bus::{
        Beat, Bus, BusError, Claim, Claimed, KEPT_ENTRIES, Login, NodeName, PARTITIONS, Position,
        Stream, memory::MemoryBus, redis::RedisBus,
    },
    config::Secret,
    message::{Conversation, Kind},
};
use tokio::time::{Instant, sleep};

use super::redis::Redis;

const SOON: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(5);

/// A bus, a second one that is the same to another server, and how to let it forget.
struct Given {
    one: Arc<dyn Bus>,
    two: Arc<dyn Bus>,
    broken: Broken,
}

enum Broken {
    Memory(MemoryBus),
    Redis(Redis),
}

impl Given {
    fn each() -> Vec<Self> {
        let memory = MemoryBus::default();
        let mut all = vec![Self {
            one: Arc::new(memory.clone()),
            two: Arc::new(memory.clone()),
            broken: Broken::Memory(memory),
        }];
        if let Some(redis) = Redis::start() {
            let bus = || Arc::new(RedisBus::new(&Secret(redis.url()), "chat").unwrap());
            all.push(Self {
                one: bus(),
                two: bus(),
                broken: Broken::Redis(redis),
            });
        }
        all
    }

    fn restart(&mut self) {
        match &mut self.broken {
            Broken::Memory(memory) => memory.restart(),
            Broken::Redis(redis) => {
                redis.kill();
                redis.start_again();
            }
        }
    }
}

fn partition(number: u8) -> Stream {
    Stream::Partition(number)
}

fn entry(stream: Stream, text: &str) -> (Stream, Bytes) {
    (stream, Bytes::copy_from_slice(text.as_bytes()))
}

async fn texts(bus: &dyn Bus, from: &[(Stream, Position)]) -> Vec<(Stream, String)> {
    let life = bus.life().await.unwrap();
    let read = bus.read(&life, from, SOON).await.unwrap();
    read.into_iter()
        .map(|entry| {
            let text = String::from_utf8(entry.bytes.to_vec()).unwrap();
            (entry.stream, text)
        })
        .collect()
}

#[tokio::test]
async fn each_stream_has_one_order_and_is_read_from_a_position() {
    for Given { one, two, .. } in Given::each() {
        let life = one.life().await.unwrap();
        let last = PARTITIONS as u8 - 1;
        let entries: Vec<_> = (0..300)
            .map(|i| {
                entry(
                    partition(if i % 2 == 0 { 0 } else { last }),
                    &format!("é{i}\n"),
                )
            })
            .collect();
        one.append(&life, &entries).await.unwrap();
        for (number, odd) in [(0, 0), (last, 1)] {
            let read = texts(&*two, &[(partition(number), Position::default())]).await;
            let expected: Vec<_> = (0..150)
                .map(|i| (partition(number), format!("é{}\n", 2 * i + odd)))
                .collect();
            assert_eq!(read, expected);
        }
        let ends = two
            .ends(&[partition(0), partition(7), partition(last)])
            .await
            .unwrap();
        assert!(ends[1] == Position::default() && ends[0] > ends[1]);
        let from = [
            (partition(0), ends[0]),
            (partition(last), ends[2]),
            (partition(7), ends[1]),
        ];
        assert_eq!(texts(&*two, &from).await, []);
        one.append(&life, &[entry(partition(last), "more")])
            .await
            .unwrap();
        let more = vec![(partition(last), "more".to_owned())];
        assert_eq!(texts(&*two, &from).await, more);
        assert_eq!(
            texts(&*two, &from).await,
            more,
            "reading takes nothing away"
        );
        assert_eq!(two.ends(&[]).await, Ok(vec![]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_read_before_what_was_appended_earlier_in_another_stream() {
    const ENTRIES: usize = 600;
    for Given { one, two, .. } in Given::each() {
        let life = one.life().await.unwrap();
        let (writer, of) = (Arc::clone(&one), life.clone());
        let writing = tokio::spawn(async move {
            for first in (0..ENTRIES).step_by(3) {
                let entries: Vec<_> = (first..first + 3)
                    .map(|i| entry(partition((i % 7) as u8), &i.to_string()))
                    .collect();
                writer.append(&of, &entries).await.unwrap();
            }
        });
        let mut from: Vec<_> = (0..7)
            .map(|n| (partition(n), Position::default()))
            .collect();
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < ENTRIES {
            for read in two.read(&life, &from, LONG).await.unwrap() {
                let number: usize = std::str::from_utf8(&read.bytes).unwrap().parse().unwrap();
                assert!(seen.insert(number));
                let place = from.iter_mut().find(|(of, _)| *of == read.stream).unwrap();
                place.1 = read.position;
            }
            let last = seen.last().map_or(0, |last| last + 1);
            assert_eq!(seen.len(), last, "something is missing before {last}");
        }
        writing.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_waits_for_the_first_entry_and_not_longer() {
    for Given { one, two, .. } in Given::each() {
        let life = one.life().await.unwrap();
        let inbox = Stream::Inbox(NodeName::of("n"));
        let from = [
            (partition(3), Position::default()),
            (inbox.clone(), Position::default()),
        ];
        assert_eq!(
            two.read(&life, &from, Duration::from_millis(30)).await,
            Ok(vec![])
        );
        let (reader, of) = (Arc::clone(&two), life.clone());
        let reading = tokio::spawn(async move { reader.read(&of, &from, LONG).await });
        sleep(Duration::from_millis(50)).await;
        let began = Instant::now();
        one.append(&life, &[entry(inbox.clone(), "x")])
            .await
            .unwrap();
        let read = reading.await.unwrap().unwrap();
        assert_eq!((&read[0].stream, read.len()), (&inbox, 1));
        assert!(began.elapsed() < LONG);
    }
}

#[tokio::test]
async fn a_stream_keeps_enough_and_not_everything() {
    for Given { one, .. } in Given::each() {
        let life = one.life().await.unwrap();
        for _ in 0..40 {
            let entries = vec![entry(partition(0), "x"); KEPT_ENTRIES / 16];
            one.append(&life, &entries).await.unwrap();
        }
        let (mut at, mut kept) = (Position::default(), 0);
        loop {
            let read = one.read(&life, &[(partition(0), at)], SOON).await.unwrap();
            let Some(last) = read.last() else { break };
            at = last.position;
            kept += read.len();
        }
        assert!((KEPT_ENTRIES..2 * KEPT_ENTRIES).contains(&kept), "{kept}");
    }
}

#[tokio::test]
async fn after_another_life_nothing_is_done_until_it_is_named() {
    for mut given in Given::each() {
        let life = given.one.life().await.unwrap();
        let from = [(partition(0), Position::default())];
        let x = [entry(partition(0), "x")];
        given.one.append(&life, &x).await.unwrap();
        given.one.append(&life, &[]).await.unwrap();
        texts(&*given.one, &from).await;
        let end = given.one.ends(&[partition(0)]).await.unwrap()[0];
        // An idle connection must notice too.
        given.restart();
        let reborn = loop {
            match given.one.append(&life, &x).await {
                Err(BusError::Reborn(now)) => break now,
                Err(BusError::Unreachable(_)) => {}
                Ok(()) => panic!("appended to another life"),
            }
        };
        assert_ne!(reborn, life);
        loop {
            match given.one.read(&life, &from, SOON).await {
                Err(BusError::Reborn(now)) => break assert_eq!(now, reborn),
                Err(BusError::Unreachable(_)) => {}
                Ok(read) => panic!("{read:?}"),
            }
        }
        assert_eq!(texts(&*given.one, &from).await, [], "nothing was appended");
        given.one.append(&reborn, &x).await.unwrap();
        let now = given.one.ends(&[partition(0)]).await.unwrap()[0];
        assert!(now > end, "positions go on: {now} after {end}");
    }
}

fn claim(user: &str, node: &NodeName, socket: u64, stamp: i64, fresh: bool) -> Claim {
    Claim {
        user: user.into(),
        login: Login {
            node: node.clone(),
            socket,
            stamp,
        },
        fresh,
        notice: [
            Bytes::from(format!("{node} {socket}, not ")),
            Bytes::from_static(b"."),
        ],
    }
}

async fn beat(bus: &dyn Bus, node: &NodeName, lease: Duration) -> Beat {
    let says = Bytes::copy_from_slice(node.id().as_bytes());
    bus.beat(node, says, lease).await.unwrap()
}

#[tokio::test]
async fn the_newest_login_wins_and_the_other_node_is_told() {
    for Given { one, two, .. } in Given::each() {
        let (a, b) = (NodeName::of("a"), NodeName::of("b"));
        beat(&*one, &a, LONG).await;
        beat(&*two, &b, LONG).await;
        let big = u64::MAX;
        let first = [
            claim("u", &a, big, 1000, true),
            claim("v", &a, 2, 1000, true),
        ];
        let won = Claimed::Won { replaced: None };
        assert_eq!(one.claim(&first).await.unwrap(), [won.clone(), won.clone()]);
        assert_eq!(
            one.claim(&first).await.unwrap(),
            [won.clone(), won.clone()],
            "once more"
        );
        // Its clock is behind, and it is the newest all the same.
        let answer = two.claim(&[claim("u", &b, 3, 10, true)]).await.unwrap();
        let Claimed::Won {
            replaced: Some(replaced),
        } = &answer[0]
        else {
            panic!("{answer:?}")
        };
        assert_eq!((&replaced.node, replaced.socket), (&a, big));
        let inbox = Stream::Inbox(a.clone());
        let told = texts(&*one, &[(inbox.clone(), Position::default())]).await;
        assert_eq!(told, [(inbox, format!("{b} 3, not {big}."))]);
        // The old one is said again, and the new one again, and again on its own node.
        let lost = one
            .claim(&[claim("u", &a, big, 1000, false)])
            .await
            .unwrap();
        assert!(
            matches!(&lost[0], Claimed::Lost { to } if to.node == b && to.socket == 3),
            "{lost:?}"
        );
        assert_eq!(
            two.claim(&[claim("u", &b, 3, 10, false)]).await.unwrap(),
            *std::slice::from_ref(&won)
        );
        assert_eq!(
            two.claim(&[claim("u", &b, 4, 5, true)]).await.unwrap(),
            *std::slice::from_ref(&won)
        );
        let later = one
            .claim(&[claim("u", &a, 9, 9_000_000_000_000, false)])
            .await
            .unwrap();
        assert!(
            matches!(&later[0], Claimed::Won { replaced: Some(_) }),
            "{later:?}"
        );
        assert_eq!(one.claim(&[]).await, Ok(vec![]));
    }
}

/// The older one's stamp is above its node's clock, since it replaced one of a node whose clock is ahead.
#[tokio::test]
async fn a_nodes_newer_login_wins_over_its_older_one_whatever_its_clock_says() {
    for Given { one, two, .. } in Given::each() {
        let (a, b) = (NodeName::of("a"), NodeName::of("b"));
        beat(&*one, &a, LONG).await;
        beat(&*two, &b, LONG).await;
        two.claim(&[claim("u", &b, 7, 5000, true)]).await.unwrap();
        one.claim(&[claim("u", &a, 1, 1000, true)]).await.unwrap();
        let won = one.claim(&[claim("u", &a, 2, 1001, false)]).await.unwrap();
        assert_eq!(won, [Claimed::Won { replaced: None }]);
        // And it is newer than what the older one had replaced.
        let lost = two.claim(&[claim("u", &b, 7, 5000, false)]).await.unwrap();
        assert!(
            matches!(&lost[0], Claimed::Lost { to } if to.node == a && to.socket == 2),
            "{lost:?}"
        );
    }
}

/// After a time without the bus its nodes say their logins again, before it knows of all of them that they live.
#[tokio::test]
async fn an_older_login_that_is_said_first_again_does_not_become_the_newer_one() {
    for Given { one, two, .. } in Given::each() {
        let (a, b) = (NodeName::of("a"), NodeName::of("b"));
        let newer = [claim("u", &b, 1, 2000, false)];
        let older = [claim("u", &a, 2, 1000, false)];
        let won = [Claimed::Won { replaced: None }];
        assert_eq!(two.claim(&newer).await.unwrap(), won);
        assert_eq!(one.claim(&older).await.unwrap(), won, "b seems dead");
        beat(&*one, &a, LONG).await;
        beat(&*two, &b, LONG).await;
        let again = two.claim(&newer).await.unwrap();
        assert!(
            matches!(&again[0], Claimed::Won { replaced: Some(login) } if login.node == a),
            "{again:?}"
        );
        let lost = one.claim(&older).await.unwrap();
        assert!(
            matches!(&lost[0], Claimed::Lost { to } if to.node == b),
            "{lost:?}"
        );
    }
}

#[tokio::test]
async fn the_same_moment_has_one_winner_whoever_asks_first() {
    for Given { one, .. } in Given::each() {
        let nodes = [NodeName::of("a"), NodeName::of("b")];
        for node in &nodes {
            beat(&*one, node, LONG).await;
        }
        let sockets = [9_u64, 10];
        for (user, order) in [("u", [0, 1]), ("v", [1, 0])] {
            let mut lost = Vec::new();
            for round in 0..3 {
                for at in order {
                    let claim = claim(user, &nodes[at], sockets[at], 77, false);
                    if let Claimed::Lost { to } = &one.claim(&[claim]).await.unwrap()[0] {
                        lost.push((round, to.socket));
                    }
                }
            }
            assert!(lost.iter().all(|(_, to)| *to == 10), "{user}: {lost:?}");
            assert!(lost.len() >= 2, "{user}: {lost:?}");
        }
    }
}

#[tokio::test]
async fn a_login_on_a_node_without_a_lease_counts_no_more() {
    for Given { one, .. } in Given::each() {
        let (dead, lives) = (NodeName::of("dead"), NodeName::of("lives"));
        assert!(beat(&*one, &dead, Duration::from_millis(40)).await.lapsed);
        one.claim(&[claim("u", &dead, 1, 9000, true)])
            .await
            .unwrap();
        sleep(Duration::from_millis(80)).await;
        let nodes = beat(&*one, &lives, LONG).await.nodes;
        assert_eq!(nodes, [(lives.clone(), Bytes::from_static(b"lives"))]);
        let won = one
            .claim(&[claim("u", &lives, 2, 10, false)])
            .await
            .unwrap();
        assert_eq!(won, [Claimed::Won { replaced: None }]);
        assert!(!beat(&*one, &lives, LONG).await.lapsed);
        assert!(beat(&*one, &dead, LONG).await.lapsed, "and is told so");
        one.part(&dead).await.unwrap();
        assert_eq!(beat(&*one, &lives, LONG).await.nodes.len(), 1);
    }
}

#[tokio::test]
async fn a_login_that_was_replaced_releases_nothing() {
    for Given { one, .. } in Given::each() {
        let (a, b) = (NodeName::of("a"), NodeName::of("b"));
        beat(&*one, &a, LONG).await;
        beat(&*one, &b, LONG).await;
        let (old, new) = (claim("u", &a, 1, 1, true), claim("u", &b, 2, 2, true));
        one.claim(std::slice::from_ref(&old)).await.unwrap();
        one.claim(std::slice::from_ref(&new)).await.unwrap();
        let user: Arc<str> = "u".into();
        one.release(&[(Arc::clone(&user), old.login)])
            .await
            .unwrap();
        let lost = one.claim(&[claim("u", &a, 1, 1, false)]).await.unwrap();
        assert!(matches!(&lost[0], Claimed::Lost { .. }), "{lost:?}");
        one.release(&[(user, new.login)]).await.unwrap();
        let won = one.claim(&[claim("u", &a, 1, 1, false)]).await.unwrap();
        assert_eq!(won, [Claimed::Won { replaced: None }]);
    }
}

#[tokio::test]
async fn members_are_counted_over_nodes_that_live() {
    for Given { one, .. } in Given::each() {
        let nodes = [NodeName::of("a"), NodeName::of("b"), NodeName::of("c")];
        for node in &nodes[..2] {
            beat(&*one, node, LONG).await;
        }
        beat(&*one, &nodes[2], Duration::from_millis(150)).await;
        let of = |kind| {
            Arc::new(Conversation {
                kind,
                id: "x:y z".to_owned(),
            })
        };
        let (room, channel) = (of(Kind::Room), of(Kind::Channel));
        let count = async |node: usize, room_count, channel_count| {
            let counts = [
                (Arc::clone(&room), room_count),
                (Arc::clone(&channel), channel_count),
            ];
            one.count(&nodes[node], &counts).await.unwrap()
        };
        assert_eq!(count(0, 2, 0).await, [0, 0]);
        assert_eq!(count(1, 3, 1).await, [2, 0]);
        assert_eq!(count(2, 10, 10).await, [5, 1]);
        assert_eq!(count(0, 2, 0).await, [13, 11]);
        sleep(Duration::from_millis(250)).await;
        assert_eq!(count(0, 1, 0).await, [3, 1]);
        assert_eq!(count(1, 0, 0).await, [1, 0]);
        assert_eq!(one.count(&nodes[0], &[]).await, Ok(vec![]));
    }
}

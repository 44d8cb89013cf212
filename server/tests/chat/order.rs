//! The promises about order, with many senders at once on several threads.

use std::{collections::HashMap, time::Duration};

use futures::future::join_all;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::json;
use server::{
    config::{Config, DeliveryMode, StoreConfig},
    protocol::Dialect,
    store::memory::{DurationRange, MemoryConfig},
};

use crate::{
    client::{Client, Packet},
    running::{config, start},
};

/// Who sends how much where.
#[derive(Debug, Clone)]
struct Crowd {
    dialect: Dialect,
    mode: DeliveryMode,
    members: usize,
    rooms: usize,
    messages: usize,
    save_millis: u64,
}

fn crowd() -> impl Strategy<Value = Crowd> {
    (
        any::<bool>(),
        any::<bool>(),
        2..8_usize,
        1..4_usize,
        1..40_usize,
        0..20_u64,
    )
        .prop_map(
            |(reference, before, members, rooms, messages, save_millis)| Crowd {
                dialect: if reference {
                    Dialect::Reference
                } else {
                    Dialect::Readme
                },
                mode: if before {
                    DeliveryMode::PersistFirst
                } else {
                    DeliveryMode::Optimistic
                },
                members,
                rooms,
                messages,
                save_millis,
            },
        )
}

#[test]
fn every_member_sees_one_order_and_each_sender_their_own() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let config = ProptestConfig {
        cases: 16,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&crowd(), |crowd| {
            // Spawned, so that it runs on the workers like everything else.
            runtime.block_on(async { tokio::spawn(holds_for(crowd)).await.unwrap() })
        })
        .unwrap();
}

async fn holds_for(crowd: Crowd) -> Result<(), TestCaseError> {
    let save_time = DurationRange::new(Duration::ZERO, Duration::from_millis(crowd.save_millis));
    let server = start(Config {
        dialect: crowd.dialect,
        delivery: crowd.mode,
        store: StoreConfig::Memory(MemoryConfig {
            save_time,
            ..MemoryConfig::instant()
        }),
        ..config()
    })
    .await;
    let rooms: Vec<String> = (0..crowd.rooms).map(|room| format!("r{room}")).collect();
    let mut clients = Vec::new();
    for user in 0..crowd.members {
        let names: Vec<&str> = rooms.iter().map(String::as_str).collect();
        clients.push(Client::in_rooms(server.address, &format!("u{user}"), &names).await);
    }
    let senders = clients.into_iter().enumerate().map(|(user, mut client)| {
        let rooms = rooms.clone();
        tokio::spawn(async move {
            let mut asked = Vec::new();
            for n in 0..crowd.messages {
                let body = format!("u{user}/{n}");
                asked.push(
                    client
                        .ask(
                            "roomMessage",
                            json!({ "roomId": rooms[n % rooms.len()], "body": body }),
                        )
                        .await,
                );
            }
            for ask in asked {
                assert_eq!(client.ack(ask).await["success"], true);
            }
            client
        })
    });
    let clients = join_all(senders).await;

    let mut order_of_room: HashMap<String, Vec<String>> = HashMap::new();
    for client in clients {
        let packets = client.unwrap().settled().await;
        let seen = Seen::of(&packets);
        for (room, order) in seen.by_room {
            prop_assert_eq!(
                order.len(),
                messages_in(&crowd, &room),
                "all messages of {}",
                room
            );
            let first = order_of_room
                .entry(room.clone())
                .or_insert_with(|| order.clone());
            prop_assert_eq!(first, &order, "one order in {} for all", room);
        }
        for (sender, numbers) in seen.by_sender {
            prop_assert!(
                numbers.is_sorted(),
                "{} sent in order, arrived as {:?}",
                sender,
                numbers
            );
        }
        prop_assert_eq!(seen.early_ends, 0, "no end before its optimistic message");
        let ends = if crowd.mode == DeliveryMode::Optimistic {
            crowd.members * crowd.messages
        } else {
            0
        };
        prop_assert_eq!(seen.ends, ends, "each message ends once: {:?}", packets);
    }
    server.stopped().await;
    Ok(())
}

fn messages_in(crowd: &Crowd, room: &str) -> usize {
    let room: usize = room.trim_start_matches('r').parse().unwrap();
    crowd.members
        * (0..crowd.messages)
            .filter(|n| n % crowd.rooms == room)
            .count()
}

/// What one socket saw.
#[derive(Default)]
struct Seen {
    by_room: HashMap<String, Vec<String>>,
    by_sender: HashMap<String, Vec<usize>>,
    ends: usize,
    early_ends: usize,
}

impl Seen {
    fn of(packets: &[Packet]) -> Self {
        let mut seen = Self::default();
        let mut open: HashMap<String, ()> = HashMap::new();
        for packet in packets {
            let Packet::Event(name, data) = packet else {
                panic!("{packet:?}")
            };
            match name.as_str() {
                "roomMessageRecieved" | "roomMessageSent" => {
                    let body = data["body"].as_str().unwrap();
                    let (sender, n) = body.split_once('/').unwrap();
                    seen.by_room
                        .entry(data["roomId"].as_str().unwrap().into())
                        .or_default()
                        .push(body.into());
                    seen.by_sender
                        .entry(sender.into())
                        .or_default()
                        .push(n.parse().unwrap());
                    open.insert(data["_id"].as_str().unwrap().into(), ());
                }
                "roomMessageConfirmed" => {
                    seen.ends += 1;
                    if open.remove(data["tempId"].as_str().unwrap()).is_none() {
                        seen.early_ends += 1;
                    }
                }
                other => panic!("unexpected {other}"),
            }
        }
        seen
    }
}

//! Everything the server can say, provoked: both dialects, both delivery modes, logins, refusals and failed saves.

use std::{collections::BTreeSet, sync::atomic::Ordering::SeqCst};

use futures::SinkExt as _;
use serde_json::{Value, json};
use server::{
    auth::jwt,
    bus::{NodeName, memory::MemoryBus},
    config::{BusChoice, BusMode, ClusterConfig, Config, DeliveryMode, Secret},
    message::{Conversation, Kind},
    protocol::{Dialect, MISSED},
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{Client, Packet, next_text, open},
    cluster::lose_some,
    running::{Running, config, start, start_with},
    store::Obedient,
};

const SECRET: &str = "a secret of these tests";

/// What was asked, and what the server said.
#[derive(Default)]
pub struct Seen {
    /// Names of events that were sent to the server.
    pub asked: BTreeSet<String>,
    /// The dialect, the event and its payload.
    pub events: Vec<(&'static str, String, Value)>,
    /// The event that was asked with, and the acknowledgement.
    pub acks: Vec<(String, Value)>,
    /// Payloads of CONNECT_ERROR.
    pub connect_errors: Vec<Value>,
}

pub fn name_of(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Readme => "readme",
        Dialect::Reference => "reference",
    }
}

/// Provokes and collects.
pub async fn take() -> Seen {
    let mut seen = Seen::default();
    for dialect in [Dialect::Readme, Dialect::Reference] {
        for delivery in [DeliveryMode::Optimistic, DeliveryMode::PersistFirst] {
            let server = start(Config {
                dialect,
                delivery,
                jwt_secret: Some(Secret(SECRET.into())),
                ..config()
            })
            .await;
            seen.conversations(&server, dialect).await;
            seen.refused_login(&server).await;
        }
        seen.failures(dialect).await;
        seen.gaps(dialect).await;
    }
    seen
}

impl Seen {
    async fn conversations(&mut self, server: &Running, dialect: Dialect) {
        let ann = token(&json!({ "id": "ann", "username": "Ann", "email": "ann@example.org" }));
        let ben = token(&json!({ "id": "ben", "avatar": "ben.png" }));
        let mut a = Client::login(server.address, &ann).await;
        let mut b = Client::login(server.address, &ben).await;
        let (room, channel) = (json!({ "roomId": "r" }), json!({ "channelId": "c" }));
        for client in [&mut a, &mut b] {
            for _twice in 0..2 {
                self.ask(client, "joinRoom", room.clone()).await;
                self.ask(client, "JOIN_CHANNEL", channel.clone()).await;
                self.ask(client, "JoinChannel", channel.clone()).await;
            }
        }
        let image = json!({
            "body": "x", "image": "i.png", "filename": "i.png", "timeStamp": 1, "clientMsgId": "1",
        });
        let plain = json!({ "body": "x" });
        self.ask(&mut a, "roomMessage", both(&room, &image)).await;
        self.ask(&mut a, "roomMessage", both(&room, &plain)).await;
        let workspace = json!({ "workspaceId": "w", "clientMsgId": "2" });
        let to_workspace = both(&both(&channel, &image), &workspace);
        self.ask(&mut a, "NEW_MESSAGE_EVENT", to_workspace).await;
        self.ask(&mut b, "NewMessage", both(&channel, &plain)).await;
        for event in [
            "joinRoom",
            "leaveRoom",
            "roomMessage",
            "JoinChannel",
            "LeaveChannel",
            "NewMessage",
        ] {
            self.ask(&mut a, event, json!({})).await;
        }

        let mut again = Client::login(server.address, &ann).await;
        self.ask(&mut again, "leaveRoom", room).await;
        self.ask(&mut again, "leaveChannel", channel.clone()).await;
        self.ask(&mut b, "LeaveChannel", channel).await;
        for mut client in [a, b, again] {
            self.collect(dialect, client.settled().await);
        }
    }

    async fn refused_login(&mut self, server: &Running) {
        let mut ws = open(server.address).await;
        ws.send(Message::text("40{}")).await.unwrap();
        let refusal = next_text(&mut ws).await.unwrap();
        let refusal = serde_json::from_str(refusal.strip_prefix("44").unwrap()).unwrap();
        self.connect_errors.push(refusal);
    }

    async fn failures(&mut self, dialect: Dialect) {
        let store = Obedient::opened();
        store.rejects.store(true, SeqCst);
        let server = start_with(
            Config {
                dialect,
                ..config()
            },
            store,
        )
        .await;
        let mut client = Client::in_rooms(server.address, "a", &["r"]).await;
        let joined = json!({ "channelId": "c" });
        self.ask(&mut client, "JOIN_CHANNEL", joined).await;
        for client_msg_id in [json!("1"), Value::Null] {
            let room = json!({ "roomId": "r", "body": "x", "clientMsgId": client_msg_id });
            self.ask(&mut client, "roomMessage", room).await;
            let channel = json!({ "channelId": "c", "body": "x", "clientMsgId": client_msg_id });
            self.ask(&mut client, "NewMessage", channel).await;
        }
        self.collect(dialect, client.settled().await);
    }

    /// Of several servers, one has missed something.
    async fn gaps(&mut self, dialect: Dialect) {
        let bus = MemoryBus::default();
        let server = start(Config {
            dialect,
            cluster: Some(ClusterConfig {
                bus: BusChoice::Memory(bus.clone()),
                node_id: "n".to_owned(),
                mode: BusMode::LocalFirst,
            }),
            ..config()
        })
        .await;
        let mut client = Client::in_rooms(server.address, "a", &["r"]).await;
        client.call("joinRoom", json!({ "roomId": "r" })).await;
        client
            .call("JoinChannel", json!({ "channelId": "r" }))
            .await;
        for kind in [Kind::Room, Kind::Channel] {
            let id = "r".to_owned();
            lose_some(&bus, &NodeName::of("other"), &Conversation { kind, id }).await;
            let missed = client.event(MISSED).await;
            self.events
                .push((name_of(dialect), MISSED.to_owned(), missed));
        }
    }

    async fn ask(&mut self, client: &mut Client, event: &str, payload: Value) {
        let ack = client.call(event, payload).await;
        self.asked.insert(event.to_owned());
        self.acks.push((event.to_owned(), ack));
    }

    fn collect(&mut self, dialect: Dialect, packets: Vec<Packet>) {
        for packet in packets {
            match packet {
                Packet::Event(name, payload) => {
                    self.events.push((name_of(dialect), name, payload));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn token(claims: &Value) -> String {
    jwt::sign(claims, SECRET.as_bytes()).unwrap()
}

fn both(a: &Value, b: &Value) -> Value {
    let mut fields = a.as_object().unwrap().clone();
    fields.extend(b.as_object().unwrap().clone());
    fields.into()
}

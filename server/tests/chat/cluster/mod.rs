//! Several servers as one chat, over real sockets, in one process: on a Redis and on the bus in memory.

mod conformance;
mod ends;
mod lives;
mod logins;
mod narrow;
mod order;
mod outage;
mod redis;
mod rooms;

use std::{borrow::Cow, sync::Arc};

use serde_json::{json, value::to_raw_value};
use server::{
    bus::{Bus as _, NodeName, Stream, memory::MemoryBus, partition},
    cluster::entry::{Letter, What},
    config::{BusChoice, BusMode, ClusterConfig, Config, Secret},
    message::Conversation,
    store::{
        MessageStore,
        memory::{MemoryConfig, MemoryStore},
    },
};

use self::redis::Redis;
use crate::running::{Running, config, start_with};

/// Some servers on one bus and one store.
pub struct Nodes {
    pub servers: Vec<Running>,
    pub store: Arc<MemoryStore>,
    bus: BusChoice,
    mode: BusMode,
}

impl Nodes {
    pub async fn start(count: usize, bus: BusChoice, mode: BusMode) -> Self {
        let mut nodes = Self {
            servers: Vec::new(),
            store: Arc::new(MemoryStore::new(MemoryConfig::instant())),
            bus,
            mode,
        };
        for _ in 0..count {
            nodes.add().await;
        }
        nodes
    }

    /// As many on the bus in memory, which promises what is promised without being asked.
    pub async fn in_memory(count: usize) -> (Self, MemoryBus) {
        let bus = MemoryBus::default();
        let nodes = Self::start(count, BusChoice::Memory(bus.clone()), BusMode::LocalFirst);
        (nodes.await, bus)
    }

    pub async fn add(&mut self) {
        self.add_on(Arc::clone(&self.store) as Arc<dyn MessageStore>)
            .await;
    }

    /// Adds one that stores elsewhere.
    pub async fn add_on(&mut self, store: Arc<dyn MessageStore>) {
        let cluster = ClusterConfig {
            bus: self.bus.clone(),
            node_id: format!("n{}", self.servers.len()),
            mode: self.mode,
        };
        let config = Config {
            cluster: Some(cluster),
            ..config()
        };
        self.servers.push(start_with(config, store).await);
    }

    pub fn address(&self, node: usize) -> std::net::SocketAddr {
        self.servers[node].address
    }

    /// How one of them is called on the bus.
    pub async fn name(&self, node: usize) -> NodeName {
        let page = self.servers[node].get_json("/debug/sockets?cluster").await;
        NodeName::from(page["cluster"]["node"].as_str().unwrap())
    }

    /// A counter over all servers.
    pub async fn metric(&self, name: &str) -> f64 {
        let mut sum = 0.0;
        for server in &self.servers {
            sum += server.metric(name).await;
        }
        sum
    }

    pub async fn stopped(self) {
        for server in self.servers {
            assert!(server.stopped().await.clean);
        }
    }
}

/// A server says its seventh, eighth and twelfth message in a conversation: three are missing.
pub async fn lose_some(bus: &MemoryBus, of: &NodeName, conversation: &Conversation) {
    for number in [7, 8, 12] {
        let payload = to_raw_value(&json!({ "_id": number.to_string() })).unwrap();
        let what = What::Message {
            conversation: Cow::Borrowed(conversation),
            key: None,
            sender: "b".into(),
            payload: &payload,
        };
        let node = of.clone();
        let letter = Letter {
            node,
            number,
            place: number,
            what,
        };
        let letter = letter.encode().unwrap();
        let life = bus.life().await.unwrap();
        let stream = Stream::Partition(partition(conversation));
        bus.append(&life, &[(stream, letter)]).await.unwrap();
    }
}

/// The Redis as a server is told of it.
pub fn on(redis: &Redis) -> BusChoice {
    BusChoice::Redis(Secret(redis.url()), "chat".to_owned())
}

/// Both kinds of bus, or the one that there is; the Redis lives as long as its part.
pub fn each_bus() -> Vec<(BusChoice, Option<Redis>)> {
    let mut all = vec![(BusChoice::Memory(MemoryBus::default()), None)];
    if let Some(redis) = Redis::start() {
        all.push((on(&redis), Some(redis)));
    }
    all
}

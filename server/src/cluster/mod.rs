//! One server among several that are one chat: what it tells the others and hears from them.
//!
//! `post` is the way out and `reader` the way in; `backlog`, `told`, `following`, `seen`, `order` and `afar` are what they
//! keep and know, and pure. `settle` says who is here; `settled` knows what of it is still to be said, and `alive` when all
//! of it is said again. All of it stands beside the chat: without a bus nothing of it exists.

pub mod afar;
mod alive;
pub mod backlog;
pub mod catch_up;
pub mod counts;
pub mod entry;
pub mod following;
pub mod order;
pub mod post;
pub mod reader;
pub mod seen;
mod settle;
mod settled;
pub mod told;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::{sync::Notify, time::Instant};
use tokio_util::task::AbortOnDropHandle;

use self::{
    afar::FromAfar,
    alive::Alive,
    counts::{Counts, Now},
    following::Following,
    post::Post,
    seen::Seen,
    settled::Settled,
};
use crate::{
    bus::{Bus, BusError, Life, NodeName, memory::MemoryBus, redis::RedisBus},
    chat::Chat,
    config::{BusChoice, BusMode, ClusterConfig},
    message::Conversation,
    socket_manager::Stats,
};

/// How long a server counts as alive that says nothing.
const LEASE: Duration = Duration::from_secs(3);
/// How often it says that it lives.
const BEAT: Duration = Duration::from_millis(500);
/// How often it is looked what has changed here, where nobody says so.
const LOOK: Duration = Duration::from_millis(100);

/// This server among the others.
#[derive(Debug)]
pub struct Cluster {
    node: NodeName,
    mode: BusMode,
    bus: Arc<dyn Bus>,
    post: Arc<Post>,
    counts: Arc<Counts>,
    following: Mutex<Following>,
    seen: Mutex<Seen>,
    afar: Mutex<FromAfar>,
    settled: tokio::sync::Mutex<Settled>,
    /// Conversations that somebody has joined who waits for `settled`: whoever has it next brings them all along.
    wishes: Mutex<HashSet<Arc<Conversation>>>,
    /// All that the bus was told has to be told again.
    again: AtomicBool,
    changed: Notify,
    nodes: Mutex<Vec<(NodeName, Stats)>>,
    life: Life,
}

/// A server of several, as the debug pages show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeLine {
    /// What people call it, and its life.
    pub node: String,
    /// What it says of itself.
    pub stats: Stats,
}

/// All servers, as the debug pages show them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPage {
    /// The one that is asked.
    pub node: String,
    /// What joins them.
    pub bus: String,
    /// Which promise of order holds.
    pub mode: BusMode,
    /// Whether the bus answers.
    pub up: bool,
    /// Users over all servers.
    pub total_users: usize,
    /// Sockets over all servers.
    pub total_sockets: usize,
    /// Each of them. A room with users on two servers is on both.
    pub nodes: Vec<NodeLine>,
}

/// What a node says of itself with each beat.
#[derive(Serialize, Deserialize)]
struct Says {
    stats: Stats,
}

/// Why a server can't be one of several.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The bus.
    #[error("{0}")]
    Bus(#[from] BusError),
    /// Its URL.
    #[error("{0}")]
    Url(#[from] crate::bus::redis::UrlError),
}

impl Cluster {
    /// Connects to the bus and says that this server lives.
    ///
    /// # Errors
    /// The bus does not answer.
    pub async fn join(config: &ClusterConfig) -> Result<Arc<Self>, ClusterError> {
        let bus: Arc<dyn Bus> = match &config.bus {
            BusChoice::Redis(url, chat) => Arc::new(RedisBus::new(url, chat)?),
            BusChoice::Memory(bus) => Arc::new(MemoryBus::clone(bus)),
        };
        let life = bus.life().await?;
        let node = NodeName::of(&config.node_id);
        let counts = Arc::<Counts>::default();
        let cluster = Self {
            post: Arc::new(Post::new(node.clone(), config.mode, Arc::clone(&counts))),
            node,
            mode: config.mode,
            bus,
            counts,
            following: Mutex::default(),
            seen: Mutex::default(),
            afar: Mutex::default(),
            settled: tokio::sync::Mutex::default(),
            wishes: Mutex::default(),
            again: false.into(),
            changed: Notify::new(),
            nodes: Mutex::default(),
            life,
        };
        cluster.beat(Stats::default()).await?;
        tracing::info!(
            "[Cluster] node {} on the bus {}",
            cluster.node,
            cluster.bus.describe()
        );
        Ok(Arc::new(cluster))
    }

    /// The way to the other servers.
    #[must_use]
    pub const fn post(&self) -> &Arc<Post> {
        &self.post
    }

    /// Somebody has come, gone, joined or left: to be called where the others should know soon.
    pub fn look(&self) {
        self.changed.notify_one();
    }

    /// Starts what this server does as one of several, until the handles are dropped.
    #[must_use]
    pub fn start(self: &Arc<Self>, chat: &Arc<Chat>) -> Vec<AbortOnDropHandle<()>> {
        let post = Arc::clone(&self.post).run(Arc::clone(&self.bus), self.life.clone());
        let read = Arc::clone(self).read(Arc::clone(chat), self.life.clone());
        let settle = Arc::clone(self).keep_settled(Arc::clone(chat));
        let live = Arc::clone(self).keep_alive(Arc::clone(chat));
        [
            tokio::spawn(post),
            tokio::spawn(read),
            tokio::spawn(settle),
            tokio::spawn(live),
        ]
        .into_iter()
        .map(AbortOnDropHandle::new)
        .collect()
    }

    /// Brings what is queued to the others, ends what [`Self::start`] started, says that nobody is here any more, and
    /// goes. Takes as long as the bus does not answer.
    pub async fn leave(&self, chat: &Arc<Chat>, started: Vec<AbortOnDropHandle<()>>) {
        self.post.until_empty().await;
        drop(started);
        let told = self.settle(chat).await;
        let parted = self.bus.part(&self.node).await;
        if let Err(error) = told.and(parted) {
            tracing::info!("[Cluster] the others notice later that this one has gone: {error}");
        }
    }

    /// All servers, for the debug pages.
    #[must_use]
    pub fn page(&self, here: Stats) -> ClusterPage {
        let mut nodes = self.nodes.lock().clone();
        nodes.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (node, stats) in &mut nodes {
            if *node == self.node {
                *stats = here;
            }
        }
        let sum = |of: fn(&Stats) -> usize| nodes.iter().map(|(_, stats)| of(stats)).sum();
        ClusterPage {
            node: self.node.to_string(),
            bus: self.bus.describe(),
            mode: self.mode,
            up: self.post.is_up(),
            total_users: sum(|stats| stats.total_users),
            total_sockets: sum(|stats| stats.total_sockets),
            nodes: nodes
                .into_iter()
                .map(|(node, stats)| NodeLine {
                    node: node.to_string(),
                    stats,
                })
                .collect(),
        }
    }

    /// The counters, for `/metrics`.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.counts.render(Now {
            up: self.post.is_up(),
            nodes: self.nodes.lock().len(),
            waiting: self.post.waiting(),
            partitions: self.following.lock().count(),
        })
    }

    fn say_all_again(&self) {
        self.again.store(true, Relaxed);
        self.look();
    }

    async fn keep_settled(self: Arc<Self>, chat: Arc<Chat>) {
        loop {
            let _looks_anyway = tokio::time::timeout(LOOK, self.changed.notified()).await;
            if let Err(error) = self.settle(&chat).await {
                tracing::debug!("[Cluster] the other servers are told later who is here: {error}");
                tokio::time::sleep(post::ASK_AGAIN).await;
            }
        }
    }

    async fn keep_alive(self: Arc<Self>, chat: Arc<Chat>) {
        let mut alive = Alive::new(Instant::now());
        loop {
            tokio::time::sleep(BEAT).await;
            let stats = chat.users.lock().stats();
            match self.beat(stats).await {
                Ok(lapsed) => {
                    if alive.answered(lapsed, Instant::now()) {
                        self.say_all_again();
                    }
                }
                Err(error) => {
                    alive.unanswered();
                    tracing::debug!("[Cluster] no beat: {error}");
                }
            }
        }
    }

    async fn beat(&self, stats: Stats) -> Result<bool, BusError> {
        let says = serde_json::to_vec(&Says { stats }).map_or_else(|_| Bytes::new(), Bytes::from);
        let beat = self.bus.beat(&self.node, says, LEASE).await?;
        let nodes = beat.nodes.into_iter().map(|(node, says)| {
            let says = serde_json::from_slice(&says).unwrap_or(Says {
                stats: Stats::default(),
            });
            (node, says.stats)
        });
        *self.nodes.lock() = nodes.collect();
        Ok(beat.lapsed)
    }
}

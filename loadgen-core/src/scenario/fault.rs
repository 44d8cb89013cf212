//! What breaks in a run, when, for how long, and how badly: checked faults.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;
use crate::model::named::named;

/// Something that breaks in mid-run and is mended again.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Its name in thresholds and reports: no two faults of a scenario have the same.
    pub name: String,
    /// When it begins, from the start of the first phase.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What breaks, and how badly.
    pub damage: Damage,
}

named! {
    /// What can break.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    pub enum FaultKind;
    /// As a file and a result write it.
    pub key: &'static str;

    /// The store takes so much longer to save.
    StoreSlow => "store-slow",
    /// The store refuses a share of the saves with a code.
    StoreFailing => "store-failing",
    /// The store saves and answers a share of the saves with a write-concern error.
    StoreWriteConcern => "store-write-concern",
    /// The store closes the connection in the middle of a share of the saves.
    StoreDisconnect => "store-disconnect",
    /// The store saves, and the reply to a share of the saves is lost.
    StoreReplyLost => "store-reply-lost",
    /// The store's process stands still.
    StoreFrozen => "store-frozen",
    /// The store is killed, and started again with its data.
    StoreRestart => "store-restart",
    /// The primary of a set of three steps down.
    StoreStepdown => "store-stepdown",
    /// What is sent arrives later.
    NetworkLatency => "network-latency",
    /// No more than so many bytes a second pass.
    NetworkBandwidth => "network-bandwidth",
    /// A share of what is sent is lost and sent again, so that all behind it waits.
    NetworkLoss => "network-loss",
    /// All connections are reset.
    NetworkCut => "network-cut",
    /// All bytes are swallowed, and no connection is closed.
    NetworkHalfOpen => "network-half-open",
    /// What the server or the store sends is read slowly.
    NetworkSlowReader => "network-slow-reader",
    /// The server is asked to end (SIGTERM), and started again on the same port.
    ServerStop => "server-stop",
    /// The server is killed (SIGKILL), and started again on the same port.
    ServerKill => "server-kill",
    /// The server's processes stand still (SIGSTOP).
    ServerFreeze => "server-freeze",
    /// A share of the clients is disconnected at once, and reconnects with a growing, drawn delay.
    ClientsDisconnect => "clients-disconnect",
    /// A share of the clients neither reads nor writes any more, and closes nothing.
    ClientsSilent => "clients-silent",
    /// A share of the clients stops reading.
    ClientsStopReading => "clients-stop-reading",
    /// The bus that joins several servers is killed (SIGKILL), and started again, empty, on the same port.
    BusRestart => "bus-restart",
}

/// What breaks, and how badly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Damage {
    /// Of the database behind the server.
    Store(StoreDamage),
    /// Of the way between two of the three.
    Network(Between, NetworkDamage),
    /// Of the server's own process.
    Server(ServerDamage),
    /// Of the process of one of several servers, by its number from 1.
    Node(u16, ServerDamage),
    /// Of the bus that joins several servers: it is killed, and started again without what it knew.
    Bus,
    /// Of a share of the clients.
    Clients(ClientDamage, f64),
}

/// Why so many servers can't have a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// There are several, and any could be meant.
    #[error("{kind} breaks one of {nodes} servers: name it by its number, as in node = 2")]
    WhichNode {
        /// Of the fault.
        kind: &'static str,
        /// How many there are.
        nodes: u16,
    },
    /// There is one.
    #[error(
        "`node` names one of several servers, and there is one: leave it out, or write `nodes` in [server]"
    )]
    NoNodes,
    /// There are fewer.
    #[error("the servers are numbered from 1 to {nodes}")]
    Beyond {
        /// How many there are.
        nodes: u16,
    },
    /// One server needs no bus.
    #[error(
        "bus-restart breaks what joins several servers, and there is one: write `nodes` in [server]"
    )]
    NoBus,
}

/// What breaks of the store. Shares are fractions of one, of the saves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StoreDamage {
    /// Each save takes so much longer.
    Slow(Duration),
    /// A share is refused with this code of MongoDB's, and not saved.
    Failing {
        /// Of the saves.
        share: f64,
        /// MongoDB's number of the error.
        code: u32,
    },
    /// A share is saved and answered with a write-concern error of this code.
    WriteConcern {
        /// Of the saves.
        share: f64,
        /// MongoDB's number of the error.
        code: u32,
    },
    /// In the middle of a share the connection is closed, and nothing is saved.
    Disconnect(f64),
    /// A share is saved, and its reply never comes.
    ReplyLost(f64),
    /// Its process stands still.
    Frozen,
    /// It is killed, and started again with its data.
    Restart,
    /// The primary of a set of three steps down.
    Stepdown,
}

/// What breaks of a way through the network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NetworkDamage {
    /// All that is sent arrives later, in its order.
    Latency {
        /// The usual delay, each way.
        time: Duration,
        /// How far delays are drawn around it.
        jitter: Duration,
        /// How they are drawn.
        distribution: Distribution,
    },
    /// No more than so many bytes a second pass, each way.
    Bandwidth(u64),
    /// A share of what is sent is lost and sent again so much later; all behind it waits.
    Loss {
        /// Of the pieces that are read from a socket, as a fraction of one.
        share: f64,
        /// How long it takes until it is sent again.
        stall: Duration,
    },
    /// All connections are reset.
    Cut {
        /// New ones are refused as long as it lasts.
        refuse: bool,
    },
    /// All bytes are swallowed, and no connection is closed.
    HalfOpen,
    /// Of what the server or the store sends no more than so many bytes a second are read.
    SlowReader(u64),
}

/// What breaks of the server's own process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerDamage {
    /// It is asked to end (SIGTERM), and started again.
    Stop,
    /// It is killed (SIGKILL), and started again.
    Kill,
    /// It stands still (SIGSTOP).
    Freeze,
}

/// What breaks of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientDamage {
    /// They are disconnected at once and come back as the official client does.
    Disconnect,
    /// They neither read nor write, and close nothing.
    Silent,
    /// They read no more.
    StopReading,
}

/// Between whom a way through the network is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Between {
    /// The clients and the server.
    Clients,
    /// The server and its store.
    Store,
}

/// How delays are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    /// All alike between the usual delay less and plus the jitter.
    #[default]
    Uniform,
    /// By the normal distribution, the jitter being its standard deviation; none is less than zero.
    Normal,
    /// The usual delay and, on top of it, exponentially drawn times with the jitter as their mean.
    Exponential,
}

impl Damage {
    /// Of which kind it is.
    pub const fn kind(self) -> FaultKind {
        match self {
            Damage::Store(store) => match store {
                StoreDamage::Slow(_) => FaultKind::StoreSlow,
                StoreDamage::Failing { .. } => FaultKind::StoreFailing,
                StoreDamage::WriteConcern { .. } => FaultKind::StoreWriteConcern,
                StoreDamage::Disconnect(_) => FaultKind::StoreDisconnect,
                StoreDamage::ReplyLost(_) => FaultKind::StoreReplyLost,
                StoreDamage::Frozen => FaultKind::StoreFrozen,
                StoreDamage::Restart => FaultKind::StoreRestart,
                StoreDamage::Stepdown => FaultKind::StoreStepdown,
            },
            Damage::Network(_, network) => match network {
                NetworkDamage::Latency { .. } => FaultKind::NetworkLatency,
                NetworkDamage::Bandwidth(_) => FaultKind::NetworkBandwidth,
                NetworkDamage::Loss { .. } => FaultKind::NetworkLoss,
                NetworkDamage::Cut { .. } => FaultKind::NetworkCut,
                NetworkDamage::HalfOpen => FaultKind::NetworkHalfOpen,
                NetworkDamage::SlowReader(_) => FaultKind::NetworkSlowReader,
            },
            Damage::Bus => FaultKind::BusRestart,
            Damage::Server(server) | Damage::Node(_, server) => match server {
                ServerDamage::Stop => FaultKind::ServerStop,
                ServerDamage::Kill => FaultKind::ServerKill,
                ServerDamage::Freeze => FaultKind::ServerFreeze,
            },
            Damage::Clients(clients, _) => match clients {
                ClientDamage::Disconnect => FaultKind::ClientsDisconnect,
                ClientDamage::Silent => FaultKind::ClientsSilent,
                ClientDamage::StopReading => FaultKind::ClientsStopReading,
            },
        }
    }

    /// Whether clients may be without a connection by it.
    pub const fn takes_clients_away(self) -> bool {
        self.ends_connections() || matches!(self, Damage::Clients(..))
    }

    /// Whether messages may fail to be saved by it: what the way to the server held up comes all at once, and may be more than it
    /// takes. How clients read is no reason.
    pub const fn keeps_from_saving(self) -> bool {
        match self {
            Damage::Store(_)
            | Damage::Network(..)
            | Damage::Server(_)
            | Damage::Node(..)
            | Damage::Bus => true,
            Damage::Clients(..) => false,
        }
    }

    /// Whether what was sent may get lost without a trace while it lasts, on connections that end later.
    pub const fn swallows(self) -> bool {
        matches!(
            self,
            Damage::Server(ServerDamage::Freeze)
                | Damage::Node(_, ServerDamage::Freeze)
                | Damage::Network(Between::Clients, _)
        )
    }

    /// Whether another process is the server afterwards.
    pub const fn restarts_the_server(self) -> bool {
        use ServerDamage::{Kill, Stop};
        matches!(
            self,
            Damage::Server(Stop | Kill) | Damage::Node(_, Stop | Kill)
        )
    }

    /// Whether what was said on one of several servers may wait on another for its end.
    pub const fn holds_up_other_servers(self) -> bool {
        matches!(self, Damage::Bus | Damage::Node(..))
    }

    /// Whether one of several servers dies by it, with what it had not handed on.
    pub const fn kills_a_node(self) -> bool {
        matches!(self, Damage::Node(_, ServerDamage::Kill))
    }

    /// Which of several servers it breaks, by its number from 1; `None`: there is one, or it breaks something else.
    pub const fn node(self) -> Option<u16> {
        match self {
            Damage::Node(node, _) => Some(node),
            _ => None,
        }
    }

    /// Whether it breaks the same as another one, so that they can't be on at once.
    pub fn collides_with(self, other: Self) -> bool {
        match (self, other) {
            (Damage::Server(_), Damage::Server(_))
            | (Damage::Bus, Damage::Bus)
            | (Damage::Store(_), Damage::Store(_))
            | (Damage::Clients(..), Damage::Clients(..)) => true,
            (Damage::Node(one, _), Damage::Node(other, _)) => one == other,
            (Damage::Network(here, _), Damage::Network(there, _)) => {
                here == there && self.kind() == other.kind()
            }
            _ => false,
        }
    }

    /// Whether so many servers can have it.
    ///
    /// # Errors
    /// [`Unfit`], with what would do.
    pub fn fits(self, nodes: u16) -> Result<(), Unfit> {
        let kind = self.kind().key();
        match self {
            Damage::Server(_) if nodes > 1 => Err(Unfit::WhichNode { kind, nodes }),
            Damage::Node(..) if nodes == 1 => Err(Unfit::NoNodes),
            Damage::Node(node, _) if node == 0 || node > nodes => Err(Unfit::Beyond { nodes }),
            Damage::Bus if nodes == 1 => Err(Unfit::NoBus),
            _ => Ok(()),
        }
    }

    /// Whether it may end connections of clients, so that whoever loses one then comes back and is owed nothing meanwhile.
    pub const fn ends_connections(self) -> bool {
        match self {
            Damage::Server(_) | Damage::Node(..) | Damage::Network(Between::Clients, _) => true,
            Damage::Store(_)
            | Damage::Network(Between::Store, _)
            | Damage::Clients(..)
            | Damage::Bus => false,
        }
    }
}

/// As it is told: the kind and what it was given, as in `store-slow 2s`.
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().key())?;
        let percent = |share: f64| format!("{}%", share * 100.0);
        let span = |time: Duration| Span(time).to_string();
        match *self {
            Damage::Store(store) => match store {
                StoreDamage::Slow(time) => write!(f, " {}", span(time)),
                StoreDamage::Failing { share, code }
                | StoreDamage::WriteConcern { share, code } => {
                    write!(f, " {}, code {code}", percent(share))
                }
                StoreDamage::Disconnect(share) | StoreDamage::ReplyLost(share) => {
                    write!(f, " {}", percent(share))
                }
                StoreDamage::Frozen | StoreDamage::Restart | StoreDamage::Stepdown => Ok(()),
            },
            Damage::Network(between, network) => {
                match network {
                    NetworkDamage::Latency { time, jitter, .. } if jitter.is_zero() => {
                        write!(f, " {}", span(time))?;
                    }
                    NetworkDamage::Latency { time, jitter, .. } => {
                        write!(f, " {} ± {}", span(time), span(jitter))?;
                    }
                    NetworkDamage::Bandwidth(bytes) | NetworkDamage::SlowReader(bytes) => {
                        write!(f, " {bytes} bytes/s")?;
                    }
                    NetworkDamage::Loss { share, stall } => {
                        write!(f, " {}, {} each", percent(share), span(stall))?;
                    }
                    NetworkDamage::Cut { .. } | NetworkDamage::HalfOpen => {}
                }
                f.write_str(match between {
                    Between::Clients => " between clients and server",
                    Between::Store => " between server and store",
                })
            }
            Damage::Clients(_, share) => write!(f, " {}", percent(share)),
            Damage::Node(node, _) => write!(f, " of server {node}"),
            Damage::Server(_) | Damage::Bus => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_written_as_it_is_read() {
        for kind in FaultKind::ALL {
            let written = serde_json::to_value(kind).unwrap();
            assert_eq!(written, kind.key());
        }
    }
}

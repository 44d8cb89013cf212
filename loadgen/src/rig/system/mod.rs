//! What is measured: a server of our own or of others, several as one chat, one that runs already, a bare relay. To the run they are one and the same.

mod command;
mod launched;
mod node;
mod own;
mod several;
mod url;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::task::JoinHandle;

pub use self::{
    command::Commanded,
    own::OwnServer,
    several::{Chat, SeveralServers},
    url::Running,
};
use super::{
    audit::Audit,
    bus::Bus,
    error::TargetError,
    exit::ServerExit,
    resources::Processes,
    status::{self, Late, Present, ServerTimes},
    store::RunningStore,
    vigil::Vigil,
};
use crate::dial::Endpoint;

/// How long a process may take to listen, and to end after its last message.
const PATIENCE: Duration = Duration::from_secs(30);

/// The end of a system, or of what it needs, that nobody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// What died and of what, as in `the server died: killed by signal 9`.
    pub what: String,
    /// When.
    pub at: Instant,
}

/// How a server is ended on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By SIGTERM, so that it can drain; by SIGKILL where it takes too long.
    Asked,
    /// By SIGKILL.
    Killed,
}

/// The end of a server that was ended on purpose, which may take a while. Dropping it leaves that to itself.
#[derive(Debug)]
pub struct Ending(JoinHandle<Result<ServerExit, TargetError>>);

impl Ending {
    fn of(end: impl Future<Output = Result<ServerExit, TargetError>> + Send + 'static) -> Self {
        Self(tokio::spawn(end))
    }

    /// How it ended, once it has.
    ///
    /// # Errors
    /// [`TargetError::ServerProcess`] if nobody can know.
    pub async fn exit(self) -> Result<ServerExit, TargetError> {
        self.0.await.unwrap_or_else(|error| {
            Err(TargetError::ServerProcess {
                pid: 0,
                action: "waited for",
                source: std::io::Error::other(error),
            })
        })
    }
}

/// A server that this program started, as something that can be broken.
#[async_trait(?Send)]
pub trait Breakable {
    /// Lets all its processes stand still, or go on.
    ///
    /// # Errors
    /// [`TargetError::ServerProcess`] if they can't be signalled.
    fn stand_still(&self, still: bool) -> Result<(), TargetError>;

    /// Whether the kernel says that they do.
    fn stands_still(&self) -> bool;

    /// Ends it; `None` where it is down already. That it is gone is no death of the system then.
    fn take_down(&mut self, how: End) -> Option<Ending>;

    /// Starts it again, at the address where it was.
    ///
    /// # Errors
    /// Why it does not come back.
    async fn start_again(&mut self) -> Result<(), TargetError>;
}

/// A system under test. What it can't say it leaves at the defaults.
#[async_trait(?Send)]
pub trait System {
    /// Starts it, or makes sure that it is there; says where it is reached.
    ///
    /// # Errors
    /// Why it can't be measured.
    async fn start(&mut self) -> Result<Endpoint, TargetError>;

    /// Where it is reached, once it is started.
    fn endpoint(&self) -> Option<&Endpoint>;

    /// Where it listens once it is started, for people: `http://host:port`.
    fn address(&self) -> &str;

    /// Which store it saves into, for people.
    fn store(&self) -> String;

    /// The server as something that can be broken, or of several the one of that number from 1; `None` of one that this
    /// program did not start.
    fn breakable(&mut self, _node: Option<u16>) -> Option<&mut dyn Breakable> {
        None
    }

    /// What joins several servers; `None` of one, or where this program knows nothing of it.
    fn bus(&mut self) -> Option<&mut Bus> {
        None
    }

    /// The store that it saves into, where this program picked it.
    fn own_store(&self) -> Option<&RunningStore> {
        None
    }

    /// Whether what was confirmed is gone with its process, since it simulates its store.
    fn forgets(&self) -> bool {
        self.own_store().is_some_and(RunningStore::is_simulation)
    }

    /// That its store does not answer is no death for now, or is one again: somebody breaks it on purpose.
    fn excuse_store(&self, _excused: bool) {}

    /// Its processes on this machine; none where they are not known.
    fn processes(&self) -> Vec<Processes> {
        Vec::new()
    }

    /// Each of its servers by itself, to be asked for what is to be summed up over all.
    fn servers(&self) -> Vec<Endpoint> {
        self.endpoint().cloned().into_iter().collect()
    }

    /// How durable a confirmed message is in its store, as it says.
    async fn durability(&self) -> Option<String> {
        status::durability(self.endpoint()?).await
    }

    /// Which version of itself it is, as it says.
    async fn version(&self) -> Option<String> {
        status::version(self.endpoint()?).await
    }

    /// Who is on it, as it says; `None` where it never does.
    ///
    /// # Errors
    /// [`Late`]: it may say so later.
    async fn present(&self) -> Result<Option<Present>, Late> {
        match self.endpoint() {
            Some(endpoint) => status::present(endpoint).await,
            None => Ok(None),
        }
    }

    /// How many messages it told as failed and has still to take out of its store, as it says.
    async fn unsettled(&self) -> Option<u64> {
        status::unsettled(self.endpoint()?).await
    }

    /// What it has timed itself since it was started; `None` where it was started again since.
    async fn times(&self) -> Option<ServerTimes> {
        None
    }

    /// Where its messages can be looked up; `None` where they can't be.
    ///
    /// # Errors
    /// [`Late`]: whether they can be is not known yet.
    async fn audit(&self) -> Result<Option<Audit>, Late> {
        Ok(None)
    }

    /// Resolves when it, or the store that it needs, has ended without having been asked to. May be dropped and called
    /// again.
    async fn died(&mut self) -> Death {
        std::future::pending().await
    }

    /// Whether its store is gone now, where that is known.
    async fn store_gone(&self) -> Option<Death> {
        None
    }

    /// Whether its delivery mode is known: that of a server that somebody else started is its own.
    fn has_known_delivery(&self) -> bool {
        true
    }

    /// Ends what was started; in words, what was wrong with the way it ended.
    ///
    /// # Errors
    /// If it can't be ended.
    async fn stop(&mut self) -> Result<Option<String>, TargetError> {
        Ok(None)
    }
}

/// Why the store died that a system needs.
async fn gone(vigil: Option<&Vigil>) -> Death {
    match vigil {
        Some(vigil) => vigil.gone().await,
        None => std::future::pending().await,
    }
}

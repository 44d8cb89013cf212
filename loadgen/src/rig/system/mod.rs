//! What is measured: a server of our own, a command, one that runs already, a bare relay. To the run they are one and the same.

mod command;
mod own;
mod url;

use std::time::{Duration, Instant};

use async_trait::async_trait;

pub use self::{command::Commanded, own::OwnServer, url::Running};
use super::{
    audit::Audit,
    error::TargetError,
    resources::Processes,
    status::{self, Present, ServerTimes},
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

    /// Its processes on this machine, where they are known.
    fn processes(&self) -> Option<Processes> {
        None
    }

    /// How durable a confirmed message is in its store, as it says.
    async fn durability(&self) -> Option<String> {
        status::durability(self.endpoint()?).await
    }

    /// Which version of itself it is, as it says.
    async fn version(&self) -> Option<String> {
        status::version(self.endpoint()?).await
    }

    /// Who is on it, as it says.
    async fn present(&self) -> Option<Present> {
        status::present(self.endpoint()?).await
    }

    /// What it timed itself, if all of that was this run's.
    async fn times(&self) -> Option<ServerTimes> {
        None
    }

    /// Where its messages can be looked up.
    async fn audit(&self) -> Option<Audit> {
        None
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

//! What is measured: a server of our own, one that runs already, a bare relay. To the run they are one and the same.

mod own;
mod url;

use std::time::Duration;

use async_trait::async_trait;

pub use self::{own::OwnServer, url::Running};
use super::{
    audit::Audit,
    error::TargetError,
    status::{self, Present, ServerTimes},
};

/// How long a process may take to listen, and to end after its last message.
const PATIENCE: Duration = Duration::from_secs(30);

/// A system under test. What it can't say it leaves at the defaults.
#[async_trait(?Send)]
pub trait System {
    /// Starts it, or makes sure that it is there.
    ///
    /// # Errors
    /// Why it can't be measured.
    async fn start(&mut self) -> Result<(), TargetError>;

    /// Where it listens once it is started: `http://host:port`.
    fn address(&self) -> &str;

    /// Which store it saves into, for people.
    fn store(&self) -> String;

    /// Its process on this machine, where that is known.
    fn process(&self) -> Option<u32> {
        None
    }

    /// How durable a confirmed message is in its store, as it says.
    async fn durability(&self) -> Option<String> {
        status::durability(self.address()).await
    }

    /// Who is on it, as it says.
    async fn present(&self) -> Option<Present> {
        status::present(self.address()).await
    }

    /// What it timed itself, if all of that was this run's.
    async fn times(&self) -> Option<ServerTimes> {
        None
    }

    /// Where its messages can be looked up.
    async fn audit(&self) -> Option<Audit> {
        None
    }

    /// Resolves when it has ended without having been asked to, and says why. May be dropped and called again.
    async fn died(&mut self) -> String {
        std::future::pending().await
    }

    /// Ends what was started; in words, what was wrong with the way it ended.
    ///
    /// # Errors
    /// If it can't be ended.
    async fn stop(&mut self) -> Result<Option<String>, TargetError> {
        Ok(None)
    }
}

//! One of several servers that are one chat: how it is told of the others, and started, watched and ended by itself.

use async_trait::async_trait;

use super::{Breakable, Commanded, System as _, launched::Launched};
use crate::{
    model::BusMode,
    rig::{error::TargetError, exit::ServerExit, resources::Processes},
};

/// Where others find the Redis, in the environment of a server that somebody else wrote.
const REDIS: &str = "REDIS_URL";
/// What is this chat's own in that Redis, likewise.
const CHAT: &str = "CHAT";

/// How a server is told of the others.
pub(super) enum Place<'a> {
    /// They meet in a Redis.
    Redis {
        /// Where it is.
        url: &'a str,
        /// What is this chat's own in it.
        chat: &'a str,
        /// Which of them it is.
        name: &'a str,
        /// Which order they promise.
        mode: BusMode,
    },
    /// They are one process, and share its memory.
    Twins {
        /// Of each of them, with commas.
        ports: &'a str,
        /// Which order they promise.
        mode: BusMode,
    },
}

/// One of several servers.
#[async_trait(?Send)]
pub(super) trait Node: Breakable {
    /// Starts it in its place; says where it listens.
    ///
    /// # Errors
    /// Why it can't be measured.
    async fn start_in(&mut self, place: &Place<'_>) -> Result<String, TargetError>;

    /// Its processes, as long as it runs.
    fn processes(&self) -> Option<Processes>;

    /// It was started again in mid-run: what it says of itself is said of the rest of the run only.
    fn began_anew(&self) -> bool;

    /// Resolves when it ends without having been asked to. May be dropped and called again.
    async fn exited(&mut self) -> ServerExit;

    /// Ends it; in words, what was wrong with the way it ended.
    ///
    /// # Errors
    /// If it can't be ended.
    async fn end(&mut self) -> Result<Option<String>, TargetError>;

    /// The same as something that can be broken.
    fn breakable(&mut self) -> &mut dyn Breakable;
}

#[async_trait(?Send)]
impl Node for Launched {
    async fn start_in(&mut self, place: &Place<'_>) -> Result<String, TargetError> {
        match *place {
            Place::Redis {
                url,
                chat,
                name,
                mode,
            } => {
                let of_bus = ["--bus", url, "--bus-chat", chat, "--node-id", name];
                let in_mode = ["--bus-mode", mode.name()];
                self.start(&[&of_bus[..], &in_mode].concat()).await?;
            }
            Place::Twins { ports, mode } => {
                let twins = ["--twin-ports", ports, "--bus-mode", mode.name()];
                self.start(&twins).await?;
            }
        }
        Ok(self.url().to_owned())
    }

    fn processes(&self) -> Option<Processes> {
        Launched::processes(self)
    }

    fn began_anew(&self) -> bool {
        Launched::began_anew(self)
    }

    async fn exited(&mut self) -> ServerExit {
        Launched::exited(self).await
    }

    async fn end(&mut self) -> Result<Option<String>, TargetError> {
        let exit = self.stop().await?;
        let disorder = exit.filter(|exit| !exit.is_clean());
        Ok(disorder.map(|exit| format!("did not end in order: {exit}")))
    }

    fn breakable(&mut self) -> &mut dyn Breakable {
        self
    }
}

#[async_trait(?Send)]
impl Node for Commanded<'_> {
    async fn start_in(&mut self, place: &Place<'_>) -> Result<String, TargetError> {
        let Place::Redis { url, chat, .. } = *place else {
            return Err(TargetError::Bus {
                bus: "memory",
                reason: "servers that others wrote meet in a Redis alone: have a redis-server on the PATH, or name one by REDIS_URL, or its image by REDIS_IMAGE"
                    .to_owned(),
            });
        };
        self.tell(REDIS, url);
        self.tell(CHAT, chat);
        self.start().await?;
        Ok(self.address().to_owned())
    }

    fn processes(&self) -> Option<Processes> {
        self.group()
    }

    fn began_anew(&self) -> bool {
        Commanded::began_anew(self)
    }

    async fn exited(&mut self) -> ServerExit {
        Commanded::exited(self).await
    }

    async fn end(&mut self) -> Result<Option<String>, TargetError> {
        self.stop().await
    }

    fn breakable(&mut self) -> &mut dyn Breakable {
        self
    }
}

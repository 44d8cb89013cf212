//! A server that is ended, asked (SIGTERM) or not (SIGKILL), and started again at the same address.

use async_trait::async_trait;

use super::{Fault, FaultError};
use crate::rig::{
    exit::ServerExit,
    system::{End, Ending, System},
};

pub(super) struct Down {
    how: End,
    /// Its end, which a server that drains takes its time for.
    ending: Option<Ending>,
    /// How it ended.
    ended: Option<String>,
}

impl Down {
    pub(super) const fn asked() -> Self {
        Self::by(End::Asked)
    }

    pub(super) const fn killed() -> Self {
        Self::by(End::Killed)
    }

    const fn by(how: End) -> Self {
        Self {
            how,
            ending: None,
            ended: None,
        }
    }
}

#[async_trait(?Send)]
impl Fault for Down {
    async fn apply(&mut self, system: &mut dyn System) -> Result<(), FaultError> {
        if let Some(server) = system.breakable() {
            self.ending = server.take_down(self.how);
        }
        Ok(())
    }

    async fn prove(&mut self, _: &mut dyn System) -> Result<Option<String>, FaultError> {
        Ok(self.ended.clone())
    }

    /// The old one holds the address as long as it drains.
    async fn heal(&mut self, system: &mut dyn System) -> Result<(), FaultError> {
        let Some(ending) = self.ending.take() else {
            return Ok(());
        };
        let exit = ending.exit().await?;
        // What it wrote as it went is no proof.
        let exit = ServerExit {
            stderr: Vec::new(),
            ..exit
        };
        self.ended = Some(format!("the server ended: {exit}"));
        if let Some(server) = system.breakable() {
            server.start_again().await?;
        }
        Ok(())
    }
}

//! A server that is ended, asked (SIGTERM) or not (SIGKILL), and started again at the same address.

use async_trait::async_trait;

use super::{Fault, FaultError};
use crate::rig::{
    exit::ServerExit,
    system::{End, Ending, System},
};

pub(super) struct Down {
    /// Of several servers the one of that number, from 1.
    node: Option<u16>,
    how: End,
    /// Its end, which a server that drains takes its time for.
    ending: Option<Ending>,
    /// How it ended.
    ended: Option<String>,
}

impl Down {
    pub(super) const fn asked(node: Option<u16>) -> Self {
        Self::by(End::Asked, node)
    }

    pub(super) const fn killed(node: Option<u16>) -> Self {
        Self::by(End::Killed, node)
    }

    const fn by(how: End, node: Option<u16>) -> Self {
        Self {
            node,
            how,
            ending: None,
            ended: None,
        }
    }
}

#[async_trait(?Send)]
impl Fault for Down {
    async fn apply(&mut self, system: &mut dyn System) -> Result<(), FaultError> {
        if let Some(server) = system.breakable(self.node) {
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
        self.ended = Some(match self.node {
            Some(node) => format!("server {node} ended: {exit}"),
            None => format!("the server ended: {exit}"),
        });
        if let Some(server) = system.breakable(self.node) {
            server.start_again().await?;
        }
        Ok(())
    }
}

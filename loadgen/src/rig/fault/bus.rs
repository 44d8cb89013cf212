//! A Redis that joins several servers, killed and started again with nothing of what it knew.

use async_trait::async_trait;

use super::{Fault, FaultError};
use crate::rig::system::System;

pub(super) struct BusRestart {
    /// How it ended.
    ended: Option<String>,
}

impl BusRestart {
    pub(super) const fn new() -> Self {
        Self { ended: None }
    }
}

#[async_trait(?Send)]
impl Fault for BusRestart {
    async fn apply(&mut self, system: &mut dyn System) -> Result<(), FaultError> {
        let bus = system.bus().ok_or(FaultError::NothingThere)?;
        let exit = bus.kill().await?.ok_or(FaultError::NothingThere)?;
        self.ended = Some(format!("the Redis was killed: {exit}"));
        Ok(())
    }

    async fn prove(&mut self, _: &mut dyn System) -> Result<Option<String>, FaultError> {
        Ok(self.ended.clone())
    }

    async fn heal(&mut self, system: &mut dyn System) -> Result<(), FaultError> {
        let bus = system.bus().ok_or(FaultError::NothingThere)?;
        Ok(bus.start_again().await?)
    }
}

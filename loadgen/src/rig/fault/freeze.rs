//! A server whose processes stand still (SIGSTOP) until they are let go on (SIGCONT).

use async_trait::async_trait;

use super::{Fault, FaultError};
use crate::rig::system::System;

pub(super) struct Freeze;

#[async_trait(?Send)]
impl Fault for Freeze {
    async fn apply(&mut self, system: &mut dyn System) -> Result<(), FaultError> {
        let server = system.breakable();
        Ok(server.map_or(Ok(()), |server| server.stand_still(true))?)
    }

    async fn prove(&mut self, system: &mut dyn System) -> Result<Option<String>, FaultError> {
        let processes = system.processes();
        let stand = processes.is_some_and(|processes| processes.stand_still());
        Ok(stand.then(|| "the kernel says that all its processes stood still".to_owned()))
    }

    async fn heal(&mut self, system: &mut dyn System) -> Result<(), FaultError> {
        let server = system.breakable();
        Ok(server.map_or(Ok(()), |server| server.stand_still(false))?)
    }
}

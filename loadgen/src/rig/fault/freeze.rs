//! A server whose processes stand still (SIGSTOP) until they are let go on (SIGCONT).

use async_trait::async_trait;

use super::{Fault, FaultError};
use crate::rig::system::System;

/// Of one of several servers by its number from 1, or of the one that there is.
pub(super) struct Freeze(pub(super) Option<u16>);

#[async_trait(?Send)]
impl Fault for Freeze {
    async fn apply(&mut self, system: &mut dyn System) -> Result<(), FaultError> {
        let server = system.breakable(self.0);
        Ok(server.map_or(Ok(()), |server| server.stand_still(true))?)
    }

    async fn prove(&mut self, system: &mut dyn System) -> Result<Option<String>, FaultError> {
        let server = system.breakable(self.0);
        let stand = server.is_some_and(|server| server.stands_still());
        Ok(stand.then(|| "the kernel says that all its processes stood still".to_owned()))
    }

    async fn heal(&mut self, system: &mut dyn System) -> Result<(), FaultError> {
        let server = system.breakable(self.0);
        Ok(server.map_or(Ok(()), |server| server.stand_still(false))?)
    }
}

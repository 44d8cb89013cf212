//! What is broken on purpose: one file a kind, each with four steps, *apply*, *prove*, *heal* and what is reported of it. When
//! they are taken the experiment decides.

mod down;
mod freeze;

use async_trait::async_trait;

use self::{down::Down, freeze::Freeze};
use super::{error::TargetError, system::System};
use crate::{
    plan::PlannedFault,
    scenario::{Damage, ServerDamage},
};

/// A fault that can be brought about in the system that it was made for.
///
/// The steps are taken one after the other, while nothing else is awaited on the system: what takes long begins in one step and
/// is waited for in the next.
#[async_trait(?Send)]
pub trait Fault {
    /// Brings it about.
    ///
    /// # Errors
    /// Why it can't be brought about; it is healed all the same.
    async fn apply(&mut self, system: &mut dyn System) -> Result<(), FaultError>;

    /// What shows that it bit, in words that stand in the report; `None`: nothing so far. Asked right before it is healed, and
    /// once more afterwards where there was nothing.
    ///
    /// # Errors
    /// Why nobody can know.
    async fn prove(&mut self, system: &mut dyn System) -> Result<Option<String>, FaultError>;

    /// Makes all as it was before.
    ///
    /// # Errors
    /// Why it stays broken: the run ends by it.
    async fn heal(&mut self, system: &mut dyn System) -> Result<(), FaultError>;
}

/// What keeps a fault from being brought about or healed.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// The chosen store or target can't do it: nothing was run.
    #[error("the fault {name:?} ({what}) can't be brought about: {reason}")]
    Unable {
        /// Its name in the scenario.
        name: String,
        /// What it is, with its parameters.
        what: String,
        /// Why not, and what would do.
        reason: &'static str,
    },
    /// What was started can't be stopped, signalled or started again.
    #[error(transparent)]
    Target(#[from] TargetError),
}

const STARTED_HERE: &str = "nobody may stop a server that this program did not start; leave --target out, or start it with --command";
const FORGETS: &str = "the in-memory store would go with its server, and with it what was confirmed; choose a store that stays: --store docker, mongod or mongodb://…";
const NOT_YET: &str = "this build does not know how";

/// The fault of a plan in this system; `None`: clients do it themselves.
///
/// # Errors
/// [`FaultError::Unable`], with what would do.
pub fn prepare(
    planned: &PlannedFault,
    system: &mut dyn System,
) -> Result<Option<Box<dyn Fault>>, FaultError> {
    let unable = |reason| FaultError::Unable {
        name: planned.name.clone(),
        what: planned.damage.to_string(),
        reason,
    };
    match planned.damage {
        Damage::Clients(..) => Ok(None),
        Damage::Server(_) if system.breakable().is_none() => Err(unable(STARTED_HERE)),
        Damage::Server(ServerDamage::Freeze) => Ok(Some(Box::new(Freeze))),
        Damage::Server(_)
            if system
                .own_store()
                .is_some_and(|store| store.is_simulation()) =>
        {
            Err(unable(FORGETS))
        }
        Damage::Server(ServerDamage::Stop) => Ok(Some(Box::new(Down::asked()))),
        Damage::Server(ServerDamage::Kill) => Ok(Some(Box::new(Down::killed()))),
        Damage::Store(_) | Damage::Network(..) => Err(unable(NOT_YET)),
    }
}

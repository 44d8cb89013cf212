//! Where a server saves: any store, or the simulation, with faults or without.

use std::sync::Arc;

use crate::store::{
    MessageStore,
    faulty::{Faults, FaultyStore},
    memory::{MemoryConfig, MemoryStore},
};

/// Where messages are saved, and what of that the debug pages reach.
#[derive(Clone)]
pub(super) struct Saving {
    pub(super) store: Arc<dyn MessageStore>,
    /// The same, if it is the simulation.
    pub(super) memory: Option<Arc<MemoryStore>>,
    /// What is wrong with that, where somebody may say so.
    pub(super) faults: Option<Arc<Faults>>,
}

impl Saving {
    /// A store that nobody looks into beside the server.
    pub(super) fn to(store: Arc<dyn MessageStore>) -> Self {
        Self {
            store,
            memory: None,
            faults: None,
        }
    }

    /// The simulation, which may be told to fail.
    pub(super) fn simulated(config: MemoryConfig, faulty: bool) -> Self {
        let memory = Arc::new(MemoryStore::new(config));
        let faults = faulty.then(Arc::<Faults>::default);
        Self {
            store: match &faults {
                None => Arc::clone(&memory) as _,
                Some(faults) => {
                    let (memory, faults) = (Arc::clone(&memory), Arc::clone(faults));
                    Arc::new(FaultyStore::new(memory, faults))
                }
            },
            memory: Some(memory),
            faults,
        }
    }
}

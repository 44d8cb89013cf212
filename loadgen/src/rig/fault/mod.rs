//! What is broken on purpose: one file a kind, each with four steps, *apply*, *prove*, *heal* and what is reported of it. When
//! they are taken the experiment decides.

mod bus;
mod database;
mod down;
mod freeze;
mod network;
mod simulated;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use self::{
    bus::BusRestart, database::Database, down::Down, freeze::Freeze, network::Network,
    simulated::Simulated,
};
use super::{
    bus::BusKind,
    error::TargetError,
    proxy::Proxy,
    store::{RunningStore, StoreNeeds},
    system::System,
};
use crate::{
    dial::DialError,
    plan::PlannedFault,
    scenario::{Between, Damage, FaultKind, ServerDamage, StoreDamage},
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
    /// The simulated database is not reached, or does not do what it is told.
    #[error("the simulated database does not do what it is told: {0}")]
    Simulated(#[from] DialError),
    /// There is nothing to be broken, because nothing was started.
    #[error("what is to be broken was never started")]
    NothingThere,
}

impl FaultError {
    fn unable(planned: &PlannedFault, reason: &'static str) -> Self {
        Self::Unable {
            name: planned.name.clone(),
            what: planned.damage.to_string(),
            reason,
        }
    }
}

const STARTED_HERE: &str = "nobody may stop a server that this program did not start; leave --target out, or start it with --command";
const NO_BUS: &str = "nobody may break the bus of servers that this program did not start, and one server has none; have several started, by `nodes` in [server]";
const NAMED_BUS: &str = "nobody may break a Redis that this program did not start; leave REDIS_URL out, and have a redis-server on the PATH or an image of one in REDIS_IMAGE";
const MEMORY_BUS: &str = "there is no Redis: the servers share their memory in one process; have a redis-server on the PATH";
const ONE_PROCESS: &str = "the servers are one process, since there is no Redis between them; have a redis-server on the PATH, or name one by REDIS_URL, or its image by REDIS_IMAGE";
const OF_EACH: &str = "each of several servers has an in-memory store of its own; choose a MongoDB that this program starts: --store docker or mongod";
const FORGETS: &str = "the in-memory store would go with its server, and with it what was confirmed; choose a store that stays: --store docker, mongod or mongodb://…";
const THEIR_STORE: &str = "nobody may break the store of a server that this program did not start, nor what such a server simulates; leave --target out, and let a peer save into a MongoDB: --store docker or mongod";
const NAMED_STORE: &str = "nobody may break a MongoDB that this program did not start; choose one that it starts: --store docker or mongod";
const SIMULATION: &str = "the in-memory store can't; choose a MongoDB that this program starts: --store docker or mongod";
const INSIDE: &str = "the in-memory store is inside of the server, and no network between them; choose a MongoDB that this program starts: --store docker or mongod";
const STANDS_STILL: &str = "the in-memory store is inside of the server, which stands still meanwhile by server-freeze and can be told nothing; let one end before the other begins, or choose a MongoDB that this program starts: --store docker or mongod";
const IN_A_SET: &str = "the members of a replica set tell the driver their own addresses, and no proxy is among them; have it in another scenario than store-stepdown";

/// What the planned faults need of a store that is started for them; `seed` is for what is drawn at random.
#[must_use]
pub fn needs(planned: &[PlannedFault], seed: u64) -> StoreNeeds {
    let any = |is: fn(&Damage) -> bool| planned.iter().any(|fault| is(&fault.damage));
    let proxied = any(|damage| {
        matches!(
            damage,
            Damage::Network(Between::Store, _) | Damage::Store(StoreDamage::ReplyLost(_))
        )
    });
    StoreNeeds {
        breakable: any(|damage| matches!(damage, Damage::Store(_))),
        set: any(|damage| matches!(damage, Damage::Store(StoreDamage::Stepdown))),
        proxied: proxied.then_some(seed),
    }
}

/// The fault of a plan in this system; `None`: clients do it themselves. `clients` are the proxies between them and the servers,
/// where these run already.
///
/// # Errors
/// [`FaultError::Unable`], with what would do.
pub fn prepare(
    planned: &PlannedFault,
    system: &mut dyn System,
    clients: &[Arc<Proxy>],
) -> Result<Option<Box<dyn Fault>>, FaultError> {
    let unable = |reason| FaultError::unable(planned, reason);
    match planned.damage {
        Damage::Clients(..) => Ok(None),
        Damage::Server(damage) => of_server(damage, None, system).map_err(unable),
        Damage::Node(node, damage) => of_server(damage, Some(node), system).map_err(unable),
        Damage::Bus => of_bus(system).map_err(unable),
        Damage::Store(damage) => {
            let is_of_each = system
                .bus()
                .is_some_and(|bus| bus.kind() != BusKind::Memory);
            let store = system.own_store().ok_or_else(|| unable(THEIR_STORE))?;
            if store.is_simulation() && is_of_each {
                return Err(unable(OF_EACH));
            }
            let seconds = Duration::from_nanos(planned.end - planned.start).as_secs();
            of_store(&planned.name, damage, seconds, store)
                .map(Some)
                .map_err(unable)
        }
        Damage::Network(Between::Clients, damage) => {
            let proxies = clients.to_vec();
            Ok(Some(Box::new(Network::before_the_server(damage, proxies))))
        }
        Damage::Network(Between::Store, damage) => {
            let store = system.own_store().ok_or_else(|| unable(THEIR_STORE))?;
            is_proxied(store).map_err(unable)?;
            Ok(Some(Box::new(Network::before_the_store(damage))))
        }
    }
}

/// Whether faults that can be brought about each by itself can be so together in this system.
///
/// # Errors
/// [`FaultError::Unable`], with what would do.
pub fn together(planned: &[PlannedFault], system: &dyn System) -> Result<(), FaultError> {
    let store = system.own_store();
    let is_inside = store.is_some_and(RunningStore::is_simulation);
    if !is_inside {
        return Ok(());
    }
    let freeze = FaultKind::ServerFreeze;
    let freezes = planned.iter().filter(|one| one.damage.kind() == freeze);
    for frozen in freezes {
        let mut of_store = planned
            .iter()
            .filter(|one| matches!(one.damage, Damage::Store(_)));
        let meanwhile = of_store.find(|one| one.start < frozen.end && frozen.start < one.end);
        if let Some(one) = meanwhile {
            return Err(FaultError::unable(one, STANDS_STILL));
        }
    }
    Ok(())
}

/// A fault of the server, or of one of several, or why that can't have it.
fn of_server(
    damage: ServerDamage,
    node: Option<u16>,
    system: &mut dyn System,
) -> Result<Option<Box<dyn Fault>>, &'static str> {
    if system
        .bus()
        .is_some_and(|bus| bus.kind() == BusKind::Memory)
    {
        return Err(ONE_PROCESS);
    }
    if system.breakable(node).is_none() {
        return Err(STARTED_HERE);
    }
    let forgets = system.forgets();
    Ok(Some(match damage {
        ServerDamage::Freeze => Box::new(Freeze(node)),
        ServerDamage::Stop | ServerDamage::Kill if forgets => return Err(FORGETS),
        ServerDamage::Stop => Box::new(Down::asked(node)),
        ServerDamage::Kill => Box::new(Down::killed(node)),
    }))
}

/// A fault of what joins several servers, or why that can't have it.
fn of_bus(system: &mut dyn System) -> Result<Option<Box<dyn Fault>>, &'static str> {
    match system.bus().map(|bus| bus.kind()) {
        None => Err(NO_BUS),
        Some(BusKind::Named) => Err(NAMED_BUS),
        Some(BusKind::Memory) => Err(MEMORY_BUS),
        Some(BusKind::Started) => Ok(Some(Box::new(BusRestart::new()))),
    }
}

/// A fault of a store that this program picked, or why that can't have it.
fn of_store(
    name: &str,
    damage: StoreDamage,
    seconds: u64,
    store: &RunningStore,
) -> Result<Box<dyn Fault>, &'static str> {
    if store.is_simulation() {
        let simulated = Simulated::new(name, damage).ok_or(SIMULATION)?;
        return Ok(Box::new(simulated));
    }
    if !store.is_breakable() {
        return Err(NAMED_STORE);
    }
    match (damage, Database::new(damage, seconds)) {
        (_, Some(database)) => Ok(Box::new(database)),
        (StoreDamage::ReplyLost(share), None) => {
            is_proxied(store)?;
            Ok(Box::new(Network::losing_replies(share)))
        }
        (_, None) => Err(SIMULATION),
    }
}

fn is_proxied(store: &RunningStore) -> Result<(), &'static str> {
    match store.proxy() {
        Some(_) => Ok(()),
        None if store.is_simulation() => Err(INSIDE),
        None if store.is_set() => Err(IN_A_SET),
        None => Err(NAMED_STORE),
    }
}

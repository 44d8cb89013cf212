//! What a command line says of servers, against the servers that it names: a flag that one of them can't obey is refused before
//! anything is started, and not passed over.

use std::{env, path::Path};

use super::arguments::{Load, MONGO_IMAGE};
use crate::{
    experiment::{Entrant, SystemChoice},
    model::Delivery,
    rig::StoreChoice,
};

/// Names the image where the flag does not.
const IMAGE_VARIABLE: &str = "MONGO_IMAGE";
/// Names the folder of the peers where the flag does not.
const PEERS_VARIABLE: &str = "LOADGEN_PEERS";

/// What a command line says of the servers that it names.
pub(super) struct Said<'a> {
    /// Each server, behind the flag that names it.
    pub systems: Vec<(&'static str, Entrant)>,
    /// The delivery modes that are typed.
    pub delivery: &'a [Delivery],
    /// The store.
    pub store: &'a StoreChoice,
    /// The image of a MongoDB in a container.
    pub mongo_image: &'a str,
    /// What else is said of the load.
    pub load: &'a Load,
}

impl Said<'_> {
    /// Whether all of it can be obeyed.
    ///
    /// # Errors
    /// The first flag that can't be, why, and what would be right.
    pub(super) fn can_be_obeyed(&self) -> Result<(), String> {
        for (flag, entrant) in &self.systems {
            for delivery in self.delivery {
                let delivers = entrant.system.can_deliver(*delivery);
                delivers.map_err(|why| {
                    format!("--delivery {} for {flag} {entrant}: {why}", delivery.name())
                })?;
            }
        }
        let is_relay = |system: &SystemChoice| *system == SystemChoice::Relay;
        if let Some(delivery) = self.delivery.first()
            && !self.any(|system| !is_relay(system))
        {
            return Err(format!(
                "--delivery {}: a relay saves nothing, before or after: leave --delivery out",
                delivery.name()
            ));
        }
        self.store()?;
        let peers = self.load.peers.as_deref().filter(|peers| {
            let variable = env::var_os(PEERS_VARIABLE);
            variable.is_none_or(|variable| Path::new(&variable) != *peers)
        });
        let is_peer = |system: &SystemChoice| matches!(system, SystemChoice::Peer(_));
        match peers {
            Some(peers) if !self.any(is_peer) => Err(format!(
                "--peers {}: no peer is measured, but {}: name one, as peer:node, or leave --peers out",
                peers.display(),
                self.named()
            )),
            _ => Ok(()),
        }
    }

    fn store(&self) -> Result<(), String> {
        let image = Some(self.mongo_image).filter(|image| {
            let variable = env::var(IMAGE_VARIABLE);
            *image != MONGO_IMAGE && variable.as_deref() != Ok(image)
        });
        let savers = self.systems.iter().map(|(_, entrant)| entrant);
        let savers: Vec<&Entrant> = savers.filter(|one| one.system.saves_here()).collect();
        let saves_here = !savers.is_empty();
        let is_in_container = |one: &&Entrant| {
            matches!(
                one.store(self.store),
                StoreChoice::Auto | StoreChoice::Docker
            )
        };
        let have_their_own = savers.iter().all(|one| one.store.is_some());
        match (self.store, image) {
            (StoreChoice::Auto, None) => Ok(()),
            (store, None) if !saves_here => Err(format!(
                "--store {store}: nothing that is measured saves into a store of this program ({}): leave --store out",
                self.named()
            )),
            (_, Some(image)) if !saves_here => Err(format!(
                "--mongo-image {image}: nothing that is measured saves into a store of this program ({}): leave --mongo-image out",
                self.named()
            )),
            (store, _) if have_their_own && *store != StoreChoice::Auto => Err(format!(
                "--store {store}: all that is measured names a store of its own ({}): leave --store out",
                self.named()
            )),
            (_, None) => Ok(()),
            (_, Some(_)) if savers.iter().any(is_in_container) => Ok(()),
            (_, Some(image)) if have_their_own => Err(format!(
                "--mongo-image {image}: no store of what is measured is in a container ({}): leave --mongo-image out",
                self.named()
            )),
            (store, Some(image)) => Err(format!(
                "--mongo-image {image}: --store {store} starts no container: leave one of them out"
            )),
        }
    }

    fn any(&self, is: impl Fn(&SystemChoice) -> bool) -> bool {
        self.systems.iter().any(|(_, entrant)| is(&entrant.system))
    }

    /// All that is measured, as it is typed.
    fn named(&self) -> String {
        let named = self.systems.iter();
        let named = named.map(|(flag, entrant)| format!("{flag} {entrant}"));
        named.collect::<Vec<_>>().join(", ")
    }
}

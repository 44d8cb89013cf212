//! What this program starts for one run: a server, or the bare relay, which only passes frames on.

use std::{path::Path, time::Instant};

use async_trait::async_trait;

use super::{Breakable, Death, System, launched::Launched};
use crate::{
    dial::{Caller, Endpoint, Target},
    rig::{
        audit::Audit,
        error::TargetError,
        resources::Processes,
        status::{self, Late, ServerTimes},
        store::RunningStore,
        vigil::Vigil,
    },
    scenario::Connections,
};

/// This very program as a server on a store that is there already, or as the relay; or another build of the server.
pub struct OwnServer<'a> {
    server: Launched,
    description: String,
    /// The relay has none.
    store: Option<&'a RunningStore>,
    /// How users connect to it.
    connections: Connections,
    endpoint: Option<Endpoint>,
    vigil: Option<Vigil>,
}

impl<'a> OwnServer<'a> {
    /// With these arguments of `serve`, beside those for its store; users connect to it as `connections` says. `program` is
    /// another build of the `server` program than the one that is in this program.
    pub fn new(
        program: Option<&Path>,
        arguments: Vec<String>,
        store: &'a RunningStore,
        description: String,
        connections: &Connections,
    ) -> Self {
        let serve = program.is_none().then(|| "serve".to_owned());
        let serve = serve.into_iter().chain(arguments);
        let arguments = serve.chain(store.server_args()).collect();
        Self {
            server: Launched::new(program.map(Path::to_owned), arguments),
            description,
            store: Some(store),
            connections: connections.clone(),
            endpoint: None,
            vigil: None,
        }
    }

    /// The bare relay: what it takes is the machine's and the generator's share.
    pub fn relay() -> Self {
        Self {
            server: Launched::new(None, vec!["floor".to_owned()]),
            description: "none".to_owned(),
            store: None,
            connections: Connections::default(),
            endpoint: None,
            vigil: None,
        }
    }
}

#[async_trait(?Send)]
impl System for OwnServer<'_> {
    async fn start(&mut self) -> Result<Endpoint, TargetError> {
        self.server.start(&[]).await?;
        if let Some(store) = self.store {
            self.vigil = store.vigil().await?;
        }
        let url = self.server.url();
        let target = Target::started_here(url, &self.connections)?;
        let asker = Caller::nobody(&target);
        let resolved = Endpoint::resolve(target, asker).await;
        let endpoint = resolved.map_err(|error| TargetError::of_dial(url, error))?;
        Ok(self.endpoint.insert(endpoint).clone())
    }

    fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    fn address(&self) -> &str {
        self.server.url()
    }

    fn store(&self) -> String {
        self.description.clone()
    }

    fn breakable(&mut self, _: Option<u16>) -> Option<&mut dyn Breakable> {
        Some(&mut self.server)
    }

    fn own_store(&self) -> Option<&RunningStore> {
        self.store
    }

    fn excuse_store(&self, excused: bool) {
        if let Some(vigil) = &self.vigil {
            vigil.excuse(excused);
        }
    }

    fn processes(&self) -> Vec<Processes> {
        self.server.processes().into_iter().collect()
    }

    async fn times(&self) -> Option<ServerTimes> {
        match self.server.began_anew() {
            true => None,
            false => status::server_times(self.endpoint()?).await,
        }
    }

    async fn audit(&self) -> Result<Option<Audit>, Late> {
        let there = self.store.zip(self.endpoint());
        Ok(there.map(|(store, endpoint)| store.audit(endpoint)))
    }

    async fn died(&mut self) -> Death {
        tokio::select! {
            exit = self.server.exited() => Death {
                what: format!("the server died: {exit}"),
                at: Instant::now(),
            },
            death = super::gone(self.vigil.as_ref()) => death,
        }
    }

    async fn store_gone(&self) -> Option<Death> {
        self.vigil.as_ref()?.silent().await
    }

    async fn stop(&mut self) -> Result<Option<String>, TargetError> {
        self.vigil = None;
        let exit = self.server.stop().await?;
        let disorder = exit.filter(|exit| !exit.is_clean());
        Ok(disorder.map(|exit| format!("the server did not end in order: {exit}")))
    }
}

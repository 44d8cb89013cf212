//! What this program starts for one run: a server, or the bare relay, which only passes frames on.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use async_trait::async_trait;

use super::{Breakable, Death, End, Ending, PATIENCE, System};
use crate::{
    dial::{Caller, Endpoint, Target},
    rig::{
        audit::Audit,
        error::TargetError,
        process::RunningServer,
        resources::Processes,
        status::{self, ServerTimes},
        store::RunningStore,
        vigil::Vigil,
    },
    scenario::Connections,
};

/// This very program as a server on a store that is there already, or as the relay; or another build of the server.
pub struct OwnServer<'a> {
    /// Another build of the `server` program; `None`: this one.
    program: Option<PathBuf>,
    /// The command, of this program, and its arguments.
    arguments: Vec<String>,
    description: String,
    /// The relay has none.
    store: Option<&'a RunningStore>,
    /// How users connect to it.
    connections: Connections,
    url: String,
    endpoint: Option<Endpoint>,
    running: Option<RunningServer>,
    /// It was started again in mid-run: what it says of itself is said of the rest of the run only.
    began_anew: bool,
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
        Self {
            program: program.map(Path::to_owned),
            arguments: serve.chain(store.server_args()).collect(),
            description,
            store: Some(store),
            connections: connections.clone(),
            url: String::new(),
            endpoint: None,
            running: None,
            began_anew: false,
            vigil: None,
        }
    }

    /// The bare relay: what it takes is the machine's and the generator's share.
    pub fn relay() -> Self {
        Self {
            program: None,
            arguments: vec!["floor".to_owned()],
            description: "none".to_owned(),
            store: None,
            connections: Connections::default(),
            url: String::new(),
            endpoint: None,
            running: None,
            began_anew: false,
            vigil: None,
        }
    }

    async fn run(&self, arguments: &[String]) -> Result<RunningServer, TargetError> {
        match &self.program {
            Some(program) => RunningServer::start_program(program, arguments, PATIENCE).await,
            None => RunningServer::start(arguments, PATIENCE).await,
        }
    }
}

#[async_trait(?Send)]
impl Breakable for OwnServer<'_> {
    fn stand_still(&self, still: bool) -> Result<(), TargetError> {
        let running = self.running.as_ref();
        running.map_or(Ok(()), |running| running.stand_still(still))
    }

    fn take_down(&mut self, how: End) -> Option<Ending> {
        let running = self.running.take()?;
        Some(match how {
            End::Asked => Ending::of(running.stop(PATIENCE)),
            End::Killed => Ending::of(running.kill()),
        })
    }

    /// Whoever was connected knows the old one's port.
    async fn start_again(&mut self) -> Result<(), TargetError> {
        let port = self.url.rsplit(':').next().unwrap_or_default();
        let mut arguments = self.arguments.clone();
        if let Some(place) = arguments.iter().position(|argument| argument == "--port") {
            arguments.splice(place + 1..place + 2, [port.to_owned()]);
        }
        self.running = Some(self.run(&arguments).await?);
        self.began_anew = true;
        Ok(())
    }
}

#[async_trait(?Send)]
impl System for OwnServer<'_> {
    async fn start(&mut self) -> Result<Endpoint, TargetError> {
        let running = self.run(&self.arguments).await?;
        running.url().clone_into(&mut self.url);
        self.running = Some(running);
        if let Some(store) = self.store {
            self.vigil = store.vigil().await?;
        }
        let target = Target::started_here(&self.url, &self.connections)?;
        let asker = Caller::nobody(&target);
        let resolved = Endpoint::resolve(target, asker).await;
        let endpoint = resolved.map_err(|error| TargetError::of_dial(&self.url, error))?;
        Ok(self.endpoint.insert(endpoint).clone())
    }

    fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    fn address(&self) -> &str {
        &self.url
    }

    fn store(&self) -> String {
        self.description.clone()
    }

    fn breakable(&mut self) -> Option<&mut dyn Breakable> {
        Some(self)
    }

    fn own_store(&self) -> Option<&RunningStore> {
        self.store
    }

    fn excuse_store(&self, excused: bool) {
        if let Some(vigil) = &self.vigil {
            vigil.excuse(excused);
        }
    }

    fn processes(&self) -> Option<Processes> {
        let running = self.running.as_ref()?;
        Some(Processes::One(running.pid()))
    }

    async fn times(&self) -> Option<ServerTimes> {
        match self.began_anew {
            true => None,
            false => status::server_times(self.endpoint()?).await,
        }
    }

    async fn audit(&self) -> Option<Audit> {
        Some(self.store?.audit(self.endpoint()?))
    }

    async fn died(&mut self) -> Death {
        let server = async {
            match &mut self.running {
                Some(running) => running.exited().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            exit = server => Death {
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
        let Some(running) = self.running.take() else {
            return Ok(None);
        };
        let exit = running.stop(PATIENCE).await?;
        Ok((!exit.is_clean()).then(|| format!("the server did not end in order: {exit}")))
    }
}

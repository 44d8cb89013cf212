//! Several servers of our own as one chat: as many processes and a Redis, or one process where there is none.

use std::{future::Future, path::PathBuf, pin::Pin, time::Instant};

use async_trait::async_trait;

use super::{Death, PATIENCE, System};
use crate::{
    dial::{Caller, Endpoint, Target},
    model::BusMode,
    plan::Nodes,
    rig::{
        audit::Audit,
        bus::{RunningBus, free_port},
        error::TargetError,
        exit::ServerExit,
        process::RunningServer,
        resources::Processes,
        status::{self, Present, ServerTimes},
        store::RunningStore,
        vigil::Vigil,
    },
    scenario::Connections,
};

/// Several servers of this program, or of another build of it, on a store that is there already.
pub struct SeveralServers<'a> {
    /// Another build of the `server` program; `None`: this one.
    program: Option<PathBuf>,
    arguments: Vec<String>,
    store: &'a RunningStore,
    connections: Connections,
    nodes: Nodes,
    mode: BusMode,
    /// Of the store; with the servers and their bus once they are started.
    description: String,
    bus: Option<RunningBus>,
    processes: Vec<RunningServer>,
    url: String,
    /// Each server by itself.
    servers: Vec<Endpoint>,
    /// All of them, each user with its own.
    all: Option<Endpoint>,
    vigil: Option<Vigil>,
}

impl<'a> SeveralServers<'a> {
    /// As many as the plan spreads its users over, with these arguments of `serve` each, beside those for their store and for
    /// each other.
    pub fn new(
        program: Option<PathBuf>,
        arguments: Vec<String>,
        store: &'a RunningStore,
        description: String,
        connections: &Connections,
        nodes: Nodes,
        mode: BusMode,
    ) -> Self {
        Self {
            program,
            arguments,
            store,
            connections: connections.clone(),
            nodes,
            mode,
            description,
            bus: None,
            processes: Vec::new(),
            url: String::new(),
            servers: Vec::new(),
            all: None,
            vigil: None,
        }
    }

    async fn run(&self, more: &[&str]) -> Result<RunningServer, TargetError> {
        let more = more.iter().map(|argument| (*argument).to_owned());
        let own = self.arguments.iter().cloned();
        let arguments = own.chain(self.store.server_args()).chain(more);
        match &self.program {
            Some(program) => {
                let arguments: Vec<_> = arguments.collect();
                RunningServer::start_program(program, &arguments, PATIENCE).await
            }
            None => {
                let serve = std::iter::once("serve".to_owned());
                let arguments: Vec<_> = serve.chain(arguments).collect();
                RunningServer::start(&arguments, PATIENCE).await
            }
        }
    }

    /// Starts them and says where each listens.
    async fn start_all(&mut self, bus: &RunningBus) -> Result<Vec<String>, TargetError> {
        let Some(redis) = bus.url() else {
            return self.start_in_one().await;
        };
        // Whatever else is in that Redis is somebody else's.
        let chat = format!("loadgen-{:08x}", rand::random::<u32>());
        let mut urls = Vec::new();
        for number in 1..=self.nodes.count() {
            let name = format!("node{number}");
            let of_bus = [
                "--bus",
                redis,
                "--bus-chat",
                &chat,
                "--node-id",
                &name,
                "--bus-mode",
                self.mode.name(),
            ];
            let running = self.run(&of_bus).await?;
            urls.push(running.url().to_owned());
            self.processes.push(running);
        }
        Ok(urls)
    }

    async fn start_in_one(&mut self) -> Result<Vec<String>, TargetError> {
        let mut ports = Vec::new();
        for _ in 0..self.nodes.count() {
            let port = free_port().map_err(|error| TargetError::Bus {
                bus: "memory",
                reason: error.to_string(),
            })?;
            ports.push(port.to_string());
        }
        let listed = ports.join(",");
        let running = self
            .run(&["--twin-ports", &listed, "--bus-mode", self.mode.name()])
            .await?;
        self.processes.push(running);
        let url = |port| format!("http://127.0.0.1:{port}");
        Ok(ports.iter().map(url).collect())
    }

    async fn endpoint_of(&self, url: &str) -> Result<Endpoint, TargetError> {
        let target = Target::started_here(url, &self.connections)?;
        let asker = Caller::nobody(&target);
        let resolved = Endpoint::resolve(target, asker).await;
        resolved.map_err(|error| TargetError::of_dial(url, error))
    }
}

#[async_trait(?Send)]
impl System for SeveralServers<'_> {
    async fn start(&mut self) -> Result<Endpoint, TargetError> {
        let bus = RunningBus::find().await?;
        let urls = self.start_all(&bus).await?;
        for url in &urls {
            let server = self.endpoint_of(url).await?;
            self.servers.push(server);
        }
        self.description = format!(
            "{}; {} servers as one chat by {bus}, {}",
            self.description,
            self.nodes.count(),
            self.mode.name()
        );
        self.bus = Some(bus);
        self.vigil = self.store.vigil().await?;
        let addresses = self.servers.iter().map(Endpoint::address).collect();
        let first = self.endpoint_of(&urls[0]).await?;
        self.url.clone_from(&urls[0]);
        Ok(self.all.insert(first.among(addresses, self.nodes)).clone())
    }

    fn endpoint(&self) -> Option<&Endpoint> {
        self.all.as_ref()
    }

    fn address(&self) -> &str {
        &self.url
    }

    fn store(&self) -> String {
        self.description.clone()
    }

    fn own_store(&self) -> Option<&RunningStore> {
        Some(self.store)
    }

    fn excuse_store(&self, excused: bool) {
        if let Some(vigil) = &self.vigil {
            vigil.excuse(excused);
        }
    }

    /// All that was started here: the servers, and what joins them.
    fn processes(&self) -> Option<Processes> {
        Some(Processes::Children(std::process::id()))
    }

    async fn present(&self) -> Option<Present> {
        let mut all = Present::default();
        for server in &self.servers {
            let here = status::present(server).await?;
            all.total_users += here.total_users;
            all.total_rooms += here.total_rooms;
            all.total_sockets += here.total_sockets;
        }
        Some(all)
    }

    async fn times(&self) -> Option<ServerTimes> {
        let mut all: Option<ServerTimes> = None;
        for server in &self.servers {
            let here = status::server_times(server).await?;
            match &mut all {
                None => all = Some(here),
                Some(all) => {
                    all.emit.add(&here.emit).ok()?;
                    all.save.add(&here.save).ok()?;
                }
            }
        }
        all
    }

    async fn audit(&self) -> Option<Audit> {
        // In one process they share one simulated store.
        let apart = self.processes.len() > 1;
        match self.store.is_simulation() && apart {
            true => Some(Audit::memories(self.servers.clone())),
            false => Some(self.store.audit(self.servers.first()?)),
        }
    }

    async fn died(&mut self) -> Death {
        type Ended<'b> = Pin<Box<dyn Future<Output = ServerExit> + 'b>>;
        let servers = async {
            if self.processes.is_empty() {
                return std::future::pending().await;
            }
            let ended = self.processes.iter_mut();
            let ended = ended.map(|running| -> Ended<'_> { Box::pin(running.exited()) });
            let (exit, nth, _) = futures::future::select_all(ended).await;
            (exit, nth)
        };
        tokio::select! {
            (exit, nth) = servers => Death {
                what: format!("server {} of several died: {exit}", nth + 1),
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
        let mut wrong = Vec::new();
        for (nth, running) in (1..).zip(std::mem::take(&mut self.processes)) {
            let exit = running.stop(PATIENCE).await?;
            if !exit.is_clean() {
                wrong.push(format!("server {nth} did not end in order: {exit}"));
            }
        }
        if let Some(bus) = self.bus.take() {
            bus.stop().await?;
        }
        Ok((!wrong.is_empty()).then(|| wrong.join("; ")))
    }
}

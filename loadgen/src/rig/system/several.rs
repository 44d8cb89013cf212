//! Several servers as one chat: as many processes and a Redis, or, of our own, one process where there is none.

use std::{future::Future, path::Path, pin::Pin, time::Instant};

use async_trait::async_trait;

use super::{
    Breakable, Commanded, Death, System,
    launched::Launched,
    node::{Node, Place},
};
use crate::{
    dial::{Caller, Endpoint, Target},
    model::BusMode,
    plan::Nodes,
    rig::{
        audit::Audit,
        bus::{Bus, BusKind, free_port},
        error::TargetError,
        exit::ServerExit,
        resources::Processes,
        status::{self, Late, Present, ServerTimes},
        store::RunningStore,
        vigil::Vigil,
    },
    scenario::Connections,
};

/// Several servers on a store that is there already.
pub struct SeveralServers<'a> {
    store: &'a RunningStore,
    connections: Connections,
    nodes: Nodes,
    /// How many users are spread over them.
    users: usize,
    /// Which order they promise, of servers of our own.
    mode: Option<BusMode>,
    /// Of the store; with the servers and their bus once they are started.
    description: String,
    bus: Bus,
    /// A process for each server; where they share their memory, one for all.
    processes: Vec<Box<dyn Node + 'a>>,
    url: String,
    /// Each server by itself.
    servers: Vec<Endpoint>,
    /// All of them, each user with its own.
    all: Option<Endpoint>,
    vigil: Option<Vigil>,
}

/// How several servers are one chat.
#[derive(Debug, Clone, Copy)]
pub struct Chat {
    /// Over which users are spread.
    pub nodes: Nodes,
    /// How many users.
    pub users: usize,
    /// Which order they promise; what somebody else wrote is told nothing of that.
    pub mode: Option<BusMode>,
}

impl<'a> SeveralServers<'a> {
    /// Of this program, or another build of the server, with these arguments of `serve` each, beside those for their store and for
    /// each other.
    pub fn own(
        program: Option<&Path>,
        arguments: Vec<String>,
        store: &'a RunningStore,
        description: String,
        connections: &Connections,
        chat: Chat,
    ) -> Self {
        let bus = Bus::find();
        let serve = program.is_none().then(|| "serve".to_owned());
        let serve = serve.into_iter().chain(arguments);
        let arguments: Vec<String> = serve.chain(store.server_args()).collect();
        let processes = match bus.kind() {
            BusKind::Memory => 1,
            BusKind::Named | BusKind::Started => chat.nodes.count(),
        };
        let launched = |_| -> Box<dyn Node + 'a> {
            Box::new(Launched::new(
                program.map(Path::to_owned),
                arguments.clone(),
            ))
        };
        let processes = (0..processes).map(launched).collect();
        Self::of(processes, bus, store, description, connections, chat)
    }

    /// Servers that somebody else wrote, each with a command of its own; they are told where the Redis is.
    pub fn foreign(
        servers: Vec<Commanded<'a>>,
        store: &'a RunningStore,
        description: String,
        connections: &Connections,
        chat: Chat,
    ) -> Self {
        let boxed = |server| -> Box<dyn Node + 'a> { Box::new(server) };
        let processes = servers.into_iter().map(boxed).collect();
        Self::of(
            processes,
            Bus::find(),
            store,
            description,
            connections,
            chat,
        )
    }

    fn of(
        processes: Vec<Box<dyn Node + 'a>>,
        bus: Bus,
        store: &'a RunningStore,
        description: String,
        connections: &Connections,
        chat: Chat,
    ) -> Self {
        Self {
            store,
            connections: connections.clone(),
            nodes: chat.nodes,
            users: chat.users,
            mode: chat.mode,
            description,
            bus,
            processes,
            url: String::new(),
            servers: Vec::new(),
            all: None,
            vigil: None,
        }
    }

    /// Starts them and says where each listens.
    async fn start_all(&mut self) -> Result<Vec<String>, TargetError> {
        let Some(redis) = self.bus.url() else {
            return self.start_in_one().await;
        };
        // Whatever else is in that Redis is somebody else's.
        let chat = format!("loadgen-{:08x}", rand::random::<u32>());
        let mut urls = Vec::new();
        for (number, server) in (1..).zip(&mut self.processes) {
            let place = Place::Redis {
                url: redis,
                chat: &chat,
                name: &format!("node{number}"),
                mode: self.mode.unwrap_or_default(),
            };
            urls.push(server.start_in(&place).await?);
        }
        Ok(urls)
    }

    async fn start_in_one(&mut self) -> Result<Vec<String>, TargetError> {
        let mut ports: Vec<String> = Vec::new();
        while ports.len() < usize::from(self.nodes.count()) {
            let port = free_port().map_err(|error| TargetError::Bus {
                bus: "memory",
                reason: error.to_string(),
            })?;
            // The system may give one twice that nobody has taken yet.
            let port = port.to_string();
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
        let twins = Place::Twins {
            ports: &ports.join(","),
            mode: self.mode.unwrap_or_default(),
        };
        for process in &mut self.processes {
            process.start_in(&twins).await?;
        }
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
        self.bus.start().await?;
        let urls = self.start_all().await?;
        for url in &urls {
            let server = self.endpoint_of(url).await?;
            self.servers.push(server);
        }
        let mode = self.mode.map(|mode| format!(", {}", mode.name()));
        self.description = format!(
            "{}; {} servers as one chat by {}{}",
            self.description,
            self.nodes.count(),
            self.bus,
            mode.unwrap_or_default()
        );
        self.vigil = self.store.vigil().await?;
        let addresses = self.servers.iter().map(Endpoint::address).collect();
        let first = self.endpoint_of(&urls[0]).await?;
        self.url.clone_from(&urls[0]);
        let all = first.among(addresses, self.nodes, self.users);
        Ok(self.all.insert(all).clone())
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

    /// Where all are one process, none can be broken by itself.
    fn breakable(&mut self, node: Option<u16>) -> Option<&mut dyn Breakable> {
        if self.bus.kind() == BusKind::Memory {
            return None;
        }
        let place = usize::from(node?).checked_sub(1)?;
        Some(self.processes.get_mut(place)?.breakable())
    }

    fn bus(&mut self) -> Option<&mut Bus> {
        Some(&mut self.bus)
    }

    fn own_store(&self) -> Option<&RunningStore> {
        Some(self.store)
    }

    fn excuse_store(&self, excused: bool) {
        if let Some(vigil) = &self.vigil {
            vigil.excuse(excused);
        }
    }

    /// The servers, and a Redis that was started to join them. What else this program has started is no part of them: a
    /// database, or another system that is measured in turn with this one.
    fn processes(&self) -> Vec<Processes> {
        let servers = self.processes.iter();
        let servers = servers.filter_map(|server| server.processes());
        servers.chain(self.bus.processes()).collect()
    }

    fn servers(&self) -> Vec<Endpoint> {
        self.servers.clone()
    }

    async fn present(&self) -> Result<Option<Present>, Late> {
        let mut all = Present::default();
        for server in &self.servers {
            let Some(here) = status::present(server).await? else {
                return Ok(None);
            };
            all.total_users += here.total_users;
            all.total_rooms += here.total_rooms;
            all.total_sockets += here.total_sockets;
        }
        Ok(Some(all))
    }

    async fn unsettled(&self) -> Option<u64> {
        let mut all = 0;
        for server in &self.servers {
            all += status::unsettled(server).await?;
        }
        Some(all)
    }

    async fn times(&self) -> Option<ServerTimes> {
        // Of one that was started again, the first part of the run is missing.
        if self.processes.iter().any(|server| server.began_anew()) {
            return None;
        }
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

    async fn audit(&self) -> Result<Option<Audit>, Late> {
        // In one process they share one simulated store.
        let apart = self.processes.len() > 1;
        Ok(match self.store.is_simulation() && apart {
            true => Some(Audit::memories(self.servers.clone())),
            false => self.servers.first().map(|first| self.store.audit(first)),
        })
    }

    async fn died(&mut self) -> Death {
        type Ended<'b> = Pin<Box<dyn Future<Output = ServerExit> + 'b>>;
        let servers = async {
            if self.processes.is_empty() {
                return std::future::pending().await;
            }
            let ended = self.processes.iter_mut();
            let ended = ended.map(|server| -> Ended<'_> { server.exited() });
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
        for (nth, server) in (1..).zip(&mut self.processes) {
            if let Some(disorder) = server.end().await? {
                wrong.push(format!("server {nth}: {disorder}"));
            }
        }
        self.bus.stop().await?;
        Ok((!wrong.is_empty()).then(|| wrong.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::{End, Ending, StoreChoice};

    /// A server of which nothing but its processes is asked.
    struct Known(Option<Processes>);

    #[async_trait(?Send)]
    impl Breakable for Known {
        fn stand_still(&self, _: bool) -> Result<(), TargetError> {
            Ok(())
        }

        fn stands_still(&self) -> bool {
            false
        }

        fn take_down(&mut self, _: End) -> Option<Ending> {
            None
        }

        async fn start_again(&mut self) -> Result<(), TargetError> {
            Ok(())
        }
    }

    #[async_trait(?Send)]
    impl Node for Known {
        async fn start_in(&mut self, _: &Place<'_>) -> Result<String, TargetError> {
            Ok(String::new())
        }

        fn processes(&self) -> Option<Processes> {
            self.0
        }

        fn began_anew(&self) -> bool {
            false
        }

        async fn exited(&mut self) -> ServerExit {
            std::future::pending().await
        }

        async fn end(&mut self) -> Result<Option<String>, TargetError> {
            Ok(None)
        }

        fn breakable(&mut self) -> &mut dyn Breakable {
            self
        }
    }

    /// The store, the guard and the systems of the same search are children of this program, too.
    #[tokio::test]
    async fn their_processes_are_the_servers_and_no_others_that_this_program_has_started() {
        let store = RunningStore::start(&StoreChoice::Memory, "", &mut |_| {})
            .await
            .unwrap();
        let chat = Chat {
            nodes: Nodes::ONE,
            users: 0,
            mode: None,
        };
        let connections = Connections::default();
        let servers: Vec<Box<dyn Node + '_>> = vec![
            Box::new(Known(Some(Processes::One(7)))),
            Box::new(Known(None)),
            Box::new(Known(Some(Processes::Group(9)))),
        ];
        let several = SeveralServers::of(
            servers,
            Bus::find(),
            &store,
            String::new(),
            &connections,
            chat,
        );
        assert_eq!(
            several.processes(),
            [Processes::One(7), Processes::Group(9)]
        );
        drop(several);
        store.stop().await.unwrap();
    }
}

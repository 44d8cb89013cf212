//! MongoDB in a container.

use tokio::net::TcpStream;

use super::{
    container::{self, Container, Network},
    error::TargetError,
};

const PORT: u16 = 27017;

/// A container with MongoDB in it. Dropping it removes the container.
#[derive(Debug)]
pub(super) struct MongoContainer {
    /// `mongodb://host:port` as seen from here.
    pub(super) uri: String,
    pub(super) container: Container,
}

/// How a MongoDB is started that is to be broken: it keeps its port when it is started again, and has test commands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fragile<'a> {
    /// Where it listens, seen from here as from itself.
    pub(super) port: u16,
    /// The replica set that it belongs to.
    pub(super) set: Option<&'a str>,
    /// Other members that share its network.
    pub(super) beside: &'a [u16],
    /// The container whose network it shares.
    pub(super) within: Option<&'a MongoContainer>,
}

impl Fragile<'_> {
    /// Alone, at this port.
    pub(super) fn alone(port: u16) -> Self {
        Self {
            port,
            set: None,
            beside: &[],
            within: None,
        }
    }

    /// What `mongod` is told, beside where its data is.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--port".to_owned(), self.port.to_string()];
        arguments.extend(["--setParameter", "enableTestCommands=1"].map(str::to_owned));
        if let Some(set) = self.set {
            // Three on one machine, each taking half of its memory, would be too many.
            let small = ["--replSet", set, "--wiredTigerCacheSizeGB", "0.25"];
            arguments.extend(small.map(str::to_owned));
        }
        arguments
    }
}

impl MongoContainer {
    /// Starts a container of an image that is on this machine; one to be broken as that says.
    pub(super) async fn start(
        image: &str,
        fragile: Option<Fragile<'_>>,
    ) -> Result<MongoContainer, TargetError> {
        let command: Option<Vec<String>> = fragile.map(|fragile| {
            let command = ["mongod", "--bind_ip_all"].map(str::to_owned);
            command.into_iter().chain(fragile.arguments()).collect()
        });
        let network = network(fragile);
        let started = container::start(
            image,
            "Waiting for connections",
            network,
            command.as_deref(),
        );
        let (container, running) = started.await?;
        let uri = match fragile {
            Some(Fragile { port, set, .. }) if set.is_some() => uri_of_member(port).await,
            Some(fragile) => running.address(fragile.port).await,
            None => running.address(PORT).await,
        };
        running.let_go();
        let uri = uri.map_err(|reason| TargetError::ContainerFailed {
            image: image.to_owned(),
            reason,
        })?;
        Ok(MongoContainer {
            uri: format!("mongodb://{uri}"),
            container,
        })
    }

    /// Removes the container.
    pub(super) async fn stop(self) -> Result<(), TargetError> {
        self.container.stop().await
    }
}

fn network(fragile: Option<Fragile<'_>>) -> Network {
    let within = fragile.and_then(|fragile| fragile.within);
    let is_member = fragile.is_some_and(|fragile| fragile.set.is_some());
    Network {
        within: within.map(|container| format!("container:{}", container.container.name())),
        ports: match fragile {
            None => vec![(PORT, false)],
            // Published by the one whose network it is.
            Some(_) if within.is_some() => Vec::new(),
            Some(fragile) => {
                let own = std::iter::once(&fragile.port).chain(fragile.beside);
                own.map(|port| (*port, true)).collect()
            }
        },
        // The members of a set know themselves by the loopback interface's address.
        loopback: is_member || container::daemon_shares_loopback(),
    }
}

/// `127.0.0.1:port` of a member of a set, as the others know it too.
async fn uri_of_member(port: u16) -> Result<String, String> {
    match TcpStream::connect(("127.0.0.1", port)).await {
        Ok(_) => Ok(format!("127.0.0.1:{port}")),
        Err(error) => Err(format!(
            "three that find each other need a Docker daemon on this machine: 127.0.0.1:{port} leads nowhere ({error})"
        )),
    }
}

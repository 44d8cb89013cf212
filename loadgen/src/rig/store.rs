//! Picks, starts and stops the store that the server under test saves into, and says which one it is.

mod breaking;

use std::{fmt, str::FromStr};

use crate::dial::Endpoint;

use super::{
    audit::Audit,
    container, daemon,
    docker::{Fragile, MongoContainer},
    error::{TargetError, UnknownStore},
    held::Held,
    leftover::Leftover,
    mongo,
    mongod::{self, Mongod},
    proxy::{Proxy, Speech},
    replicas,
    vigil::Vigil,
};
use crate::scenario::Documents;

/// Names the MongoDB that `auto` takes first.
const URI_VARIABLE: &str = "MONGODB_URI";

/// Which store to measure with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StoreChoice {
    /// The first of these that is there: `MONGODB_URI`, Docker, `mongod`, the in-memory simulation.
    #[default]
    Auto,
    /// The in-memory simulation of a database.
    Memory,
    /// MongoDB in a container, through testcontainers.
    Docker,
    /// A `mongod` on this machine, in a temporary folder.
    Mongod,
    /// A MongoDB that is already running.
    Uri(String),
}

impl FromStr for StoreChoice {
    type Err = UnknownStore;

    fn from_str(text: &str) -> Result<StoreChoice, UnknownStore> {
        match text {
            "auto" => Ok(StoreChoice::Auto),
            "memory" => Ok(StoreChoice::Memory),
            "docker" => Ok(StoreChoice::Docker),
            "mongod" => Ok(StoreChoice::Mongod),
            uri if uri.starts_with("mongodb://") || uri.starts_with("mongodb+srv://") => {
                Ok(StoreChoice::Uri(uri.to_owned()))
            }
            other => Err(UnknownStore(other.to_owned())),
        }
    }
}

/// As it is written on the command line, without credentials.
impl fmt::Display for StoreChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreChoice::Auto => f.write_str("auto"),
            StoreChoice::Memory => f.write_str("memory"),
            StoreChoice::Docker => f.write_str("docker"),
            StoreChoice::Mongod => f.write_str("mongod"),
            StoreChoice::Uri(uri) => f.write_str(&mongo::redacted(uri)),
        }
    }
}

/// What a run needs of its store, beside that it serves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreNeeds {
    /// It is to be broken: a MongoDB has test commands then, and keeps its port when it is started again; the simulation has a
    /// door for its faults.
    pub breakable: bool,
    /// It is to be a set of three, so that another primary can take over.
    pub set: bool,
    /// The server is to reach it through a proxy, which draws at random from this seed.
    pub proxied: Option<u64>,
}

/// A store that answers. What was started or made for it is removed by [`RunningStore::stop`], or else by drop.
#[derive(Debug)]
pub struct RunningStore {
    description: String,
    destination: Destination,
    /// From the variable, which the server inherits and reads too.
    inherited: bool,
    started: Started,
    needs: StoreNeeds,
    /// Where each member of a MongoDB that was started here is found by itself.
    members: Vec<String>,
    proxy: Option<Proxy>,
}

/// Where the server is to save.
#[derive(Debug)]
enum Destination {
    Memory,
    Mongo { uri: String, database: String },
}

/// What is there only for this run.
#[derive(Debug)]
enum Started {
    Nothing,
    Containers(Vec<MongoContainer>),
    Processes(Vec<Mongod>),
    Database(Held),
}

impl RunningStore {
    /// Picks the store, starts it where it has to be started, and waits until it answers. `image` is the container
    /// image of MongoDB; `notice` is told, in whole sentences without a full stop, what takes long or is passed over.
    ///
    /// # Errors
    /// If the chosen store is not there or does not start. `Auto` passes over what is not there, and a Docker that
    /// has no image, but no store that is there and fails.
    pub async fn start(
        choice: &StoreChoice,
        image: &str,
        notice: &mut dyn FnMut(String),
    ) -> Result<RunningStore, TargetError> {
        RunningStore::start_for(StoreNeeds::default(), choice, image, notice).await
    }

    /// The same, of which more is needed. What is not started here has none of it, and nor has the simulation what only a
    /// database has.
    ///
    /// # Errors
    /// As [`RunningStore::start`].
    pub async fn start_for(
        needs: StoreNeeds,
        choice: &StoreChoice,
        image: &str,
        notice: &mut dyn FnMut(String),
    ) -> Result<RunningStore, TargetError> {
        let store = match choice {
            StoreChoice::Auto => RunningStore::first_there(needs, image, notice).await,
            StoreChoice::Memory => Ok(RunningStore::memory()),
            StoreChoice::Docker => RunningStore::docker(needs, image, notice).await,
            StoreChoice::Mongod => RunningStore::mongod(needs).await,
            StoreChoice::Uri(uri) => RunningStore::given(uri, false).await,
        }?;
        let store = RunningStore { needs, ..store };
        match (needs.proxied, &store.members[..]) {
            (Some(seed), [_]) => store.through_proxy(seed).await,
            // The members of a set tell the driver where they are, and it goes there.
            _ => Ok(store),
        }
    }

    /// Which store serves, for people: `MongoDB 6.0.5 (testcontainers, image mongo:8)`.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Whether it only simulates a database.
    #[must_use]
    pub fn is_simulation(&self) -> bool {
        matches!(self.destination, Destination::Memory)
    }

    /// The server's arguments for it: `--store …`, and `--database …` for MongoDB. A store that `MONGODB_URI` names is
    /// left to the server's own reading of that variable.
    #[must_use]
    pub fn server_args(&self) -> Vec<String> {
        match &self.destination {
            Destination::Memory => {
                let door = self.needs.breakable.then_some("--store-faults");
                let arguments = ["--store", "memory"].into_iter().chain(door);
                arguments.map(str::to_owned).collect()
            }
            // The variable is read by the server as well; so no password is seen in the list of processes.
            Destination::Mongo { database, .. } if self.inherited => {
                ["--database", database].map(str::to_owned).to_vec()
            }
            Destination::Mongo { uri, database } => {
                ["--store", &self.proxied(uri), "--database", database]
                    .map(str::to_owned)
                    .to_vec()
            }
        }
    }

    /// Its connection string for a server, which may lead through a proxy; `None` of the simulation.
    #[must_use]
    pub fn uri_of_server(&self) -> Option<String> {
        self.uri().map(|uri| self.proxied(uri))
    }

    fn proxied(&self, uri: &str) -> String {
        let through = |proxy: &Proxy| format!("mongodb://{}", proxy.address());
        self.proxy.as_ref().map_or_else(|| uri.to_owned(), through)
    }

    /// Its connection string and its database; `None` of the simulation.
    #[must_use]
    pub fn database(&self) -> Option<(&str, &str)> {
        match &self.destination {
            Destination::Memory => None,
            Destination::Mongo { uri, database } => Some((uri, database)),
        }
    }

    /// Where to look up what a server has saved into it.
    #[must_use]
    pub fn audit(&self, server: &Endpoint) -> Audit {
        match &self.destination {
            Destination::Memory => Audit::memory(server),
            Destination::Mongo { uri, database } => {
                Audit::mongo(uri, database, Documents::default())
            }
        }
    }

    /// Watches from now on whether it answers; `None` of the simulation, which can't die alone.
    ///
    /// # Errors
    /// [`TargetError::MongoUri`] for what is no connection string.
    pub(super) async fn vigil(&self) -> Result<Option<Vigil>, TargetError> {
        match &self.destination {
            Destination::Memory => Ok(None),
            Destination::Mongo { uri, .. } => {
                Vigil::start(uri, self.description.clone()).await.map(Some)
            }
        }
    }

    /// Stops and removes what was started or made for this run. The server must have ended by then.
    ///
    /// # Errors
    /// [`TargetError::CleanUp`], naming what is left.
    pub async fn stop(self) -> Result<(), TargetError> {
        match self.started {
            Started::Nothing => Ok(()),
            Started::Containers(containers) => {
                let mut stopped = Ok(());
                for container in containers.into_iter().rev() {
                    stopped = stopped.and(container.stop().await);
                }
                stopped
            }
            Started::Processes(processes) => {
                let stopped = processes.into_iter().map(Mongod::stop);
                stopped.fold(Ok(()), Result::and)
            }
            Started::Database(held) => held.remove().await,
        }
    }

    async fn first_there(
        needs: StoreNeeds,
        image: &str,
        notice: &mut dyn FnMut(String),
    ) -> Result<RunningStore, TargetError> {
        let named = std::env::var(URI_VARIABLE).unwrap_or_default();
        if !named.is_empty() {
            return RunningStore::given(&named, true).await;
        }
        match RunningStore::docker(needs, image, notice).await {
            Err(TargetError::DockerAbsent { reason }) => {
                notice(format!("no Docker here ({reason})"))
            }
            Err(TargetError::ImageMissing { image, reason }) => {
                notice(format!(
                    "Docker is passed over: the image {image} cannot be had ({reason})"
                ));
            }
            decided => return decided,
        }
        // A wrong MONGOD is not passed over: somebody meant it.
        match RunningStore::mongod(needs).await {
            Err(TargetError::MongodAbsent { reason }) if std::env::var_os("MONGOD").is_none() => {
                notice(reason)
            }
            decided => return decided,
        }
        notice("there is no database: saving is simulated in memory".to_owned());
        Ok(RunningStore::memory())
    }

    fn memory() -> RunningStore {
        RunningStore {
            description: "in-memory simulation (save 50-200 ms)".to_owned(),
            destination: Destination::Memory,
            inherited: false,
            started: Started::Nothing,
            needs: StoreNeeds::default(),
            members: Vec::new(),
            proxy: None,
        }
    }

    async fn docker(
        needs: StoreNeeds,
        image: &str,
        notice: &mut dyn FnMut(String),
    ) -> Result<RunningStore, TargetError> {
        let docker = daemon::client().await?;
        container::have_image(&docker, image, notice).await?;
        let containers = if needs.set {
            replicas::containers(image).await?
        } else {
            let port = needs.breakable.then(mongod::lasting_port).transpose();
            let port = port.map_err(|error| TargetError::ContainerFailed {
                image: image.to_owned(),
                reason: error.to_string(),
            })?;
            vec![MongoContainer::start(image, port.map(Fragile::alone)).await?]
        };
        let members = containers.iter().map(|one| one.uri.clone()).collect();
        let how = format!("testcontainers, image {image}");
        RunningStore::started_here(members, &how, needs, Started::Containers(containers)).await
    }

    async fn mongod(needs: StoreNeeds) -> Result<RunningStore, TargetError> {
        let program = mongod::find()?;
        let processes = if needs.set {
            replicas::processes(&program).await?
        } else {
            let port = needs.breakable.then(mongod::lasting_port).transpose();
            let port = port.map_err(|error| TargetError::MongodFailed {
                program: program.clone(),
                reason: error.to_string(),
            })?;
            vec![Mongod::start(&program, port.map(Fragile::alone)).await?]
        };
        let members = processes.iter().map(|one| one.uri.clone()).collect();
        let how = "mongod, temporary folder";
        RunningStore::started_here(members, how, needs, Started::Processes(processes)).await
    }

    async fn started_here(
        members: Vec<String>,
        how: &str,
        needs: StoreNeeds,
        started: Started,
    ) -> Result<RunningStore, TargetError> {
        let (uri, three) = match &members[..] {
            [only] => (only.clone(), ""),
            all => (replicas::uri(all), ", a set of three"),
        };
        let test_commands = match needs.breakable || needs.set {
            true => ", test commands on",
            false => "",
        };
        let how = format!("({how}{three}{test_commands})");
        let store = RunningStore::serving(uri, None, &how, started).await?;
        Ok(RunningStore { members, ..store })
    }

    /// The server reaches it through a proxy, everybody else does not.
    async fn through_proxy(mut self, seed: u64) -> Result<RunningStore, TargetError> {
        let unproxied = |reason: String| TargetError::Store {
            store: self.description.clone(),
            action: "reached through a proxy",
            reason,
        };
        let host = self.members[0].trim_start_matches("mongodb://").to_owned();
        let found = tokio::net::lookup_host(host.clone()).await;
        let mut found = found.map_err(|error| unproxied(error.to_string()))?;
        let address = found
            .next()
            .ok_or_else(|| unproxied(format!("{host} has no address")))?;
        let proxy = Proxy::start(address, Speech::MongoDb, seed);
        let proxy = proxy.map_err(|error| unproxied(error.to_string()))?;
        self.proxy = Some(proxy);
        Ok(self)
    }

    fn uri(&self) -> Option<&str> {
        match &self.destination {
            Destination::Memory => None,
            Destination::Mongo { uri, .. } => Some(uri),
        }
    }

    /// A MongoDB that somebody named, on the command line or in the variable, from which the server inherits it.
    async fn given(uri: &str, inherited: bool) -> Result<RunningStore, TargetError> {
        let (_, named_database) = mongo::client(uri, mongo::PATIENCE).await?;
        let by = if inherited { " (MONGODB_URI)" } else { "" };
        let how = format!("at {}{by}", mongo::redacted(uri));
        let store = RunningStore::serving(uri.to_owned(), named_database, &how, Started::Nothing);
        Ok(RunningStore {
            inherited,
            ..store.await?
        })
    }

    /// A MongoDB that is asked for its version, and gets a database for this run unless one was named.
    async fn serving(
        uri: String,
        named_database: Option<String>,
        how: &str,
        started: Started,
    ) -> Result<RunningStore, TargetError> {
        let (client, _) = mongo::client(&uri, mongo::PATIENCE).await?;
        let description = format!("MongoDB {} {how}", mongo::version(&client, &uri).await?);
        let (database, started) = match (named_database, started) {
            (Some(named), started) => (named, started),
            (None, Started::Nothing) => {
                let name = mongo::fresh_name();
                let leftover = Leftover::Database {
                    uri: uri.clone(),
                    name: name.clone(),
                };
                (name, Started::Database(Held::new(leftover)))
            }
            // Nobody else's: gone with the container or the folder.
            (None, started) => (mongo::fresh_name(), started),
        };
        Ok(RunningStore {
            description,
            destination: Destination::Mongo { uri, database },
            inherited: false,
            started,
            needs: StoreNeeds::default(),
            members: Vec::new(),
            proxy: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_one_of_the_names_or_a_connection_string() {
        assert_eq!("auto".parse(), Ok(StoreChoice::Auto));
        assert_eq!("memory".parse(), Ok(StoreChoice::Memory));
        assert_eq!("docker".parse(), Ok(StoreChoice::Docker));
        assert_eq!("mongod".parse(), Ok(StoreChoice::Mongod));
        let uri = "mongodb://u:p@host/db";
        assert_eq!(uri.parse(), Ok(StoreChoice::Uri(uri.to_owned())));
        assert_eq!(
            StoreChoice::Uri(uri.to_owned()).to_string(),
            "mongodb://***@host/db"
        );
        let error = "redis://host".parse::<StoreChoice>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "no store \"redis://host\"; expected auto, memory, docker, mongod or mongodb://…"
        );
    }

    #[tokio::test]
    async fn the_simulation_needs_nothing_and_says_what_it_is() {
        let store = RunningStore::start(&StoreChoice::Memory, "", &mut |_| {})
            .await
            .unwrap();
        assert!(store.is_simulation());
        assert_eq!(store.description(), "in-memory simulation (save 50-200 ms)");
        assert_eq!(store.server_args(), ["--store", "memory"]);
        store.stop().await.unwrap();
    }
}

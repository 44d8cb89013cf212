//! Picks, starts and stops the store that the server under test saves into, and says which one it is.

use std::{fmt, str::FromStr};

use crate::dial::Endpoint;

use super::{
    audit::Audit,
    daemon,
    docker::{self, MongoContainer},
    error::{TargetError, UnknownStore},
    held::Held,
    leftover::Leftover,
    mongo,
    mongod::{self, Mongod},
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

/// A store that answers. What was started or made for it is removed by [`RunningStore::stop`], or else by drop.
#[derive(Debug)]
pub struct RunningStore {
    description: String,
    destination: Destination,
    /// From the variable, which the server inherits and reads too.
    inherited: bool,
    started: Started,
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
    Container(MongoContainer),
    Process(Box<Mongod>),
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
        match choice {
            StoreChoice::Auto => RunningStore::first_there(image, notice).await,
            StoreChoice::Memory => Ok(RunningStore::memory()),
            StoreChoice::Docker => RunningStore::docker(image, notice).await,
            StoreChoice::Mongod => RunningStore::mongod().await,
            StoreChoice::Uri(uri) => RunningStore::given(uri, false).await,
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
            Destination::Memory => vec!["--store".to_owned(), "memory".to_owned()],
            // The variable is read by the server as well; so no password is seen in the list of processes.
            Destination::Mongo { database, .. } if self.inherited => {
                ["--database", database].map(str::to_owned).to_vec()
            }
            Destination::Mongo { uri, database } => ["--store", uri, "--database", database]
                .map(str::to_owned)
                .to_vec(),
        }
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
            Started::Container(container) => container.stop().await,
            Started::Process(mongod) => mongod.stop(),
            Started::Database(held) => held.remove().await,
        }
    }

    async fn first_there(
        image: &str,
        notice: &mut dyn FnMut(String),
    ) -> Result<RunningStore, TargetError> {
        let named = std::env::var(URI_VARIABLE).unwrap_or_default();
        if !named.is_empty() {
            return RunningStore::given(&named, true).await;
        }
        match RunningStore::docker(image, notice).await {
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
        match RunningStore::mongod().await {
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
        }
    }

    async fn docker(
        image: &str,
        notice: &mut dyn FnMut(String),
    ) -> Result<RunningStore, TargetError> {
        let docker = daemon::client().await?;
        docker::have_image(&docker, image, notice).await?;
        let container = MongoContainer::start(image).await?;
        let how = format!("(testcontainers, image {image})");
        let uri = container.uri.clone();
        RunningStore::serving(uri, None, &how, Started::Container(container)).await
    }

    async fn mongod() -> Result<RunningStore, TargetError> {
        let mongod = Mongod::start(&mongod::find()?).await?;
        let (uri, how) = (mongod.uri.clone(), "(mongod, temporary folder)");
        RunningStore::serving(uri, None, how, Started::Process(Box::new(mongod))).await
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

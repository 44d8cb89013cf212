//! What can go wrong with a target, each in one line that also says what would be right.

use std::{path::PathBuf, time::Duration};

use super::exit::ServerExit;
use crate::dial::{DialError, TargetMistake};

/// A target (the store, or the server under test) that cannot be started, reached, read or stopped.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// No Docker daemon, or one that this user may not talk to.
    #[error(
        "Docker does not answer ({reason}); start it, or choose another store: --store mongod, memory or mongodb://…"
    )]
    DockerAbsent {
        /// What the attempt ended with.
        reason: String,
    },
    /// The image is not on this machine and could not be pulled in time.
    #[error(
        "Docker has no image {image} and cannot pull it ({reason}); name an image that is there with --mongo-image, \
         or choose another store: --store mongod, memory or mongodb://…"
    )]
    ImageMissing {
        /// The image as it was named.
        image: String,
        /// What the attempt ended with.
        reason: String,
    },
    /// The image is there, but no MongoDB in it came up.
    #[error("MongoDB did not start in a container of image {image}: {reason}")]
    ContainerFailed {
        /// The image as it was named.
        image: String,
        /// What the attempt ended with; the last lines of its log where there are any.
        reason: String,
    },
    /// No `mongod` to run.
    #[error(
        "{reason}; install MongoDB, or let MONGOD name the program, or choose another store: \
         --store docker, memory or mongodb://…"
    )]
    MongodAbsent {
        /// Where it was looked for.
        reason: String,
    },
    /// A `mongod` that ends, or does not answer, right after its start.
    #[error("{} did not start: {reason}", program.display())]
    MongodFailed {
        /// The program that was started.
        program: PathBuf,
        /// What it ended with and the last lines of its log.
        reason: String,
    },
    /// Not a connection string of MongoDB.
    #[error(
        "{uri} is no MongoDB connection string ({reason}); expected mongodb://host:port[/database]"
    )]
    MongoUri {
        /// The connection string, without credentials.
        uri: String,
        /// What the driver says about it.
        reason: String,
    },
    /// A MongoDB that does not answer.
    #[error(
        "MongoDB at {uri} does not answer ({reason}); is it running, and are address and credentials right?"
    )]
    MongoUnreachable {
        /// The connection string, without credentials.
        uri: String,
        /// What the driver says about it.
        reason: String,
    },
    /// A store that was started here does not do what it was told: to stop, to go on, to fail.
    #[error("{store} could not be {action}: {reason}")]
    Store {
        /// Which one.
        store: String,
        /// What it was told, as in `killed`.
        action: &'static str,
        /// What came of it.
        reason: String,
    },
    /// What is to join several servers does not.
    #[error("several servers can't be joined by {bus}: {reason}")]
    Bus {
        /// What it is.
        bus: &'static str,
        /// What came of it.
        reason: String,
    },
    /// The server program could not be run at all.
    #[error("{} cannot be started: {source}", program.display())]
    ServerSpawn {
        /// The program that was to be started.
        program: PathBuf,
        /// What the system says about it.
        source: std::io::Error,
    },
    /// The server ended before it listened.
    #[error("the server ended before it listened: {0}")]
    ServerExited(ServerExit),
    /// The server's first line was something else.
    #[error("the server's first line was {line:?}; expected \"listening on http://…\"")]
    ServerLine {
        /// What it wrote instead.
        line: String,
    },
    /// The server wrote nothing in time.
    #[error(
        "the server did not say \"listening on http://…\" within {deadline:?}{}",
        after_stderr(stderr)
    )]
    ServerSilent {
        /// How long it was given.
        deadline: Duration,
        /// Its last lines on stderr.
        stderr: Vec<String>,
    },
    /// No peers where they were looked for.
    #[error(
        "there are no peers in {}: name the folder interop/peers of a checkout with --peers, or be in one",
        looked.display()
    )]
    PeersAbsent {
        /// Where.
        looked: PathBuf,
    },
    /// A peer lacks what it runs on.
    #[error("peer:{peer} needs {missing}, which is not there: install it with {command}")]
    PeerNotInstalled {
        /// Its name.
        peer: &'static str,
        /// What is not there.
        missing: &'static str,
        /// What installs it.
        command: String,
    },
    /// A server answers where a command was to start one.
    #[error(
        "{url} is answered already, before the command was started: end that server, or use {{port}}, which is a free port"
    )]
    AnswersAlready {
        /// The address as it was given.
        url: String,
    },
    /// The command of a server ended before it answered.
    #[error("the command ended before it answered: {0}")]
    CommandEnded(ServerExit),
    /// The command of a server runs, and nothing answers.
    #[error(
        "the command did not answer within {deadline:?}: {reason}{}",
        after_stderr(lines)
    )]
    CommandSilent {
        /// How long it was given.
        deadline: Duration,
        /// What the last attempt ended with.
        reason: String,
        /// Its last lines.
        lines: Vec<String>,
    },
    /// A process could not be waited for or signalled.
    #[error("the server process {pid} cannot be {action}: {source}")]
    ServerProcess {
        /// Its process id.
        pid: u32,
        /// `waited for` or `signalled`.
        action: &'static str,
        /// What the system says about it.
        source: std::io::Error,
    },
    /// Not an address that can be measured.
    #[error(transparent)]
    Mistake(#[from] TargetMistake),
    /// The connection was refused.
    #[error(
        "nothing listens at {url} (connection refused); start the server there, or name another address"
    )]
    NothingListens {
        /// The address as it was given.
        url: String,
    },
    /// Something listens, but it is not a Socket.IO server of today.
    #[error(
        "{url} is not a Socket.IO server: {answer}; expected an Engine.IO v4 handshake at {path}"
    )]
    NotSocketIo {
        /// The address as it was given.
        url: String,
        /// Where it was asked.
        path: String,
        /// What came instead.
        answer: String,
    },
    /// No connection, or no answer, for another reason.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// The address as it was given.
        url: String,
        /// What the attempt ended with.
        reason: String,
    },
    /// What was stored could not be read back.
    #[error("the stored messages cannot be read back from {place}: {reason}")]
    Audit {
        /// The database or the server's address.
        place: String,
        /// What the attempt ended with.
        reason: String,
    },
    /// A process's numbers could not be read.
    #[error("CPU and memory of process {pid} cannot be read from /proc: {reason}")]
    Usage {
        /// Its process id.
        pid: u32,
        /// What the system says about it.
        reason: String,
    },
    /// Something that was started is still there.
    #[error("{what} could not be removed ({reason}); remove it by hand")]
    CleanUp {
        /// The container, folder, database or process.
        what: String,
        /// What the attempt ended with.
        reason: String,
    },
    /// The guard that cleans up after a killed load generator could not be started.
    #[error("the guard that cleans up after a kill cannot be started: {0}")]
    Guard(std::io::Error),
}

impl TargetError {
    /// Why an address could not be reached.
    pub fn of_dial(url: &str, error: DialError) -> Self {
        let url = url.to_owned();
        match error {
            DialError::Refused => Self::NothingListens { url },
            error => Self::Unreachable {
                url,
                reason: error.to_string(),
            },
        }
    }
}

fn after_stderr(lines: &[String]) -> String {
    if lines.is_empty() {
        String::new()
    } else {
        format!("; its last lines: {}", lines.join(" | "))
    }
}

/// A store that there is no such choice of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no store {0:?}; expected auto, memory, docker, mongod or mongodb://…")]
pub struct UnknownStore(pub String);

//! What joins several servers of our own: a Redis that somebody names, one that is started here, or memory that they share in
//! one process.

use std::{
    env, fmt,
    net::{Ipv4Addr, TcpListener},
    time::Duration,
};

use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use super::{error::TargetError, group::Group};

/// Names a Redis that is there.
const VARIABLE: &str = "REDIS_URL";
/// The program, which is looked for on the PATH.
const PROGRAM: &str = "redis-server";
/// How long one may take from its start to its first connection.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// How often it is tried.
const LOOK: Duration = Duration::from_millis(20);
/// How long it may take to end.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// A bus for one run.
#[derive(Debug)]
pub(super) enum RunningBus {
    /// That of the variable.
    Named {
        /// Where it is.
        url: String,
    },
    /// One of our own, which keeps nothing on disk.
    Started {
        /// Where it is.
        url: String,
        /// Its process.
        process: Box<Group>,
    },
    /// None: all servers are in one process.
    Memory,
}

impl RunningBus {
    /// The Redis that `REDIS_URL` names, else a `redis-server` from the PATH, else memory.
    ///
    /// # Errors
    /// [`TargetError::Bus`]: the program is there and does not listen.
    pub(super) async fn find() -> Result<Self, TargetError> {
        if let Ok(url) = env::var(VARIABLE)
            && !url.is_empty()
        {
            return Ok(Self::Named { url });
        }
        let places = env::var_os("PATH").unwrap_or_default();
        let is_there = env::split_paths(&places).any(|folder| folder.join(PROGRAM).is_file());
        match is_there {
            true => Self::start().await,
            false => Ok(Self::Memory),
        }
    }

    async fn start() -> Result<Self, TargetError> {
        let port = free_port().map_err(|error| failed(error.to_string()))?;
        let command = format!(
            "exec {PROGRAM} --bind 127.0.0.1 --port {port} --save '' --appendonly no --loglevel warning"
        );
        let process = Group::start(&command, &[])?;
        let until = Instant::now() + START_PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .is_err()
        {
            if Instant::now() > until {
                let lines = process.lines().join("; ");
                return Err(failed(format!(
                    "it does not listen within {START_PATIENCE:?}: {lines}"
                )));
            }
            sleep(LOOK).await;
        }
        Ok(Self::Started {
            url: format!("redis://127.0.0.1:{port}"),
            process: Box::new(process),
        })
    }

    /// Where the Redis is, if it is one.
    pub(super) fn url(&self) -> Option<&str> {
        match self {
            Self::Named { url } | Self::Started { url, .. } => Some(url),
            Self::Memory => None,
        }
    }

    /// Ends one that was started here.
    ///
    /// # Errors
    /// [`TargetError::ServerProcess`] if it can't be ended.
    pub(super) async fn stop(self) -> Result<(), TargetError> {
        match self {
            Self::Started { process, .. } => process.stop(END_PATIENCE).await.map(drop),
            Self::Named { .. } | Self::Memory => Ok(()),
        }
    }
}

/// For people; no password.
impl fmt::Display for RunningBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { .. } => write!(f, "the Redis of {VARIABLE}"),
            Self::Started { .. } => write!(f, "a {PROGRAM} of this run"),
            Self::Memory => write!(
                f,
                "memory in one process, since there is no {VARIABLE} and no {PROGRAM} on the PATH"
            ),
        }
    }
}

/// A port of the loopback that nobody else is given by the system for some time.
pub(super) fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

fn failed(reason: String) -> TargetError {
    TargetError::Bus {
        bus: PROGRAM,
        reason,
    }
}

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

use super::{error::TargetError, exit::ServerExit, group::Group, resources::Processes};

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

/// Which bus a run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BusKind {
    /// The Redis that the variable names.
    Named,
    /// One of our own, which keeps nothing on disk.
    Started,
    /// None: all servers are in one process.
    Memory,
}

/// A bus for one run.
#[derive(Debug)]
pub struct Bus {
    kind: BusKind,
    /// Where it is; of one of our own once it is started.
    url: Option<String>,
    /// Of one of our own, as long as it runs.
    process: Option<Group>,
}

impl Bus {
    /// The Redis that `REDIS_URL` names, else a `redis-server` from the PATH, else memory: none of it started yet.
    pub(super) fn find() -> Self {
        let named = env::var(VARIABLE).ok().filter(|url| !url.is_empty());
        let places = env::var_os("PATH").unwrap_or_default();
        let mut places = env::split_paths(&places);
        let kind = match &named {
            Some(_) => BusKind::Named,
            None if places.any(|folder| folder.join(PROGRAM).is_file()) => BusKind::Started,
            None => BusKind::Memory,
        };
        Self {
            kind,
            url: named,
            process: None,
        }
    }

    /// Which one it is.
    pub fn kind(&self) -> BusKind {
        self.kind
    }

    /// Starts it, if it is to be started here.
    ///
    /// # Errors
    /// [`TargetError::Bus`]: it does not listen.
    pub(super) async fn start(&mut self) -> Result<(), TargetError> {
        if self.kind == BusKind::Started {
            let port = free_port().map_err(|error| failed(error.to_string()))?;
            self.process = Some(listening(port).await?);
            self.url = Some(format!("redis://127.0.0.1:{port}"));
        }
        Ok(())
    }

    /// Where the Redis is, if it is one.
    pub(super) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The processes of one that was started here, as long as it runs.
    pub(super) fn processes(&self) -> Option<Processes> {
        let process = self.process.as_ref()?;
        Some(Processes::Group(process.id()))
    }

    /// Kills one that was started here (SIGKILL); `None`: there is none to be killed.
    ///
    /// # Errors
    /// [`TargetError::ServerProcess`] if it can't be waited for.
    pub async fn kill(&mut self) -> Result<Option<ServerExit>, TargetError> {
        match self.process.take() {
            Some(process) => process.kill().await.map(Some),
            None => Ok(None),
        }
    }

    /// Starts one that was killed again, at its address and with nothing of what it knew.
    ///
    /// # Errors
    /// [`TargetError::Bus`]: it does not listen.
    pub async fn start_again(&mut self) -> Result<(), TargetError> {
        let port = self.url().and_then(|url| url.rsplit(':').next());
        if let Some(port) = port.and_then(|port| port.parse().ok()) {
            self.process = Some(listening(port).await?);
        }
        Ok(())
    }

    /// Ends one that was started here.
    ///
    /// # Errors
    /// [`TargetError::ServerProcess`] if it can't be ended.
    pub(super) async fn stop(&mut self) -> Result<(), TargetError> {
        match self.process.take() {
            Some(process) => process.stop(END_PATIENCE).await.map(drop),
            None => Ok(()),
        }
    }
}

/// Starts a Redis there that keeps nothing, and waits until it can be reached.
async fn listening(port: u16) -> Result<Group, TargetError> {
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
    Ok(process)
}

/// For people; no password.
impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            BusKind::Named => write!(f, "the Redis of {VARIABLE}"),
            BusKind::Started => write!(f, "a {PROGRAM} of this run"),
            BusKind::Memory => write!(
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

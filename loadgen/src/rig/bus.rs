//! What joins several servers of our own: a Redis that somebody names, one that is started here, or memory that they share in
//! one process.

use std::{
    env, fmt, io,
    net::{Ipv4Addr, TcpListener},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
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
/// How long one attempt to ask it may take, before it is looked whether it still runs.
const ATTEMPT: Duration = Duration::from_secs(1);
/// More than it says of itself.
const ANSWER_BYTES: usize = 64 << 10;
/// The port is picked free, but anybody may take it before the Redis does.
const PORT_ATTEMPTS: u32 = 3;
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
        if self.kind != BusKind::Started {
            return Ok(());
        }
        let mut attempts = 1;
        loop {
            let port = free_port().map_err(|error| failed(error.to_string()))?;
            match listening(port).await {
                Err(TargetError::Bus { reason, .. })
                    if attempts < PORT_ATTEMPTS && reason.contains("Address already in use") =>
                {
                    attempts += 1;
                }
                started => {
                    self.process = Some(started?);
                    self.url = Some(format!("redis://127.0.0.1:{port}"));
                    return Ok(());
                }
            }
        }
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

/// Starts a Redis there that keeps nothing, and waits until it answers: it, and nobody else who had the port before it.
async fn listening(port: u16) -> Result<Group, TargetError> {
    let command = format!(
        "exec {PROGRAM} --bind 127.0.0.1 --port {port} --save '' --appendonly no --loglevel warning"
    );
    let mut process = Group::start(&command, &[])?;
    let own = Processes::Group(process.id());
    let until = Instant::now() + START_PATIENCE;
    loop {
        let answered = tokio::select! {
            exit = process.exited() => return Err(failed(format!("it ended: {exit}"))),
            answered = timeout(ATTEMPT, process_at(port)) => answered,
        };
        if let Ok(Ok(pid)) = answered
            && own.ids().contains(&pid)
        {
            return Ok(process);
        }
        if Instant::now() > until {
            let lines = process.lines().join("; ");
            return Err(failed(format!(
                "it does not answer within {START_PATIENCE:?}: {lines}"
            )));
        }
        sleep(LOOK).await;
    }
}

/// The process of the Redis that answers at a port.
async fn process_at(port: u16) -> io::Result<u32> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(b"INFO server\r\n").await?;
    let mut said = Vec::new();
    while said.len() < ANSWER_BYTES {
        if let Some(process) = process_of(&String::from_utf8_lossy(&said)) {
            return Ok(process);
        }
        if stream.read_buf(&mut said).await? == 0 {
            break;
        }
    }
    Err(io::Error::other("it does not say which process it is"))
}

/// What a Redis says of itself, as far as it has come: its process.
fn process_of(info: &str) -> Option<u32> {
    let (_, rest) = info.split_once("process_id:")?;
    let (process, _) = rest.split_once('\r')?;
    process.parse().ok()
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
pub(super) fn free_port() -> io::Result<u16> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_process_is_known_once_all_of_the_number_has_come() {
        let info = "$500\r\n# Server\r\nredis_version:7.0.15\r\nprocess_id:4711\r\nrun_id:ab\r\n";
        assert_eq!(process_of(info), Some(4_711));
        let number = info.find("4711").unwrap();
        assert_eq!(process_of(&info[..number + 2]), None);
        assert_eq!(process_of("-NOAUTH Authentication required.\r\n"), None);
    }

    /// Also where there is no redis-server at all.
    #[tokio::test]
    async fn who_else_listens_at_its_port_is_not_taken_for_it() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = listening(port).await.unwrap_err().to_string();
        assert!(error.contains("it ended: exit status"), "{error}");
    }

    /// Somebody else's Redis, as far as it is asked: it answers, and is another process.
    #[tokio::test]
    async fn another_redis_that_answers_is_not_taken_for_it() {
        let other = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let other = other.await.unwrap();
        let port = other.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = other.accept().await {
                let _ = stream.write_all(b"$17\r\nprocess_id:1\r\n\r\n").await;
            }
        });
        let error = listening(port).await.unwrap_err().to_string();
        assert!(error.contains("it ended: exit status"), "{error}");
    }
}

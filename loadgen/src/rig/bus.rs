//! What joins several servers of our own: a Redis that somebody names, one that is started here, in a container or not, or
//! memory that they share in one process.

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

use super::{
    container::{self, Container, Network},
    daemon,
    error::TargetError,
    exit::ServerExit,
    group::Group,
    resources::Processes,
};

/// Names a Redis that is there.
const VARIABLE: &str = "REDIS_URL";
/// Names the image of one in a container.
const IMAGE: &str = "REDIS_IMAGE";
/// What a Redis logs once it listens.
const READY: &str = "Ready to accept connections";
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
    /// The image of one of our own that is to run in a container.
    image: Option<String>,
    /// Where it is; of one of our own once it is started.
    url: Option<String>,
    /// Of one of our own, as long as it is there.
    running: Option<Running>,
}

/// A Redis of our own.
#[derive(Debug)]
enum Running {
    /// A process.
    Process(Group),
    /// In a container, which stays when what is in it was killed.
    Container(Container),
}

impl Bus {
    /// The Redis that `REDIS_URL` names, else one in a container of `REDIS_IMAGE`, else a `redis-server` from the PATH, else
    /// memory: none of it started yet.
    pub(super) fn find() -> Self {
        let named = |variable| env::var(variable).ok().filter(|value| !value.is_empty());
        let (url, image) = (named(VARIABLE), named(IMAGE));
        let places = env::var_os("PATH").unwrap_or_default();
        let mut places = env::split_paths(&places);
        let mut is_here = || places.any(|folder| folder.join(PROGRAM).is_file());
        let kind = match (&url, &image) {
            (Some(_), _) => BusKind::Named,
            (None, Some(_)) => BusKind::Started,
            (None, None) if is_here() => BusKind::Started,
            (None, None) => BusKind::Memory,
        };
        Self {
            kind,
            image: image.filter(|_| kind == BusKind::Started),
            url,
            running: None,
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
        let (running, url) = match &self.image {
            Some(image) => in_container(image).await?,
            None => on_this_machine().await?,
        };
        self.running = Some(running);
        self.url = Some(url);
        Ok(())
    }

    /// Where the Redis is, if it is one.
    pub(super) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The processes of one that was started here, as long as it runs; in a container nobody knows them.
    pub(super) fn processes(&self) -> Option<Processes> {
        match self.running.as_ref()? {
            Running::Process(process) => Some(Processes::Group(process.id())),
            Running::Container(_) => None,
        }
    }

    /// Kills one that was started here (SIGKILL); in words, how it ended. `None`: there is none to be killed.
    ///
    /// # Errors
    /// [`TargetError::ServerProcess`] or [`TargetError::Store`] if it can't be killed or waited for.
    pub async fn kill(&mut self) -> Result<Option<String>, TargetError> {
        match self.running.take() {
            Some(Running::Process(process)) => {
                // What it wrote as it went is no proof.
                let exit = ServerExit {
                    stderr: Vec::new(),
                    ..process.kill().await?
                };
                Ok(Some(exit.to_string()))
            }
            Some(Running::Container(container)) => {
                let ended = container.kill().await;
                self.running = Some(Running::Container(container));
                ended.map(Some)
            }
            None => Ok(None),
        }
    }

    /// Starts one that was killed again, at its address and with nothing of what it knew.
    ///
    /// # Errors
    /// [`TargetError::Bus`]: it does not listen.
    pub async fn start_again(&mut self) -> Result<(), TargetError> {
        if let Some(Running::Container(container)) = &self.running {
            return container.start_again().await;
        }
        let port = self.url().and_then(|url| url.rsplit(':').next());
        if let Some(port) = port.and_then(|port| port.parse().ok()) {
            self.running = Some(Running::Process(listening(port).await?));
        }
        Ok(())
    }

    /// Ends one that was started here.
    ///
    /// # Errors
    /// [`TargetError::ServerProcess`] or [`TargetError::CleanUp`] if it can't be ended.
    pub(super) async fn stop(&mut self) -> Result<(), TargetError> {
        match self.running.take() {
            Some(Running::Process(process)) => process.stop(END_PATIENCE).await.map(drop),
            Some(Running::Container(container)) => container.stop().await,
            None => Ok(()),
        }
    }
}

/// Starts a Redis in a container, at a port that it has again when it is started again.
async fn in_container(image: &str) -> Result<(Running, String), TargetError> {
    let docker = daemon::client().await?;
    let tell = &mut |notice| tracing::info!("{notice}");
    let there = container::have_image(&docker, image, tell).await;
    there.map_err(|error| match error {
        TargetError::ImageMissing { image, reason } => failed(format!(
            "Docker has no image {image} and cannot pull it ({reason}); name one that is there by {IMAGE}, or leave it out"
        )),
        other => other,
    })?;
    let port = free_port().map_err(|error| failed(error.to_string()))?;
    let network = Network {
        within: None,
        ports: vec![(port, true)],
        loopback: container::daemon_shares_loopback(),
    };
    let command = format!("{PROGRAM} --port {port} --protected-mode no --appendonly no");
    let mut command: Vec<String> = command.split(' ').map(str::to_owned).collect();
    command.extend(["--save", ""].map(str::to_owned));
    let started = container::start(image, READY, network, Some(&command));
    let (container, running) = started.await?;
    let address = running.address(port).await;
    running.let_go();
    let address = address.map_err(failed)?;
    Ok((Running::Container(container), format!("redis://{address}")))
}

/// Starts a `redis-server` at a free port of this machine.
async fn on_this_machine() -> Result<(Running, String), TargetError> {
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
                let running = Running::Process(started?);
                return Ok((running, format!("redis://127.0.0.1:{port}")));
            }
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
        match (self.kind, &self.image) {
            (BusKind::Named, _) => write!(f, "the Redis of {VARIABLE}"),
            (BusKind::Started, Some(image)) => {
                write!(f, "a Redis of this run in a container, image {image}")
            }
            (BusKind::Started, None) => write!(f, "a {PROGRAM} of this run"),
            (BusKind::Memory, _) => write!(
                f,
                "memory in one process, since there is no {VARIABLE}, no {IMAGE} and no {PROGRAM} on the PATH"
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

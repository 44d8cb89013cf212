//! MongoDB as a child process, with its data in a temporary folder.

use std::{
    env,
    fs::{self, File},
    io,
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use super::{
    docker::Fragile, error::TargetError, held::Held, leftover::Leftover, mongo,
    resources::Processes,
};

/// Ports that are tried until one of them is free.
const LASTING_ATTEMPTS: u32 = 1_000;

/// In its folder, where its data is and its log.
const DATA: &str = "data";
const LOG: &str = "mongod.log";

/// How long a `mongod` may take from its start to its first answer.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// How long one attempt to reach it may take, before it is checked that it still runs.
const ATTEMPT: Duration = Duration::from_millis(500);

/// How often it is looked whether it has ended, while another process answers at its port.
const LOOK: Duration = Duration::from_millis(50);

/// The port is picked free, but anybody may take it before `mongod` does.
const PORT_ATTEMPTS: u32 = 3;

/// A `mongod` of our own. Dropping it kills it and deletes its folder.
#[derive(Debug)]
pub(super) struct Mongod {
    /// `mongodb://127.0.0.1:port`.
    pub(super) uri: String,
    program: PathBuf,
    arguments: Vec<String>,
    // The order of the fields is the order in which they are dropped: the process, then its folder, then the guard
    // may forget it.
    process: Mutex<KilledOnDrop>,
    folder: TempDir,
    _held: Held,
}

/// The program: what `MONGOD` names, else `mongod` on the PATH.
pub(super) fn find() -> Result<PathBuf, TargetError> {
    let absent = |reason: String| TargetError::MongodAbsent { reason };
    if let Some(named) = env::var_os("MONGOD").filter(|named| !named.is_empty()) {
        let path = PathBuf::from(named);
        let is_none = format!(
            "MONGOD names {}, which is no executable file",
            path.display()
        );
        return is_program(&path)
            .then_some(path)
            .ok_or_else(|| absent(is_none));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join("mongod"))
        .find(|candidate| is_program(candidate))
        .ok_or_else(|| absent("there is no mongod on the PATH, and MONGOD is not set".to_owned()))
}

impl Mongod {
    /// Starts the program and waits until it answers; one to be broken as that says.
    pub(super) async fn start(
        program: &Path,
        fragile: Option<Fragile<'_>>,
    ) -> Result<Mongod, TargetError> {
        let mut attempts = 1;
        loop {
            match Mongod::start_once(program, fragile).await {
                Err(TargetError::MongodFailed { reason, .. })
                    if attempts < PORT_ATTEMPTS
                        && fragile.is_none()
                        && reason.contains("Address already in use") =>
                {
                    attempts += 1;
                }
                result => return result,
            }
        }
    }

    async fn start_once(
        program: &Path,
        fragile: Option<Fragile<'_>>,
    ) -> Result<Mongod, TargetError> {
        let io_failed = |error: io::Error| failed(program, error.to_string());
        let folder = TempDir::with_prefix("loadgen-mongod-").map_err(io_failed)?;
        let held = Held::new(Leftover::Folder {
            path: folder.path().to_owned(),
        });
        fs::create_dir(folder.path().join(DATA)).map_err(io_failed)?;
        let (port, arguments) = match fragile {
            Some(fragile) => (fragile.port, fragile.arguments()),
            None => {
                let port = free_port().map_err(io_failed)?;
                (port, vec!["--port".to_owned(), port.to_string()])
            }
        };
        let process = KilledOnDrop::spawn(program, folder.path(), &arguments).map_err(io_failed)?;
        let mongod = Mongod {
            uri: format!("mongodb://127.0.0.1:{port}"),
            program: program.to_owned(),
            arguments,
            process: Mutex::new(process),
            folder,
            _held: held,
        };
        mongod.answers().await?;
        Ok(mongod)
    }

    async fn answers(&self) -> Result<(), TargetError> {
        let answered = self.answered().await;
        answered.map_err(|reason| {
            let log = fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default();
            let lines = telling_lines(&log);
            failed(&self.program, format!("{reason}; its last lines: {lines}"))
        })
    }

    async fn answered(&self) -> Result<(), String> {
        let deadline = Instant::now() + START_PATIENCE;
        // Of a set it answers alone, before it has a primary.
        let uri = format!("{}/?directConnection=true", self.uri);
        loop {
            let ended = self.process().child.try_wait();
            if let Some(status) = ended.map_err(|error| error.to_string())? {
                return Err(format!("it ended ({status})"));
            }
            let client = mongo::client(&uri, ATTEMPT).await;
            let (client, _) = client.map_err(|error| error.to_string())?;
            match mongo::process(&client, &uri).await {
                Ok(pid) if self.is_own(pid) => return Ok(()),
                Ok(pid) if Instant::now() > deadline => {
                    return Err(format!("process {pid} answers at its port"));
                }
                // Somebody else had the port before it, and it is about to end of that.
                Ok(_) => tokio::time::sleep(LOOK).await,
                Err(error) if Instant::now() > deadline => return Err(error.to_string()),
                Err(_) => {}
            }
        }
    }

    /// Whether that process is the one that was started, or one that it has started: the program may be a script.
    fn is_own(&self, pid: u32) -> bool {
        Processes::Group(self.pid()).ids().contains(&pid)
    }

    /// Kills it (SIGKILL); in words, how it ended.
    pub(super) fn kill(&self) -> Result<String, TargetError> {
        let ended = self.process().end();
        match ended {
            Ok(status) => Ok(status.to_string()),
            Err(error) => Err(self.unbroken("killed", &error)),
        }
    }

    /// Starts it again with its data, and waits until it answers.
    pub(super) async fn start_again(&self) -> Result<(), TargetError> {
        let again = KilledOnDrop::spawn(&self.program, self.folder.path(), &self.arguments);
        *self.process() = again.map_err(|error| self.unbroken("started again", &error))?;
        self.answers().await
    }

    /// Lets it stand still (SIGSTOP), or go on (SIGCONT).
    pub(super) fn stand_still(&self, still: bool) -> Result<(), TargetError> {
        let signal = match still {
            true => Signal::STOP,
            false => Signal::CONT,
        };
        let pid = Pid::from_child(&self.process().child);
        let told = rustix::process::kill_process(pid, signal);
        told.map_err(|error| self.unbroken("frozen or thawed", &error.into()))
    }

    /// Its process id, as long as it runs.
    pub(super) fn pid(&self) -> u32 {
        self.process().child.id()
    }

    fn process(&self) -> MutexGuard<'_, KilledOnDrop> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unbroken(&self, action: &'static str, error: &io::Error) -> TargetError {
        TargetError::Store {
            store: format!("mongod (process {})", self.pid()),
            action,
            reason: error.to_string(),
        }
    }

    /// Ends the process and deletes its folder. It is killed outright: what it would still write is deleted anyway.
    pub(super) fn stop(self) -> Result<(), TargetError> {
        let what = format!("mongod (process {})", self.pid());
        let ended = self.process().end();
        let left = |what: String| {
            move |error: io::Error| TargetError::CleanUp {
                what,
                reason: error.to_string(),
            }
        };
        ended.map_err(left(what))?;
        let Mongod { folder, _held, .. } = self;
        let what = folder.path().display().to_string();
        folder.close().map_err(left(what))
    }
}

/// A child process that does not outlive its handle, and that the guard forgets only then.
#[derive(Debug)]
struct KilledOnDrop {
    child: Child,
    _held: Held,
}

impl KilledOnDrop {
    /// The program, with its data and its log in a folder.
    fn spawn(program: &Path, folder: &Path, arguments: &[String]) -> io::Result<Self> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join(LOG))?;
        let child = Command::new(program)
            .args(["--bind_ip", "127.0.0.1", "--nounixsocket"])
            .args(arguments)
            .arg("--dbpath")
            .arg(folder.join(DATA))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Out of the terminal's foreground group: Ctrl-C is for the load generator, which still audits the store.
            .process_group(0)
            .spawn()?;
        let pid = child.id().cast_signed();
        Ok(Self {
            child,
            _held: Held::new(Leftover::Process { pid }),
        })
    }

    /// Ends it, if it has not ended yet, and says how it ended.
    fn end(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(pid = self.child.id(), %error, "mongod could not be ended");
        }
    }
}

fn failed(program: &Path, reason: String) -> TargetError {
    TargetError::MongodFailed {
        program: program.to_owned(),
        reason,
    }
}

/// The lines of a log that say why a MongoDB ended: its errors, or its last lines when it reports none.
pub(super) fn telling_lines(log: &str) -> String {
    const LINES: usize = 3;
    const LINE_LENGTH: usize = 300;
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    // MongoDB's log is one JSON object a line; `s` is its severity.
    let is_error = |line: &&str| line.contains(r#""s":"E""#) || line.contains(r#""s":"F""#);
    let errors: Vec<&str> = lines.iter().copied().filter(is_error).collect();
    let telling = if errors.is_empty() {
        &lines[lines.len().saturating_sub(LINES)..]
    } else {
        &errors[..errors.len().min(LINES)]
    };
    if telling.is_empty() {
        return "none".to_owned();
    }
    let cut = |line: &&str| line.chars().take(LINE_LENGTH).collect::<String>();
    telling.iter().map(cut).collect::<Vec<_>>().join(" | ")
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// A free port that stays free while nobody has it: below those that the system gives to whoever connects. Docker needs it on
/// all addresses.
pub(super) fn lasting_port() -> io::Result<u16> {
    for _ in 0..LASTING_ATTEMPTS {
        let port = rand::random_range(20_000..32_000);
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other(
        "no free port from 20000 to 32000 was found",
    ))
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_in_the_log_are_told_before_its_last_lines() {
        let log = "{\"s\":\"I\",\"msg\":\"one\"}\n{\"s\":\"E\",\"msg\":\"two\"}\n{\"s\":\"I\",\"msg\":\"three\"}\n";
        assert_eq!(telling_lines(log), r#"{"s":"E","msg":"two"}"#);
        assert_eq!(telling_lines("a\nb\n\nc\nd\n"), "b | c | d");
        assert_eq!(telling_lines(""), "none");
    }

    #[tokio::test]
    async fn a_program_that_ends_at_once_is_said_with_its_status_and_its_words() {
        let folder = TempDir::new().unwrap();
        let program = folder.path().join("mongod");
        fs::write(&program, "#!/bin/sh\necho 'not today' >&2\nexit 3\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let error = Mongod::start(&program, None).await.unwrap_err().to_string();
        assert!(
            error.contains("did not start: it ended (exit status: 3); its last lines: not today"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn another_that_answers_at_its_port_is_not_taken_for_it() {
        // Where there is none, nothing can answer.
        let Ok(program) = find() else { return };
        let winner = Mongod::start(&program, None).await.unwrap();
        let port = winner.uri.rsplit(':').next().unwrap().parse().unwrap();
        let folder = TempDir::new().unwrap();
        let loser = folder.path().join("mongod");
        fs::write(&loser, "#!/bin/sh\nsleep 2\nexit 48\n").unwrap();
        fs::set_permissions(&loser, fs::Permissions::from_mode(0o755)).unwrap();
        let started = Mongod::start(&loser, Some(Fragile::alone(port))).await;
        let error = started.unwrap_err().to_string();
        assert!(error.contains("it ended (exit status: 48)"), "{error}");
        winner.stop().unwrap();
    }
}

//! MongoDB as a child process, with its data in a temporary folder.

use std::{
    env,
    fs::{self, File},
    io,
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{error::TargetError, held::Held, leftover::Leftover, mongo};

/// How long a `mongod` may take from its start to its first answer.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// How long one attempt to reach it may take, before it is checked that it still runs.
const ATTEMPT: Duration = Duration::from_millis(500);

/// The port is picked free, but anybody may take it before `mongod` does.
const PORT_ATTEMPTS: u32 = 3;

/// A `mongod` of our own. Dropping it kills it and deletes its folder.
#[derive(Debug)]
pub(super) struct Mongod {
    /// `mongodb://127.0.0.1:port`.
    pub(super) uri: String,
    // The order of the fields is the order in which they are dropped: the process, then its folder, then the guard
    // may forget both.
    process: KilledOnDrop,
    folder: TempDir,
    _held: [Held; 2],
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
    /// Starts the program and waits until it answers.
    pub(super) async fn start(program: &Path) -> Result<Mongod, TargetError> {
        let mut attempts = 1;
        loop {
            match Mongod::start_once(program).await {
                Err(TargetError::MongodFailed { reason, .. })
                    if attempts < PORT_ATTEMPTS && reason.contains("Address already in use") =>
                {
                    attempts += 1;
                }
                result => return result,
            }
        }
    }

    async fn start_once(program: &Path) -> Result<Mongod, TargetError> {
        let failed = |reason: String| TargetError::MongodFailed {
            program: program.to_owned(),
            reason,
        };
        let io_failed = |error: io::Error| failed(error.to_string());
        let folder = TempDir::with_prefix("loadgen-mongod-").map_err(io_failed)?;
        let held_folder = Held::new(Leftover::Folder {
            path: folder.path().to_owned(),
        });
        let log_path = folder.path().join("mongod.log");
        let log = File::create(&log_path).map_err(io_failed)?;
        let data = folder.path().join("data");
        fs::create_dir(&data).map_err(io_failed)?;
        let port = free_port().map_err(io_failed)?;
        let process = Command::new(program)
            .args(["--bind_ip", "127.0.0.1", "--nounixsocket"])
            .args(["--port", &port.to_string(), "--dbpath"])
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(io_failed)?)
            .stderr(log)
            // Out of the terminal's foreground group: Ctrl-C is for the load generator, which still audits the store.
            .process_group(0)
            .spawn()
            .map_err(io_failed)?;
        let held_process = Held::new(Leftover::Process {
            pid: process.id().cast_signed(),
        });
        let mut mongod = Mongod {
            uri: format!("mongodb://127.0.0.1:{port}"),
            process: KilledOnDrop(process),
            folder,
            _held: [held_process, held_folder],
        };
        match mongod.answers().await {
            Ok(()) => Ok(mongod),
            Err(reason) => {
                let log = fs::read_to_string(&log_path).unwrap_or_default();
                let lines = telling_lines(&log);
                Err(failed(format!("{reason}; its last lines: {lines}")))
            }
        }
    }

    async fn answers(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            let ended = self.process.0.try_wait();
            if let Some(status) = ended.map_err(|error| error.to_string())? {
                return Err(format!("it ended ({status})"));
            }
            let client = mongo::client(&self.uri, ATTEMPT).await;
            let (client, _) = client.map_err(|error| error.to_string())?;
            match mongo::version(&client, &self.uri).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error.to_string()),
                Err(_) => {}
            }
        }
    }

    /// Ends the process and deletes its folder. It is killed outright: what it would still write is deleted anyway.
    pub(super) fn stop(self) -> Result<(), TargetError> {
        let Mongod {
            mut process,
            folder,
            _held,
            ..
        } = self;
        let left = |what: String| {
            move |error: io::Error| TargetError::CleanUp {
                what,
                reason: error.to_string(),
            }
        };
        let what = format!("mongod (process {})", process.0.id());
        process.end().map_err(left(what))?;
        let what = folder.path().display().to_string();
        folder.close().map_err(left(what))
    }
}

/// A child process that does not outlive its handle.
#[derive(Debug)]
struct KilledOnDrop(Child);

impl KilledOnDrop {
    fn end(&mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }
}

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(pid = self.0.id(), %error, "mongod could not be ended");
        }
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
        let error = Mongod::start(&program).await.unwrap_err().to_string();
        assert!(
            error.contains("did not start: it ended (exit status: 3); its last lines: not today"),
            "{error}"
        );
    }
}

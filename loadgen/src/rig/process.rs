//! The server under test as a child process: start, watch, stop.

use std::{
    collections::VecDeque,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};

use super::{error::TargetError, exit::ServerExit, held::Held, leftover::Leftover};
use crate::{dial::Target, scenario::Connections};

/// How many of the server's last lines on stderr are kept for error messages.
const STDERR_LINES: usize = 20;

/// How long a dead server's last words may take to be read. Only a child of its own could hold its stderr open.
const STDERR_PATIENCE: Duration = Duration::from_secs(1);

/// A server of our own. Dropping it kills it.
#[derive(Debug)]
pub struct RunningServer {
    url: String,
    pid: u32,
    // Before `_held`, so that it is killed before the guard forgets it.
    child: Child,
    stderr: Tail,
    _held: Held,
}

impl RunningServer {
    /// Starts this very program as a server, `<program> serve …`, or as the relay, and waits until it listens.
    ///
    /// # Errors
    /// If it cannot be started, ends, says something else first, or does not listen within `deadline`; it is not left
    /// running then.
    pub async fn start(args: &[String], deadline: Duration) -> Result<RunningServer, TargetError> {
        let program = std::env::current_exe().map_err(|source| TargetError::ServerSpawn {
            program: "this program".into(),
            source,
        })?;
        RunningServer::start_program(&program, args, deadline).await
    }

    /// Starts any program whose first line on stdout is `listening on http://…`, and waits for that line.
    ///
    /// # Errors
    /// As [`RunningServer::start`].
    pub async fn start_program(
        program: &Path,
        args: &[String],
        deadline: Duration,
    ) -> Result<RunningServer, TargetError> {
        let spawn_failed = |source| TargetError::ServerSpawn {
            program: program.to_owned(),
            source,
        };
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Out of the terminal's foreground group: Ctrl-C is for the load generator, which stops the server after
            // its last message.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(spawn_failed)?;
        let pipes = (child.id(), child.stdout.take(), child.stderr.take());
        let (Some(pid), Some(stdout), Some(stderr)) = pipes else {
            return Err(spawn_failed(std::io::Error::other(
                "it has no process id or no pipes",
            )));
        };
        let held = Held::new(Leftover::Process {
            pid: pid.cast_signed(),
        });
        let mut server = RunningServer {
            url: String::new(),
            pid,
            child,
            stderr: Tail::of(stderr),
            _held: held,
        };
        let mut lines = BufReader::new(stdout).lines();
        server.url = match timeout(deadline, server.announced(&mut lines)).await {
            Ok(url) => url?,
            Err(_) => {
                return Err(TargetError::ServerSilent {
                    deadline,
                    stderr: server.stderr.lines(),
                });
            }
        };
        // Read on, or the server would be stuck when the pipe is full.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(server)
    }

    /// Where it listens, as it says: `http://host:port`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Resolves when the server ends without having been asked to. Cancel-safe: it may be dropped and called again.
    pub async fn exited(&mut self) -> ServerExit {
        match self.child.wait().await {
            Ok(status) => ServerExit {
                status,
                killed_after: None,
                stderr: self.stderr.last_words().await,
            },
            Err(error) => {
                // The process is ours and was not waited for by anybody else: there is no way for this to fail. Should
                // it, then nothing is known about an end.
                tracing::error!(pid = self.pid, %error, "the server cannot be waited for");
                std::future::pending().await
            }
        }
    }

    /// Asks the server to end (SIGTERM), and kills it if it has not done so within `deadline`, which the result says.
    ///
    /// # Errors
    /// [`TargetError::ServerProcess`] if it can be neither signalled nor waited for.
    pub async fn stop(mut self, deadline: Duration) -> Result<ServerExit, TargetError> {
        let pid = self.pid;
        let not = move |action| {
            move |source| TargetError::ServerProcess {
                pid,
                action,
                source,
            }
        };
        // None once it has been waited for: then its id may already be somebody else's.
        let unwaited = self.child.id();
        if let Some(pid) = unwaited.and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            rustix::process::kill_process(pid, Signal::TERM)
                .map_err(|error| not("signalled")(error.into()))?;
        }
        let (status, killed_after) = match timeout(deadline, self.child.wait()).await {
            Ok(status) => (status.map_err(not("waited for"))?, None),
            Err(_) => {
                self.child.start_kill().map_err(not("signalled"))?;
                let status = self.child.wait().await.map_err(not("waited for"))?;
                (status, Some(deadline))
            }
        };
        Ok(ServerExit {
            status,
            killed_after,
            stderr: self.stderr.last_words().await,
        })
    }

    /// Kills the server (SIGKILL).
    ///
    /// # Errors
    /// [`TargetError::ServerProcess`] if it can be neither killed nor waited for.
    pub async fn kill(mut self) -> Result<ServerExit, TargetError> {
        let pid = self.pid;
        let not = |action| {
            move |source| TargetError::ServerProcess {
                pid,
                action,
                source,
            }
        };
        self.child.start_kill().map_err(not("killed"))?;
        Ok(ServerExit {
            status: self.child.wait().await.map_err(not("waited for"))?,
            killed_after: None,
            stderr: self.stderr.last_words().await,
        })
    }

    /// Lets the server stand still (SIGSTOP), or go on (SIGCONT).
    ///
    /// # Errors
    /// [`TargetError::ServerProcess`] if it can't be signalled.
    pub fn stand_still(&self, still: bool) -> Result<(), TargetError> {
        // None once it has been waited for: then its id may already be somebody else's.
        let unwaited = self.child.id();
        let Some(pid) = unwaited.and_then(|pid| Pid::from_raw(pid.cast_signed())) else {
            return Ok(());
        };
        let signal = if still { Signal::STOP } else { Signal::CONT };
        rustix::process::kill_process(pid, signal).map_err(|error| TargetError::ServerProcess {
            pid: self.pid,
            action: "signalled",
            source: error.into(),
        })
    }

    /// The address in the first line on stdout.
    async fn announced(
        &mut self,
        lines: &mut Lines<BufReader<ChildStdout>>,
    ) -> Result<String, TargetError> {
        let Ok(Some(line)) = lines.next_line().await else {
            return Err(TargetError::ServerExited(self.exited().await));
        };
        match line.strip_prefix("listening on ") {
            Some(url) if Target::started_here(url, &Connections::default()).is_ok() => {
                Ok(url.trim_end_matches('/').to_owned())
            }
            _ => Err(TargetError::ServerLine { line }),
        }
    }
}

/// The last lines of a stream, kept by a task that reads it to its end.
#[derive(Debug)]
pub(super) struct Tail {
    lines: Arc<Mutex<VecDeque<String>>>,
    reader: JoinHandle<()>,
}

impl Tail {
    pub(super) fn of(stream: impl AsyncRead + Send + Unpin + 'static) -> Tail {
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&lines);
        let reader = tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            // Bytes, because what a dying program writes need not be UTF-8.
            while let Ok(1..) = stream.read_until(b'\n', &mut line).await {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == STDERR_LINES {
                    kept.pop_front();
                }
                kept.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
        });
        Tail { lines, reader }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect()
    }

    /// All that was written until the stream's end.
    pub(super) async fn last_words(&mut self) -> Vec<String> {
        if !self.reader.is_finished() && timeout(STDERR_PATIENCE, &mut self.reader).await.is_err() {
            tracing::debug!("the server's stderr is still open");
        }
        self.lines()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    async fn shell(script: &str, deadline: Duration) -> Result<RunningServer, TargetError> {
        RunningServer::start_program(
            Path::new("/bin/sh"),
            &["-c".to_owned(), script.to_owned()],
            deadline,
        )
        .await
    }

    fn is_alive(pid: u32) -> bool {
        // A zombie has no program. (Nor has it a command line; but in the midst of an exec there is none either.)
        Path::new(&format!("/proc/{pid}/exe")).exists()
    }

    #[tokio::test]
    async fn it_is_where_its_first_line_says_and_ends_when_asked() {
        let mut server =
            shell("trap 'echo bye >&2; exit 0' TERM; echo listening on http://127.0.0.1:1/; while :; do sleep 0.01; done", DEADLINE)
                .await
                .unwrap();
        assert_eq!(server.url(), "http://127.0.0.1:1");
        assert!(is_alive(server.pid()));
        // Cancelled and asked again: it is still running.
        assert!(
            timeout(Duration::from_millis(20), server.exited())
                .await
                .is_err()
        );
        let exit = server.stop(DEADLINE).await.unwrap();
        assert!(exit.is_clean(), "{exit}");
        assert_eq!(exit.to_string(), "exit status 0; its last lines: bye");
    }

    #[tokio::test]
    async fn one_that_does_not_end_when_asked_is_killed_and_that_is_said() {
        let server = shell(
            "trap '' TERM; echo listening on http://127.0.0.1:1; while :; do sleep 0.01; done",
            DEADLINE,
        )
        .await
        .unwrap();
        let pid = server.pid();
        let exit = server.stop(Duration::from_millis(100)).await.unwrap();
        assert!(!exit.is_clean());
        assert_eq!(
            exit.to_string(),
            "killed, because it had not ended 100ms after SIGTERM"
        );
        assert!(!is_alive(pid));
    }

    #[tokio::test]
    async fn an_end_in_mid_run_is_noticed_with_its_last_words() {
        let mut server =
            shell("echo listening on http://127.0.0.1:1; i=0; while [ $i -lt 30 ]; do echo $i >&2; i=$((i+1)); done; exit 7", DEADLINE)
                .await
                .unwrap();
        let exit = server.exited().await;
        assert_eq!(exit.status.code(), Some(7));
        assert_eq!(exit.stderr.len(), STDERR_LINES);
        assert_eq!(exit.stderr.last().unwrap(), "29");
        // Asked to stop what is already gone: the same end again.
        assert_eq!(server.stop(DEADLINE).await.unwrap().status.code(), Some(7));
        let mut server = shell("echo listening on http://127.0.0.1:1; kill -9 $$", DEADLINE)
            .await
            .unwrap();
        assert_eq!(server.exited().await.to_string(), "killed by signal 9");
    }

    #[tokio::test]
    async fn each_way_not_to_start_has_its_own_line() {
        let error = shell("echo port 3000 is taken >&2; exit 5", DEADLINE)
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the server ended before it listened: exit status 5; its last lines: port 3000 is taken"
        );
        let error = shell("echo hello; sleep 100", DEADLINE).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the server's first line was \"hello\"; expected \"listening on http://…\""
        );
        let error = shell("echo waiting >&2; sleep 100", Duration::from_millis(300))
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the server did not say \"listening on http://…\" within 300ms; its last lines: waiting"
        );
        let error = RunningServer::start_program(Path::new("/nowhere/server"), &[], DEADLINE)
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("/nowhere/server cannot be started: "),
            "{error}"
        );
    }

    #[test]
    fn dropping_it_kills_it_also_outside_of_a_runtime() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let server = runtime
            .block_on(shell(
                "echo listening on http://127.0.0.1:1; exec sleep 100",
                DEADLINE,
            ))
            .unwrap();
        let pid = server.pid();
        drop(runtime);
        assert!(is_alive(pid));
        drop(server);
        while is_alive(pid) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

//! A command of somebody else's, run in a shell: a group of processes that is watched, and ended with all its children.

use std::{process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::{
    net::unix::pipe,
    process::{Child, Command},
    time::{Instant, timeout},
};

use super::{error::TargetError, exit::ServerExit, held::Held, leftover::Leftover, process::Tail};

/// How long children may take to be gone once the command itself has ended.
const CHILDREN: Duration = Duration::from_secs(5);
/// How often it is looked whether they are.
const LOOK: Duration = Duration::from_millis(20);

/// A running command and all that it has started. Dropping it kills them.
#[derive(Debug)]
pub(super) struct Group {
    id: Pid,
    // Before `_held`, so that it is killed before the guard forgets it.
    child: Child,
    output: Tail,
    /// No process of it is left.
    ended: bool,
    _held: Held,
}

impl Group {
    /// Starts a command in a shell, in a process group of its own, with these variables beside its own environment.
    ///
    /// # Errors
    /// When there is no shell, or no process to be had.
    pub(super) fn start(command: &str, variables: &[(&str, String)]) -> Result<Self, TargetError> {
        let failed = |source| TargetError::ServerSpawn {
            program: "sh".into(),
            source,
        };
        // One pipe for both, so that its lines stay in their order.
        let (output, input) = std::io::pipe().map_err(failed)?;
        let child = Command::new("sh")
            .args(["-c", command])
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(input.try_clone().map_err(failed)?)
            .stderr(input)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let id = id.ok_or_else(|| failed(std::io::Error::other("it has no process id")))?;
        let output = pipe::Receiver::from_owned_fd(output.into()).map_err(failed)?;
        Ok(Self {
            id,
            child,
            output: Tail::of(output),
            ended: false,
            _held: Held::new(Leftover::Group {
                id: id.as_raw_nonzero().get(),
            }),
        })
    }

    /// The process id of the shell, which is the group's.
    pub(super) fn id(&self) -> u32 {
        self.id.as_raw_nonzero().get().cast_unsigned()
    }

    /// Its last lines, on standard output and standard error.
    pub(super) fn lines(&self) -> Vec<String> {
        self.output.lines()
    }

    /// Resolves when the command ends without having been asked to. Cancel-safe: it may be dropped and called again.
    pub(super) async fn exited(&mut self) -> ServerExit {
        match self.child.wait().await {
            Ok(status) => ServerExit {
                status,
                killed_after: None,
                stderr: self.output.last_words().await,
            },
            // Nobody else waits for it, so that this can't be; should it, then nothing is known about an end.
            Err(error) => {
                tracing::error!(%error, "the command cannot be waited for");
                std::future::pending().await
            }
        }
    }

    /// Kills all processes (SIGKILL).
    ///
    /// # Errors
    /// [`TargetError::ServerProcess`] if they can't be waited for.
    pub(super) async fn kill(self) -> Result<ServerExit, TargetError> {
        self.signal(Signal::KILL);
        let exit = self.stop(CHILDREN).await?;
        Ok(ServerExit {
            killed_after: None,
            ..exit
        })
    }

    /// Lets all processes stand still (SIGSTOP), or go on (SIGCONT).
    ///
    /// # Errors
    /// [`TargetError::ServerProcess`] if they can't be signalled.
    pub(super) fn stand_still(&self, still: bool) -> Result<(), TargetError> {
        let signal = if still { Signal::STOP } else { Signal::CONT };
        kill_process_group(self.id, signal).map_err(|error| TargetError::ServerProcess {
            pid: self.id(),
            action: "signalled",
            source: error.into(),
        })
    }

    /// Asks all processes to end (SIGTERM), and kills those that have not done so within `deadline`.
    ///
    /// # Errors
    /// [`TargetError::ServerProcess`] if they can be neither signalled nor waited for.
    pub(super) async fn stop(mut self, deadline: Duration) -> Result<ServerExit, TargetError> {
        let pid = self.id();
        let not = |action| {
            move |source| TargetError::ServerProcess {
                pid,
                action,
                source,
            }
        };
        self.signal(Signal::TERM);
        let (status, killed_after) = match timeout(deadline, self.child.wait()).await {
            Ok(status) => (status.map_err(not("waited for"))?, None),
            Err(_) => {
                self.signal(Signal::KILL);
                let status = self.child.wait().await.map_err(not("waited for"))?;
                (status, Some(deadline))
            }
        };
        let gone_by = Instant::now() + CHILDREN;
        while self.is_there() && Instant::now() < gone_by {
            tokio::time::sleep(LOOK).await;
        }
        self.signal(Signal::KILL);
        self.ended = true;
        Ok(ServerExit {
            status,
            killed_after,
            stderr: self.output.last_words().await,
        })
    }

    /// Whether any process of it is left, one that nobody has waited for included.
    fn is_there(&self) -> bool {
        test_kill_process_group(self.id).is_ok()
    }

    /// As long as a process of the group is left, its id is nobody else's.
    fn signal(&self, signal: Signal) {
        if self.is_there()
            && let Err(error) = kill_process_group(self.id, signal)
        {
            tracing::debug!(%error, "the command's processes are gone already");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended {
            self.signal(Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    /// Waits for a line of the command's.
    async fn line(group: &Group, begin: &str) -> String {
        loop {
            let lines = group.lines();
            if let Some(line) = lines.iter().find_map(|line| line.strip_prefix(begin)) {
                return line.to_owned();
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn is_alive(pid: &str) -> bool {
        // A zombie has no program. (Nor has it a command line; but in the midst of an exec there is none either.)
        std::path::Path::new(&format!("/proc/{pid}/exe")).exists()
    }

    #[tokio::test]
    async fn it_ends_with_all_its_children() {
        let group = Group::start(
            "sleep 1000 & echo child $!; sh -c 'sleep 1000 & echo grand $!; wait' & wait",
            &[],
        )
        .unwrap();
        let pids = [line(&group, "child ").await, line(&group, "grand ").await];
        assert!(pids.iter().all(|pid| is_alive(pid)));
        let exit = group.stop(DEADLINE).await.unwrap();
        assert_eq!(exit.killed_after, None, "{exit}");
        assert!(!pids.iter().any(|pid| is_alive(pid)));
    }

    #[tokio::test]
    async fn children_that_outlive_the_command_are_ended_too() {
        let mut group =
            Group::start("sleep 1000 & echo child $!; echo oops >&2; exit 3", &[]).unwrap();
        let exit = timeout(DEADLINE, group.exited()).await.unwrap();
        assert_eq!(exit.status.code(), Some(3));
        assert!(exit.stderr.contains(&"oops".to_owned()), "{exit}");
        let child = line(&group, "child ").await;
        assert!(is_alive(&child));
        drop(group);
        while is_alive(&child) {
            tokio::time::sleep(LOOK).await;
        }
    }

    #[tokio::test]
    async fn what_does_not_end_when_asked_is_killed() {
        let group = Group::start(
            "trap '' TERM; echo ready; while :; do sleep 0.01; done",
            &[],
        )
        .unwrap();
        line(&group, "ready").await;
        let exit = group.stop(Duration::from_millis(100)).await.unwrap();
        assert_eq!(exit.killed_after, Some(Duration::from_millis(100)));
    }
}

//! What must not outlive a run, and how each of it is removed, whatever state it is in.
//!
//! Used twice: by drop in this process, and by the [guard](super::guard) when this process was killed.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use testcontainers::bollard::{self, query_parameters::RemoveContainerOptionsBuilder};

use super::{docker, error::TargetError, guard, mongo};

/// How long one thing may take to be removed; a machine under load needs some seconds.
const REMOVAL_DEADLINE: Duration = Duration::from_secs(20);

/// Docker may still be creating a container whose creation we broke off, so "there is none" is asked again.
const ABSENT_RETRIES: u32 = 3;
const ABSENT_PAUSE: Duration = Duration::from_millis(400);

/// A thing that was started or made for a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Leftover {
    /// A child process. Only the guard kills it; this process uses its own handle.
    Process { pid: i32 },
    /// A container, by the name we gave it, with its anonymous volumes.
    Container { name: String },
    /// A database in somebody's MongoDB, made for this run.
    Database { uri: String, name: String },
    /// A temporary folder. Only the guard deletes it; this process uses its own handle.
    Folder { path: PathBuf },
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leftover::Process { pid } => write!(f, "process {pid}"),
            Leftover::Container { name } => write!(f, "container {name}"),
            Leftover::Database { uri, name } => {
                write!(f, "database {name} at {}", mongo::redacted(uri))
            }
            Leftover::Folder { path } => write!(f, "folder {}", path.display()),
        }
    }
}

impl Leftover {
    /// Removes it; that it is gone already is no error.
    pub(super) async fn remove(&self) -> Result<(), TargetError> {
        let removal = async {
            match self {
                // Never by its id, which may be somebody else's by now: see `Held` and the guard.
                Leftover::Process { .. } => Ok(()),
                Leftover::Container { name } => remove_container(name).await,
                Leftover::Database { uri, name } => mongo::drop_database(uri, name).await,
                Leftover::Folder { path } => match std::fs::remove_dir_all(path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        Err(error.to_string())
                    }
                    _ => Ok(()),
                },
            }
        };
        let ended = tokio::time::timeout(REMOVAL_DEADLINE, removal).await;
        ended
            .unwrap_or_else(|_| Err(format!("not done within {REMOVAL_DEADLINE:?}")))
            .map_err(|reason| TargetError::CleanUp {
                what: self.to_string(),
                reason,
            })
    }
}

/// Keeps a [`Leftover`] known to the guard for as long as it exists.
///
/// Dropping it removes containers and databases, from any thread and without a runtime; processes and folders are
/// removed by the handles of those who own them, which they drop first.
#[derive(Debug)]
pub(super) struct Held {
    leftover: Leftover,
    removed: bool,
}

impl Held {
    /// From now on, `leftover` is removed when this process dies.
    pub(super) fn new(leftover: Leftover) -> Held {
        guard::add(&leftover);
        Held {
            leftover,
            removed: false,
        }
    }

    /// Removes it now. If that fails, it is not tried again here: the error says what to do by hand.
    pub(super) async fn remove(mut self) -> Result<(), TargetError> {
        // Only afterwards: a future that is dropped half-way leaves the removal to drop.
        let result = self.leftover.remove().await;
        self.removed = true;
        result
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.removed
            && matches!(
                self.leftover,
                Leftover::Container { .. } | Leftover::Database { .. }
            )
        {
            remove_blocking(&self.leftover);
        }
        guard::forget(&self.leftover);
    }
}

/// Removes in a thread with a runtime of its own, because drop may run in a runtime, outside of one, or while one is
/// being shut down.
fn remove_blocking(leftover: &Leftover) {
    let not_done = |reason: String| TargetError::CleanUp {
        what: leftover.to_string(),
        reason,
    };
    let in_own_runtime = || -> Result<(), TargetError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime
            .map_err(|error| not_done(error.to_string()))?
            .block_on(leftover.remove())
    };
    let removal = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("cleanup".to_owned())
            .spawn_scoped(scope, in_own_runtime);
        let thread = thread.map_err(|error| not_done(error.to_string()))?;
        thread
            .join()
            .unwrap_or_else(|_| Err(not_done("the attempt panicked".to_owned())))
    });
    if let Err(error) = removal {
        tracing::error!("{error}");
    }
}

async fn remove_container(name: &str) -> Result<(), String> {
    let docker = docker::client().await.map_err(|error| error.to_string())?;
    for _ in 0..ABSENT_RETRIES {
        // `v`: its anonymous volumes too, which hold the database of the official image.
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        match docker.remove_container(name, Some(options)).await {
            Ok(()) => return Ok(()),
            // 404: there is none. 409: it is being removed.
            Err(bollard::errors::Error::DockerResponseServerError {
                status_code: 404 | 409,
                ..
            }) => {
                tokio::time::sleep(ABSENT_PAUSE).await;
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

//! What must not outlive a run, and how each of it is removed, whatever state it is in.

use std::{fmt, fs, io, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{daemon, error::TargetError, mongo};

/// How long one thing may take to be removed; a machine under load needs some seconds.
const REMOVAL_DEADLINE: Duration = Duration::from_secs(20);

/// A thing that was started or made for a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Leftover {
    /// A child process. Only the guard kills it; this process uses its own handle.
    Process { pid: i32 },
    /// The process group of a command. Only the guard kills it; this process uses its own handle.
    Group { id: i32 },
    /// A container, by the name we gave it, with its anonymous volumes.
    Container { name: String },
    /// A database in somebody's MongoDB, made for this run.
    Database { uri: String, name: String },
    /// A temporary folder. Only the guard deletes it; this process uses its own handle.
    Folder { path: PathBuf },
}

/// What it means that a thing is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    /// It was there, and is gone.
    IsGone,
    /// It was asked for, and nobody waited for the answer: it may still come.
    MayCome,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leftover::Process { pid } => write!(f, "process {pid}"),
            Leftover::Group { id } => write!(f, "process group {id}"),
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
    pub(super) async fn remove(&self, absence: Absence) -> Result<(), TargetError> {
        let removal = async {
            match self {
                // Never by its id, which may be somebody else's by now: see `Held` and the guard.
                Leftover::Process { .. } | Leftover::Group { .. } => Ok(()),
                Leftover::Container { name } => daemon::remove_container(name, absence).await,
                Leftover::Database { uri, name } => mongo::drop_database(uri, name).await,
                Leftover::Folder { path } => match fs::remove_dir_all(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.to_string()),
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

//! Why a scenario could not be run.

use crate::{
    drive::{ConnectError, client::DriverError, worker::JoinError},
    model::HistogramError,
    plan::{PartError, PlanError},
    rig::{TargetError, fault::FaultError},
};

/// Why a scenario could not be run to a verdict.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The plan does not fit.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The plan can't be dealt out to so many processes.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The clocks of several processes could not be compared.
    #[error("{0}")]
    Sync(String),
    /// No client can do what the scenario asks for.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The store or the server could not be had.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A user could not be connected.
    #[error("user {user} could not connect to {url}: {error}")]
    Connect {
        /// The index of the user.
        user: u32,
        /// The address of the target.
        url: String,
        /// What the attempt ended with.
        error: ConnectError,
    },
    /// A user is connected and could not join.
    #[error("user {user} is connected to {url}, but {error}")]
    Join {
        /// Its index.
        user: u32,
        /// The target.
        url: String,
        /// Why.
        error: JoinError,
    },
    /// What the scenario says of the server's events is not so: nothing that was measured means anything.
    #[error("{0}")]
    Mistaken(String),
    /// What was asked for can't be measured, and why.
    #[error("{0}")]
    Asked(String),
    /// A fault that the chosen store or target can't have.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// A histogram of what was measured can't be read.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
    /// The server of this program speaks its dialects alone.
    #[error(
        "this scenario speaks another server's events: name that server with --target http://host:port"
    )]
    NeedsTarget,
    /// Not enough open files for the users.
    #[error(
        "{users} users need {needed} open files and {limit} are allowed; raise `ulimit -n` or lower `users`"
    )]
    OpenFiles {
        /// Users of the scenario.
        users: u32,
        /// Files that these need.
        needed: u64,
        /// The hard limit.
        limit: u64,
    },
    /// The machine refused a thread, a timer or a socket.
    #[error("the load generator could not work: {0}")]
    Machine(#[from] std::io::Error),
    /// Two arms could not be told apart.
    #[error("two arms are called {0:?}: name each once")]
    NamedTwice(String),
    /// Told to stop before anything was measured.
    #[error("interrupted before anything was measured")]
    Interrupted,
}

impl RunError {
    /// Whether what was asked can't be done anywhere: the scenario or the command line is wrong, and no machine or server.
    pub fn is_the_questions(&self) -> bool {
        match self {
            RunError::Plan(_)
            | RunError::Part(_)
            | RunError::Target(TargetError::MongoUri { .. })
            | RunError::Driver(_)
            | RunError::Mistaken(_)
            | RunError::Asked(_)
            | RunError::Fault(_)
            | RunError::NeedsTarget
            | RunError::NamedTwice(_) => true,
            RunError::Histogram(_)
            | RunError::Sync(_)
            | RunError::Target(_)
            | RunError::Connect { .. }
            | RunError::Join { .. }
            | RunError::OpenFiles { .. }
            | RunError::Machine(_)
            | RunError::Interrupted => false,
        }
    }
}

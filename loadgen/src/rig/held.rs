//! Keeps what was started known to the [guard](super::guard), and removes it by drop in this process.

use std::thread;

use tokio::runtime;

use super::{
    error::TargetError,
    guard,
    leftover::{Absence, Leftover},
};

/// Keeps a [`Leftover`] known to the guard for as long as it exists.
///
/// Dropping it removes containers and databases, from any thread and without a runtime; processes and folders are
/// removed by the handles of those who own them, which they drop first.
#[derive(Debug)]
pub(super) struct Held {
    leftover: Leftover,
    absence: Absence,
    removed: bool,
}

impl Held {
    /// From now on, `leftover` is removed when this process dies.
    pub(super) fn new(leftover: Leftover) -> Held {
        guard::add(&leftover);
        Held {
            leftover,
            absence: Absence::MayCome,
            removed: false,
        }
    }

    /// It is there: if it is not from now on, it is gone.
    pub(super) fn has_come(&mut self) {
        self.absence = Absence::IsGone;
    }

    /// Removes it now. If that fails, it is not tried again here: the error says what to do by hand.
    pub(super) async fn remove(mut self) -> Result<(), TargetError> {
        // Only afterwards: a future that is dropped half-way leaves the removal to drop.
        let result = self.leftover.remove(self.absence).await;
        self.removed = true;
        result
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let elsewhere = match self.leftover {
            Leftover::Container { .. } | Leftover::Database { .. } => true,
            Leftover::Process { .. } | Leftover::Group { .. } | Leftover::Folder { .. } => false,
        };
        if elsewhere && !self.removed {
            remove_blocking(&self.leftover, self.absence);
        }
        guard::forget(&self.leftover);
    }
}

/// Removes in a thread with a runtime of its own, because drop may run in a runtime, outside of one, or while one is
/// being shut down.
fn remove_blocking(leftover: &Leftover, absence: Absence) {
    let not_done = |reason: String| TargetError::CleanUp {
        what: leftover.to_string(),
        reason,
    };
    let in_own_runtime = || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| not_done(error.to_string()))?;
        runtime.block_on(leftover.remove(absence))
    };
    let removal = thread::scope(|scope| {
        let cleanup = thread::Builder::new().name("cleanup".to_owned());
        let cleanup = cleanup.spawn_scoped(scope, in_own_runtime);
        let cleanup = cleanup.map_err(|error| not_done(error.to_string()))?;
        let panicked = |_| Err(not_done("the attempt panicked".to_owned()));
        cleanup.join().unwrap_or_else(panicked)
    });
    if let Err(error) = removal {
        tracing::error!("{error}");
    }
}

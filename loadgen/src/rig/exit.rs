//! How a process that was started here ended.

use std::{fmt, os::unix::process::ExitStatusExt, process::ExitStatus, time::Duration};

/// How a server ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerExit {
    /// Its exit status, or the signal that ended it.
    pub status: ExitStatus,
    /// Set if it had to be killed because it did not end within this time after SIGTERM.
    pub killed_after: Option<Duration>,
    /// Its last lines on stderr, oldest first.
    pub stderr: Vec<String>,
}

impl ServerExit {
    /// Whether it ended by itself and with exit status 0.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.status.success() && self.killed_after.is_none()
    }
}

impl fmt::Display for ServerExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.killed_after, self.status.code(), self.status.signal()) {
            (Some(deadline), ..) => write!(
                f,
                "killed, because it had not ended {deadline:?} after SIGTERM"
            )?,
            (None, Some(code), _) => write!(f, "exit status {code}")?,
            (None, None, Some(signal)) => write!(f, "killed by signal {signal}")?,
            (None, None, None) => write!(f, "{}", self.status)?,
        }
        if !self.stderr.is_empty() {
            write!(f, "; its last lines: {}", self.stderr.join(" | "))?;
        }
        Ok(())
    }
}

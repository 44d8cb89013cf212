//! The exit codes of `loadgen`: the one place that defines them.

use std::process::ExitCode;

use crate::judge::Verdict;

/// How a run of the program ended, as CI sees it. `docs/MEASUREMENT.md` repeats this table for readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The server kept its promise.
    Pass = 0,
    /// A limit was missed, or a message was lost, duplicated, or confirmed and not stored.
    Fail = 1,
    /// The command line or a scenario file is wrong, its event map too: there is no result.
    Usage = 2,
    /// Too little was measured to say.
    Inconclusive = 3,
    /// The machine or the generator, not the server, decided the numbers.
    Invalid = 4,
    /// The store, the server or the target could not be set up, or died in mid-run.
    Setup = 5,
}

impl Exit {
    /// Of several scenarios in one call, the exit that must not be overlooked: a failure to run before a
    /// failure of the server, before a run that says nothing.
    pub fn worse(self, other: Exit) -> Exit {
        if self.gravity() >= other.gravity() {
            self
        } else {
            other
        }
    }

    fn gravity(self) -> u8 {
        match self {
            Exit::Pass => 0,
            Exit::Inconclusive => 1,
            Exit::Invalid => 2,
            Exit::Fail => 3,
            Exit::Setup => 4,
            Exit::Usage => 5,
        }
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Exit::Pass,
            Verdict::Fail => Exit::Fail,
            Verdict::Inconclusive => Exit::Inconclusive,
            Verdict::Invalid => Exit::Invalid,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_scenario_is_not_hidden_by_a_later_one_that_passes() {
        assert_eq!(Exit::Fail.worse(Exit::Pass), Exit::Fail);
        assert_eq!(Exit::Pass.worse(Exit::Fail), Exit::Fail);
        assert_eq!(Exit::Invalid.worse(Exit::Fail), Exit::Fail);
        assert_eq!(Exit::Setup.worse(Exit::Fail), Exit::Setup);
    }
}

//! What one hold at a rate shows of a limit.

use serde::{Deserialize, Serialize};

use crate::judge::Verdict;

/// What one hold at a rate shows of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The limit was kept, and nothing piled up.
    Kept,
    /// The limit was missed for certain, or a promise was broken.
    Missed,
    /// Something piled up from the start to the end: no such rate lasts, whatever the latencies of this hold.
    BacklogGrew,
    /// Too little was measured to say.
    Undecided,
    /// The machine decided the numbers.
    Disturbed,
    /// The generator could not keep this rate, so that the server was not asked for it.
    GeneratorBound,
}

impl Outcome {
    /// What a verdict says of a hold in which nothing piled up and the generator had time to spare.
    pub fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Outcome::Kept,
            Verdict::Fail => Outcome::Missed,
            Verdict::Inconclusive => Outcome::Undecided,
            Verdict::Invalid => Outcome::Disturbed,
        }
    }

    /// Whether the server failed for certain.
    pub fn is_failure(self) -> bool {
        matches!(self, Outcome::Missed | Outcome::BacklogGrew)
    }

    /// In words that go behind a rate.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Kept => "kept",
            Outcome::Missed => "missed",
            Outcome::BacklogGrew => "backlog grew",
            Outcome::Undecided => "undecided",
            Outcome::Disturbed => "disturbed",
            Outcome::GeneratorBound => "generator-bound",
        }
    }
}

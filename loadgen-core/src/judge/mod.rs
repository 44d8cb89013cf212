//! Judges what was observed, by nothing else: the promises, the thresholds, and what machine and generator excuse.

pub mod checks;
pub mod parts;
mod snapshot;
pub mod statistic;
pub mod verdict;

pub use self::{
    checks::{
        Account, Check, Example, Fate, Finding, Met, Missing, Outcomes, Promises, RecordedOutcomes,
        Totals, account,
    },
    snapshot::{Messages, Purpose, Snapshot, Turn},
    verdict::{
        Estimate, Gap, Judged, Judgement, Measured, OUTSIDE, Reason, Verdict, implied, judge,
        samples_of, share_needed, unjudgeable,
    },
};

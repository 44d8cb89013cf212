//! Judges what was observed, by nothing else: the promises, the thresholds, and what machine and generator excuse.

pub mod checks;
pub mod statistic;
pub mod verdict;

pub use self::{
    checks::{Account, Check, Example, Finding, Missing, Promises, Totals, account},
    verdict::{
        Estimate, Judged, Judgement, Measured, Reason, Verdict, implied, judge, unjudgeable,
    },
};

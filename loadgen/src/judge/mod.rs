//! Judges what was observed: the promises, the thresholds, and what the machine and the generator excuse.

pub mod checks;
pub mod verdict;

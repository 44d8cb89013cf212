//! The load generator: replays chat scenarios, measures delivery latency, accounts for every message, gives a verdict.

pub mod arrivals;
pub mod body;
pub mod catalogue;
pub mod checks;
pub mod cli;
pub mod client;
pub mod clock;
pub mod exit_code;
pub mod ledger;
pub mod machine;
pub mod metric;
pub mod output;
pub mod percentile;
pub mod plan;
pub mod presence;
pub mod preview;
pub mod progress;
pub mod recorder;
pub mod report;
pub mod runner;
pub mod scenario;
pub mod target;
pub mod token;
pub mod verdict;
pub mod vocabulary;
pub mod worker;

//! The load generator: replays chat scenarios, measures delivery latency, accounts for every message, gives a verdict.

pub mod command;
pub mod dial;
pub mod drive;
pub mod experiment;
pub mod rig;

pub use loadgen_core::{
    compare, judge, model, observed, plan, report, result, scenario, search, shards, verify,
};

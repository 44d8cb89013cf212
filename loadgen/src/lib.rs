//! The load generator: replays chat scenarios, measures delivery latency, accounts for every message, gives a verdict.

pub mod command;
pub mod compare;
pub mod drive;
pub mod experiment;
pub mod judge;
pub mod model;
pub mod observed;
pub mod plan;
pub mod report;
pub mod result;
pub mod rig;
pub mod scenario;

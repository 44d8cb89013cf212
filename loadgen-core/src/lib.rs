//! The pure part of the load generator: from a scenario to a plan, and from what was observed to a verdict, a result and
//! its formats. No runtime, no database and no server is among its dependencies.

pub mod compare;
pub mod judge;
pub mod model;
pub mod observed;
pub mod plan;
pub mod report;
pub mod result;
pub mod scenario;
pub mod search;
pub mod shards;
pub mod verify;

//! What breaks on the schedule's own time line.

use crate::{
    model::{Nanos, nanos},
    scenario::{Damage, Scenario},
};

/// A fault with its start and end.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedFault {
    /// The fault's name in the scenario.
    pub name: String,
    /// From the schedule's start.
    pub start: Nanos,
    /// From the schedule's start.
    pub end: Nanos,
    /// What breaks, and how badly.
    pub damage: Damage,
}

/// The faults of a scenario, in its order.
pub(super) fn planned(scenario: &Scenario) -> Vec<PlannedFault> {
    let faults = scenario.faults.iter();
    faults
        .map(|fault| PlannedFault {
            name: fault.name.clone(),
            start: nanos(fault.at),
            end: nanos(fault.at + fault.lasts),
            damage: fault.damage,
        })
        .collect()
}
